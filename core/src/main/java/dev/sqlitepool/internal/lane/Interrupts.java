package dev.sqlitepool.internal.lane;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.engine.Engine.Failure;
import dev.sqlitepool.internal.telemetry.Telemetry;
import java.sql.SQLException;
import java.sql.SQLTimeoutException;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * The causes that may interrupt the statements of one lane: the end of a task from outside, and timeouts. Owned by the lane's owner; {@link
 * #interrupt} may be called by any thread.
 *
 * <p><b>No stranger's interrupt.</b> {@code sqlite3_interrupt} hits whatever runs on the connection at that moment. So every interrupt
 * happens under {@link #lock}, after a check that the ticket or statement that it means is still served; the owner ends both under the same
 * lock. So an interrupt happens before the end that it aims at, or not at all. What it leaves behind SQLite forgets: the flag is cleared when
 * a statement starts while no other runs (<a href="https://www.sqlite.org/c3ref/interrupt.html">sqlite3_interrupt</a>), and the owner closes
 * all cursors after it has left. An interrupt just before a step is lost, so interrupters repeat until the owner has left.
 */
public final class Interrupts {
    /** How often an interrupt is repeated until it has had its effect. */
    public static final long PERIOD_NANOS = TimeUnit.MILLISECONDS.toNanos(5);

    /** How long the earlier statements of a group wait for one that takes longer than it used to. */
    private static final long HURRY_NANOS = TimeUnit.MILLISECONDS.toNanos(20);

    private final Engine engine;
    private final StatementCache statements;
    private final long statementTimeoutNanos;
    private final Telemetry telemetry;
    private final ScheduledExecutorService timer;

    private final ReentrantLock lock = new ReentrantLock();
    /** For whom the owner works now, and who may therefore be interrupted. */
    @GuardedBy("lock")
    private @Nullable Ticket ticket;
    /** Statements running inside each other; the outermost has the timeout. Confined to the lane's owner. */
    private int depth;
    /** The timeout of the statement that runs, 0 if there is none. Confined to the lane's owner. */
    private long timeoutNanos;
    /** A statement with a timeout runs. */
    @GuardedBy("lock")
    private boolean timed;

    @GuardedBy("lock")
    private long statementDeadline;
    /** The statement that runs, or ran last, was interrupted because of its timeout. */
    @GuardedBy("lock")
    private boolean timedOut;

    @GuardedBy("lock")
    private boolean watched;

    @GuardedBy("lock")
    private long watchedUntil;

    @GuardedBy("lock")
    private boolean hurried;
    /** How long a statement may take that others wait for, 0 for no limit. Confined to the lane's owner. */
    private long hurryNanos;
    /** The timeout that interrupted the statement that ran last, perhaps after its end; 0 if none did. Confined to the lane's owner. */
    private long struckAfter;
    /** The statement timeout of the function, 0 for no limit. Confined to the lane's owner. */
    private long limitNanos;

    /**
     * Nobody is served yet.
     *
     * @param statements what the owner closes when it leaves, and after an interrupt
     * @param statementTimeoutNanos of the pool; 0 for none
     */
    Interrupts(
            Engine engine,
            StatementCache statements,
            long statementTimeoutNanos,
            Telemetry telemetry,
            ScheduledExecutorService timer) {
        this.engine = engine;
        this.statements = statements;
        this.statementTimeoutNanos = statementTimeoutNanos;
        this.telemetry = telemetry;
        this.timer = timer;
    }

    /** The owner works for this ticket from now on, and no more for the one returned; with null for none, and its cursors stay open. */
    @CanIgnoreReturnValue
    @Nullable
    Ticket enter(@Nullable Ticket served) {
        lock.lock();
        try {
            Ticket before = ticket;
            ticket = served;
            return before;
        } finally {
            lock.unlock();
        }
    }

    /** After this no interrupt that was meant for the owner's ticket reaches the connection, and no statement runs: it ends them all. */
    void leave() {
        enter(null);
        hurryNanos = 0;
        limitNanos = 0;
        statements.closeRunning();
        if (depth != 0) { // the stack overflowed, or memory ran out, before a statement was ended
            depth = 1;
            endStatement();
        }
    }

    /**
     * From here to {@link #unshield} no interrupt reaches the connection: neither one that is meant for the owner's ticket, which is returned, nor the
     * timeout of a statement around. Unlike {@link #leave} it ends none of those that run.
     */
    @Nullable
    public Ticket shield() {
        lock.lock();
        try {
            Ticket served = ticket;
            ticket = null;
            timed = false;
            return served;
        } finally {
            lock.unlock();
        }
    }

    /** Fails if the statement around has run into its timeout: until it has ended, SQLite interrupts whatever comes. */
    public void requireInTime() throws SQLException {
        lock.lock();
        try {
            if (timeoutNanos > 0 && timedOut) {
                throw late(timeoutNanos, null);
            }
        } finally {
            lock.unlock();
        }
    }

    public void unshield(@Nullable Ticket served) {
        lock.lock();
        try {
            ticket = served;
            timed = timeoutNanos > 0;
            if (timed) {
                watchUntil(statementDeadline, Math.max(0, statementDeadline - telemetry.now()));
            }
        } finally {
            lock.unlock();
        }
    }

    public void interrupt(Ticket target) {
        lock.lock();
        try {
            if (ticket == target) {
                engine.interrupt();
            }
        } finally {
            lock.unlock();
        }
    }

    /**
     * A statement runs from here to {@link #endStatement}.
     *
     * @param ownNanos its own timeout, which counts if it is shorter than the pool's; 0 for none
     */
    public void beginStatement(long ownNanos) {
        long nanos = shorter(ownNanos, shorter(limitNanos, shorter(hurryNanos, statementTimeoutNanos)));
        if (depth++ > 0) {
            return;
        }
        struckAfter = 0;
        if (nanos == 0) {
            return;
        }
        lock.lock();
        try {
            timeoutNanos = nanos;
            timedOut = false;
            hurried = nanos == hurryNanos;
            statementDeadline = telemetry.now() + nanos;
            timed = true;
            watchUntil(statementDeadline, nanos);
        } finally {
            lock.unlock();
        }
    }

    private static long shorter(long nanos, long others) {
        return nanos == 0 || others != 0 && others < nanos ? others : nanos;
    }

    public void endStatement() {
        if (--depth > 0 || timeoutNanos == 0) {
            return;
        }
        lock.lock();
        try {
            timed = false;
            struckAfter = timedOut ? timeoutNanos : 0;
            timeoutNanos = 0;
        } finally {
            lock.unlock();
        }
        if (struckAfter > 0) {
            statements.closeHeld(); // an interrupt stays with the connection as long as anything is open
        }
    }

    /** The timeout of the statement that ran last, if it has struck although the statement ended well; null if not. */
    @Nullable
    public SQLException late() {
        return struckAfter > 0 ? late(struckAfter, null) : null;
    }

    /** One watch for each lane, not one for each statement; an earlier deadline takes the place of a later one. */
    @GuardedBy("lock")
    private void watchUntil(long deadline, long nanos) {
        if (!watched || deadline - watchedUntil < 0) {
            Future<?> unused = timer.schedule(() -> watch(deadline), nanos, TimeUnit.NANOSECONDS);
            watched = true;
            watchedUntil = deadline;
        }
    }

    /** Runs on the timer as long as statements run. */
    private void watch(long at) {
        lock.lock();
        try {
            if (!watched || watchedUntil != at) {
                return; // another one has taken its place
            }
            watched = false;
            if (!timed) {
                return;
            }
            long left = statementDeadline - telemetry.now();
            if (left <= 0) {
                if (!timedOut) {
                    timedOut = true;
                    telemetry.interrupted(ticket);
                }
                engine.interrupt();
                left = PERIOD_NANOS;
            }
            watchUntil(telemetry.now() + left, left);
        } finally {
            lock.unlock();
        }
    }

    /** The error of a statement that runs, as a timeout if that is what interrupted it. */
    public SQLException explained(SQLException error) {
        long nanos = timeoutNanos;
        if (nanos == 0 || engine.failure(error) != Failure.INTERRUPTED) {
            return error;
        }
        lock.lock();
        try {
            return timedOut ? late(nanos, error) : error;
        } finally {
            lock.unlock();
        }
    }

    private static SQLException late(long nanos, @Nullable SQLException cause) {
        return new SQLTimeoutException(
                "The statement was interrupted after its timeout of " + nanos / 1e9
                        + " s; make it faster, or allow it more.",
                "57014",
                cause == null ? 0 : cause.getErrorCode(),
                cause);
    }

    /** Until {@link #leave} a statement that takes longer is interrupted; 0 for no limit. */
    public void limit(long nanos) {
        limitNanos = nanos;
    }

    /** Until {@link #leave} a statement that takes too long is interrupted, since those before it wait to be acknowledged. */
    public void hurry() {
        hurryNanos = HURRY_NANOS;
    }

    /** Whether the statement that was interrupted could have continued if the pool were not in a hurry. */
    public boolean wasHurried() {
        lock.lock();
        try {
            return timedOut && hurried;
        } finally {
            lock.unlock();
        }
    }
}
