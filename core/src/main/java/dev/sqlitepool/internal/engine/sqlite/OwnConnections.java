package dev.sqlitepool.internal.engine.sqlite;

import dev.sqlitepool.Access;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.Settings.Part;
import dev.sqlitepool.internal.file.Permissions;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Properties;
import java.util.function.BooleanSupplier;
import org.sqlite.JDBC;
import org.sqlite.SQLiteOpenMode;

/** Connections that the pool opens to a file or in memory. Thread-safe. */
final class OwnConnections implements ConnectionSource {
    private final Settings settings;
    private final BooleanSupplier hasExisted;

    /**
     * Opens nothing yet.
     *
     * @param hasExisted whether the file has been there, so that it must not be created again
     */
    OwnConnections(Settings settings, BooleanSupplier hasExisted) {
        this.settings = settings;
        this.hasExisted = hasExisted;
    }

    @Override
    public Connection open(Access access) throws SQLException {
        Path database = settings.database();
        return database == null
                ? JDBC.createConnection("jdbc:sqlite::memory:", flags(true))
                : connectTo(database, access);
    }

    private Connection connectTo(Path database, Access access) throws SQLException {
        boolean existed = hasExisted.getAsBoolean();
        boolean create = settings.opening() == Settings.Opening.CREATE;
        Permissions.requireOpenable(database, access, create);
        // As a URI, so that no character of the path is taken for an option. Its mode counts for this file alone: a
        // file that has existed is not made again, but a file that a task attaches is made, on every connection.
        String mode = settings.readOnly() ? "?mode=ro" : existed || !create ? "?mode=rw" : "";
        try {
            return connect(database, mode);
        } catch (SQLException e) {
            throw SqliteErrors.unopened(e, database);
        }
    }

    /**
     * Whether the database is in WAL mode, found without making its log. Without locks SQLite refuses to open such a database, and takes its
     * time over no other.
     */
    private boolean hasLog(Path database) throws SQLException {
        try (Connection probe = connect(database, "?mode=ro&nolock=1");
                Statement statement = probe.createStatement()) {
            statement.executeQuery("PRAGMA schema_version").close();
            return false;
        } catch (SQLException e) {
            return (SqliteErrors.code(e) & 0xff) == 14;
        }
    }

    /**
     * After the last connection that only reads: it cannot remove the empty log that it has made. One that may write, and does not, can: SQLite
     * deletes the log at the end of the last connection to a database, and of no other.
     */
    @Override
    public void tidy(Path database) throws SQLException {
        try (Connection last = connect(database, "?mode=rw");
                Statement statement = last.createStatement()) {
            statement.executeQuery("PRAGMA schema_version").close();
        }
    }

    private Connection connect(Path database, String options) throws SQLException {
        return JDBC.createConnection("jdbc:sqlite:" + database.toUri() + options, flags(!options.contains("mode=ro")));
    }

    private Properties flags(boolean writes) {
        // NOMUTEX: a lane has one owner, and the driver has a monitor of its own.
        int mutex = settings.uses(Part.DRIVER) ? SQLiteOpenMode.NOMUTEX.flag : SQLiteOpenMode.FULLMUTEX.flag;
        int access = writes ? SQLiteOpenMode.READWRITE.flag | SQLiteOpenMode.CREATE.flag : SQLiteOpenMode.READONLY.flag;
        int flags = access | mutex;
        Properties properties = new Properties();
        properties.setProperty("open_mode", Integer.toString(flags));
        properties.setProperty("busy_timeout", Integer.toString(SqliteSetup.NATIVE_BUSY_MILLIS));
        return properties;
    }

    @Override
    public void requireWritable(Path found, Access access) throws SQLException {
        if (settings.readOnly()) {
            if (Permissions.cannotMakeLog(found) && hasLog(found)) {
                throw Permissions.noLog(found);
            }
            return;
        }
        boolean wal = "wal".equalsIgnoreCase(settings.pragmas().get("journal_mode"));
        Permissions.requireWritable(found, access, wal);
    }
}
