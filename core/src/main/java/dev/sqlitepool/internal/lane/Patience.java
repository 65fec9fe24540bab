package dev.sqlitepool.internal.lane;

import dev.sqlitepool.internal.telemetry.Telemetry;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.locks.LockSupport;

/**
 * Patience with another process that holds the database: about a millisecond at a time, up to the busy timeout. SQLite's own busy
 * handler backs off to 100 ms, ignores interrupts, and lets newcomers overtake. Confined to one thread.
 */
final class Patience {
    private final long deadline;
    private final Telemetry telemetry;

    Patience(long nanos, Telemetry telemetry) {
        this.deadline = System.nanoTime() + nanos;
        this.telemetry = telemetry;
    }

    boolean isLeft() {
        return System.nanoTime() - deadline < 0;
    }

    /** Never the same time twice. An interrupt of the thread does not shorten the next wait, and is not lost. */
    void park() {
        telemetry.busyRetries.increment();
        boolean interrupted = Thread.interrupted();
        LockSupport.parkNanos(ThreadLocalRandom.current().nextLong(500_000, 1_500_000));
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
