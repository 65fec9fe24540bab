package dev.sqlitepool.r2dbc;

import io.r2dbc.spi.Option;
import io.r2dbc.spi.TransactionDefinition;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a transaction begins with, for {@link io.r2dbc.spi.Connection#beginTransaction(TransactionDefinition)}. Immutable. Definitions of one's
 * own with the same attributes do the same.
 */
public final class SqliteTransactionDefinition implements TransactionDefinition {
    /**
     * How a transaction that writes begins: {@code IMMEDIATE}, the default, or {@code EXCLUSIVE}. {@code DEFERRED} means {@code IMMEDIATE}: a
     * transaction that asks for the write lock in its middle can fail there because of another process, and inside the pool it has the
     * write connection from its beginning anyway.
     */
    public static final Option<String> MODE = Option.valueOf("sqliteTransactionMode");

    /** Reads only: on a read connection, in one snapshot, beside the writers. Writes are refused. */
    public static final SqliteTransactionDefinition READ_ONLY =
            new SqliteTransactionDefinition(Map.of(TransactionDefinition.READ_ONLY, true));

    /** Writes, with {@code BEGIN IMMEDIATE}: what a transaction without a definition does. */
    public static final SqliteTransactionDefinition IMMEDIATE =
            new SqliteTransactionDefinition(Map.of(MODE, "IMMEDIATE"));

    /** Writes, with {@code BEGIN EXCLUSIVE}, which in WAL mode is the same (<a href="https://www.sqlite.org/lang_transaction.html">SQLite</a>). */
    public static final SqliteTransactionDefinition EXCLUSIVE =
            new SqliteTransactionDefinition(Map.of(MODE, "EXCLUSIVE"));

    private final Map<Option<?>, Object> attributes;

    private SqliteTransactionDefinition(Map<Option<?>, Object> attributes) {
        this.attributes = attributes;
    }

    /**
     * The same with its own limit for the wait for a connection and for other processes.
     *
     * @param limit positive, or zero for the one of the connection
     * @return another definition; this one does not change
     * @throws IllegalArgumentException if {@code limit} is negative
     */
    public SqliteTransactionDefinition lockWaitTimeout(Duration limit) {
        if (limit.isNegative()) {
            throw new IllegalArgumentException(
                    "lockWaitTimeout was " + limit + "; it must be positive, or zero for the one of the connection.");
        }
        Map<Option<?>, Object> more = new HashMap<>(attributes);
        more.put(LOCK_WAIT_TIMEOUT, limit);
        return new SqliteTransactionDefinition(Map.copyOf(more));
    }

    @Override
    public <T> @Nullable T getAttribute(Option<T> option) {
        return option.cast(attributes.get(option));
    }

    @Override
    public String toString() {
        return "SqliteTransactionDefinition" + attributes;
    }
}
