package dev.sqlitepool.internal.lane;

/** The right of a session to continue: the task that it serves. Thread-safe. */
public interface Ticket {
    /** Whether the task has been ended from outside: cancelled, timed out, closed. */
    boolean isEnded();

    /**
     * The point of no return: from here on the task can no longer be ended from outside, and reports what becomes of it.
     *
     * @return false if it has been ended already; the session must then roll back
     */
    boolean beginCommit();
}
