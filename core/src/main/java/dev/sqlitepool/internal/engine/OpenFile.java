package dev.sqlitepool.internal.engine;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * A database file that pools of this process use: one object for each file, whatever the paths to it. Thread-safe.
 *
 * <p>Setting up and closing SQLite connections to a file take turns, across pools: the switch to WAL wants to be alone, and while the
 * last connection closes, checkpoints and unlinks the WAL, an opening one gets SQLITE_BUSY.
 *
 * <p>A file is in the registry exactly as long as it has a use, and a connection has its use from before its first look at the
 * database until after its close. So whoever may meet there meets on the same object, and nothing stays behind.
 */
final class OpenFile {
    @GuardedBy("FILES")
    private static final Map<Object, OpenFile> FILES = new HashMap<>();

    private final Object key;
    private final ReentrantLock turn = new ReentrantLock(true);

    @GuardedBy("FILES")
    private final List<Use> uses = new ArrayList<>();

    private OpenFile(Object key) {
        this.key = key;
    }

    /**
     * Begins a connection's use of a file.
     *
     * @param owner the pool, by identity
     * @param patienceNanos the longest wait for a turn
     */
    static Use use(Path file, Object owner, String pool, long patienceNanos) {
        Object key = keyOf(file);
        synchronized (FILES) {
            OpenFile found = FILES.computeIfAbsent(key, OpenFile::new);
            Use use = found.new Use(owner, pool, patienceNanos);
            found.uses.add(use);
            return use;
        }
    }

    /** Found by {@code stat}: to open and close the file would drop the locks that SQLite holds on it in this process. */
    private static Object keyOf(Path file) {
        try {
            Object key = Files.readAttributes(file, BasicFileAttributes.class).fileKey();
            return key != null ? key : file.toRealPath();
        } catch (IOException e) {
            return file; // of a file system of SQLite's own, or gone: the name must do
        }
    }

    /** Whether a connection of a pool has the file open, so that the number of its inode is not used again. */
    static boolean isUsed(Object key) {
        synchronized (FILES) {
            return FILES.containsKey(key);
        }
    }

    /** How many files are in use. */
    static int count() {
        synchronized (FILES) {
            return FILES.size();
        }
    }

    /** What one connection has of the file. Owned by the connection's owner. */
    final class Use {
        private final Object owner;
        private final String pool;
        private final long patienceNanos;

        @GuardedBy("FILES")
        private boolean open;

        private Use(Object owner, String pool, long patienceNanos) {
            this.owner = owner;
            this.pool = pool;
            this.patienceNanos = patienceNanos;
        }

        /**
         * Waits for the turn, but not for ever behind a call that hangs: being alone is better, not necessary.
         *
         * @return whether this thread has it, and must {@link #endTurn}
         */
        boolean takeTurn() {
            long deadline = System.nanoTime() + patienceNanos;
            boolean interrupted = false;
            try {
                while (true) {
                    try {
                        return turn.tryLock(deadline - System.nanoTime(), TimeUnit.NANOSECONDS);
                    } catch (InterruptedException e) {
                        interrupted = true; // who closes beside an opening has it fail
                    }
                }
            } finally {
                if (interrupted) {
                    Thread.currentThread().interrupt();
                }
            }
        }

        /** Whether somebody waits for the turn. */
        boolean isAwaited() {
            return turn.hasQueuedThreads();
        }

        void endTurn() {
            turn.unlock();
        }

        /**
         * The connection is set up.
         *
         * @return the name of another pool that has the file open, if this is the first connection of its own pool
         */
        @Nullable
        String opened() {
            synchronized (FILES) {
                open = true;
                String other = null;
                for (Use use : uses) {
                    if (use != this && use.open && use.owner == owner) {
                        return null;
                    }
                    if (use.open && use.owner != owner && other == null) {
                        other = use.pool;
                    }
                }
                return other;
            }
        }

        /** The connection is closed. Idempotent. */
        void end() {
            synchronized (FILES) {
                if (uses.remove(this) && uses.isEmpty()) {
                    FILES.remove(key);
                }
            }
        }
    }
}
