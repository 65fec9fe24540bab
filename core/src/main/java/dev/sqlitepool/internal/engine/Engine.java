package dev.sqlitepool.internal.engine;

import dev.sqlitepool.internal.file.DisplacedException;
import java.io.IOException;
import java.io.SyncFailedException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.LinkedHashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * One physical connection, as its database engine knows it. Owned by the lane's owner, except {@link #interrupt}, which any
 * thread may call while the owner cannot close the connection.
 */
public interface Engine {
    /** The driver's connection. */
    Connection connection();

    /** The connection that was opened, perhaps a wrapper of the driver's; the one to close. */
    Connection opened();

    /** Prepares a statement, {@link #inCurrentSchema}. */
    Prepared prepare(String sql) throws SQLException;

    /**
     * Prepares what is correct in the schema as it is now, even if the connection remembers an older one.
     *
     * @param preparation prepares, runs nothing, and may be called twice
     */
    <T, X extends Throwable> T inCurrentSchema(Preparation<? extends T, X> preparation) throws SQLException, X;

    /** Prepares something on the connection. */
    interface Preparation<T, X extends Throwable> {
        T run() throws SQLException, X;
    }

    /**
     * Makes the connection look whether the schema that it remembers is still that of its databases. What runs on a table looks by itself;
     * this is for what answers from the schema alone. Part of the transaction that is open, whose snapshot it begins.
     */
    void lookAtSchema() throws SQLException;

    /** Begins a transaction; one that may write takes the write lock now. Leaves nothing behind if it fails. */
    void begin(boolean write) throws SQLException;

    /**
     * Commits.
     *
     * @param stay the connection may go on reading, at what it has just committed, so that a transaction that follows at once has its read
     *     lock already; {@link #begin} or {@link #endRead} ends that
     */
    void commit(boolean stay) throws SQLException;

    /** Whether it went on reading after its last commit. */
    boolean isReading();

    /** Reads no more between transactions; does nothing if it does not. */
    void endRead();

    void rollback() throws SQLException;

    /** Opens a savepoint inside a transaction; {@code level} distinguishes nested ones. */
    void savepoint(int level) throws SQLException;

    /** Undoes what happened since the savepoint, which stays open; those inside it are closed. */
    void rollbackTo(int level) throws SQLException;

    /** Closes the savepoint and those inside it, and keeps what happened since. */
    void release(int level) throws SQLException;

    /** Asks the engine itself whether a transaction is open. Costs statements; for use after errors. */
    boolean inTransaction() throws SQLException;

    /** Makes a connection that can write refuse to, or write again. */
    void refuseWrites(boolean refuse) throws SQLException;

    /** Whether the driver tells generated keys rightly; else {@link #insertedKey} does. */
    boolean driverTellsKeys();

    /**
     * From here on looks which rows are inserted into a table, at a price.
     *
     * @param table without its schema; null to look no more
     */
    void watchInserts(@Nullable String table) throws SQLException;

    /** The row id of the row that was inserted last since {@link #watchInserts}; null if there was none, or if it has no row id. */
    @Nullable
    Long insertedKey() throws SQLException;

    /**
     * Whether statements of different tasks may follow this one in the transaction that is open: not if its end could judge them together, as
     * it does with deferred constraints, nor if the statement calls code of the user's, as a function in SQL.
     */
    boolean mayGroup(String sql) throws SQLException;

    /** Whether a statement is known to call no code of the user's, since it has passed {@link #mayGroup}. Asks nobody, and may be asked under a lock. */
    boolean mayJoin(String sql);

    /** Whether a transaction that reads fixes its snapshot when it first reads, so that several statements may share one. */
    boolean sharesSnapshots();

    /** Whether a commit is durable, as the settings want it, only after {@link #sync}. */
    boolean needsSync();

    /** Makes all commits so far durable. By any thread, beside statements. Fails if nobody can know whether they are. */
    void sync() throws IOException;

