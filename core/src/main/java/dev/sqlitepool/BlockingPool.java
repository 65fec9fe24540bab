package dev.sqlitepool;

import java.sql.SQLException;
import java.util.Collection;
import java.util.List;
import java.util.Optional;

/**
 * The pool for code that waits: the verbs of {@link SqlitePool}, returning results and throwing what went wrong as it is.
 * Thread-safe, made for platform threads and virtual threads alike.
 *
 * <p>From a platform thread, work runs on the calling thread once a connection is free, so thread-locals and tracing
 * contexts hold. From a virtual thread everything runs on a thread of the pool and the virtual thread parks: a native call
 * would hold its carrier. Waiting inside work for the connection that this very thread holds fails at once with {@link
 * IllegalStateException}.
 *
 * <p>Interrupting a thread that waits for a connection makes it leave the queue with an {@link SQLException} whose cause is
 * an {@link InterruptedException}; the thread's interrupt flag stays set. Interrupting a virtual thread also ends the work
 * that it waits for, as cancelling the future would; on a platform thread, SQL that is running goes on.
 *
 * <p>All methods throw {@link PoolTimeoutException} when no connection came free within the acquire timeout, {@link
 * PoolExhaustedException} when too many wait already, {@link PoolClosedException} after close, and {@link
 * OutcomeUnknownException} when nobody can know whether a write took effect.
 */
public interface BlockingPool {
    /**
     * As {@link SqlitePool#connection}.
     *
     * @param <T> the result
     * @param <X> what the work may throw
     * @param work runs at most once
     * @return the work's result
     * @throws SQLException what the database refuses
     * @throws X what the work throws
     */
    <T, X extends Exception> T connection(SqlWork<? super PoolConnection, ? extends T, X> work) throws SQLException, X;

    /**
     * As {@link SqlitePool#transaction}.
     *
     * @param <T> the result
     * @param <X> what the work may throw
     * @param work runs at most once
     * @return the work's result, after the commit
     * @throws SQLException what the database refuses
     * @throws X what the work throws, after the rollback
     */
    <T, X extends Exception> T transaction(SqlWork<? super Transaction, ? extends T, X> work) throws SQLException, X;

    /**
     * As {@link SqlitePool#read}.
     *
     * @param <T> the result
     * @param <X> what the work may throw
     * @param work runs at most once
     * @return the work's result
     * @throws SQLException what the database refuses
     * @throws X what the work throws
     */
    <T, X extends Exception> T read(SqlWork<? super PoolConnection, ? extends T, X> work) throws SQLException, X;

    /**
     * The void twin of {@link #connection}.
     *
     * @param <X> what the action may throw
     * @param action runs at most once
     * @throws SQLException what the database refuses
     * @throws X what the action throws
     */
    <X extends Exception> void useConnection(SqlAction<? super PoolConnection, X> action) throws SQLException, X;

    /**
     * The void twin of {@link #transaction}.
     *
     * @param <X> what the action may throw
     * @param action runs at most once
     * @throws SQLException what the database refuses
     * @throws X what the action throws, after the rollback
     */
    <X extends Exception> void useTransaction(SqlAction<? super Transaction, X> action) throws SQLException, X;

    /**
     * The void twin of {@link #read}.
     *
     * @param <X> what the action may throw
     * @param action runs at most once
     * @throws SQLException what the database refuses
     * @throws X what the action throws
     */
    <X extends Exception> void useRead(SqlAction<? super PoolConnection, X> action) throws SQLException, X;

    /**
     * As {@link SqlitePool#query}.
     *
     * @param <T> what a row becomes
     * @param sql one statement that returns rows
     * @param mapper called for each row
     * @param parameters the values to bind
     * @return the mapped rows in order
     * @throws SQLException if the statement or the mapper fails
     */
    <T> List<T> query(String sql, RowMapper<? extends T> mapper, Object... parameters) throws SQLException;

    /**
     * As {@link SqlitePool#queryOne}.
     *
     * @param <T> what the row becomes
     * @param sql one statement that returns at most one row
     * @param mapper called for the row
     * @param parameters the values to bind
     * @return the mapped row; empty if there is none, or the mapper returns null
     * @throws SQLException if the statement fails, or there is a second row
     */
    <T> Optional<T> queryOne(String sql, RowMapper<? extends T> mapper, Object... parameters) throws SQLException;

    /**
     * As {@link SqlitePool#execute}.
     *
     * @param sql one statement
     * @param parameters the values to bind
     * @return the rows changed
     * @throws SQLException if the statement fails
     */
    long execute(String sql, Object... parameters) throws SQLException;

    /**
     * As {@link SqlitePool#executeBatch}.
     *
     * @param sql one statement that returns no rows
     * @param rows the values to bind, a row for each run
     * @return the rows changed by each run
     * @throws SQLException if a run fails; then none took effect
     */
    long[] executeBatch(String sql, Collection<? extends Object[]> rows) throws SQLException;
}
