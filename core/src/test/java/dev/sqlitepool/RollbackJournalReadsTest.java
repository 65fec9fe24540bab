package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Pools;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Without a write-ahead log a reader finds the file locked for the moment of a commit: it waits, whatever its form. */
class RollbackJournalReadsTest {
    @RegisterExtension
    final Pools pools = new Pools();

    private interface Way {
        CompletableFuture<Integer> ask(SqlitePool pool, String sql);
    }

    private static final Map<String, Way> WAYS = new LinkedHashMap<>();

    static {
        WAYS.put("query", (pool, sql) -> pool.query(sql, row -> row.getInt(1)).thenApply(rows -> rows.get(0)));
        WAYS.put("read", (pool, sql) -> pool.read(c -> number(c, sql)));
        WAYS.put("connection", (pool, sql) -> pool.connection(c -> number(c, sql)));
        WAYS.put("lease", (pool, sql) -> inLease(pool, Access.READ, c -> number(c, sql)));
        WAYS.put("lease, cursor", (pool, sql) -> inLease(pool, Access.READ, c -> fetched(c, sql)));
        WAYS.put("read, cursor", (pool, sql) -> pool.read(c -> fetched(c, sql)));
        WAYS.put("stream", RollbackJournalReadsTest::streamed);
        WAYS.put(
                "jdbc",
                (pool, sql) -> pool.connection(c -> {
                    try (Statement statement = c.jdbc().createStatement()) {
                        return first(statement.executeQuery(sql));
                    }
                }));
        WAYS.put(
                "jdbc, prepared, in read",
                (pool, sql) -> pool.read(c -> {
                    try (PreparedStatement statement = c.jdbc().prepareStatement(sql)) {
                        return first(statement.executeQuery());
                    }
                }));
        WAYS.put(
                "jdbc, read-only transaction",
                (pool, sql) -> pool.connection(c -> {
                    Connection jdbc = c.jdbc();
                    jdbc.setReadOnly(true);
                    jdbc.setAutoCommit(false);
                    try (PreparedStatement statement = jdbc.prepareStatement(sql)) {
                        int number = first(statement.executeQuery());
                        jdbc.commit();
                        return number;
                    }
                }));
        WAYS.put(
                "jdbc, metadata",
                (pool, sql) -> pool.read(c -> {
                    try (ResultSet columns = c.jdbc().getMetaData().getColumns(null, null, "t", "x")) {
                        return columns.next() ? 7 : 0;
                    }
                }));
        WAYS.put(
                "explain",
                (pool, sql) ->
                        pool.read(c -> c.query("EXPLAIN " + sql, row -> 7).get(0)));
    }

    private static int number(PoolConnection c, String sql) throws SQLException {
        return c.queryOne(sql, row -> row.getInt(1)).orElseThrow();
    }

    private static int first(ResultSet rows) throws SQLException {
        return rows.next() ? rows.getInt(1) : -1;
    }

    private static int fetched(PoolConnection c, String sql) throws SQLException {
        List<Integer> read = new ArrayList<>();
        try (RowCursor<Integer> cursor = c.cursor(sql, row -> row.getInt(1))) {
            cursor.read(1, read::add);
        }
        return read.get(0);
    }

    private static CompletableFuture<Integer> inLease(
            SqlitePool pool, Access access, SqlWork<PoolConnection, Integer, ?> work) {
        return pool.acquire(access)
                .thenCompose(lease -> lease.<Integer>run(work)
                        .handle((value, error) -> lease.release().thenApply(nothing -> {
                            if (error != null) {
                                throw new AssertionError(error);
                            }
                            return value;
                        })))
                .thenCompose(done -> done);
    }

