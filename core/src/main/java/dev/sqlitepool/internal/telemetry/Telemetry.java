package dev.sqlitepool.internal.telemetry;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.sqlitepool.Access;
import dev.sqlitepool.PoolListener;
import dev.sqlitepool.PoolStats;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.PoolStats.Connections;
import dev.sqlitepool.PoolTimeoutException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The one sink of everything that is worth counting, telling or logging. Thread-safe.
 *
 * <p>The parts tell what has happened, with verbs and under none of their locks, and know no counter. A verb that is used for every
 * task allocates nothing and does not throw: it is given the task as a {@link Labelled}, and asks it only where the label is used.
 *
 * <p>Events go to the listener in order, on a thread of the given executor that holds no lane. At most one drain runs: who
 * adds to an empty, undrained queue starts it, and it ends only when it has seen the queue empty under the lock, so no event
 * is left behind.
 */
public final class Telemetry {
    private static final System.Logger LOG = System.getLogger("dev.sqlitepool");
    private static final int EVENT_LIMIT = 1_000;

    private final Counter completed = new Counter();
    private final Counter failed = new Counter();
    private final Counter cancelled = new Counter();
    private final Counter timeouts = new Counter();
    private final Counter refused = new Counter();
    private final Counter switches = new Counter();
    private final Counter interrupts = new Counter();
    private final Counter busyRetries = new Counter();
    private final Counter opened = new Counter();
    private final Counter openFailures = new Counter();
    private final Counter statementHits = new Counter();
    private final Counter statementMisses = new Counter();
    private final Counter waitNanos = new Counter();
    private final Counter holdNanos = new Counter();
    private final Counter checkpoints = new Counter();
    /** Bytes of the write-ahead log when the pool last looked, or zero if it has just emptied it; written by its one writer. */
    private volatile long walSize;

    private final Map<CloseReason, Counter> closed = new EnumMap<>(CloseReason.class);

    private final String pool;
    private final LongSupplier clock;
    private final @Nullable PoolListener listener;
    private final Executor executor;

    @GuardedBy("events")
    private final Deque<Consumer<PoolListener>> events = new ArrayDeque<>();

    @GuardedBy("events")
    private boolean draining;

    @GuardedBy("events")
    private long dropped;

    public Telemetry(String pool, LongSupplier clock, @Nullable PoolListener listener, Executor executor) {
        this.pool = pool;
        this.clock = clock;
        this.listener = listener;
        this.executor = executor;
        for (CloseReason reason : CloseReason.values()) {
            closed.put(reason, new Counter());
        }
    }

    /** The pool's time line in nanoseconds, as {@link System#nanoTime}. */
    public long now() {
        return clock.getAsLong();
    }

    // ---- connections

    /**
     * Somebody has been granted a connection, by whom it is released later.
     *
     * @param waitedNanos since it was queued, or queued again after its turn was undone
     */
    public void acquired(Access access, Labelled holder, long waitedNanos) {
        waitNanos.add(waitedNanos);
    }

    /** The holder of a connection has given it back, or has passed it on to the next holder. */
    public void released(Access access, Labelled holder, long heldNanos) {
        holdNanos.add(heldNanos);
    }

    /** A task or a lease that began on a read connection goes on with the write connection. */
    public void switched(Labelled work) {
        switches.increment();
    }

    /** A connection has been opened. */
    public void opened(Access access, long tookNanos) {
        opened.increment();
        try {
            tell(listener -> listener.connectionOpened(access, Duration.ofNanos(tookNanos)));
        } catch (OutOfMemoryError | InternalError e) {
            debug("an event is lost", e);
        }
    }

    /** An attempt to open a connection has failed. */
    public void openFailed(Access access, Throwable error) {
        openFailures.increment();
        try {
            tell(listener -> listener.openFailed(access, error));
        } catch (OutOfMemoryError | InternalError e) {
            debug("an event is lost", e);
        }
    }

    /**
     * A connection has been closed.
     *
     * @param openedAt by {@link #now}
     */
    public void closed(Access access, CloseReason reason, long openedAt) {
        closed.get(reason).increment();
        try {
            Duration age = Duration.ofNanos(now() - openedAt);
            tell(listener -> listener.connectionClosed(access, reason, age));
        } catch (Throwable e) {
            debug("an event is lost", e);
        }
    }

    /** A connection has been held for longer than the leak threshold. */
    public void leaked(Access access, String label, Duration held, Throwable submittedAt) {
        warn("a connection has been held for " + Words.time(held) + " by \"" + label + "\"", submittedAt);
        tell(listener -> listener.leakSuspected(access, label, held, submittedAt));
    }

    /** A snapshot is older than half of the maximum age, or is ended because it is older than that. */
    public void readTooOld(String label, Duration held, boolean ended) {
        warn("\"" + label + "\" has read for " + Words.time(held) + (ended ? " and is ended" : ""), null);
        tell(listener -> listener.readTooOld(label, held, ended));
    }

