package dev.sqlitepool.internal.session;

import dev.sqlitepool.internal.sql.SqlText;
import java.sql.SQLException;
import java.util.Locale;
import java.util.concurrent.CancellationException;
import org.jspecify.annotations.Nullable;

/** The errors for calls that a connection refuses. Stateless. */
final class Misuse {
    private Misuse() {}

    static IllegalStateException returned() {
        return new IllegalStateException(
                "This connection was returned to the pool when its function returned; use it only inside"
                        + " the function, or acquire() a lease.");
    }

    static IllegalStateException ofAnotherThread(@Nullable Thread owner) {
        return new IllegalStateException("This connection belongs to the thread that runs the function, " + owner
                + "; it was used by " + Thread.currentThread() + ".");
    }

    static CancellationException unwanted() {
        return new CancellationException("The task was ended from outside; what it had not committed is rolled back.");
    }

    static SQLException inside(Form form, SqlText sql) {
        String promise = form.name().toLowerCase(Locale.ROOT) + "(…)";
        return new SQLException(
                sql.label() + " is refused inside " + promise + ": "
                        + (sql.verb().isControl() ? control(form) : reason(sql)),
                "25001");
    }

    private static String control(Form form) {
        return form == Form.READ
                ? "its snapshot begins and ends with the function. Use connection(…) to control a transaction yourself."
                : "the pool begins and ends the transaction. To commit, let the function return; to roll back, let it throw, or call"
                        + " rollbackOnly(). For a part of it use savepoint(…); to control a transaction yourself, connection(…).";
    }

    private static String reason(SqlText sql) {
        String pragma = sql.pragma();
        if (sql.isTransactionalPragma()) {
            return "it writes, and everything here only reads. Use transaction(…) for it.";
        }
        switch (pragma) {
            case "foreign_keys":
                return "SQLite ignores it inside a transaction. Use connection(…), before a transaction begins, or"
                        + " PRAGMA defer_foreign_keys=ON inside transaction(…).";
            case "journal_mode":
            case "synchronous":
            case "temp_store":
                return "SQLite does not change it inside a transaction. For all connections use the builder.";
            case "wal_checkpoint":
                return "SQLite makes no checkpoint inside a transaction. Use connection(…) for it; the pool also makes its own.";
            case "":
                return sql.startsWith("VACUUM")
                        ? "SQLite cannot run it inside a transaction. Use connection(…) for it."
                        : "it changes the connection, which others use afterwards, and no rollback undoes that. Use connection(…) for it.";
            default:
                return "it changes the connection, which others use afterwards, and no rollback undoes that. Use connection(…) for it, or"
                        + " pragma(…) of the builder for all connections.";
        }
    }

    static SQLException insideReadOnly(SqlText sql) {
        return new SQLException(
                sql.label() + " is refused inside a read-only transaction; end the transaction first.", "25001");
    }

    static SQLException journal(SqlText sql) {
        return new SQLException(
                sql.label()
                        + " is refused: all connections of the pool rely on the journal mode of the file. Choose it with"
                        + " pragma(\"journal_mode\", …) of the builder, or change it when no pool has the file open.",
                "0A000");
    }

    static SQLException asData(SqlText sql) {
        return new SQLException(
                sql.label()
                        + " was not run: what it sets belongs to one connection, which nobody has after this call. For all"
                        + " connections use pragma(…) or onConnect(…) of the builder, for the statements that need it"
                        + " connection(…) or a lease.",
                "0A000");
    }

    static SQLException readOnly(String what, @Nullable SQLException cause) {
        return new SQLException(
                what
                        + " would write or lock the database, and this connection is read-only. Nothing was written; end the"
                        + " transaction, if one is open, and call setReadOnly(false) first.",
                "25006",
                cause == null ? 0 : cause.getErrorCode(),
                cause);
    }

    static SQLException readOnlyPool(String what, @Nullable SQLException cause) {
        return new SQLException(
                what
                        + " would write or lock the database, and the pool is read-only. Nothing was written. Read with query(…) or"
                        + " read(…), or build the pool without readOnly().",
                "25006",
                8,
                cause);
    }

    /** The transaction has been ended by SQLite after that error. */
    static SQLException ofLost(SQLException lost) {
        return new SQLException(
                "The transaction was rolled back by SQLite after an error in it (" + lost.getMessage()
                        + "); nothing of it is kept, and it cannot go on.",
                "25P02",
                lost.getErrorCode(),
                lost);
    }

    static SQLException alone() {
        return new SQLException(
                "last_insert_rowid(), changes() and total_changes() tell of one SQLite connection, and this call runs on any of"
                        + " them, with the changes of others before it. Ask inside the connection(…) or transaction(…) that"
                        + " changes something, or use INSERT … RETURNING.",
                "25000");
    }

    static SQLException elsewhere() {
        return new SQLException(
                "last_insert_rowid(), changes() and total_changes() tell of one SQLite connection, on which this function has"
                        + " changed nothing, or nothing since its last commit, after which it may continue on another. Ask before COMMIT,"
                        + " or use INSERT … RETURNING.",
                "25000");
    }

    static SQLException ofOldFile() {
        return new SQLException(
                "The database file has vanished or has been replaced, and this connection is to the old one. What it has set up"
                        + " is lost; begin again with another connection.",
                "25000");
    }

    static SQLException underCursor() {
        return new SQLException(
                "This statement needs the write connection, but a cursor is still open on the read connection of this task. Read"
                        + " its rows to the end or close it first, or use transaction(…).",
                "24000");
    }
}
