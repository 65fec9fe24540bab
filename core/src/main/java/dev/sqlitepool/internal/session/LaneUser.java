package dev.sqlitepool.internal.session;

import dev.sqlitepool.Access;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.internal.StackRoom;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.lane.Ticket;
import java.sql.SQLException;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The lane that work has at the moment, the ticket for which it runs, and the thread on which it does. Owned by that thread; {@link
 * #interrupt} and {@link #mayHaveHadEffect} may be called by any thread.
 */
abstract class LaneUser {
    private final Host host;
    private volatile Ticket ticket;
    private volatile @Nullable Lane lane;
    private volatile boolean alive;
    private @Nullable Thread owner;
    /** Something was run since {@link #begin} that may have been committed by itself. */
    private volatile boolean effect;
    /** The statement timeout of the function, 0 for no limit. */
    private long statementNanos;

    LaneUser(Host host, Ticket ticket) {
        this.host = host;
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

    /** Takes a lane; null for a lease that has none at the moment. The calling thread becomes the owner. */
    public void begin(@Nullable Lane granted, Ticket next) {
        ticket = next;
        owner = Thread.currentThread();
        lane = granted;
        if (granted != null) {
            granted.enter(next);
        }
        effect = false;
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
}
