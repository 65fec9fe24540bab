package dev.sqlitepool.internal.file;

import dev.sqlitepool.internal.telemetry.Telemetry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * The {@code -wal} file of a database, for syncing what SQLite has appended to it. Thread-safe.
 *
 * <p>Syncing a descriptor syncs the file, no matter through which descriptor it was written. SQLite holds no POSIX lock
 * on the WAL, so a second descriptor of it does no harm (one of the database or the {@code -shm} file would). It is
 * opened after the connection, and closed before it: after the last connection closes the WAL is unlinked, and a kept
 * descriptor would sync an orphan, with success. An interrupt of the thread neither ends a sync nor shortens a wait.
 */
public final class WalFile {
    private static final long CLOSE_PATIENCE_SECONDS = 5;

    /**
     * How often a sync looks whether the file is the same; each such look makes the next sync slower, since it asks for
     * the file's times.
     */
    private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(10);

    private static final long THERE_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

    private final Path path;
    private final ReentrantLock lock = new ReentrantLock();
    private final SyncedFile open;
    private final Object identity;
    private volatile boolean closed;
    /** When it was last seen to be the same. */
    private long seenAt;

    private volatile long thereAt = System.nanoTime();

    /** The file is not beside its database any more: SQLite would not recover from what is synced here. */
    public static final class LostException extends IOException {
        private static final long serialVersionUID = 1;

        private LostException(String message) {
            super(message);
        }
    }

    /** Opens the WAL. It exists: the connection has read its database. */
    public WalFile(Path database, Telemetry telemetry) throws IOException {
        this.path = PathText.beside(database, "-wal");
        identity = keyOf(path);
        open = SyncedFile.open(path);
        boolean done = false;
        try {
            requireSame();
            syncDirectory(path, telemetry);
            done = true;
        } finally {
            if (!done) {
                open.close();
            }
        }
    }

    /**
     * Syncs the directory of a file, so that its entry is found again. Where a directory cannot be synced this does
     * nothing, as SQLite does.
     *
     * @return the error of a directory that could not be synced; null if there is none
     */
    static @Nullable IOException syncDirectory(Path file) {
        Path directory = file.getParent();
        if (directory != null) {
            try {
                SyncedFile.syncDirectory(directory);
            } catch (IOException e) {
                return e;
            }
        }
        return null;
    }

    /** As {@link #syncDirectory(Path)}; an error is logged. */
    static void syncDirectory(Path file, Telemetry telemetry) {
        IOException error = syncDirectory(file);
        if (error != null) {
            telemetry.debug("cannot sync the directory of " + file, error);
        }
    }

    /** Its length in bytes; negative if it cannot be told. */
    public long size() {
        try {
            return open.length();
        } catch (IOException e) {
            return -1;
        }
    }

    /** Syncs all that has been appended before the call. */
    public void sync() throws IOException {
        lock.lock();
        try {
            if (closed) {
                throw new IOException("the connection that wrote to " + path + " is closed");
            }
            open.sync();
            requireThere();
            if (System.nanoTime() - seenAt >= LOOK_NANOS) {
                requireSame();
            }
        } finally {
            lock.unlock();
            if (closed) {
                closeIfFree();
            }
        }
    }

    /** For a log that the pool does not sync: looks at most once a millisecond. */
    public void requireThereNowAndThen() throws IOException {
        long now = System.nanoTime();
        if (now - thereAt >= THERE_NANOS) {
            requireThere();
            thereAt = now;
        }
    }

    /** Does not ask for the file's times. */
    void requireThere() throws IOException {
        if (!Files.exists(path)) {
            throw new LostException(path + " is gone");
        }
    }

    private void requireSame() throws IOException {
        if (!identity.equals(keyOf(path))) {
            throw new LostException(path + " is not the file any more that it was");
        }
        seenAt = System.nanoTime();
    }

    private static Object keyOf(Path file) throws IOException {
        Object key = FileIdentity.inode(file);
        return key == null ? file : key;
    }

    /** Waits for a sync that is under way, but not for ever: a sync that hangs closes the file when it returns. */
    public void close() throws IOException {
        boolean mine = OpenFile.take(lock, TimeUnit.SECONDS.toNanos(CLOSE_PATIENCE_SECONDS));
        closed = true;
        if (mine) {
            try {
                open.close();
            } finally {
                lock.unlock();
            }
        } else {
            closeIfFree();
        }
    }

    /**
     * A close sets {@link #closed} and then looks for a sync that runs; a sync ends and then looks at {@link #closed}.
     * So one of them closes the file.
     */
    private void closeIfFree() throws IOException {
        if (lock.tryLock()) {
            try {
                open.close();
            } finally {
                lock.unlock();
            }
        }
    }
}
