package dev.sqlitepool.internal.lane;

import dev.sqlitepool.Access;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.engine.Engine.Writes;
import dev.sqlitepool.internal.lane.Forms.Patience;
import dev.sqlitepool.internal.lane.Lane.Ticket;
import dev.sqlitepool.internal.lane.Work.Form;
import dev.sqlitepool.internal.telemetry.Telemetry;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CancellationException;
import org.jspecify.annotations.Nullable;

/**
 * A logical connection: what work has of the lane, or, one after the other, of the lanes that it runs on. Keeps the promises
 * of its form: refuses what would break them, moves to the write lane when it must, and hands the lane over clean.
 *
 * <p>Owned by the thread that runs the work; {@link #interrupt} may be called by any thread. Between {@link #begin} and {@link #end} the
 * session is alive. Its end is: close the cursors, leave the lane (from then on no interrupt can reach it), roll back what is open. In this
 * order nothing that the session leaves behind reaches the next user.
 */
public final class Session {
    private final Form form;
    private final Host host;
    private final Telemetry telemetry;
    private final long busyNanos;
    private final TransactionScope transaction;

    private volatile Ticket ticket;
    private volatile @Nullable Lane lane;
    private volatile boolean alive;
    private @Nullable Thread owner;

    private final ReadClock reading;
    private final ReadOnly readOnly = new ReadOnly(this);

    /** Runs data, which the pool sends to the write lane as a whole, into a transaction: it does not move by itself. */
    private boolean wholesale;

    /** All that has run since {@link #begin} only reads. */
    private boolean onlyReads;
    /** How long the work lets each statement take, 0 for no limit. */
    private long statementNanos;

    /** Something was run since {@link #begin} that may have been committed by itself. */
    private volatile boolean effect;
    /** The error of a read lane that refused the statement because it writes. */
    private @Nullable SQLException refused;

    private final OpenResults results = new OpenResults(this);
    private final OwnCommits commits;
    private final Forms forms = new Forms(this);
    private final Statements statements = new Statements(this);
    private final SessionConnection face = new SessionConnection(this);

