package dev.sqlitepool.internal.session;

import dev.sqlitepool.internal.lane.Lane;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The open cursors and results of a session, and its statements that run. While there are any, the lane cannot be given back. Owned by the
 * session's owner.
 */
final class OpenResults {
    /** Statements that run, inside each other. */
    private int running;

    private @Nullable JdbcView view;

    /** A statement begins to run, or ends to. */
    void running(int change) {
        running += change;
    }

    /** Whether there are any on the lane that the session has; null if it has none. */
    boolean areOpen(@Nullable Lane lane) {
        return running > 0 || lane != null && lane.statements().hasHeld() || view != null && view.hasOpenResults();
    }

    /** Whether there are any, or one that nobody has asked for yet. */
    boolean mayBeOpen(@Nullable Lane lane) {
        return areOpen(lane) || view != null;
    }

    /** Closes what JDBC statements and cursors have left open. */
    void close(@Nullable Lane lane, String reason) {
        closeThoseOfJdbc(reason);
        closeCursors(lane);
    }

    void closeCursors(@Nullable Lane lane) {
        if (lane != null) {
            lane.statements().closeHeld();
        }
    }

    void closeThoseOfJdbc(String reason) {
        if (view != null) {
            view.closeStatements(reason);
        }
    }

    /** Before the end of a savepoint: results of statements that only read stay open, as SQLite allows. */
    void closeWriting() {
        if (view != null) {
            view.closeWriting();
        }
    }

    /** The JDBC view of the session, made when it is first asked for. */
    JdbcView view(Supplier<? extends JdbcView> made) {
        JdbcView current = view;
        if (current == null) {
            current = made.get();
            view = current;
        }
        return current;
    }

    /** The function has ended; cursors may stay. */
    void endWork() {
        running = 0;
        JdbcView last = view;
        view = null;
        if (last != null && !last.endsWithWork()) {
            view = last;
        }
    }
}
