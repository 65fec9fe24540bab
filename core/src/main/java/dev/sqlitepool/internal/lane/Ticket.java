package dev.sqlitepool.internal.lane;

import dev.sqlitepool.internal.telemetry.Labelled;

/** The right of a session to go on: the task for which it works. Thread-safe. */
public interface Ticket extends Labelled {
    /** Whether the task has been ended from outside: cancelled, timed out, closed. */
    boolean isEnded();

    /**
     * The point of no return: from here on the task can no longer be ended from outside, and reports what becomes of it.
     *
     * @return false if it has been ended already; the session must then roll back
     */
    boolean beginCommit();
}
