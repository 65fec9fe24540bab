package dev.sqlitepool.internal.file;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.ConnectionFactory;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.testing.Logged;
import dev.sqlitepool.testing.Pools;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sqlite.JDBC;

/** Applications in one process, each with class loaders of its own, as in a servlet container. */
class TwoCopiesOfSqliteTest {
    private static final AtomicInteger NUMBER = new AtomicInteger();

    @RegisterExtension
    final Pools pools = new Pools();

    @RegisterExtension
    final Logged logged = new Logged();

    private final List<Application> applications = new ArrayList<>();

    @AfterEach
    void closeAndFindNothingLeft() throws Exception {
        for (Application application : applications) {
            application.close();
        }
        pools.closeAll();
        assertThat(System.getProperties().stringPropertyNames())
                .noneMatch(name -> name.startsWith("dev.sqlitepool.open"));
        assertThat(System.getProperties().values()).allMatch(value -> value instanceof String);
    }

    private static URL of(Class<?> type) {
        return type.getProtectionDomain().getCodeSource().getLocation();
    }

    /** A web application with a pool of its own, called by reflection, since its classes are not ours. */
    private static final class Application {
        private final URLClassLoader loader;
        private final String name = "application-" + NUMBER.incrementAndGet();
        private Object pool;

        private Application(URLClassLoader loader) {
            this.loader = loader;
        }

        /** The library and the driver are among the application's own jars. */
        static Application alone() {
            return new Application(new URLClassLoader(
                    new URL[] {of(SqlitePool.class), of(JDBC.class)}, ClassLoader.getPlatformClassLoader()));
        }

        /** The driver is among the container's shared jars. */
        static Application sharing(ClassLoader container) {
            return new Application(new URLClassLoader(new URL[] {of(SqlitePool.class)}, container));
        }

        private Object builder() throws Exception {
            Object builder = loader.loadClass(SqlitePool.class.getName())
                    .getMethod("builder")
                    .invoke(null);
            call(builder, "name", String.class, name);
            call(builder, "poolSize", int.class, 2);
            return builder;
        }

        private static Object call(Object on, String method, Class<?> type, Object argument) throws Exception {
            try {
                return on.getClass().getMethod(method, type).invoke(on, argument);
            } catch (InvocationTargetException e) {
                throw e.getCause() instanceof Exception cause ? cause : e;
            }
        }

        private static Object call(Object on, Class<?> as, String method) throws Exception {
            return as.getMethod(method).invoke(on);
        }

        Application open(Path file) throws Exception {
            pool = call(
                    call(builder(), "databasePath", Path.class, file), builder().getClass(), "build");
            return this;
        }

        Application inMemory() throws Exception {
            Object builder = loader.loadClass(SqlitePool.class.getName())
                    .getMethod("builder")
                    .invoke(null);
            pool = call(call(builder, builder.getClass(), "inMemory"), builder.getClass(), "build");
            return this;
        }

        /** Through a factory of the application. */
        Application open(Path file, AtomicInteger calls) throws Exception {
            Class<?> type = loader.loadClass(ConnectionFactory.class.getName());
            Object factory = Proxy.newProxyInstance(loader, new Class<?>[] {type}, (proxy, method, arguments) -> {
                calls.incrementAndGet();
                return connect(file);
            });
            Object builder = builder();
            builder.getClass().getMethod("connectionFactory", type).invoke(builder, factory);
            pool = call(builder, builder.getClass(), "build");
            return this;
        }

        Connection connect(Path file) throws Exception {
            return (Connection) loader.loadClass(JDBC.class.getName())
                    .getMethod("createConnection", String.class, Properties.class)
                    .invoke(null, "jdbc:sqlite:" + file, new Properties());
        }

        long execute(String sql) throws Exception {
            Class<?> door = loader.loadClass(SqlitePool.class.getName());
            Object blocking = call(pool, door, "blocking");
            Class<?> verbs = loader.loadClass("dev.sqlitepool.BlockingPool");
            try {
                return (long)
                        verbs.getMethod("execute", String.class, Object[].class).invoke(blocking, sql, new Object[0]);
            } catch (InvocationTargetException e) {
                throw e.getCause() instanceof Exception cause ? cause : e;
            }
        }

        void close() throws Exception {
            if (pool != null) {
                call(pool, loader.loadClass(SqlitePool.class.getName()), "close");
            }
            loader.close();
        }
    }

    private Application running(Application application) {
        applications.add(application);
        return application;
    }

    private Application alone() {
        return running(Application.alone());
    }

    private static void assertRefused(Application application, String holder) {
        for (String sql : List.of("CREATE TABLE refused (x)", "SELECT 1")) {
            assertThatThrownBy(() -> application.execute(sql))
                    .isInstanceOf(SQLException.class)
                    .hasMessageStartingWith("Cannot open ")
                    .hasMessageContaining("the pool " + holder + " of this process")
                    .hasMessageContaining("another copy of SQLite")
                    .hasMessageContaining("shared libraries");
        }
    }

