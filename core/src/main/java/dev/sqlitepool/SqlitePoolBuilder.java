package dev.sqlitepool;

import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.file.UserPath;
import dev.sqlitepool.internal.pool.LanePool;
import java.nio.file.Path;
import java.sql.Connection;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * Settings of a pool. Not thread-safe; may be used for several pools. Every setter refuses a bad value at once with an
 * {@link IllegalArgumentException} that names setting, value and rule; nothing is silently repaired.
 * <pre>{@code
 * SqlitePool pool = SqlitePool.builder()
 *         .databasePath(Path.of("shop.db"))
 *         .poolSize(4)
 *         .acquireTimeout(Duration.ofSeconds(5))
 *         .build();
 * }</pre>
 */
public final class SqlitePoolBuilder {
    private static final long LEAST_WAL_SIZE = 1L << 18;
    private static final AtomicInteger NUMBER = new AtomicInteger();

    private @Nullable Path databasePath;
    private boolean fileMustExist;
    private boolean readOnly;
    private boolean inMemory;
    private @Nullable ConnectionFactory connectionFactory;
    private @Nullable Integer poolSize;
    private Duration acquireTimeout = Duration.ofSeconds(30);
    private @Nullable Duration maxConnectionAge = Duration.ofHours(1);
    private @Nullable Duration maxIdleTime = Duration.ofMinutes(10);
    private Duration healthCheckInterval = Duration.ofSeconds(30);
    private Durability durability = Durability.FULL;
    private int maxWaiters = 10_000;
    private @Nullable Duration statementTimeout;
    private Duration busyTimeout = Duration.ofSeconds(5);
    private final Map<String, String> pragmas = new LinkedHashMap<>();
    private final List<SqlAction<? super Connection, ?>> beforePragmas = new ArrayList<>();
    private final List<SqlAction<? super Connection, ?>> onConnect = new ArrayList<>();
    private int statementCacheSize = 256;
    private @Nullable Executor executor;
    private @Nullable Duration leakThreshold;
    private @Nullable String name;
    private @Nullable PoolListener listener;
    private Duration closeGrace = Duration.ofSeconds(30);
    private long walSizeLimit = 64L << 20;
    private @Nullable Duration maxReadAge;
    private boolean externalCheckpointer;

    SqlitePoolBuilder() {
        pragmas.put("journal_mode", "WAL");
        pragmas.put("foreign_keys", "ON");
        pragmas.put("trusted_schema", "OFF");
    }

    /**
     * The database file. Created when first used if it is absent, unless the pool is told not to ({@link #fileMustExist}, {@link #readOnly}); its
     * directory must exist.
     *
     * @param databasePath a file of the operating system, not a URL; a relative path is resolved against the working directory now
     * @return this builder
     */
    public SqlitePoolBuilder databasePath(Path databasePath) {
        this.databasePath = UserPath.database(databasePath);
        return this;
    }

    /**
     * The pool does not create the database file: as long as there is none, each opening fails with an {@link java.sql.SQLException} that says so. Use
     * it where a wrong path must not become an empty database. The same as {@code mode=rw} in a URI of SQLite. Default: the file is created.
     *
     * @return this builder
     */
    public SqlitePoolBuilder fileMustExist() {
        this.fileMustExist = true;
        return this;
    }

    /**
     * The pool changes nothing in the database, and works where nothing may be changed: a file or a directory without write permission, a read-only
     * medium. The same as {@code mode=ro} in a URI of SQLite. Default: the pool may write.
     *
     * <ul>
     *   <li>The file must exist. Its journal mode stays as it is; without this setting the first use changes it to WAL, for good.
     *   <li>All connections of {@link #poolSize} read. There is none that writes, no sync and no checkpoint. {@link #durability}, {@link #walSizeLimit}
     *       and the like have no effect.
     *   <li>What needs to write fails at once with an {@link java.sql.SQLException} (SQLState 25006): {@code transaction}, {@code execute}, {@code
     *       executeBatch}, {@code acquire(Access.WRITE)}, and a statement in {@code connection} that writes, begins a transaction, attaches a database or sets
     *       a pragma. {@link SqlitePool#backup} works.
     *   <li>Other processes may write to the file meanwhile, and each read sees what they have committed.
     *   <li>To read a database in WAL mode, SQLite needs its {@code -wal} and {@code -shm}. It makes empty ones if they are absent, and the pool
     *       removes them with its last connection. Where they can be neither found nor made the opening fails: before such a database is put
     *       on a read-only medium, give it {@code PRAGMA journal_mode=DELETE}, or put a {@linkplain SqlitePool#backup backup} there, which has it.
     * </ul>
     *
     * <p>With a {@link #connectionFactory}, the pool makes each connection refuse to write, and the factory decides the rest.
     *
     * @return this builder
     */
    public SqlitePoolBuilder readOnly() {
        this.readOnly = true;
        return this;
    }

