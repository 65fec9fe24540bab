package dev.sqlitepool.internal.pool;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.sqlitepool.Access;
import dev.sqlitepool.PoolStats;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.engine.Engine.Checkpoint;
import dev.sqlitepool.internal.engine.Engine.Failure;
import dev.sqlitepool.internal.engine.Opener;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.telemetry.Telemetry;
import java.io.SyncFailedException;
import java.sql.SQLException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Keeps the write-ahead log small, off the path of the commits. Thread-safe.
 *
 * <p>Whoever gives the write lane back looks at the size of the log's file: one system call. Past a few megabytes, or when nobody has
 * written for a while, a <em>pass</em> copies the log into the database, on a connection of its own, beside readers and writers; it waits
 * for nobody. When all is copied and no reader needs the log, SQLite begins it anew with the next write, and its file shrinks. Under a
 * steady stream of writes a pass never gets to the end of the log. So at the limit the write lane is <em>held</em>: it goes to nobody
 * before a checkpoint has emptied the log. While it is held the log does not grow, so the readers that began before come to an end,
 * and those that begin meanwhile soon read the database itself: the wait is for the longest of the reads that were there.
 *
 * <p>Why the log stays within the limit: the lane is granted only in {@link Lanes#giveBack}, and everybody who has written passes
 * {@link #mustHold} before it, so nobody begins to write past the limit; and one who keeps the lane and commits by itself passes {@link
 * #bound}. Why nobody waits for ever: those who wait for the lane have their deadlines, and the hold ends with the pool.
 *
 * <p>At most one pass runs: {@link #running} is taken by compare-and-set, and what a pass may have missed the next write or the look after
 * the quiet time starts again. Size and SQLite's own counts are both used: one tells that something is to be done, the other that it is.
 */
final class Checkpointer {
    private static final long QUIET_NANOS = TimeUnit.SECONDS.toNanos(5);
    private static final long TELL_NANOS = TimeUnit.MILLISECONDS.toNanos(250);
    private static final long OPTIMIZE_PERIOD_NANOS = TimeUnit.HOURS.toNanos(4);
    /** How long the planner's statistics may take. */
    private static final long OPTIMIZE_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final LanePool pool;
    private final Settings settings;
    private final Opener opener;
    private final Telemetry telemetry;
    private final Workers workers;
    private final long step;

    private final AtomicBoolean running = new AtomicBoolean();
    private final AtomicBoolean watching = new AtomicBoolean();
    /** The size from which on a pass is worth it. */
    private volatile long threshold;
    /** Something may have been written since the last pass that copied everything. */
    private volatile boolean dirty;

    private volatile long writtenAt;
    private volatile long optimizedAt;

    private final ReentrantLock lock = new ReentrantLock();
    /** Used by the pass that runs; opened by the first, closed when it is quiet. */
    @GuardedBy("lock")
    private @Nullable Engine engine;

    Checkpointer(LanePool pool, Opener opener, Telemetry telemetry, Workers workers) {
        this.pool = pool;
        this.settings = pool.settings();
        this.opener = opener;
        this.telemetry = telemetry;
        this.workers = workers;
        this.step = settings.walSizeLimit() / 4;
        this.threshold = settings.checkpointSize();
        this.optimizedAt = telemetry.now();
    }

    // ---- looking

    /**
     * Called by the owner of the write lane before it is given back.
     *
     * @return whether it must be given to {@link #hold} instead
     */
    boolean mustHold(Lane lane) {
        if (!settings.checkpoints() || lane.doubt() != null || pool.isClosed()) {
            return false;
        }
        long size = lane.engine().walSize();
        if (size < 0) {
            return false;
        }
        telemetry.walSize = size;
        dirty = true;
        writtenAt = telemetry.now();
        watch(QUIET_NANOS);
        if (size > settings.walSizeLimit()) {
            return true;
        }
        if (size <= settings.checkpointSize()) {
            threshold = settings.checkpointSize();
        } else if (size > threshold) {
            startPass(false);
        }
        return false;
    }

    private void watch(long nanos) {
        if (!watching.get() && watching.compareAndSet(false, true)) {
            workers.after(nanos, this::look);
        }
    }

    /** On the timer: copies what there is when nobody has written for a while, so that a crash has little to recover. */
    private void look() {
        watching.set(false);
        if (pool.isClosed()) {
            return;
        }
        long quiet = telemetry.now() - writtenAt;
        if (quiet < QUIET_NANOS) {
            watch(QUIET_NANOS - quiet);
        } else {
            startPass(true);
        }
    }

    // ---- beside the writers

    private void startPass(boolean last) {
        if (running.compareAndSet(false, true)) {
            workers.execute(() -> pass(last));
        }
    }

    /** One pass; the last one before a quiet time closes the connection. */
    private void pass(boolean last) {
        try {
            if (dirty && !pool.isClosed()) {
                dirty = false;
                Checkpoint done = connection().checkpoint(false);
                telemetry.checkpoints.increment();
                dirty |= !done.complete();
                threshold = telemetry.walSize + step;
            }
        } catch (Throwable e) {
            dirty = true;
            failed(e);
            closeConnection();
        } finally {
            boolean closed = pool.isClosed();
            if (last || closed) {
                closeConnection();
            }
            running.set(false);
            if (pool.isClosed()) {
                pool.advanceClose();
            } else if (dirty || !last) {
                watch(QUIET_NANOS);
            }
        }
    }

    private Engine connection() throws SQLException {
        lock.lock();
        try {
            if (engine == null) {
                engine = pool.engines().apply(opener.open(Access.READ));
            }
            return engine;
        } finally {
            lock.unlock();
        }
    }

    private void closeConnection() {
        Engine last;
        lock.lock();
        try {
            last = engine;
            engine = null;
        } finally {
            lock.unlock();
        }
        if (last != null) {
            try {
                opener.close(last);
            } catch (SQLException | RuntimeException e) {
                telemetry.debug("the connection of the checkpointer could not be closed", e);
            }
        }
    }

    private void failed(Throwable error) {
        if (error instanceof SyncFailedException) {
            pool.gate().distrust(); // a later sync proves nothing about the pages that this one lost
        }
        telemetry.warn("a checkpoint failed; the write-ahead log grows until one succeeds", error);
    }

    /**
     * For the pool that closes: no pass will run any more.
     *
     * @return whether the connection is closed; else {@link LanePool#advanceClose} is called when it is
     */
    boolean closed() {
        if (!running.compareAndSet(false, true)) {
            return false;
        }
        boolean open;
        lock.lock();
        try {
            open = engine != null;
        } finally {
            lock.unlock();
        }
        if (open) {
            workers.execute(() -> {
                closeConnection();
                running.set(false);
                pool.advanceClose();
            });
        } else {
            running.set(false);
        }
        return !open;
    }

    // ---- at the limit

    /** Keeps the write lane until the log is empty, then gives it back. On a worker. */
    void hold(Lane lane) {
        truncate(lane, () -> !pool.isClosed());
        Runnable rest = pool.writeLanes().giveBack(lane);
        if (rest != null) {
            rest.run();
        }
    }

    /** For one who has the write lane and is about to write outside a transaction; waits as long as that is wanted. */
    void bound(Lane lane, BooleanSupplier wanted) {
        if (mustHold(lane)) {
            truncate(lane, wanted);
        }
    }

    private void truncate(Lane lane, BooleanSupplier wanted) {
        long since = telemetry.now();
        boolean told = false;
        while (wanted.getAsBoolean()) {
            try {
                Checkpoint done = lane.engine().checkpoint(true);
                telemetry.checkpoints.increment();
                if (done.complete()) {
                    telemetry.walSize = 0;
                    dirty = false;
                    return;
                }
            } catch (SQLException e) {
                Failure failure = lane.engine().failure(e);
                if (failure == Failure.DOUBTFUL) {
                    failed(e);
                    lane.doubt(CloseReason.DISCARDED);
                }
                if (failure != Failure.BUSY) {
                    return; // interrupted because its session is not wanted any more
                }
            } catch (SyncFailedException e) {
                failed(e);
                lane.doubt(CloseReason.DISCARDED);
                return;
            }
            if (!told && telemetry.now() - since > TELL_NANOS) {
                told = true;
                tell();
            }
            LockSupport.parkNanos(ThreadLocalRandom.current().nextLong(500_000, 1_500_000));
        }
    }

    private void tell() {
        PoolStats.Lanes readers = pool.readLanes().stats();
        long size = telemetry.walSize;
        String reader = pool.hasReadLanes() ? readers.holder() : "";
        telemetry.warn(
                "writes wait because the write-ahead log has reached its limit, " + size
                        + " bytes, and cannot shrink past "
                        + (reader.isEmpty()
                                ? "a reader outside this pool"
                                : "\"" + reader + "\", which has read for " + readers.longestHeld())
                        + ". Read in smaller parts, set maxReadAge, or raise walSizeLimit",
                null);
        telemetry.tell(listener -> listener.walLimitReached(size, reader, readers.longestHeld()));
    }

    // ---- statistics for the query planner

    /** Every few hours, if the write lane is idle. */
    void optimizeNowAndThen() {
        if (telemetry.now() - optimizedAt >= OPTIMIZE_PERIOD_NANOS) {
            Lanes lanes = pool.writeLanes();
            Lane lane = lanes.borrowIdle(idle -> true);
            if (lane != null) {
                optimizedAt = telemetry.now();
                optimize(lane);
                lanes.returnCold(lane);
            }
        }
    }

    /** By the lane's owner. Bounded in time. */
    void optimize(Lane lane) {
        if (!settings.inMemory() && lane.doubt() == null) {
            lane.optimize(OPTIMIZE_NANOS);
        }
    }
}
