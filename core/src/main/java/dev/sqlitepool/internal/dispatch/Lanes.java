package dev.sqlitepool.internal.dispatch;

import dev.sqlitepool.Access;
import dev.sqlitepool.PoolStats;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.internal.Means;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.Settings.Part;
import dev.sqlitepool.internal.Settles;
import dev.sqlitepool.internal.Workers;
import dev.sqlitepool.internal.dispatch.LaneGroup.Verdict;
import dev.sqlitepool.internal.engine.Database;
import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.log.Checkpointer;
import dev.sqlitepool.internal.log.SyncGate;
import dev.sqlitepool.internal.telemetry.Telemetry;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * The lanes of one access: does outside the lock what a {@link LaneGroup} decides inside it. Opens, hands out, takes back, closes.
 * Thread-safe.
 */
public final class Lanes implements Waiter.Place {
    /** With an acquire timeout of zero nobody waits for others; an opening may take as long as by default. */
    private static final long OPENING_NANOS = TimeUnit.SECONDS.toNanos(30);

    private final Access access;
    private final Means means;
    private final Settings settings;
    private final long acquireNanos;
    private final Telemetry telemetry;
    private final Workers workers;
    private final LaneGroup group;
    private final Openings openings;
    private final Expiry expiry;

    public Lanes(
            Access access,
            int max,
            Means means,
            Database opener,
            UnaryOperator<Engine> engines,
            SyncGate gate,
            Checkpointer checkpointer,
            AtomicInteger waitingInPool) {
        this.access = access;
        this.means = means;
        this.settings = means.settings();
        this.acquireNanos = Settings.nanos(settings.acquireTimeout());
        this.telemetry = means.telemetry();
        this.workers = means.workers();
        int limit = settings.acquireTimeout().isZero() ? WaitQueue.NOBODY : settings.maxWaiters();
        this.group = new LaneGroup(max, new WaitQueue(limit, waitingInPool), new Loans.Told(access, telemetry));
        this.expiry = new Expiry(access, means, group);
        this.openings = new Openings(access, means, opener, engines, gate, checkpointer, group);
    }

    public LaneGroup group() {
        return group;
    }

    @Override
    public Access access() {
        return access;
    }

    // ---- coming

    /** Lets a waiter in, and sees to it that it gets a lane or an error. */
    public void submit(Waiter waiter) {
        if (submitInline(waiter)) {
            waiter.granted();
        }
    }

    /** As {@link #submit}, but if a lane was granted at once it is left to the caller to use it: true. */
    boolean submitInline(Waiter waiter) {
        long now = telemetry.now();
        long timeout = acquireNanos;
        waiter.joins(this, now, now + (timeout == 0 ? OPENING_NANOS : timeout));
        Verdict verdict = group.submit(waiter, now);
        switch (verdict) {
            case RUN:
                return true;
            case OPEN:
                openings.startOpening();
                expiry.arm();
                return false;
            case WAIT:
                expiry.arm();
                return false;
            case FULL:
                waiter.failHere(
                        timeout == 0 ? expiry.timedOut(waiter, means.refusal().stats()) : expiry.exhausted(waiter));
                return false;
            case CLOSED:
                waiter.failHere(means.refusal().closed(waiter.mayHaveHadEffect()));
                return false;
            default:
                return false;
        }
    }

    @Override
    public int max() {
        return group.max();
    }

    @Override
    public void withdrawn() {
        group.withdrawn();
    }

    @Override
    public void requireOthersHoldLane() {
        if (Held.all(this)) {
            throw waitsForItself();
        }
    }

    IllegalStateException waitsForItself() {
        return means.refusal().waitsForItself(access, group.max());
    }

    // ---- going

    /**
     * Takes back a lane that its owner has left.
     *
     * @return what remains to be done on a thread of the pool: a task to run, or the lane to close; null for nothing
     */
    @Nullable
    Runnable release(Lane lane) {
        long now = telemetry.now();
        Leaving leaving = leaving(lane, now);
        if (leaving.close() != null) {
            return Waiter.next(group.retire(lane, now), leaving.close());
        }
        if (lane.engine().isReading()) {
            Waiter next = group.pass(lane, Waiter::beginsTransaction, now);
            if (next != null) {
                return Waiter.next(next, null);
            }
            lane.engine().endRead();
        }
        lane.trust();
        lane.idleSince(now);
        Runnable rest = Waiter.next(group.release(lane, now), null);
        if (group.isClosed()) {
            means.life().advanceClose();
        }
        return rest;
    }

    /** The step that closes a lane that is given back; null if the lane stays. */
    private record Leaving(@Nullable Runnable close) {
        static final Leaving STAYS = new Leaving(null);
    }