    /**
     * One private database in memory, for the life of the pool, on a single connection that never expires. {@code poolSize}
     * must then be 1 or left out. What a function changes in the connection (pragmas, temporary tables, attached databases) is undone
     * when its task ends; not so what it does to the driver's connection through {@code unwrap}, such as defining functions.
     *
     * @return this builder
     */
    public SqlitePoolBuilder inMemory() {
        this.inMemory = true;
        return this;
    }

    /**
     * Opens connections in place of a path.
     *
     * @param connectionFactory see there
     * @return this builder
     */
    public SqlitePoolBuilder connectionFactory(ConnectionFactory connectionFactory) {
        this.connectionFactory = Objects.requireNonNull(connectionFactory, "connectionFactory");
        return this;
    }

    /**
     * The most connections for users: one that writes, the others read. With 1 a single connection does both. A {@linkplain
     * SqlitePool#backup(java.nio.file.Path) backup} opens one more while it runs. Default 10.
     *
     * @param poolSize 1 or more; connections are opened only as they are needed
     * @return this builder
     */
    public SqlitePoolBuilder poolSize(int poolSize) {
        this.poolSize = SettingRules.atLeast("poolSize", poolSize, 1);
        return this;
    }

    /**
     * The longest wait for a connection, then {@link PoolTimeoutException}. Default 30 seconds. Zero: a task does not wait for a connection
     * that another task holds, only for one that is being opened.
     *
     * @param acquireTimeout not negative, to the nanosecond
     * @return this builder
     */
    public SqlitePoolBuilder acquireTimeout(Duration acquireTimeout) {
        this.acquireTimeout = SettingRules.notNegative("acquireTimeout", acquireTimeout);
        return this;
    }

    /**
     * The age at which a connection is replaced, up to a tenth earlier so that they do not all go at once. Default 1 hour.
     * One in use is replaced when it comes back.
     *
     * @param maxConnectionAge more than zero
     * @return this builder
     */
    public SqlitePoolBuilder maxConnectionAge(Duration maxConnectionAge) {
        this.maxConnectionAge = SettingRules.positive(
                "maxConnectionAge", maxConnectionAge, "use withoutMaxConnectionAge() for no limit");
        return this;
    }

    /**
     * Connections do not age.
     *
     * @return this builder
     */
    public SqlitePoolBuilder withoutMaxConnectionAge() {
        this.maxConnectionAge = null;
        return this;
    }

    /**
     * The time after which an idle connection is closed, without any traffic needed. Default 10 minutes.
     *
     * @param maxIdleTime more than zero
     * @return this builder
     */
    public SqlitePoolBuilder maxIdleTime(Duration maxIdleTime) {
        this.maxIdleTime = SettingRules.positive("maxIdleTime", maxIdleTime, "use withoutMaxIdleTime() for no limit");
        return this;
    }

    /**
     * Idle connections stay open.
     *
     * @return this builder
     */
    public SqlitePoolBuilder withoutMaxIdleTime() {
        this.maxIdleTime = null;
        return this;
    }

    /**
     * How often the background health check looks at idle connections and the database file. Default 30 seconds. It looks more often
     * when {@link #maxConnectionAge} or {@link #maxIdleTime} need it. A connection that was idle for longer is also checked
     * before it is used.
     *
     * @param healthCheckInterval more than zero
     * @return this builder
     */
    public SqlitePoolBuilder healthCheckInterval(Duration healthCheckInterval) {
        this.healthCheckInterval =
                SettingRules.positive("healthCheckInterval", healthCheckInterval, "there is always a health check");
        return this;
    }

    /**
     * What an acknowledged write survives. Default {@link Durability#FULL}.
     *
     * @param durability never null
     * @return this builder
     */
    public SqlitePoolBuilder durability(Durability durability) {
        this.durability = Objects.requireNonNull(durability, "durability");
        return this;
    }

