package dev.sqlitepool.internal.telemetry;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.sqlitepool.PoolListener;
import dev.sqlitepool.PoolStats;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.PoolStats.Connections;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The one sink of everything that is worth counting or telling. Thread-safe.
 *
 * <p>Events go to the listener in order, on a thread of the given executor that holds no lane. At most one drain runs: who
 * adds to an empty, undrained queue starts it, and it ends only when it has seen the queue empty under the lock, so no event
 * is left behind.
 */
public final class Telemetry {
    private static final System.Logger LOG = System.getLogger("dev.sqlitepool");
    private static final int EVENT_LIMIT = 1_000;

    public final Counter completed = new Counter();
    public final Counter failed = new Counter();
    public final Counter cancelled = new Counter();
    public final Counter timeouts = new Counter();
    public final Counter refused = new Counter();
    public final Counter moves = new Counter();
    public final Counter interrupts = new Counter();
    public final Counter busyRetries = new Counter();
    public final Counter opened = new Counter();
    public final Counter openFailures = new Counter();
    public final Counter statementHits = new Counter();
    public final Counter statementMisses = new Counter();
    public final Counter waitNanos = new Counter();
    public final Counter holdNanos = new Counter();
    public final Counter checkpoints = new Counter();
    /** The size of the write-ahead log when the write lane was last given back. */
    public volatile long walSize;

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

    public void closed(CloseReason reason) {
        closed.get(reason).increment();
    }

    public void debug(String what, Throwable error) {
        log(System.Logger.Level.DEBUG, what, error);
    }

    public void warn(String what, @Nullable Throwable error) {
        log(System.Logger.Level.WARNING, what, error);
    }

    private void log(System.Logger.Level level, String what, @Nullable Throwable error) {
        try {
            LOG.log(level, () -> pool + ": " + what, error);
        } catch (OutOfMemoryError | InternalError e) {
            // not worth a lane
        }
    }

    /** Counts as well as memory allows: what counts must not fail for that. */
    public static final class Counter extends LongAdder {
        private static final long serialVersionUID = 1;

        @Override
        public void add(long n) {
            try {
                super.add(n);
            } catch (OutOfMemoryError | InternalError e) {
                // one cell more for less contention
            }
        }
    }

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
                moves.sum(),
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
