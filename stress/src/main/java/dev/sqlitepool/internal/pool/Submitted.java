package dev.sqlitepool.internal.pool;

import dev.sqlitepool.internal.dispatch.LaneGroup;
import dev.sqlitepool.internal.dispatch.Lanes;
import dev.sqlitepool.internal.dispatch.PoolFuture;
import dev.sqlitepool.internal.dispatch.Task;
import dev.sqlitepool.internal.dispatch.Waiter;
import dev.sqlitepool.internal.session.Work;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicInteger;

/** A task that waits for the only lane of its group, and those who race for its end. */
final class Submitted {
    private static final Work.Data<Long> WORK = Ground.POOL.statement("INSERT INTO t VALUES (1)");
    private static final long DEADLINE = 10;

    private final Lanes lanes;
    private final Task<Long> task;
    private final AtomicInteger stages = new AtomicInteger();

    Submitted(LanePool pool) {
        lanes = Ground.lanes(pool);
        task = new Task<>(pool, WORK, null);
        CompletableFuture<?> unused = task.future().whenComplete((value, error) -> stages.incrementAndGet());
        task.joins(lanes, 0, DEADLINE);
        lanes.group().submit(task, 0);
    }

    PoolFuture<Long> future() {
        return task.future();
    }

    /** The lane has been opened: whether it is granted to the task. */
    boolean grant() {
        return lanes.group().opened(Ground.lane(), 1).waiter() == task;
    }

    /** As the one who serves it: commits, and acknowledges. */
    String commit() {
        if (!task.beginCommit()) {
            return "revoked";
        }
        task.inGroup(null).settle(null);
        return "committed";
    }

    String serve() {
        return grant() ? commit() : "passed over";
    }

    /** Its time is up: whether that was its end. */
    boolean expire() {
        List<Waiter> ended = lanes.group().expire(DEADLINE);
        ended.forEach(waiter -> waiter.failed(reason()).run());
        return !ended.isEmpty();
    }

    /** The pool is closed and does not wait: whether that was its end. */
    boolean revoke() {
        Runnable settle = task.revoke(ended -> reason());
        if (settle != null) {
            settle.run();
        }
        return settle != null;
    }

    private static Throwable reason() {
        return new IllegalStateException("ended by a race");
    }

    /** What has become of it; and what does not fit to that, if there is anything. */
    String end() {
        LaneGroup.Snapshot group = lanes.group().snapshot();
        boolean granted = task.state() != Waiter.State.ENDED;
        boolean fits = group.waiting() == 0
                && group.borrowed() == (granted ? 1 : 0)
                && group.idle() == (granted ? 0 : 1)
                && future().isDone()
                && future().isSettled()
                && stages.get() == 1
                && outcome(future()).equals(joined());
        return task.state() + " " + outcome(future()) + (fits ? "" : ", BUT " + group + ", stages " + stages);
    }

    private static String outcome(CompletableFuture<Long> future) {
        return !future.isDone()
                ? "nothing"
                : future.isCancelled() ? "cancelled" : future.isCompletedExceptionally() ? "failed" : "value";
    }

    /** What those see who wait. */
    private String joined() {
        try {
            Long unused = future().join();
            return "value";
        } catch (CancellationException e) {
            return "cancelled";
        } catch (CompletionException e) {
            return "failed";
        }
    }
}
