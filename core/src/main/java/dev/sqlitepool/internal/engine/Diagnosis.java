package dev.sqlitepool.internal.engine;

import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;

/** Says why a database could not be opened, where SQLite says only "unable to open database file". Stateless. */
final class Diagnosis {
    private Diagnosis() {}

    /** The same error, or one with the same codes, the reason in words and the error as its cause. */
    static SQLException explained(SQLException error, @Nullable Path database) {
        if (database == null) {
            return error;
        }
        int code = SqliteEngine.code(error);
        String reason;
        switch (code & 0xff) {
            case 14: // SQLITE_CANTOPEN
                reason = Files.exists(database)
                        ? "no permission to read and write it, or to make files beside it in its directory"
                        : "no permission to create it in " + database.getParent();
                break;
            case 8: // SQLITE_READONLY
                reason = "it is read-only, or its directory is; the pool needs to write, even to read in WAL mode";
                break;
            case 26: // SQLITE_NOTADB
                reason = "it is not an SQLite database, or it is encrypted";
                break;
            case 11: // SQLITE_CORRUPT
                reason = "it is damaged; restore a backup, or try the sqlite3 shell's .recover";
                break;
            case 13: // SQLITE_FULL
                reason = "the disk is full";
                break;
            default:
                return error;
        }
        return new SQLException(
                "Cannot open " + database + ": " + reason + ". SQLite says: " + error.getMessage(),
                "08001",
                code,
                error);
    }
}
