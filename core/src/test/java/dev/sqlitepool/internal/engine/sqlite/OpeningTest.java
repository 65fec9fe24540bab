package dev.sqlitepool.internal.engine.sqlite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sqlitepool.Access;
import dev.sqlitepool.ConnectionFactory;
import dev.sqlitepool.Durability;
import dev.sqlitepool.PoolConnection;
import dev.sqlitepool.PoolTimeoutException;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Logged;
import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.TestClock;
import java.io.IOException;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.UnaryOperator;
import org.assertj.core.api.AbstractThrowableAssert;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.sqlite.SQLiteConfig;
import org.sqlite.SQLiteErrorCode;
import org.sqlite.SQLiteException;
import org.sqlite.jdbc4.JDBC4Connection;

class OpeningTest {
    @RegisterExtension
    final Logged logged = new Logged("is open in the pool");

    @RegisterExtension
    final Pools pools = new Pools();

    private SqlitePool open(Path file) {
        return pools.build(SqlitePool.builder().databasePath(file).poolSize(2));
    }

    private static void assertWorks(SqlitePool pool) throws SQLException {
        pool.blocking().execute("CREATE TABLE IF NOT EXISTS works (x)");
        pool.blocking().execute("INSERT INTO works VALUES (1)");
        assertThat(pool.blocking().query("SELECT count(*) FROM works", row -> row.getInt(1)))
                .hasSize(1);
    }

    /** Each use fails with the cause: no state is poisoned, on either kind of lane. */
    private static AbstractThrowableAssert<?, ? extends Throwable> assertFails(SqlitePool pool) {
        assertThatThrownBy(() -> pool.blocking().query("SELECT 1", row -> 1)).isInstanceOf(SQLException.class);
        assertThatThrownBy(() -> pool.blocking().useTransaction(tx -> {})).isInstanceOf(SQLException.class);
        return assertThatThrownBy(() -> pool.blocking().execute("CREATE TABLE t (x)"))
                .isInstanceOf(SQLException.class);
    }

    // ---- paths

    @Test
    void aMissingDirectoryIsNamedAndMayBeCreatedLater() throws Exception {
        Path directory = pools.directory().resolve("missing");
        SqlitePool pool = open(directory.resolve("my.db"));
        assertFails(pool)
                .hasMessageContaining(directory.resolve("my.db").toString())
                .hasMessageContaining("there is no directory " + directory)
                .hasMessageContaining("Create it first");
        assertThat(pool.stats().openFailures()).isEqualTo(3);
        Files.createDirectory(directory);
        assertWorks(pool);
    }

    @Test
    void aDirectoryIsNoDatabase() throws Exception {
        Path directory = Files.createDirectory(pools.directory().resolve("my.db"));
        SqlitePool pool = open(directory);
        assertFails(pool).hasMessageContaining("it is a directory, not a file");
        Files.delete(directory);
        assertWorks(pool);
    }

    @Test
    void aFileThatIsNoDatabaseIsLeftAlone() throws Exception {
        String text = "This is a letter, not a database. ".repeat(100);
        Path file = Files.writeString(pools.file(), text);
        SqlitePool pool = open(file);
        assertFails(pool)
                .hasMessageContaining("Cannot open " + file)
                .hasMessageContaining("it is not an SQLite database, or it is encrypted")
                .hasMessageContaining("SQLITE_NOTADB")
                .hasCauseInstanceOf(SQLException.class);
        assertThat(file).hasContent(text);
        Files.delete(file);
        assertWorks(pool);
    }

    @Test
    void anEmptyFileBecomesADatabase() throws Exception {
        assertWorks(open(Files.createFile(pools.file())));
    }

