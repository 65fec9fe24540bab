package dev.sqlitepool.r2dbc;

import dev.sqlitepool.SqlitePool;
import io.r2dbc.spi.Closeable;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.ConnectionFactory;
import io.r2dbc.spi.ConnectionFactoryMetadata;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Mono;

/**
 * Connections of R2DBC over a pool. Thread-safe; make one for each database file and process, share it, and close it at the end.
 *
 * <p>Its connections are logical ones, of which there may be any number: each has a connection of the pool only for a statement, or from the
 * beginning of a transaction to its end. So a pool on top, such as r2dbc-pool, is not needed: all it adds is a limit.
 */
public final class SqliteConnectionFactory implements ConnectionFactory, Closeable {
    private final SqlitePool pool;
    private final Scripts scripts = new Scripts();
    private final boolean owned;
    private final @Nullable Duration statementTimeout;
    private final @Nullable Duration lockWaitTimeout;

    SqliteConnectionFactory(
            SqlitePool pool, boolean owned, @Nullable Duration statementTimeout, @Nullable Duration lockWaitTimeout) {
        this.pool = pool;
        this.owned = owned;
        this.statementTimeout = statementTimeout;
        this.lockWaitTimeout = lockWaitTimeout;
    }

    /**
     * Connections over a pool that others use too, and that its maker closes.
     *
     * @param pool the pool
     * @return a factory whose {@link #close} does nothing
     */
    public static SqliteConnectionFactory of(SqlitePool pool) {
        if (pool == null) {
            throw new IllegalArgumentException("pool must not be null");
        }
        return new SqliteConnectionFactory(pool, false, null, null);
    }

    /**
     * The pool that the connections are from.
     *
     * @return the same object on every call
     */
    public SqlitePool pool() {
        return pool;
    }

    /** A logical connection; nothing is opened before it runs a statement or begins a transaction. */
    @Override
    public Mono<Connection> create() {
        return Mono.fromSupplier(() -> new SqliteConnection(pool, scripts, statementTimeout, lockWaitTimeout));
    }

    @Override
    public ConnectionFactoryMetadata getMetadata() {
        return () -> "SQLite";
    }

    /** Closes the pool, if it was made for this factory, as {@link SqlitePool#closeAsync} does. */
    @Override
    public Mono<Void> close() {
        return owned ? Mono.fromFuture(pool::closeAsync, true) : Mono.empty();
    }
}
