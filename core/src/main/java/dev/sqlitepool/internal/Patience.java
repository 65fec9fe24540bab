package dev.sqlitepool.internal;

import dev.sqlitepool.internal.telemetry.Telemetry;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * Patience with another process that holds the database: about a millisecond at a time, up to the busy timeout. SQLite's own busy
 * handler backs off to 100 ms, ignores interrupts, and lets newcomers overtake. Confined to one thread.
 */
public final class Patience {
    private final long nanos;
    private final @Nullable Telemetry telemetry;
    /** Since when it is needed. */
    private long since;

    private boolean needed;

    /** Patience of at most so many nanoseconds, which are counted from when it is first needed; each wait is counted as a retry. */
    public Patience(long nanos, Telemetry telemetry) {
        this.nanos = nanos;
        this.telemetry = telemetry;
    }

    /** As the other, for what nobody counts. */
    public Patience(long nanos) {
        this.nanos = nanos;
        this.telemetry = null;
    }

    /** Whether it is worth waiting once more. */
    public boolean isLeft() {
        long now = System.nanoTime();
        since = needed ? since : now;
        needed = true;
        return now - since < nanos;
    }

    /** Waits once. An interrupt of the thread before it does not shorten it, and is not lost. */
    public void park() {
        if (telemetry != null) {
            telemetry.retried();
        }
        Workers.park(ThreadLocalRandom.current().nextLong(500_000, 1_500_000));
    }

    /** About a millisecond, and never the same time twice; an interrupt ends it. */
    public static void pause() {
        LockSupport.parkNanos(ThreadLocalRandom.current().nextLong(500_000, 1_500_000));
    }
}
