package dev.sqlitepool.internal.session;

import dev.sqlitepool.Access;
import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.lane.ReadClock;
import dev.sqlitepool.internal.lane.Ticket;
import dev.sqlitepool.internal.sql.SqlText;
import dev.sqlitepool.internal.sql.Verb;
import dev.sqlitepool.internal.telemetry.Telemetry;
import java.io.IOException;
import java.sql.SQLException;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A session whose work commits by itself: in {@code connection(…)}, in leases, through JDBC. It begins as a reader, and moves to the write
 * lane when it must. Whoever goes on after such a commit may take it for durable. Owned by the session's owner.
 *
 * <p>A transaction that begins with BEGIN is committed without a sync. Then the function gives the write lane back, and waits at the sync
 * gate before it goes on: others commit in the meantime, and one sync serves all. Everything else can commit in ways that nobody sees here: at
 * the end of a cursor of {@code INSERT … RETURNING}, after an error that keeps some rows, through the driver's connection. There SQLite
 * syncs each commit by itself.
 *
 * <p><b>Why no commit that is not durable is passed over.</b> The sync is left to the gate from a BEGIN on, outside which nobody has the
 * driver's connection, and which nobody gets before its end. If the BEGIN fails, SQLite syncs again. If it succeeds nothing commits before
 * its end. A result that stays open over its beginning or its end only reads: one that writes is closed before. The end is a COMMIT, which
 * waits at the gate; or nothing is kept. Whatever comes next outside a transaction, a SELECT too, passes {@link #before} first, which makes
 * SQLite sync again, before it runs.
 */
public final class FreeSession extends Session {
    /** The commit of a lease. */
    public static final Work.Code<Void> COMMIT = new Work.Code<>(
            Form.CONNECTION, Work.of(connection -> ((SessionConnection) connection).commit()), Verb.COMMIT);

    private final SessionConnection connection = new SessionConnection(this);

    /** A session that has not begun. */
    public FreeSession(
            Host host,
            Settings settings,
            Telemetry telemetry,
            Ticket ticket,
            Function<? super Session, ? extends JdbcView> views) {
        super(host, settings, telemetry, ticket, views, new ReadClock(telemetry));
    }

    @Override
    public Form form() {
        return Form.CONNECTION;
    }

    @Override
    public <T> T perform(Work<T> work) throws Exception {
        return performInLease((Work.Code<T>) work);
    }

    @Override
    public <T> T performInLease(Work.Code<T> work) throws Exception {
        transaction.written().atOnce(true);
        T result = work.function().apply(connection);
        requireInPlaceAtEnd();
        ticket.beginCommit();
        return result;
    }

    // ---- moves

    private boolean canMove(Lane current) {
        return !readOnly.isOn() && current.access() == Access.READ && host.hasReadLanes() && !transaction.isOpen();
    }

    /** Goes to the write lane. */
    private Lane move() throws SQLException {
        Lane from = own();
        if (results.areOpen(from)) {
            throw Misuse.underCursor();
        }
        results.closeThoseOfJdbc(JdbcView.MOVED);
        from.leave();
        telemetry.switched(ticket);
        return take(from, Access.WRITE);
    }

    @Override
    Lane laneFor(Verb verb, Lane current) throws SQLException {
        if (verb.needsWriteLane() && canMove(current)) {
            return move();
        }
        return current.engine().isCurrent() ? current : leaveOldFile(current);
    }

    @Override
    @Nullable
    Lane moveToWrite(Lane current) throws SQLException {
        if (!canMove(current)) {
            return null;
        }
        Lane to = move();
        before(to, SqlText.EMPTY, Verb.CHANGE);
        return to;
    }

    /** Gives the write lane up in the middle of the function, which continues without a lane until it needs one. */
    private void giveUp(Lane own) {
        results.close(own, JdbcView.COMMITTED);
        readOnly.end(own);
        own.leave();
        loseLane();
    }

    // ---- its own commits

    @Override
    void before(Lane lane, SqlText sql, Verb verb) throws SQLException {
        super.before(lane, sql, verb);
        if (lane.access() != Access.WRITE) {
            return;
        }
        if (!verb.needsWriteLane() && verb != Verb.WITH) {
            if (!transaction.isOpen()) {
                lane.engine().syncByItself(true); // a function may write, as optimize() of FTS does
            }
            return;
        }
        if (verb == Verb.ROLLBACK) {
            return;
        }
        host.requireTrust(lane);
        if (transaction.isOpen()) {
            if (verb == Verb.COMMIT || verb == Verb.RELEASE) {
                takesEffect();
            }
            return;
        }
        boolean cursors = results.areOpen(lane());
        if (!cursors) { // it would wait for its own cursors
            host.beforeTransaction(lane, ticket);
            host.requireTrust(lane);
        }
        lane.engine().syncByItself(cursors || verb != Verb.BEGIN || lane.doubt() != null);
        if (!verb.begins()) {
            takesEffect();
        }
    }

    /**
     * A BEGIN has failed, or is not run now: SQLite syncs again. A result that nobody has asked for, or whose end is cut off by {@code
     * setMaxRows}, is not tracked here, and commits when it is closed.
     */
    @Override
    public void notBegun() {
        Lane lane = lane();
        if (lane == null || lane.access() != Access.WRITE || transaction.isOpen()) {
            return;
        }
        try {
            lane.engine().syncByItself(true);
        } catch (SQLException e) {
            lane.doubt(CloseReason.DISCARDED);
        }
    }

    @Override
    Lane readyToHandOut() throws SQLException {
        Lane lane = ready(SqlText.PRAGMA, Verb.MAINTENANCE);
        if (transaction.isOpen() && lane.engine().needsSync()) {
            throw new SQLException(
                    "unwrap is refused inside a transaction, which could then be committed behind the pool's back,"
                            + " without a sync. Unwrap before the transaction begins.",
                    "25001");
        }
        return lane;
    }

    @Override
    void after(Lane lane, Verb verb, boolean commit) {
        if (commit) {
            committed(lane);
        } else if (lane.access() == Access.WRITE && verb != Verb.READ && !transaction.isOpen()) {
            requireInPlace(lane);
        }
    }

    /** After a change that SQLite itself has committed: goes on if it is in the database. */
    private void requireInPlace(Lane lane) {
        try {
            lane.engine().requireInPlace();
        } catch (IOException e) {
            lane.doubt(CloseReason.DATABASE_CHANGED);
            throw new OutcomeUnknownException(
                    "A commit cannot be acknowledged: " + e.getMessage()
                            + ". It is not repeated; read the database to find out whether it is there.",
                    host.stats(),
                    e);
        }
    }

    /** The function has returned. Commits that nobody has seen, as at the end of a result, are acknowledged now. */
    private void requireInPlaceAtEnd() {
        Lane last = lane();
        if (last != null && last.access() == Access.WRITE && !transaction.isOpen()) {
            requireInPlace(last);
        }
    }

    @Override
    public boolean givesBack(Lane lane) {
        return lane.engine().needsSync() && lane.doubt() == null && host.hasReadLanes();
    }

    /** After a COMMIT has succeeded: goes on when the disk has it. What was written is told then, too. */
    private void committed(Lane lane) {
        if (!lane.engine().needsSync()) {
            requireInPlace(lane);
            return;
        }
        boolean giveBack = givesBack(lane) && !results.areOpen(lane());
        Written written = transaction.written();
        written.atOnce(false);
        boolean goesOn = true;
        try {
            if (giveBack) {
                giveUp(lane);
                lastChange.isElsewhere();
            }
            written.committed(lane, !giveBack);
            goesOn = host.awaitDurable(ticket, lane, giveBack);
        } catch (OutcomeUnknownException e) {
            if (!giveBack) {
                lane.doubt(CloseReason.DISCARDED);
            }
            throw e;
        } finally {
            if (goesOn) {
                written.atOnce(true);
                written.tell();
            }
        }
    }

    // ---- a transaction for a batch

    @Override
    public <T> T atomically(Savepoints.Nested<T, RuntimeException> body) throws SQLException {
        Lane current = own();
        results.closeWriting(); // they commit now, and would keep this from it
        before(current, SqlText.BEGIN, Verb.BEGIN);
        beginTransaction(true);
        T result;
        try {
            result = body.run();
            transaction.requireStanding();
        } catch (Throwable e) {
            Ticket served = current.interrupts().shield();
            undo(current, e);
            current.interrupts().unshield(served);
            lookWhatIsOpen();
            throw e;
        }
        Written written = transaction.written();
        written.atOnce(false); // but after the sync
        try {
            Ticket served = current.interrupts().shield();
            try {
                requireUnstruck(current);
                transaction.commit(current, false);
            } finally {
                current.interrupts().unshield(served);
                lookWhatIsOpen();
            }
            committed(current);
        } finally {
            written.atOnce(true);
            written.tell();
        }
        return result;
    }

    /** The connection is shielded; but what has struck before stays as long as a statement around is open. */
    private void requireUnstruck(Lane current) throws SQLException {
        try {
            takesEffect();
            current.interrupts().requireInTime();
        } catch (SQLException | RuntimeException e) {
            undo(current, e);
            throw e;
        }
    }

    /** Rolls back; where that is impossible while a statement around is open, everything but the end of the transaction is refused. */
    private void undo(Lane current, Throwable reason) {
        if (!transaction.rollback(current, reason)) {
            transaction.remains(reason);
        }
    }
}
