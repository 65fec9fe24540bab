package dev.sqlitepool;

/**
 * The pool is closed, or was closed before the task could finish. An open transaction has been rolled back. What a function of {@code connection} or of a
 * lease had committed stays: {@link #mayHaveHadEffect()}.
 */
public final class PoolClosedException extends PoolException {
    private static final long serialVersionUID = 1;

    /**
     * Made by the pool.
     *
     * @param message what happened and what to do
     * @param stats the pool at this moment
     * @param mayHaveHadEffect whether the task may have changed the database
     */
    public PoolClosedException(String message, PoolStats stats, boolean mayHaveHadEffect) {
        super(message, stats, mayHaveHadEffect, null);
    }
}
