package dev.sqlitepool.internal.file;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.PoolListener;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Logged;
import dev.sqlitepool.testing.Pools;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.sqlite.core.NativeDB;

/** Pools of one process that use the same file: they notice each other, and open and close one after the other. */
class OpenFileTest {
    @RegisterExtension
    final Pools pools = new Pools();

    @RegisterExtension
    final Logged logged = new Logged();

    private final List<String> told = new CopyOnWriteArrayList<>();

    private SqlitePool pool(Path file, UnaryOperator<SqlitePoolBuilder> settings) {
        return pools.build(settings.apply(
                SqlitePool.builder().databasePath(file).poolSize(2).listener(new PoolListener() {
                    @Override
                    public void databaseShared(Path database, String otherPool) {
                        told.add(database + " " + otherPool);
                    }
                })));
    }

    private SqlitePool pool(Path file) {
        return pool(file, settings -> settings);
    }

    private static String name(SqlitePool pool) {
        return pool.stats().pool();
    }

    /** Both lanes. */
    private static void use(SqlitePool pool) {
        pool.execute("CREATE TABLE IF NOT EXISTS t (x)").join();
        pool.query("SELECT * FROM t", row -> 1).join();
    }

    private static void closeIdle(SqlitePool pool) throws SQLException {
        pool.blocking().useRead(c -> c.jdbc().unwrap(org.sqlite.SQLiteConnection.class));
        pool.blocking().useTransaction(c -> c.jdbc().unwrap(org.sqlite.SQLiteConnection.class));
        Pools.await("the lanes are closed", () -> pool.stats().live() == 0);
    }

    private void assertNoticed(SqlitePool second, SqlitePool first) {
        String expected = pools.file() + " " + name(first);
        Pools.await("the listener is told", () -> !told.isEmpty());
        assertThat(told).containsExactly(expected);
        assertThat(logged.warnings())
                .singleElement()
                .asString()
                .startsWith(name(second) + ": ")
                .contains("the database file " + pools.file())
                .contains("is open in the pool " + name(first))
                .contains("one pool");
    }

    @BeforeEach
    void nothingIsLeftOfEarlierTests() {
        assertThat(OpenFile.count()).isZero();
    }

    @AfterEach
    void closeAndFindNothingLeft() {
        pools.closeAll();
        assertThat(OpenFile.count()).as("files in use").isZero();
        assertThat(System.getProperties().stringPropertyNames())
                .as("told to other class loaders")
                .noneMatch(name -> name.startsWith("dev.sqlitepool.open"));
    }

    // ---- a second pool is noticed

    @Test
    void aSecondPoolOnAFileIsNoticedOnceAndBothWorkOn() throws SQLException {
        SqlitePool first = pool(pools.file());
        SqlitePool second = pool(pools.file());
        use(first);
        assertThat(logged.warnings()).isEmpty();
        for (int i = 0; i < 3; i++) {
            use(second);
            use(first);
            closeIdle(second);
        }
        assertNoticed(second, first);
        assertThat(first.execute("INSERT INTO t VALUES (1)").join()).isEqualTo(1);
        assertThat(second.execute("INSERT INTO t VALUES (2)").join()).isEqualTo(1);
        assertThat(first.query("SELECT count(*) FROM t", row -> row.getInt(1)).join())
                .containsExactly(2);
    }

    @Test
    void whateverThePathIs() throws Exception {
        Path link = Files.createSymbolicLink(pools.directory().resolve("link.db"), pools.file());
        Path directory = Files.createSymbolicLink(pools.directory().resolve("here"), pools.directory());
        SqlitePool first = pool(pools.file());
        use(first);
        for (Path path :
                List.of(link, directory.resolve("test.db"), pools.directory().resolve("x/../test.db"))) {
            Files.createDirectories(pools.directory().resolve("x"));
            SqlitePool second = pool(path);
            use(second);
            assertNoticed(second, first);
            second.close();
            told.clear();
            logged.clear();
        }
    }

    /** SQLite itself keeps a WAL for each name: hard links to a database are never safe, all the more a warning is due. */
    @Test
    void aHardLinkIsTheSameFile() throws Exception {
        pools.filesMayStay();
        SqlitePool first = pool(pools.file(), settings -> settings.pragma("journal_mode", "DELETE"));
        use(first);
        Path hard = Files.createLink(pools.directory().resolve("hard.db"), pools.file());
        SqlitePool second = pool(hard, settings -> settings.pragma("journal_mode", "DELETE"));
        use(second);
        Pools.await("the listener is told", () -> !told.isEmpty());
        assertThat(told).containsExactly(hard + " " + name(first));
    }

    @Test
    void aFactoryIsNoHidingPlace() {
        SqlitePool first = pool(pools.file());
        use(first);
        SqlitePool second = pools.build(SqlitePool.builder()
                .poolSize(2)
                .connectionFactory(access -> DriverManager.getConnection("jdbc:sqlite:" + pools.file())));
        use(second);
        assertThat(logged.warnings())
                .singleElement()
                .asString()
                .startsWith(name(second) + ": ")
                .contains(name(first));
    }

    @Test
    void poolsOfOtherFilesAndInMemoryAndOneAfterTheOtherAreNotNoticed() {
        use(pool(pools.file()));
        use(pool(pools.directory().resolve("other.db")));
        use(pools.build(SqlitePool.builder().inMemory()));
        use(pools.build(SqlitePool.builder().inMemory()));
        Path third = pools.directory().resolve("third.db");
        for (int i = 0; i < 3; i++) {
            SqlitePool pool = pool(third);
            use(pool);
            pool.close();
        }
        assertThat(OpenFile.count()).isEqualTo(2);
        assertThat(logged.warnings()).isEmpty();
        assertThat(told).isEmpty();
    }

