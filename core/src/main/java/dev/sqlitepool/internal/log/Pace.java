package dev.sqlitepool.internal.log;

import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.telemetry.Telemetry;
import java.io.SyncFailedException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** How large the log must be, and when, so that copying it is worth it; after failures later and later. Thread-safe. */
final class Pace {
    static final long QUIET_NANOS = TimeUnit.SECONDS.toNanos(5);
    private static final long LONGEST_BACKOFF_NANOS = TimeUnit.MINUTES.toNanos(5);

    private final Telemetry telemetry;
    private final SyncGate gate;
    private final long first;
    private final long step;
    /** The size from which on a copy is worth it. */
    private volatile long threshold;
    /** After a copy that failed, none begins before this. */
    private volatile long notBefore;

    private final AtomicInteger failures = new AtomicInteger();

    Pace(Settings settings, Telemetry telemetry, SyncGate gate) {
        this.telemetry = telemetry;
        this.gate = gate;
        this.first = settings.checkpointSize();
        this.step = settings.walSizeLimit() / 4;
        this.threshold = first;
        this.notBefore = telemetry.now();
    }

    /** Whether a log of this size is worth a copy now. */
    boolean isDue(long size, long now) {
        return size > threshold && now - notBefore >= 0;
    }

    /** How long failures still forbid a copy; negative if they do not. */
    long untilAllowed(long now) {
        return notBefore - now;
    }

    /** The log begins again. */
    void begins() {
        threshold = first;
    }

    /** A copy is tried at this size: the next is worth it when the log has grown by a good part. */
    void tried(long size) {
        threshold = size + step;
    }

    /** All is copied at this size: the next is worth it when the log grows although it could begin again. */
    void copied(long size) {
        threshold = size;
    }

    void succeeded() {
        failures.set(0);
    }

    /** A copy has failed: the next comes later. */
    void backOff(long now) {
        notBefore = now + Math.min(LONGEST_BACKOFF_NANOS, QUIET_NANOS << Math.min(failures.get(), 10));
    }

    /** Tells the first time, and leaves the rest to the reader of details. */
    void failed(Throwable error) {
        if (error instanceof SyncFailedException) {
            gate.distrust(); // a later sync proves nothing about the pages that this one lost
        }
        if (failures.getAndIncrement() == 0) {
            telemetry.warn(
                    "a checkpoint failed; the write-ahead log grows, at most to its limit, until one succeeds", error);
        } else {
            telemetry.debug("a checkpoint failed again", error);
        }
    }
}
