package dev.sqlitepool.internal.engine;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import org.jspecify.annotations.Nullable;

/**
 * Which file is behind a path: device and inode where the file system has them, else the time of creation. Immutable.
 *
 * <p>Found by {@code stat}, never by opening the file: closing any descriptor of a database file drops the POSIX locks that
 * SQLite holds on it in this process (<a href="https://www.sqlite.org/howtocorrupt.html">How To Corrupt, 2.2</a>).
 */
record FileIdentity(Object key) {
    /** The file at the path now, null if there is none. */
    static @Nullable FileIdentity of(Path path) throws IOException {
        try {
            BasicFileAttributes attributes = Files.readAttributes(path, BasicFileAttributes.class);
            Object key = attributes.fileKey();
            return new FileIdentity(key != null ? key : attributes.creationTime());
        } catch (NoSuchFileException e) {
            return null;
        }
    }
}
