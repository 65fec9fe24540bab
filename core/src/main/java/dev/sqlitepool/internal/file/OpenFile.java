package dev.sqlitepool.internal.file;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.sqlitepool.internal.file.FileHolders.Holder;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * A database file that pools of this process use: one object for each file, whatever the paths to it. Thread-safe.
 *
 * <p>Setting up and closing SQLite connections to a file take turns, across pools: the switch to WAL wants to be alone,
 * and while the last connection closes, checkpoints and unlinks the WAL, an opening one gets SQLITE_BUSY. Pools of
 * another class loader do not take part in the turns; what they do is repeated, as for another process.
 *
 * <p>A file is here exactly as long as it has a use, and a connection has its use from before its first look at the
 * database until after its close. So connections that may meet there meet on the same object, and nothing stays behind.
 * The uses of all class loaders are in {@link FileHolders}.
 */
public final class OpenFile {
    @GuardedBy("FILES")
    private static final Map<String, OpenFile> FILES = new HashMap<>();

    private final String key;
    private final ReentrantLock turn = new ReentrantLock(true);

    @GuardedBy("FILES")
    private int uses;

    private OpenFile(String key) {
        this.key = key;
    }

    /**
     * A file by its device and inode; null if no pool uses it. As long as it is the same object, one of its uses goes
     * on.
     */
    static @Nullable OpenFile of(Object key) {
        synchronized (FILES) {
            return FILES.get(key.toString());
        }
    }

    /** How many files are in use. */
    static int count() {
        synchronized (FILES) {
            return FILES.size();
        }
    }

    private static OpenFile enter(String key) {
        synchronized (FILES) {
            OpenFile file = FILES.computeIfAbsent(key, OpenFile::new);
            file.uses++;
            return file;
        }
    }

    private void leave() {
        synchronized (FILES) {
            if (--uses == 0) {
                FILES.remove(key);
            }
        }
    }

    /** Waits for a lock, but not for ever, and not shorter because of an interrupt, which is kept. */
    static boolean take(ReentrantLock lock, long patienceNanos) {
        long deadline = System.nanoTime() + patienceNanos;
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    return lock.tryLock(deadline - System.nanoTime(), TimeUnit.NANOSECONDS);
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /**
     * The names under which a file is found, the last of them the best: its path without links, and its device and
     * inode if it exists and has them. Found by {@code stat}: to open and close the file would drop the locks that
     * SQLite holds on it in this process.
     */
    private static Set<String> names(Path file) {
        Set<String> names = new LinkedHashSet<>();
        names.add(PathText.of(withoutLinks(file)));
        try {
            Object key = FileIdentity.inode(file);
            if (key != null) {
                names.add(key.toString());
            }
        } catch (IOException e) {
            // of a file system of SQLite's own, or not there: the path must do
        }
        return names;
    }

    private static Path withoutLinks(Path file) {
        try {
            return file.toRealPath();
        } catch (IOException e) {
            Path directory = file.getParent();
            try {
                return directory == null ? file : directory.toRealPath().resolve(file.getFileName());
            } catch (IOException | RuntimeException none) {
                return file;
            }
        }
    }

    /** One connection's use of a file. Owned by the connection's owner. */
    public static final class Use {
        private final long patienceNanos;
        private final Set<String> names = new LinkedHashSet<>();
        private Holder holder;
        private boolean refused;
        /** Null before {@link #begin}. */
        private @Nullable OpenFile file;

        private boolean ended;

        /**
         * Has no file yet.
         *
         * @param copy the copy of SQLite that opens the connection, as no other copy of the process is called
         * @param owner the pool, as no other pool of the process is called
         * @param pool its name
         * @param patienceNanos the longest wait for a turn
         */
        public Use(String copy, String owner, String pool, long patienceNanos) {
            this.holder = new Holder(copy, owner, false, pool);
            this.patienceNanos = patienceNanos;
        }

        /**
         * Claims the file that is going to be opened, or has been. Fails if another copy of SQLite in this process has
         * it open.
         */
        public void claim(Path path) throws SQLException {
            for (String name : names(path)) {
                if (names.contains(name)) {
                    continue;
                }
                Holder other = FileHolders.add(name, holder);
                if (other != null) {
                    refused = true;
                    throw new SQLException(
                            "Cannot open " + path + ": the pool " + other.pool()
                                    + " of this process has it open through another copy of SQLite, and two copies damage a"
                                    + " database. The driver sqlite-jdbc has been loaded by two class loaders. Load it once:"
                                    + " put its jar where a class loader that both share finds it, such as the container's"
                                    + " directory for shared libraries, and leave it out of the applications. Or close that"
                                    + " pool first.",
                            "08001");
                }
                names.add(name);
            }
        }

        /**
         * Whether a claim was refused: then what has been opened already must stay open, since to close it drops the
         * locks of the other copy.
         */
        public boolean isRefused() {
            return refused;
        }

        /** The file has been opened. Claims it, and takes part in the turns from here on. */
        public void begin(Path path) throws SQLException {
            claim(path);
            String best = "";
            for (String name : names(path)) {
                best = name;
            }
            file = enter(best);
        }

        /**
         * Waits for the turn, but not for ever behind a call that hangs: to be alone is better, but not necessary. A
         * close beside an opening makes that fail, so an interrupt does not end the wait.
         *
         * @return whether this thread has it, and must {@link #endTurn}
         */
        public boolean takeTurn() {
            return file != null && take(file.turn, patienceNanos);
        }

        /** Whether a thread waits for the turn. */
        public boolean isAwaited() {
            return file != null && file.turn.hasQueuedThreads();
        }

        public void endTurn() {
            if (file != null) {
                file.turn.unlock();
            }
        }

        /**
         * The connection is set up.
         *
         * @return the name of another pool that has the file open, if this is the first connection of its own pool
         */
        public @Nullable String opened() {
            Holder open = holder.opened();
            String other = null;
            boolean first = true;
            for (String name : names) {
                for (Holder each : FileHolders.replace(name, holder, open)) {
                    if (each.open() && each.owner().equals(holder.owner())) {
                        first = false;
                    } else if (each.open() && other == null) {
                        other = each.pool();
                    }
                }
            }
            holder = open;
            return first ? other : null;
        }

        /** The connection is closed. Idempotent. */
        public void end() {
            names.forEach(name -> FileHolders.remove(name, holder));
            names.clear();
            if (file != null && !ended) {
                file.leave();
            }
            ended = true; // a turn is still to be ended, if it was taken
        }
    }
}
