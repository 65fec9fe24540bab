package dev.sqlitepool.internal.pool;

import dev.sqlitepool.Access;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.internal.dispatch.Lanes;
import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.engine.sqlite.SqliteDatabase;
import dev.sqlitepool.internal.lane.Lane;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;

/** What the races run on: two pools in memory that open one connection altogether, since a race is run a million times. */
public final class Ground {
    /** Runs on its own thread what its stages do. */
    static final LanePool POOL = pool(null);
    /** Has an executor of the user's. */
    static final LanePool WITH_EXECUTOR = pool(Runnable::run);

    private static final Lane LANE = borrow(POOL);

    private Ground() {}

    private static LanePool pool(Executor executor) {
        var builder = SqlitePool.builder().inMemory().poolSize(1);
        return (LanePool) (executor == null ? builder : builder.executor(executor)).build();
    }

    /** Opens the write lane of a pool, and keeps it. */
    static Lane borrow(LanePool pool) {
        pool.execute("CREATE TABLE t (x)").join();
        while (true) {
            Lane lane = pool.writeLanes().borrowIdle(any -> true);
            if (lane != null) {
                return lane;
            }
            Thread.onSpinWait(); // the future may be completed before the lane is back
        }
    }

    /** A real lane, on which nothing runs. */
    public static Lane lane() {
        return LANE;
    }

    /** A lane of its own over the same connection, as the function lets it see it. */
    public static Lane laneOver(UnaryOperator<Engine> seen) {
        return new Lane(
                seen.apply(LANE.engine()),
                Access.WRITE,
                0,
                Long.MAX_VALUE,
                POOL.settings(),
                POOL.telemetry(),
                POOL.workers().timer());
    }

    /** Lanes that a race has for itself: one that may write, and that the race opens. */
    static Lanes lanes(LanePool pool) {
        return new Lanes(
                Access.WRITE,
                1,
                pool,
                pool.settings(),
                pool.telemetry(),
                pool.workers(),
                new SqliteDatabase(pool.settings(), pool.telemetry()),
                new AtomicInteger());
    }
}
