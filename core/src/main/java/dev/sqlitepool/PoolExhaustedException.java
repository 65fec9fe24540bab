package dev.sqlitepool;

/** As many tasks wait as {@link SqlitePoolBuilder#maxWaiters} allows. The task was turned away at once and never ran. */
public final class PoolExhaustedException extends PoolException {
    private static final long serialVersionUID = 1;

    /**
     * Made by the pool.
     *
     * @param message what happened and what to do
     * @param stats the pool at this moment
     */
    public PoolExhaustedException(String message, PoolStats stats) {
        super(message, stats, null);
    }
}
