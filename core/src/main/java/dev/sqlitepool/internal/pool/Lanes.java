package dev.sqlitepool.internal.pool;

import dev.sqlitepool.Access;
import dev.sqlitepool.PoolExhaustedException;
import dev.sqlitepool.PoolStats;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.PoolTimeoutException;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.Settings.Part;
import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.engine.Opener;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.pool.LaneGroup.Verdict;
import dev.sqlitepool.internal.telemetry.Telemetry;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The lanes of one access: does outside the lock what a {@link LaneGroup} decides inside it. Opens, hands out, takes back, closes.
 * Thread-safe.
 */
final class Lanes {
    /** With an acquire timeout of zero nobody waits for others; an opening may take as long as by default. */
    private static final long OPENING_NANOS = TimeUnit.SECONDS.toNanos(30);

    private static final Fitness FIT = new Fitness(true, null, false);

    private final Access access;
    private final LanePool pool;
    private final Settings settings;
    private final Telemetry telemetry;
    private final Workers workers;
    private final Opener opener;
    private final LaneGroup group;
    private final AtomicBoolean expiryArmed = new AtomicBoolean();
    private final Runnable expiry = this::expire;
    private final Runnable expireNow = this::expireNow;
    private final Runnable opening = this::open;

    Lanes(
            Access access,
            int max,
            LanePool pool,
            Settings settings,
            Telemetry telemetry,
            Workers workers,
            Opener opener,
            AtomicInteger waitingInPool) {
        this.access = access;
        this.pool = pool;
        this.settings = settings;
        this.telemetry = telemetry;
        this.workers = workers;
        this.opener = opener;
        int limit = settings.acquireTimeout().isZero() ? WaitQueue.NOBODY : settings.maxWaiters();
        this.group = new LaneGroup(max, new WaitQueue(limit, waitingInPool), telemetry.waitNanos, telemetry.holdNanos);
    }

    LaneGroup group() {
        return group;
    }

    Access access() {
        return access;
    }

    // ---- coming

    /** Lets a waiter in, and sees to it that it gets a lane or an error. */
    void submit(Waiter waiter) {
        if (submitInline(waiter)) {
            waiter.granted();
        }
    }

    /** As {@link #submit}, but if a lane was granted at once it is left to the caller to use it: true. */
    boolean submitInline(Waiter waiter) {
        long now = telemetry.now();
        long timeout = Settings.nanos(settings.acquireTimeout());
        waiter.joins(this, now, now + (timeout == 0 ? OPENING_NANOS : timeout));
        Verdict verdict = group.submit(waiter, now);
        switch (verdict) {
            case RUN:
                return true;
            case OPEN:
                startOpening();
                armExpiry();
                return false;
            case WAIT:
                armExpiry();
                return false;
            case FULL:
                fail(waiter, timeout == 0 ? timedOut(waiter, pool.stats()) : exhausted(waiter));
                return false;
            case CLOSED:
                fail(waiter, Refusal.closed(settings, waiter.mayHaveHadEffect(), pool.stats()));
                return false;
            default:
                return false;
        }
    }

    /** Fails a waiter on this thread: it was submitted just now, or its owner runs here. */
    private void fail(Waiter waiter, Throwable error) {
        Runnable settle = waiter.failed(error);
        if (settle != null) {
            settle.run();
        }
    }

    /** A waiter has ended while it was queued here. */
    void withdrawn() {
        group.withdrawn();
    }

    /** Fails if waiting for a lane here would be waiting for this very thread. */
    void requireOthersHoldLane() {
        if (Held.all(this)) {
            throw waitsForItself();
        }
    }

    IllegalStateException waitsForItself() {
        return Refusal.waitsForItself(settings, access, group.max());
    }

    private void armExpiry() {
        if (!expiryArmed.get() && expiryArmed.compareAndSet(false, true)) {
            scheduleExpiry();
        }
    }

    /** One timer for the whole queue: deadlines pass in its order. */
    private void scheduleExpiry() {
        long next = group.nextDeadline();
        if (next == Long.MAX_VALUE) {
            expiryArmed.set(false);
            // Somebody may have come between the look and the store, and have found it armed.
            if (group.nextDeadline() == Long.MAX_VALUE || !expiryArmed.compareAndSet(false, true)) {
                return;
            }
            next = group.nextDeadline();
        }
        workers.after(Math.max(0, next - telemetry.now()), expiry);
    }

