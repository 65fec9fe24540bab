package dev.sqlitepool;

/**
 * A write was on its way when something failed, and nobody can know whether it took effect: SQLite may report an error
 * although the commit is, or after the next opening becomes, effective (seen with a full disk and with I/O errors). The
 * pool never repeats it. Read the database to find out, then decide.
 */
public final class OutcomeUnknownException extends PoolException {
    private static final long serialVersionUID = 1;

    /**
     * Made by the pool.
     *
     * @param message what happened and what to do
     * @param stats the pool at this moment
     * @param cause the error that left the outcome open
     */
    public OutcomeUnknownException(String message, PoolStats stats, Throwable cause) {
        super(message, stats, true, cause);
    }
}
