package dev.sqlitepool.internal.engine.sqlite;

import dev.sqlitepool.Access;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.Settings.Part;
import dev.sqlitepool.internal.file.Permissions;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
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
        return database == null ? JDBC.createConnection("jdbc:sqlite::memory:", flags()) : connectTo(database, access);
    }

    private Connection connectTo(Path database, Access access) throws SQLException {
        boolean existed = hasExisted.getAsBoolean();
        Permissions.requireOpenable(database, access);
        // As a URI, so that no character of the path is taken for an option. Its mode counts for this file alone: a
        // file that has existed is not made again, but a file that a task attaches is made, on every connection.
        String mode = existed ? "?mode=rw" : "";
        try {
            return JDBC.createConnection("jdbc:sqlite:" + database.toUri() + mode, flags());
        } catch (SQLException e) {
            throw SqliteErrors.unopened(e, database);
        }
    }

    private Properties flags() {
        // NOMUTEX: a lane has one owner, and the driver has a monitor of its own.
        int mutex = settings.uses(Part.DRIVER) ? SQLiteOpenMode.NOMUTEX.flag : SQLiteOpenMode.FULLMUTEX.flag;
        int flags = SQLiteOpenMode.READWRITE.flag | SQLiteOpenMode.CREATE.flag | mutex;
        Properties properties = new Properties();
        properties.setProperty("open_mode", Integer.toString(flags));
        properties.setProperty("busy_timeout", Integer.toString(SqliteSetup.NATIVE_BUSY_MILLIS));
        return properties;
    }

    @Override
    public void requireWritable(Path found, Access access) throws SQLException {
        boolean wal = "wal".equalsIgnoreCase(settings.pragmas().get("journal_mode"));
        Permissions.requireWritable(found, access, wal);
    }
}
