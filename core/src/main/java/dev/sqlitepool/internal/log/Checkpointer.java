package dev.sqlitepool.internal.log;

import dev.sqlitepool.Access;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.PoolTimeoutException;
import dev.sqlitepool.internal.Means;
import dev.sqlitepool.internal.Refusal;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.Workers;
import dev.sqlitepool.internal.engine.Database;
import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.engine.Engine.Failure;
import dev.sqlitepool.internal.engine.WriteAheadLog;
import dev.sqlitepool.internal.engine.WriteAheadLog.Checkpoint;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.lane.Ticket;
import dev.sqlitepool.internal.telemetry.Telemetry;
import java.io.SyncFailedException;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Keeps the write-ahead log small, off the path of the commits. Thread-safe.
 *
 * <p>A task that is about to begin a write transaction looks at the size of the log's file, unless another just has. Past a few megabytes it first
 * copies the log into the database, waiting for nobody; if all is copied and no reader uses the log, SQLite restarts it with this
 * transaction, and uses the file again. So no commit contains a checkpoint, and none waits for one to be acknowledged. When nobody has
 * written for a while, a <em>pass</em> does the same on a connection of its own, beside readers and writers. Readers can keep the log from
 * restarting. So at the limit the next writer waits for them and empties the log; the others wait behind it for the
 * write lane. During that wait the log does not grow: the readers that began before end, then all is copied; those that began
 * in the meantime end, then the log is emptied; readers that begin after that read the database itself. So the wait is for two generations
 * of readers at most.
 *
 * <p>Why the log stays within the limit: every transaction that writes begins in {@link #beforeTransaction}, and there is one at a time.
 * Only a connection that writes under a cursor of its own is let through, since it would wait for itself, and a task that writes while a
 * backup copies, which takes minutes and comes to an end. Why nobody waits for ever: the
 * wait ends with the acquire timeout, with the task, and with the pool.
 *
 * <p>At most one pass runs: {@link #running} is taken by compare-and-set; what a pass may have missed the next write or the look after the
 * quiet time starts again. Size and SQLite's own counts are both used: one tells that something is to be done, the other that it is.
 */
public final class Checkpointer {
    /** The other parts of the pool that matter to the log. */
    public interface Beside {
        /** Whether a backup copies at this moment, and pins the log. */
        boolean isBackupCopying();

        /** The task of the pool that has read for longest; null if nothing reads. */
        @Nullable
        Reader oldestReader();

        /** Whether there is a write lane. */
        boolean isWriterOpen();

        /** The name of the writing task in messages. */
        String label(Ticket writer);

        /** Whether somebody who writes may have changed the database before. */
        boolean mayHaveHadEffect(Ticket writer);
    }

    /** A read that keeps its snapshot, and for how long it has. */
    public record Reader(String label, Duration held) {}

    private static final long QUIET_NANOS = TimeUnit.SECONDS.toNanos(5);
    private static final long LONGEST_BACKOFF_NANOS = TimeUnit.MINUTES.toNanos(5);
    private static final long TELL_NANOS = TimeUnit.MILLISECONDS.toNanos(250);
    private static final long WARN_PERIOD_NANOS = TimeUnit.MINUTES.toNanos(1);
    /** How long the planner's statistics may take. */
    private static final long OPTIMIZE_NANOS = TimeUnit.SECONDS.toNanos(1);

    /**
     * How long a look at the size serves those who write next. Who asks Linux for a file's times (and every way to its size does) has the
     * next write stamped to the nanosecond instead of the tick
     * (<a href="https://docs.kernel.org/filesystems/multigrain-ts.html">multigrain timestamps</a>), and then each sync must write the
     * inode to the file system's journal, too.
     */
    private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

    /** No log grows faster than memory is copied, in bytes for each nanosecond. */
    private static final long FASTEST = 10;

    /** A log that is smaller than this is not worth a pass when it is quiet. */
    private static final long SMALL_LOG = 1L << 18;

    private final Means means;
    private final Settings settings;
    private final Database opener;
    private final UnaryOperator<Engine> engines;
    private final SyncGate gate;
    private final Beside beside;
    private final Telemetry telemetry;
    private final Workers workers;
    private final long step;

    private final AtomicBoolean running = new AtomicBoolean();
    private final AtomicBoolean watching = new AtomicBoolean();
    /** The size from which on a pass is worth it. */
    private volatile long threshold;
    /** Something may have been written since the last pass that copied everything. */
    private volatile boolean dirty;

    private volatile boolean wrote;
    private volatile long writtenAt;
    /** When {@code telemetry.walSize} was found. */
    private volatile long lookedAt;

    /** When it was last said in the log that writes wait. */
    private volatile long warnedAt;
    /** After a pass that failed, none begins before this. */
    private volatile long notBefore;

    private final AtomicInteger failures = new AtomicInteger();

    /**
     * Confined to the thread that has taken {@link #running}. Opened by the first pass, closed when it is quiet; with an external checkpointer it only stays
     * open.
     */
    private @Nullable Engine engine;

    private final Runnable look = this::look;

    private volatile int generation;
    private volatile boolean keptOpen;

    /** With engines as a test may have changed them. */
    public Checkpointer(Means means, Database opener, UnaryOperator<Engine> engines, SyncGate gate, Beside beside) {
        this.means = means;
        this.settings = means.settings();
        this.opener = opener;
        this.engines = engines;
        this.gate = gate;
        this.beside = beside;
        this.telemetry = means.telemetry();
        this.workers = means.workers();
        this.step = settings.walSizeLimit() / 4;
        this.threshold = settings.checkpointSize();
        long now = telemetry.now();
        this.notBefore = now;
        this.lookedAt = now - LOOK_NANOS;
        this.warnedAt = now - WARN_PERIOD_NANOS - 1;
    }

    // ---- before the writers

    /** See {@link dev.sqlitepool.internal.lane.Host#beforeTransaction}. */
    public void beforeTransaction(Lane lane, Ticket writer) throws SQLException {
        requireCurrent(lane);
        long now = telemetry.now();
        long size = size(lane, now);
        if (size < 0 || settings.inMemory()) {
            return;
        }
        wrote = true;
        if (settings.externalCheckpointer() && (!keptOpen || generation != opener.generation())) {
            startPass(false); // only to open the connection: while it is open, SQLite makes no last checkpoint
        }
        if (!settings.checkpoints()) {
            return;
        }
        dirty = true;
        writtenAt = now;
        watch(QUIET_NANOS);
        if (size > settings.walSizeLimit() && !beside.isBackupCopying()) {
            empty(lane, writer, now);
        } else if (size <= settings.checkpointSize()) {
            threshold = settings.checkpointSize();
        } else if (size > threshold && now - notBefore >= 0) {
            copy(lane, size, now);
        }
    }

    /** A transaction on a file that is not the database any more would only be refused at its end. */
    private static void requireCurrent(Lane lane) throws SQLException {
        if (!lane.engine().isCurrent()) {
            throw new SQLException(
                    "The database file has vanished or has been replaced; nothing of this was written. Begin again.",
                    "25000");
        }
    }

    /** The size of the log, or what it was a moment ago if it cannot have reached the limit since; negative if there is no log. */
    private long size(Lane lane, long now) {
        long known = telemetry.walSize;
        if (now - lookedAt < Math.min(LOOK_NANOS, (settings.walSizeLimit() - known) / FASTEST)) {
            return known;
        }
        WriteAheadLog log = lane.engine().log();
        long size = log == null ? -1 : log.size();
        if (size >= 0) {
            telemetry.walSize = size;
            lookedAt = now;
        }
        return size;
    }

    /** Copies the log, so that this transaction restarts it, unless a reader uses it. */
    private void copy(Lane lane, long size, long now) throws SQLException {
        threshold = size + step;
        try {
            if (checkpoint(lane, false)) {
                threshold = size; // until the file has shrunk, or grows all the same
                failures.set(0);
            }
        } catch (SQLException e) {
            notBefore = now + backoff();
            if (gate.isBroken()) {
                throw e;
            } // else the log may grow, up to its limit
        }
    }

    private long backoff() {
        return Math.min(LONGEST_BACKOFF_NANOS, QUIET_NANOS << Math.min(failures.get(), 10));
    }

    /** Empties the log, waiting for its readers. If that fails nothing is written, and the lane is not trusted any more. */
    private void empty(Lane lane, Ticket writer, long since) throws SQLException {
        long timeout = Settings.nanos(settings.acquireTimeout());
        boolean told = false;
        boolean copied = false;
        while (!means.life().isClosed()) {
            if (writer.isEnded()) {
                throw new CancellationException(
                        "The task was ended while it waited for readers of the write-ahead log.");
            }
            copied = copied || checkpoint(lane, false);
            if (copied && checkpoint(lane, true)) {
                telemetry.walSize = 0;
                threshold = settings.checkpointSize();
                dirty = false;
                return;
            }
            if (beside.isBackupCopying()) {
                return;
            }
            long waited = telemetry.now() - since;
            if (waited > timeout) {
                throw timedOut(writer);
            }
            if (!told && waited > TELL_NANOS) {
                told = true;
                tell();
            }
            pause(ThreadLocalRandom.current().nextLong(500_000, 1_500_000));
        }
    }

    /** Whether it did all that it can do. */
    private boolean checkpoint(Lane lane, boolean truncate) throws SQLException {
        try {
            Checkpoint done = log(lane.engine()).checkpoint(truncate);
            telemetry.checkpoints.increment();
            return done.complete();
        } catch (SQLException e) {
            requireCurrent(lane);
            if (lane.engine().failure(e) != Failure.DOUBTFUL) {
                return false; // another process, or an interrupt: the loop will see
            }
            lane.doubt(CloseReason.DISCARDED);
            failed(e);
            throw e;
        } catch (SyncFailedException e) {
            lane.doubt(CloseReason.DISCARDED);
            failed(e);
            throw new SQLException(
                    "The database could not be synced; nothing of this was written: " + e.getMessage(), "58030", e);
        }
    }

    /** The log of a database that has one, since its size was found. */
    private static WriteAheadLog log(Engine engine) {
        return Objects.requireNonNull(engine.log());
    }

    private static void pause(long nanos) throws SQLException {
        LockSupport.parkNanos(nanos);
        if (Thread.interrupted()) {
            Thread.currentThread().interrupt();
            throw Refusal.interrupted();
        }
    }

    private PoolTimeoutException timedOut(Ticket writer) {
        telemetry.timeouts.increment();
        PoolTimeoutException error =
                means.refusal().logFull(beside.label(writer), reader(), beside.mayHaveHadEffect(writer));
        telemetry.tell(listener -> listener.acquireTimedOut(error));
        return error;
    }

    private String reader() {
        Reader oldest = beside.oldestReader();
        return oldest == null
                ? "a reader outside this pool"
                : "\"" + oldest.label() + "\", which has read for " + oldest.held();
    }

    private void tell() {
        long size = telemetry.walSize;
        long now = telemetry.now();
        if (now - warnedAt > WARN_PERIOD_NANOS) {
            warnedAt = now;
            telemetry.warn(
                    "writes wait because the write-ahead log has reached its limit, " + size
                            + " bytes, and cannot shrink past " + reader()
                            + ". Read in smaller parts, set maxReadAge, or raise walSizeLimit",
                    null);
        }
        Reader oldest = beside.oldestReader();
        String reader = oldest == null ? "" : oldest.label();
        Duration held = oldest == null ? Duration.ZERO : oldest.held();
        telemetry.tell(listener -> listener.walLimitReached(size, reader, held));
    }

    // ---- beside the writers

    private void watch(long nanos) {
        if (!watching.get() && watching.compareAndSet(false, true)) {
            workers.after(nanos, look);
        }
    }

    /** On the timer: copies what there is when nobody has written for a while, so that a crash has little to recover. */
    public void look() {
        watching.set(false);
        if (means.life().isClosed() || opener.checkpointsOnlyOnWriteLane() || opener.isExclusive()) {
            return;
        }
        long now = telemetry.now();
        long wait = Math.max(QUIET_NANOS - (now - writtenAt), notBefore - now);
        if (wait > 0) {
            watch(wait);
        } else {
            startPass(true);
        }
    }

    private void startPass(boolean quiet) {
        Runnable pass = () -> pass(quiet);
        if (running.compareAndSet(false, true)) {
            workers.execute(pass);
        }
    }

    /** The file has changed, and a connection to the old one is in the way; the next pass opens another. */
    public void fileChanged() {
        if (running.compareAndSet(false, true)) {
            if (engine != null && generation != opener.generation()) {
                closeConnection();
            }
            running.set(false);
            if (means.life().isClosed()) {
                means.life().advanceClose();
            }
        }
    }

    public boolean isRunning() {
        return running.get();
    }

    /** One pass; a complete one at a quiet time closes the connection. */
    private void pass(boolean quiet) {
        try {
            if (settings.externalCheckpointer()) {
                engine = connection();
                keptOpen = true;
            } else if (dirty && !means.life().isClosed() && !(quiet && isNotWorthIt())) {
                dirty = false;
                Checkpoint done = log(connection()).checkpoint(false);
                telemetry.checkpoints.increment();
                if (!done.complete()) {
                    dirty = true;
                }
                failures.set(0);
                threshold = telemetry.walSize + step;
            }
        } catch (Throwable e) {
            dirty = true;
            failed(e);
            threshold = telemetry.walSize + step;
            notBefore = telemetry.now() + backoff();
            closeConnection();
        } finally {
            if (means.life().isClosed() || quiet && !dirty) {
                closeConnection();
            }
            running.set(false);
            if (means.life().isClosed()) {
                means.life().advanceClose();
            } else if (settings.checkpoints() && (dirty || !quiet)) {
                watch(QUIET_NANOS);
            }
        }
    }

    /** A small log is recovered in no time, and a database whose write lane is closed was copied when it closed, or will be. */
    private boolean isNotWorthIt() {
        boolean not = telemetry.walSize < SMALL_LOG || !beside.isWriterOpen();
        if (not) {
            dirty = false;
        }
        return not;
    }

    private Engine connection() throws SQLException {
        opener.look();
        if (engine != null && generation != opener.generation()) {
            closeConnection(); // to a file that is not the database any more
        }
        Engine open = engine;
        if (open == null) {
            generation = opener.generation();
            open = engines.apply(opener.open(Access.READ));
            engine = open;
        }
        return open;
    }

    private void closeConnection() {
        Engine last = engine;
        engine = null;
        if (last != null) {
            try {
                opener.close(last);
            } catch (Throwable e) { // memory may run out here, too
                telemetry.debug("the connection of the checkpointer could not be closed", e);
            }
        }
    }

    /** Tells the first time, and leaves the rest to the reader of details. */
    private void failed(Throwable error) {
        if (error instanceof SyncFailedException) {
            gate.distrust(); // a later sync proves nothing about the pages that this one lost
        }
        if (failures.getAndIncrement() == 0) {
            telemetry.warn(
                    "a checkpoint failed; the write-ahead log grows, at most to its limit, until one succeeds", error);
        } else {
            telemetry.debug("a checkpoint failed again", error);
        }
    }

    /**
     * For the pool that closes: no pass will run any more.
     *
     * @return whether the connection is closed; else {@link dev.sqlitepool.internal.Life#advanceClose} is called when it is
     */
    public boolean closed() {
        Runnable close = () -> {
            closeConnection();
            running.set(false);
            means.life().advanceClose();
        };
        if (!running.compareAndSet(false, true)) {
            return false;
        }
        boolean open = engine != null;
        if (open) {
            workers.execute(close);
        } else {
            running.set(false);
        }
        return !open;
    }

    // ---- statistics for the query planner

    /** By the lane's owner. Bounded in time; never throws. Does nothing to a database in which nobody has written. */
    public void optimize(Lane lane) {
        if (wrote && lane.doubt() == null && lane.engine().isCurrent()) {
            lane.optimize(OPTIMIZE_NANOS);
        }
    }
}
