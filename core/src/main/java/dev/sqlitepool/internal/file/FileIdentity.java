package dev.sqlitepool.internal.file;

import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.sql.SQLException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Which file is behind a path, links followed, and how it looked. Immutable.
 *
 * <p>The key is device and inode where the file system has them, else the real path and the time of creation. A system
 * uses the number of an inode again once the file is deleted and no process has it open.
 *
 * <p>Found by {@code stat}, never by opening the file: closing any descriptor of a database file drops the POSIX locks
 * that SQLite holds on it in this process (<a href="https://www.sqlite.org/howtocorrupt.html">How To Corrupt, 2.2</a>).
 */
record FileIdentity(Object key, boolean isInode, long size, FileTime modified) {
    /** The file at the path now, null if there is none. */
    static @Nullable FileIdentity of(Path path) throws IOException {
        try {
            BasicFileAttributes found = Files.readAttributes(path, BasicFileAttributes.class);
            Object inode = found.fileKey();
            Object key = inode != null ? inode : List.of(path.toRealPath(), found.creationTime());
            return new FileIdentity(key, inode != null, found.size(), found.lastModifiedTime());
        } catch (NoSuchFileException | NotDirectoryException e) {
            return null;
        } catch (FileSystemException e) {
            if (isBelowAFile(path)) {
                return null;
            }
            throw e;
        }
    }

    /** Device and inode of a file that exists, links followed; null if its file system has none. */
    static @Nullable Object inode(Path file) throws IOException {
        return Files.readAttributes(file, BasicFileAttributes.class).fileKey();
    }

    /** The same as {@link #of}, for an opening, which fails if the file cannot be looked at. */
    static @Nullable FileIdentity strictly(Path file) throws SQLException {
        try {
            return of(file);
        } catch (IOException e) {
            throw new SQLException("Cannot look at the database file " + file + ": " + e, e);
        }
    }

    /** The system says only "not a directory", in its own language. */
    private static boolean isBelowAFile(Path path) {
        Path directory = path.getParent();
        while (directory != null && Files.notExists(directory)) {
            directory = directory.getParent();
        }
        return directory != null && !Files.isDirectory(directory);
    }

    boolean isSameFile(FileIdentity other) {
        return key.equals(other.key);
    }

    boolean looksLike(FileIdentity other) {
        return size == other.size && modified.equals(other.modified);
    }
}
