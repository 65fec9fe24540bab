package dev.sqlitepool.internal.lane;

import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What of a session stands on rows: statements that run, cursors, results of JDBC. While there is anything, the lane cannot be given
 * back. Owned by the session's owner.
 */
final class OpenResults {
    private final Session session;
    /** Statements that run, inside each other. */
    private int running;

    private @Nullable JdbcView view;

    OpenResults(Session session) {
        this.session = session;
    }

    /** A statement begins to run, or ends to. */
    void running(int change) {
        running += change;
        session.lookWhatIsOpen();
    }

    boolean areOpen() {
        Lane lane = session.lane();
        return running > 0 || lane != null && lane.statements().hasHeld() || view != null && view.hasOpenResults();
    }

    /** Whether there may be one that nobody has asked for yet, besides those that are open. */
    boolean mayBeOpen() {
        return areOpen() || view != null;
    }

    /** Closes what JDBC statements and cursors have left open. */
    void close(String reason) {
        closeThoseOfJdbc(reason);
        closeCursors();
    }

    void closeCursors() {
        Lane lane = session.lane();
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

    /** The work is over; cursors may stay. */
    void end() {
        running = 0;
        JdbcView ended = view;
        view = null;
        if (ended != null && !ended.endsWithWork()) {
            view = ended;
        }
    }
}
