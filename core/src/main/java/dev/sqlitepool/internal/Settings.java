package dev.sqlitepool.internal;

import dev.sqlitepool.ConnectionFactory;
import dev.sqlitepool.Durability;
import dev.sqlitepool.PoolListener;
import dev.sqlitepool.SqlAction;
import java.nio.file.Path;
import java.sql.Connection;
import java.time.Duration;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;

/**
 * The settings of one pool, validated by the builder, whose setters document them. Immutable. Null where the builder says
 * none, off or without; no path and no factory means a database in memory.
 */
public record Settings(
        String name,
        @Nullable Path database,
        @Nullable ConnectionFactory factory,
        Opening opening,
        int poolSize,
        Duration acquireTimeout,
        @Nullable Duration maxConnectionAge,
        @Nullable Duration maxIdleTime,
        Duration healthCheckInterval,
        Durability durability,
        int maxWaiters,
        @Nullable Duration statementTimeout,
        Duration busyTimeout,
        Map<String, String> pragmas,
        List<SqlAction<? super Connection, ?>> beforePragmas,
        List<SqlAction<? super Connection, ?>> onConnect,
        int statementCacheSize,
        @Nullable Executor executor,
        @Nullable Duration leakThreshold,
        @Nullable PoolListener listener,
        Duration closeGrace,
        long walSizeLimit,
        @Nullable Duration maxReadAge,
        boolean externalCheckpointer,
        Set<Part> parts) {

    /** What the pool may do with the database file. */
    public enum Opening {
        /** Everything. */
        CREATE,
        /** Write to it, but not create it. */
        EXISTING,
        /** Read it. */
        READ_ONLY
    }

    /** The parts that make the engine fast. A benchmark can switch each off to show its effect. */
    public enum Part {
        /** Commits share syncs. */
        GATE,
        /** Statements that wait share a transaction. */
        GROUPS,
        /** Transactions that follow one another take their read lock once. */
        STAY,
        /** Reads that wait share a snapshot. */
        SNAPSHOTS,
        /** The driver's extra work beside each statement is left out. */
        DRIVER,
        /** The log is copied into the database beside the commits, and not in one of a thousand of them. */
        CHECKPOINTS
    }

    /** Twice as much as SQLite's own default: each checkpoint costs two syncs. */
    private static final long CHECKPOINT_SIZE = 8L << 20;

    private static final Duration LONGEST = Duration.ofDays(36_500);

    /** Copies the collections, keeping their order. */
    public Settings {
        pragmas = Collections.unmodifiableMap(new LinkedHashMap<>(pragmas));
        beforePragmas = List.copyOf(beforePragmas);
        onConnect = List.copyOf(onConnect);
        parts = Set.copyOf(parts);
    }

    /** Whether a part of the engine is in use. */
    public boolean uses(Part part) {
        return parts.contains(part);
    }

    /** Whether the pool never writes. */
    public boolean readOnly() {
        return opening == Opening.READ_ONLY;
    }

    /** Whether the pool itself copies the write-ahead log into the database. */
    public boolean checkpoints() {
        return uses(Part.CHECKPOINTS) && !externalCheckpointer && !inMemory() && !readOnly();
    }

    /** From how many bytes of the log on it is copied into the database, and to how many its file shrinks afterwards. */
    public long checkpointSize() {
        return Math.min(CHECKPOINT_SIZE, walSizeLimit / 4);
    }

    /** Whether code of the user's makes connections or prepares them, and so may have added functions to them. */
    public boolean preparesConnections() {
        return factory != null || !beforePragmas.isEmpty() || !onConnect.isEmpty();
    }

    /** Whether the database is in memory. */
    public boolean inMemory() {
        return database == null && factory == null;
    }

    /** A duration in nanoseconds; one beyond a century is taken for a century, so that sums do not overflow. */
    public static long nanos(Duration duration) {
        return duration.compareTo(LONGEST) > 0 ? LONGEST.toNanos() : duration.toNanos();
    }
}
