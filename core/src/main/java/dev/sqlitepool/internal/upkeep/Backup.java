package dev.sqlitepool.internal.upkeep;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.sqlitepool.BackupProgress;
import dev.sqlitepool.internal.Patience;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.dispatch.Held;
import dev.sqlitepool.internal.dispatch.Lanes;
import dev.sqlitepool.internal.dispatch.Openings;
import dev.sqlitepool.internal.dispatch.Request;
import dev.sqlitepool.internal.dispatch.Routes;
import dev.sqlitepool.internal.engine.Database;
import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.engine.Engine.CopySize;
import dev.sqlitepool.internal.engine.Engine.Failure;
import dev.sqlitepool.internal.file.BackupFile;
import dev.sqlitepool.internal.lane.Interrupts;
import dev.sqlitepool.internal.lane.Lane;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.Objects;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * One backup: copies the database on a connection of its own or, if no other connection sees the database, since it is in memory or
 * locked exclusively, on the lane that does. Runs on a worker; ended from outside by any thread.
 *
 * <p>In SQLite the copying is a single statement; while it runs, {@link BackupReports} looks how large the file is. The worker that
 * copies waits for its callback only when nothing of SQLite is open any more, and only as long as the backup is wanted: one that hangs
 * holds up its own backup, and those behind it until it is cancelled.
 *
 * <p><b>Why an interrupt hits the copying alone.</b> {@link #copying} is the connection while the statement runs, changed under {@link
 * #lock}; interrupts happen under the same lock. An interrupt just before the statement begins is lost, so it is repeated until the
 * statement has ended.
 *
 * <p><b>Why nothing is left behind.</b> Whatever ends it, the worker that runs it closes the connection or gives the lane back, then
 * deletes the file unless it has published it, and only then leaves its turn, for which a closing pool waits.
 */
final class Backup extends Request<Void> {
    private final Routes routes;
    private final Backups backups;
    private final Database opener;
    private final BackupFile file;
    private final @Nullable BackupReports reports;

    private final ReentrantLock lock = new ReentrantLock();
    /** The connection on which the statement runs. */
    @GuardedBy("lock")
    private @Nullable Engine copying;

    Backup(
            Routes routes,
            Backups backups,
            Database opener,
            Path target,
            @Nullable Consumer<? super BackupProgress> progress) {
        super(routes.means());
        this.routes = routes;
        this.backups = backups;
        this.opener = opener;
        this.file = new BackupFile(target, means.telemetry());
        this.reports = progress == null ? null : new BackupReports(means, this, file, progress);
    }

    @Override
    public String label() {
        return "backup";
    }

    // ---- its end from outside

    @Override
    protected void leftQueue() {
        backups.left(this);
    }

    @Override
    protected void stop() {
        interrupt();
        if (reports != null) {
            reports.wake();
        }
    }

    /** While it waits for its turn; null if it has been ended already. */
    @Nullable
    Runnable withdraw(Throwable error) {
        return callOff() ? failed(error) : null;
    }

    @Override
    public @Nullable Runnable failed(Throwable error) {
        backups.left(this);
        return super.failed(error);
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
            means.workers().after(Interrupts.PERIOD_NANOS, this::interrupt);
        }
    }

    @Override
    public void requireOthersHoldLane() {
        requireOthersHoldQueue();
        if (Held.by(this)) {
            throw new IllegalStateException("The callback of a backup would wait for the backup, which waits for it.");
        }
    }

    // ---- its run

    /** Its turn has come; false if it has been ended before. */
    boolean takeTurn() {
        return beginRun();
    }

    void begin() {
        Lanes lanes = backups.onLane();
        if (lanes == null) {
            runOnItsOwn();
            return;
        }
        lanes.submit(this);
        if (isEndedInside() && lane() == null) {
            backups.left(this); // ended before it was in the queue
        }
    }

    @Override
    protected void granted() {
        means.workers().execute(this::runOnLane);
    }

    private void runOnLane() {
        Lane lane = Objects.requireNonNull(lane());
        Lanes where = routes.lanesOf(lane);
        Openings.Fitness fitness = where.fitness(lane, this);
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
        routes.giveBack(lane);
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
            engine = isEnded() ? null : backups.open();
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
                means.telemetry().warn("the connection of a backup could not be closed", e);
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
        Patience patience = new Patience(Settings.nanos(means.settings().busyTimeout()), means.telemetry());
        while (enter(engine)) {
            try {
                engine.copyTo(file.partial());
                return;
            } catch (SQLException e) {
                if (engine.failure(e) != Failure.BUSY || !patience.isLeft()) {
                    throw e;
                }
            } finally {
                leave();
            }
            file.delete();
            patience.park();
        }
    }

    /** From here to {@link #leave} the statement may be interrupted; false if it is not wanted any more. */
    private boolean enter(Engine engine) {
        lock.lock();
        try {
            copying = engine;
            // Ending writes the state before it reads copying, so one of the two sees the other.
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
        boolean mine = done();
        backups.left(this);
        if (mine) {
            means.telemetry().served(this, error);
            future().settle(null, error);
        }
    }

    private @Nullable Throwable refusalOr(@Nullable Throwable error) {
        Throwable refusal = reports == null ? null : reports.refusal();
        return refusal == null ? error : refusal;
    }
}