    /** Before the group knows of the return; if memory runs out in it, nothing has happened. */
    private Leaving leaving(Lane lane, long now) {
        while (true) {
            try {
                CloseReason reason = openings.reasonToClose(lane, now);
                if (reason != null) {
                    return new Leaving(() -> openings.close(lane, reason));
                }
                if (lane.doubt() != null) {
                    openings.restore(lane); // in memory; whatever the first reason, there may be a second
                }
                return Leaving.STAYS;
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
    }

    /** Borrows an idle lane, the coldest first, to look at it or to close it. */
    @Nullable
    public Lane borrowIdle(Predicate<Lane> wanted) {
        long now = telemetry.now();
        return group.borrowIdle(wanted, new Openings.Maintenance(now), now);
    }

    /** Gives back what {@link #borrowIdle} gave; if nobody waits it is the last to be used, as before. */
    public void returnCold(Lane lane) {
        Waiter next = group.releaseCold(lane, telemetry.now());
        if (next != null) {
            next.granted();
        }
        if (group.isClosed()) {
            means.life().advanceClose();
        }
    }

    /** Closes what {@link #borrowIdle} gave. */
    public void closeBorrowed(Lane lane, CloseReason reason) {
        Waiter next = group.retire(lane, telemetry.now());
        if (next != null) {
            next.granted();
        }
        openings.close(lane, reason);
    }

    /** The holder of the oldest snapshot, and how long it has held it; null if nobody holds one. */
    public Map.@Nullable Entry<Waiter, Duration> oldestReader() {
        long now = telemetry.now();
        Map.Entry<Waiter, Duration> oldest = null;
        for (Map.Entry<Waiter, Duration> loan : loans().entrySet()) {
            Duration reads = loan.getKey().hasReadFor(loan.getValue(), now);
            if (!reads.isZero() && (oldest == null || reads.compareTo(oldest.getValue()) > 0)) {
                oldest = Map.entry(loan.getKey(), reads);
            }
        }
        return oldest;
    }

    /** Those who hold a lane now, and for how long. */
    public Map<Waiter, Duration> loans() {
        long now = telemetry.now();
        Map<Waiter, Duration> loans = new HashMap<>();
        group.loans().forEach((holder, since) -> loans.put(holder, Duration.ofNanos(now - since)));
        return loans;
    }

    /** See {@link LaneGroup#lentTo}. */
    @Nullable
    Lane lentTo(Waiter somebody) {
        return group.lentTo(somebody);
    }

    /** Whether a snapshot on the lane would be shared: only if somebody waits already, since nobody waits to form a group. */
    boolean mayShareSnapshots(Lane lane) {
        return access == Access.READ
                && settings.uses(Part.SNAPSHOTS)
                && lane.engine().sharesSnapshots()
                && isAwaited();
    }

    /** Whether anybody waits. */
    boolean isAwaited() {
        return group.isAwaited();
    }

    /** Passes a lane with an open snapshot on to the first who waits, if it may share the snapshot. */
    @Nullable
    Waiter share(Lane lane, long now) {
        long begun = lane.snapshot().begunAt();
        return group.pass(lane, waiter -> waiter.sharesSnapshots() && waiter.queuedAt() - begun <= 0, now);
    }

    /** Passes a lane with the transaction of a group on to the first who waits, if it may join. */
    @Nullable
    Waiter join(Lane lane) {
        return group.pass(lane, waiter -> waiter.joinsGroups(lane), telemetry.now());
    }

    /** See {@link LaneGroup#repeat}. */
    void repeat(List<? extends Waiter> undone, long since) {
        long now = telemetry.now();
        Settles settles = new Settles();
        for (Waiter ended : group.repeat(undone, now - since, now)) {
            settles.add(ended.failed(means.refusal().closed(false)));
        }
        settles.complete(workers);
        for (Waiter waiter : undone) {
            expiry.arm(waiter);
        }
    }

    /** A lane granted to a task for which no thread can be started is passed to a waiter that has its own thread. */
    void goesBefore(Waiter claim) {
        Runnable withdrawn = access == Access.WRITE ? workers.withdraw(this::isGrantedHere) : null;
        if (!(withdrawn instanceof Waiter stranded)) {
            return;
        }
        Lane lane = Objects.requireNonNull(stranded.lane());
        long now = telemetry.now();
        if (!group.goesBefore(claim, stranded, lane, now)) {
            workers.execute(withdrawn);
            return;
        }
        if (lane.engine().isReading()) {
            lane.engine().endRead();
        }
        expiry.arm(stranded);
    }

    private boolean isGrantedHere(Runnable body) {
        return body instanceof Waiter waiter && waiter.servesHere() == body && waiter.place() == this;
    }

    // ---- which are fit

    /** A reason to close a lane that can be told without asking the driver; null if there is none. */
    @Nullable
    public CloseReason knownReason(Lane lane, long now) {
        return openings.knownReason(lane, now);
    }

    /** Looks at a lane that was just granted: with SQL only if it has been idle for long. */
    public Openings.Fitness fitness(Lane lane, Waiter waiter) {
        Openings.Fitness fitness = openings.fitness(lane, waiter);
        if (fitness.again()) {
            expiry.arm(waiter);
        }
        return fitness;
    }

    // ---- closing

    /** See {@link LaneGroup#close}. */
    public List<Waiter> close(boolean force) {
        return group.close(force);
    }

    /** Whether nobody comes in any more, and there is no lane. */
    public boolean isTerminated() {
        return group.isTerminated();
    }

    // ---- what is said

    public PoolStats.Connections stats() {
        LaneGroup.Snapshot now = group.snapshot();
        Loans.Loan oldest = now.oldest();
        return new PoolStats.Connections(
                group.max(),
                now.idle(),
                now.borrowed(),
                now.opening(),
                now.closing(),
                now.waiting(),
                oldest == null ? Duration.ZERO : Duration.ofNanos(Math.max(0, telemetry.now() - oldest.since())),
                oldest == null ? "" : oldest.holder().holder());
    }
}
