package dev.sqlitepool.internal.lane;

import dev.sqlitepool.internal.telemetry.Telemetry;
import java.time.Duration;

/** Since when a connection has held a snapshot. Written by its owner, read by any thread. */
public final class ReadClock {
    private static final long NOT_READING = Long.MIN_VALUE;

    private final Telemetry telemetry;
    private volatile long since = NOT_READING;

    /** A clock of a connection that does not read. */
    public ReadClock(Telemetry telemetry) {
        this.telemetry = telemetry;
    }

    /** Tells whether a cursor or a transaction is open now. */
    public void look(boolean reads) {
        if (reads != (since != NOT_READING)) {
            since = reads ? telemetry.now() : NOT_READING;
        }
    }

    /** How long it has lasted; zero if there is no snapshot. */
    public Duration lasted(long now) {
        long begun = since;
        return begun == NOT_READING ? Duration.ZERO : Duration.ofNanos(now - begun);
    }
}
