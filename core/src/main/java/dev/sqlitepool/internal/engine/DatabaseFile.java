package dev.sqlitepool.internal.engine;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.sqlitepool.internal.engine.Opener.FileState;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;

/** Which file a pool's database is, and whether it still is that file. Thread-safe. */
final class DatabaseFile {
    /** As the first connection named it; stays null in memory and with other engines. */
    @GuardedBy("this")
    private @Nullable Path path;

    @GuardedBy("this")
    private @Nullable Identity identity;

    @GuardedBy("this")
    private boolean vanished;
    /** Raised whenever the file turns out to be gone or another: connections of an older generation are stale. */
    private volatile int generation;

    int generation() {
        return generation;
    }

    synchronized @Nullable Path path() {
        return path;
    }

    synchronized boolean hasExisted() {
        return identity != null;
    }

    /** The file that a connection has opened; every one must have opened the same. */
    synchronized void remember(Path found) throws SQLException {
        if (path == null) {
            path = found;
        } else if (!path.equals(found)) {
            throw new SQLException("The connection factory opened " + found + ", but earlier connections are to " + path
                    + "; a pool is for one database.");
        }
        try {
            if (identity == null) {
                identity = Identity.of(found);
            }
        } catch (IOException e) {
            throw new SQLException("Cannot look at the database file " + found + ": " + e, e);
        }
    }

    /** See {@link Opener#checkFile}. */
    synchronized FileState check() {
        if (path == null || identity == null) {
            return FileState.UNCHANGED;
        }
        Identity now;
        try {
            now = Identity.of(path);
        } catch (IOException e) {
            return FileState.UNCHANGED; // cannot be looked at now: that is not knowing of a change
        }
        if (now == null) {
            if (vanished) {
                return FileState.UNCHANGED;
            }
            vanished = true;
            generation++;
            return FileState.VANISHED;
        }
        boolean same = now.equals(identity);
        vanished = false;
        if (same) {
            return FileState.UNCHANGED;
        }
        identity = now;
        generation++;
        return FileState.REPLACED;
    }

    /**
     * Which file is behind a path: device and inode where the file system has them, else the time of creation. Immutable.
     *
     * <p>Found by {@code stat}, never by opening the file: closing any descriptor of a database file drops the POSIX locks that
     * SQLite holds on it in this process (<a href="https://www.sqlite.org/howtocorrupt.html">How To Corrupt, 2.2</a>).
     */
    private record Identity(Object key) {
        /** The file at the path now, null if there is none. */
        static @Nullable Identity of(Path path) throws IOException {
            try {
                BasicFileAttributes attributes = Files.readAttributes(path, BasicFileAttributes.class);
                Object key = attributes.fileKey();
                return new Identity(key != null ? key : attributes.creationTime());
            } catch (NoSuchFileException e) {
                return null;
            }
        }
    }
}
