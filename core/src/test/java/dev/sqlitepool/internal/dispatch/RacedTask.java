package dev.sqlitepool.internal.dispatch;

import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.session.Work;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A task that waits for the only lane of its group, and the calls that race for its end. The races of the stress module run it: what they
 * need of this package is package-private.
 */
public final class RacedTask {
    private static final long DEADLINE = 10;

    private final LaneGroup group;
    private final Lane lane;
    private final Task<Long> task;
    private final AtomicInteger stages = new AtomicInteger();

    /**
     * Queues the task.
     *
     * @param lanes of this race alone; their lane is not open yet
     * @param lane the lane that will be opened
     */
    public RacedTask(Routes routes, Lanes lanes, Lane lane, Work<Long> work) {
        this.group = lanes.group();
        this.lane = lane;
        this.task = new Task<>(routes, work, null);
        CompletableFuture<?> unused = task.future().whenComplete((value, error) -> stages.incrementAndGet());
        task.joins(lanes, 0, DEADLINE);
        group.submit(task, 0);
    }

    public PoolFuture<Long> future() {
        return task.future();
    }

    /** The lane has been opened: whether it is granted to the task. */
    public boolean grant() {
        return group.opened(lane, 1).waiter() == task;
    }

    /** Commits and acknowledges, as the worker that serves the task. */
    public String commit() {
        if (!task.beginCommit()) {
            return "revoked";
        }
        task.ending(null, null).settle(null);
        return "committed";
    }

    /** Opens the lane, and serves the task with it. */
    public String serve() {
        return grant() ? commit() : "passed over";
    }

    /** Its time is up: whether that was its end. */
    public boolean expire() {
        List<Waiter> ended = group.expire(DEADLINE);
        ended.forEach(waiter -> waiter.failed(reason()).run());
        return !ended.isEmpty();
    }

    /** The pool is closed and does not wait: whether that was its end. */
    public boolean revoke() {
        Runnable settle = task.revoke(ended -> reason());
        if (settle != null) {
            settle.run();
        }
        return settle != null;
    }

    private static Throwable reason() {
        return new IllegalStateException("ended by a race");
    }

    /** The state of the task and of its future; and, after "BUT", whatever does not fit to that. */
    public String end() {
        LaneGroup.Snapshot now = group.snapshot();
        boolean granted = task.state() != Waiter.State.ENDED;
        boolean fits = now.waiting() == 0
                && now.borrowed() == (granted ? 1 : 0)
                && now.idle() == (granted ? 0 : 1)
                && future().isDone()
                && future().isSettled()
                && stages.get() == 1
                && outcome(future()).equals(joined());
        return task.state() + " " + outcome(future()) + (fits ? "" : ", BUT " + now + ", stages " + stages);
    }

    private static String outcome(CompletableFuture<Long> future) {
        return !future.isDone()
                ? "nothing"
                : future.isCancelled() ? "cancelled" : future.isCompletedExceptionally() ? "failed" : "value";
    }

    /** What a thread sees that waits for the future. */
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