    private static CompletableFuture<Integer> streamed(SqlitePool pool, String sql) {
        CompletableFuture<Integer> first = new CompletableFuture<>();
        pool.<Integer>stream(sql, row -> row.getInt(1)).subscribe(new java.util.concurrent.Flow.Subscriber<Integer>() {
            @Override
            public void onSubscribe(java.util.concurrent.Flow.Subscription subscription) {
                subscription.request(10);
            }

            @Override
            public void onNext(Integer row) {
                first.complete(row);
            }

            @Override
            public void onError(Throwable error) {
                first.completeExceptionally(error);
            }

            @Override
            public void onComplete() {}
        });
        return first;
    }

    static Stream<String> ways() {
        return WAYS.keySet().stream();
    }

    private Connection outsider(String file) throws SQLException {
        return DriverManager.getConnection("jdbc:sqlite:" + pools.directory().resolve(file));
    }

    /**
     * <pre>
     *   somebody else                     reader
     *   holds the file exclusively
     *                                     its first statement: busy, again and again
     *   COMMIT
     *                                     sees what was committed
     * </pre>
     */
    @ParameterizedTest
    @MethodSource("ways")
    void aReadWaitsForWhoCommits(String way) throws SQLException {
        for (int size : new int[] {1, 2}) {
            SqlitePool pool = pools.open(settings ->
                    settings.poolSize(size).pragma("journal_mode", "DELETE").busyTimeout(Duration.ofSeconds(60)));
            pool.blocking()
                    .useConnection(c -> c.executeScript(
                            "DROP TABLE IF EXISTS t; CREATE TABLE t (x);" + " INSERT INTO t VALUES (6)"));
            pool.blocking().query("SELECT x FROM t", row -> 1); // the lane is there
            try (Connection outsider = outsider("test.db");
                    Statement statement = outsider.createStatement()) {
                assertWaits(pool, statement, way, "SELECT x FROM t", "UPDATE t SET x = 7");
            }
            pool.close();
        }
    }

    @ParameterizedTest
    @MethodSource("ways")
    void aReadWaitsForAnAttachedFileToo(String way) throws SQLException {
        try (Connection outsider = outsider("other.db");
                Statement statement = outsider.createStatement()) {
            statement.execute("CREATE TABLE u (x)");
            statement.execute("INSERT INTO u VALUES (6)");
            String attach = "ATTACH '" + pools.directory().resolve("other.db") + "' AS other";
            SqlitePool pool = pools.open(settings -> settings.poolSize(2)
                    .busyTimeout(Duration.ofSeconds(60))
                    .onConnect(connection -> {
                        try (Statement hook = connection.createStatement()) {
                            hook.execute(attach);
                        }
                    }));
            pool.blocking().execute("CREATE TABLE t (x)");
            pool.blocking().query("SELECT x FROM u", row -> 1);
            assertWaits(pool, statement, way, "SELECT x FROM u", "UPDATE u SET x = 7");
            pool.close();
        }
    }

    private static void assertWaits(SqlitePool pool, Statement outsider, String way, String sql, String change)
            throws SQLException {
        outsider.execute("BEGIN EXCLUSIVE");
        outsider.execute(change);
        long before = pool.stats().busyRetries();
        CompletableFuture<Integer> reading = WAYS.get(way).ask(pool, sql);
        Pools.await("the read waits", () -> pool.stats().busyRetries() > before || reading.isDone());
        assertThat(reading).isNotDone();
        outsider.execute("COMMIT");
        assertThat(reading.join()).isEqualTo(7);
    }