    // ---- tasks

    /** A task has ended on its own, with a value or with an error. */
    public void served(Labelled task, @Nullable Throwable error) {
        (error == null ? completed : failed).increment();
    }

    /** A task has failed, perhaps before it had a connection. */
    public void failed(Labelled task, Throwable error) {
        failed.increment();
    }

    /** A task has been cancelled, or completed from outside. */
    public void cancelled(Labelled task) {
        cancelled.increment();
    }

    /** A task has waited for a connection, or for room in the log, as long as it may. Comes before the error is made, whose statistics count it. */
    public void timedOut(Access access, Labelled task) {
        timeouts.increment();
    }

    /** The error of a task that has {@link #timedOut}. */
    public void timedOut(PoolTimeoutException error) {
        tell(listener -> listener.acquireTimedOut(error));
    }

    /** A task has been turned away. */
    public void refused(Labelled task) {
        refused.increment();
    }

    // ---- statements

    /**
     * What an ended task runs, or a statement whose time is up, is interrupted; told once, though the interrupt is repeated. The only verb
     * that is called under a lock, that of a lane's interrupts, since whoever sees the statement fail must see it counted: so it must never do
     * more than count.
     */
    public void interrupted(@Nullable Labelled task) {
        interrupts.increment();
    }

    /** Another process holds the database: the step is tried again in a moment. */
    public void retried() {
        busyRetries.increment();
    }

    /** A statement was found prepared. */
    public void statementHit() {
        statementHits.increment();
    }

    /** A statement must be prepared. */
    public void statementMiss() {
        statementMisses.increment();
    }

    // ---- the log

    /**
     * The write-ahead log has been copied into the database.
     *
     * @param complete whether all of it has been, and, if it was to be emptied, it is empty
     */
    public void checkpointed(boolean complete) {
        checkpoints.increment();
    }

    /** The write-ahead log has that many bytes. */
    public void walSize(long bytes) {
        walSize = bytes;
    }

    /** How many bytes the write-ahead log had when the pool last looked; zero if it has just been emptied. */
    public long walSize() {
        return walSize;
    }

    /** Writes wait because the write-ahead log has reached its limit. */
    public void walLimitReached(long size, String reader, Duration held) {
        tell(listener -> listener.walLimitReached(size, reader, held));
    }

    // ---- what is logged

    public void debug(String what, Throwable error) {
        log(System.Logger.Level.DEBUG, what, error);
    }

    public void warn(String what, @Nullable Throwable error) {
        log(System.Logger.Level.WARNING, what, error);
    }

    /** An error in a place that belongs to no pool. Never throws. */
    public static void error(String what, Throwable error) {
        try {
            LOG.log(System.Logger.Level.ERROR, what, error);
        } catch (Throwable e) {
            // nobody could be told
        }
    }

    private void log(System.Logger.Level level, String what, @Nullable Throwable error) {
        try {
            LOG.log(level, () -> pool + ": " + what, error);
        } catch (OutOfMemoryError | InternalError e) {
            // not worth a lane
        }
    }

    // ---- the listener

    /** Tells the listener, if there is one, soon. */
    public void tell(Consumer<PoolListener> event) {
        if (listener == null) {
            return;
        }
        synchronized (events) {
            if (events.size() >= EVENT_LIMIT) {
                dropped++;
                return;
            }
            if (dropped > 0) {
                long count = dropped;
                dropped = 0;
                events.add(l -> l.eventsDropped(count));
            }
            events.add(event);
            if (draining) {
                return;
            }
            draining = true;
        }
        try {
            executor.execute(this::drain);
        } catch (RuntimeException | Error e) {
            synchronized (events) {
                draining = false; // the next event tries again
            }
            debug("an event could not be delivered", e);
        }
    }

    private void drain() {
        while (true) {
            Consumer<PoolListener> event;
            synchronized (events) {
                event = events.poll();
                if (event == null) {
                    draining = false;
                    return;
                }
            }
            try {
                if (listener != null) {
                    event.accept(listener);
                }
            } catch (Throwable e) {
                warn("the listener failed", e);
            }
        }
    }

    /** All counters, with the lanes as they were seen. */
    public PoolStats stats(Connections read, Connections write) {
        Map<CloseReason, Long> byReason = new EnumMap<>(CloseReason.class);
        closed.forEach((reason, count) -> byReason.put(reason, count.sum()));
        return new PoolStats(
                pool,
                read,
                write,
                completed.sum(),
                failed.sum(),
                cancelled.sum(),
                timeouts.sum(),
                refused.sum(),
                switches.sum(),
                interrupts.sum(),
                busyRetries.sum(),
                opened.sum(),
                openFailures.sum(),
                Map.copyOf(byReason),
                statementHits.sum(),
                statementMisses.sum(),
                Duration.ofNanos(waitNanos.sum()),
                Duration.ofNanos(holdNanos.sum()),
                checkpoints.sum(),
                walSize);
    }
}
