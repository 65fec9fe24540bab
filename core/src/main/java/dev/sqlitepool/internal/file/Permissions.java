package dev.sqlitepool.internal.file;

import dev.sqlitepool.Access;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;

/** Whether the file system lets a connection use its database, with words where SQLite has only a number. */
public final class Permissions {
    private Permissions() {}

    /** Before a connection is opened: fails if that cannot succeed, or would succeed for reading only. */
    public static void requireOpenable(Path database, Access access) throws SQLException {
        Path directory = database.getParent();
        if (directory != null && !Files.isDirectory(directory)) {
            throw new SQLException(
                    "Cannot open " + database + ": there is no directory " + directory + ". Create it first.",
                    "08001",
                    14);
        }
        if (Files.isDirectory(database)) {
            throw new SQLException("Cannot open " + database + ": it is a directory, not a file.", "08001", 14);
        }
        if (access == Access.WRITE && isReadOnly(database)) {
            throw readOnly(database); // SQLite would open it, and refuse each write
        }
    }

    /**
     * SQLite gives the -wal and the -shm that it makes the permissions of the database. If a reader made them while the
     * database may not be written, nothing could write them when the database may be written again, and they would
     * stay. During this pool's turn, so that they do not vanish between this look and the opening.
     *
     * @param wal whether the connection will make these files if they are not there
     */
    public static void requireWritable(Path found, Access access, boolean wal) throws SQLException {
        Path log = Path.of(found + "-wal");
        boolean makesFiles = wal && (Files.notExists(log) || Files.notExists(Path.of(found + "-shm")));
        if (isReadOnly(found) && (access == Access.WRITE || makesFiles)) {
            throw readOnly(found);
        }
        if (access == Access.WRITE && isReadOnly(log)) {
            throw readOnly(log);
        }
    }

    private static boolean isReadOnly(Path path) {
        return Files.isReadable(path) && !Files.isWritable(path);
    }

    private static SQLException readOnly(Path path) {
        return new SQLException(
                "Cannot open " + path
                        + ": it is read-only. Give the permission to write, and to make files beside it in its"
                        + " directory.",
                "08001",
                8);
    }
}
