package dev.sqlitepool.internal.file;

import dev.sqlitepool.Access;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;

/** Whether the file system lets a connection use its database, with words where SQLite has only a number. */
public final class Permissions {
    /** In bytes; of the file systems in use, and of SQLite on Unix (MAX_PATHNAME), where the path of the database is that of its journal, too. */
    static final int LONGEST_NAME = PathText.hasLimit() ? 255 : Integer.MAX_VALUE;

    static final int LONGEST_PATH = PathText.hasLimit() ? 512 : Integer.MAX_VALUE;

    private static final int JOURNAL_LENGTH = "-journal".length();

    private Permissions() {}

    /** Before a connection is opened: fails if that cannot succeed, or would succeed for reading only. */
    public static void requireOpenable(Path database, Access access, boolean mayCreate) throws SQLException {
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
        if (!mayCreate && Files.notExists(database)) {
            throw new SQLException(
                    "Cannot open " + database
                            + ": there is no such file, and the pool was told not to create it. Check the"
                            + " path, or leave out fileMustExist() or readOnly().",
                    "08001",
                    14);
        }
    }

    /** Why SQLite has no room for the name of a database and of the files beside it; null if it has. */
    public static @Nullable String tooLong(Path database) {
        Path directory = database.getParent();
        Path real = database;
        try {
            real = directory == null ? database : directory.toRealPath().resolve(database.getFileName());
        } catch (IOException e) {
            // there is none
        }
        int path = PathText.length(real);
        int name = PathText.length(database.getFileName());
        if (path + JOURNAL_LENGTH > LONGEST_PATH) {
            return "its path has " + path + " bytes, without symbolic links, and SQLite has room for "
                    + (LONGEST_PATH - JOURNAL_LENGTH) + "; use a shorter one";
        }
        return name + JOURNAL_LENGTH > LONGEST_NAME
                ? "its name has " + name + " bytes, and only " + (LONGEST_NAME - JOURNAL_LENGTH)
                        + " leave room for the names of the files that SQLite makes beside it; use a shorter one"
                : null;
    }

    /**
     * Whether SQLite, to read a database in WAL mode, would need files beside it that it cannot make, or that would get its permissions, so that
     * nobody could ever write to them.
     */
    public static boolean cannotMakeLog(Path found) {
        boolean missing =
                Files.notExists(PathText.beside(found, "-wal")) || Files.notExists(PathText.beside(found, "-shm"));
        Path directory = found.getParent();
        return missing && (isReadOnly(found) || directory != null && !Files.isWritable(directory));
    }

    /** The error of an opening for which {@link #cannotMakeLog} is true of a database in WAL mode. */
    public static SQLException noLog(Path found) {
        return new SQLException(
                "Cannot open " + found
                        + ": it is in WAL mode, and the -wal and -shm that SQLite reads it with are not beside it and must"
                        + " not be made there. Before it becomes read-only, give it PRAGMA journal_mode=DELETE, or put a backup(…) of it"
                        + " here, which needs no other files.",
                "08001",
                14);
    }

    /** Whether there is a log beside the database that holds nothing, and that may be removed. */
    public static boolean hasEmptyLog(Path found) {
        try {
            return Files.size(PathText.beside(found, "-wal")) == 0 && Files.isWritable(found);
        } catch (IOException e) {
            return false;
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
        Path log = PathText.beside(found, "-wal");
        boolean makesFiles = wal && (Files.notExists(log) || Files.notExists(PathText.beside(found, "-shm")));
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