    private SqlitePool used() throws SQLException {
        SqlitePool pool = pools.open();
        pool.blocking().execute("CREATE TABLE IF NOT EXISTS t (x)");
        return pool;
    }

    // ---- two copies

    @Test
    void aSecondCopyOfSqliteIsRefusedAndTheFirstGoesOn() throws Exception {
        SqlitePool first = used();
        Application second = alone().open(pools.file());
        for (int i = 0; i < 3; i++) {
            assertRefused(second, first.stats().pool());
            first.blocking().execute("INSERT INTO t VALUES (1)");
        }
        first.close();
        assertThat(second.execute("INSERT INTO t VALUES (2)")).isEqualTo(1);
        SqlitePool again = pools.open();
        assertThatThrownBy(() -> again.blocking().query("SELECT * FROM t", row -> 1))
                .hasMessageContaining("the pool " + second.name);
        second.close();
        assertThat(again.blocking().query("SELECT count(*) FROM t", row -> row.getInt(1)))
                .containsExactly(4);
    }

    @Test
    void twoApplicationsBesideEachOtherAreRefusedTheSame() throws Exception {
        Application first = alone().open(pools.file());
        first.execute("CREATE TABLE t (x)");
        assertRefused(alone().open(pools.file()), first.name);
        assertThat(first.execute("INSERT INTO t VALUES (1)")).isEqualTo(1);
    }

    @ParameterizedTest
    @ValueSource(strings = {"link.db", "here/test.db", "x/../test.db", "hard.db"})
    void whateverThePathIs(String path) throws Exception {
        SqlitePool first = used();
        Files.createSymbolicLink(pools.directory().resolve("link.db"), pools.file());
        Files.createSymbolicLink(pools.directory().resolve("here"), pools.directory());
        Files.createDirectories(pools.directory().resolve("x"));
        Files.createLink(pools.directory().resolve("hard.db"), pools.file());
        assertRefused(
                alone().open(pools.directory().resolve(path)), first.stats().pool());
    }

    /** To close a connection would drop the locks of the first: it stays open, and the factory is asked only once. */
    @Test
    void aFactoryIsNoHidingPlaceAndItsConnectionIsNotClosed() throws Exception {
        pools.filesMayStay();
        SqlitePool first = used();
        AtomicInteger calls = new AtomicInteger();
        Application second = alone().open(pools.file(), calls);
        int open = Pools.openFiles(pools.directory()).size();
        assertRefused(second, first.stats().pool());
        assertRefused(second, first.stats().pool());
        assertThat(calls).hasValue(1);
        if (open > 0) {
            assertThat(Pools.openFiles(pools.directory())).hasSizeGreaterThan(open);
        }
        first.close();
        assertThat(second.execute("INSERT INTO t VALUES (1)")).isEqualTo(1);
    }

    @Test
    void databasesInMemoryAndOtherFilesAreNotConcerned() throws Exception {
        used();
        alone().open(pools.directory().resolve("other.db")).execute("CREATE TABLE t (x)");
        SqlitePool memory = pools.build(SqlitePool.builder().inMemory());
        memory.blocking().execute("CREATE TABLE t (x)");
        alone().inMemory().execute("CREATE TABLE t (x)");
        assertThat(logged.warnings()).isEmpty();
    }

    // ---- one after the other

    @Test
    void anApplicationThatIsDeployedAgainIsNotRefused() throws Exception {
        for (int i = 0; i < 3; i++) {
            Application application = alone().open(pools.file());
            application.execute("CREATE TABLE IF NOT EXISTS t (x)");
            application.execute("INSERT INTO t VALUES (1)");
            application.close();
        }
        assertThat(pools.open().blocking().query("SELECT count(*) FROM t", row -> row.getInt(1)))
                .containsExactly(3);
    }

    @Test
    void anOpeningThatFailsLeavesNoClaim() throws Exception {
        Path letter = Files.writeString(pools.directory().resolve("letter.db"), "This is no database. ".repeat(100));
        Path nowhere = pools.directory().resolve("nowhere/x.db");
        Path hooked = pools.directory().resolve("hooked.db");
        for (SqlitePool pool : List.of(
                pools.build(SqlitePool.builder().databasePath(letter)),
                pools.build(SqlitePool.builder().databasePath(nowhere)),
                pools.build(SqlitePool.builder().databasePath(hooked).onConnect(connection -> {
                    throw new AssertionError("of the hook");
                })),
                pools.build(SqlitePool.builder().databasePath(hooked).beforePragmas(Connection::close)),
                pools.build(SqlitePool.builder().connectionFactory(access -> {
                    throw new SQLException("of the factory");
                })))) {
            assertThatThrownBy(() -> pool.blocking().execute("CREATE TABLE t (x)"));
            assertThat(System.getProperties().stringPropertyNames())
                    .noneMatch(name -> name.startsWith("dev.sqlitepool.open"));
        }
        Files.delete(letter);
        alone().open(letter).execute("CREATE TABLE t (x)");
        alone().open(hooked).execute("CREATE TABLE t (x)");
    }

