package dev.sqlitepool.internal.engine.sqlite;

import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.engine.Engine.Failure;
import dev.sqlitepool.internal.file.Permissions;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;
import org.sqlite.SQLiteErrorCode;
import org.sqlite.SQLiteException;

/** The meaning of the errors of SQLite, with words for those of an opening. */
final class SqliteErrors {
    private SqliteErrors() {}

    /** The extended result code, 0 if the error is not SQLite's. */
    static int code(SQLException error) {
        return error instanceof SQLiteException sqlite ? sqlite.getResultCode().code : 0;
    }

    /** The meaning of an error of a connection. */
    static Failure failure(SQLException error, Engine engine) {
        int code = code(error);
        switch (code & 0xff) {
            case 5: // SQLITE_BUSY; a stale snapshot stays stale however often the statement is repeated
                return code == SQLiteErrorCode.SQLITE_BUSY_SNAPSHOT.code ? Failure.ORDINARY : Failure.BUSY;
            case 8: // SQLITE_READONLY; the extended codes are about files, not about query_only
                return code == 8 ? Failure.READ_ONLY : Failure.DOUBTFUL;
            case 9: // SQLITE_INTERRUPT
                return Failure.INTERRUPTED;
            case 7: // SQLITE_NOMEM
            case 10: // SQLITE_IOERR
            case 11: // SQLITE_CORRUPT
            case 13: // SQLITE_FULL
            case 14: // SQLITE_CANTOPEN
            case 15: // SQLITE_PROTOCOL
            case 26: // SQLITE_NOTADB
                return Failure.DOUBTFUL;
            case 19: // SQLITE_CONSTRAINT
                return Failure.CONSTRAINT;
            default:
                return engine.isClosed() ? Failure.DOUBTFUL : Failure.ORDINARY;
        }
    }

    /**
     * Says why a database could not be opened, where SQLite says only "unable to open database file": the same error,
     * or one with the same codes, the reason in words and the error as its cause.
     */
    static SQLException explained(SQLException error, @Nullable Path database) {
        if (database == null) {
            return error;
        }
        int code = code(error);
        String reason;
        switch (code & 0xff) {
            case 14: // SQLITE_CANTOPEN
                String tooLong = Permissions.tooLong(database);
                reason = tooLong != null
                        ? tooLong
                        : Files.exists(database)
                                ? "no permission to read and write it, or to make files beside it in its directory"
                                : "no permission to create it in " + database.getParent();
                break;
            case 8: // SQLITE_READONLY
                reason = "it is read-only, or its directory is; the pool needs to write, even to read in WAL mode";
                break;
            case 26: // SQLITE_NOTADB
                reason =
                        "it is not an SQLite database, or it is encrypted and the key is missing or wrong; a key is given"
                                + " in beforePragmas(…)";
                break;
            case 11: // SQLITE_CORRUPT
                reason = "it is damaged; restore a backup, or try the sqlite3 shell's .recover";
                break;
            case 13: // SQLITE_FULL
                reason = "the disk is full";
                break;
            case 7: // SQLITE_NOMEM
                reason = "there is no memory for it";
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

    /**
     * Says which database the driver could not open. Without memory it finds no words for what SQLite has said, and
     * says something else, such as that the database has been closed.
     */
    static SQLException unopened(SQLException error, Path database) {
        return error instanceof SQLiteException
                ? error
                : new SQLException(
                        "Cannot open " + database
                                + ": the driver has failed, as it does when there is no memory. It says: "
                                + error.getMessage(),
                        "08001",
                        0,
                        error);
    }
}
