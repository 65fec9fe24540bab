package dev.sqlitepool.internal.session;

import dev.sqlitepool.Access;
import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.internal.Patience;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.engine.Engine.Failure;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.lane.Ticket;
import dev.sqlitepool.internal.sql.SqlText;
import dev.sqlitepool.internal.sql.Verb;
import dev.sqlitepool.internal.telemetry.Telemetry;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;

/**
 * Knows whether a session's transaction is open, stands, or has been ended by SQLite itself; begins and ends it. Owned by the
 * session's owner.
 *
 * <p>SQLite ends a transaction by itself on some errors, and statements after that would commit one by one. So after every
 * error inside a transaction SQLite is asked whether it still stands; if it does not, it is <em>lost</em>, and everything but
 * its end is refused.
 */
public final class TransactionScope {
    private final Host host;
    private final long busyNanos;
    private final Telemetry telemetry;
    private final Written written;
    private final CommitHooks hooks = new CommitHooks();
    private final Savepoints savepoints;
    private boolean open;
    /** Begun to read. */
    private boolean reading;

    private @Nullable SQLException lost;
    /** What the lane reads between transactions was begun by this session's commit. */
    private boolean stays;

    TransactionScope(Host host, OpenResults results, Settings settings, Telemetry telemetry) {
        this.host = host;
        this.busyNanos = Settings.nanos(settings.busyTimeout());
        this.telemetry = telemetry;
        this.written = new Written(host);
        this.savepoints = new Savepoints(this, hooks, results);
    }

    Written written() {
        return written;
    }

    /** Whether SQLite has ended it, so that only its end is allowed. */
    public boolean isLost() {
        return lost != null;
    }

    /** The changes of the transaction must not be kept: everything except its end is refused from now on. */
    void lose(SQLException reason) {
        if (open && lost == null) {
            lost = reason;
        }
    }

    /** It could not be rolled back: it stays open, as a lost one. */
    void remains(Throwable reason) {
        open = true;
        lost = reason instanceof SQLException error ? error : new SQLException(reason.getMessage(), reason);
    }

    /** The user ends a lost transaction: with ROLLBACK all is well, COMMIT says that there is nothing to commit. */
    public void endLost(Lane lane, boolean rollback) throws SQLException {
        try {
            if (!rollback) {
                requireStanding();
            }
        } finally {
            rollback(lane, null);
        }
    }

    /** Whether it is open, lost or not. */
    public boolean isOpen() {
        return open;
    }

    /** The savepoints that are open in it. */
    public Savepoints savepoints() {
        return savepoints;
    }

    /** The hooks to run after the commit, unless it, or the savepoint in which it was asked for, is undone. */
    CommitHooks hooks() {
        return hooks;
    }

    /** Patience with other processes, for one statement. */
    Patience patience() {
        return new Patience(busyNanos, telemetry);
    }

    /** Begins, repeating while another process holds the database, as long as the ticket stands. */
    void begin(Lane lane, boolean write, Ticket ticket) throws SQLException {
        Patience patience = patience();
        while (true) {
            if (ticket.isEnded()) {
                throw Misuse.unwanted();
            }
            try {
                tryToBegin(lane, write);
                return;
            } catch (SQLException e) {
                if (lane.failure(e) != Failure.BUSY || !patience.isLeft()) {
                    throw e;
                }
                patience.park();
            }
        }
    }

    private void tryToBegin(Lane lane, boolean write) throws SQLException {
        try {
            lane.engine().begin(write);
        } catch (SQLException e) {
            Failure failure = lane.failure(e);
            // READ_ONLY: the file may not be written, and a connection opened after that has changed will know.
            if (failure == Failure.DOUBTFUL
                    || failure == Failure.INTERRUPTED
                    || write && failure == Failure.READ_ONLY) {
                lane.doubt(CloseReason.DISCARDED);
            }
            throw e;
        }
        began();
        reading = !write;
    }

    /** Whether a statement in it that meets a lock of somebody else has done nothing, and may ask again. */
    boolean takesLocksAsItGoes() {
        return reading;
    }

    /** The user's own BEGIN has succeeded. */
    void began() {
        open = true;
        reading = false;
        lost = null;
    }

    /** The user's own COMMIT or ROLLBACK has succeeded, or SQLite says that nothing is open. */
    void ended() {
        open = false;
        lost = null;
        hooks.clear();
        savepoints.clear();
    }

    /** Notes the effect on the transaction of the user's own statement, which succeeded. */
    void follow(Lane lane, Verb verb) throws SQLException {
        switch (verb) {
            case BEGIN, SAVEPOINT -> began();
            case ROLLBACK -> {
                written.rolledBack();
                ended();
            }
            case COMMIT -> ended();
            case RELEASE -> refresh(lane);
            default -> {}
        }
    }

    /** After a RELEASE or an error: asks SQLite. */
    void refresh(Lane lane) throws SQLException {
        if (!lane.engine().inTransaction()) {
            ended();
        }
    }

    /** A statement is about to run on the lane; what it may write is told after its commit. */
    public void willRun(Lane lane, SqlText sql, Verb verb) {
        written.before(lane, sql, verb);
    }

