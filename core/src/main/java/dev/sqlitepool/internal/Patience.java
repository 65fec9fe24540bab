package dev.sqlitepool.internal;

import dev.sqlitepool.internal.telemetry.Telemetry;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Patience with another process that holds the database: about a millisecond at a time, up to the busy timeout. SQLite's own busy
 * handler backs off to 100 ms, ignores interrupts, and lets newcomers overtake. Confined to one thread.
 */
public final class Patience {
    private final long nanos;
    private final Telemetry telemetry;
    /** Since when it is needed. */
    private long since;

    private boolean needed;

    /** Patience of at most so many nanoseconds, which are counted from when it is first needed. */
    public Patience(long nanos, Telemetry telemetry) {
        this.nanos = nanos;
        this.telemetry = telemetry;
    }

    /** Whether it is worth waiting once more. */
    public boolean isLeft() {
        long now = System.nanoTime();
        since = needed ? since : now;
        needed = true;
        return now - since < nanos;
    }

    /** Never the same time twice. An interrupt of the thread does not shorten the next wait, and is not lost. */
    public void park() {
        telemetry.busyRetries.increment();
        Workers.park(ThreadLocalRandom.current().nextLong(500_000, 1_500_000));
    }
}