    private void expire() {
        try {
            expireNow();
        } finally {
            scheduleExpiry();
        }
    }

    private void expireNow() {
        List<Waiter> expired = group.expire(telemetry.now());
        if (!expired.isEmpty()) {
            failAll(expired);
        }
    }

    private void failAll(List<Waiter> expired) {
        while (true) {
            try {
                PoolStats stats = pool.stats();
                List<Runnable> settles = new ArrayList<>();
                for (Waiter waiter : expired) {
                    Runnable settle = waiter.failed(timedOut(waiter, stats));
                    if (settle != null) {
                        settles.add(settle);
                    }
                }
                workers.completeAll(settles);
                return;
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause(); // nobody else would fail them
            }
        }
    }

    private PoolExhaustedException exhausted(Waiter waiter) {
        telemetry.refused.increment();
        return Refusal.exhausted(settings, waiter.mayHaveHadEffect(), pool.stats());
    }

    private PoolTimeoutException timedOut(Waiter waiter, PoolStats stats) {
        telemetry.timeouts.increment();
        Refusal.Wanted wanted = new Refusal.Wanted(waiter.label(), access, waiter.isLease(), waiter.mayHaveHadEffect());
        PoolTimeoutException timeout = Refusal.timeout(settings, wanted, stats);
        telemetry.tell(listener -> listener.acquireTimedOut(timeout));
        return timeout;
    }

    // ---- going

    /**
     * Takes back a lane that its owner has left.
     *
     * @return what remains to be done on a thread of the pool: a {@link Task} to run, or the lane to close; null for nothing
     */
    @Nullable
    Runnable release(Lane lane) {
        long now = telemetry.now();
        Leaving leaving = leaving(lane, now);
        if (leaving.close() != null) {
            return next(group.retire(lane, now), leaving.close());
        }
        if (lane.engine().isReading()) {
            Waiter next = group.pass(lane, Waiter::beginsTransaction, now);
            if (next != null) {
                return next(next, null);
            }
            lane.engine().endRead();
        }
        lane.trust();
        lane.idleSince(now);
        Runnable rest = next(group.release(lane, now), null);
        if (group.isClosed()) {
            pool.advanceClose();
        }
        return rest;
    }

    /** What closes a lane that is given back; null if it stays. */
    private record Leaving(@Nullable Runnable close) {
        static final Leaving STAYS = new Leaving(null);
    }

