package dev.sqlitepool.internal.pool;

import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.internal.Settings;
import java.time.Duration;
import java.util.concurrent.Delayed;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/** What tests of other packages need, to have a pool's time in their hand. */
public final class TimedPools {
    private TimedPools() {}

    public static SqlitePool open(Settings settings, LongSupplier clock) {
        return new LanePool(settings, clock, engine -> engine);
    }

    /** The health monitor looks now. */
    public static void sweep(SqlitePool pool) {
        ((LanePool) pool).parts().housekeeper().sweep();
    }

    /** The timer does now what it is to do in about this time, and not what comes much earlier or later: as the end of a long grace. */
    public static void fire(SqlitePool pool, Duration time) {
        for (Runnable planned :
                ((LanePool) pool).parts().means().workers().timer().getQueue()) {
            long delay = ((Delayed) planned).getDelay(TimeUnit.NANOSECONDS);
            if (delay <= time.toNanos() && delay > time.toNanos() * 9 / 10) {
                planned.run();
            }
        }
    }

    /** Whether anybody wants to know what is written. */
    public static boolean isWatched(SqlitePool pool) {
        return ((LanePool) pool).parts().feed().isWatched();
    }
}
