package dev.sqlitepool.internal.session;

import java.sql.Connection;

/**
 * A session as {@code java.sql}, as far as the session must know it: what its results keep open, and when they must go. Owned by the
 * session's owner. Its maker decides how long it lives.
 */
public interface JdbcView {
    // ---- why a result was closed

    String CLOSED = "it, its statement or its connection was closed";
    String COMMITTED = "its transaction has been committed, and its connection was given back to the pool";
    String MOVED = "this task has continued on another connection of the pool";
    String INTERRUPTED = "a statement was interrupted, which reaches all results of a connection";

    /** The connection that the user has. */
    Connection connection();

    /** Whether a result may have more rows. */
    boolean hasOpenResults();

    /** Closes what is open on the lane, for the reason given; a statement that is used again is prepared again. */
    void closeStatements(String reason);

    /** Closes the results of statements that write: with one of them SQLite ends neither savepoint nor transaction. */
    void closeWriting();

    /**
     * A work of the session is over.
     *
     * @return whether the view has ended with it; if not, the next work has the same view
     */
    boolean endsWithWork();
}
