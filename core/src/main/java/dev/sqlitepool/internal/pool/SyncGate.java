package dev.sqlitepool.internal.pool;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.internal.engine.DisplacedException;
import dev.sqlitepool.internal.engine.Engine;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Makes commits durable in groups, and then acknowledges them. Thread-safe.
 *
 * <p>The write lane commits without a sync. Before it is given back, what it would acknowledge is added to the gate, so entries are in
 * the order of the commits. One thread at a time drives the gate: it takes all that is there and syncs the WAL once. What it took was
 * appended before the sync began, so the sync covers it; meanwhile the lane runs the next transactions. Then the entries are settled,
 * by one thread at a time too, in their order; a stage that blocks there holds up neither the lane nor the next sync.
 *
 * <p>Why no acknowledgement is lost: entries are added under the lock, and who adds sees to a driver afterwards; a driver stops only
 * when it has seen the gate empty under the lock, and so does who settles. Why none is false: an entry is settled with success only
 * after a sync that began after it was added, or if it needs none; if it has committed, only after the file was seen in its place since. After a sync that failed, or hangs, nobody can know what is on disk, and a later one
 * proves nothing about pages that the failed one dropped: the gate is {@link #isBroken broken}, all that is in it fails with an unknown
 * outcome, the lane is discarded, and the next one opens only after a TRUNCATE checkpoint has put everything into the database file.
 */
final class SyncGate {
    /** How long a sync may take before the outcome of what it covers is called unknown. */
    private static final long HUNG_NANOS = TimeUnit.SECONDS.toNanos(30);

    /** What to do when the disk has it; may be called twice, and decides once. */
    interface Outcome {
        /** Settles with success, or with the error. */
        void settle(@Nullable OutcomeUnknownException unknown);

        /** Whether everybody can see that it is settled. */
        boolean isSettled();
    }

    /** The outcome of somebody who goes on by himself then: his thread waits for it, or he has left word. */
    static final class Turn implements Outcome {
        private final CompletableFuture<Void> end = new CompletableFuture<>();

        @Override
        public void settle(@Nullable OutcomeUnknownException unknown) {
            if (unknown == null) {
                end.complete(null);
            } else {
                end.completeExceptionally(unknown);
            }
        }

        @Override
        public boolean isSettled() {
            return end.isDone();
        }

        /** Calls somebody once, with the error if there is one: on the thread that settles, or here if it is settled. */
        void then(Consumer<@Nullable OutcomeUnknownException> next) {
            CompletableFuture<Void> unused = end.handle((done, error) -> {
                next.accept((OutcomeUnknownException) error);
                return null;
            });
        }

        /** Waits, as long as a sync can take; an interrupt does not shorten it, and is not lost. */
        void await() {
            try {
                end.join();
            } catch (CompletionException e) {
                throw (OutcomeUnknownException) e.getCause();
            }
        }
    }

    /** An outcome on its way; what is written is not synced yet, what is committed must be in the database. */
    private record Entry(Engine engine, boolean written, boolean committed, Outcome outcome) {}

    private record Settlement(Entry entry, @Nullable OutcomeUnknownException unknown) {}

    private final LanePool pool;
    private final AtomicInteger waitingInPool;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition quiet = lock.newCondition();

    @GuardedBy("lock")
    private List<Entry> entries = new ArrayList<>();
    /** What is being synced. */
    @GuardedBy("lock")
    private List<Entry> taken = List.of();

    @GuardedBy("lock")
    private boolean driven;
    /** When the sync that runs began; meaningful while something is taken. */
    @GuardedBy("lock")
    private long syncedSince;

    @GuardedBy("lock")
    private final Deque<Settlement> settlements = new ArrayDeque<>();

    @GuardedBy("lock")
    private boolean settling;

    @GuardedBy("lock")
    private boolean watched;
    /** A sync has failed or hangs, and no connection opened since has put things right. */
    private volatile boolean broken;

    SyncGate(LanePool pool, AtomicInteger waitingInPool) {
        this.pool = pool;
        this.waitingInPool = waitingInPool;
    }

    /** Whether every connection that writes must be replaced. */
    boolean isBroken() {
        return broken;
    }

    /** A sync of somebody else has failed: nobody knows what of the log is on disk. */
    void distrust() {
        broken = true;
    }

    /** A TRUNCATE checkpoint has succeeded on a new connection. */
    void repaired() {
        broken = false;
    }

    // ---- coming

    /**
     * Adds an outcome; called by the owner of the lane, before it gives the lane back. Somebody must then see to a driver.
     *
     * @param written whether something was committed that is not synced; else the outcome only keeps its place
     */
    void add(Engine engine, boolean written, Outcome outcome) {
        add(engine, written, written, outcome);
    }

    /**
     * As {@link #add(Engine, boolean, Outcome)}.
     *
     * @param committed whether something was committed at all, synced or not, so that it must be in the database
     */
    void add(Engine engine, boolean written, boolean committed, Outcome outcome) {
        boolean watch;
        lock.lock();
        try {
            entries.add(new Entry(engine, written, committed, outcome));
            waitingInPool.incrementAndGet();
            watch = !watched;
            watched = true;
        } finally {
            lock.unlock();
        }
        if (watch) {
            pool.workers().after(HUNG_NANOS / 4, this::watch);
        }
    }

    /** Drives on this thread of the pool, if nobody does. */
    void drive() {
        List<Entry> batch = begin(null);
        if (batch != null) {
            run(batch);
        }
    }

    /** Sees to it that somebody drives, on another thread. */
    void driveElsewhere() {
        List<Entry> batch = begin(null);
        if (batch != null) {
            pool.workers().execute(() -> run(batch));
        }
    }

    /**
     * For the owner of the lane, who has added something and has still to see to the lane. What needs no sync and waits behind nothing is
     * settled here, and the lane goes on after it: to wake another thread for it would cost more than a small transaction. Nothing can be
     * settled before it that was committed after it, for that takes the lane.
     *
     * @return whether the caller shall do the rest now; else somebody else does
     */
    boolean driveBefore(Runnable rest) {
        Entry only = null;
        lock.lock();
        try {
            boolean idle = !driven && !settling && settlements.isEmpty();
            if (idle && entries.size() == 1 && !entries.get(0).written()) {
                only = entries.remove(0);
            }
        } finally {
            lock.unlock();
        }
        if (only == null) {
            driveElsewhere();
            return true;
        }
        Settlement settlement = new Settlement(only, sync(List.of(only)));
        return pool.workers().publish(() -> settle(settlement), new GoOn(rest, only.outcome()));
    }

    /** For a caller that has just added one: syncs here if there is nothing else, since a lone writer needs no hop. */
    void driveAlone(@Nullable Outcome own) {
        List<Entry> mine = begin(own);
        if (mine == null) {
            driveElsewhere();
            return;
        }
        OutcomeUnknownException unknown = sync(mine);
        boolean others;
        lock.lock();
        try {
            others = settling || !settlements.isEmpty();
            if (others) {
                mine.forEach(entry -> settlements.add(new Settlement(entry, unknown)));
            }
        } finally {
            lock.unlock();
        }
        if (!others) {
            mine.forEach(entry -> settle(new Settlement(entry, unknown))); // its future is known to this caller alone
        }
        List<Entry> next = next();
        if (next != null) {
            pool.workers().execute(() -> run(next));
        }
    }

    /** Becomes the driver, with all that is there; for a caller only if its own entry is all. Null if somebody drives already. */
    private @Nullable List<Entry> begin(@Nullable Outcome alone) {
        lock.lock();
        try {
            boolean only =
                    alone == null || entries.size() == 1 && entries.get(0).outcome() == alone;
            if (driven || entries.isEmpty() || !only) {
                return null;
            }
            driven = true;
            return take();
        } finally {
            lock.unlock();
        }
    }

    @GuardedBy("lock")
    private List<Entry> take() {
        taken = entries;
        entries = new ArrayList<>();
        syncedSince = pool.telemetry().now();
        return taken;
    }

    // ---- driving

    /** By the driver: what to sync next; null if there is nothing, and it is the driver no more. */
    private @Nullable List<Entry> next() {
        lock.lock();
        try {
            if (entries.isEmpty()) {
                taken = List.of();
                driven = false;
                quiet.signalAll();
                return null;
            }
            return take();
        } finally {
            lock.unlock();
        }
    }

    /** By the driver. */
    private void run(List<Entry> first) {
        List<Entry> batch = first;
        while (batch != null) {
            OutcomeUnknownException unknown = sync(batch);
            boolean settle;
            lock.lock();
            try {
                batch.forEach(entry -> settlements.add(new Settlement(entry, unknown)));
                settle = !settling;
                settling = true;
            } finally {
                lock.unlock();
            }
            batch = next();
            if (settle && batch == null) {
                settleAll();
            } else if (settle) {
                pool.workers().execute(this::settleAll);
            }
        }
    }

    /** By the one who settles. */
    private void settleAll() {
        while (true) {
            Settlement next;
            lock.lock();
            try {
                next = settlements.poll();
                settling = next != null;
            } finally {
                lock.unlock();
            }
            if (next == null) {
                pool.advanceClose();
                return;
            }
            if (!pool.workers()
                    .publish(
                            () -> settle(next),
                            new GoOn(this::settleAll, next.entry().outcome()))) {
                return; // another thread settles the rest
            }
        }
    }

    /** What comes after an outcome is settled; a new object each time, so that the timer can tell one time from the next. */
    private static final class GoOn implements Workers.Ordered {
        private final Runnable rest;
        private final Outcome before;

        GoOn(Runnable rest, Outcome before) {
            this.rest = rest;
            this.before = before;
        }

        /** A stage may be overtaken, an acknowledgement not, even if its thread is not running at the moment. */
        @Override
        public boolean isReady() {
            return before.isSettled();
        }

        @Override
        public void run() {
            rest.run();
        }
    }

    private void settle(Settlement settlement) {
        waitingInPool.decrementAndGet();
        Entry entry = settlement.entry();
        entry.outcome().settle(entry.committed() ? settlement.unknown() : null);
    }

    /** Never throws: the driver must not die. */
    private @Nullable OutcomeUnknownException sync(List<Entry> batch) {
        Engine engine = null;
        boolean written = false;
        for (Entry entry : batch) {
            if (entry.committed()) {
                engine = entry.engine(); // the same for all: the gate is drained before its connection is closed
                written |= entry.written();
            }
        }
        if (engine == null) {
            return null;
        }
        Throwable failure = null;
        if (!broken || !written) {
            try {
                if (written) {
                    engine.sync();
                }
                engine.requireInPlace();
                return null;
            } catch (DisplacedException e) {
                return displaced(e); // the disk has done what it should
            } catch (Throwable e) {
                failure = e;
            }
        }
        broken = true;
        return unknown(failure == null ? "an earlier sync has failed" : String.valueOf(failure.getMessage()), failure);
    }

    private OutcomeUnknownException displaced(DisplacedException why) {
        return new OutcomeUnknownException(
                "A commit cannot be acknowledged: " + why.getMessage()
                        + ". It is not repeated; read the database to find out whether it is there.",
                pool.stats(),
                why);
    }

    private OutcomeUnknownException unknown(String why, @Nullable Throwable cause) {
        return new OutcomeUnknownException(
                "A commit could not be synced to disk: " + why
                        + ". It may be on disk, or be lost when the power fails. It is not"
                        + " repeated; read the database to find out. Check the disk and the file system.",
                pool.stats(),
                cause);
    }

    // ---- when the disk does not answer

    /** On the timer, as long as anything is synced: what waits for a sync that hangs cannot wait for ever. */
    void watch() {
        boolean hung;
        lock.lock();
        try {
            hung = driven && pool.telemetry().now() - syncedSince >= HUNG_NANOS;
            watched = driven || !entries.isEmpty();
            if (watched) {
                pool.workers().after(HUNG_NANOS / 4, this::watch);
            }
        } finally {
            lock.unlock();
        }
        if (hung) {
            abandon("the disk has not answered for 30 s");
        }
    }

    /** Calls the outcome of everything in the gate unknown. A sync that comes back later finds it settled. */
    void abandon(String why) {
        broken = true;
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
            settles.add(() -> entry.outcome().settle(entry.written() ? unknown(why, null) : null));
        }
        pool.workers().completeAll(settles);
    }

    /** After {@link #drain}: whether everything is settled, too; else {@link LanePool#advanceClose} is called when it is. */
    boolean isSettled() {
        lock.lock();
        try {
            return !settling; // who drives hands on what he has synced before he stops
        } finally {
            lock.unlock();
        }
    }

    /** Before a connection is closed: waits until nothing of it is to be synced; if the disk does not answer, not for ever. */
    void drain() {
        driveElsewhere();
        boolean interrupted = false;
        boolean left;
        long deadline = System.nanoTime() + HUNG_NANOS;
        lock.lock();
        try {
            while (driven && System.nanoTime() - deadline < 0) {
                try {
                    long unused = quiet.awaitNanos(deadline - System.nanoTime());
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
            left = driven;
        } finally {
            lock.unlock();
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        if (left) {
            abandon("the disk has not answered for 30 s");
        }
    }
}
