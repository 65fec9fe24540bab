package dev.sqlitepool.internal.pool;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.sqlitepool.Access;
import dev.sqlitepool.BackupProgress;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.engine.BackupFile;
import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.engine.Engine.CopySize;
import dev.sqlitepool.internal.engine.Engine.Failure;
import dev.sqlitepool.internal.engine.Opener;
import dev.sqlitepool.internal.lane.Interrupts;
import dev.sqlitepool.internal.lane.Lane;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.Objects;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * One backup: copies the database on a connection of its own or, if no other connection sees the database, since it is in memory or
 * locked exclusively, on the lane that does. Runs on a worker; ended from outside by any thread.
 *
 * <p>In SQLite the copying is a single statement; {@link BackupReports} looks meanwhile how large the file has become. The worker that
 * copies waits for its callback only when nothing of SQLite is open any more, and only as long as the backup is wanted: one that hangs
 * holds up its own backup, and those behind it until it is cancelled.
 *
 * <p><b>Why an interrupt hits the copying alone.</b> {@link #copying} is the connection while the statement runs, changed under {@link
 * #lock}; who interrupts does so under the same lock. An interrupt just before the statement begins is lost, so it is repeated until the
 * statement has ended.
 *
 * <p><b>Why nothing is left behind.</b> Whatever ends it, the worker that runs it closes the connection or gives the lane back, then
 * deletes the file unless it has published it, and only then leaves its turn, for which a closing pool waits.
 */
final class Backup extends Waiter implements PoolFuture.Origin {
    private final LanePool pool;
    private final Backups backups;
    private final Opener opener;
    private final BackupFile file;
    private final @Nullable BackupReports reports;
    private final PoolFuture<Void> future;
    private final @Nullable Throwable submittedAt;

    private final ReentrantLock lock = new ReentrantLock();
    /** The connection on which the statement runs. */
    @GuardedBy("lock")
    private @Nullable Engine copying;

    Backup(
            LanePool pool,
            Backups backups,
            Opener opener,
            Path target,
            @Nullable Consumer<? super BackupProgress> progress) {
        this.pool = pool;
        this.backups = backups;
        this.opener = opener;
        this.file = new BackupFile(target);
        this.reports = progress == null ? null : new BackupReports(pool, this, file, progress);
        this.future = new PoolFuture<>(pool.workers(), this);
        this.submittedAt = pool.submissionTrace();
    }

    PoolFuture<Void> future() {
        return future;
    }

    @Override
    String label() {
        return "backup";
    }

    @Override
    @Nullable
    Throwable submittedAt() {
        return submittedAt;
    }

    // ---- its end from outside

    @Override
    public boolean end(@Nullable Object value, @Nullable Throwable error) {
        while (true) {
            switch (state()) {
                case QUEUED:
                    if (move(State.QUEUED, State.ENDED)) {
                        if (lanes() != null) {
                            lanes().withdrawn();
                        }
                        pool.telemetry().cancelled.increment();
                        backups.left(this);
                        future.settleHere(value, error);
                        return true;
                    }
                    break;
                case RUNNING:
                    if (revoked()) {
                        future.settleHere(value, error);
                        return true;
                    }
                    break;
                default:
                    return false;
            }
        }
    }

    private boolean revoked() {
        boolean mine = move(State.RUNNING, State.REVOKED);
        if (mine) {
            pool.telemetry().cancelled.increment();
            interrupt();
            if (reports != null) {
                reports.wake();
            }
        }
        return mine;
    }

    @Override
    @Nullable
    Runnable revoke(Function<? super Waiter, ? extends Throwable> why) {
        if (!revoked()) {
            return null;
        }
        Throwable error = why.apply(this);
        return () -> future.settle(null, error);
    }

    /** While it waits for its turn; null if it has been ended already. */
    @Nullable
    Runnable withdraw(Throwable error) {
        return move(State.QUEUED, State.ENDED) ? failed(error) : null;
    }

    @Override
    Runnable failed(Throwable error) {
        pool.telemetry().failed.increment();
        backups.left(this);
        return () -> future.settle(null, error);
    }

    void refuse(RuntimeException error) {
        pool.telemetry().refused.increment();
        move(State.QUEUED, State.ENDED);
        future.settle(null, error);
    }

    /** Ends the statement that copies; repeated until it has ended. Who calls it has said before why it is to end. */
    void interrupt() {
        boolean again;
        lock.lock();
        try {
            again = copying != null;
            if (copying != null) {
                copying.interrupt();
            }
        } finally {
            lock.unlock();
        }
        if (again) {
            pool.workers().after(Interrupts.PERIOD_NANOS, this::interrupt);
        }
    }

    @Override
    public void requireOthersHoldLane() {
        Lanes where = lanes();
        if (where != null && state() == State.QUEUED) {
            where.requireOthersHoldLane();
        }
        if (Held.by(this)) {
            throw new IllegalStateException("The callback of a backup would wait for the backup, which waits for it.");
        }
    }

    // ---- its run

    /** Its turn has come; false if it has been ended before. */
    boolean takeTurn() {
        return move(State.QUEUED, State.RUNNING);
    }

    void begin() {
        Lanes lanes = backups.onLane();
        if (lanes == null) {
            runOnItsOwn();
            return;
        }
        lanes.submit(this);
        if (state() == State.REVOKED && lane() == null) {
            backups.left(this); // ended before it was in the queue
        }
    }

    @Override
    void granted() {
        pool.workers().execute(this::runOnLane);
    }

    private void runOnLane() {
        Lanes where = Objects.requireNonNull(lanes());
        Lane lane = Objects.requireNonNull(lane());
        Lanes.Fitness fitness = where.fitness(lane, this);
        if (!fitness.fit()) {
            if (fitness.rest() != null) {
                fitness.rest().run();
            }
            if (!fitness.again()) {
                backups.left(this);
            }
            return;
        }
        boolean alone = !backups.isSeenByOthers(); // known now
        Throwable error = alone ? copy(lane.engine()) : null;
        Runnable rest = pool.release(lane);
        if (rest != null) {
            pool.workers().execute(rest);
        }
        if (!alone) {
            runOnItsOwn();
        } else {
            finish(error);
        }
    }

    private void runOnItsOwn() {
        Engine engine;
        try {
            file.requireFree();
            engine = isEnded() ? null : pool.engines().apply(opener.open(Access.READ));
        } catch (Throwable e) {
            finish(e);
            return;
        }
        Throwable error = null;
        if (engine != null) {
            error = copy(engine);
            try {
                opener.close(engine);
            } catch (Throwable e) {
                pool.telemetry().warn("the connection of a backup could not be closed", e);
            }
        }
        finish(error);
    }

    /** Never throws; null if the copy is whole, or the backup has been ended. */
    private @Nullable Throwable copy(Engine engine) {
        try {
            file.requireFree();
            CopySize size = engine.copySize();
            if (reports != null) {
                reports.begin(size);
            }
            copyPatiently(engine);
            return null;
        } catch (Throwable e) {
            return e;
        }
    }

    /** Waits for other processes, as every statement does, as long as nothing has been copied. */
    private void copyPatiently(Engine engine) throws SQLException {
        long deadline = System.nanoTime() + Settings.nanos(pool.settings().busyTimeout());
        while (enter(engine)) {
            try {
                engine.copyTo(file.partial());
                return;
            } catch (SQLException e) {
                if (engine.failure(e) != Failure.BUSY || System.nanoTime() - deadline >= 0) {
                    throw e;
                }
            } finally {
                leave();
            }
            pool.telemetry().busyRetries.increment();
            file.delete();
            LockSupport.parkNanos(ThreadLocalRandom.current().nextLong(500_000, 1_500_000));
        }
    }

    /** From here to {@link #leave} the statement may be interrupted; false if it is not wanted any more. */
    private boolean enter(Engine engine) {
        lock.lock();
        try {
            copying = engine;
            // Who ends it says so before he looks at copying: one of the two sees the other.
            if (isUnwanted()) {
                copying = null;
            }
            backups.copying(copying != null);
            return copying != null;
        } finally {
            lock.unlock();
        }
    }

    private boolean isUnwanted() {
        return isEnded() || reports != null && reports.refusal() != null;
    }

    private void leave() {
        lock.lock();
        try {
            copying = null;
            backups.copying(false);
        } finally {
            lock.unlock();
        }
    }

    /** With nothing of SQLite open any more. */
    private void finish(@Nullable Throwable failure) {
        Throwable error = failure;
        try {
            if (reports != null) {
                reports.end(this::isEnded);
            }
            error = refusalOr(error);
            if (error == null && !isEnded()) {
                file.sync();
                if (reports != null) {
                    reports.complete(this::isEnded);
                }
                error = refusalOr(null);
            }
            if (error == null && beginCommit()) {
                file.publish();
            }
        } catch (Throwable e) {
            error = e;
        }
        file.delete();
        boolean mine = move(State.COMMITTING, State.DONE) || move(State.RUNNING, State.DONE);
        backups.left(this);
        if (mine) {
            (error == null ? pool.telemetry().completed : pool.telemetry().failed).increment();
            future.settle(null, error);
        }
    }

    private @Nullable Throwable refusalOr(@Nullable Throwable error) {
        Throwable refusal = reports == null ? null : reports.refusal();
        return refusal == null ? error : refusal;
    }
}
