package dev.sqlitepool.internal.engine.sqlite;

import java.sql.SQLException;
import java.util.HashMap;
import java.util.Map;
import org.sqlite.SQLiteConnection;
import org.sqlite.SQLiteErrorCode;
import org.sqlite.core.Codes;
import org.sqlite.core.CoreStatement;
import org.sqlite.core.DB;

/**
 * Begins, divides and ends the transactions of one connection. Owned by the connection's owner.
 *
 * <p><b>The read lock between transactions.</b> In WAL mode most of the system calls for locks that a small transaction
 * costs, four of six, take and leave the read lock. A SELECT that stands on a row keeps it beyond COMMIT, and the next
 * BEGIN finds it there: still at the end of the log, since no other connection writes, or it fails with {@code
 * SQLITE_BUSY_SNAPSHOT} because another process has, and is repeated without. The SELECT runs between a COMMIT and the
 * BEGIN that follows, and at no other time, so no statement of a user ever runs beside it. After some transactions the
 * lock is taken again, so that the checkpoints of other processes get past it.
 */
final class SqliteTransactions {
    /** Stands on a row in every database that has a table. */
    private static final String STAY = "SELECT 1 FROM main.sqlite_schema";
    /** After how many transactions the read lock is taken again. */
    private static final int STAYS = 64;
    /** Savepoints inside each other beyond this number are rare, and their statements are not kept. */
    private static final int KEPT_LEVELS = 8;

    private final SQLiteConnection connection;
    private final Map<String, CoreStatement> commands = new HashMap<>();
    /** {@link #STAY} stands on its row. */
    private boolean reading;

    private int stays;

    SqliteTransactions(SQLiteConnection connection) {
        this.connection = connection;
    }

    void begin(boolean write) throws SQLException {
        String begin = write ? "BEGIN IMMEDIATE" : "BEGIN";
        boolean read = reading;
        try {
            command(begin);
        } catch (SQLException e) {
            endRead();
            if (!read || SqliteErrors.code(e) != SQLiteErrorCode.SQLITE_BUSY_SNAPSHOT.code) {
                throw e;
            }
            command(begin);
        }
        endRead();
    }

    /**
     * Commits.
     *
     * @param stay whether to keep the read lock until {@link #begin} or {@link #endRead}
     */
    void commit(boolean stay) throws SQLException {
        boolean read = stay && ++stays % STAYS != 0 && startReading();
        try {
            command("COMMIT");
            reading = read;
        } finally {
            if (read && !reading) {
                reset(STAY);
            }
        }
    }

    /** Whether it reads now; not an empty database, nor after an error, which the commit has too if it lasts. */
    private boolean startReading() throws SQLException {
        boolean read = prepared(STAY).pointer.safeRunInt(DB::step) == Codes.SQLITE_ROW;
        if (!read) {
            reset(STAY);
        }
        return read;
    }

    boolean isReading() {
        return reading;
    }

    /** Leaves the read lock, if it was kept. */
    void endRead() {
        if (reading) {
            reading = false;
            reset(STAY);
        }
    }

    private void reset(String sql) {
        while (true) {
            try {
                prepared(sql).pointer.safeRunInt(DB::reset);
                return;
            } catch (SQLException e) {
                return; // the connection is closed, and its statements with it
            } catch (OutOfMemoryError | InternalError e) {
                // to reset it twice does no harm, and a lock that was kept would
            }
        }
    }

    void rollback() throws SQLException {
        try {
            command("ROLLBACK");
        } catch (SQLException e) {
            // SQLITE_ERROR: "cannot rollback - no transaction is active", SQLite has rolled back already.
            if (SqliteErrors.code(e) != SQLiteErrorCode.SQLITE_ERROR.code) {
                throw e;
            }
        }
    }

    /**
     * Asks SQLite: the driver does not expose sqlite3_get_autocommit(), but BEGIN fails with SQLITE_ERROR inside a
     * transaction.
     */
    boolean isOpen() throws SQLException {
        try {
            command("BEGIN");
        } catch (SQLException e) {
            if (SqliteErrors.code(e) == SQLiteErrorCode.SQLITE_ERROR.code) {
                return true;
            }
            throw e;
        }
        command("ROLLBACK");
        return false;
    }

    /** Opens or ends the savepoint of a level. */
    void savepoint(String verb, int level) throws SQLException {
        String sql = verb + " sqlitepool_" + level;
        try {
            command(sql);
        } finally {
            if (level > KEPT_LEVELS) {
                CoreStatement statement = commands.remove(sql);
                if (statement != null) {
                    statement.pointer.close();
                }
            }
        }
    }

    /** Runs a statement without rows or parameters: prepared once, since it would take as long to prepare as to run. */
    void command(String sql) throws SQLException {
        CoreStatement statement = prepared(sql);
        DB db = statement.getDatabase();
        try {
            int code = statement.pointer.safeRunInt(DB::step);
            if (code != Codes.SQLITE_DONE) {
                db.throwex(code);
            }
        } finally {
            statement.pointer.safeRunInt(DB::reset); // gives the error of the step again, which is thrown already
        }
    }

    private CoreStatement prepared(String sql) throws SQLException {
        CoreStatement statement = commands.get(sql);
        if (statement == null) {
            statement = (CoreStatement) connection.prepareStatement(sql);
            commands.put(sql, statement);
        }
        return statement;
    }
}
