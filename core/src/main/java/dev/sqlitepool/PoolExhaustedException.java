package dev.sqlitepool;

/**
 * As many tasks wait as {@link SqlitePoolBuilder#maxWaiters} allows. The task was turned away at once and never ran, unless it is a function of
 * {@code connection} or of a lease that has to wait for the write connection in the middle: {@link #mayHaveHadEffect()}.
 */
public final class PoolExhaustedException extends PoolException {
    private static final long serialVersionUID = 1;

    /**
     * Made by the pool.
     *
     * @param message what happened and what to do
     * @param stats the pool at this moment
     * @param mayHaveHadEffect whether the task may have changed the database
     */
    public PoolExhaustedException(String message, PoolStats stats, boolean mayHaveHadEffect) {
        super(message, stats, mayHaveHadEffect, null);
    }
}
