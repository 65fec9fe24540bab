package dev.sqlitepool.internal.log;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.internal.Means;
import dev.sqlitepool.internal.Settles;
import dev.sqlitepool.internal.SureLock;
import dev.sqlitepool.internal.Workers;
import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.telemetry.Telemetry;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.Condition;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Makes commits durable in groups, and then acknowledges them. Thread-safe.
 *
 * <p>The write lane commits without a sync. Before it is given back, what it would acknowledge is added to the gate, so entries are in
 * the order of the commits. One thread at a time drives the gate: it takes all that is there and syncs the WAL once. What it took was
 * appended before the sync began, so the sync covers it; at the same time the lane runs the next transactions. Then the entries are settled,
 * by one thread at a time too, in their order; a stage that blocks there holds up neither the lane nor the next sync.
 *
 * <p>Why no acknowledgement is lost: entries are added under the lock, and the thread that adds one then makes sure of a driver; a driver stops only
 * when it has seen the gate empty under the lock, and so does the thread that settles. Why none is false: an entry is settled with success only
 * after a sync that began after it was added, or if it needs none; if it has committed, only after the file was seen in its place since. After a sync that failed, or hangs, nobody can know what is on disk, and a later one
 * proves nothing about pages that the failed one dropped: the gate is {@link #isBroken broken}, all that is in it fails with an unknown
 * outcome, the lane is discarded, and the next one opens only after a TRUNCATE checkpoint has put everything into the database file.
 *
 * <p>Why nobody waits for a thread that cannot be had: a thread that was only {@link #called} holds nothing, and a thread that waits here drives
 * if no other has come after a moment ({@link #help}). Why an error of the machine stops nothing: what takes memory comes before a
 * change, so that a step that fails is tried again.
 */
public final class SyncGate {
    /** How long a sync may take before the outcome of what it covers is called unknown. */
    private static final long HUNG_NANOS = TimeUnit.SECONDS.toNanos(30);
    /** How long somebody waits for one who was called. */
    static final long HELP_NANOS = TimeUnit.MILLISECONDS.toNanos(10);

    private final Telemetry telemetry;
    private final Workers workers;
    private final Means means;
    private final BatchSync disk;
    private final AtomicInteger waitingInPool;
    private final SureLock lock = new SureLock();
    private final Condition quiet = lock.newCondition();

    @GuardedBy("lock")
    private List<Entry> entries = new ArrayList<>();
    /** The entries that are being synced. */
    @GuardedBy("lock")
    private List<Entry> taken = List.of();

    @GuardedBy("lock")
    private boolean driven;
    /** A driver will come; another thread that comes first may drive instead. */
    @GuardedBy("lock")
    private boolean called;
    /** When the sync that runs began; meaningful while something is taken. */
    @GuardedBy("lock")
    private long syncedSince;

    @GuardedBy("lock")
    private final Unsettled unsettled = new Unsettled();

    @GuardedBy("lock")
    private boolean settlerCalled;

    private final Runnable driver = this::drive;
    private final Runnable settler;
    private final Consumer<Entry> settleNext = this::settleAfter;
    private final Runnable watcher = this::watch;

    @GuardedBy("lock")
    private boolean watched;

    public SyncGate(Means means, AtomicInteger waitingInPool) {
        this.telemetry = means.telemetry();
        this.workers = means.workers();
        this.means = means;
        this.waitingInPool = waitingInPool;
        this.disk = new BatchSync(means);
        this.settler = () -> settleAfter(null);
    }

    /** Whether every connection that writes must be replaced. */
    public boolean isBroken() {
        return disk.isBroken();
    }

    /** A sync of somebody else has failed: nobody knows what of the log is on disk. */
    void distrust() {
        disk.distrust();
    }

    /** A TRUNCATE checkpoint has succeeded on a new connection. */
    public void repaired() {
        disk.repaired();
    }

    // ---- coming

    /**
     * Adds an outcome; called by the owner of the lane, before it gives the lane back. Somebody must then see to a driver.
     *
     * @param written whether something was committed that is not synced; else the outcome only keeps its place
     */
    public void add(Engine engine, boolean written, Outcome outcome) {
        add(engine, written, written, outcome);
    }

    /**
     * As {@link #add(Engine, boolean, Outcome)}.
     *
     * @param committed whether something was committed at all, synced or not, so that it must be in the database
     */
    public void add(Engine engine, boolean written, boolean committed, Outcome outcome) {
        boolean watch;
        while (!isAdded(engine, written, committed, outcome)) {
            Workers.pause();
        }
        lock.lock();
        try {
            watch = !watched;
            watched = true;
        } finally {
            lock.unlock();
        }
        if (watch) {
            workers.after(HUNG_NANOS / 4, watcher);
        }
    }

    private boolean isAdded(Engine engine, boolean written, boolean committed, Outcome outcome) {
        try {
            Entry entry = new Entry(engine, written, committed, outcome, waitingInPool, settleNext);
            lock.lock();
            try {
                entries.add(entry);
                waitingInPool.incrementAndGet();
            } finally {
                lock.unlock();
            }
            return true;
        } catch (OutOfMemoryError | InternalError e) {
            return false; // nothing has happened
        }
    }

    /** Drives on this thread of the pool, if nobody does, and settles. */
    public void drive() {
        syncAll();
        settleAfter(null);
    }

    /** Drives on this thread, if nobody does; others settle. */
    private void syncAll() {
        List<Entry> batch = begin(null);
        while (batch != null) {
            batch = next(batch, disk.sync(batch));
            if (batch != null) {
                settleElsewhere();
            }
        }
    }

    /** Sees to it that somebody drives, on another thread. */
    public void driveElsewhere() {
        lock.lock();
        try {
            if (driven || called || entries.isEmpty()) {
                return;
            }
            called = true;
        } finally {
            lock.unlock();
        }
        workers.execute(driver);
    }

    /**
     * For the owner of the lane, who has added something and has still to see to the lane. What needs no sync and waits behind nothing is
     * settled here, and the lane goes on after it: to wake another thread for it would cost more than a small transaction. Nothing can be
     * settled before it that was committed after it, for that takes the lane.
     *
     * @return whether the caller shall do the rest now; else somebody else does
     */
    public boolean driveBefore(Runnable rest) {
        List<Entry> mine = empty();
        Entry only = null;
        lock.lock();
        try {
            boolean idle = !driven && unsettled.isEmpty();
            if (idle && entries.size() == 1 && !entries.get(0).written) {
                only = entries.get(0);
                List<Entry> batch = entries;
                entries = mine;
                mine = batch;
            }
        } finally {
            lock.unlock();
        }
        if (only == null) {
            driveElsewhere();
            return true;
        }
        only.unknown = disk.sync(mine);
        Entry settled = only;
        return workers.publish(settled.settle, settled.before(rest));
    }

    /** For a caller that has just added one: syncs here if there is nothing else, since a lone writer needs no hop. */
    public void driveAlone(@Nullable Outcome own) {
        List<Entry> mine = begin(own);
        if (mine == null) {
            driveElsewhere();
            return;
        }
        Entry only = mine.get(0);
        OutcomeUnknownException unknown = disk.sync(mine);
        boolean here;
        lock.lock();
        try {
            here = unsettled.isEmpty();
            if (here) {
                only.unknown = unknown;
                unsettled.takeInHand(only); // its future is known to this caller alone
            } else {
                unsettled.add(mine, unknown);
            }
            stopDriving();
        } finally {
            lock.unlock();
        }
        if (here) {
            Workers.settle(only.settle);
            leave(only);
        } else {
            settleElsewhere();
        }
        driveElsewhere();
    }

    /** Becomes the driver, with all that is there; for a caller only if its own entry is all. Null if somebody drives already. */
    private @Nullable List<Entry> begin(@Nullable Outcome alone) {
        List<Entry> fresh = empty();
        long now = now();
        lock.lock();
        try {
            called &= alone != null;
            boolean only = alone == null || entries.size() == 1 && entries.get(0).outcome == alone;
            if (driven || entries.isEmpty() || !only) {
                return null;
            }
            driven = true;
            return take(fresh, now);
        } finally {
            lock.unlock();
        }
    }

    private static List<Entry> empty() {
        while (true) {
            try {
                return new ArrayList<>();
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
    }

    private long now() {
        while (true) {
            try {
                return telemetry.now();
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
    }

    @GuardedBy("lock")
    private List<Entry> take(List<Entry> fresh, long now) {
        taken = entries;
        entries = fresh;
        syncedSince = now;
        return taken;
    }

    // ---- driving

    /** By the driver: settles the synced entries and takes those to sync next; null if there are none, and it stops driving. */
    private @Nullable List<Entry> next(List<Entry> synced, @Nullable OutcomeUnknownException unknown) {
        List<Entry> fresh = empty();
        long now = now();
        lock.lock();
        try {
            unsettled.add(synced, unknown);
            if (entries.isEmpty()) {
                stopDriving();
                return null;
            }
            return take(fresh, now);
        } finally {
            lock.unlock();
        }
    }

    @GuardedBy("lock")
    private void stopDriving() {
        taken = List.of();
        driven = false;
        quiet.signalAll();
    }

    /** Sees to it that somebody settles, on another thread. */
    private void settleElsewhere() {
        lock.lock();
        try {
            if (settlerCalled || !unsettled.needsSettler()) {
                return; // who has one in hand comes back
            }
            settlerCalled = true;
        } finally {
            lock.unlock();
        }
        workers.execute(settler);
    }

    /** By one who has settled something, or would begin to. */
    private void settleAfter(@Nullable Entry settled) {
        Entry next = nextToSettle(settled);
        while (next != null) {
            if (!workers.publish(next.settle, next)) {
                return; // another thread settles the rest
            }
            next = nextToSettle(next);
        }
        means.life().advanceClose();
    }

    /** What is to be settled after that; null if there is nothing, or if somebody else has something in hand. */
    private @Nullable Entry nextToSettle(@Nullable Entry settled) {
        lock.lock();
        try {
            settlerCalled = false;
            return unsettled.next(settled);
        } finally {
            lock.unlock();
        }
    }

    /** By one who has settled something, and leaves what comes after it to others. */
    private void leave(Entry settled) {
        lock.lock();
        try {
            unsettled.leave(settled);
        } finally {
            lock.unlock();
        }
        settleElsewhere();
        means.life().advanceClose();
    }

    /**
     * By a thread that has waited for an outcome: does what nobody has come for. It runs the stages of others only where the pool can have no
     * other thread, since its own work may not be done.
     */
    void help(Outcome awaited) {
        syncAll();
        Entry settled = null;
        while (workers.isShort() && !awaited.isSettled()) {
            Entry next = nextToSettle(settled);
            if (next == null) {
                means.life().advanceClose();
                return;
            }
            settled = next;
            Workers.settle(next.settle);
        }
        if (settled != null) {
            leave(settled);
        } else {
            settleElsewhere();
        }
    }

    // ---- when the disk does not answer

    /** On the timer, as long as anything is synced: what waits for a sync that hangs cannot wait for ever. */
    void watch() {
        boolean hung;
        boolean again;
        lock.lock();
        try {
            hung = driven && telemetry.now() - syncedSince >= HUNG_NANOS;
            again = driven || !entries.isEmpty();
            watched = again;
        } finally {
            lock.unlock();
        }
        if (again) {
            workers.after(HUNG_NANOS / 4, watcher);
        }
        if (hung) {
            abandon("the disk has not answered for 30 s");
        }
    }

    /** Calls the outcome of everything in the gate unknown. A sync that comes back later finds it settled. */
    public void abandon(String why) {
        disk.distrust();
        List<Entry> all = new ArrayList<>();
        lock.lock();
        try {
            all.addAll(taken);
            all.addAll(entries);
        } finally {
            lock.unlock();
        }
        List<Runnable> settles = new ArrayList<>();
        for (Entry entry : all) {
            settles.add(() -> entry.outcome.settle(entry.committed ? disk.unknown(why, null) : null));
        }
        Settles.completeAll(workers, settles);
    }

    /** After {@link #drain}: whether everything is settled, too; else {@link dev.sqlitepool.internal.Life#advanceClose} is called when it is. */
    public boolean isSettled() {
        lock.lock();
        try {
            return unsettled.isEmpty(); // who drives hands on what he has synced before he stops
        } finally {
            lock.unlock();
        }
    }

    /** Before a connection is closed: waits until nothing of it is to be synced; if the disk does not answer, not for ever. */
    public void drain() {
        driveElsewhere();
        boolean interrupted = Thread.interrupted();
        long deadline = System.nanoTime() + HUNG_NANOS;
        boolean left = true;
        while (left && System.nanoTime() - deadline < 0) {
            try {
                left = !isQuietSoon();
                if (left) {
                    syncAll();
                    settleElsewhere();
                }
            } catch (InterruptedException e) {
                interrupted = true;
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        if (left) {
            abandon("the disk has not answered for 30 s");
        }
    }

    private boolean isQuietSoon() throws InterruptedException {
        lock.lock();
        try {
            long left = HELP_NANOS;
            while (left > 0 && (driven || !entries.isEmpty())) {
                left = quiet.awaitNanos(left);
            }
            return !driven && entries.isEmpty();
        } finally {
            lock.unlock();
        }
    }
}
