package dev.sqlitepool.internal.engine;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.sqlitepool.Access;
import dev.sqlitepool.ConnectionFactory;
import dev.sqlitepool.PoolListener;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.Settings.Part;
import dev.sqlitepool.internal.file.DatabaseFile;
import dev.sqlitepool.internal.file.DatabaseFile.Expected;
import dev.sqlitepool.internal.file.FileWatch;
import dev.sqlitepool.internal.file.OpenFile;
import dev.sqlitepool.internal.file.WalFile;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Objects;
import java.util.Properties;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.sqlite.JDBC;
import org.sqlite.SQLiteConnection;
import org.sqlite.SQLiteOpenMode;
import org.sqlite.core.NativeDB;

/**
 * Opens and closes the physical connections of one database, and knows which file that is. Thread-safe.
 *
 * <p>Setting up and closing SQLite connections take turns, see {@link OpenFile}. Factories and hooks run outside the turn, since
 * they may hang.
 */
public final class Opener {
    private static final System.Logger LOG = System.getLogger("dev.sqlitepool");

    /** How much longer than for another process one waits for a turn in this one: the last close may have a long WAL to checkpoint. */
    private static final long TURN_NANOS = TimeUnit.SECONDS.toNanos(5);

    /** The copy of SQLite that this class uses: the driver's class that is bound to it, by identity. */
    private static final String COPY = Integer.toHexString(System.identityHashCode(NativeDB.class));

    /** How often an opening begins again because the file was replaced meanwhile. */
    private static final int TRIES = 5;

    private final Settings settings;
    private final Consumer<Consumer<PoolListener>> events;
    private final AtomicBoolean saidShared = new AtomicBoolean();
    private final AtomicBoolean saidOld = new AtomicBoolean();

    private final FileWatch file;

    /** The pool, as no other pool of this process is called, whatever its class loader. */
    private final String owner = UUID.randomUUID().toString();
    /** The file that the first connection was to, even if it could not be used. */
    private volatile @Nullable Path found;

    /** One connection locks all others out, those of this pool too. */
    private volatile boolean exclusive;

    @GuardedBy("open")
    private final Set<Connection> open = Collections.newSetFromMap(new IdentityHashMap<>());

    private volatile boolean truncateFirst;

    private volatile boolean checkpointsOnlyOnWriteLane;

    /** Of the one connection in memory. */
    private volatile @Nullable Baseline baseline;

    /**
     * Opens nothing yet.
     *
     * @param events is given what the listener shall be told; called under no lock
     */
    public Opener(Settings settings, Consumer<Consumer<PoolListener>> events) {
        this.settings = settings;
        this.events = events;
        this.file = new FileWatch(settings, events);
        this.exclusive = "exclusive".equalsIgnoreCase(settings.pragmas().get("locking_mode"));
    }

    /** See {@link FileWatch#onChange}. */
    public void onChange(Runnable closesStale) {
        file.onChange(closesStale);
    }

    /** The generation that a connection opened now would have. */
    public int generation() {
        return file.generation();
    }

    /** The database file, null as long as none is known. */
    public @Nullable Path file() {
        return file.path();
    }

    /** See {@link FileWatch#look}. */
    public void look() {
        file.look();
    }

    /** See {@link FileWatch#end}. */
    public void end() {
        file.end();
    }

    /** See {@link FileWatch#lookAgain}. */
    public void lookAgain(long now) {
        file.lookAgain(now);
    }

    /** Whether this SQLite may damage the database if another connection checkpoints beside the one that writes. */
    public boolean checkpointsOnlyOnWriteLane() {
        return checkpointsOnlyOnWriteLane;
    }

    /** Whether the one connection of the pool locks all others out: as the settings say, or as the connection opened last. */
    public boolean isExclusive() {
        return exclusive;
    }

    /** A sync of the WAL has failed: the next writer puts everything into the database file before it is used. */
    public void truncateWalFirst() {
        truncateFirst = true;
    }

