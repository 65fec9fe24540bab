package dev.sqlitepool.internal.engine.sqlite;

import dev.sqlitepool.Access;
import dev.sqlitepool.ConnectionFactory;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.engine.Database;
import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.file.DatabaseFile;
import dev.sqlitepool.internal.file.DatabaseFile.Expected;
import dev.sqlitepool.internal.file.FileWatch;
import dev.sqlitepool.internal.file.OpenFile;
import dev.sqlitepool.internal.file.WalFile;
import dev.sqlitepool.internal.telemetry.Telemetry;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A database of SQLite, through sqlite-jdbc: a file, or in memory. Thread-safe.
 *
 * <p>Setting up and closing SQLite connections take turns, see {@link OpenFile}. Factories and hooks run outside the
 * turn, since they may hang.
 *
 * <p>A connection factory may return connections of another driver, and only an open connection tells that. {@link
 * FactoryConnections} makes their engines. This class then knows of no file, and its answers are those of a database
 * without one.
 */
public final class SqliteDatabase implements Database {
    /**
     * The wait for a turn in this process beyond that for another process: the last close may have a long WAL to
     * checkpoint.
     */
    private static final long TURN_NANOS = TimeUnit.SECONDS.toNanos(5);

    /** How often an opening begins again because the file was replaced during it. */
    private static final int TRIES = 5;

    private final Settings settings;
    private final Telemetry telemetry;
    private final Warnings warnings;
    private final FileWatch file;
    private final Hooks hooks;
    private final Connector connector;

    /** Whether one connection locks all others out, those of this pool too. */
    private volatile boolean exclusive;

    private volatile boolean truncateFirst;

    private volatile boolean checkpointsOnlyOnWriteLane;

    /** How the one connection in memory was set up. */
    private volatile @Nullable Baseline baseline;

    /**
     * Opens nothing yet.
     *
     * @param telemetry is told of the file; called under no lock
     */
    public SqliteDatabase(Settings settings, Telemetry telemetry) {
        this.settings = settings;
        this.telemetry = telemetry;
        this.warnings = new Warnings(telemetry);
        this.file = new FileWatch(settings, telemetry);
        long patienceNanos = Settings.nanos(settings.busyTimeout()) + TURN_NANOS;
        this.hooks = new Hooks(settings, patienceNanos);
        ConnectionFactory factory = settings.factory();
        ConnectionSource source = factory == null
                ? new OwnConnections(settings, file::hasExisted)
                : new FactoryConnections(factory, settings, hooks);
        this.connector = new Connector(settings, source, patienceNanos, telemetry);
        this.exclusive = "exclusive".equalsIgnoreCase(settings.pragmas().get("locking_mode"));
    }

    /** SQLite has one writer at a time. */
    @Override
    public int writeLanes() {
        return settings.readOnly() ? 0 : 1;
    }

    @Override
    public void onChange(Runnable closesStale) {
        file.onChange(closesStale);
    }

    @Override
    public int generation() {
        return file.generation();
    }

    @Override
    public @Nullable Path file() {
        return file.path();
    }

    @Override
    public void look() {
        file.look();
    }

    @Override
    public void lookAgain(long now) {
        file.lookAgain(now);
    }

    @Override
    public void end() {
        file.end();
    }

    /** True of versions of SQLite with the WAL-reset bug. */
    @Override
    public boolean checkpointsOnlyOnWriteLane() {
        return checkpointsOnlyOnWriteLane;
    }

    /** The settings say it first, then the connection that was opened last. */
    @Override
    public boolean isExclusive() {
        return exclusive;
    }

    @Override
    public void truncateWalFirst() {
        truncateFirst = true;
    }

    // ---- opening

    @Override
    public Engine open(Access access) throws SQLException {
        int tries = 1;
        while (true) {
            try {
                return open(access, file.expected());
            } catch (DatabaseFile.ChangedException e) {
                if (tries++ == TRIES) {
                    throw e;
                }
            }
        }
    }

