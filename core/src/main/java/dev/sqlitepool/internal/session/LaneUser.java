package dev.sqlitepool.internal.session;

import dev.sqlitepool.Access;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.StackRoom;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.lane.ReadClock;
import dev.sqlitepool.internal.lane.Ticket;
import dev.sqlitepool.internal.sql.Verb;
import dev.sqlitepool.internal.telemetry.Telemetry;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The lane that work has at the moment, the ticket for which it runs, the thread on which it does, and all that it leaves open on the lane.
 * Owned by that thread; {@link #interrupt}, {@link #mayHaveHadEffect} and {@link #hasReadFor} may be called by any thread.
 *
 * <p>Its end is: close the cursors, leave the lane (from then on no interrupt can reach it), roll back what is open. In this order nothing
 * that is left behind reaches the next user of the lane.
 */
public abstract class LaneUser {
    final Host host;
    final Telemetry telemetry;
    /** What is known of the transaction. */
    final TransactionScope transaction;
    /** The open cursors and results of the session. */
    final OpenResults results = new OpenResults();
    /** What keeps the session from writing. */
    final ReadOnly readOnly;
    /** What is known of SQLite's last change. */
    final LastChange lastChange = new LastChange();
    /** Null if nobody asks for how long the session reads. */
    private final @Nullable ReadClock reading;

    /** The task that the session serves. Only this class sets it. */
    volatile Ticket ticket;
    /** The lane at this moment; null while the session waits for one, or after a wait that failed. Only this class sets it. */
    volatile @Nullable Lane lane;

    private volatile boolean alive;
    private @Nullable Thread owner;
    /** Something was run since {@link #begin} that may have been committed by itself. */
    private volatile boolean effect;
    /** The statement timeout of the function, 0 for no limit. */
    private long statementNanos;
    /** All that has run since {@link #begin} only reads. */
    private boolean onlyReads;

    LaneUser(Host host, Settings settings, Telemetry telemetry, Ticket ticket, @Nullable ReadClock reading) {
        this.host = host;
        this.telemetry = telemetry;
        this.readOnly = new ReadOnly(settings.readOnly());
        this.transaction = new TransactionScope(host, results, settings, telemetry);
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

        @Override
        public String label() {
            return "";
        }
    }

    /** Takes a lane; null for a lease that has none at the moment. The calling thread becomes the owner. */
    public void begin(@Nullable Lane granted, Ticket next) {
        ticket = next;
        owner = Thread.currentThread();
        lane = granted;
        if (granted != null) {
            granted.enter(next);
        }
        effect = false;
        onlyReads = true;
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

    /** Gives a lane back that the session has left, and waits for another. */
    Lane take(@Nullable Lane from, Access access) throws SQLException {
        lane = null;
        Lane to = host.exchange(from, access, ticket);
        lane = to;
        to.enter(ticket);
        limit(to);
        return to;
    }

    /** The task that the session serves. */
    public Ticket ticket() {
        return ticket;
    }

    /** The session serves no task. */
    void rest() {
        ticket = Nobody.HERE;
    }

    /** The function has ended: every use is refused from here on. */
    void stop() {
        alive = false;
        owner = null;
    }

    /**
     * Interrupts what the session runs now for a ticket. By any thread.
     *
     * @return false when the session does not work for that ticket any more, and no further call is needed
     */
    public boolean interrupt(Ticket target) {
        Lane current = lane;
        if (current != null) {
            current.interrupts().interrupt(target);
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

    /** Whether the session is alive, and on its thread. */
    boolean isAlive() {
        return alive && owner == Thread.currentThread();
    }

    /** Fails if nobody wants the session to go on. */
    void requireTicket() {
        if (ticket.isEnded()) {
            throw Misuse.unwanted();
        }
    }

    /**
     * The next step may commit by itself. The end of a ticket is decided first, and then reads this; here this is written first, and then
     * the ticket is read. So nothing takes effect after somebody was told that nothing has.
     */
    void takesEffect() {
        effect = true;
        requireTicket();
    }

    /** Whether the function may have changed the database by its own commit. By any thread. */
    public boolean mayHaveHadEffect() {
        return effect;
    }

    /** Limits the time of each statement from now on. */
    void statementTimeout(long nanos) {
        requireAlive();
        statementNanos = nanos;
    }

    /** Limits the time of the next statement on the lane as the function asks. */
    void limit(Lane current) {
        current.interrupts().limit(statementNanos);
    }

    // ---- what stands on the lane

    /** What is known of the transaction. */
    public TransactionScope transaction() {
        return transaction;
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
        if (own != null && isAlive() && !transaction.isOpen()) {
            boolean perhapsNotAll = results.mayBeOpen(own);
            transaction.written().committed(own, perhapsNotAll);
        }
    }

    /** What keeps the session from writing. */
    public ReadOnly readOnly() {
        return readOnly;
    }

    /** A statement runs. */
    void runs(Verb verb) {
        onlyReads &= verb == Verb.READ || verb == Verb.EMPTY;
    }

    /** For how long a connection has held a snapshot: a cursor or a transaction has been open. By any thread. */
    public Duration hasReadFor(long now) {
        return reading == null ? Duration.ZERO : reading.lasted(now);
    }

    // ---- the end

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
        loseLane();
        rest();
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
            telemetry.debug("a function of a lease did not end clean", e);
            return end();
        }
    }

    private @Nullable Lane tryToPause() {
        Lane current = lane;
        if (ticket.isEnded() && transaction.isOpen() && !onlyReads) {
            transaction.lose(new SQLException("a function of the lease was ended from outside"));
        }
        leave(current);
        if (ticket.isEnded()) { // nothing interrupts the lane any more
            results.closeCursors(current);
        }
        lookWhatIsOpen();
        boolean kept = current == null
                || transaction.isOpen()
                || results.areOpen(current)
                || current.doubt() == CloseReason.CHANGED
                || current.doubt() == null && (current.access() == Access.READ || !host.hasReadLanes());
        if (kept) {
            rest(); // keeps nothing of the work that has ended
            return null;
        }
        lastChange.isElsewhere();
        return end();
    }

    /** No interrupt reaches the lane for this session from here on. */
    void leave(@Nullable Lane last) {
        stop();
        try {
            results.endWork();
        } finally {
            if (last != null) {
                last.leave();
                transaction.left(last);
            }
        }
    }
}
