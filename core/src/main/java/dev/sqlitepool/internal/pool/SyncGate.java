package dev.sqlitepool.internal.pool;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.internal.engine.Engine;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Makes commits durable in groups, and then acknowledges them. Thread-safe.
 *
 * <p>The write lane commits without a sync. Before it is given back, what it would acknowledge is added to the gate, so entries are in
 * the order of the commits. One thread at a time drives the gate: it takes all that is there, syncs the WAL once, and settles. What it
 * took was appended before the sync began, so the sync covers it; meanwhile the lane runs the next transactions.
 *
 * <p>Why no acknowledgement is lost: entries are added under the lock, and who adds sees to a driver afterwards; a driver stops only
 * when it has seen the gate empty under the lock. Why none is false: an entry is settled with success only after a sync that began after
 * it was added. After a sync that failed nobody can know what is on disk, and a later one proves nothing about pages that the failed one
 * dropped: all that is in the gate fails with an unknown outcome, the lane is discarded, and the next one opens only after a TRUNCATE
 * checkpoint has put everything into the database file.
 */
final class SyncGate {
    /** How long a sync may take before the outcome of what it covers is called unknown. */
    private static final long HUNG_NANOS = TimeUnit.SECONDS.toNanos(30);

    /** What to do when the disk has it; called once or more, and must decide once. */
    interface Outcome {
        /** Settles with success, or with the error. */
        void settle(@Nullable OutcomeUnknownException unknown);
    }

    private record Entry(Engine engine, boolean written, long addedAt, Outcome outcome) {}

    private final LanePool pool;
    private final AtomicInteger waitingInPool;
    private final AtomicBoolean watched = new AtomicBoolean();
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition quiet = lock.newCondition();

    @GuardedBy("lock")
    private final Deque<Entry> entries = new ArrayDeque<>();
    /** What the driver syncs or settles now. */
    @GuardedBy("lock")
    private List<Entry> taken = List.of();

    @GuardedBy("lock")
    private boolean driven;
    /** The connection whose sync has failed, until a new one has put things right. */
    private volatile @Nullable Engine broken;

    SyncGate(LanePool pool, AtomicInteger waitingInPool) {
        this.pool = pool;
        this.waitingInPool = waitingInPool;
    }

    /** Whether a sync of this connection has failed. */
    boolean isBroken(Engine engine) {
        return broken == engine;
    }

    boolean isBroken() {
        return broken != null;
    }

    /** A TRUNCATE checkpoint has succeeded on a new connection. */
    void repaired() {
        broken = null;
    }

    // ---- coming

    /** Adds an outcome; called by the owner of the lane, before it gives the lane back. Somebody must then see to a driver. */
    void add(Engine engine, boolean written, Outcome outcome) {
        lock.lock();
        try {
            entries.addLast(new Entry(engine, written, System.nanoTime(), outcome));
            waitingInPool.incrementAndGet();
        } finally {
            lock.unlock();
        }
        if (!watched.get() && watched.compareAndSet(false, true)) {
            pool.workers().after(HUNG_NANOS, this::watch);
        }
    }

    /** Drives on this thread of the pool, if nobody does. */
    void drive() {
        if (begin(null)) {
            run();
        }
    }

    /** Sees to it that somebody drives, on another thread. */
    void driveElsewhere() {
        if (begin(null)) {
            pool.workers().execute(this::run);
        }
    }

    /** For a caller that has just added one: syncs here if there is nothing else, since a lone writer needs no hop. */
    void driveAlone(@Nullable Outcome own) {
        if (!begin(own)) {
            driveElsewhere();
            return;
        }
        List<Entry> mine = take();
        OutcomeUnknownException unknown = sync(mine);
        mine.forEach(entry -> settle(entry, unknown));
        lock.lock();
        try {
            taken = List.of();
            if (entries.isEmpty()) {
                driven = false;
                quiet.signalAll();
                return;
            }
        } finally {
            lock.unlock();
        }
        pool.workers().execute(this::run);
    }

    /** Becomes the driver; for a caller only if its own entry is all there is. */
    private boolean begin(@Nullable Outcome alone) {
        lock.lock();
        try {
            if (driven || entries.isEmpty()) {
                return false;
            }
            if (alone != null && (entries.size() > 1 || entries.getFirst().outcome() != alone)) {
                return false;
            }
            driven = true;
            return true;
        } finally {
            lock.unlock();
        }
    }

