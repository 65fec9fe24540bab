package dev.sqlitepool.internal.lane;

import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.internal.telemetry.Telemetry;
import java.sql.SQLException;
import java.util.concurrent.TimeUnit;

/**
 * The snapshot that single reads of a lane share, one after the other. Owned by the lane's owner.
 *
 * <p>SQLite fixes a snapshot at the first read of a table, not before, so it shows all that was committed before {@link #begin}: a
 * caller that submitted a read before that may share it, and sees every write that was acknowledged to it.
 */
public final class SharedSnapshot {
    private static final int READS = 64;
    private static final long NANOS = TimeUnit.MILLISECONDS.toNanos(1);

    private final Lane lane;
    private final Telemetry telemetry;
    private boolean open;
    private long begunAt;
    private int reads;

    SharedSnapshot(Lane lane, Telemetry telemetry) {
        this.lane = lane;
        this.telemetry = telemetry;
    }

    /** Opens one for the read that is about to run and others behind it. */
    public void begin() {
        long before = telemetry.now();
        try {
            lane.engine().begin(false);
            begunAt = before;
            reads = 0;
            open = true;
        } catch (SQLException e) {
            // Without: the statement runs by itself, and has the error too if it lasts.
            telemetry.debug("a shared snapshot could not be opened", e);
        }
    }

    public boolean isOpen() {
        return open;
    }

    /** When it was begun, on the telemetry's clock. */
    public long begunAt() {
        return begunAt;
    }

    /** Whether one more read may share it: a long one would pin the WAL, and make it old. */
    public boolean mayBeShared(long now) {
        boolean sound = lane.doubt() == null
                && lane.engine().isCurrent(); // else something later may have been acknowledged elsewhere
        return open && sound && ++reads < READS && now - begunAt < NANOS;
    }

    /** Never throws. */
    public void end() {
        open = false;
        try {
            lane.engine().rollback();
        } catch (Throwable e) { // memory may run out here, too
            lane.doubt(CloseReason.DISCARDED);
        }
    }
}
