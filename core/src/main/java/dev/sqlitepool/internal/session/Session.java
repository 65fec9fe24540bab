package dev.sqlitepool.internal.session;

import dev.sqlitepool.Access;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.engine.Writes;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.lane.ReadClock;
import dev.sqlitepool.internal.lane.Ticket;
import dev.sqlitepool.internal.sql.SqlText;
import dev.sqlitepool.internal.sql.Verb;
import dev.sqlitepool.internal.telemetry.Telemetry;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A logical connection: what work has of the lane, or, one after the other, of the lanes that it runs on. Checks each use, follows what
 * statements do to the transaction, and hands the lane over clean. A {@link ScopedSession} lets the pool begin and end the transaction; the
 * work of a {@link FreeSession} does so itself.
 *
 * <p>Owned by the thread that runs the work; {@link #interrupt} may be called by any thread. Between {@link #begin} and {@link #end} the
 * session is alive.
 */
public abstract class Session extends LaneUser {
    private final Settings settings;
    private final Function<? super Session, ? extends JdbcView> views;
    /** Runs the statements of the session. */
    final Statements statements;

    /**
     * A session that has not begun.
     *
     * @param views makes the view of a session as {@code java.sql} when the user first asks for it
     */
    Session(
            Host host,
            Settings settings,
            Telemetry telemetry,
            Ticket ticket,
            Function<? super Session, ? extends JdbcView> views,
            @Nullable ReadClock reading) {
        super(host, settings, telemetry, ticket, reading);
        this.settings = settings;
        this.views = views;
        this.statements = new Statements(this, transaction);
    }

    // ---- life

    @Override
    public void begin(@Nullable Lane granted, Ticket next) {
        statements.begin();
        super.begin(granted, next);
    }

    // ---- work

    /** Runs a function, and commits or rolls back as its form says. The session must have begun. */
    public abstract <T> T perform(Work<T> work) throws Exception;

    /** Runs a function of a lease, in the transaction or the snapshot that the lease has. The session must have begun. */
    public abstract <T> T performInLease(Work.Code<T> work) throws Exception;

    /** The promise to the function about its connection. */
    public abstract Form form();

    /** Whether something was committed that the gate must sync before the end of the task may acknowledge it. */
    public boolean isUnsynced() {
        return false;
    }

    /** Whether something was committed that only the end of the task acknowledges. */
    public boolean isCommitted() {
        return false;
    }

    /** Whether that is the error of a statement that belongs on the write lane, and did nothing; not one that a mapper has thrown. */
    public boolean wasRefused(Throwable error) {
        return statements.wasRefused(error);
    }

    /** What was written, once, to be told when the end of the task, or of a lease's commit, is acknowledged. */
    public Writes writes() {
        return transaction.written().due();
    }

    /** The hooks to run now that the transaction has been committed, in order; empty if it was not. */
    public List<Runnable> afterCommit() {
        return transaction.hooks().due();
    }

    // ---- rules

    /** Checks a statement against the form, and brings the session to a lane that may run it. */
    public Lane ready(SqlText sql) throws SQLException {
        return ready(sql, sql.verb(), true);
    }

    /** As {@link #ready(SqlText)}, for a statement that is taken for another one. */
    public Lane ready(SqlText sql, Verb given) throws SQLException {
        return ready(sql, given, true);
    }

    /** As {@link #ready(SqlText)}, for a statement that is only prepared. */
    public Lane readyToPrepare(SqlText sql, Verb given) throws SQLException {
        return ready(sql, given, false);
    }

    /** As {@link #ready(SqlText)}, for data that writes whatever its verb says. */
    public void readyToWrite(SqlText sql) throws SQLException {
        requireAlive();
        readOnly.requireOff(sql);
        moveToWrite(ready(sql));
    }

    private Lane ready(SqlText sql, Verb first, boolean runs) throws SQLException {
        requireAlive();
        requireAllowed(sql, first);
        Verb given = inForm(sql, first);
        if (!given.ends()) {
            transaction.requireStanding();
        }
        Verb verb = readOnly.check(sql, given, transaction.isOpen());
        runs(verb);
        Lane current = lane;
        if (verb.ends()) {
            results.closeCursors(current);
        }
        if (verb.ends() || verb == Verb.RELEASE || verb.begins() && !transaction.isOpen()) {
            results.closeWriting();
        }
        if (current == null) {
            current = take(null, verb.needsWriteLane() && !readOnly.isOn() ? Access.WRITE : Access.READ);
        }
        readOnly.keep(current);
        current = laneFor(verb, current);
        if (runs) {
            lastChange.follow(sql, verb, onlyEverReads());
        }
        before(current, sql, verb);
        boolean reader = current.access() == Access.READ && host.hasReadLanes();
        if (verb.isMaintenance() && reader) {
            throw Misuse.insideReadOnly(sql);
        }
        if (verb.mayChangeConnection() && sql.changesConnection()) {
            // Now, not after success: preparing a pragma can already carry it out.
            current.doubt(CloseReason.CHANGED);
        }
        limit(current);
        return current;
    }

    /** Fails if the form refuses the statement. */
    void requireAllowed(SqlText sql, Verb verb) throws SQLException {}

    /** What an allowed statement counts as in the form. */
    Verb inForm(SqlText sql, Verb verb) {
        return verb;
    }

    /** The lane on which a statement may run. */
    abstract Lane laneFor(Verb verb, Lane current) throws SQLException;

    /**
     * Goes to the write lane with a statement that has turned out to write.
     *
     * @return null if the session stays where it is
     */
    @Nullable
    Lane moveToWrite(Lane current) throws SQLException {
        return null;
    }

    /** Goes to a lane of the file that has taken the place of this one; what stands on the old one goes on there. */
    Lane leaveOldFile(Lane old) throws SQLException {
        if (transaction.isOpen() || results.areOpen(lane)) {
            return old;
        }
        if (old.doubt() != null) {
            throw Misuse.ofOldFile();
        }
        results.closeThoseOfJdbc(JdbcView.MOVED);
        old.leave();
        return take(old, old.access());
    }

    /** Whether nothing can be changed in this form. */
    boolean onlyEverReads() {
        return false;
    }

    /** Before any statement; makes the lane ready for one that may write, or begins what may. */
    void before(Lane current, SqlText sql, Verb verb) throws SQLException {
        if (verb == Verb.MAINTENANCE) {
            requireSameJournal(sql);
        }
    }

    /** Refuses to change the journal of the file, on which the sync of commits and all other connections rely. */
    void requireSameJournal(SqlText sql) throws SQLException {
        if (!settings.inMemory() && sql.journalMode() != null && !namesJournalOfFile(sql)) {
            throw Misuse.journal(sql);
        }
    }

    /** Whether a pragma names the journal mode that the file has already, and so changes nothing. */
    boolean namesJournalOfFile(SqlText sql) {
        String wanted = sql.journalMode();
        return !settings.inMemory()
                && wanted != null
                && wanted.equalsIgnoreCase(settings.pragmas().getOrDefault("journal_mode", ""));
    }

    // ---- transactions

    /** Begins a transaction, repeating while another process holds the database, as long as it is wanted. */
    public void beginTransaction(boolean write) throws SQLException {
        try {
            Lane current = own();
            if (write) {
                beforeTransaction();
            }
            transaction.begin(current, write, ticket);
        } catch (Throwable e) {
            notBegun();
            throw e;
        }
    }

    /** Before a transaction begins that may write. */
    void beforeTransaction() throws SQLException {
        Lane own = lane;
        if (own != null && own.access() == Access.WRITE) {
            host.beforeTransaction(own, ticket);
        }
    }

    /** A BEGIN has failed, or is not run now. */
    public void notBegun() {}

    /** Runs work as a whole or not at all, where no transaction is open. Statements that only read may be open around it, and go on. */
    public abstract <T> T atomically(Savepoints.Nested<T, RuntimeException> body) throws SQLException;

    /** Whether the lane is given back after a COMMIT on it, if nothing is open there. */
    public boolean givesBack(Lane current) {
        return false;
    }

    /** Follows what a statement that succeeded has done to the transaction. */
    public void succeeded(Lane current, Verb verb) throws SQLException {
        boolean commit = verb == Verb.COMMIT && transaction.isOpen();
        transaction.follow(current, verb);
        after(current, verb, commit);
        if (verb.isControl()) {
            lookWhatIsOpen();
        }
    }

    /** After a statement has succeeded, which may have been the function's own COMMIT. */
    void after(Lane current, Verb verb, boolean commit) {}

    // ---- statements

    /**
     * Commits the transaction that the function has begun, by the rules of the function's own COMMIT: if a constraint that is checked
     * at the end is violated, the transaction stays open, so that the function may satisfy it and commit again, or roll back.
     */
    void userCommits() throws SQLException {
        statements.run(SqlText.COMMIT, new Object[0], null, false);
    }

    /** Runs the statements of the session. */
    public Statements statements() {
        return statements;
    }

    // ---- the view as java.sql

    Connection jdbc() {
        requireAlive();
        return results.view(() -> views.apply(this)).connection();
    }

    /** A lane whose driver's connection the user will have: the pool cannot know what happens to it from here on. */
    public Lane handOut() throws SQLException {
        Lane current = readyToHandOut();
        host.beforeUnwrap(current);
        takesEffect();
        current.doubt(CloseReason.CHANGED);
        transaction.written().handedOut();
        lastChange.isHere(); // it may change anything
        return current;
    }

    /** Fails where the driver's connection must not be handed out. */
    abstract Lane readyToHandOut() throws SQLException;
}
