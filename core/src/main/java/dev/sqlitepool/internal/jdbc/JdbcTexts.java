package dev.sqlitepool.internal.jdbc;

import dev.sqlitepool.internal.sql.SqlText;
import dev.sqlitepool.internal.sql.Verb;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;

/** The SQL texts that JDBC statements refuse or change, because of what the driver would do with them. Stateless. */
final class JdbcTexts {
    private JdbcTexts() {}

    /** sqlite-jdbc takes these for commands of its own, behind SQLite's back, and a restore writes over the database. */
    static void refuseDriverCommand(SqlText text) throws SQLException {
        if (text.startsWith("BACKUP") || text.startsWith("RESTORE")) {
            throw new SQLException(
                    "The driver's backup and restore commands are refused: they pass by the pool's rules."
                            + " Use SqlitePool.backup, or unwrap the driver's connection.");
        }
    }

    /** The driver would run it, and then fail because there are no rows: nobody would know of the transaction. */
    static void refuseControl(SqlText text) throws SQLException {
        if (text.verb().isControl()) {
            throw new SQLException(text.label() + " returns no rows, and was not run; use execute.", "07005");
        }
    }

    static SQLException controlInBatch() {
        return new SQLException("Transaction control is refused in a batch; use the methods of Connection.", "25001");
    }

    /** Whether a result of the statement may keep it writing. */
    static boolean mayWrite(SqlText text) {
        return text.verb() == Verb.CHANGE || text.verb() == Verb.WITH && text.returnsChanges();
    }

    /** Plain BEGIN becomes BEGIN IMMEDIATE here too. */
    static @Nullable Object[] immediate(@Nullable Object[] arguments, SqlText text) {
        if (text.verb() != Verb.BEGIN || arguments.length == 0 || !(arguments[0] instanceof String)) {
            return arguments;
        }
        @Nullable Object[] changed = arguments.clone();
        changed[0] = text.immediate().text();
        return changed;
    }

    /** The result of execute… for a statement that returns no rows and changes none. */
    static Object nothingDone(Class<?> type) {
        return type == boolean.class ? (Object) false : type == int.class ? (Object) 0 : (Object) 0L;
    }
}