    /**
     * The most tasks that may wait for a connection; further ones fail at once with {@link PoolExhaustedException}. Default
     * 10,000. Not turned away are a task for which a connection can be opened, so that 0 means that nobody waits for others; and a thread that
     * waits in {@link SqlitePool#blocking}, which cannot submit more while it waits: it counts, and is limited by the acquire timeout alone. In
     * the same way it limits what waits in one lease, and the backups that wait, with at least one of each.
     *
     * @param maxWaiters 0 or more
     * @return this builder
     */
    public SqlitePoolBuilder maxWaiters(int maxWaiters) {
        this.maxWaiters = SettingRules.atLeast("maxWaiters", maxWaiters, 0);
        return this;
    }

    /**
     * Interrupts a statement that runs for longer, its rows being read included: {@link java.sql.SQLTimeoutException}. In a {@link
     * SqlitePool#stream} it limits the time to find each next row. Default none. Commit and rollback are never interrupted.
     *
     * @param statementTimeout more than zero
     * @return this builder
     */
    public SqlitePoolBuilder statementTimeout(Duration statementTimeout) {
        this.statementTimeout =
                SettingRules.positive("statementTimeout", statementTimeout, "leave it out for no limit");
        return this;
    }

    /**
     * How long to retry while <em>another process</em> holds the database lock. Default 5 seconds. Zero: do not retry.
     *
     * @param busyTimeout not negative
     * @return this builder
     */
    public SqlitePoolBuilder busyTimeout(Duration busyTimeout) {
        this.busyTimeout = SettingRules.notNegative("busyTimeout", busyTimeout);
        return this;
    }

    /**
     * A pragma to set on every new connection, verified by reading it back: one that SQLite does not know or does not take
     * fails the opening. Set by default: {@code journal_mode=WAL}, {@code foreign_keys=ON}, {@code trusted_schema=OFF}. The
     * guarantees about reads beside writes need WAL. The journal mode cannot be changed while the pool runs.
     *
     * @param name letters and underscores; not {@code synchronous} (see {@link #durability}), {@code query_only} or {@code
     *     busy_timeout} (see {@link #busyTimeout}), which belong to the pool
     * @param value one word or number
     * @return this builder
     */
    public SqlitePoolBuilder pragma(String name, Object value) {
        String text = value.toString();
        pragmas.put(SettingRules.pragma(name, text), text);
        return this;
    }

    /**
     * Code to run once on every new connection before everything else: before the pragmas, and before anything reads or writes the database
     * file. This is the place for the key of an encrypted file, with a driver or native library that encrypts. A new file is then encrypted from its
     * first byte. It runs for the connection of a {@linkplain SqlitePool#backup(java.nio.file.Path) backup} too. Several hooks run in the
     * order given. When one throws, the connection is closed and the caller who needed it gets the error.
     *
     * <p>{@code .beforePragmas(connection -> { try (Statement s = connection.createStatement()) { s.execute("PRAGMA key = …"); } })}
     *
     * @param hook receives the physical connection; must leave it open, in autocommit mode and without open statements
     * @return this builder
     */
    public SqlitePoolBuilder beforePragmas(SqlAction<? super Connection, ?> hook) {
        beforePragmas.add(Objects.requireNonNull(hook, "hook"));
        return this;
    }

    /**
     * Code to run once on every new connection, after the pragmas, in the order given: functions, collations, extensions, temporary
     * tables. For the key of an encrypted file, which must come first, see {@link #beforePragmas}. When a hook throws, the connection is closed
     * and the caller who needed it gets the error.
     *
     * <p>A hook may write, on connections that read too: they refuse writes only after the hooks. What must exist once is made with {@code IF
     * NOT EXISTS}, since several connections can be opened at the same time. A hook that writes waits for other writers, somewhat longer than
     * {@link #busyTimeout}, and then fails with {@code SQLITE_BUSY}: it is not in the pool's queue. After the hooks the pool sets its own pragmas again: {@code synchronous}, {@code query_only} and {@code busy_timeout}.
     *
     * <p>A function or a collation is code. A statement that calls one, in whatever way, shares its transaction with no other task. It may
     * wait for other tasks of the pool, as code may, but not for a connection that its own statement holds. The driver's listeners and its progress
     * handler the pool cannot see: they must not wait.
     *
     * @param hook receives the physical connection; must leave it open, in autocommit mode, without open statements, and with the
     *     {@code journal_mode} that it had
     * @return this builder
     */
    public SqlitePoolBuilder onConnect(SqlAction<? super Connection, ?> hook) {
        onConnect.add(Objects.requireNonNull(hook, "hook"));
        return this;
    }

