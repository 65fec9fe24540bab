package dev.sqlitepool.internal.upkeep;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.sqlitepool.Access;
import dev.sqlitepool.BackupProgress;
import dev.sqlitepool.internal.Means;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.dispatch.Lanes;
import dev.sqlitepool.internal.dispatch.Routes;
import dev.sqlitepool.internal.engine.Database;
import dev.sqlitepool.internal.engine.Engine;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * The backups of a pool, one after the other, so that there is one connection at most beside the lanes. Thread-safe.
 *
 * <p>{@link #current} is whose turn it is, from the moment it is taken out of the queue until it has left nothing open. When it leaves it
 * gives the turn to the next. After {@link #close} nobody comes in, so a pool has nothing of a backup left when there is no current one.
 */
public final class Backups {
    private final Means means;
    private final Routes routes;
    private final UnaryOperator<Engine> engines;
    private final Database opener;
    /** Where a database in memory is. */
    private final Lanes lanes;

    private final ReentrantLock lock = new ReentrantLock();

    @GuardedBy("lock")
    private final Deque<Backup> queue = new ArrayDeque<>();

    @GuardedBy("lock")
    private @Nullable Backup current;

    @GuardedBy("lock")
    private boolean closed;

    private volatile boolean copying;

    public Backups(Routes routes, Database opener, UnaryOperator<Engine> engines, Lanes lanes) {
        this.means = routes.means();
        this.routes = routes;
        this.engines = engines;
        this.opener = opener;
        this.lanes = lanes;
    }

    /** Lets a new backup in. */
    public CompletableFuture<Void> submit(Path target, @Nullable Consumer<? super BackupProgress> progress) {
        Backup backup = new Backup(routes, this, opener, target, progress);
        boolean refused;
        boolean full;
        lock.lock();
        try {
            full = queue.size() >= Math.max(1, means.settings().maxWaiters()); // one may follow the one that ends
            refused = closed || full;
            if (!refused) {
                queue.add(backup);
            }
        } finally {
            lock.unlock();
        }
        if (refused) {
            backup.refuse(
                    full ? means.refusal().exhausted(false) : means.refusal().closed(false));
        } else {
            startNext();
        }
        return backup.future();
    }

    private void startNext() {
        Backup next;
        lock.lock();
        try {
            if (current != null) {
                return;
            }
            do {
                next = queue.poll();
            } while (next != null && !next.takeTurn()); // else it has ended in the meantime
            current = next;
        } finally {
            lock.unlock();
        }
        if (next != null) {
            means.workers().execute(next::begin);
        }
    }

    /**
     * Where it is to be copied from: the lane, if no other connection can see the database, or if that is not known before the lane is
     * open; null for a connection of its own.
     */
    @Nullable
    Lanes onLane() {
        Settings settings = means.settings();
        boolean foreign = settings.factory() != null
                || !settings.beforePragmas().isEmpty()
                || !settings.onConnect().isEmpty();
        boolean unknown = settings.poolSize() == 1 && opener.file() == null && foreign;
        if (settings.readOnly()) {
            return null; // there is no lane that could
        }
        return settings.inMemory() || opener.isExclusive() || unknown ? lanes : null;
    }

    /** Whether other connections see the database, now that the lane is open. */
    boolean isSeenByOthers() {
        return opener.file() != null && !opener.isExclusive();
    }

    /** A backup has ended and left nothing open; or it has not had its turn yet. Idempotent. */
    void left(Backup backup) {
        lock.lock();
        try {
            if (current == backup) {
                current = null;
            } else {
                queue.remove(backup);
            }
        } finally {
            lock.unlock();
        }
        startNext();
        means.life().advanceClose();
    }

    /** A connection of its own for a backup. */
    Engine open() throws SQLException {
        return engines.apply(opener.open(Access.READ));
    }

    /** Whether one copies at this moment, and pins the write-ahead log. */
    public boolean isCopying() {
        return copying;
    }

    void copying(boolean now) {
        copying = now;
    }

    // ---- closing

    /** Lets nobody in any more, and returns what settles those who wait for their turn. */
    List<Runnable> close() {
        List<Backup> waiting;
        lock.lock();
        try {
            closed = true;
            waiting = new ArrayList<>(queue);
            queue.clear();
        } finally {
            lock.unlock();
        }
        List<Runnable> settles = new ArrayList<>();
        for (Backup backup : waiting) {
            Runnable settle = backup.withdraw(means.refusal().closed(false));
            if (settle != null) {
                settles.add(settle);
            }
        }
        return settles;
    }

    /** Ends the current one by force; returns what settles it. */
    @Nullable
    Runnable endByForce() {
        Backup running;
        lock.lock();
        try {
            running = current;
        } finally {
            lock.unlock();
        }
        return running == null ? null : running.revoke(ended -> means.refusal().closed(false));
    }

    /** Whether there is none and never will be. */
    boolean isTerminated() {
        lock.lock();
        try {
            return closed && current == null && queue.isEmpty();
        } finally {
            lock.unlock();
        }
    }
}
