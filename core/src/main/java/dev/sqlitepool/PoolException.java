package dev.sqlitepool;

/**
 * An error that the pool itself raises. Its message tells an operator what to do; {@link #stats()} is the pool at that moment, and {@link
 * #mayHaveHadEffect()} tells whether the task may be run again without doing anything twice.
 *
 * <pre>{@code
 * try {
 *     pool.blocking().useConnection(conn -> conn.execute("DELETE FROM stock"));
 * } catch (PoolException e) {
 *     out.accept(e.mayHaveHadEffect()); // true: read the database before you repeat it
 * }
 * }</pre>
 *
 * <p>An error of SQLite is no PoolException: it is the driver's {@link java.sql.SQLException}, {@code org.sqlite.SQLiteException}, and arrives
 * unchanged. Its {@code getErrorCode()} is 19 for every constraint. Its {@code getResultCode()} tells which constraint failed:
 *
 * <pre>{@code
 * static String inWords(SQLException error) {
 *     if (!(error instanceof SQLiteException refused)) {
 *         return "failed";
 *     }
 *     return switch (refused.getResultCode()) {
 *         case SQLITE_CONSTRAINT_UNIQUE, SQLITE_CONSTRAINT_PRIMARYKEY -> "exists already";
 *         case SQLITE_CONSTRAINT_FOREIGNKEY -> "refers to nothing, or is referred to";
 *         case SQLITE_CONSTRAINT_NOTNULL, SQLITE_CONSTRAINT_CHECK -> "is not allowed";
 *         default -> "failed";
 *     };
 * }
 * }</pre>
 *
 * <p>Do not parse the message: for UNIQUE it names columns, for FOREIGN KEY nothing. {@code join} and {@code get} throw the exception as the cause
 * of theirs, {@link SqlitePool#blocking} throws it directly.
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
     * the database first: a function of {@code connection} or of a lease commits on its own, so it can have committed something before the pool
     * ended it. A transaction, a read and a statement given to the pool have no effect unless the outcome is unknown.
     *
     * <p>It speaks of the task for which the pool made the exception. A function that throws on the exception of another task may have committed
     * something before.
     *
     * @return false only if the task certainly has changed nothing
     */
    public final boolean mayHaveHadEffect() {
        return mayHaveHadEffect;
    }
}