    /** The session has closed its cursors and left the lane. */
    void left(Lane lane) {
        if (!open || written.isHandedOut()) {
            written.committed(lane, false);
        }
    }

    /** Refuses to go on in a transaction that SQLite has ended. */
    void requireStanding() throws SQLException {
        if (lost != null) {
            throw Misuse.ofLost(lost);
        }
    }

    /**
     * Commits, repeating while another process holds the database. The caller has left the lane, or shields it, so nothing interrupts it.
     *
     * @param mayStay whether the lane may go on reading for the next transaction, if one is likely to follow at once
     */
    void commit(Lane lane, boolean mayStay) throws SQLException {
        Patience patience = patience();
        while (true) {
            try {
                tryToCommit(lane, mayStay && host.isFollowed(lane));
                stays = true;
                return;
            } catch (SQLException e) {
                if (lane.failure(e) != Failure.BUSY) {
                    throw e;
                }
                if (!patience.isLeft()) {
                    rollback(lane, e);
                    throw e;
                }
                patience.park();
            }
        }
    }

    /**
     * The session ends. If it did not begin the transaction for which the lane has gone on reading, the lane reads no more: an interrupt
     * that was meant for this session would stay with it.
     */
    void endRead(@Nullable Lane last) {
        if (last != null && !stays) {
            last.engine().endRead();
        }
        stays = false;
    }

    /**
     * One attempt to commit. The caller has left the lane, so nothing interrupts it.
     *
     * @param stay whether another transaction is likely to follow at once
     * @throws SQLException if the transaction certainly is not committed; it is rolled back, unless the engine is busy
     * @throws OutcomeUnknownException if nobody knows; so it is after any error that is none of the engine's
     */
    private void tryToCommit(Lane lane, boolean stay) throws SQLException {
        requireStanding();
        try {
            lane.engine().commit(stay);
            hooks.committed();
            ended();
            written.committed(lane, false);
        } catch (SQLException e) {
            Failure failure = lane.failure(e);
            if (failure == Failure.BUSY) {
                throw e; // the transaction stands, and may be committed again
            }
            written.committed(lane, false); // perhaps
            boolean rolledBack = rollback(lane, e);
            if (failure != Failure.CONSTRAINT || !rolledBack) {
                throw unknown(lane, e);
            }
            throw e;
        } catch (RuntimeException | Error e) {
            written.committed(lane, false); // perhaps
            rollback(lane, e);
            throw unknown(lane, e);
        }
    }

    /**
     * Rolls back whatever is open; harmless if nothing is. The caller has left the lane and closed the cursors. If it fails
     * the lane is discarded, which rolls back too.
     */
    boolean rollback(Lane lane, @Nullable Throwable reason) {
        try {
            lane.engine().rollback();
            return true;
        } catch (SQLException | RuntimeException e) {
            lane.doubt(CloseReason.DISCARDED);
            if (reason != null && reason != e) {
                reason.addSuppressed(e);
            }
            return false;
        } finally {
            written.rolledBack();
            ended();
        }
    }

    /**
     * Draws the conclusions from a statement's error: is the lane sound, does the transaction stand, is the outcome known?
     *
     * @return the error to throw
     */
    SQLException failed(Lane lane, SQLException error, Verb verb) {
        boolean writer = lane.access() == Access.WRITE;
        Failure failure = lane.failure(error);
        // The error of an ATTACH tells of the other file, and nothing is written into this one.
        switch (failure == Failure.DOUBTFUL && verb == Verb.OTHER_FILE ? Failure.ORDINARY : failure) {
            case INTERRUPTED:
                // An interrupted write rolls the whole transaction back; of a read only the cursor is closed.
                boolean stands = open && lost == null && verb == Verb.READ && lane.standsAfterInterruptedRead();
                if (writer && !stands) {
                    lane.doubt(CloseReason.DISCARDED);
                    lose(error);
                }
                break;
            case DOUBTFUL:
                lane.doubt(CloseReason.DISCARDED);
                boolean committing = open ? verb.ends() : verb != Verb.READ;
                lose(error);
                if (writer && committing) {
                    written.committed(lane, false); // perhaps
                    throw unknown(lane, error);
                }
                break;
            default:
                if (open && lost == null) {
                    try {
                        if (!lane.engine().inTransaction()) {
                            lost = error;
                        }
                    } catch (SQLException e) {
                        lane.doubt(CloseReason.DISCARDED);
                        lost = error;
                        error.addSuppressed(e);
                    }
                }
        }
        return error;
    }

    /**
     * A statement has failed with an error that is none of the engine's, such as a lack of memory. If it could commit by itself, nobody knows
     * whether it has.
     */
    void broke(Lane lane, Throwable error, Verb verb) {
        boolean commits = open ? verb == Verb.COMMIT : !verb.begins() && verb != Verb.READ;
        if (lane.access() == Access.WRITE && commits) {
            lose(new SQLException(error.toString(), error));
            written.committed(lane, false); // perhaps
            throw unknown(lane, error);
        }
    }

    private OutcomeUnknownException unknown(Lane lane, Throwable cause) {
        lane.doubt(CloseReason.DISCARDED);
        return host.unknown(cause);
    }
}
