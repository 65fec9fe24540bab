package dev.sqlitepool;

/**
 * No connection came free within the acquire timeout. The message names who holds the connections and for how long. A task that waited to begin
 * never ran. A function of {@code connection} or of a lease can also end like this in the middle, when it waits for the write connection: {@link
 * #mayHaveHadEffect()} tells whether it may have committed something before.
 */
public final class PoolTimeoutException extends PoolException {
    private static final long serialVersionUID = 1;

    /**
     * Made by the pool.
     *
     * @param message what happened and what to do
     * @param stats the pool at this moment
     * @param mayHaveHadEffect whether the task may have changed the database
     */
    public PoolTimeoutException(String message, PoolStats stats, boolean mayHaveHadEffect) {
        super(message, stats, mayHaveHadEffect, null);
    }
}
