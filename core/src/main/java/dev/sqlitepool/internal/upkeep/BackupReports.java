package dev.sqlitepool.internal.upkeep;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.sqlitepool.BackupProgress;
import dev.sqlitepool.internal.Means;
import dev.sqlitepool.internal.dispatch.Held;
import dev.sqlitepool.internal.dispatch.Waiter;
import dev.sqlitepool.internal.engine.Engine.CopySize;
import dev.sqlitepool.internal.file.BackupFile;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Tells the user how far a backup has come. Thread-safe; the user's callback runs on workers, never under a lock and never twice at once.
 *
 * <p>Each look at the file plans the next one when it is done, until it has seen {@link #ended}; so there is one at most on its way.
 */
final class BackupReports {
    private static final long PERIOD_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

    private final Means means;
    private final Backup backup;
    private final BackupFile file;
    private final Consumer<? super BackupProgress> callback;

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition quiet = lock.newCondition();
    /** The callback runs. */
    @GuardedBy("lock")
    private boolean telling;

    @GuardedBy("lock")
    private boolean ended;

    private volatile CopySize size = new CopySize(1, 1);
    /** The error of the callback. */
    private volatile @Nullable Throwable refusal;

    BackupReports(Means means, Backup backup, BackupFile file, Consumer<? super BackupProgress> callback) {
        this.means = means;
        this.backup = backup;
        this.file = file;
        this.callback = callback;
    }

    @Nullable
    Throwable refusal() {
        return refusal;
    }

    /** From now on, on other threads. */
    void begin(CopySize expected) {
        size = expected;
        means.workers().execute(this::look);
    }

    /** On a worker; one that comes late finds the looks ended, and perhaps the last report on its way. */
    void look() {
        if (!enter()) {
            return;
        }
        try {
            long pages = Math.min(file.size() / size.pageBytes(), size.pages());
            tell(new BackupProgress(pages, size.pages()));
        } catch (Throwable e) {
            refusal = e;
            backup.interrupt();
        } finally {
            leave();
        }
        if (refusal == null) {
            means.workers().after(PERIOD_NANOS, () -> means.workers().execute(this::look));
        }
    }

    private void tell(BackupProgress progress) {
        Held held = Held.push(means, backup, null);
        try {
            callback.accept(progress);
        } finally {
            held.pop();
        }
    }

    private boolean enter() {
        lock.lock();
        try {
            if (ended) {
                return false;
            }
            telling = true;
            return true;
        } finally {
            lock.unlock();
        }
    }

    private void leave() {
        lock.lock();
        try {
            telling = false;
            quiet.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** Ends the looks, and waits for one that is on its way, as long as the backup is wanted. */
    void end(BooleanSupplier unwanted) {
        lock.lock();
        try {
            ended = true;
        } finally {
            lock.unlock();
        }
        await(unwanted);
    }

    private void await(BooleanSupplier unwanted) {
        boolean interrupted = false;
        lock.lock();
        try {
            while (telling && !unwanted.getAsBoolean()) {
                try {
                    long unused = quiet.awaitNanos(Waiter.LOOK_AGAIN_NANOS);
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        } finally {
            lock.unlock();
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** The last report, after {@link #end}; waits for it as long as the backup is wanted. */
    void complete(BooleanSupplier unwanted) {
        if (unwanted.getAsBoolean()) {
            return; // one that is on its way may not have come back
        }
        long pages = Math.max(1, file.size() / size.pageBytes());
        lock.lock();
        try {
            telling = true;
        } finally {
            lock.unlock();
        }
        means.workers().execute(() -> {
            try {
                tell(new BackupProgress(pages, pages));
            } catch (Throwable e) {
                refusal = e;
            } finally {
                leave();
            }
        });
        await(unwanted);
    }

    /** The backup is not wanted any more. */
    void wake() {
        lock.lock();
        try {
            quiet.signalAll();
        } finally {
            lock.unlock();
        }
    }
}