    /**
     * The most prepared statements kept for each connection; the least recently used is closed first. Default 256.
     *
     * @param statementCacheSize 0 or more; 0 keeps none
     * @return this builder
     */
    public SqlitePoolBuilder statementCacheSize(int statementCacheSize) {
        this.statementCacheSize = SettingRules.atLeast("statementCacheSize", statementCacheSize, 0);
        return this;
    }

    /**
     * Where dependent stages of the pool's futures and the signals of its streams run. Default: threads of the pool, where one that blocks delays nobody
     * else. Not of a future that is completed already when the stage is attached, or that somebody cancels or completes: these run on that thread.
     *
     * @param executor should not reject, and should not run tasks on the thread that submits them
     * @return this builder
     */
    public SqlitePoolBuilder executor(Executor executor) {
        this.executor = Objects.requireNonNull(executor, "executor");
        return this;
    }

    /**
     * Reports connections held for longer to the log and the listener, with the place where they were asked for. Costs a
     * stack trace for each task. Default off.
     *
     * @param leakThreshold more than zero
     * @return this builder
     */
    public SqlitePoolBuilder leakThreshold(Duration leakThreshold) {
        this.leakThreshold = SettingRules.positive("leakThreshold", leakThreshold, "leave it out for no reports");
        return this;
    }

    /**
     * The pool's name in logs, statistics and thread names. Default {@code sqlitepool-N}.
     *
     * @param name not blank
     * @return this builder
     */
    public SqlitePoolBuilder name(String name) {
        if (name.isBlank()) {
            throw new IllegalArgumentException("name was blank; it must say something in a log.");
        }
        this.name = name;
        return this;
    }

    /**
     * Is told of events. Default none.
     *
     * @param listener see there
     * @return this builder
     */
    public SqlitePoolBuilder listener(PoolListener listener) {
        this.listener = Objects.requireNonNull(listener, "listener");
        return this;
    }

    /**
     * How long closing lets running tasks finish, and the hooks of its commits, before it interrupts it. Default 30 seconds. Zero: not at
     * all.
     *
     * @param closeGrace not negative
     * @return this builder
     */
    public SqlitePoolBuilder closeGrace(Duration closeGrace) {
        this.closeGrace = SettingRules.notNegative("closeGrace", closeGrace);
        return this;
    }

    /**
     * The most bytes that the write-ahead log takes on disk. One transaction may exceed it. Default 64 MiB.
     *
     * <p>The pool copies the log into the database in the background long before. But a log cannot shrink past a snapshot that somebody still
     * reads. At the limit:
     *
     * <ul>
     *   <li>The write connection waits for those readers, and writes queue. A forgotten reader slows writers down, and does not fill the disk.
     *   <li>A read that itself waits for a write waits until that write has timed out.
     *   <li>A connection that writes under its own open cursor passes the limit, since it would wait for itself.
     *   <li>While a backup copies, there is no limit.
     * </ul>
     *
     * @param walSizeLimit bytes, at least 262,144
     * @return this builder
     */
    public SqlitePoolBuilder walSizeLimit(long walSizeLimit) {
        if (walSizeLimit < LEAST_WAL_SIZE) {
            throw new IllegalArgumentException(
                    "walSizeLimit was " + walSizeLimit + " bytes; it must be at least " + LEAST_WAL_SIZE + ".");
        }
        this.walSizeLimit = walSizeLimit;
        return this;
    }

    /**
     * The longest time that a read may hold its snapshot, since the log cannot shrink past it. At half the age there is a warning in the
     * log and for the listener; at the age the read is interrupted and fails with {@link java.sql.SQLTimeoutException}. A function that is busy
     * outside the database at that moment keeps its snapshot until it uses its connection again. Default: none.
     *
     * @param maxReadAge more than zero
     * @return this builder
     */
    public SqlitePoolBuilder maxReadAge(Duration maxReadAge) {
        this.maxReadAge = SettingRules.positive("maxReadAge", maxReadAge, "leave it out for no limit");
        return this;
    }

