package dev.sqlitepool;

import java.sql.SQLException;
import java.util.Collection;
import java.util.List;
import java.util.Optional;

/**
 * The pool for code that waits: the methods of {@link SqlitePool}. They return the result or throw the original exception.
 * Thread-safe; for platform threads and virtual threads.
 * <pre>{@code
 * long users = pool.blocking()
 *         .read(conn -> conn.queryOne("SELECT count(*) FROM users", row -> row.getLong(1)).orElseThrow());
 * }</pre>
 *
 * <p>From a platform thread, a function runs on the calling thread once a connection is free, so thread-locals and tracing
 * contexts hold. From a virtual thread everything runs on a thread of the pool and the virtual thread parks: a native call
 * would hold its carrier. Waiting inside a function for the connection that this very thread holds fails at once with {@link
 * IllegalStateException}.
 *
 * <p>Interrupting a thread that waits for a connection makes it leave the queue with an {@link SQLException} whose cause is
 * an {@link InterruptedException}; the thread's interrupt flag stays set. Interrupting a virtual thread also ends the task that it waits for, as cancelling the future would; on a platform thread, SQL that is running goes on.
 *
 * <p>All methods throw {@link PoolTimeoutException} when no connection came free within the acquire timeout, {@link
 * PoolExhaustedException} when too many wait already, {@link PoolClosedException} after close, and {@link
 * OutcomeUnknownException} when nobody can know whether a write took effect.
 */
public interface BlockingPool {
    /**
     * Runs a function on a connection in autocommit mode, as {@link SqlitePool#connection} does.
     *
     * @param <T> the result
     * @param <X> what the function may throw
     * @param work runs at most once
     * @return the function's result
     * @throws SQLException what the database refuses
     * @throws X what the function throws
     */
    <T, X extends Exception> T connection(SqlWork<? super PoolConnection, ? extends T, X> work) throws SQLException, X;

    /**
     * Runs a function in a transaction, as {@link SqlitePool#transaction} does.
     *
     * @param <T> the result
     * @param <X> what the function may throw
     * @param work runs at most once
     * @return the function's result, after the commit
     * @throws SQLException what the database refuses
     * @throws X what the function throws, after the rollback
     */
    <T, X extends Exception> T transaction(SqlWork<? super Transaction, ? extends T, X> work) throws SQLException, X;

    /**
     * Runs a function that reads in one consistent snapshot, as {@link SqlitePool#read} does.
     *
     * @param <T> the result
     * @param <X> what the function may throw
     * @param work runs at most once
     * @return the function's result
     * @throws SQLException what the database refuses
     * @throws X what the function throws
     */
    <T, X extends Exception> T read(SqlWork<? super PoolConnection, ? extends T, X> work) throws SQLException, X;

    /**
     * Same as {@link #connection}, without a result.
     *
     * @param <X> what the action may throw
     * @param action runs at most once
     * @throws SQLException what the database refuses
     * @throws X what the action throws
     */
    <X extends Exception> void useConnection(SqlAction<? super PoolConnection, X> action) throws SQLException, X;

    /**
     * Same as {@link #transaction}, without a result.
     *
     * @param <X> what the action may throw
     * @param action runs at most once
     * @throws SQLException what the database refuses
     * @throws X what the action throws, after the rollback
     */
    <X extends Exception> void useTransaction(SqlAction<? super Transaction, X> action) throws SQLException, X;

    /**
     * Same as {@link #read}, without a result.
     *
     * @param <X> what the action may throw
     * @param action runs at most once
     * @throws SQLException what the database refuses
     * @throws X what the action throws
     */
    <X extends Exception> void useRead(SqlAction<? super PoolConnection, X> action) throws SQLException, X;

    /**
     * Runs one statement and collects its rows, as {@link SqlitePool#query} does.
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
     * Runs one statement that returns at most one row, as {@link SqlitePool#queryOne} does.
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
     * Runs one statement for its effect, as {@link SqlitePool#execute} does.
     *
     * @param sql one statement
     * @param parameters the values to bind
     * @return the rows changed
     * @throws SQLException if the statement fails
     */
    long execute(String sql, Object... parameters) throws SQLException;

    /**
     * Runs one statement for each row of parameters, in one transaction, as {@link SqlitePool#executeBatch} does.
     *
     * @param sql one statement that returns no rows
     * @param rows the values to bind, a row for each run
     * @return the rows changed by each run
     * @throws SQLException if a run fails; then none took effect
     */
    long[] executeBatch(String sql, Collection<? extends Object[]> rows) throws SQLException;
}