    /** In the middle of a `read`: what it has seen stays, and what it has not yet opened may be asked for again. */
    @Test
    void aReadThatHasASnapshotWaitsForTheNextFile() throws SQLException {
        try (Connection outsider = outsider("other.db");
                Statement statement = outsider.createStatement()) {
            statement.execute("CREATE TABLE u (x)");
            statement.execute("INSERT INTO u VALUES (6)");
            String attach = "ATTACH '" + pools.directory().resolve("other.db") + "' AS other";
            SqlitePool pool = pools.open(settings -> settings.poolSize(2)
                    .busyTimeout(Duration.ofSeconds(60))
                    .onConnect(connection -> {
                        try (Statement hook = connection.createStatement()) {
                            hook.execute(attach);
                        }
                    }));
            pool.blocking().execute("CREATE TABLE t (x)");
            pool.blocking().execute("INSERT INTO t VALUES (1)");
            Gate gate = new Gate();
            CompletableFuture<List<Integer>> reading = pool.read(c -> {
                int one = number(c, "SELECT count(*) FROM t");
                gate.pass();
                return List.of(one, number(c, "SELECT x FROM u"), number(c, "SELECT count(*) FROM t"));
            });
            gate.awaitReached();
            statement.execute("BEGIN EXCLUSIVE");
            statement.execute("UPDATE u SET x = 7");
            pool.execute("INSERT INTO t VALUES (2)").handle((n, error) -> n); // has to wait for the other file
            gate.open();
            Pools.await("the read waits", () -> pool.stats().busyRetries() > 3);
            statement.execute("COMMIT");
            assertThat(reading.join()).containsExactly(1, 7, 1);
            pool.close();
        }
    }

    @Test
    void aReadThatWaitsCanBeCancelled() throws SQLException {
        SqlitePool pool = pools.open(settings ->
                settings.poolSize(2).pragma("journal_mode", "DELETE").busyTimeout(Duration.ofSeconds(60)));
        pool.blocking().execute("CREATE TABLE t (x)");
        pool.blocking().query("SELECT x FROM t", row -> 1);
        try (Connection outsider = outsider("test.db");
                Statement statement = outsider.createStatement()) {
            statement.execute("BEGIN EXCLUSIVE");
            CompletableFuture<Integer> reading = pool.read(c -> number(c, "SELECT count(*) FROM t"));
            Pools.await("the read waits", () -> pool.stats().busyRetries() > 0);
            assertThat(reading.cancel(true)).isTrue();
            Pools.awaitIdle(pool);
            statement.execute("COMMIT");
        }
    }

    @Test
    void thePatienceOfAReadEndsWithTheBusyTimeout() throws SQLException {
        SqlitePool pool = pools.open(settings ->
                settings.poolSize(2).pragma("journal_mode", "DELETE").busyTimeout(Duration.ofMillis(50)));
        pool.blocking().execute("CREATE TABLE t (x)");
        pool.blocking().query("SELECT x FROM t", row -> 1);
        try (Connection outsider = outsider("test.db");
                Statement statement = outsider.createStatement()) {
            statement.execute("BEGIN EXCLUSIVE");
            assertThatThrownBy(() -> pool.blocking().useRead(c -> number(c, "SELECT count(*) FROM t")))
                    .isInstanceOfSatisfying(SQLException.class, error -> assertThat(error.getErrorCode())
                            .isEqualTo(5));
            statement.execute("COMMIT");
        }
        pool.blocking()
                .useRead(c -> assertThat(number(c, "SELECT count(*) FROM t")).isZero());
    }

    /** Readers in every form, beside writers that commit: nobody of one pool is busy because of another. */
    @ParameterizedTest
    @ValueSource(strings = {"DELETE", "TRUNCATE", "PERSIST"})
    void readersAndWritersOfOnePoolAreNeverBusy(String journal) throws SQLException {
        SqlitePool pool = pools.open(
                settings -> settings.poolSize(4).pragma("journal_mode", journal).busyTimeout(Duration.ofSeconds(60)));
        pool.blocking().useConnection(c -> c.executeScript("CREATE TABLE t (x); INSERT INTO t VALUES (7)"));
        List<CompletableFuture<?>> all = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            all.add(pool.execute("UPDATE t SET x = 7"));
            WAYS.values().forEach(way -> all.add(way.ask(pool, "SELECT x FROM t")));
            all.add(pool.useConnection(c -> {
                c.execute("SAVEPOINT s");
                c.execute("UPDATE t SET x = 7");
                c.execute("RELEASE s");
            }));
        }
        all.forEach(CompletableFuture::join);
        assertThat(pool.blocking().query("SELECT x FROM t", row -> row.getInt(1)))
                .containsExactly(7);
    }
}