    /**
     * Another program copies the write-ahead log into the database, as Litestream does, and must be the only one: the pool makes no
     * checkpoint while it is open, and neither does SQLite, except for the one that repairs the log after a failed sync. {@code walSizeLimit} has
     * no effect then. Default: off.
     *
     * @return this builder
     */
    public SqlitePoolBuilder externalCheckpointer() {
        this.externalCheckpointer = true;
        return this;
    }

    /**
     * Makes the pool. Opens nothing and starts no thread.
     *
     * @return a new pool
     * @throws IllegalArgumentException unless exactly one of {@link #databasePath}, {@link #inMemory} and {@link
     *     #connectionFactory} is set, or if settings contradict each other
     */
    public SqlitePool build() {
        return new LanePool(settings());
    }

    /** The settings so far, checked against each other. */
    Settings settings() {
        int sources = (databasePath != null ? 1 : 0) + (inMemory ? 1 : 0) + (connectionFactory != null ? 1 : 0);
        if (sources != 1) {
            throw new IllegalArgumentException((sources == 0 ? "None" : "More than one")
                    + " of databasePath, inMemory and connectionFactory was set; set exactly one.");
        }
        if (inMemory && poolSize != null && poolSize != 1) {
            throw new IllegalArgumentException("poolSize was " + poolSize
                    + " with inMemory(); a database in memory is one connection: leave it out.");
        }
        if (inMemory && (readOnly || fileMustExist)) {
            throw new IllegalArgumentException(
                    (readOnly ? "readOnly()" : "fileMustExist()")
                            + " was set with inMemory(); a database in memory begins empty and has no file: leave one of them out.");
        }
        if (connectionFactory != null && fileMustExist) {
            throw new IllegalArgumentException(
                    "fileMustExist() was set with connectionFactory(…), which opens the file itself: leave one of them out.");
        }
        String journal = pragmas.get("journal_mode");
        if (readOnly && !"wal".equalsIgnoreCase(journal)) {
            throw new IllegalArgumentException("journal_mode was " + journal
                    + " with readOnly(), which changes nothing in the file: leave one of them out.");
        }
        int size = inMemory ? 1 : poolSize == null ? 10 : poolSize;
        if (size > 1 && "exclusive".equalsIgnoreCase(pragmas.get("locking_mode"))) {
            throw new IllegalArgumentException("locking_mode was EXCLUSIVE with poolSize " + size
                    + "; an exclusive connection locks the others out.");
        }
        if (externalCheckpointer && "exclusive".equalsIgnoreCase(pragmas.get("locking_mode"))) {
            throw new IllegalArgumentException("locking_mode was EXCLUSIVE with externalCheckpointer(); an exclusive"
                    + " connection locks the other program out: leave one of them out.");
        }
        if (externalCheckpointer && pragmas.containsKey("wal_autocheckpoint")) {
            throw new IllegalArgumentException("wal_autocheckpoint was " + pragmas.get("wal_autocheckpoint")
                    + " with externalCheckpointer(), which sets it to 0: leave one of them out.");
        }
        Map<String, String> effective = new LinkedHashMap<>(pragmas);
        if (inMemory || readOnly) {
            effective.remove("journal_mode"); // always "memory", or the one that the file has
        }
        return new Settings(
                name != null ? name : "sqlitepool-" + NUMBER.incrementAndGet(),
                databasePath,
                connectionFactory,
                readOnly
                        ? Settings.Opening.READ_ONLY
                        : fileMustExist ? Settings.Opening.EXISTING : Settings.Opening.CREATE,
                size,
                acquireTimeout,
                inMemory ? null : maxConnectionAge,
                inMemory ? null : maxIdleTime,
                healthCheckInterval,
                durability,
                maxWaiters,
                statementTimeout,
                busyTimeout,
                effective,
                beforePragmas,
                onConnect,
                statementCacheSize,
                executor,
                leakThreshold,
                listener,
                closeGrace,
                walSizeLimit,
                maxReadAge,
                externalCheckpointer,
                parts());
    }

    /** All parts except those that the system property {@code dev.sqlitepool.off} names: for benchmarks. */
    private static Set<Settings.Part> parts() {
        Set<Settings.Part> parts = EnumSet.allOf(Settings.Part.class);
        List<String> off = List.of(System.getProperty("dev.sqlitepool.off", "").split(",", -1));
        parts.removeIf(part -> off.contains(part.name().toLowerCase(Locale.ROOT)));
        return parts;
    }
}
