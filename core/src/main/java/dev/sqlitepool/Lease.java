package dev.sqlitepool;

import java.util.concurrent.CompletableFuture;

/**
 * A connection that you borrow for several calls and must release. Thread-safe: the functions of one lease run one after
 * the other, in the order in which they were submitted, on the same logical connection.
 * <pre>{@code
 * pool.acquire().thenCompose(lease -> lease.run(conn -> conn.execute("BEGIN"))
 *         .thenCompose(begun -> lease.run(conn -> conn.execute("DELETE FROM stock WHERE units = 0")))
 *         .thenCompose(deleted -> lease.commit())
 *         .whenComplete((ended, error) -> lease.close()));
 * }</pre>
 *
 * <ul>
 *   <li>A lease begins on a read connection, which it keeps until it is released. Like {@link SqlitePool#connection}, it switches to the write
 *       connection when a statement needs it.
 *   <li>A transaction that one function begins with {@code BEGIN} stays open for the next.
 *   <li>After the commit the function continues as soon as the commit is durable. Then the lease gives the write connection back and reads
 *       again. Therefore {@code last_insert_rowid()} and the like are refused until its next change: ask before {@code COMMIT}.
 *   <li>A lease that has changed its connection by {@code PRAGMA}, {@code ATTACH} or a temporary table keeps the write connection until it is
 *       released.
 * </ul>
 *
 * <p>Open leases and streams hold at most all but one of the read connections, so that short reads always get through. With
 * {@code poolSize} 2 there is only one, which a lease may hold. Release a lease in {@code finally}; {@link SqlitePoolBuilder#leakThreshold} reports those that are forgotten.
 */
public interface Lease extends AutoCloseable {
    /**
     * Runs a function on the leased connection, after all that were submitted before. A transaction and {@link RowCursor cursors} that the
     * function leaves open stay open; results of JDBC are closed.
     *
     * <p>If its future is cancelled while it runs, an open transaction is lost, and everything except its end is refused, unless the function
     * has only read.
     *
     * @param <T> the result
     * @param work runs at most once, on a thread of the pool
     * @return completes with the function's result, fails with what it throws; fails with {@link IllegalStateException} if the
     *     lease has been released
     */
    <T> CompletableFuture<T> run(SqlWork<? super PoolConnection, ? extends T, ?> work);

    /**
     * Commits the transaction that functions of this lease have begun, after all that were submitted before. Same as running {@code COMMIT},
     * but no thread is blocked during the disk sync. Functions that are submitted later run once the commit is durable.
     *
     * @return completes when the transaction is durable. Cannot be cancelled once the commit has begun. Fails with an
     *     {@link java.sql.SQLException} if it is certainly not committed: unless SQLite has ended it, it is still open then, to be rolled back, or
     *     committed again if another process was in the way. Fails with an {@link OutcomeUnknownException} if nobody knows
     */
    CompletableFuture<Void> commit();

    /**
     * Ends the loan: functions that were submitted before still run, then an open transaction is rolled back and the connection
     * goes back to the pool. Idempotent.
     *
     * @return completes when the connection is back; never fails. The same future on every call
     */
    CompletableFuture<Void> release();

    /** {@link #release()} without waiting for it. */
    @Override
    default void close() {
        CompletableFuture<Void> unused = release();
    }
}