    @Test
    void connectionsThatComeAndGoKeepTheClaimUntilTheLastIsClosed() throws Exception {
        SqlitePool first = used();
        Application second = alone().open(pools.file());
        first.blocking().query("SELECT * FROM t", row -> 1); // both lanes
        // What has used the driver's connection is closed afterwards.
        first.blocking().useTransaction(tx -> tx.jdbc().unwrap(org.sqlite.SQLiteConnection.class));
        Pools.await("one lane is closed", () -> first.stats().live() == 1);
        assertRefused(second, first.stats().pool());
        first.blocking().useRead(read -> read.jdbc().unwrap(org.sqlite.SQLiteConnection.class));
        Pools.await("both are", () -> first.stats().live() == 0);
        assertThat(second.execute("INSERT INTO t VALUES (1)")).isEqualTo(1);
    }

    // ---- both at once

    @Test
    void ofTwoThatOpenAtOnceOneIsRefusedEvenIfThereIsNoFileYet() throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(2);
        try {
            Application first = alone();
            Application second = alone();
            for (int i = 0; i < 40; i++) {
                Path file = pools.directory().resolve("race" + i + ".db");
                CountDownLatch start = new CountDownLatch(2);
                List<Future<Boolean>> results = new ArrayList<>();
                for (Application each : List.of(first, second)) {
                    each.open(file);
                    results.add(threads.submit(() -> {
                        start.countDown();
                        start.await();
                        return works(each);
                    }));
                }
                int winners = 0;
                for (Future<Boolean> result : results) {
                    winners += result.get(30, TimeUnit.SECONDS) ? 1 : 0;
                }
                assertThat(winners).isEqualTo(1);
                closePool(first);
                closePool(second);
            }
        } finally {
            threads.shutdownNow();
        }
    }

    private static boolean works(Application application) throws Exception {
        try {
            application.execute("CREATE TABLE t (x)");
            return true;
        } catch (SQLException e) {
            assertThat((Throwable) e).hasMessageContaining("another copy of SQLite");
            return false;
        }
    }

    private static void closePool(Application application) throws Exception {
        Application.call(application.pool, application.loader.loadClass(SqlitePool.class.getName()), "close");
    }

    // ---- one copy

    @Test
    void applicationsThatShareTheDriverWorkAndAreToldAsForAnySecondPool() throws Exception {
        try (URLClassLoader container =
                new URLClassLoader(new URL[] {of(JDBC.class)}, ClassLoader.getPlatformClassLoader())) {
            Application first = running(Application.sharing(container)).open(pools.file());
            Application second = running(Application.sharing(container)).open(pools.file());
            first.execute("CREATE TABLE t (x)");
            assertThat(logged.warnings()).isEmpty();
            for (int i = 0; i < 10; i++) {
                assertThat(second.execute("INSERT INTO t VALUES (1)")).isEqualTo(1);
                assertThat(first.execute("INSERT INTO t VALUES (2)")).isEqualTo(1);
            }
            assertThat(logged.warnings())
                    .singleElement()
                    .asString()
                    .startsWith(second.name + ": ")
                    .contains("is open in the pool " + first.name);
            assertRefused(alone().open(pools.file()), first.name);
        }
    }

    // ---- the registry

    @Test
    void whatOthersReadIsTextOfOneLineForEachConnection() {
        String file = "test " + NUMBER.incrementAndGet();
        FileHolders.Holder holder = new FileHolders.Holder("copy", "owner", false, "a name\nof two lines");
        FileHolders.Holder twin = new FileHolders.Holder("copy", "other", false, "b");
        assertThat(FileHolders.add(file, holder)).isNull();
        assertThat(FileHolders.add(file, holder)).isNull();
        assertThat(FileHolders.add(file, twin)).isNull();
        assertThat(System.getProperty("dev.sqlitepool.open:" + file))
                .isEqualTo(
                        "copy owner opens a name of two lines\ncopy owner opens a name of two lines\ncopy other opens b");
        assertThat(FileHolders.add(file, new FileHolders.Holder("another", "x", false, "c")))
                .isNotNull();
        FileHolders.remove(file, holder);
        FileHolders.remove(file, holder);
        FileHolders.remove(file, twin);
        assertThat(System.getProperty("dev.sqlitepool.open:" + file)).isNull();
        FileHolders.remove(file, twin);
    }
}