    /** Opens a connection that is set up and verified for its access. */
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
        Engine engine = begin(access);
        boolean done = false;
        try {
            if (!settings.beforePragmas().isEmpty()) {
                admit(engine, expected); // a hook may look at the content
                Hooks.run("beforePragmas", settings.beforePragmas(), engine, patienceNanos());
            }
            SqliteSetup setup = setUp(engine, access, expected);
            Hooks.run("onConnect", settings.onConnect(), engine, patienceNanos());
            finish(engine, setup, access, expected);
            done = true;
            return engine;
        } finally {
            if (!done) {
                giveUp(engine);
            }
        }
    }

    private void admit(Engine engine, Expected expected) throws SQLException {
        OpenFile.Use use = engine instanceof SqliteEngine sqlite ? sqlite.use() : null;
        Path known = found;
        if (use == null || known == null) {
            return;
        }
        SqliteEngine sqlite = (SqliteEngine) engine;
        boolean mine = use.takeTurn();
        try {
            Path named = Objects.requireNonNull(new SqliteSetup(settings, sqlite.driver()).databaseFile());
            sqlite.placed(file.admit(sqlite.place(), named, expected));
        } finally {
            if (mine) {
                use.endTurn();
            }
        }
    }

    private long patienceNanos() {
        return Settings.nanos(settings.busyTimeout()) + TURN_NANOS;
    }

    /** Nothing has looked at the content of the database yet. From here on the engine owns the use of the file. */
    private Engine begin(Access access) throws SQLException {
        OpenFile.Use use = new OpenFile.Use(COPY, owner, settings.name(), patienceNanos());
        Connection connection = null;
        boolean done = false;
        try {
            Path known = settings.database() != null ? settings.database() : found;
            if (known != null) {
                use.claim(known);
            }
            connection = connect(access);
            Engine engine = engine(connection, use);
            done = true;
            return engine;
        } catch (SQLException e) {
            throw SqliteSetup.explained(e, settings.database()); // what a factory throws stays as it is
        } finally {
            if (!done && connection != null) {
                forget(connection);
                if (!use.isRefused()) {
                    closeQuietly(connection::close);
                }
            }
            if (!done) {
                use.end();
            }
        }
    }

    private Engine engine(Connection connection, OpenFile.Use use) throws SQLException {
        if (connection.isClosed()) {
            throw new SQLException(
                    "The connection factory returned a closed connection; it must return a new, open one.");
        }
        if (!connection.isWrapperFor(SQLiteConnection.class)) {
            use.end();
            return new JdbcEngine(connection);
        }
        SqliteEngine engine = new SqliteEngine(connection, settings.uses(Part.DRIVER));
        Path path = new SqliteSetup(settings, engine.driver()).databaseFile(); // known without a look at the database
        requireFile(path);
        if (path != null) {
            if (found == null) {
                found = path;
            }
            use.begin(path);
            engine.uses(use);
        }
        return engine;
    }

    /** Returns null for an engine that has nothing to set up. */
    private @Nullable SqliteSetup setUp(Engine engine, Access access, Expected expected) throws SQLException {
        if (!(engine instanceof SqliteEngine sqlite)) {
            return null;
        }
        SqliteSetup setup = new SqliteSetup(settings, sqlite.driver());
        try {
            setUp(sqlite, setup, access, expected);
            return setup;
        } catch (SQLException e) {
            throw SqliteSetup.explained(e, settings.database() != null ? settings.database() : found);
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
            requireWritable(found, access);
            setup.apply();
            file.remember(found, named(engine.driver(), found));
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
        if (other != null && saidShared.compareAndSet(false, true)) {
            warn("the database file " + found + " is open in the pool " + other
                    + " of this process too. Give one pool to all who"
                    + " use the file: between two pools, writers wait for each other as for another process, and get SQLITE_BUSY"
                    + " after the busyTimeout.");
            events.accept(listener -> listener.databaseShared(found, other));
        }
    }

    /** What is to be known about the version, said once for each pool. */
    void look(SqliteVersion version) {
        checkpointsOnlyOnWriteLane = version.hasWalResetBug();
        if (checkpointsOnlyOnWriteLane && saidOld.compareAndSet(false, true)) {
            warn(
                    "SQLite " + version
                            + " has the WAL-reset bug, which can damage a database that several connections write and"
                            + " checkpoint. Update sqlite-jdbc, to one with SQLite 3.51.3 or later (3.50.7 and 3.44.6 are sound too).");
        }
    }

    private void warn(String what) {
        LOG.log(System.Logger.Level.WARNING, () -> settings.name() + ": " + what);
    }

    /** After the hooks: from here on a connection that reads refuses to write, and one that writes has its log. */
    private void finish(Engine engine, @Nullable SqliteSetup setup, Access access, Expected expected)
            throws SQLException {
        if (setup == null) {
            if (access == Access.READ) {
                engine.refuseWrites(true);
            }
            return;
        }
        setup.finish(access);
        exclusive = setup.isExclusive();
        SqliteEngine sqlite = (SqliteEngine) engine;
        if (access == Access.WRITE) {
            if (settings.preparesConnections()) {
                sqlite.lookForForeignCode();
            }
            openLog(sqlite, setup);
        }
        if (sqlite.place() != null) {
            file.confirm(expected);
        }
        if (settings.inMemory()) {
            baseline = new Baseline(sqlite);
        }
    }

    /** Where the WAL cannot be opened, SQLite syncs each commit and makes checkpoints by itself. */
    private void openLog(SqliteEngine engine, SqliteSetup setup) throws SQLException {
        Path found = setup.databaseFile();
        if (found != null && setup.isWal()) {
            try {
                engine.logs(new WalFile(found));
                setup.boundLog(checkpointsOnlyOnWriteLane);
                if (setup.isGated()) {
                    engine.gated();
                }
            } catch (IOException e) {
                LOG.log(System.Logger.Level.DEBUG, "cannot open the WAL of " + found, e);
            }
        }
    }

    private void giveUp(Engine engine) {
        forget(engine.opened());
        closeQuietly(engine::close);
    }

    private Connection connect(Access access) throws SQLException {
        ConnectionFactory factory = settings.factory();
        if (factory == null) {
            Path database = settings.database();
            return adopt(database == null ? connectInMemory() : connectTo(database, access));
        }
        Connection connection;
        try {
            connection = factory.open(access);
        } finally {
            Thread.interrupted(); // what it has done to this thread of the pool is not for what follows
        }
        if (connection == null) {
            throw new SQLException("The connection factory returned null; it must return a new, open connection.");
        }
        return adopt(connection);
    }

    private Connection adopt(Connection connection) throws SQLException {
        synchronized (open) {
            if (!open.add(connection)) {
                throw new SQLException(
                        "The connection factory returned the same connection twice; it must return a new one each time.");
            }
        }
        return connection;
    }

    private void forget(Connection connection) {
        synchronized (open) {
            open.remove(connection);
        }
    }

    private Connection connectInMemory() throws SQLException {
        return JDBC.createConnection("jdbc:sqlite::memory:", flags());
    }

    private Connection connectTo(Path database, Access access) throws SQLException {
        boolean existed = file.hasExisted();
        Path directory = database.getParent();
        if (directory != null && !Files.isDirectory(directory)) {
            throw new SQLException(
                    "Cannot open " + database + ": there is no directory " + directory + ". Create it first.",
                    "08001",
                    14);
        }
        if (Files.isDirectory(database)) {
            throw new SQLException("Cannot open " + database + ": it is a directory, not a file.", "08001", 14);
        }
        if (access == Access.WRITE && isReadOnly(database)) {
            throw readOnly(database); // SQLite would open it all the same, and refuse each write
        }
        // As a URI, so that no character of the path is taken for an option. Its mode counts for this file alone, so
        // that one which has
        // existed is not made, but one that work attaches is, on every connection.
        String mode = existed ? "?mode=rw" : "";
        try {
            return JDBC.createConnection("jdbc:sqlite:" + database.toUri() + mode, flags());
        } catch (SQLException e) {
            throw SqliteSetup.unopened(e, database);
        }
    }

    /**
     * SQLite gives the -wal and the -shm that it makes the permissions of the database. Made for a reader while that may not be written, they
     * could not be written either when it may again, by nobody, and would stay. During this pool's turn, so that they do not vanish meanwhile.
     * What a factory opens is its own affair: it may say that the file is immutable.
     */
    private void requireWritable(Path found, Access access) throws SQLException {
        if (settings.factory() != null) {
            return;
        }
        Path log = Path.of(found + "-wal");
        boolean makesFiles = "wal".equalsIgnoreCase(settings.pragmas().get("journal_mode"))
                && (Files.notExists(log) || Files.notExists(Path.of(found + "-shm")));
        if (isReadOnly(found) && (access == Access.WRITE || makesFiles)) {
            throw readOnly(found);
        }
        if (access == Access.WRITE && isReadOnly(log)) {
            throw readOnly(log);
        }
    }

    private static boolean isReadOnly(Path path) {
        return Files.isReadable(path) && !Files.isWritable(path);
    }

    private static SQLException readOnly(Path path) {
        return new SQLException(
                "Cannot open " + path
                        + ": it is read-only. Give the permission to write, and to make files beside it in its"
                        + " directory.",
                "08001",
                8);
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

    private void requireFile(@Nullable Path found) throws SQLException {
        if (found == null && settings.factory() != null && settings.poolSize() > 1) {
            throw new SQLException(
                    "The connection factory opens databases in memory, and every connection would have one"
                            + " of its own; use inMemory(), or poolSize(1).");
        }
    }

    /** Makes a connection that cannot be replaced, since it is the database, what it was when it was opened. */
    public void restore(Engine engine) throws SQLException {
        Baseline wanted = baseline;
        if (wanted != null) {
            engine.rollback(); // should the session have failed to
            wanted.restore();
        }
    }

    /** Closes a connection that {@link #open} returned. */
    public void close(Engine engine) throws SQLException {
        look();
        try {
            engine.close();
        } finally {
            forget(engine.opened());
            look(); // SQLite has left the log where it was if the file was replaced meanwhile
        }
    }

    /** The name that the driver was given, with the links that SQLite has resolved. */
    private static Path named(SQLiteConnection driver, Path found) {
        String url = driver.getUrl();
        String name = url.startsWith(JDBC.PREFIX) ? url.substring(JDBC.PREFIX.length()) : url;
        int options = name.indexOf('?');
        name = options < 0 ? name : name.substring(0, options);
        try {
            return (name.startsWith("file:/") ? Path.of(URI.create(name)) : Path.of(name)).toAbsolutePath();
        } catch (IllegalArgumentException e) {
            return found;
        }
    }

    private interface Close {
        void run() throws SQLException;
    }

    private static void closeQuietly(Close connection) {
        try {
            connection.run();
        } catch (SQLException | RuntimeException e) {
            LOG.log(System.Logger.Level.DEBUG, "closing a half-open connection failed", e);
        }
    }
}
