package dev.sqlitepool;

import java.sql.SQLException;

/**
 * A connection inside a transaction that the pool commits when the work returns, and rolls back when it throws. Owned by
 * the thread that runs the work.
 *
 * <p>Transaction control, {@code PRAGMA}, {@code ATTACH}, {@code DETACH} and {@code VACUUM} are refused here with an {@link
 * SQLException}: they would end the transaction, or SQLite ignores them inside one. {@link SqlitePool#connection} is the
 * form for these.
 *
 * <p>SQLite rolls back a transaction by itself on some errors (a full disk, an interrupted write, {@code ON CONFLICT
 * ROLLBACK}, {@code RAISE(ROLLBACK)}). Further statements are then refused, even if the work caught the error, and the
 * transaction fails.
 */
public interface Transaction extends PoolConnection {
    /**
     * Runs nested work that can fail by itself: when it throws, what it did is undone and this transaction stays usable.
     * Savepoints nest.
     *
     * @param <T> the result
     * @param <X> what the work may throw
     * @param work runs at most once, on this thread, with this transaction
     * @return the work's result
     * @throws SQLException what the work throws, after its changes have been undone
     * @throws X what the work throws, after its changes have been undone
     */
    <T, X extends Exception> T savepoint(SqlWork<? super Transaction, ? extends T, X> work) throws SQLException, X;

    /**
     * Makes this transaction end with a rollback although the work returns normally; its result is delivered. Inside
     * {@link #savepoint} too, the whole transaction is meant. Cannot be undone.
     */
    void rollbackOnly();

    /**
     * Registers something to be done once this transaction is committed and, with {@link Durability#FULL}, on disk: to drop a cache entry,
     * to send a message. Hooks run once, in the order of registration, after a commit that is known to have happened; never after a
     * rollback, nor with an {@link OutcomeUnknownException}. What was registered inside a {@link #savepoint} that is undone does not run.
     *
     * <p>They run on a thread of the pool that holds no connection, before the transaction's future completes: whoever sees the future
     * done sees what they have done. A slow one delays this future alone. Hooks of different transactions may run side by side. An exception is logged, and neither changes the outcome
     * nor keeps the next hook from running. A hook may use the pool, but not this transaction, and must not wait for its future: that
     * is an {@link IllegalStateException}.
     *
     * @param hook what to do
     */
    void afterCommit(Runnable hook);
}