    private Engine open(Access access, Expected expected) throws SQLException {
        Engine begun = connector.open(access);
        if (!(begun instanceof SqliteEngine engine)) {
            return begun;
        }
        boolean done = false;
        try {
            if (hooks.areBeforePragmas()) {
                admit(engine, expected); // a hook may look at the content
                hooks.beforePragmas(engine);
            }
            SqliteSetup setup = setUp(engine, access, expected);
            hooks.onConnect(engine);
            finish(engine, setup, access, expected);
            done = true;
            return engine;
        } finally {
            if (!done) {
                connector.giveUp(engine);
                tidy();
            }
        }
    }

    private void admit(SqliteEngine engine, Expected expected) throws SQLException {
        OpenFile.Use use = engine.use();
        if (use == null) {
            return;
        }
        boolean mine = use.takeTurn();
        try {
            Path named = Objects.requireNonNull(new SqliteSetup(settings, engine.driver()).databaseFile());
            engine.placed(file.admit(engine.place(), named, expected));
        } finally {
            if (mine) {
                use.endTurn();
            }
        }
    }

    private SqliteSetup setUp(SqliteEngine engine, Access access, Expected expected) throws SQLException {
        SqliteSetup setup = new SqliteSetup(settings, engine.driver());
        try {
            setUp(engine, setup, access, expected);
            return setup;
        } catch (SQLException e) {
            throw SqliteErrors.explained(e, connector.known());
        }
    }

    private void setUp(SqliteEngine engine, SqliteSetup setup, Access access, Expected expected) throws SQLException {
        Path found = setup.databaseFile();
        OpenFile.Use use = engine.use();
        if (found == null || use == null) {
            setup.apply();
            return;
        }
        look(SqliteVersion.of(engine.driver().libversion()));
        boolean mine = use.takeTurn();
        try {
            engine.placed(file.admit(engine.place(), found, expected));
            connector.requireWritable(found, access);
            setup.apply();
            file.remember(found, setup.named(found));
            if (truncateFirst && access == Access.WRITE) {
                setup.truncateWal();
                truncateFirst = false;
            }
        } finally {
            if (mine) {
                use.endTurn();
            }
        }
        String other = use.opened();
        if (other != null) {
            warnings.shared(found, other);
        }
    }

    /** A version with the WAL-reset bug must not make checkpoints beside a connection that writes. */
    void look(SqliteVersion version) {
        checkpointsOnlyOnWriteLane = version.hasWalResetBug();
        if (checkpointsOnlyOnWriteLane) {
            warnings.old(version);
        }
    }

    /** After the hooks: from here on a connection that reads refuses to write, and one that writes has its log. */
    private void finish(SqliteEngine engine, SqliteSetup setup, Access access, Expected expected) throws SQLException {
        setup.finish(access);
        exclusive = setup.isExclusive();
        if (access == Access.WRITE) {
            if (settings.preparesConnections()) {
                engine.lookForForeignCode();
            }
            openLog(engine, setup);
        }
        if (engine.place() != null) {
            file.confirm(expected);
        }
        if (settings.inMemory()) {
            baseline = new Baseline(engine);
        }
    }

    /** Where the WAL cannot be opened, SQLite syncs each commit and makes the checkpoints. */
    private void openLog(SqliteEngine engine, SqliteSetup setup) throws SQLException {
        Path found = setup.databaseFile();
        if (found != null && setup.isWal()) {
            try {
                engine.log().opened(new WalFile(found, telemetry));
                setup.boundLog(checkpointsOnlyOnWriteLane);
                if (setup.isGated()) {
                    engine.log().gated();
                }
            } catch (IOException e) {
                telemetry.debug("cannot open the WAL of " + found, e);
            }
        }
    }

    // ---- afterwards

    /** A connection is closed: the last of a pool that only reads leaves nothing behind. */
    private void tidy() {
        Path known = file.path();
        if (settings.readOnly() && known != null && !file.isOpen()) {
            connector.tidy(known);
        }
    }

    @Override
    public void restore(Engine engine) throws SQLException {
        Baseline wanted = baseline;
        if (wanted != null) {
            engine.rollback(); // should the session have failed to
            wanted.restore();
        }
    }

    @Override
    public void close(Engine engine) throws SQLException {
        look();
        try {
            connector.close(engine);
        } finally {
            tidy();
            look(); // SQLite has left the log where it was if the file was replaced by then
        }
    }
}
