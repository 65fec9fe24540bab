package dev.sqlitepool;

/**
 * What the pool itself has to say, as opposed to the database, whose errors are the driver's {@link
 * java.sql.SQLException}. Its message tells an operator what to do; {@link #stats()} is the pool at that moment.
 */
public abstract sealed class PoolException extends RuntimeException
        permits PoolTimeoutException, PoolExhaustedException, PoolClosedException, OutcomeUnknownException {
    private static final long serialVersionUID = 1;

    /** The pool when this happened. */
    private final PoolStats stats;

    PoolException(String message, PoolStats stats, Throwable cause) {
        super(message, cause);
        this.stats = stats;
    }

    /**
     * The pool when this happened.
     *
     * @return never null
     */
    public final PoolStats stats() {
        return stats;
    }
}
