package dev.sqlitepool.internal.lane;

import dev.sqlitepool.Access;
import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.internal.Settings;
import java.io.IOException;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;

/**
 * The commits of work that commits by itself: in {@code connection}, in leases, through JDBC. Whoever goes on after such a commit may
 * take it for durable. Owned by the session's owner.
 *
 * <p>A transaction that begins with BEGIN is committed without a sync. Then the work gives the write lane back, and waits at the sync
 * gate before it goes on: others commit meanwhile, and one sync serves all. Everything else can commit in ways that nobody sees here: at
 * the end of a cursor of {@code INSERT … RETURNING}, after an error that keeps some rows, through the driver's connection. There SQLite
 * syncs each commit by itself.
 *
 * <p><b>Why no commit that is not durable is passed over.</b> The sync is left to the gate from a BEGIN on, outside which nobody has the
 * driver's connection, and which nobody gets before its end. If the BEGIN fails, SQLite syncs again. If it succeeds nothing commits before
 * its end. A result that stays open over its beginning or its end only reads: one that writes is closed
 * before. The end is a COMMIT, which waits at the gate; or nothing is kept. Whatever
 * comes next outside a transaction, a SELECT too, passes {@link #before} first, which makes SQLite sync again, before it runs.
 */
final class OwnCommits {
    private final Session session;
    private final Host host;
    /** The journal mode that connections are set up with; null if that is nobody's but the connection's. */
    private final @Nullable String journal;
    /** What SQLite remembers of the last change is not this work's: it has changed nothing yet, or has given the write lane back. */
    private boolean elsewhere = true;
    /** Of work whose commits the end of its task acknowledges. */
    private boolean committed;

    private boolean unsynced;

    OwnCommits(Session session, Host host, Settings settings) {
        this.session = session;
        this.host = host;
        this.journal = settings.inMemory() ? null : settings.pragmas().getOrDefault("journal_mode", "");
    }

    /** The pool has committed, or is about to, for work that does not commit by itself; perhaps so that the gate must sync it. */
    void committedForTask() {
        Lane own = session.lane();
        committed |= !session.commitsByItself();
        unsynced |= own != null && !session.commitsByItself() && own.engine().needsSync();
    }

    boolean isCommitted() {
        return committed;
    }

    boolean isUnsynced() {
        return unsynced;
    }

    /** Goes to a lane of the file that has taken the place of this one; what stands on the old one goes on there. */
    Lane leaveOldFile(Lane old) throws SQLException {
        if (session.transaction().isOpen() || session.results().areOpen()) {
            return old;
        }
        if (old.doubt() != null) {
            throw Misuse.ofOldFile();
        }
        session.results().closeThoseOfJdbc(JdbcView.MOVED);
        old.leave();
        return session.take(old, old.access());
    }

    /** The work has given the write lane back after a change. */
    void goOnElsewhere() {
        elsewhere = true;
    }

    /** Before a statement runs: refuses one that asks for the last change of somebody else. To prepare it asks for nothing. */
    void followLastChange(String sql, Verb verb) throws SQLException {
        boolean nothingChanged = session.form() == Form.READ; // and with a single lane another's change would be told
        // What a trigger or a view asks for it asks when it runs.
        if (verb != Verb.SCHEMA && (elsewhere || nothingChanged) && SqlText.asksForLastChange(sql)) {
            throw nothingChanged ? Misuse.alone() : Misuse.elsewhere();
        }
        elsewhere = elsewhere && verb != Verb.CHANGE && !(verb == Verb.WITH && SqlText.changesRows(sql));
    }

    /** Before any statement; makes the lane ready for one that may write, or begins what may. */
    void before(Lane lane, String sql, Verb verb) throws SQLException {
        if (verb == Verb.MAINTENANCE) {
            requireJournal(sql);
        }
        if (lane.access() != Access.WRITE || !session.commitsByItself()) {
            return;
        }
        if (!verb.needsWriteLane() && verb != Verb.WITH) {
            if (!session.transaction().isOpen()) {
                lane.engine().syncByItself(true); // a function may write, as optimize() of FTS does
            }
            return;
        }
        if (verb == Verb.END && SqlText.startsWith(sql, "ROLLBACK")) {
            return;
        }
        host.requireTrust(lane);
        if (session.transaction().isOpen()) {
            if (verb == Verb.END || verb == Verb.RELEASE) {
                session.takesEffect();
            }
            return;
        }
        boolean cursors = session.results().areOpen();
        if (!cursors) { // it would wait for its own cursors
            host.beforeTransaction(lane, session.ticket());
            host.requireTrust(lane);
        }
        boolean begins = verb == Verb.BEGIN && SqlText.startsWith(sql, "BEGIN");
        lane.engine().syncByItself(cursors || !begins || lane.doubt() != null);
        if (verb != Verb.BEGIN) {
            session.takesEffect();
        }
    }

