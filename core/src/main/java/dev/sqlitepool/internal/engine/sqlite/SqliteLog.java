package dev.sqlitepool.internal.engine.sqlite;

import dev.sqlitepool.internal.engine.WriteAheadLog;
import dev.sqlitepool.internal.file.Place;
import dev.sqlitepool.internal.file.WalFile;
import java.io.IOException;
import java.io.SyncFailedException;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import org.jspecify.annotations.Nullable;
import org.sqlite.SQLiteConnection;
import org.sqlite.SQLiteErrorCode;

/**
 * The log of one connection to SQLite. A connection that only reads, or whose database has no log, has no file of it
 * open, but makes checkpoints as well. Owned by the connection's owner, except {@link #sync} and {@link #size}.
 */
final class SqliteLog implements WriteAheadLog {
    private final SQLiteConnection connection;
    private final Statement control;
    private final SqliteTransactions transactions;
    /** Looks whether the file is the database still; null in memory. */
    private @Nullable Place place;

    private @Nullable WalFile file;
    /** Its commits are left to {@link #sync}, unless a session wants SQLite to sync each. */
    private boolean gated;

    private boolean needsSync;

    SqliteLog(SQLiteConnection connection, Statement control, SqliteTransactions transactions) {
        this.connection = connection;
        this.control = control;
        this.transactions = transactions;
    }

    /** From here on it is known which file the database is. */
    void placed(Place opened) {
        place = opened;
    }

    /** The file of the log; it is closed with the connection. */
    void opened(WalFile log) {
        file = log;
    }

    /** Leaves the sync of commits to {@link #sync}. */
    void gated() throws SQLException {
        control.executeUpdate("PRAGMA synchronous=NORMAL");
        gated = true;
        needsSync = true;
    }

    /** Whether the connection has the file of the log open. */
    boolean isOpen() {
        return file != null;
    }

    @Override
    public boolean needsSync() {
        return needsSync;
    }

    @Override
    public void sync() throws IOException {
        WalFile log = file;
        if (log != null) {
            try {
                log.sync();
            } catch (WalFile.LostException e) {
                lost();
                throw e;
            }
        }
    }

    /**
     * Fails if the log is not beside its database any more. A sync looks for that; this is for commits that are synced
     * without it.
     */
    void requireInPlace() throws IOException {
        WalFile log = file;
        if (log != null && !gated) {
            try {
                log.requireThereNowAndThen();
            } catch (WalFile.LostException e) {
                lost();
                throw e;
            }
        }
    }

    private void lost() {
        Place known = place;
        if (known != null) {
            known.logLost();
        }
    }

    @Override
    public void syncByItself(boolean each) throws SQLException {
        if (gated && needsSync == each) {
            control.executeUpdate(each ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
            needsSync = !each;
        }
    }

    @Override
    public long size() {
        WalFile log = file;
        return log == null ? -1 : log.size();
    }

    @Override
    public Checkpoint checkpoint(boolean truncate) throws SQLException, SyncFailedException {
        Place known = place;
        if (known != null) {
            try {
                // the old file may have another name now, under which others use it without this log
                known.require();
            } catch (IOException e) {
                throw new SQLException("Nothing is copied: " + e.getMessage() + ".", "58030", e);
            }
        }
        transactions.endRead(); // it would be in its own way
        String mode = truncate ? "TRUNCATE" : "PASSIVE";
        if (truncate) {
            connection.setBusyTimeout(0); // it would wait with the writers' lock
        }
        try (ResultSet result = control.executeQuery("PRAGMA main.wal_checkpoint(" + mode + ")")) {
            boolean busy = !result.next() || result.getInt(1) != 0;
            long pages = result.getLong(2);
            long copied = result.getLong(3);
            return new Checkpoint(!busy && pages == copied, pages, copied);
        } catch (SQLException e) {
            int code = SqliteErrors.code(e);
            if (code == SQLiteErrorCode.SQLITE_IOERR_FSYNC.code
                    || code == SQLiteErrorCode.SQLITE_IOERR_DIR_FSYNC.code) {
                throw (SyncFailedException) new SyncFailedException(e.getMessage()).initCause(e);
            }
            throw e;
        } finally {
            if (truncate) {
                connection.setBusyTimeout(SqliteSetup.NATIVE_BUSY_MILLIS);
            }
        }
    }

    void close() throws IOException {
        WalFile log = file;
        if (log != null) {
            log.close();
        }
    }
}
