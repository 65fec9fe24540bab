package dev.sqlitepool;

/** No connection came free within the acquire timeout. The task never ran. The message names who holds the connections and for how long. */
public final class PoolTimeoutException extends PoolException {
    private static final long serialVersionUID = 1;

    /**
     * Made by the pool.
     *
     * @param message what happened and what to do
     * @param stats the pool at this moment
     */
    public PoolTimeoutException(String message, PoolStats stats) {
        super(message, stats, null);
    }
}