    /** Whether a pragma names the journal mode that the file has already, and so changes nothing. */
    boolean keepsJournal(String sql) {
        String mode = ConnectionChanges.journalMode(sql);
        return journal != null && mode != null && mode.equalsIgnoreCase(journal);
    }

    /** Refuses to change the journal of the file, on which the sync of commits and all other connections rely. */
    void requireJournal(String sql) throws SQLException {
        String mode = ConnectionChanges.journalMode(sql);
        if (journal != null && mode != null && !mode.equalsIgnoreCase(journal)) {
            throw Misuse.journal(sql);
        }
    }

    /**
     * A BEGIN has failed, or is not run now: SQLite syncs again. A result that nobody has asked for, or whose end is cut off by {@code
     * setMaxRows}, is no cursor that anybody knows of here, and commits when it is closed.
     */
    void notBegun() {
        Lane lane = session.lane();
        if (lane == null
                || lane.access() != Access.WRITE
                || !session.commitsByItself()
                || session.transaction().isOpen()) {
            return;
        }
        try {
            lane.engine().syncByItself(true);
        } catch (SQLException e) {
            lane.doubt(CloseReason.DISCARDED);
        }
    }

    /** A lane whose driver's connection the user will have: the pool cannot know what happens to it from here on. */
    Lane handOut() throws SQLException {
        Lane lane =
                session.ready("PRAGMA user_version", session.form() == Form.CONNECTION ? Verb.MAINTENANCE : Verb.READ);
        if (session.commitsByItself()
                && session.transaction().isOpen()
                && lane.engine().needsSync()) {
            throw new SQLException(
                    "unwrap is refused inside a transaction, which could then be committed behind the pool's back,"
                            + " without a sync. Unwrap before the transaction begins.",
                    "25001");
        }
        host.beforeUnwrap(lane);
        session.takesEffect();
        lane.doubt(CloseReason.CHANGED);
        session.transaction().written().handedOut();
        elsewhere = false; // it may change anything
        return lane;
    }

    /** After a statement has succeeded, which may have been a COMMIT of the work's own. */
    void after(Lane lane, Verb verb, boolean commit) {
        if (commit) {
            committed(lane);
        } else if (lane.access() == Access.WRITE
                && verb != Verb.READ
                && !session.transaction().isOpen()) {
            requireInPlace(lane);
        }
    }

    /** After a change that SQLite itself has committed: goes on if it is in the database. */
    void requireInPlace(Lane lane) {
        if (!session.commitsByItself()) {
            return;
        }
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

    /** The work has returned: what nobody has seen it commit, as at the end of a result, is acknowledged now. */
    void requireInPlaceAtEnd() {
        Lane last = session.lane();
        if (last != null
                && last.access() == Access.WRITE
                && !session.transaction().isOpen()) {
            requireInPlace(last);
        }
    }

    /** Whether the lane is given back after a COMMIT on it, if nothing is open there. */
    boolean givesBack(Lane lane) {
        return session.commitsByItself() && lane.engine().needsSync() && lane.doubt() == null && host.hasReadLanes();
    }

    /** After a COMMIT has succeeded: goes on when the disk has it. What was written is told then, too. */
    void committed(Lane lane) {
        if (!session.commitsByItself()) {
            return;
        }
        if (!lane.engine().needsSync()) {
            requireInPlace(lane);
            return;
        }
        boolean giveBack = givesBack(lane) && !session.results().areOpen();
        Written written = session.transaction().written();
        written.atOnce(false);
        boolean goesOn = true;
        try {
            if (giveBack) {
                session.giveUp(lane);
                elsewhere = true;
            }
            written.committed(lane, !giveBack);
            goesOn = host.awaitDurable(session.ticket(), lane, giveBack);
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
}