    /** Whether nobody has seen yet that the file which is open here is not the database any more. Costs nothing; by any thread. */
    boolean isCurrent();

    /**
     * Looks whether what has been committed here is in the database: whether the file that is open is the one that its name leads to. By any
     * thread, beside statements.
     *
     * @throws DisplacedException if the file has vanished, or another is in its place
     * @throws IOException if nobody can know
     */
    void requireInPlace() throws IOException;

    /**
     * Makes each commit durable by itself from here on, or leaves that to {@link #sync} again. Outside a transaction only; does nothing
     * where commits are always durable by themselves, or never.
     */
    void syncByItself(boolean each) throws SQLException;

    /** The bytes of the file in which the write-ahead log is; negative if this connection knows of none. */
    long walSize();

    /**
     * Copies the write-ahead log into the database, as far as readers allow. Outside a transaction only.
     *
     * Waits for nobody.
     *
     * @param truncate makes the log empty if all is copied and nobody reads it; it keeps other writers out meanwhile
     * @throws SyncFailedException if nobody knows what of the files is on disk
     */
    Checkpoint checkpoint(boolean truncate) throws SQLException, SyncFailedException;

    /**
     * What a checkpoint has done.
     *
     * @param complete all of the log is in the database, and the next writer begins it anew, or will as soon as no reader uses it
     */
    record Checkpoint(boolean complete, long logPages, long copiedPages) {}

    /** Brings the statistics of the query planner up to date, where it is worth it, with a limit on what is read for them. */
    void optimize() throws SQLException;

    /** The size that a copy by {@link #copyTo} would have now. */
    CopySize copySize() throws SQLException;

    /**
     * Copies one snapshot of the whole database into a new file, and closes it; {@link #interrupt} ends the copying. Outside a transaction
     * only; the connection may write afterwards, whatever it was opened for.
     */
    void copyTo(Path file) throws SQLException;

    /** The size of a copy. */
    record CopySize(long pages, int pageBytes) {}

    /** The tables that a statement which has not run yet may write, triggers and foreign key actions included; not for pragmas. */
    Writes writes(String sql);

    /** Any table, with the names that there are. */
    Writes anything();

    /** A pragma, a temporary trigger or an attached database may change what {@link #writes} has found. */
    void forgetWrites();

    /**
     * The tables of the database that may have been written.
     *
     * @param any not only these, but any
     */
    record Writes(Set<String> tables, boolean any) {
        public static final Writes NONE = new Writes(Set.of(), false);

        public boolean isNothing() {
            return tables.isEmpty() && !any;
        }

        /** Both. */
        public Writes and(Writes other) {
            if (isNothing() || equals(other)) {
                return other;
            }
            if (other.isNothing()) {
                return this;
            }
            Set<String> both = new LinkedHashSet<>(tables);
            both.addAll(other.tables);
            return new Writes(both, any || other.any);
        }
    }

    /** Interrupts the statement that runs now, if any. Does not block. */
    void interrupt();

    /** What an error of this connection means. */
    Failure failure(SQLException error);

    /** Whether the connection is open and can read its database. Never throws. */
    boolean probe();

    /** Whether the connection is known to be closed; costs nothing. */
    boolean isClosed();

    /** Hands the driver's connection to a user in the state in which the driver would have opened it. */
    Connection unwrapped() throws SQLException;

    void close() throws SQLException;

    /** What an engine's error means for the lane that saw it. */
    enum Failure {
        /** A lane for reading refused a write, before anything happened. */
        READ_ONLY,
        /** Somebody outside holds the database; nothing happened, and the statement may be repeated. */
        BUSY,
        /** The statement was interrupted. A transaction that had written is rolled back, or must be. */
        INTERRUPTED,
        /** A constraint was violated. If a commit says so, the transaction stands and nothing of it is kept but by another commit. */
        CONSTRAINT,
        /** The connection or the transaction may be damaged: the lane is discarded. */
        DOUBTFUL,
        /** The statement failed by itself: syntax, type and the like. */
        ORDINARY
    }
}
