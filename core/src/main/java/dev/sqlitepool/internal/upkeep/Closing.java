package dev.sqlitepool.internal.upkeep;

import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.PoolClosedException;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.internal.Means;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.Settles;
import dev.sqlitepool.internal.Workers;
import dev.sqlitepool.internal.dispatch.Held;
import dev.sqlitepool.internal.dispatch.Lanes;
import dev.sqlitepool.internal.dispatch.PoolFuture;
import dev.sqlitepool.internal.dispatch.Routes;
import dev.sqlitepool.internal.dispatch.Waiter;
import dev.sqlitepool.internal.feed.ChangeFeed;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.log.QuietPass;
import dev.sqlitepool.internal.telemetry.Telemetry;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * The end of a pool: nobody comes in, those who wait fail, those who run have the grace, then they are ended by force; readers are
 * closed before the writer, whose close checkpoints the WAL and removes it. Thread-safe.
 *
 * <p>Nothing waits here. Each step is taken by {@link #advance}, which everybody calls who has closed or given back a lane of a
 * closing pool: the last lane to go finds nothing left, and finishes. A native call or a factory that does not return cannot be
 * helped: the last resort finishes without it.
 */
public final class Closing implements PoolFuture.Origin {
    private static final long LAST_RESORT_NANOS = TimeUnit.SECONDS.toNanos(5);
    private static final long THREADS_END_MILLIS = 2_000;

    private final Means means;
    private final Telemetry telemetry;
    private final Workers workers;
    private final Routes routes;
    private final QuietPass quietPass;
    private final Housekeeper housekeeper;
    private final ChangeFeed feed;
    private final Backups backups;
    /** In the order in which they are closed. */
    private final List<Lanes> groups;

    private final AtomicBoolean begun = new AtomicBoolean();
    private final AtomicBoolean finished = new AtomicBoolean();
    private final PoolFuture<Void> future;

    public Closing(
            Means means,
            Routes routes,
            QuietPass quietPass,
            Housekeeper housekeeper,
            Backups backups,
            ChangeFeed feed,
            List<Lanes> groups) {
        this.means = means;
        this.routes = routes;
        this.quietPass = quietPass;
        this.housekeeper = housekeeper;
        this.feed = feed;
        this.telemetry = means.telemetry();
        this.workers = means.workers();
        this.backups = backups;
        this.groups = groups;
        this.future = new PoolFuture<>(workers, this);
    }

    public boolean isBegun() {
        return begun.get();
    }

    public PoolFuture<Void> begin() {
        if (begun.compareAndSet(false, true)) {
            Settles settles = new Settles();
            backups.close().forEach(settles::add);
            endWaiting(settles, false);
            settles.complete(workers);
            long grace = Settings.nanos(means.settings().closeGrace());
            workers.after(grace, () -> workers.execute(this::endByForce));
            workers.after(grace + LAST_RESORT_NANOS, () -> workers.execute(this::finishWithout));
            advance();
        }
        return future;
    }

    private void endWaiting(Settles settles, boolean force) {
        for (Lanes lanes : groups) {
            for (Waiter waiter : lanes.close(force)) {
                settles.add(waiter.failed(closed(waiter)));
            }
        }
    }

    public void beginAndWait() {
        requireOthersHoldLane();
        PoolFuture<Void> unused = begin();
        boolean interrupted = false;
        while (true) {
            try {
                future.await();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
            } catch (java.util.concurrent.ExecutionException e) {
                break; // it never fails
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        workers.awaitEnd(THREADS_END_MILLIS);
    }

    private void endByForce() {
        Settles settles = new Settles();
        endWaiting(settles, true); // they waited again, to be repeated
        settles.add(backups.endByForce());
        for (Waiter holder : running()) {
            settles.add(holder.revoke(this::closed));
        }
        settles.complete(workers);
    }

    private PoolClosedException closed(Waiter waiter) {
        return means.refusal().closed(waiter.mayHaveHadEffect());
    }

    /** Those who have a lane, or go on without. */
    private Set<Waiter> running() {
        Set<Waiter> running = new HashSet<>(routes.laneless());
        groups.forEach(lanes -> running.addAll(lanes.loans().keySet()));
        return running;
    }

    /** Completes the futures of tasks that can no longer be ended and have not returned. */
    private void abandonAll() {
        Settles settles = new Settles();
        for (Waiter holder : running()) {
            settles.add(holder.abandon(new OutcomeUnknownException(
                    means.settings().name() + " was closed before \"" + holder.label()
                            + "\" had committed, or had said so. It may be committed, and is not repeated; read the database to"
                            + " find out.",
                    means.refusal().stats(),
                    null)));
        }
        settles.complete(workers);
    }

    private void finishWithout() {
        if (!finished.get()) {
            telemetry.warn(
                    "closed without waiting any longer for a call that does not return; its connection is closed when it does: "
                            + means.refusal().stats(),
                    null);
            routes.gate().abandon("the pool was closed before the disk answered");
            abandonAll();
            finish();
            advance();
        }
    }

    /** Takes the next steps, as far as they can be taken now; each may be looked at again. */
    public void advance() {
        while (begun.get()) {
            try {
                advanceOnce();
                return;
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
    }

    private void advanceOnce() {
        boolean checkpointed = quietPass.closed(); // begins to close it, too
        if (!finished.get() && !(checkpointed && backups.isTerminated())) {
            return; // the writer must be the last to close
        }
        for (Lanes lanes : groups) {
            closeIdle(lanes);
            if (!finished.get() && !lanes.isTerminated()) {
                return;
            }
        }
        // A thread that sees the pool closed also sees all that the pool has acknowledged.
        if (finished.get() || routes.gate().isSettled() && routes.laneless().isEmpty()) {
            finish();
        }
    }

    private void closeIdle(Lanes lanes) {
        while (true) {
            Lane lane = lanes.borrowIdle(candidate -> true);
            if (lane == null) {
                return;
            }
            workers.execute(() -> lanes.closeBorrowed(lane, CloseReason.POOL_CLOSED));
        }
    }

    private void finish() {
        if (finished.compareAndSet(false, true)) {
            workers.execute(() -> {
                housekeeper.lookForTheLastTime();
                feed.close();
                workers.shutdown();
                future.settle(null, null);
            });
        }
    }

    // ---- the future cannot be completed from outside, and cannot be waited for inside work

    @Override
    public boolean end(@Nullable Object value, @Nullable Throwable error) {
        return false;
    }

    @Override
    public void requireOthersHoldLane() {
        if (Held.inside(means)) {
            throw new IllegalStateException(
                    "A function of the pool " + means.settings().name()
                            + " would wait for the pool to close, which waits for the function. Close it after the function has returned.");
        }
    }
}
