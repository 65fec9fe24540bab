package dev.sqlitepool;

/** The pool is closed, or was closed before the task could finish. A task that was running has been rolled back. */
public final class PoolClosedException extends PoolException {
    private static final long serialVersionUID = 1;

    /**
     * Made by the pool.
     *
     * @param message what happened and what to do
     * @param stats the pool at this moment
     */
    public PoolClosedException(String message, PoolStats stats) {
        super(message, stats, null);
    }
}
