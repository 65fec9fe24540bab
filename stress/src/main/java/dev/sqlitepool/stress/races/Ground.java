package dev.sqlitepool.stress.races;

import dev.sqlitepool.Access;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import dev.sqlitepool.internal.Means;
import dev.sqlitepool.internal.dispatch.Lanes;
import dev.sqlitepool.internal.dispatch.RacedTask;
import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.engine.sqlite.SqliteDatabase;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.pool.LanePool;
import dev.sqlitepool.internal.pool.Parts;
import dev.sqlitepool.internal.session.Work;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;

/** The parts of a pool on which the races run. The pools in memory open one connection altogether, since a race is run a million times. */
final class Ground {
    /** Dependent stages run on the thread that completes the future. */
    static final Ground POOL = new Ground(SqlitePool.builder().inMemory().poolSize(1));
    /** Has an executor of the user's. */
    static final Ground WITH_EXECUTOR =
            new Ground(SqlitePool.builder().inMemory().poolSize(1).executor(Runnable::run));

    private static final Lane LANE = POOL.borrow();
    private static final Work<Long> WORK = LanePool.statement("INSERT INTO t VALUES (1)");

    private final LanePool pool;
    private final Parts parts;

    Ground(SqlitePoolBuilder settings) {
        pool = (LanePool) settings.build();
        parts = pool.parts();
    }

    Parts parts() {
        return parts;
    }

    /** Opens the write lane of the pool, and keeps it. */
    Lane borrow() {
        pool.execute("CREATE TABLE t (x)").join();
        while (true) {
            Lane lane = parts.writeLanes().borrowIdle(any -> true);
            if (lane != null) {
                return lane;
            }
            Thread.onSpinWait(); // the future may be completed before the lane is back
        }
    }

    /** A real lane, on which nothing runs. */
    static Lane lane() {
        return LANE;
    }

    /** A lane of its own over the same connection, as the function lets it see it. */
    static Lane laneOver(UnaryOperator<Engine> seen) {
        Means means = POOL.parts.means();
        return new Lane(
                seen.apply(LANE.engine()),
                Access.WRITE,
                0,
                Long.MAX_VALUE,
                means.settings(),
                means.telemetry(),
                means.workers().timer());
    }

    /** A task that waits for a lane, in a group that the race has for itself. */
    RacedTask task() {
        return new RacedTask(parts.routes(), lanes(), LANE, WORK);
    }

    private Lanes lanes() {
        Means means = parts.means();
        return new Lanes(
                Access.WRITE,
                1,
                means,
                new SqliteDatabase(means.settings(), means.telemetry()),
                engine -> engine,
                parts.gate(),
                parts.checkpointer(),
                new AtomicInteger());
    }
}