    // ---- driving

    private List<Entry> take() {
        lock.lock();
        try {
            taken = new ArrayList<>(entries);
            entries.clear();
            if (taken.isEmpty()) {
                driven = false;
                quiet.signalAll();
            }
            return taken;
        } finally {
            lock.unlock();
        }
    }

    /** By the driver. */
    private void run() {
        while (true) {
            List<Entry> batch = take();
            if (batch.isEmpty()) {
                return;
            }
            if (!settle(batch.iterator(), sync(batch))) {
                return; // another thread is the driver now
            }
        }
    }

    private void goOn(Iterator<Entry> batch, @Nullable OutcomeUnknownException unknown) {
        if (settle(batch, unknown)) {
            run();
        }
    }

    /** Settles one after the other; a stage that blocks delays neither the others nor the next sync. */
    private boolean settle(Iterator<Entry> batch, @Nullable OutcomeUnknownException unknown) {
        while (batch.hasNext()) {
            Entry entry = batch.next();
            if (!pool.workers().publish(() -> settle(entry, unknown), () -> goOn(batch, unknown))) {
                return false;
            }
        }
        return true;
    }

    private void settle(Entry entry, @Nullable OutcomeUnknownException unknown) {
        waitingInPool.decrementAndGet();
        entry.outcome().settle(entry.written() ? unknown : null);
    }

    private @Nullable OutcomeUnknownException sync(List<Entry> batch) {
        Engine engine = null;
        for (Entry entry : batch) {
            if (entry.written()) {
                engine = entry.engine(); // the same for all: the gate is drained before its connection is closed
            }
        }
        if (engine == null) {
            return null;
        }
        try {
            if (broken == engine) {
                throw new IOException("an earlier sync of this connection has failed");
            }
            engine.sync();
            return null;
        } catch (IOException | RuntimeException e) {
            broken = engine;
            return unknown("could not be synced to disk: " + e.getMessage(), e);
        }
    }

    private OutcomeUnknownException unknown(String what, @Nullable Throwable cause) {
        return new OutcomeUnknownException(
                "A commit " + what
                        + ". It may be on disk, or be lost when the power fails. It is not repeated; read the database to"
                        + " find out. Check the disk and the file system.",
                pool.stats(),
                cause);
    }

    /** On the timer: what has been here for too long waits for a sync that hangs, and cannot wait for ever. */
    private void watch() {
        List<Entry> hung = new ArrayList<>();
        Entry oldest = null;
        lock.lock();
        try {
            long now = System.nanoTime();
            for (List<Entry> all : List.of(taken, List.copyOf(entries))) {
                for (Entry entry : all) {
                    if (now - entry.addedAt() >= HUNG_NANOS) {
                        hung.add(entry);
                        broken = entry.engine();
                    } else if (oldest == null) {
                        oldest = entry;
                    }
                }
            }
            if (driven || oldest != null) {
                pool.workers().after(HUNG_NANOS / 4, this::watch);
            } else {
                watched.set(false); // add() looks after it has added, under this lock
            }
        } finally {
            lock.unlock();
        }
        List<Runnable> settles = new ArrayList<>();
        for (Entry entry : hung) {
            settles.add(() -> entry.outcome().settle(unknown("has not been synced within 30 s", null)));
        }
        pool.workers().completeAll(settles);
    }

    // ---- waiting

    /** Makes durable what the lane's owner has committed, before it goes on. */
    void awaitDurable(Engine engine) {
        CompletableFuture<@Nullable Void> durable = new CompletableFuture<>();
        Outcome own = unknown -> {
            if (unknown == null) {
                durable.complete(null);
            } else {
                durable.completeExceptionally(unknown);
            }
        };
        add(engine, true, own);
        driveAlone(own);
        OutcomeUnknownException unknown = durable.<@Nullable OutcomeUnknownException>handle(
                        (done, error) -> (OutcomeUnknownException) error)
                .join(); // bounded by watch()
        if (unknown != null) {
            throw unknown;
        }
    }

    /** Before a connection is closed: waits, bounded, until nothing of it is in the gate. */
    void drain() {
        driveElsewhere();
        long left = HUNG_NANOS;
        lock.lock();
        try {
            while (driven && left > 0) {
                left = quiet.awaitNanos(left);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            lock.unlock();
        }
    }
}