    @Test
    void aCorruptDatabaseSaysSo() throws Exception {
        pools.filesMayStay();
        try (Connection raw = DriverManager.getConnection("jdbc:sqlite:" + pools.file());
                Statement statement = raw.createStatement()) {
            statement.execute("CREATE TABLE t (x)");
            statement.execute("INSERT INTO t VALUES (zeroblob(100000))");
        }
        byte[] sound = Files.readAllBytes(pools.file());
        try (FileChannel channel = FileChannel.open(pools.file(), StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(new byte[3_900]), 100); // the schema
        }
        SqlitePool pool = open(pools.file());
        assertThatThrownBy(() -> pool.blocking().query("SELECT * FROM t", row -> 1))
                .isInstanceOf(SQLException.class)
                .hasMessageContaining("SQLITE_CORRUPT");
        assertThatThrownBy(() -> pool.blocking().execute("INSERT INTO t VALUES (1)"))
                .isInstanceOf(SQLException.class)
                .hasMessageContaining("SQLITE_CORRUPT");
        Files.write(pools.file(), sound);
        SqlitePool next = pools.open();
        assertThat(next.blocking().query("SELECT length(x) FROM t", row -> row.getInt(1)))
                .containsExactly(100_000);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "with space.db",
                "what?mode=ro",
                "a.db?mode=memory",
                "file:x?vfs=memdb",
                "file:x?nolock=1&immutable=1",
                "a.db?foreign_keys=off&synchronous=off",
                "sqlite::memory:",
                ":resource:a.db",
                "%3Fmode=memory",
                "what?cache=shared&x=1#y",
                "a#b.db",
                "100%.db",
                "%41.db",
                "semi;colon.db",
                "Grüße.db",
                "日本.db",
                "quote'and\".db",
                "back\\slash.db",
                ":memory:",
                "file:x",
                "file::memory:?cache=shared",
                "plus+and&.db",
                "[brackets].db",
                "-wal",
                " leading and trailing "
            })
    void noCharacterOfAPathHasAMeaning(String name) throws Exception {
        Path file;
        try {
            file = pools.directory().resolve(name);
        } catch (java.nio.file.InvalidPathException e) {
            assumeTrue(false, "this file system has no such name: " + name);
            return;
        }
        if (name.equals("-wal")) {
            pools.filesMayStay(); // is the name of the database itself
        }
        SqlitePool pool = open(file);
        assertWorks(pool);
        assertThat(file).isRegularFile();
        pool.close();
        SqlitePool again = open(file);
        assertThat(again.blocking().query("SELECT x FROM works", row -> row.getInt(1)))
                .containsExactly(1);
        again.close();
        assertThat(pools.directory().toFile().list()).containsExactly(name);
    }

    @Test
    void aSymbolicLinkIsTheFileBehindIt() throws Exception {
        Path real = Files.createDirectory(pools.directory().resolve("real")).resolve("my.db");
        Path link = pools.directory().resolve("link.db");
        Files.createSymbolicLink(link, real);
        SqlitePool pool = open(link);
        assertWorks(pool);
        assertThat(real).isRegularFile();
        assertThat(real.resolveSibling("my.db-wal")).exists();
        assertThat(pools.directory().resolve("link.db-wal")).doesNotExist();
        pool.close();
        Path linked = pools.directory().resolve("linked");
        Files.createSymbolicLink(linked, real.getParent());
        assertWorks(open(linked.resolve("my.db")));
    }

    @Test
    void aRelativePathIsFixedWhenThePoolIsBuilt() throws SQLException {
        pools.filesMayStay();
        Path relative = Path.of("").toAbsolutePath().relativize(pools.file());
        assertThat(relative).isRelative();
        assertWorks(open(relative));
        assertThat(pools.file()).isRegularFile();
    }

    // ---- permissions

    /** As SECURITY.md says. */
    @Test
    void theFilesBesideADatabaseHaveItsPermissions() throws Exception {
        assumeTrue(FileSystems.getDefault().supportedFileAttributeViews().contains("posix"), "no POSIX permissions");
        for (String permissions : List.of("rw-------", "rw-r-----")) {
            Set<PosixFilePermission> wanted = PosixFilePermissions.fromString(permissions);
            Path database = pools.directory().resolve(permissions + ".db");
            Files.createFile(database, PosixFilePermissions.asFileAttribute(wanted));
            SqlitePool pool = open(database);
            assertWorks(pool);
            for (String suffix : List.of("", "-wal", "-shm")) {
                assertThat(Files.getPosixFilePermissions(Path.of(database + suffix)))
                        .as(suffix)
                        .isEqualTo(wanted);
            }
            pool.close();
        }
    }

    /**
     * Root may do everything, whatever the permissions say: then a child without root's capabilities looks, as the owner that it
     * still is.
     */
    private List<String> withoutPrivileges(Path... files) throws Exception {
        List<String> names = new ArrayList<>();
        for (Path file : files) {
            names.add(file.toString());
        }
        if (!"root".equals(System.getProperty("user.name"))) {
            return PermissionProbe.look(names);
        }
        List<String> command = new ArrayList<>(List.of(
                "setpriv",
                "--inh-caps=-all",
                "--bounding-set=-all",
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xshare:auto",
                "-cp",
                System.getProperty("java.class.path"),
                PermissionProbe.class.getName()));
        command.addAll(names);
        Process child;
        try {
            child = new ProcessBuilder(command).redirectErrorStream(true).start();
        } catch (IOException e) {
            assumeTrue(false, "root without setpriv cannot try what a user may not: " + e);
            return List.of();
        }
        String output = new String(child.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
        assertThat(child.waitFor(Pools.PATIENCE.toMillis(), TimeUnit.MILLISECONDS))
                .isTrue();
        assumeTrue(child.exitValue() != 127 && !output.contains("setpriv:"), "setpriv is not allowed here: " + output);
        List<String> found = output.lines()
                .filter(line -> line.startsWith(PermissionProbe.MARK))
                .toList();
        assertThat(found).as(output).hasSize(files.length);
        return found;
    }

    @Test
    void missingPermissionsAreNamedAndTheNextTryAfterTheyWereGivenWorks() throws Exception {
        assumeTrue(FileSystems.getDefault().supportedFileAttributeViews().contains("posix"), "no POSIX permissions");
        pools.filesMayStay();
        Path readOnly = pools.directory().resolve("read-only.db");
        Path forbidden = pools.directory().resolve("forbidden.db");
        for (Path file : List.of(readOnly, forbidden)) {
            SqlitePool pool = open(file);
            assertWorks(pool);
            pool.close();
        }
        Path closed = Files.createDirectory(pools.directory().resolve("closed"));
        Path absent = closed.resolve("absent.db");
        Files.setPosixFilePermissions(readOnly, PosixFilePermissions.fromString("r--r--r--"));
        Files.setPosixFilePermissions(forbidden, PosixFilePermissions.fromString("---------"));
        Files.setPosixFilePermissions(closed, PosixFilePermissions.fromString("r-xr-xr-x"));
        List<String> found = withoutPrivileges(readOnly, forbidden, absent);
        assertThat(found.get(0))
                .contains("Cannot open " + readOnly)
                .contains("it is read-only")
                .containsPattern("read: .*Cannot open") // SQLite would make a -shm that nobody may ever write
                .endsWith("then: works");
        assertThat(found.get(1))
                .contains("Cannot open " + forbidden)
                .contains("no permission to read and write it")
                .endsWith("then: works");
        assertThat(found.get(2))
                .contains("Cannot open " + absent)
                .contains("no permission to create it in " + closed)
                .endsWith("then: works");
    }

    /** The driver says all sorts of things then. */
    @Test
    void anOpeningForWhichThereIsNoMemoryNamesTheDatabaseAndTheReason() {
        Path database = Path.of("/some/where.db");
        SQLException told = new SQLException("The database has been closed");
        assertThat((Throwable) SqliteErrors.unopened(told, database))
                .hasMessageStartingWith("Cannot open /some/where.db: ")
                .hasMessageContaining("no memory")
                .hasMessageEndingWith("The database has been closed")
                .hasCause(told);
        SQLException code = new SQLiteException("out of memory", SQLiteErrorCode.SQLITE_NOMEM);
        assertThat((Throwable) SqliteErrors.unopened(code, database)).isSameAs(code);
        assertThat((Throwable) SqliteErrors.explained(code, database))
                .hasMessageStartingWith("Cannot open /some/where.db: there is no memory")
                .hasCause(code);
    }

    // ---- full disks

    @Test
    void aDatabaseThatMayNotGrowKeepsWhatItHasAndWorksOn() throws SQLException {
        SqlitePool pool = pools.open(settings -> settings.pragma("max_page_count", 20));
        assertWorks(pool);
        assertThatThrownBy(() -> pool.blocking().execute("INSERT INTO works VALUES (zeroblob(1000000))"))
                .isInstanceOf(SQLException.class)
                .hasMessageContaining("SQLITE_FULL");
        assertWorks(pool);
        assertThat(pool.blocking().query("SELECT count(*) FROM works", row -> row.getInt(1)))
                .containsExactly(2);
    }

    @Test
    void aFullDiskIsReportedAndThePoolWorksOnceThereIsRoom() throws Exception {
        pools.filesMayStay();
        Path mount = Files.createDirectory(pools.directory().resolve("mount"));
        assumeTrue(run("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", mount.toString()), "cannot mount a tmpfs");
        try {
            Path filler = mount.resolve("filler");
            Files.write(filler, new byte[252 * 1024]);
            SqlitePool pool = open(mount.resolve("my.db"));
            assertThatThrownBy(() -> pool.blocking().execute("CREATE TABLE works (x)"))
                    .isInstanceOf(Exception.class)
                    .satisfies(e -> assertThat(e + " " + e.getCause()).containsAnyOf("FULL", "IOERR"));
            Files.delete(filler);
            assertWorks(pool);
            assertThatThrownBy(() -> pool.blocking().execute("INSERT INTO works VALUES (zeroblob(1000000))"))
                    .satisfies(e -> assertThat(e + " " + e.getCause()).containsAnyOf("FULL", "IOERR"));
            assertWorks(pool);
            assertThat(pool.blocking().query("SELECT count(*) FROM works", row -> row.getInt(1)))
                    .containsExactly(2);
            pool.close();
        } finally {
            run("umount", mount.toString());
        }
    }

    private static boolean run(String... command) throws InterruptedException {
        try {
            return new ProcessBuilder(command).start().waitFor() == 0;
        } catch (IOException e) {
            return false;
        }
    }

    // ---- pragmas

    private static String pragma(PoolConnection connection, String name) throws SQLException {
        // These two have no table-valued twin.
        boolean plain = name.equals("mmap_size") || name.equals("wal_autocheckpoint");
        return connection
                .queryOne(plain ? "PRAGMA " + name : "SELECT * FROM pragma_" + name, row -> row.getString(1))
                .orElseThrow();
    }

    private static void assertOnWriter(SqlitePool pool, String name, String value) throws SQLException {
        pool.blocking().useConnection(c -> {
            c.execute("CREATE TABLE IF NOT EXISTS moves_to_the_write_lane (x)");
            assertThat(pragma(c, name)).as(name + " to write").isEqualTo(value);
        });
    }

    private static void assertOnBoth(SqlitePool pool, String name, String value) throws SQLException {
        if (!name.equals("mmap_size") && !name.equals("wal_autocheckpoint")) {
            pool.blocking()
                    .useRead(
                            read -> assertThat(pragma(read, name)).as("reading").isEqualTo(value));
        }
        assertOnWriter(pool, name, value);
    }

    @Test
    void theDefaultsHoldOnEveryLane() throws SQLException {
        SqlitePool pool = pools.open();
        assertOnBoth(pool, "journal_mode", "wal");
        assertOnBoth(pool, "foreign_keys", "1");
        assertOnBoth(pool, "trusted_schema", "0");
        pool.blocking().useRead(read -> assertThat(pragma(read, "synchronous")).isEqualTo("2"));
        assertOnBoth(pool, "busy_timeout", "5");
        pool.blocking().useRead(read -> assertThat(pragma(read, "query_only")).isEqualTo("1"));
        pool.blocking()
                .useTransaction(tx -> assertThat(pragma(tx, "query_only")).isEqualTo("0"));
    }

    @Test
    void durabilityIsTheSynchronousPragma() throws SQLException {
        assertOnBoth(pools.open(settings -> settings.durability(Durability.NORMAL)), "synchronous", "1");
    }

    @ParameterizedTest
    @CsvSource({
        "cache_size, 10000, 10000",
        "cache_size, -8000, -8000",
        "cache_size, +77, 77",
        "mmap_size, 1048576, 1048576",
        "temp_store, MEMORY, 2",
        "temp_store, file, 1",
        "secure_delete, FAST, 2",
        "recursive_triggers, yes, 1",
        "foreign_keys, OFF, 0",
        "foreign_keys, false, 0",
        "trusted_schema, true, 1",
        "JOURNAL_MODE, DELETE, delete",
        "journal_mode, truncate, truncate",
        "journal_mode, OFF, off",
        "journal_size_limit, 1000000, 1000000",
        "wal_autocheckpoint, 500, 500",
        "locking_mode, NORMAL, normal",
        "page_size, 8192, 8192",
        "auto_vacuum, INCREMENTAL, 2",
        "auto_vacuum, FULL, 1",
        "auto_vacuum, NONE, 0",
        "cache_spill, OFF, 0",
        "cache_spill, ON, 483",
        "cache_spill, 900, 900",
        "temp_store, DEFAULT, 0",
        "journal_mode, PERSIST, persist",
        "journal_mode, MEMORY, memory",
        "secure_delete, ON, 1",
        "analysis_limit, 400, 400",
        "threads, 2, 2",
        "automatic_index, no, 0",
        "cell_size_check, ON, 1",
        "checkpoint_fullfsync, ON, 1",
        "fullfsync, true, 1",
        "ignore_check_constraints, ON, 1",
        "legacy_alter_table, ON, 1",
        "read_uncommitted, ON, 1",
        "reverse_unordered_selects, ON, 1",
        "full_column_names, ON, 1",
        "user_version, 7, 7",
        "application_id, 1234, 1234"
    })
    void aPragmaIsSetOnEveryLane(String name, String value, String expected) throws SQLException {
        SqlitePool pool = pools.open(settings -> settings.pragma(name, value));
        assertWorks(pool);
        assertOnBoth(pool, name.toLowerCase(java.util.Locale.ROOT), expected);
    }

    @ParameterizedTest
    @CsvSource({
        "no_such_pragma, 1, unknown to this SQLite",
        "foreign_key, ON, unknown to this SQLite",
        "case_sensitive_like, ON, cannot be read back",
        "journal_mode, walrus, SQLite answers",
        "foreign_keys, maybe, SQLite answers 0",
        "cache_size, many, SQLite answers",
        "threads, 1000, SQLite answers 8",
        "wal_checkpoint, TRUNCATE, SQLite answers",
        "shrink_memory, 1, unknown to this SQLite",
        "page_size, 1000, SQLite answers"
    })
    void aPragmaThatDoesNotHoldFailsTheOpening(String name, String value, String message) {
        SqlitePool pool = pools.open(settings -> settings.pragma(name, value));
        assertFails(pool).hasMessageContaining("pragma " + name).hasMessageContaining(message);
    }

    @Test
    void noLaneLoadsExtensions() throws SQLException {
        SqlitePool pool = pools.open(settings -> settings.poolSize(3));
        SqlitePool memory = pools.build(SqlitePool.builder().inMemory());
        SqlitePool factory = from(access -> DriverManager.getConnection(url()));
        String sql = "SELECT load_extension('no_such_extension')";
        for (SqlitePool each : List.of(pool, memory, factory)) {
            for (ThrowingCallable way : List.<ThrowingCallable>of(
                    () -> each.blocking().query(sql, row -> 1),
                    () -> each.blocking().useRead(read -> read.query(sql, row -> 1)),
                    () -> each.blocking().useTransaction(tx -> tx.query(sql, row -> 1)),
                    () -> each.blocking().useConnection(c -> {
                        c.execute("BEGIN");
                        c.query(sql, row -> 1);
                    }))) {
                assertThatThrownBy(way).isInstanceOf(SQLException.class).hasMessageContaining("not authorized");
            }
        }
    }

    @Test
    void aPragmaThatTheExistingFileDoesNotAllowFailsTheOpening() throws SQLException {
        SqlitePool first = pools.open();
        assertWorks(first);
        first.close();
        assertFails(pools.open(settings -> settings.pragma("page_size", 8192)))
                .hasMessageContaining("pragma page_size was set to 8192 but SQLite answers 4096");
    }

    @Test
    void aHugeBusyTimeoutIsNoTimeout() throws SQLException {
        assertWorks(pools.open(settings -> settings.busyTimeout(Duration.ofSeconds(Long.MAX_VALUE))));
    }

    // ---- factories

    private String url() {
        return "jdbc:sqlite:" + pools.file();
    }

    private SqlitePool from(ConnectionFactory factory) {
        return from(factory, settings -> settings.poolSize(3));
    }

    private SqlitePool from(ConnectionFactory factory, UnaryOperator<SqlitePoolBuilder> settings) {
        return pools.build(settings.apply(SqlitePool.builder().connectionFactory(factory)));
    }

    @Test
    void aFactoryIsToldTheAccessAndItsConnectionsGetEverythingThatAPathGets() throws SQLException {
        List<Access> asked = new CopyOnWriteArrayList<>();
        SqlitePool pool = from(access -> {
            asked.add(access);
            return DriverManager.getConnection(url());
        });
        assertThat(asked).isEmpty();
        assertWorks(pool);
        assertThat(asked).containsExactly(Access.WRITE, Access.READ);
        assertOnBoth(pool, "journal_mode", "wal");
        assertOnBoth(pool, "foreign_keys", "1");
        assertThatThrownBy(() -> pool.blocking().useRead(read -> read.execute("DELETE FROM works")))
                .hasMessageContaining("READONLY");
    }

    @Test
    void aFactoryMayConfigureTheDriver() throws SQLException {
        SQLiteConfig config = new SQLiteConfig();
        config.setTransactionMode(SQLiteConfig.TransactionMode.EXCLUSIVE);
        assertWorks(from(access -> config.createConnection(url())));
    }

    @Test
    void whatAFactoryThrowsReachesTheCallerUnchangedAndTheNextNeedCallsItAgain() throws SQLException {
        for (Throwable thrown : List.of(
                new SQLException("of the factory", "08001", 14),
                new IllegalStateException("of the factory"),
                new AssertionError("of the factory"),
                new StackOverflowError())) {
            AtomicBoolean well = new AtomicBoolean();
            SqlitePool pool = from(access -> {
                if (!well.get()) {
                    throw OpeningTest.<RuntimeException>sneaky(thrown);
                }
                return DriverManager.getConnection(url());
            });
            for (int i = 0; i < 3; i++) {
                assertThat(pool.query("SELECT 1", row -> 1)
                                .handle((value, error) -> error)
                                .join())
                        .isSameAs(thrown);
                assertThatThrownBy(() -> pool.blocking().useTransaction(tx -> {}))
                        .isSameAs(thrown);
            }
            assertThat(pool.stats().live()).isZero();
            assertThat(pool.stats().openFailures()).isEqualTo(6);
            well.set(true);
            assertWorks(pool);
            pool.close();
        }
    }

    @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"})
    private static <X extends Throwable> X sneaky(Throwable error) throws X {
        throw (X) error;
    }

    @Test
    void nullFromAFactoryIsRefused() throws SQLException {
        AtomicBoolean well = new AtomicBoolean();
        SqlitePool pool = from(access -> well.get() ? DriverManager.getConnection(url()) : null);
        assertFails(pool).hasMessageContaining("returned null");
        well.set(true);
        assertWorks(pool);
    }

    @Test
    void aConnectionThatCannotTellWhetherItIsClosedIsClosed() throws SQLException {
        AtomicBoolean well = new AtomicBoolean();
        List<Connection> real = new CopyOnWriteArrayList<>();
        SqlitePool pool = from(access -> {
            Connection connection = DriverManager.getConnection(url());
            if (!well.get()) {
                real.add(connection);
                return (Connection) Proxy.newProxyInstance(
                        OpeningTest.class.getClassLoader(),
                        new Class<?>[] {Connection.class},
                        (proxy, method, arguments) -> {
                            if (method.getName().equals("isClosed")) {
                                throw new SQLException("not now");
                            }
                            return method.invoke(connection, arguments);
                        });
            }
            return connection;
        });
        assertFails(pool).hasMessageContaining("not now");
        for (Connection connection : real) {
            assertThat(connection.isClosed()).isTrue();
        }
        well.set(true);
        assertWorks(pool);
    }

    @Test
    void aClosedConnectionFromAFactoryIsRefused() throws SQLException {
        AtomicBoolean well = new AtomicBoolean();
        SqlitePool pool = from(access -> {
            Connection connection = DriverManager.getConnection(url());
            if (!well.get()) {
                connection.close();
            }
            return connection;
        });
        assertFails(pool).hasMessageContaining("returned a closed connection");
        well.set(true);
        assertWorks(pool);
    }

    @Test
    void theSameConnectionTwiceIsRefusedAndStaysWithItsFirstLane() throws SQLException {
        AtomicReference<Connection> only = new AtomicReference<>();
        AtomicBoolean well = new AtomicBoolean();
        SqlitePool pool = from(access -> {
            if (well.get()) {
                return DriverManager.getConnection(url());
            }
            if (only.get() == null) {
                only.set(DriverManager.getConnection(url()));
            }
            return only.get();
        });
        pool.blocking().execute("CREATE TABLE t (x)");
        assertThatThrownBy(() -> pool.blocking().query("SELECT 1", row -> 1))
                .isInstanceOf(SQLException.class)
                .hasMessageContaining("the same connection twice");
        assertThat(only.get().isClosed()).isFalse();
        assertThat(pool.blocking().execute("INSERT INTO t VALUES (1)")).isEqualTo(1);
        well.set(true);
        assertWorks(pool);
    }

    @Test
    void connectionsToDifferentFilesAreRefused() throws SQLException {
        AtomicInteger number = new AtomicInteger();
        AtomicReference<Connection> stray = new AtomicReference<>();
        SqlitePool pool = from(access -> {
            int opened = number.getAndIncrement();
            Connection connection = DriverManager.getConnection(
                    opened == 1 ? "jdbc:sqlite:" + pools.directory().resolve("other.db") : url());
            if (opened == 1) {
                stray.set(connection);
            }
            return connection;
        });
        pool.blocking().execute("CREATE TABLE t (x)");
        assertThatThrownBy(() -> pool.blocking().query("SELECT 1", row -> 1))
                .isInstanceOf(SQLException.class)
                .hasMessageContaining("other.db")
                .hasMessageContaining("a pool is for one database");
        assertThat(stray.get().isClosed()).isTrue();
        assertWorks(pool);
    }

    @Test
    void databasesInMemoryFromAFactoryNeedASingleLane() throws SQLException {
        assertFails(from(access -> DriverManager.getConnection("jdbc:sqlite::memory:")))
                .hasMessageContaining("in memory")
                .hasMessageContaining("inMemory()");
        assertWorks(from(access -> DriverManager.getConnection("jdbc:sqlite::memory:"), settings -> settings.poolSize(1)
                .pragma("journal_mode", "memory")));
    }

    /**
     * <pre>
     *   caller                        factory
     *   execute                       is called, hangs
     *   gets a timeout in time
     *                                 returns at last
     *   execute works
     * </pre>
     */
    @Test
    void aFactoryThatHangsKeepsNobodyLongerThanTheAcquireTimeout() throws SQLException {
        Gate gate = new Gate();
        AtomicInteger calls = new AtomicInteger();
        TestClock clock = new TestClock();
        SqlitePool pool = pools.build(
                clock,
                SqlitePool.builder()
                        .connectionFactory(access -> {
                            calls.incrementAndGet();
                            gate.pass();
                            return DriverManager.getConnection(url());
                        })
                        .poolSize(1)
                        .acquireTimeout(Duration.ofMillis(50)));
        CompletableFuture<Long> first = pool.execute("CREATE TABLE t (x)");
        CompletableFuture<Long> second = pool.execute("CREATE TABLE u (x)");
        gate.awaitReached();
        clock.pass(Duration.ofMillis(50));
        for (CompletableFuture<Long> each : List.of(first, second)) {
            assertThat(each.handle((value, error) -> error).join())
                    .isInstanceOf(PoolTimeoutException.class)
                    .hasMessageContaining("write connection opening");
        }
        assertThat(pool.stats().writeConnections().opening()).isEqualTo(1);
        gate.open();
        Pools.awaitIdle(pool);
        assertWorks(pool);
        assertThat(calls).as("a place that opens is not opened again").hasValue(1);
        assertThat(pool.blocking().query("SELECT count(*) FROM sqlite_schema", row -> row.getInt(1)))
                .containsExactly(1);
    }

    /** The last step of an opening fails; the Pools extension sees that no descriptor of the WAL is left. */
    @Test
    void anOpeningThatFailsAtItsLastStepLeavesNoFileOpen() throws SQLException {
        AtomicBoolean well = new AtomicBoolean();
        SqlitePool pool = from(access -> new JDBC4Connection(url(), pools.file().toString(), new Properties()) {
            @Override
            public Statement createStatement() throws SQLException {
                Statement statement = super.createStatement();
                return (Statement) Proxy.newProxyInstance(
                        OpeningTest.class.getClassLoader(),
                        new Class<?>[] {Statement.class},
                        (self, method, values) -> {
                            if (!well.get() && values != null && "PRAGMA synchronous=NORMAL".equals(values[0])) {
                                throw new SQLException("of the driver");
                            }
                            return method.invoke(statement, values);
                        });
            }
        });
        assertThatThrownBy(() -> pool.blocking().execute("CREATE TABLE t (x)")).hasMessage("of the driver");
        assertThat(pool.stats().live()).isZero();
        assertThat(Pools.openFiles(pools.directory())).isEmpty();
        well.set(true);
        assertWorks(pool);
    }

    // ---- hooks

    @Test
    void hooksRunInOrderOnceForEachConnectionAfterThePragmas() throws SQLException {
        List<String> ran = Collections.synchronizedList(new ArrayList<>());
        SqlitePool pool = pools.open(settings -> settings.poolSize(2)
                .onConnect(connection -> {
                    try (Statement statement = connection.createStatement();
                            java.sql.ResultSet mode = statement.executeQuery("PRAGMA journal_mode")) {
                        ran.add("first " + mode.getString(1));
                    }
                })
                .onConnect(connection -> ran.add("second")));
        assertThat(ran).isEmpty();
        for (int i = 0; i < 5; i++) {
            assertWorks(pool);
        }
        assertThat(ran).containsExactly("first wal", "second", "first wal", "second");
    }

    @Test
    void aHookThatFailsClosesTheConnectionAndReachesTheCaller() throws SQLException {
        for (Throwable thrown : List.of(
                new SQLException("of the hook"),
                new IllegalStateException("of the hook"),
                new AssertionError("of the hook"))) {
            AtomicBoolean well = new AtomicBoolean();
            List<Connection> opened = new CopyOnWriteArrayList<>();
            SqlitePool pool = pools.open(
                    settings -> settings.poolSize(2).onConnect(opened::add).onConnect(connection -> {
                        if (!well.get()) {
                            throw OpeningTest.<RuntimeException>sneaky(thrown);
                        }
                    }));
            assertThatThrownBy(() -> pool.blocking().query("SELECT 1", row -> 1))
                    .isSameAs(thrown);
            assertThatThrownBy(() -> pool.blocking().execute("SELECT 1")).isSameAs(thrown);
            assertThat(opened).hasSize(2).allSatisfy(connection -> assertThat(connection.isClosed())
                    .isTrue());
            well.set(true);
            assertWorks(pool);
            pool.close();
        }
    }

    @Test
    void aHookGetsTheConnectionAsTheDriverOpensIt() throws SQLException {
        List<Boolean> autocommit = new CopyOnWriteArrayList<>();
        SqlitePool pool = pools.open(settings -> settings.poolSize(2).onConnect(connection -> {
            autocommit.add(connection.getAutoCommit());
            connection.setAutoCommit(false);
            try (Statement statement = connection.createStatement()) {
                statement.execute("SELECT 1");
            }
            connection.commit();
            connection.setAutoCommit(true);
        }));
        assertWorks(pool);
        assertThat(autocommit).containsExactly(true, true);
    }

    @Test
    void aCheckedExceptionOfAHookIsTheCause() {
        IOException thrown = new IOException("of the hook");
        SqlitePool pool = pools.open(settings -> settings.onConnect(connection -> {
            throw thrown;
        }));
        assertFails(pool).hasMessageContaining("onConnect").hasCause(thrown);
    }

    /** The hook's trouble is not taken for trouble with the database. */
    @Test
    void aHookThatCannotOpenAnotherFileIsNotTakenForTheDatabase() {
        SqlitePool pool = pools.open(settings -> settings.onConnect(connection -> {
            try (Statement statement = connection.createStatement()) {
                statement.execute("ATTACH '/no/such/directory/other.db' AS other");
            }
        }));
        assertFails(pool)
                .hasMessageContaining("SQLITE_CANTOPEN")
                .hasMessageNotContaining("Cannot open " + pools.file());
    }

    /** A transaction begun in a hook would swallow what the first user commits. */
    @Test
    void aHookThatLeavesATransactionOpenIsRefused() {
        SqlitePool pool = pools.open(settings -> settings.onConnect(connection -> {
            try (Statement statement = connection.createStatement()) {
                statement.execute("BEGIN");
            }
        }));
        assertFails(pool).hasMessageContaining("onConnect").hasMessageContaining("transaction");
    }
}
