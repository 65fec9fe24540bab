package dev.sqlitepool.internal.log;

import dev.sqlitepool.Access;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.PoolTimeoutException;
import dev.sqlitepool.internal.Means;
import dev.sqlitepool.internal.Patience;
import dev.sqlitepool.internal.Refusal;
import dev.sqlitepool.internal.Settings;
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
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Keeps the write-ahead log small, off the path of the commits. Thread-safe.
 *
 * <p>A task that is about to begin a write transaction looks at the size of the log's file, unless another just has. Past a few megabytes it first
 * copies the log into the database, waiting for nobody; if all is copied and no reader uses the log, SQLite restarts it with this
 * transaction, and uses the file again. So no commit contains a checkpoint, and none waits for one to be acknowledged. When nobody has
 * written for a while, the {@link QuietPass} does the same on a connection of its own, beside readers and writers. Readers can keep the log from
 * beginning anew. So at the limit the one who is about to write waits for them and empties the log; the others wait behind him for the
 * write lane. Meanwhile the log does not grow: the readers who began before come to an end, then all is copied; those who began
 * meanwhile come to an end, then the log is emptied; who begins after that reads the database itself. So the wait is for two generations
 * of readers at most.
 *
 * <p>Why the log stays within the limit: every transaction that writes begins in {@link #beforeTransaction}, and there is one at a time.
 * Only a connection that writes under a cursor of its own is let through, since it would wait for itself, and a task that writes while a
 * backup copies, which takes minutes and comes to an end. Why nobody waits for ever: the
 * wait ends with the acquire timeout, with the task, and with the pool.
 *
 * <p>Size and SQLite's own counts are both used: one tells that something is to be done, the other that it is done.
 */
public final class Checkpointer {
    /** The other parts of the pool that matter to the log. */
    public interface Beside {
        /** Whether a backup copies at this moment, and pins the log. */
        boolean isBackupCopying();

        /** The task of the pool that has read for longest; null if nothing reads. */
        @Nullable
        Reader oldestReader();

        /** What somebody who writes is called in messages. */
        String label(Ticket writer);

        /** Whether somebody who writes may have changed the database before. */
        boolean mayHaveHadEffect(Ticket writer);
    }

    /** A read that keeps its snapshot, and for how long it has. */
    public record Reader(String label, Duration held) {}

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

    private final Means means;
    private final boolean inMemory;
    private final boolean externalCheckpointer;
    /** Whether the pool itself copies the log. */
    private final boolean checkpoints;

    private final long walSizeLimit;
    /** From how many bytes of the log on it is copied. */
    private final long checkpointSize;

    private final long acquireNanos;
    private final SyncGate gate;
    private final QuietPass quietPass;
    private final Pace pace;
    private final Beside beside;
    private final Telemetry telemetry;

    private volatile boolean wrote;
    /** When {@code telemetry.walSize()} was found. */
    private volatile long lookedAt;

    /** When it was last said in the log that writes wait. */
    private volatile long warnedAt;

    public Checkpointer(Means means, SyncGate gate, QuietPass quietPass, Beside beside) {
        this.means = means;
        Settings settings = means.settings();
        this.inMemory = settings.inMemory();
        this.externalCheckpointer = settings.externalCheckpointer();
        this.checkpoints = settings.checkpoints();
        this.walSizeLimit = settings.walSizeLimit();
        this.checkpointSize = settings.checkpointSize();
        this.acquireNanos = Settings.nanos(settings.acquireTimeout());
        this.gate = gate;
        this.quietPass = quietPass;
        this.pace = quietPass.pace();
        this.beside = beside;
        this.telemetry = means.telemetry();
        long now = telemetry.now();
        this.lookedAt = now - LOOK_NANOS;
        this.warnedAt = now - WARN_PERIOD_NANOS - 1;
    }

    // ---- before the writers

    /** See {@link dev.sqlitepool.internal.lane.Host#beforeTransaction}. */
    public void beforeTransaction(Lane lane, Ticket writer) throws SQLException {
        requireCurrent(lane);
        long now = telemetry.now();
        long size = size(lane, now);
        if (size < 0 || inMemory) {
            return;
        }
        wrote = true;
        if (externalCheckpointer) {
            quietPass.keepOpen();
        }
        if (!checkpoints) {
            return;
        }
        quietPass.willWrite(now);
        if (size > walSizeLimit && !beside.isBackupCopying()) {
            empty(lane, writer, now);
        } else if (size <= checkpointSize) {
            pace.begins();
        } else if (pace.isDue(size, now)) {
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
        long known = telemetry.walSize();
        if (now - lookedAt < Math.min(LOOK_NANOS, (walSizeLimit - known) / FASTEST)) {
            return known;
        }
        WriteAheadLog log = lane.engine().log();
        long size = log == null ? -1 : log.size();
        if (size >= 0) {
            telemetry.walSize(size);
            lookedAt = now;
        }
        return size;
    }

    /** Copies the log, so that this transaction restarts it, unless a reader uses it. */
    private void copy(Lane lane, long size, long now) throws SQLException {
        pace.tried(size);
        try {
            if (checkpoint(lane, false)) {
                pace.copied(size); // until the file has shrunk, or grows all the same
                pace.succeeded();
            }
        } catch (SQLException e) {
            pace.backOff(now);
            if (gate.isBroken()) {
                throw e;
            } // else the log may grow, up to its limit
        }
    }

    /** Empties the log, waiting for its readers. If that fails nothing is written, and the lane is not trusted any more. */
    private void empty(Lane lane, Ticket writer, long since) throws SQLException {
        boolean told = false;
        boolean copied = false;
        while (!means.life().isClosed()) {
            if (writer.isEnded()) {
                throw new CancellationException(
                        "The task was ended while it waited for readers of the write-ahead log.");
            }
            copied = copied || checkpoint(lane, false);
            if (copied && checkpoint(lane, true)) {
                telemetry.walSize(0);
                pace.begins();
                quietPass.emptied();
                return;
            }
            if (beside.isBackupCopying()) {
                return;
            }
            long waited = telemetry.now() - since;
            if (waited > acquireNanos) {
                throw timedOut(writer);
            }
            if (!told && waited > TELL_NANOS) {
                told = true;
                tell();
            }
            pause();
        }
    }

    /** Whether it did all that it can do. */
    private boolean checkpoint(Lane lane, boolean truncate) throws SQLException {
        try {
            Checkpoint done = log(lane.engine()).checkpoint(truncate);
            telemetry.checkpointed(done.complete());
            return done.complete();
        } catch (SQLException e) {
            requireCurrent(lane);
            if (lane.engine().failure(e) != Failure.DOUBTFUL) {
                return false; // another process, or an interrupt: the loop will see
            }
            lane.doubt(CloseReason.DISCARDED);
            pace.failed(e);
            throw e;
        } catch (SyncFailedException e) {
            lane.doubt(CloseReason.DISCARDED);
            pace.failed(e);
            throw new SQLException(
                    "The database could not be synced; nothing of this was written: " + e.getMessage(), "58030", e);
        }
    }

    /** The log of a database that has one, since its size was found. */
    private static WriteAheadLog log(Engine engine) {
        return Objects.requireNonNull(engine.log());
    }

    private static void pause() throws SQLException {
        Patience.pause();
        if (Thread.interrupted()) {
            Thread.currentThread().interrupt();
            throw Refusal.interrupted();
        }
    }

    private PoolTimeoutException timedOut(Ticket writer) {
        telemetry.timedOut(Access.WRITE, writer);
        PoolTimeoutException error =
                means.refusal().logFull(beside.label(writer), reader(), beside.mayHaveHadEffect(writer));
        telemetry.timedOut(error);
        return error;
    }

    private String reader() {
        Reader oldest = beside.oldestReader();
        return oldest == null
                ? "a reader outside this pool"
                : "\"" + oldest.label() + "\", which has read for " + oldest.held();
    }

    private void tell() {
        long size = telemetry.walSize();
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
        telemetry.walLimitReached(size, reader, held);
    }

    // ---- statistics for the query planner

    /** By the lane's owner. Bounded in time; never throws. Does nothing to a database in which nobody has written. */
    public void optimize(Lane lane) {
        if (wrote && lane.doubt() == null && lane.engine().isCurrent()) {
            lane.optimize(OPTIMIZE_NANOS);
        }
    }
}
