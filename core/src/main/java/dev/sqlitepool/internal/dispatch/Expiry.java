package dev.sqlitepool.internal.dispatch;

import dev.sqlitepool.Access;
import dev.sqlitepool.PoolExhaustedException;
import dev.sqlitepool.PoolStats;
import dev.sqlitepool.PoolTimeoutException;
import dev.sqlitepool.internal.Means;
import dev.sqlitepool.internal.Refusal;
import dev.sqlitepool.internal.Settles;
import dev.sqlitepool.internal.Workers;
import dev.sqlitepool.internal.telemetry.Telemetry;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;

/** Ends those in a queue whose time is up. Thread-safe. */
final class Expiry {
    private final Access access;
    private final Means means;
    private final Telemetry telemetry;
    private final Workers workers;
    private final LaneGroup group;
    private final AtomicBoolean armed = new AtomicBoolean();
    private final Runnable whenNextIsDue = this::expire;
    private final Runnable now = this::endThoseWhoseTimeIsUp;

    Expiry(Access access, Means means, LaneGroup group) {
        this.access = access;
        this.means = means;
        this.telemetry = means.telemetry();
        this.workers = means.workers();
        this.group = group;
    }

    /** Sees to it that the first deadline is looked at when it comes; called after somebody has come into the queue. */
    void arm() {
        if (!armed.get() && armed.compareAndSet(false, true)) {
            schedule();
        }
    }

    /** One timer for the whole queue: deadlines pass in its order. */
    private void schedule() {
        long next = group.nextDeadline();
        if (next == Long.MAX_VALUE) {
            armed.set(false);
            // Somebody may have come between the look and the store, and have found it armed.
            if (group.nextDeadline() == Long.MAX_VALUE || !armed.compareAndSet(false, true)) {
                return;
            }
            next = group.nextDeadline();
        }
        workers.after(Math.max(0, next - telemetry.now()), whenNextIsDue);
    }

    /** Somebody has come back into the queue, perhaps before the one for whom this is armed. */
    void arm(Waiter back) {
        workers.after(Math.max(0, back.deadline() - telemetry.now()), now);
        arm();
    }

    private void expire() {
        try {
            endThoseWhoseTimeIsUp();
        } finally {
            schedule();
        }
    }

    private void endThoseWhoseTimeIsUp() {
        List<Waiter> expired = group.expire(telemetry.now());
        if (!expired.isEmpty()) {
            failAll(expired);
        }
    }

    private void failAll(List<Waiter> expired) {
        while (true) {
            try {
                PoolStats stats = means.refusal().stats();
                Settles settles = new Settles();
                for (Waiter waiter : expired) {
                    settles.add(waiter.failed(timedOut(waiter, stats)));
                }
                settles.complete(workers);
                return;
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause(); // nobody else would fail them
            }
        }
    }

    /** The error for a waiter whose time is up. */
    PoolTimeoutException timedOut(Waiter waiter, PoolStats stats) {
        telemetry.timedOut(access, waiter);
        Refusal.Wanted wanted = new Refusal.Wanted(waiter.label(), access, waiter.isLease(), waiter.mayHaveHadEffect());
        PoolTimeoutException timeout = means.refusal().timeout(wanted, stats);
        telemetry.timedOut(timeout);
        return timeout;
    }

    /** What somebody is told for whom there is no room. */
    PoolExhaustedException exhausted(Waiter waiter) {
        telemetry.refused(waiter);
        return means.refusal().exhausted(waiter.mayHaveHadEffect());
    }
}
