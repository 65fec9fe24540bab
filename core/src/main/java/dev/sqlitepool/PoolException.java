package dev.sqlitepool;

/**
 * What the pool itself has to say, as opposed to the database, whose errors are the driver's {@link
 * java.sql.SQLException}. Its message tells an operator what to do; {@link #stats()} is the pool at that moment, and {@link
 * #mayHaveHadEffect()} tells whether the task may be run again without doing anything twice.
 */
public abstract sealed class PoolException extends RuntimeException
        permits PoolTimeoutException, PoolExhaustedException, PoolClosedException, OutcomeUnknownException {
    private static final long serialVersionUID = 1;

    /** The pool when this happened. */
    private final PoolStats stats;
    /** Whether the task may have changed the database. */
    private final boolean mayHaveHadEffect;

    PoolException(String message, PoolStats stats, boolean mayHaveHadEffect, Throwable cause) {
        super(message, cause);
        this.stats = stats;
        this.mayHaveHadEffect = mayHaveHadEffect;
    }

    /**
     * The pool when this happened.
     *
     * @return never null
     */
    public final PoolStats stats() {
        return stats;
    }

    /**
     * Whether the task that the pool ended with this exception may have changed the database. If not, it may be run again. If so, read
     * the database first: work in {@code connection} or on a lease commits by itself, so it can have committed something before the pool
     * ended it. A transaction, a read and a statement given to the pool have no effect unless the outcome is unknown.
     *
     * <p>It speaks of the task for which the pool made the exception. Work that lets the exception of another task pass may have committed
     * something by itself before.
     *
     * @return false only if the task certainly has changed nothing
     */
    public final boolean mayHaveHadEffect() {
        return mayHaveHadEffect;
    }
}