    public Session(Form form, Host host, Settings settings, Telemetry telemetry, Ticket ticket) {
        this.form = form;
        this.host = host;
        this.telemetry = telemetry;
        this.busyNanos = Settings.nanos(settings.busyTimeout());
        this.transaction = new TransactionScope(host);
        this.commits = new OwnCommits(this, host, settings);
        this.reading = new ReadClock(telemetry);
        this.ticket = ticket;
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

    /** Whether another transaction is likely to follow on the lane after the commit that comes now. */
    boolean isFollowed(Lane own) {
        return !commitsByItself() && host.isFollowed(own);
    }

    /** Whether the work may commit whatever and whenever it likes. */
    boolean commitsByItself() {
        return form == Form.CONNECTION && !wholesale;
    }

    /** Whether something was committed that the gate must sync. */
    public boolean isUnsynced() {
        return commits.isUnsynced();
    }

    /** Whether something was committed that only the end of the task acknowledges. */
    public boolean isCommitted() {
        return commits.isCommitted();
    }

    /** Whether the work may have changed the database by a commit of its own. By any thread. */
    public boolean mayHaveHadEffect() {
        return effect;
    }

    /**
     * What comes now may commit by itself. Whoever ends the ticket looks afterwards whether this was said, and here it is said before the
     * ticket is looked at: so nothing takes effect after somebody was told that nothing has.
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

    /** The group in which its statement ran is committed, or perhaps. */
    public void groupCommitted(Lane shared) {
        transaction.written().committed(shared, false);
    }

    /** What the work wants done now that its transaction has been committed, in order; empty if it was not. */
    public List<Runnable> afterCommit() {
        return transaction.due();
    }

    /** The lane at this moment; null while the session waits for one, or after a wait that failed. */
    public @Nullable Lane lane() {
        return lane;
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

    /** For whom the session works. */
    public Ticket ticket() {
        return ticket;
    }

    /** Holds a lane for the next {@link #begin}. */
    public void keep(Lane granted) {
        lane = granted;
    }

    ReadOnly readOnly() {
        return readOnly;
    }

    /** Ends the session for good, or until its next {@link #begin}, and hands over its lane, clean or in doubt. Never throws. */
    public @Nullable Lane end() {
        Lane last = lane;
        try {
            leave(last);
            results.close(ResultView.CLOSED);
            if (last != null && (transaction.isOpen() || last.doubt() != null)) {
                transaction.rollback(last, null);
            }
            readOnly.end(last);
            if (last != null && last.doubt() == null && last.access() == Access.WRITE) {
                last.engine().syncByItself(false);
            }
            forms.end(last);
        } catch (Throwable e) { // memory may run out here, too
            if (last != null) {
                last.doubt(CloseReason.DISCARDED);
            }
            telemetry.debug("a connection could not be handed over clean", e);
        }
        lane = null;
        ticket = Nobody.HERE;
        reading.look(false);
        return last;
    }

    /** After an error that may have struck in the middle of anything, the lane is not trusted. */
    public void struckBy(Throwable error) {
        Lane current = lane;
        if (error instanceof VirtualMachineError && current != null) {
            current.doubt(CloseReason.DISCARDED);
        }
    }

    /**
     * Ends one work of a lease: an open transaction stays, and so do cursors, unless an interrupt may have struck them. Hands the lane
     * over if it can be given back.
     */
    public @Nullable Lane pause() {
        try {
            return tryToPause();
        } catch (Throwable e) {
            struckBy(e);
            telemetry.debug("a function of a lease did not end clean", e);
            return end();
        }
    }

    private @Nullable Lane tryToPause() {
        Lane current = lane;
        if (ticket.isEnded() && transaction.isOpen() && !onlyReads) {
            transaction.lose(new SQLException("a function of the lease was cancelled"));
        }
        leave(current);
        if (ticket.isEnded()) { // nothing interrupts the lane any more
            results.closeCursors();
        }
        lookWhatIsOpen();
        boolean kept = current == null
                || transaction.isOpen()
                || results.areOpen()
                || current.doubt() == CloseReason.CHANGED
                || current.doubt() == null && (current.access() == Access.READ || !host.hasReadLanes());
        if (kept) {
            ticket = Nobody.HERE; // keeps nothing of the work that has ended
            return null;
        }
        commits.goOnElsewhere();
        return end();
    }

    private void leave(@Nullable Lane last) {
        alive = false;
        owner = null;
        try {
            results.end();
        } finally {
            if (last != null) {
                last.leave();
                transaction.left(last);
            }
        }
    }

    // ---- work

    /** Runs a work in its form, and commits or rolls back. The session must have begun. */
    public <T> T perform(Work<T> work) throws Exception {
        wholesale = work instanceof Work.Data<T>;
        transaction.written().atOnce(commitsByItself());
        return forms.perform(work, form);
    }

    /** Runs a work of a lease, in the transaction or the snapshot that the lease has. The session must have begun. */
    public <T> T performInLease(Work.Code<T> work) throws Exception {
        transaction.written().atOnce(commitsByItself());
        if (form == Form.READ && !transaction.isOpen()) {
            forms.openSnapshot(ready("", Verb.EMPTY));
        }
        return forms.perform(work, Form.CONNECTION);
    }

    // ---- in a group: one session opens and ends the transaction, others join it for one statement each

    /** Opens the transaction of a group, as its first. The session must have begun. */
    public void openGroup() throws SQLException {
        wholesale = true;
        forms.begin(true);
    }

    /** Joins the transaction of a group, in place of {@link #begin}. */
    public void joinGroup(Lane shared, Ticket next) {
        wholesale = true;
        begin(shared, next);
        shared.hurry();
        transaction.began();
    }

    /** Runs data in the transaction of a group. */
    public <T> T performInGroup(Work.Data<T> data) throws SQLException {
        return forms.inGroup(data);
    }

    /** Whether all that the group has done is still there, and of a statement that failed just now nothing. */
    public boolean groupStands() {
        Lane own = lane;
        return own != null && own.doubt() == null && !transaction.isLost() && !ticket.isEnded() && !forms.ranBare();
    }

    /** Its statement is over: nothing can interrupt the lane for this session any more. */
    public void leaveGroup(boolean first) {
        leave(lane);
        if (!first) {
            transaction.ended();
            lane = null;
        }
    }

    /** Commits the transaction of a group; for the session that opened it, before its {@link #end}. */
    public void commitGroup() throws SQLException {
        forms.commit();
    }

    OwnCommits commits() {
        return commits;
    }

    /** Before a transaction begins that may write. */
    void beforeTransaction() throws SQLException {
        Lane own = lane;
        if (own != null && own.access() == Access.WRITE) {
            host.beforeTransaction(own, this);
        }
    }

    Forms forms() {
        return forms;
    }

    SessionConnection connection() {
        return face;
    }

    /** What stands on rows. */
    OpenResults results() {
        return results;
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

    /** Fails if nobody wants the session to go on. */
    void requireTicket() {
        if (ticket.isEnded()) {
            throw new CancellationException(
                    "The task was ended from outside; what it had not committed is rolled back.");
        }
    }

    // ---- rules

    /** Every use passes here first: is the session alive, on its thread, and wanted? */
    void requireAlive() {
        StackRoom.require();
        if (!alive) {
            throw Misuse.returned();
        }
        if (owner != Thread.currentThread()) {
            throw Misuse.ofAnotherThread(owner);
        }
        requireTicket();
    }

    Form form() {
        return form;
    }

    TransactionScope transaction() {
        return transaction;
    }

    /** Checks a statement against the form, and brings the session to a lane that may run it. */
    Lane ready(String sql, Verb given) throws SQLException {
        return ready(sql, given, true);
    }

    /** As {@link #ready}, for a statement that is only prepared. */
    Lane readyToPrepare(String sql, Verb given) throws SQLException {
        return ready(sql, given, false);
    }

    private Lane ready(String sql, Verb given, boolean runs) throws SQLException {
        requireAlive();
        if (form != Form.CONNECTION && given.isRefusedInside()) {
            throw Misuse.inside(form, sql, given);
        }
        if (given != Verb.END) {
            transaction.requireStanding();
        }
        Verb verb = readOnly.check(sql, given);
        onlyReads &= verb == Verb.READ || verb == Verb.EMPTY;
        Lane current = lane;
        if (verb == Verb.END) {
            results.closeCursors();
        }
        if (verb == Verb.END || verb == Verb.RELEASE || verb == Verb.BEGIN && !transaction.isOpen()) {
            results.closeWriting();
        }
        if (current == null) {
            current = take(null, verb.needsWriteLane() && !readOnly.isOn() ? Access.WRITE : Access.READ);
        }
        readOnly.keep(current);
        if (verb.needsWriteLane() && canMove(current)) {
            current = move();
        } else if (!current.engine().isCurrent() && form != Form.TRANSACTION && !wholesale) {
            current = commits.leaveOldFile(current);
        }
        if (runs) {
            commits.followLastChange(sql, verb);
        }
        commits.before(current, sql, verb);
        boolean reader = current.access() == Access.READ && host.hasReadLanes();
        if (verb.isMaintenance() && reader) {
            throw Misuse.insideReadOnly(sql);
        }
        if (verb.mayChangeConnection() && SqlText.changesConnection(sql)) {
            // Now, not after success: preparing a pragma can already carry it out.
            current.doubt(CloseReason.CHANGED);
        }
        current.limit(statementNanos);
        return current;
    }

    boolean hasReadLanes() {
        return host.hasReadLanes();
    }

    boolean canMove(Lane current) {
        return commitsByItself()
                && !readOnly.isOn()
                && current.access() == Access.READ
                && host.hasReadLanes()
                && !transaction.isOpen();
    }

    /** Goes to the write lane. */
    private Lane move() throws SQLException {
        Lane from = Objects.requireNonNull(lane);
        if (results.areOpen()) {
            throw Misuse.underCursor();
        }
        results.closeThoseOfJdbc(ResultView.MOVED);
        from.leave();
        telemetry.moves.increment();
        return take(from, Access.WRITE);
    }

    /** As {@link #move}, for a statement that has turned out to write. */
    Lane moveToWrite() throws SQLException {
        Lane to = move();
        commits.before(to, "", Verb.CHANGE);
        return to;
    }

    /** Gives the write lane up in the middle of the work, which goes on without a lane until it needs one. */
    void giveUp(Lane own) {
        results.close(ResultView.COMMITTED);
        readOnly.end(own);
        own.leave();
        lane = null;
    }

    Lane take(@Nullable Lane from, Access access) throws SQLException {
        lane = null;
        Lane to = host.exchange(from, access, this);
        lane = to;
        to.enter(ticket);
        to.limit(statementNanos);
        return to;
    }

    /** Follows what a statement that succeeded has done to the transaction. */
    void succeeded(Lane current, Verb verb) throws SQLException {
        boolean commit = verb == Verb.END
                && transaction.isOpen()
                && !transaction.written().isUndoing();
        transaction.follow(current, verb);
        commits.after(current, verb, commit);
        if (verb.isControl()) {
            lookWhatIsOpen();
        }
    }

    // ---- statements

    Statements statements() {
        return statements;
    }

    /** A statement, a cursor or a transaction has begun or ended. */
    void lookWhatIsOpen() {
        if (commitsByItself() || form == Form.READ) {
            reading.look(transaction.isOpen() || results.areOpen());
        }
        Lane own = lane;
        if (own != null && alive && owner == Thread.currentThread() && !transaction.isOpen()) {
            boolean perhapsNotAll = results.mayBeOpen();
            transaction.written().committed(own, perhapsNotAll);
        }
    }

    /** For how long a connection has held a snapshot: a cursor or a transaction has been open. By any thread. */
    public Duration hasReadFor(long now) {
        return reading.lasted(now);
    }

    /** As {@link #ready}, for data that writes whatever its verb says. */
    void readyToWrite(String sql) throws SQLException {
        requireAlive();
        readOnly.requireOff(sql);
        Lane current = ready(sql, Verb.of(sql));
        if (canMove(current)) {
            moveToWrite();
        }
    }
}
