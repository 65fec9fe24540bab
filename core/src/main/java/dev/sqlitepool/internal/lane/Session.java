package dev.sqlitepool.internal.lane;

import dev.sqlitepool.Access;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.internal.Patience;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.engine.Engine.Writes;
import dev.sqlitepool.internal.lane.Lane.Ticket;
import dev.sqlitepool.internal.sql.SqlText;
import dev.sqlitepool.internal.sql.Verb;
import dev.sqlitepool.internal.telemetry.Telemetry;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A logical connection: what work has of the lane, or, one after the other, of the lanes that it runs on. Checks each use, follows what
 * statements do to the transaction, and hands the lane over clean. A {@link ScopedSession} lets the pool begin and end the transaction; the
 * work of a {@link FreeSession} does so itself.
 *
 * <p>Owned by the thread that runs the work; {@link #interrupt} may be called by any thread. Between {@link #begin} and {@link #end} the
 * session is alive. Its end is: close the cursors, leave the lane (from then on no interrupt can reach it), roll back what is open. In this
 * order nothing that the session leaves behind reaches the next user.
 */
public abstract class Session {
    private final Host host;
    private final Settings settings;
    private final Telemetry telemetry;
    private final long busyNanos;
    private final Function<? super Session, ? extends JdbcView> views;
    private final TransactionScope transaction;
    private final OpenResults results = new OpenResults();
    private final ReadOnly readOnly = new ReadOnly();
    private final Statements statements = new Statements(this);
    /** Null if nobody asks for how long the session reads. */
    private final @Nullable ReadClock reading;

    private volatile Ticket ticket;
    private volatile @Nullable Lane lane;
    private volatile boolean alive;
    private @Nullable Thread owner;

    /** All that has run since {@link #begin} only reads. */
    private boolean onlyReads;
    /** How long the work lets each statement take, 0 for no limit. */
    private long statementNanos;

    /** Something was run since {@link #begin} that may have been committed by itself. */
    private volatile boolean effect;
    /** The error of a read lane that refused the statement because it writes. */
    private @Nullable SQLException refused;
    /** What SQLite remembers of the last change is not this work's: it has changed nothing yet, or has given the write lane back. */
    private boolean elsewhere = true;

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
        this.host = host;
        this.settings = settings;
        this.telemetry = telemetry;
        this.busyNanos = Settings.nanos(settings.busyTimeout());
        this.views = views;
        this.transaction = new TransactionScope(host, busyNanos, telemetry);
        this.reading = reading;
        this.ticket = ticket;
    }

    /** The ticket of a session that is idle, so that it keeps alive neither the last of its tasks nor what that has returned. */
    private enum Nobody implements Ticket {
        HERE;

        @Override
        public boolean isEnded() {
            return true;
        }

        @Override
        public boolean beginCommit() {
            return false;
        }
    }

    // ---- life

    /** Takes a lane; null for a lease that has none at the moment. The calling thread becomes the owner. */
    public void begin(@Nullable Lane granted, Ticket next) {
        ticket = next;
        owner = Thread.currentThread();
        lane = granted;
        if (granted != null) {
            granted.enter(next);
        }
        onlyReads = true;
        effect = false;
        refused = null;
        statementNanos = 0;
        alive = true;
    }

    /** The lane at this moment; null while the session waits for one, or after a wait that failed. */
    public @Nullable Lane lane() {
        return lane;
    }

    /** The lane that the session must have. */
    Lane own() {
        return Objects.requireNonNull(lane);
    }

    /** Holds a lane for the next {@link #begin}. */
    public void keep(Lane granted) {
        lane = granted;
    }

    /** The session has left its lane, and has none. */
    void loseLane() {
        lane = null;
    }

    /** The task for which the session works. */
    public Ticket ticket() {
        return ticket;
    }

    /**
     * Interrupts what the session runs now for a ticket. By any thread.
     *
     * @return false when the session does not work for that ticket any more, and no further call is needed
     */
    public boolean interrupt(Ticket target) {
        Lane current = lane;
        if (current != null) {
            current.interrupt(target);
        }
        return alive && ticket == target;
    }

    /** After an error that may have struck in the middle of anything, the lane is not trusted. */
    public void struckBy(Throwable error) {
        Lane current = lane;
        if (error instanceof VirtualMachineError && current != null) {
            current.doubt(CloseReason.DISCARDED);
        }
    }

    /** Ends the session for good, or until its next {@link #begin}, and hands over its lane, clean or in doubt. Never throws. */
    public @Nullable Lane end() {
        Lane last = lane;
        try {
            leave(last);
            results.close(last, JdbcView.CLOSED);
            if (last != null && (transaction.isOpen() || last.doubt() != null)) {
                transaction.rollback(last, null);
            }
            readOnly.end(last);
            if (last != null && last.doubt() == null && last.access() == Access.WRITE) {
                last.engine().syncByItself(false);
            }
            transaction.endRead(last);
        } catch (Throwable e) { // memory may run out here, too
            if (last != null) {
                last.doubt(CloseReason.DISCARDED);
            }
            telemetry.debug("a connection could not be handed over clean", e);
        }
        lane = null;
        ticket = Nobody.HERE;
        if (reading != null) {
            reading.look(false);
        }
        return last;
    }

    /**
     * Ends one work of a lease: an open transaction stays, and so do cursors, unless an interrupt may have struck them. Hands the lane
     * over if it can be given back. Never throws.
     */
    public @Nullable Lane pause() {
        try {
            return tryToPause();
        } catch (Throwable e) {
            struckBy(e);
            telemetry.debug("a work of a lease did not end clean", e);
            return end();
        }
    }

    private @Nullable Lane tryToPause() {
        Lane current = lane;
        if (ticket.isEnded() && transaction.isOpen() && !onlyReads) {
            transaction.lose(new SQLException("a work of the lease was ended from outside"));
        }
        leave(current);
        if (ticket.isEnded()) { // nothing interrupts the lane any more
            results.closeCursors(lane);
        }
        lookWhatIsOpen();
        boolean kept = current == null
                || transaction.isOpen()
                || results.areOpen(lane)
                || current.doubt() == CloseReason.CHANGED
                || current.doubt() == null && (current.access() == Access.READ || !host.hasReadLanes());
        if (kept) {
            ticket = Nobody.HERE; // keeps nothing of the work that has ended
            return null;
        }
        goesOnElsewhere();
        return end();
    }

    /** No interrupt reaches the lane for this session from here on. */
    void leave(@Nullable Lane last) {
        alive = false;
        owner = null;
        try {
            results.endWork();
        } finally {
            if (last != null) {
                last.leave();
                transaction.left(last);
            }
        }
    }

    // ---- work

    /** Runs a work, and commits or rolls back as its form says. The session must have begun. */
    public abstract <T> T perform(Work<T> work) throws Exception;

    /** Runs a work of a lease, in the transaction or the snapshot that the lease has. The session must have begun. */
    public abstract <T> T performInLease(Work.Code<T> work) throws Exception;

    /** What the work is promised about its connection. */
    public abstract Form form();

    /** Whether something was committed that the gate must sync before the end of the task may acknowledge it. */
    public boolean isUnsynced() {
        return false;
    }

    /** Whether something was committed that only the end of the task acknowledges. */
    public boolean isCommitted() {
        return false;
    }

    /** Whether the work may have changed the database by a commit of its own. By any thread. */
    public boolean mayHaveHadEffect() {
        return effect;
    }

    /**
     * The next step may commit by itself. The end of a ticket is decided first, and then reads this; here this is written first, and then
     * the ticket is read. So nothing takes effect after somebody was told that nothing has.
     */
    void takesEffect() {
        effect = true;
        requireTicket();
    }

    /** A read lane has refused a statement of the session, with this error, before anything of it had happened. */
    void refused(SQLException error) {
        refused = error;
    }

    /** Whether that is the error of a statement that belongs on the write lane, and did nothing; not one that a mapper has thrown. */
    public boolean wasRefused(Throwable error) {
        return error == refused;
    }

    /** What was written, once, to be told when the end of the task, or of a lease's commit, is acknowledged. */
    public Writes written() {
        return transaction.written().due();
    }

    /** What the work wants done now that its transaction has been committed, in order; empty if it was not. */
    public List<Runnable> afterCommit() {
        return transaction.due();
    }

    /** For how long a connection has held a snapshot: a cursor or a transaction has been open. By any thread. */
    public Duration hasReadFor(long now) {
        return reading == null ? Duration.ZERO : reading.lasted(now);
    }

    // ---- rules

    /** Every use passes here first: is the session alive, on its thread, and wanted? */
    public void requireAlive() {
        StackRoom.require();
        if (!alive) {
            throw Misuse.returned();
        }
        if (owner != Thread.currentThread()) {
            throw Misuse.ofAnotherThread(owner);
        }
        requireTicket();
    }

    /** Fails if nobody wants the session to go on. */
    void requireTicket() {
        if (ticket.isEnded()) {
            throw Misuse.unwanted();
        }
    }

    /** Fails if the user's JDBC view is read-only. */
    public void requireWritable(SqlText sql) throws SQLException {
        readOnly.requireOff(sql);
    }

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

    private Lane ready(SqlText sql, Verb given, boolean runs) throws SQLException {
        requireAlive();
        requireAllowed(sql, given);
        if (!given.ends()) {
            transaction.requireStanding();
        }
        Verb verb = readOnly.check(sql, given, transaction.isOpen());
        onlyReads &= verb == Verb.READ || verb == Verb.EMPTY;
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
            followLastChange(sql, verb);
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
        current.limit(statementNanos);
        return current;
    }

    /** Fails if the form refuses the statement. */
    void requireAllowed(SqlText sql, Verb verb) throws SQLException {}

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

    /** Gives a lane back that it has left, and waits for another. */
    Lane take(@Nullable Lane from, Access access) throws SQLException {
        lane = null;
        Lane to = host.exchange(from, access, ticket);
        lane = to;
        to.enter(ticket);
        to.limit(statementNanos);
        return to;
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

    /** The work has given the write lane back after a change. */
    void goesOnElsewhere() {
        elsewhere = true;
    }

    /** Before a statement runs: refuses one that asks for the last change of somebody else. To prepare it asks for nothing. */
    private void followLastChange(SqlText sql, Verb verb) throws SQLException {
        boolean nothingChanged = onlyEverReads(); // and with a single lane another's change would be told
        // What a trigger or a view asks for it asks when it runs.
        if (verb != Verb.SCHEMA && (elsewhere || nothingChanged) && sql.asksForLastChange()) {
            throw nothingChanged ? Misuse.alone() : Misuse.elsewhere();
        }
        elsewhere = elsewhere && verb != Verb.CHANGE && !(verb == Verb.WITH && sql.changesRows());
    }

    /** Whether nothing can be changed in this form. */
    boolean onlyEverReads() {
        return false;
    }

    /** Before any statement; makes the lane ready for one that may write, or begins what may. */
    void before(Lane current, SqlText sql, Verb verb) throws SQLException {
        if (verb == Verb.MAINTENANCE) {
            requireJournal(sql);
        }
    }

    /** Refuses to change the journal of the file, on which the sync of commits and all other connections rely. */
    void requireJournal(SqlText sql) throws SQLException {
        String mode = sql.journalMode();
        String journal = journal();
        if (journal != null && mode != null && !mode.equalsIgnoreCase(journal)) {
            throw Misuse.journal(sql);
        }
    }

    /** The journal mode that connections are set up with; null if each connection may choose. */
    @Nullable
    String journal() {
        return settings.inMemory() ? null : settings.pragmas().getOrDefault("journal_mode", "");
    }

    // ---- transactions

    /** What is known of the transaction. */
    public TransactionScope transaction() {
        return transaction;
    }

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

    /** Work inside a transaction. */
    public interface Nested<T, X extends Exception> {
        T run() throws SQLException, X;
    }

    /** Runs work in a savepoint: when it throws, what it did is undone. */
    <T, X extends Exception> T nested(Nested<T, X> body) throws SQLException, X {
        Lane current = own();
        TransactionScope.Mark mark = transaction.savepoint(current, true);
        T result;
        try {
            result = body.run();
        } catch (Throwable e) {
            results.closeWriting();
            transaction.rollbackTo(current, mark, e);
            throw e;
        }
        results.closeWriting();
        transaction.release(current, mark);
        return result;
    }

    /** Runs work as a whole or not at all, where no transaction is open. Statements that only read may be open around it, and go on. */
    public abstract <T> T atomically(Nested<T, RuntimeException> body) throws SQLException;

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

    /** After a statement has succeeded, which may have been a COMMIT of the work's own. */
    void after(Lane current, Verb verb, boolean commit) {}

    // ---- statements, and what they leave open

    /** Runs the statements of the session. */
    public Statements statements() {
        return statements;
    }

    /** The open cursors and results of the session. */
    OpenResults results() {
        return results;
    }

    /** A statement begins to run, or ends to. */
    void running(int change) {
        results.running(change);
        lookWhatIsOpen();
    }

    /** A statement, a cursor or a transaction has begun or ended. */
    public void lookWhatIsOpen() {
        if (reading != null) {
            reading.look(transaction.isOpen() || results.areOpen(lane));
        }
        Lane own = lane;
        if (own != null && alive && owner == Thread.currentThread() && !transaction.isOpen()) {
            boolean perhapsNotAll = results.mayBeOpen(own);
            transaction.written().committed(own, perhapsNotAll);
        }
    }

    /** Limits the time of each statement from now on. */
    void statementTimeout(long nanos) {
        requireAlive();
        statementNanos = nanos;
    }

    /** Patience with other processes, for one statement. */
    Patience patience() {
        return new Patience(busyNanos, telemetry);
    }

    // ---- the view as java.sql

    Connection jdbc() {
        requireAlive();
        return results.view(() -> views.apply(this)).connection();
    }

    /** What keeps the session from writing. */
    ReadOnly readOnly() {
        return readOnly;
    }

    /** Whether the user has made the JDBC view read-only. */
    public boolean isReadOnly() {
        return readOnly.isOn();
    }

    /** The user's JDBC view becomes read-only, or is so no more. Outside a transaction only. */
    public void readOnly(boolean wanted) {
        readOnly.set(wanted, lane);
    }

    /** A lane whose driver's connection the user will have: the pool cannot know what happens to it from here on. */
    public Lane handOut() throws SQLException {
        Lane current = readyToHandOut();
        host.beforeUnwrap(current);
        takesEffect();
        current.doubt(CloseReason.CHANGED);
        transaction.written().handedOut();
        elsewhere = false; // it may change anything
        return current;
    }

    /** Fails where the driver's connection must not be handed out. */
    abstract Lane readyToHandOut() throws SQLException;
}
