package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.PoolStats.Connections;
import dev.sqlitepool.internal.pool.TimedPools;
import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.Sql;
import dev.sqlitepool.testing.TestClock;
import java.io.BufferedReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.sqlite.SQLiteConnection;

/**
 * The named guarantees of {@code docs/guarantees.md}, one test of the same name for each, through the public API on a real file. The
 * drawings read downwards; each column is a thread or a user.
 */
@Timeout(300)
class GuaranteesTest {
    /** Runs for some tens of milliseconds. */
    private static final String LONG =
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) SELECT count(*) FROM n";

    private static final String SHORT = LONG.replace("200000", "1000");
    private static final String COUNT = "SELECT count(*) FROM t";

    @RegisterExtension
    final Pools pools = new Pools();

    private static void createTable(SqlitePool pool) {
        pool.execute("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v)").join();
    }

    private static void insert(PoolConnection connection, Object value) throws SQLException {
        connection.execute("INSERT INTO t (v) VALUES (?)", value);
    }

    private static int count(PoolConnection connection) throws SQLException {
        return connection.queryOne(COUNT, row -> row.getInt(1)).orElseThrow();
    }

    private static int count(SqlitePool pool) {
        return pool.queryOne(COUNT, row -> row.getInt(1)).join().orElseThrow();
    }

    private static List<String> values(SqlitePool pool) {
        return pool.query("SELECT v FROM t ORDER BY id", row -> row.getString(1))
                .join();
    }

    private static void awaitWriters(SqlitePool pool, int waiting) {
        Pools.await(
                waiting + " wait to write",
                () -> pool.stats().writeConnections().waiting() == waiting);
    }

    private static Throwable errorOf(CompletableFuture<?> future) {
        return future.handle((value, error) -> error)
                .orTimeout(Pools.PATIENCE.toMillis(), TimeUnit.MILLISECONDS)
                .join();
    }

    /** A connection that the pool knows nothing of, without patience. */
    private Connection outsider() throws SQLException {
        Connection outsider = DriverManager.getConnection("jdbc:sqlite:" + pools.file());
        try (Statement statement = outsider.createStatement()) {
            statement.execute("PRAGMA busy_timeout = 0");
        }
        return outsider;
    }

    /** What runs a write through each door of the pool. */
    private static CompletableFuture<?> write(SqlitePool pool, int form, Object value) {
        switch (form % 6) {
            case 0:
                return pool.useTransaction(tx -> insert(tx, value));
            case 1:
                return pool.execute("INSERT INTO t (v) VALUES (?)", value);
            case 2:
                return pool.executeBatch("INSERT INTO t (v) VALUES (?)", List.<Object[]>of(new Object[] {value}));
            case 3:
                return pool.query("INSERT INTO t (v) VALUES (?) RETURNING id", row -> row.getLong(1), value);
            case 4:
                return pool.useConnection(c -> {
                    count(c);
                    insert(c, value); // here it moves to the write lane
                });
            default:
                return pool.acquire().thenCompose(lease -> lease.run(c -> {
                            c.execute("BEGIN");
                            insert(c, value);
                            return c.execute("COMMIT");
                        })
                        .whenComplete((changes, error) -> lease.close()));
        }
    }

    /**
     * <pre>
     *   first transaction             other writers (each form)        outsider
     *   begins
     *                                                                  BEGIN IMMEDIATE: busy, though nothing is written yet
     *                                 come one after the other: wait
     *   INSERT
     *                                 still wait                       sees nothing
     *   COMMIT
     *                                 run one by one, in their order
     * </pre>
     */
    @Tag("slow")
    @Test
    void serializedWrites() throws SQLException {
        SqlitePool pool = pools.open();
        createTable(pool);
        AtomicInteger inside = new AtomicInteger();
        AtomicInteger most = new AtomicInteger();
        Gate begun = new Gate();
        Gate written = new Gate();
        List<CompletableFuture<?>> writers = new ArrayList<>();
        writers.add(pool.useTransaction(tx -> {
            begun.pass();
            insert(tx, "0");
            written.pass();
        }));
        begun.awaitReached();
        try (Connection outsider = outsider();
                Statement statement = outsider.createStatement()) {
            assertThatThrownBy(() -> statement.execute("BEGIN IMMEDIATE")).hasMessageContaining("SQLITE_BUSY");
            List<String> expected = new ArrayList<>(List.of("0"));
            for (int i = 1; i <= 24; i++) {
                Object value = Integer.toString(i);
                writers.add(
                        i % 4 != 0
                                ? write(pool, i, value)
                                : pool.useTransaction(tx -> {
                                    most.accumulateAndGet(inside.incrementAndGet(), Math::max);
                                    insert(tx, value);
                                    tx.query(LONG, row -> 1);
                                    inside.decrementAndGet();
                                }));
                awaitWriters(pool, i);
                expected.add(value.toString());
            }
            begun.open();
            written.awaitReached();
            assertThat(pool.stats().writeConnections().borrowed()).isEqualTo(1);
            assertThat(writers).noneMatch(CompletableFuture::isDone);
            try (ResultSet seen = statement.executeQuery(COUNT)) {
                assertThat(seen.getInt(1)).isZero();
            }
            written.open();
            writers.forEach(CompletableFuture::join);
            assertThat(values(pool)).isEqualTo(expected);
        }
        assertThat(most).hasValue(1);
        assertThat(pool.stats().writeConnections().max()).isEqualTo(1);
    }

    /**
     * <pre>
     *   read                          query                         writers
     *                                                               one is in its transaction, has written
     *   looks: 1 row, without waiting
     *                                 stands on its first of 2 rows
     *                                                               commits; others insert, delete, drop a table
     *   looks: the same 1 row
     *                                 reads on: the same 2 rows
     *   ends
     *   the next read sees all of it
     * </pre>
     */
    @Test
    void isolatedReads() {
        SqlitePool pool = pools.open();
        createTable(pool);
        pool.execute("CREATE TABLE u AS SELECT 1 AS x UNION SELECT 2").join();
        pool.execute("INSERT INTO t (v) VALUES ('old')").join();
        Gate written = new Gate();
        Gate looked = new Gate();
        Gate standing = new Gate();
        CompletableFuture<Void> writer = pool.useTransaction(tx -> {
            insert(tx, "new");
            tx.execute("DELETE FROM u");
            written.pass();
        });
        written.awaitReached();
        CompletableFuture<List<String>> read = pool.read(c -> {
            String sql = "SELECT v || (SELECT count(*) FROM u) FROM t";
            List<String> seen = new ArrayList<>(c.query(sql, row -> row.getString(1)));
            looked.pass();
            seen.addAll(c.query(sql, row -> row.getString(1)));
            try (Statement statement = c.jdbc().createStatement();
                    ResultSet rows = statement.executeQuery(sql)) {
                while (rows.next()) {
                    seen.add(rows.getString(1));
                }
            }
            return seen;
        });
        looked.awaitReached();
        CompletableFuture<List<Integer>> query = pool.query("SELECT x FROM u ORDER BY x", row -> {
            if (row.getInt(1) == 1) {
                standing.pass();
            }
            return row.getInt(1);
        });
        standing.awaitReached();
        written.open();
        writer.join();
        pool.execute("INSERT INTO t (v) VALUES ('newer')").join();
        pool.execute("DELETE FROM t WHERE v = 'old'").join();
        pool.execute("DROP TABLE u").join();
        pool.execute("CREATE TABLE u (x)").join();
        standing.open();
        looked.open();
        assertThat(query.join()).containsExactly(1, 2);
        assertThat(read.join()).containsExactly("old2", "old2", "old2");
        assertThat(values(pool)).containsExactly("new", "newer");
        assertThat(pool.query("SELECT x FROM u", row -> row.getInt(1)).join()).isEmpty();
    }

    @Test
    void forbiddenWritesInReads() throws SQLException {
        List<SqlitePool> all = List.of(
                pools.open(),
                pools.build(SqlitePool.builder()
                        .databasePath(pools.directory().resolve("one.db"))
                        .poolSize(1)),
                pools.build(SqlitePool.builder().inMemory()));
        for (SqlitePool pool : all) {
            createTable(pool);
            pool.execute("INSERT INTO t (v) VALUES ('kept')").join();
            for (String sql : List.of(
                    "INSERT INTO t (v) VALUES (1)",
                    "INSERT INTO t (v) VALUES (1) RETURNING id",
                    "REPLACE INTO t VALUES (1, 2)",
                    "UPDATE t SET v = 1",
                    "DELETE FROM t",
                    "WITH x(y) AS (SELECT 1) INSERT INTO t (v) SELECT y FROM x",
                    "CREATE TABLE u (x)",
                    "CREATE TEMP TABLE u (x)",
                    "CREATE INDEX i ON t (v)",
                    "ALTER TABLE t ADD COLUMN w",
                    "DROP TABLE t")) {
                for (SqlAction<PoolConnection, SQLException> way : waysToRun(sql)) {
                    assertThatThrownBy(() -> pool.blocking().useRead(way::accept))
                            .as(sql)
                            .isInstanceOfSatisfying(SQLException.class, e -> assertThat(e.getErrorCode())
                                    .as("SQLITE_READONLY")
                                    .isEqualTo(8));
                }
            }
            for (String sql : List.of(
                    "PRAGMA query_only = OFF",
                    "PRAGMA user_version = 7",
                    "BEGIN IMMEDIATE",
                    "COMMIT",
                    "ROLLBACK",
                    "SAVEPOINT s",
                    "ATTACH ':memory:' AS other",
                    "VACUUM")) {
                for (SqlAction<PoolConnection, SQLException> way : waysToRun(sql)) {
                    assertThatThrownBy(() -> pool.blocking().useRead(way::accept))
                            .isInstanceOf(SQLException.class)
                            .hasMessageContaining("is refused inside read(…)");
                }
            }
            assertThat(values(pool)).containsExactly("kept");
            assertThat(pool.query("SELECT name FROM sqlite_schema WHERE name IN ('u', 'i')", row -> 1)
                            .join())
                    .isEmpty();
            assertThat(pool.execute("UPDATE t SET v = 'by a writer'").join()).isEqualTo(1);
        }
    }

    private static List<SqlAction<PoolConnection, SQLException>> waysToRun(String sql) {
        return List.of(
                read -> read.execute(sql),
                read -> read.executeScript("SELECT 1; " + sql),
                read -> read.jdbc().createStatement().execute(sql),
                read -> read.jdbc().prepareStatement(sql).execute());
    }

    /**
     * Every form of writing with every form of reading; and where it is hardest, when single reads share a snapshot:
     *
     * <pre>
     *   read lane (the only one)                writer
     *   is held; A and B wait
     *   A and B may share a snapshot;
     *   A looks: 0 rows, and takes its time
     *                                           INSERT, acknowledged
     *                                           C is submitted
     *   A ends; B may share its snapshot
     *   C must not: it sees 1 row
     * </pre>
     */
    @Test
    void readYourWrites() throws SQLException {
        SqlitePool pool = pools.open(settings -> settings.poolSize(2));
        createTable(pool);
        Gate held = new Gate();
        Gate looked = new Gate();
        CompletableFuture<Void> holder = pool.useRead(c -> held.pass());
        held.awaitReached();
        CompletableFuture<List<Integer>> a = pool.query(COUNT, row -> {
            looked.pass();
            return row.getInt(1);
        });
        CompletableFuture<List<Integer>> b = pool.query(COUNT, row -> row.getInt(1));
        held.open();
        looked.awaitReached();
        assertThat(pool.execute("INSERT INTO t (v) VALUES (1)").join()).isEqualTo(1);
        CompletableFuture<List<Integer>> c = pool.query(COUNT, row -> row.getInt(1));
        looked.open();
        assertThat(a.join()).containsExactly(0);
        assertThat(b.join()).isSubsetOf(0, 1);
        assertThat(c.join()).containsExactly(1);
        holder.join();
        pool.close();

        SqlitePool wide = pools.open();
        int rows = 1;
        for (int round = 0; round < 5; round++) {
            for (int form = 0; form < 6; form++) {
                write(wide, form, "x").join();
                rows++;
                Lease lease = wide.acquire().join();
                List<CompletableFuture<Integer>> readers = List.of(
                        wide.queryOne(COUNT, row -> row.getInt(1)).thenApply(found -> found.orElse(-1)),
                        wide.read(GuaranteesTest::count),
                        wide.connection(GuaranteesTest::count),
                        wide.transaction(GuaranteesTest::count),
                        lease.run(GuaranteesTest::count));
                for (CompletableFuture<Integer> reader : readers) {
                    assertThat(reader.join()).isEqualTo(rows);
                }
                lease.release().join();
                int blocking = wide.blocking().read(GuaranteesTest::count);
                assertThat(blocking).isEqualTo(rows);
            }
        }
    }

    /**
     * A process is killed while it writes, again and again. (The pages of a killed process are the operating system's: this shows that
     * nothing is acknowledged too early and nothing by half. That each acknowledgement comes after a sync, which is what counts when
     * the power fails, is shown by {@code SyncGateTest}.)
     *
     * <pre>
     *   child process                              parent
     *   submits writes of each form
     *   a future completes: says so
     *                                              notes it
     *   …                                          kills the child
     *                                              finds every row that it has noted,
     *                                              and no transaction by half
     * </pre>
     */
    @Tag("slow")
    @Test
    void acknowledgedIsDurable() throws Exception {
        Set<Integer> acknowledged = new HashSet<>();
        Random random = new Random();
        for (int round = 0; round < 3; round++) {
            Process child = new ProcessBuilder(
                            Path.of(System.getProperty("java.home"), "bin", "java")
                                    .toString(),
                            "-cp",
                            System.getProperty("java.class.path"),
                            Acknowledging.class.getName(),
                            pools.file().toString())
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            int enough = acknowledged.size() + 200 + random.nextInt(400);
            try (BufferedReader lines = child.inputReader()) {
                for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                    acknowledged.add(Integer.valueOf(line));
                    if (acknowledged.size() == enough) {
                        child.toHandle().destroyForcibly();
                    }
                }
            } finally {
                child.toHandle().destroyForcibly();
            }
            assertThat(child.waitFor(Pools.PATIENCE.toMillis(), TimeUnit.MILLISECONDS))
                    .isTrue();
            assertThat(acknowledged).as("it was killed in the middle").hasSizeGreaterThanOrEqualTo(enough);
            try (SqlitePool pool = SqlitePool.open(pools.file())) {
                assertThat(pool.query("SELECT id FROM a", row -> row.getInt(1)).join())
                        .containsAll(acknowledged);
                assertThat(pool.query("PRAGMA integrity_check", row -> row.getString(1))
                                .join())
                        .containsExactly("ok");
                assertThat(pool.query(
                                        "SELECT id FROM a WHERE id % 4 <> 0 EXCEPT SELECT -id FROM b"
                                                + " UNION ALL SELECT -id FROM b EXCEPT SELECT id FROM a",
                                        row -> row.getInt(1))
                                .join())
                        .as("transactions by half")
                        .isEmpty();
            }
        }
    }

    /** The child: writes until it is killed, and says which writes were acknowledged. */
    static final class Acknowledging {
        private static final int IN_FLIGHT = 32;

        private Acknowledging() {}

        @SuppressWarnings("SystemOut")
        public static void main(String[] arguments) throws Exception {
            SqlitePool pool = SqlitePool.open(Path.of(arguments[0]));
            pool.execute("CREATE TABLE IF NOT EXISTS a (id INTEGER PRIMARY KEY)")
                    .join();
            pool.execute("CREATE TABLE IF NOT EXISTS b (id INTEGER PRIMARY KEY)")
                    .join();
            pool.execute("CREATE TRIGGER IF NOT EXISTS both AFTER INSERT ON a WHEN new.id % 4 = 1"
                            + " BEGIN INSERT INTO b VALUES (-new.id); END")
                    .join();
            int id = pool.queryOne("SELECT coalesce(max(id), 0) FROM a", row -> row.getInt(1))
                    .join()
                    .orElseThrow();
            java.util.concurrent.Semaphore room = new java.util.concurrent.Semaphore(IN_FLIGHT);
            while (true) {
                room.acquire();
                int next = ++id;
                write(pool, next).whenComplete((value, error) -> {
                    if (error == null) {
                        byte[] line = (next + "\n").getBytes(java.nio.charset.StandardCharsets.US_ASCII);
                        System.out.write(line, 0, line.length);
                        System.out.flush();
                    }
                    room.release();
                });
            }
        }

        private static CompletableFuture<?> write(SqlitePool pool, int id) {
            switch (id % 4) {
                case 0:
                case 1: // a trigger writes the second row
                    return pool.execute("INSERT INTO a VALUES (?)", id);
                case 2:
                    return pool.useTransaction(tx -> both(tx, id));
                default:
                    return pool.useConnection(c -> {
                        c.execute("BEGIN");
                        both(c, id);
                        c.execute("COMMIT");
                    });
            }
        }

        private static void both(PoolConnection connection, int id) throws SQLException {
            connection.execute("INSERT INTO a VALUES (?)", id);
            connection.execute("INSERT INTO b VALUES (?)", -id);
        }
    }

    /**
     * Without any patience ({@code busyTimeout} zero), so that each BUSY would be seen. First where it cannot even be waited for:
     *
     * <pre>
     *   connection A                       transaction B              read C
     *   SELECT (on a read lane)
     *                                      begins, writes
     *                                                                 looks
     *   INSERT: goes to the queue
     *                                      commits
     *   … and succeeds, seeing B's row
     *   CREATE TABLE, VACUUM
     *                                                                 looks again: as before
     * </pre>
     *
     * then everything at once, on connections that are replaced all the time.
     */
    @Tag("slow")
    @Test
    void neverBusyInsideAPool() throws Exception {
        SqlitePool pool = pools.open(
                settings -> settings.busyTimeout(Duration.ZERO).poolSize(4).maxConnectionAge(Duration.ofNanos(1)));
        createTable(pool);
        Gate looked = new Gate();
        Gate written = new Gate();
        Gate reading = new Gate();
        CompletableFuture<List<Integer>> a = pool.connection(c -> {
            int before = count(c);
            looked.pass();
            insert(c, "a");
            int after = count(c);
            c.execute("CREATE TABLE u (x)");
            c.execute("VACUUM");
            return List.of(before, after);
        });
        looked.awaitReached();
        CompletableFuture<Void> b = pool.useTransaction(tx -> {
            insert(tx, "b");
            written.pass();
        });
        written.awaitReached();
        CompletableFuture<List<Integer>> c = pool.read(read -> {
            int before = count(read);
            reading.pass();
            return List.of(before, count(read));
        });
        reading.awaitReached();
        looked.open();
        awaitWriters(pool, 1);
        written.open();
        b.join();
        assertThat(a.join()).containsExactly(0, 2);
        reading.open();
        assertThat(c.join()).containsExactly(0, 0);

        List<CompletableFuture<?>> storm = new ArrayList<>();
        for (int i = 0; i < 240; i++) {
            storm.add(write(pool, i, "storm"));
            storm.add(pool.query(COUNT, row -> row.getInt(1)));
            storm.add(pool.useRead(read -> {
                count(read);
                count(read);
            }));
            if (i % 20 == 0) {
                String table = "s" + i;
                storm.add(pool.useTransaction(tx -> tx.execute("CREATE TABLE " + table + " (x)")));
                storm.add(pool.useConnection(connection -> connection.execute("PRAGMA wal_checkpoint(PASSIVE)")));
            }
        }
        assertThat(storm).allSatisfy(future -> assertThat(errorOf(future)).isNull());
        assertThat(count(pool)).isEqualTo(242);
        assertThat(pool.stats().busyRetries()).isZero();
    }

    /**
     * <pre>
     *   holder           waiters of its lane                                        pool
     *   runs
     *                    one more than may wait: refused at once
     *                    one is cancelled: ends at once
     *   returns
     *                    one succeeds, one fails by its own error
     *   runs endless SQL
     *                    one waits for longer than the acquire timeout: times out
     *                    one still waits
     *                                                                               closes, without grace
     *                    it fails at once
     *   is interrupted
     * </pre>
     */
    @Test
    void boundedWaiting() {
        SqlitePool pool = pools.open(settings -> settings.maxWaiters(3).closeGrace(Duration.ZERO));
        createTable(pool);
        Gate gate = new Gate();
        CompletableFuture<Void> holder = pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        CompletableFuture<Long> succeeds = pool.execute("INSERT INTO t (v) VALUES (1)");
        CompletableFuture<Long> fails = pool.execute("INSERT INTO nowhere VALUES (1)");
        CompletableFuture<Long> cancelled = pool.execute("INSERT INTO t (v) VALUES (2)");
        assertThat(errorOf(pool.execute("INSERT INTO t (v) VALUES (3)"))).isInstanceOf(PoolExhaustedException.class);
        assertThat(cancelled.cancel(true)).isTrue();
        assertThat(errorOf(cancelled)).isInstanceOf(CancellationException.class);
        assertThat(succeeds).isNotDone();
        gate.open();
        assertThat(errorOf(holder)).isNull();
        assertThat(errorOf(succeeds)).isNull();
        assertThat(errorOf(fails)).isInstanceOf(SQLException.class).hasMessageContaining("nowhere");

        Gate running = new Gate();
        CompletableFuture<Void> endless = pool.useTransaction(tx -> {
            insert(tx, "is rolled back");
            running.pass();
            tx.query(Sql.ENDLESS, row -> 1);
        });
        running.awaitReached();
        running.open();
        CompletableFuture<Long> waiting = pool.execute("INSERT INTO t (v) VALUES (4)");
        awaitWriters(pool, 1);
        CompletableFuture<Void> closed = pool.closeAsync();
        assertThat(errorOf(waiting)).isInstanceOf(PoolClosedException.class);
        assertThat(errorOf(endless)).isInstanceOf(PoolClosedException.class);
        assertThat(errorOf(closed)).isNull();
        assertThat(errorOf(pool.execute("INSERT INTO t (v) VALUES (5)"))).isInstanceOf(PoolClosedException.class);

        TestClock clock = new TestClock();
        SqlitePool hurried = pools.open(clock, settings -> settings.acquireTimeout(Duration.ofMillis(50)));
        Gate held = new Gate();
        CompletableFuture<Void> slow = hurried.useTransaction(tx -> held.pass());
        held.awaitReached();
        CompletableFuture<Long> late = hurried.execute("INSERT INTO t (v) VALUES (6)");
        clock.pass(Duration.ofMillis(50).minusNanos(1));
        assertThat(late).isNotDone();
        clock.pass(Duration.ofNanos(1));
        assertThat(errorOf(late)).isInstanceOf(PoolTimeoutException.class);
        held.open();
        assertThat(errorOf(slow)).isNull();
        assertThat(values(hurried)).containsExactly("1");
    }

    /**
     * For the write lane, and the same for a read lane:
     *
     * <pre>
     *   holder           queue                               newcomers
     *   runs
     *                    1 2 3 4 5 … of each form
     *                    every third is cancelled
     *   returns
     *                                                        come while the lane is passed on
     *                    the others are served in order
     *                                                        are served last, in order
     * </pre>
     */
    @Test
    void firstComeFirstServed() {
        SqlitePool pool = pools.open(settings -> settings.poolSize(2));
        createTable(pool);
        Gate gate = new Gate();
        CompletableFuture<Void> holder = pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        List<CompletableFuture<?>> queue = new ArrayList<>();
        List<String> expected = new ArrayList<>();
        for (int i = 0; i < 60; i++) {
            queue.add(write(pool, i % 4, Integer.toString(i)));
            if (i % 3 != 0) {
                expected.add(Integer.toString(i));
            }
        }
        for (int i = 0; i < 60; i += 3) {
            queue.get(i).cancel(true);
        }
        gate.open();
        for (int i = 60; i < 100; i++) {
            queue.add(write(pool, i % 4, Integer.toString(i)));
            expected.add(Integer.toString(i));
        }
        holder.join();
        queue.forEach(GuaranteesTest::errorOf);
        assertThat(values(pool)).isEqualTo(expected);

        Gate reading = new Gate();
        List<Integer> served = Collections.synchronizedList(new ArrayList<>());
        queue.clear();
        holder = pool.useRead(c -> reading.pass());
        reading.awaitReached();
        for (int i = 0; i < 60; i++) {
            queue.add(read(pool, i, served));
        }
        for (int i = 0; i < 60; i += 3) {
            queue.get(i).cancel(true);
        }
        reading.open();
        for (int i = 60; i < 100; i++) {
            queue.add(read(pool, i, served));
        }
        holder.join();
        queue.forEach(GuaranteesTest::errorOf);
        assertThat(served)
                .containsExactlyElementsOf(IntStream.range(0, 100)
                        .filter(i -> i >= 60 || i % 3 != 0)
                        .boxed()
                        .toList());
    }

    private static CompletableFuture<?> read(SqlitePool pool, int number, List<Integer> served) {
        switch (number % 3) {
            case 0:
                return pool.query("SELECT 1", row -> served.add(number));
            case 1:
                return pool.useRead(c -> served.add(number));
            default:
                return pool.useConnection(c -> served.add(number));
        }
    }

    /**
     * The classic way to lose one: the lane is granted in the moment in which its waiter ends.
     *
     * <pre>
     *   holder          waiter                      who ends the waiter
     *   runs
     *                   waits for the lane
     *   returns         is granted the lane     =   cancels it, or its time is up
     *                   … or is not: then the next one is
     * </pre>
     *
     * Here many times, beside works that fail, break their connection, are cancelled while they run, or leave a lease to be released
     * later. At every look the lanes add up; in the end all of them can be held at once.
     */
    @Tag("slow")
    @Test
    void noLostConnections() throws Exception {
        int size = 4;
        SqlitePool pool = pools.open(settings -> settings.poolSize(size).acquireTimeout(Duration.ofMillis(5)));
        AtomicBoolean done = new AtomicBoolean();
        ConcurrentLinkedQueue<PoolStats> wrong = new ConcurrentLinkedQueue<>();
        Thread observer = new Thread(() -> {
            while (!done.get()) {
                PoolStats stats = pool.stats();
                boolean sound = Stream.of(stats.readConnections(), stats.writeConnections())
                        .allMatch(GuaranteesTest::addsUp);
                if (!sound || stats.live() > size) {
                    wrong.add(stats);
                }
            }
        });
        observer.start();
        Random random = new Random();
        List<CompletableFuture<?>> ended = new ArrayList<>();
        List<Supplier<CompletableFuture<?>>> ways = List.of(
                () -> pool.useTransaction(tx -> tx.query(SHORT, row -> 1)),
                () -> pool.query(SHORT, row -> 1),
                () -> pool.execute("INSERT INTO nowhere VALUES (1)"),
                () -> pool.useConnection(c -> insert(c, "moves")),
                () -> pool.useRead(c -> {
                    throw new StackOverflowError("of the work");
                }),
                () -> pool.useTransaction(
                        tx -> tx.jdbc().unwrap(SQLiteConnection.class).close()),
                () -> pool.useConnection(c -> c.execute("PRAGMA foreign_keys = OFF")),
                () -> {
                    CompletableFuture<Lease> lease = pool.acquire();
                    lease.thenAccept(
                            held -> held.run(c -> c.execute("BEGIN")).whenComplete((changes, error) -> held.close()));
                    return lease;
                });
        for (int i = 0; i < 4_000; i++) {
            CompletableFuture<?> future = ways.get(random.nextInt(ways.size())).get();
            ended.add(future);
            if (i % 2 == 0) {
                for (int spin = random.nextInt(20_000); spin > 0; spin--) {
                    Thread.onSpinWait();
                }
                future.cancel(true);
            }
            if (i % 20 == 0) {
                errorOf(ended.get(random.nextInt(ended.size())));
            }
        }
        ended.forEach(GuaranteesTest::errorOf);
        Pools.awaitIdle(pool);
        done.set(true);
        observer.join();
        assertThat(wrong).isEmpty();
        List<Gate> gates = new ArrayList<>();
        List<CompletableFuture<Void>> holders = new ArrayList<>();
        while (holders.size() < size) {
            Gate gate = new Gate();
            CompletableFuture<Void> holder =
                    holders.isEmpty() ? pool.useTransaction(tx -> gate.pass()) : pool.useRead(c -> gate.pass());
            Pools.await("it holds a lane, or opening one took too long", () -> gate.isReached() || holder.isDone());
            if (!holder.isDone()) {
                gates.add(gate);
                holders.add(holder);
            }
        }
        assertThat(pool.stats().live()).isEqualTo(size);
        gates.forEach(Gate::open);
        holders.forEach(CompletableFuture::join);
    }

    private static boolean addsUp(Connections lanes) {
        return lanes.live() <= lanes.max()
                && IntStream.of(lanes.idle(), lanes.borrowed(), lanes.opening(), lanes.closing(), lanes.waiting())
                        .allMatch(number -> number >= 0);
    }

    /**
     * On a read lane and on the write lane:
     *
     * <pre>
     *   A on the lane                who cancels A                 B on the same lane
     *   has run its SQL,
     *   does something else
     *                                cancels: interrupts, again
     *                                and again until A has left
     *   leaves
     *                                                              runs long SQL: to its end
     * </pre>
     */
    @Tag("slow")
    @Test
    void noStrangersInterrupt() {
        SqlitePool pool = pools.open(settings -> settings.poolSize(2));
        createTable(pool);
        for (int round = 0; round < 20; round++) {
            boolean write = round % 2 == 0;
            Gate gate = new Gate();
            SqlAction<PoolConnection, SQLException> work = c -> {
                count(c);
                gate.pass();
            };
            CompletableFuture<Void> a = write ? pool.useTransaction(work::accept) : pool.useRead(work);
            gate.awaitReached();
            CompletableFuture<?> b =
                    write ? pool.execute("INSERT INTO t (v) " + LONG) : pool.query(LONG, row -> row.getInt(1));
            long before = pool.stats().interrupts();
            assertThat(a.cancel(true)).isTrue();
            assertThat(pool.stats().interrupts()).isGreaterThan(before);
            gate.open();
            assertThat(errorOf(b)).isNull();
        }
        assertThat(values(pool)).hasSize(10).containsOnly("200000");
    }

    /**
     * <pre>
     *   code or statement                            the world
     *   must move to the write lane                  (code runs once, its statement once)
     *   is to begin                                  another process writes: waits, then happens once
     *   COMMIT fails: a foreign key                  it has not happened, and is not run again
     *   has run, not committed                       cancelled: it has not happened
     *   COMMIT has begun, and waits for a reader     cancelled: too late, and says what became of it
     * </pre>
     */
    @Test
    void once() throws Exception {
        SqlitePool pool = pools.open(settings -> settings.busyTimeout(Duration.ofSeconds(20)));
        createTable(pool);
        AtomicInteger runs = new AtomicInteger();
        pool.useConnection(c -> {
                    runs.incrementAndGet();
                    count(c);
                    c.query("WITH x(y) AS (SELECT 'moved') INSERT INTO t (v) SELECT y FROM x RETURNING id", row -> 1);
                })
                .join();
        assertThat(runs).hasValue(1);
        assertThat(values(pool)).containsExactly("moved");

        try (Connection outsider = outsider();
                Statement statement = outsider.createStatement()) {
            statement.execute("BEGIN IMMEDIATE");
            CompletableFuture<Void> code = pool.useTransaction(tx -> insert(tx, "code " + runs.incrementAndGet()));
            CompletableFuture<Long> data = pool.execute("INSERT INTO t (v) VALUES ('data')");
            Pools.await("it waits for the other", () -> pool.stats().busyRetries() > 3);
            statement.execute("ROLLBACK");
            code.join();
            data.join();
        }
        assertThat(runs).hasValue(2);
        assertThat(values(pool)).containsExactly("moved", "code 2", "data");

        pool.execute("CREATE TABLE child (p REFERENCES t DEFERRABLE INITIALLY DEFERRED)")
                .join();
        CompletableFuture<Void> refused = pool.useTransaction(tx -> {
            insert(tx, "refused " + runs.incrementAndGet());
            tx.execute("INSERT INTO child VALUES (-1)");
        });
        assertThat(errorOf(refused)).hasMessageContaining("FOREIGN KEY");
        assertThat(runs).hasValue(3);

        Gate gate = new Gate();
        CompletableFuture<Void> cancelled = pool.useTransaction(tx -> {
            insert(tx, "cancelled");
            gate.pass();
        });
        gate.awaitReached();
        assertThat(cancelled.cancel(true)).isTrue();
        gate.open();
        Pools.awaitIdle(pool);
        assertThat(values(pool)).containsExactly("moved", "code 2", "data");
        pool.close();
        aCommitThatHasBegunIsReportedAsWhatItBecame();
    }

    private void aCommitThatHasBegunIsReportedAsWhatItBecame() throws SQLException {
        SqlitePool pool =
                pools.open(settings -> settings.pragma("journal_mode", "DELETE").busyTimeout(Duration.ofSeconds(20)));
        try (Connection outsider = outsider();
                Statement statement = outsider.createStatement()) {
            pool.execute("DELETE FROM t").join();
            ResultSet reading = statement.executeQuery("SELECT * FROM sqlite_schema");
            assertThat(reading.next()).isTrue();
            CompletableFuture<Long> committing = pool.execute("INSERT INTO t (v) VALUES ('late')");
            Pools.await("the commit waits", () -> pool.stats().busyRetries() > 0);
            assertThat(committing.cancel(true)).isFalse();
            assertThat(committing.completeExceptionally(new IllegalStateException()))
                    .isFalse();
            assertThat(committing).isNotDone();
            reading.close();
            assertThat(committing.join()).isEqualTo(1);
        }
        assertThat(values(pool)).containsExactly("late");
    }

    /**
     * On a read lane and the write lane of a file, on an only lane, and in memory:
     *
     * <pre>
     *   one user                                      the next user of the lane
     *   temporary table, ATTACH, pragmas,
     *   BEGIN, INSERT, an open cursor
     *   returns, or fails, or is cancelled
     *                                                 finds nothing of it
     * </pre>
     */
    @Test
    void cleanHandOver() throws SQLException {
        List<SqlitePool> all = List.of(
                pools.open(settings -> settings.poolSize(2)),
                pools.build(SqlitePool.builder()
                        .databasePath(pools.directory().resolve("one.db"))
                        .poolSize(1)),
                pools.build(SqlitePool.builder().inMemory()));
        for (SqlitePool pool : all) {
            createTable(pool);
            pool.execute("INSERT INTO t (v) VALUES ('kept')").join();
            for (int way = 0; way < 4; way++) {
                leaveEverythingBehind(pool, way);
                assertThat(pool.blocking().<List<String>, RuntimeException>connection(c -> {
                            c.execute("BEGIN"); // on the lane that writes; an error inside an open transaction
                            return List.of(
                                    state(c, "SELECT group_concat(v) FROM main.t"),
                                    state(c, "SELECT count(*) FROM temp.sqlite_schema"),
                                    state(
                                            c,
                                            "SELECT count(*) FROM pragma_database_list WHERE name NOT IN ('main', 'temp')"),
                                    state(c, "PRAGMA foreign_keys"),
                                    state(c, "PRAGMA recursive_triggers"),
                                    state(c, "PRAGMA query_only"),
                                    state(c, "SELECT 'a' LIKE 'A'"));
                        }))
                        .as("way %s", way)
                        .containsExactly("kept", "0", "0", "1", "0", "0", "1");
                pool.blocking().useTransaction(tx -> {
                    tx.execute("ALTER TABLE t RENAME TO u"); // an open cursor would lock it
                    tx.execute("ALTER TABLE u RENAME TO t");
                });
            }
        }
    }

    private static String state(PoolConnection connection, String sql) throws SQLException {
        return connection.queryOne(sql, row -> row.getString(1)).orElseThrow();
    }

    private static void leaveEverythingBehind(SqlitePool pool, int way) {
        Gate gate = new Gate();
        SqlAction<PoolConnection, SQLException> work = c -> {
            c.executeScript(
                    "PRAGMA foreign_keys = OFF; PRAGMA recursive_triggers = ON; PRAGMA case_sensitive_like = ON;"
                            + " CREATE TEMP TABLE t (x); CREATE TEMP TRIGGER r AFTER INSERT ON main.t BEGIN SELECT 1; END;"
                            + " ATTACH ':memory:' AS other; BEGIN; INSERT INTO main.t (v) VALUES ('left open'); PRAGMA query_only = ON");
            assertThat(c.jdbc()
                            .createStatement()
                            .executeQuery("SELECT v FROM main.t")
                            .next())
                    .isTrue();
            if (way == 1) {
                throw new SQLException("of the work");
            }
            gate.pass();
            if (way == 2) {
                c.query(Sql.ENDLESS, row -> 1);
            }
        };
        CompletableFuture<?> user;
        if (way == 3) {
            Lease lease = pool.acquire().join();
            user = lease.run(c -> {
                        work.accept(c);
                        return 1;
                    })
                    .whenComplete((value, error) -> lease.close());
        } else {
            user = pool.useConnection(work);
        }
        if (way != 1) {
            gate.awaitReached();
            gate.open();
        }
        if (way == 2) {
            user.cancel(true);
        }
        errorOf(user);
    }

    @Test
    void nonReentrancy() {
        SqlitePool pool = pools.open(settings -> settings.poolSize(2));
        createTable(pool);
        List<SqlAction<PoolConnection, SQLException>> waits = List.of(
                c -> pool.execute("INSERT INTO t (v) VALUES (1)").join(),
                c -> pool.blocking().execute("INSERT INTO t (v) VALUES (1)"),
                c -> pool.useTransaction(tx -> {}).join(),
                c -> pool.blocking().useTransaction(tx -> {}),
                c -> pool.useConnection(other -> insert(other, 1)).join(),
                c -> pool.blocking().useConnection(other -> insert(other, 1)),
                c -> pool.close());
        for (SqlAction<PoolConnection, SQLException> wait : waits) {
            ThrowingCallable inTransaction = () -> pool.useTransaction(wait::accept)
                    .orTimeout(Pools.PATIENCE.toMillis(), TimeUnit.MILLISECONDS)
                    .join();
            assertThatThrownBy(inTransaction).hasCauseInstanceOf(IllegalStateException.class);
            assertThatThrownBy(() -> pool.blocking().useTransaction(wait::accept))
                    .satisfies(e -> assertThat(e instanceof CompletionException ? e.getCause() : e)
                            .isInstanceOf(IllegalStateException.class));
        }
        assertThatThrownBy(() -> pool.useRead(c -> pool.query(COUNT, row -> 1).join())
                        .orTimeout(Pools.PATIENCE.toMillis(), TimeUnit.MILLISECONDS)
                        .join())
                .hasCauseInstanceOf(IllegalStateException.class);
        // What does not wait for itself is legal: to read elsewhere, and to submit.
        Pools.awaitIdle(pool);
        int before = count(pool);
        CompletableFuture<Integer> read = pool.transaction(tx -> {
            insert(tx, "outer");
            CompletableFuture<?> later = pool.execute("INSERT INTO t (v) VALUES ('later')");
            assertThat(later).isNotDone();
            return count(pool);
        });
        assertThat(read.join()).isEqualTo(before);
        Pools.await("the later one", () -> count(pool) == before + 2);
        assertThat(values(pool)).endsWith("outer", "later");
    }

    /**
     * <pre>
     *   a work                 close(), from two threads       who comes late            a work without an end
     *   runs                                                                             runs
     *                          begins; waits
     *                                                          PoolClosedException
     *   returns: it counts
     *                          the grace is over
     *                                                                                    is interrupted, rolled back
     *                          returns, to both
     *                          nothing is left
     * </pre>
     */
    @Tag("slow")
    @Test
    void closedMeansClosed() throws Exception {
        SqlitePool pool = pools.open(settings -> settings.closeGrace(Duration.ofHours(1)));
        createTable(pool);
        Gate gate = new Gate();
        Gate endless = new Gate();
        CompletableFuture<Void> read = pool.useRead(c -> {
            endless.pass();
            c.query(Sql.ENDLESS, row -> 1);
        });
        endless.awaitReached();
        endless.open();
        CompletableFuture<Void> work = pool.useTransaction(tx -> {
            insert(tx, "in time");
            gate.pass();
        });
        gate.awaitReached();
        String name = pool.stats().pool();
        assertThat(Pools.threads(name)).isNotEmpty();
        List<Thread> closers = Stream.generate(() -> new Thread(pool::close))
                .limit(2)
                .peek(Thread::start)
                .toList();
        Pools.await("it closes", () -> errorOf(pool.acquire()) instanceof PoolClosedException);
        for (CompletableFuture<?> late : Arrays.asList(
                write(pool, 0, "late"), write(pool, 1, "late"), pool.query(COUNT, row -> 1), pool.useRead(c -> {}))) {
            assertThat(errorOf(late)).isInstanceOf(PoolClosedException.class);
        }
        assertThat(closers).allMatch(Thread::isAlive);
        gate.open();
        assertThat(errorOf(work)).isNull();
        assertThat(read).isNotDone();
        TimedPools.fire(pool, Duration.ofHours(1)); // the grace is over
        for (Thread closer : closers) {
            closer.join();
        }
        assertThat(read).isCompletedExceptionally();
        assertThatThrownBy(read::join)
                .isInstanceOf(CompletionException.class)
                .hasCauseInstanceOf(PoolClosedException.class);
        assertThat(pool.stats().live()).isZero();
        assertThat(Pools.threads(name)).isEmpty();
        assertThat(Pools.openFiles(pools.directory())).isEmpty();
        try (Stream<Path> files = Files.list(pools.directory())) {
            assertThat(files.map(file -> file.getFileName().toString())).containsExactly("test.db");
        }
        try (Connection outsider = outsider();
                Statement statement = outsider.createStatement();
                ResultSet rows = statement.executeQuery("SELECT group_concat(v) FROM t")) {
            assertThat(rows.getString(1)).isEqualTo("in time");
        }
    }
}
