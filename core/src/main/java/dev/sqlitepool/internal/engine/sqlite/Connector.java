package dev.sqlitepool.internal.engine.sqlite;

import dev.sqlitepool.Access;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.Settings.Part;
import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.file.OpenFile;
import dev.sqlitepool.internal.file.Permissions;
import dev.sqlitepool.internal.telemetry.Telemetry;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.UUID;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.sqlite.SQLiteConnection;
import org.sqlite.core.NativeDB;

/** Opens connections that have claimed their file and have not looked at its content yet, and closes them. Thread-safe. */
final class Connector {
    /** The copy of SQLite that this class uses: the driver's class that is bound to it, by identity. */
    private static final String COPY = Integer.toHexString(System.identityHashCode(NativeDB.class));

    private static final int CLOSE_TRIES = 5_000;
    private static final long CLOSE_PAUSE_NANOS = 1_000_000;

    private final Settings settings;
    private final ConnectionSource source;
    private final long patienceNanos;
    private final Telemetry telemetry;
    /** Distinguishes the pool from every other pool of this process, whatever its class loader. */
    private final String owner = UUID.randomUUID().toString();
    /** The file of the first connection, even if it could not be used. */
    private volatile @Nullable Path found;

    /**
     * Opens nothing yet.
     *
     * @param patienceNanos the longest wait for a turn
     */
    Connector(Settings settings, ConnectionSource source, long patienceNanos, Telemetry telemetry) {
        this.settings = settings;
        this.source = source;
        this.patienceNanos = patienceNanos;
        this.telemetry = telemetry;
    }

    /** The file as the user named it, or as the first connection has found it; null as long as neither is known. */
    @Nullable
    Path known() {
        return settings.database() != null ? settings.database() : found;
    }

    /**
     * Opens a connection. Its engine owns the use of the file from here on.
     *
     * @return an engine of SQLite that is not set up, or another engine that is
     */
    Engine open(Access access) throws SQLException {
        OpenFile.Use use = new OpenFile.Use(COPY, owner, settings.name(), patienceNanos);
        Connection connection = null;
        boolean done = false;
        try {
            Path known = known();
            if (known != null) {
                use.claim(known);
            }
            connection = source.open(access);
            Engine engine = engine(connection, use, access);
            done = true;
            return engine;
        } catch (SQLException e) {
            throw SqliteErrors.explained(e, settings.database()); // the error of a factory stays unchanged
        } finally {
            if (!done && connection != null) {
                source.closed(connection);
                if (!use.isRefused()) {
                    closeQuietly(connection::close);
                }
            }
            if (!done) {
                use.end();
            }
        }
    }

    private Engine engine(Connection connection, OpenFile.Use use, Access access) throws SQLException {
        if (connection.isClosed()) {
            throw new SQLException(
                    "The connection factory returned a closed connection; it must return a new, open one.");
        }
        if (!connection.isWrapperFor(SQLiteConnection.class)) {
            use.end();
            return source.other(connection, access);
        }
        SqliteVersion.requireDriver();
        SqliteEngine engine = new SqliteEngine(connection, settings.uses(Part.DRIVER));
        Path path = new SqliteSetup(settings, engine.driver()).databaseFile(); // known without a look at the database
        source.require(path);
        if (path != null) {
            if (found == null) {
                found = path;
            }
            use.begin(path);
            engine.uses(use);
        }
        return engine;
    }

    /**
     * During the turn, before the content of the file is looked at: fails if the file cannot be used as the access
     * wants it.
     */
    void requireWritable(Path file, Access access) throws SQLException {
        source.requireWritable(file, access);
    }

    /** The connection could not be set up. */
    void giveUp(SqliteEngine engine) {
        source.closed(engine.opened());
        closeQuietly(engine::close);
    }

    /** After the last connection of a pool that only reads: removes the empty log that it may have made. Never throws an {@code SQLException}. */
    void tidy(Path database) {
        OpenFile.Use use = new OpenFile.Use(COPY, owner, settings.name(), patienceNanos);
        boolean mine = false;
        try {
            use.begin(database);
            mine = use.takeTurn();
            if (Permissions.hasEmptyLog(database)) {
                source.tidy(database);
            }
        } catch (SQLException e) {
            telemetry.debug("an empty log stays beside " + database, e);
        } finally {
            use.end();
            if (mine) {
                use.endTurn();
            }
        }
    }

    void close(Engine engine) throws SQLException {
        try {
            engine.close();
        } finally {
            source.closed(engine.opened());
        }
    }

    /**
     * Closes a connection as its source has opened it, and the driver's own in it. One that stayed open for lack of memory would keep its
     * locks: for a while it is tried again.
     *
     * @param control a statement of the driver's connection
     */
    static void close(Connection opened, Connection driver, Statement control) throws SQLException {
        for (int tries = 0; ; tries++) {
            try {
                forgetInterrupt(control);
                opened.close();
                driver.close(); // in case the wrapper does not
                return;
            } catch (OutOfMemoryError | InternalError e) {
                if (tries == CLOSE_TRIES) {
                    throw e;
                }
                LockSupport.parkNanos(CLOSE_PAUSE_NANOS);
            }
        }
    }

    /**
     * SQLite remembers an interrupt until a statement begins: the last close, which copies the log, would leave it where it is. The
     * statement is one that does not look at the database, which may be one that must not be looked at.
     */
    private static void forgetInterrupt(Statement control) {
        try {
            control.executeQuery("PRAGMA database_list").close();
        } catch (SQLException e) {
            // it is closed already
        }
    }

    private interface Close {
        void run() throws SQLException;
    }

    private void closeQuietly(Close connection) {
        try {
            connection.run();
        } catch (SQLException | RuntimeException e) {
            telemetry.debug("closing a half-open connection failed", e);
        }
    }
}