    /** Before the group knows of the return; if memory runs out in it, nothing has happened. */
    private Leaving leaving(Lane lane, long now) {
        while (true) {
            try {
                CloseReason reason = reasonToClose(lane, now);
                if (reason != null) {
                    return new Leaving(() -> close(lane, reason));
                }
                if (lane.doubt() != null) {
                    restore(lane); // in memory; whatever the first reason, there may be a second
                }
                return Leaving.STAYS;
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
    }

    private void restore(Lane lane) {
        try {
            opener.restore(lane.engine());
        } catch (SQLException | RuntimeException e) {
            telemetry.warn("a connection in memory keeps something that its user has changed", e);
        }
    }

    /** Borrows an idle lane, the coldest first, to look at it or to close it. */
    @Nullable
    Lane borrowIdle(Predicate<Lane> wanted) {
        long now = telemetry.now();
        return group.borrowIdle(wanted, new Maintenance(now), now);
    }

    /** Gives back what {@link #borrowIdle} gave; if nobody waits it is the last to be used, as before. */
    void returnCold(Lane lane) {
        Waiter next = group.releaseCold(lane, telemetry.now());
        if (next != null) {
            next.granted();
        }
        if (group.isClosed()) {
            pool.advanceClose();
        }
    }

    /** Closes what {@link #borrowIdle} gave. */
    void closeBorrowed(Lane lane, CloseReason reason) {
        Waiter next = group.retire(lane, telemetry.now());
        if (next != null) {
            next.granted();
        }
        close(lane, reason);
    }

    /** Who has held a snapshot for longest, and for how long; null if nobody holds one. */
    Map.@Nullable Entry<Waiter, Duration> oldestReader() {
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
    Map<Waiter, Duration> loans() {
        long now = telemetry.now();
        Map<Waiter, Duration> loans = new HashMap<>();
        group.loans().forEach((holder, since) -> loans.put(holder, Duration.ofNanos(now - since)));
        return loans;
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
        List<Runnable> settles = new ArrayList<>();
        for (Waiter ended : group.repeat(undone, now - since, now)) {
            Runnable settle = ended.failed(Refusal.closed(settings, false, pool.stats()));
            if (settle != null) {
                settles.add(settle);
            }
        }
        workers.completeAll(settles);
        for (Waiter waiter : undone) { // their deadlines may be before the one for which the expiry is armed
            workers.after(Math.max(0, waiter.deadline() - now), expireNow);
        }
        armExpiry();
    }

    /** A lane that was granted to a task for which no thread can be started is of use to somebody who waits on a thread of his own. */
    void goesBefore(Waiter claim) {
        Task<?> stranded = access == Access.WRITE ? workers.withdraw(this) : null;
        if (stranded == null) {
            return;
        }
        Lane lane = Objects.requireNonNull(stranded.lane());
        long now = telemetry.now();
        if (!group.goesBefore(claim, stranded, lane, now)) {
            workers.execute(stranded);
            return;
        }
        if (lane.engine().isReading()) {
            lane.engine().endRead();
        }
        workers.after(Math.max(0, stranded.deadline() - now), expireNow); // may be before the one for which it is armed
        armExpiry();
    }

    private static @Nullable Runnable next(@Nullable Waiter waiter, @Nullable Runnable first) {
        if (first == null && waiter instanceof Task<?> task && !task.hasCaller()) {
            return task;
        }
        if (waiter != null) {
            waiter.granted();
        }
        return first;
    }

    private @Nullable CloseReason reasonToClose(Lane lane, long now) {
        if (settings.inMemory()) {
            // It is the database: reset, never discarded, and closed at the very end.
            return lane.isClosed() ? CloseReason.DISCARDED : null;
        }
        CloseReason known = knownReason(lane, now);
        return known == null && lane.isClosed() ? CloseReason.DISCARDED : known;
    }

    /** A reason to close the lane that can be told without asking the driver. */
    @Nullable
    CloseReason knownReason(Lane lane, long now) {
        if (settings.inMemory()) {
            return null;
        }
        if (lane.doubt() != null) {
            return lane.doubt();
        }
        if (access == Access.WRITE && pool.gate().isBroken()) {
            return CloseReason.DISCARDED;
        }
        if (lane.generation() != opener.generation()) {
            return CloseReason.DATABASE_CHANGED;
        }
        if (lane.isExpired(now)) {
            return CloseReason.AGED;
        }
        return access == Access.READ && group.isClosed() ? CloseReason.POOL_CLOSED : null;
    }

    /**
     * Whether a granted lane can be used. If not it has been taken back to be closed.
     *
     * @param rest what remains to be done on a thread of the pool
     * @param again whether the waiter waits again; if not it has ended meanwhile
     */
    record Fitness(boolean fit, @Nullable Runnable rest, boolean again) {}

    /** Looks at a lane that was just granted: with SQL only if it has been idle for long. */
    Fitness fitness(Lane lane, Waiter waiter) {
        while (true) {
            try {
                return lookAt(lane, waiter);
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause(); // before anything has happened
            }
        }
    }

    private Fitness lookAt(Lane lane, Waiter waiter) {
        long now = telemetry.now();
        opener.lookAgain(now);
        CloseReason reason = settings.inMemory() ? null : reasonToClose(lane, now);
        if (reason == CloseReason.AGED || reason == CloseReason.POOL_CLOSED) {
            reason = null; // it has been granted, and is used once more
        }
        boolean rested = now - lane.idleSince() > Settings.nanos(settings.healthCheckInterval());
        if (reason == null && rested && !settings.inMemory() && !lane.probe()) {
            reason = CloseReason.STALE;
        }
        if (reason == null) {
            return FIT;
        }
        CloseReason why = reason;
        Runnable close = () -> close(lane, why);
        LaneGroup.Unfit unfit = group.unfit(lane, waiter, now);
        if (!unfit.taken()) {
            return FIT;
        }
        if (unfit.again()) {
            // Its deadline may be before the one for which the expiry is armed.
            workers.after(Math.max(0, waiter.deadline() - now), expireNow);
            armExpiry();
        }
        return unfit(next(unfit.waiter(), close), unfit.again());
    }

    private static Fitness unfit(@Nullable Runnable rest, boolean again) {
        while (true) {
            try {
                return new Fitness(false, rest, again);
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
    }

    // ---- opening and closing

    private void startOpening() {
        workers.execute(opening);
    }

    private void open() {
        long started = telemetry.now();
        Lane lane;
        try {
            opener.look();
            int generation = opener.generation();
            boolean repair = access == Access.WRITE && pool.gate().isBroken();
            if (repair) {
                opener.truncateWalFirst();
            }
            Engine engine = pool.engines().apply(opener.open(access));
            if (repair) {
                pool.gate().repaired();
            }
            lane = new Lane(engine, access, generation, expiry(started), settings, telemetry, workers.timer());
        } catch (Throwable e) {
            openFailed(e);
            return;
        }
        long now = telemetry.now();
        telemetry.opened.increment();
        try {
            telemetry.tell(listener -> listener.connectionOpened(access, Duration.ofNanos(now - started)));
        } catch (OutOfMemoryError | InternalError e) {
            telemetry.debug("an event is lost", e);
        }
        LaneGroup.Opened result = group.opened(lane, now);
        if (result.close()) {
            close(lane, CloseReason.POOL_CLOSED);
            return;
        }
        Runnable rest = next(result.waiter(), null);
        if (rest != null) {
            rest.run();
        } else if (group.isClosed()) {
            pool.advanceClose();
        }
    }

    /** A random moment in the last tenth of the age, so that lanes opened together are not replaced together. */
    private long expiry(long opened) {
        Duration age = settings.maxConnectionAge();
        return age == null
                ? Long.MAX_VALUE
                : opened
                        + (long) (Settings.nanos(age)
                                * (1 - ThreadLocalRandom.current().nextDouble(0.1)));
    }

    private void openFailed(Throwable error) {
        telemetry.openFailures.increment();
        try {
            telemetry.tell(listener -> listener.openFailed(access, error));
        } catch (OutOfMemoryError | InternalError e) {
            telemetry.debug("an event is lost", e);
        }
        LaneGroup.OpenFailed failed = group.openFailed();
        if (failed.open()) {
            startOpening();
        }
        pool.advanceClose();
        if (failed.waiter() == null) {
            telemetry.debug("a connection could not be opened, and nobody waits for it any more", error);
        } else {
            Waiter waiter = failed.waiter();
            while (true) {
                try {
                    fail(waiter, error);
                    return;
                } catch (OutOfMemoryError | InternalError e) {
                    Workers.pause();
                }
            }
        }
    }

    /** Closes a lane that counts as closing. */
    void close(Lane lane, CloseReason reason) {
        try {
            beforeClose(reason, lane);
            opener.close(lane.engine());
        } catch (Throwable e) {
            telemetry.warn("a connection could not be closed", e);
        }
        telemetry.closed(reason);
        try {
            Duration age = Duration.ofNanos(telemetry.now() - lane.openedAt());
            telemetry.tell(listener -> listener.connectionClosed(access, reason, age));
        } catch (Throwable e) {
            telemetry.debug("an event is lost", e);
        }
        if (group.closed()) {
            startOpening();
        }
        pool.advanceClose();
    }

    private void beforeClose(CloseReason reason, Lane lane) {
        if (access == Access.READ) {
            return;
        }
        try {
            pool.gate().drain();
            if (reason == CloseReason.POOL_CLOSED) {
                pool.checkpointer().optimize(lane);
            }
        } catch (Throwable e) {
            telemetry.debug("a connection is closed without what comes before", e);
        }
    }

    // ---- what is said

    PoolStats.Connections stats() {
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