    @Test
    void aPoolThatHasClosedItsConnectionsIsNotInTheWay() throws SQLException {
        SqlitePool first = pool(pools.file());
        use(first);
        closeIdle(first);
        SqlitePool second = pool(pools.file());
        use(second);
        assertThat(logged.warnings()).isEmpty();
        use(first); // now the first is the one who comes second
        assertNoticed(first, second);
    }

    @Test
    void anOpeningThatFailsLeavesNothing() throws Exception {
        Files.writeString(pools.file(), "This is a letter, not a database. ".repeat(100));
        SqlitePool pool = pool(pools.file());
        assertThatThrownBy(() -> use(pool)).hasMessageContaining("NOTADB");
        SqlitePool hooked = pool(
                pools.directory().resolve("hooked.db"),
                settings -> settings.onConnect(connection -> {
                    throw new IllegalStateException("of the hook");
                }));
        assertThatThrownBy(() -> use(hooked)).hasMessageContaining("of the hook");
        assertThat(OpenFile.count()).isZero();
    }

    // ---- turns

    private static OpenFile.Use use(Path file, String pool, long patienceNanos) throws SQLException {
        String copy = Integer.toHexString(System.identityHashCode(NativeDB.class));
        OpenFile.Use use = new OpenFile.Use(copy, "owner", pool, patienceNanos);
        use.begin(file);
        return use;
    }

    /**
     * <pre>
     *   first pool                          second pool
     *   (has the turn of the file)
     *                                       opens: waits for the turn
     *   ends its turn
     *                                       has it, goes on
     * </pre>
     */
    @Test
    void turnsAreTakenAcrossPoolsForEachFile() throws Exception {
        Files.createFile(pools.file());
        OpenFile.Use first = use(pools.file(), "first", TimeUnit.MINUTES.toNanos(1));
        OpenFile.Use elsewhere = use(pools.directory().resolve("other.db"), "first", 0);
        assertThat(first.takeTurn()).isTrue();
        assertThat(elsewhere.takeTurn()).isTrue();
        SqlitePool second = pool(pools.file());
        CompletableFuture<Long> created = second.execute("CREATE TABLE t (x)");
        Pools.await("it opens", () -> second.stats().writeConnections().opening() == 1 && first.isAwaited());
        assertThat(created).isNotDone();
        first.endTurn();
        assertThat(created.join()).isZero();
        elsewhere.endTurn();
        first.end();
        first.end();
        elsewhere.end();
    }

    @Test
    void aTurnThatHangsHoldsUpNobodyForEver() throws Exception {
        OpenFile.Use hanging = use(pools.file(), "hanging", 0);
        OpenFile.Use next = use(pools.file(), "next", TimeUnit.MILLISECONDS.toNanos(20));
        Gate gate = new Gate();
        Thread holder = new Thread(() -> {
            assertThat(hanging.takeTurn()).isTrue();
            gate.pass();
            hanging.endTurn();
        });
        holder.start();
        gate.awaitReached();
        assertThat(next.takeTurn()).isFalse();
        Thread.currentThread().interrupt();
        assertThat(next.takeTurn()).isFalse();
        assertThat(Thread.interrupted()).as("the interrupt is kept").isTrue();
        gate.open();
        holder.join();
        Thread.currentThread().interrupt();
        assertThat(next.takeTurn()).as("an interrupt does not push in").isTrue();
        assertThat(Thread.interrupted()).isTrue();
        next.endTurn();
        next.end();
        hanging.end();
    }

    /**
     * Two pools on one file close their connections after each use, so that the last close, which checkpoints and unlinks the WAL, meets
     * openings all the time. One pool alone writes, and without patience for other processes: so the only BUSY there can be is that of
     * an opening beside a close.
     */
    @Test
    @Timeout(300)
    void nobodyIsBusyWhileTwoPoolsOpenAndCloseAllTheTime() throws Exception {
        int rounds = Integer.getInteger("sqlitepool.storm.openings", 300);
        UnaryOperator<SqlitePoolBuilder> restless =
                settings -> settings.busyTimeout(Duration.ZERO).maxConnectionAge(Duration.ofNanos(1));
        SqlitePool writing = pool(pools.file(), restless);
        SqlitePool reading = pool(pools.file(), restless);
        writing.execute("CREATE TABLE t (x)").join();
        ConcurrentLinkedQueue<Throwable> errors = new ConcurrentLinkedQueue<>();
        AtomicBoolean done = new AtomicBoolean();
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            threads.add(thread(errors, () -> {
                while (!done.get()) {
                    reading.query("SELECT count(*) FROM t", row -> row.getInt(1))
                            .join();
                }
            }));
        }
        Thread writer = thread(errors, () -> {
            for (int i = 0; i < rounds; i++) {
                writing.execute("INSERT INTO t VALUES (randomblob(20000))").join();
            }
        });
        writer.join();
        done.set(true);
        for (Thread thread : threads) {
            thread.join();
        }
        assertThat(errors).isEmpty();
        assertThat(writing.stats().opened()).isGreaterThan(rounds / 2);
        assertThat(reading.stats().opened()).isGreaterThan(rounds / 2);
        assertThat(reading.query("SELECT count(*) FROM t", row -> row.getInt(1)).join())
                .containsExactly(rounds);
    }

    private static Thread thread(ConcurrentLinkedQueue<Throwable> errors, Runnable body) {
        Thread thread = new Thread(() -> {
            try {
                body.run();
            } catch (Throwable e) {
                errors.add(e);
            }
        });
        thread.start();
        return thread;
    }
}
