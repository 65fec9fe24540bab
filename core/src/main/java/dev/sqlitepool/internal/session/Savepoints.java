package dev.sqlitepool.internal.session;

import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.internal.engine.Engine.Failure;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.sql.Verb;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The savepoints of a session's transaction: those of functions that run inside each other, and those that the user ends through JDBC. Owned
 * by the session's owner.
 */
public final class Savepoints {
    private final TransactionScope transaction;
    private final CommitHooks hooks;
    private final OpenResults results;
    /** Those that are open, from the outermost on. */
    private final List<Mark> marks = new ArrayList<>();
    /** How many the session has set. */
    private int numbered;

    Savepoints(TransactionScope transaction, CommitHooks hooks, OpenResults results) {
        this.transaction = transaction;
        this.hooks = hooks;
        this.results = results;
    }

    /** A savepoint, by identity: it is open exactly if {@link #marks} holds it. */
    public static final class Mark {
        private final int number;
        private final int level;
        private final int hooks;
        private final boolean ofFunction;

        private Mark(int number, int level, int hooks, boolean ofFunction) {
            this.number = number;
            this.level = level;
            this.hooks = hooks;
            this.ofFunction = ofFunction;
        }

        /** No other savepoint of the session has it. */
        public int number() {
            return number;
        }
    }

    /** Work inside a transaction. */
    public interface Nested<T, X extends Exception> {
        T run() throws SQLException, X;
    }

    /** Runs work in a savepoint: when it throws, what it did is undone. */
    <T, X extends Exception> T nested(Lane current, Nested<T, X> body) throws SQLException, X {
        Mark mark = savepoint(current, true);
        T result;
        try {
            result = body.run();
        } catch (Throwable e) {
            results.closeWriting();
            rollbackTo(current, mark, e);
            throw e;
        }
        results.closeWriting();
        release(current, mark);
        return result;
    }

    /** The transaction has ended, and all of them with it. */
    void clear() {
        marks.clear();
    }

    /**
     * Opens a savepoint.
     *
     * @param ofFunction it ends with a function of the user's that runs inside it, and not before
     */
    public Mark savepoint(Lane lane, boolean ofFunction) throws SQLException {
        transaction.requireStanding();
        int level = marks.isEmpty() ? 1 : marks.get(marks.size() - 1).level + 1;
        try {
            lane.engine().savepoint(level);
        } catch (SQLException e) {
            throw transaction.failed(lane, e, Verb.SAVEPOINT); // virtual tables write now
        }
        Mark mark = new Mark(++numbered, level, hooks.count(), ofFunction);
        marks.add(mark);
        return mark;
    }

    /** Keeps what a function has done. */
    private void release(Lane lane, Mark mark) throws SQLException {
        transaction.requireStanding();
        try {
            lane.engine().release(mark.level);
        } catch (SQLException e) {
            transaction.lose(e); // what was to be kept or undone is neither
            throw transaction.failed(lane, e, Verb.RELEASE);
        }
        close(mark);
    }

    /** Undoes what a function has done that failed; if that is impossible the whole transaction is lost. */
    private void rollbackTo(Lane lane, Mark mark, Throwable reason) {
        if (marks.contains(mark)) {
            hooks.keepFirst(mark.hooks);
        }
        close(mark);
        if (transaction.isLost()) {
            return;
        }
        try {
            lane.engine().rollbackTo(mark.level);
            lane.engine().release(mark.level);
        } catch (SQLException e) {
            lane.doubt(CloseReason.DISCARDED);
            transaction.lose(e);
            if (reason != e) {
                reason.addSuppressed(e);
            }
        }
    }

    /** The savepoint and those inside it are no more. */
    private void close(Mark mark) {
        int at = marks.indexOf(mark);
        if (at >= 0) {
            marks.subList(at, marks.size()).clear();
        }
    }

    // ---- savepoints that the user ends

    /** Fails, and costs nothing, if the user cannot end the savepoint. */
    public void requireOpen(Mark mark) throws SQLException {
        int at = marks.indexOf(mark);
        if (at < 0) {
            throw notOpen(null);
        }
        if (marks.subList(at + 1, marks.size()).stream().anyMatch(inner -> inner.ofFunction)) {
            throw new SQLException(
                    "This savepoint lies outside the savepoint(…) whose function runs; return from that first. Nothing was"
                            + " undone, and the transaction goes on.",
                    "3B001");
        }
    }

    private static SQLException notOpen(@Nullable SQLException cause) {
        return new SQLException(
                "This savepoint is not open: it was released, its transaction or a savepoint around it has ended, or it was"
                        + " set on another connection. Nothing was undone, and the transaction goes on.",
                "3B001",
                cause);
    }

    /** The user keeps what was done since the savepoint. */
    public void userReleases(Lane lane, Mark mark) throws SQLException {
        requireOpen(mark);
        try {
            lane.engine().release(mark.level);
        } catch (SQLException e) {
            throw userFailed(lane, mark, e);
        }
        close(mark);
    }

    /** The savepoint itself stays open, as JDBC says. */
    public void userRollsBackTo(Lane lane, Mark mark) throws SQLException {
        requireOpen(mark);
        try {
            lane.engine().rollbackTo(mark.level);
        } catch (SQLException e) {
            throw userFailed(lane, mark, e);
        }
        hooks.keepFirst(mark.hooks);
        marks.subList(marks.indexOf(mark) + 1, marks.size()).clear();
    }

    private SQLException userFailed(Lane lane, Mark mark, SQLException error) {
        if (lane.failure(error) == Failure.ORDINARY) { // SQL text has ended a savepoint around it
            marks.remove(mark);
            return notOpen(error);
        }
        return transaction.failed(lane, error, Verb.RELEASE);
    }
}
