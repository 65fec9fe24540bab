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
     * @param work runs once, on this thread, with this transaction
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
}
