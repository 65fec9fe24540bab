package dev.sqlitepool;

import java.sql.SQLException;

/**
 * A connection inside a transaction that the pool commits when the function returns, and rolls back when it throws. Owned by
 * the thread that runs the function.
 * <pre>{@code
 * pool.useTransaction(tx -> {
 *     tx.execute("INSERT INTO orders (product) VALUES (7)");
 *     try {
 *         tx.savepoint(inner -> inner.execute("INSERT INTO stock VALUES (7, 100)"));
 *     } catch (SQLException alreadyThere) { // only the savepoint is undone
 *         tx.execute("UPDATE stock SET units = units + 100 WHERE product = 7");
 *     }
 *     tx.afterCommit(() -> cache.remove(7L));
 * });
 * }</pre>
 *
 * <p>Transaction control, {@code PRAGMA}, {@code ATTACH}, {@code DETACH} and {@code VACUUM} are refused here with an {@link
 * SQLException}: they would end the transaction, or SQLite ignores them inside one. Use {@link SqlitePool#connection}
 * for these.
 *
 * <p>SQLite itself rolls back a transaction on some errors (a full disk, an interrupted write, {@code ON CONFLICT
 * ROLLBACK}, {@code RAISE(ROLLBACK)}). Further statements are then refused, even if the function caught the error, and the
 * transaction fails.
 */
public interface Transaction extends PoolConnection {
    /**
     * Runs a nested function that can be rolled back on its own: when it throws, its changes are undone and this transaction
     * continues.
     * Savepoints nest.
     *
     * @param <T> the result
     * @param <X> what the function may throw
     * @param work runs at most once, on this thread, with this transaction
     * @return the function's result
     * @throws SQLException what the function throws, after its changes have been undone
     * @throws X what the function throws, after its changes have been undone
     */
    <T, X extends Exception> T savepoint(SqlWork<? super Transaction, ? extends T, X> work) throws SQLException, X;

    /**
     * Makes this transaction end with a rollback although the function returns normally; its result is delivered. Inside
     * {@link #savepoint} too, the whole transaction is meant. Cannot be undone.
     */
    void rollbackOnly();

    /**
     * Registers something to be done once this transaction is committed and, with {@link Durability#FULL}, on disk: to drop a cache entry,
     * to send a message. Hooks run once, in the order of registration, after a commit that is known to have happened; never after a
     * rollback, nor with an {@link OutcomeUnknownException}. What was registered inside a {@link #savepoint} that is undone does not run.
     *
     * <ul>
     *   <li>They run on a thread of the pool that holds no connection, before the transaction's future completes. Code that sees the future
     *       completed sees the effect of the hooks.
     *   <li>A slow hook delays only this future. Hooks of different transactions may run concurrently.
     *   <li>An exception is logged, and neither changes the outcome nor keeps the next hook from running.
     *   <li>A hook may use the pool, but not this transaction, and must not wait for its future: that is an {@link IllegalStateException}.
     * </ul>
     *
     * @param hook what to do
     */
    void afterCommit(Runnable hook);
}
