package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.testing.Pools;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Flow;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Nobody sees an older schema than one that was committed before: on any lane, in any form, whoever changed it. */
class CurrentSchemaTest {
    @RegisterExtension
    final Pools pools = new Pools();

    /** Texts that are correct only when {@code t} has two columns; all return one row with a 2 in it. */
    private static final List<String> OF_TWO_COLUMNS = List.of(
            "SELECT y FROM (SELECT * FROM t UNION ALL SELECT 1, 2) WHERE y = 2",
            "SELECT 2 FROM (SELECT * FROM t UNION ALL SELECT 1, 2) LIMIT 1",
            "SELECT max(b) FROM (SELECT 1 AS a, 2 AS b UNION SELECT * FROM t)",
            "WITH c(a, b) AS (SELECT * FROM t) SELECT 2 FROM c LIMIT 1",
            "SELECT 2 WHERE (5, 6) NOT IN (SELECT * FROM t)",
            "SELECT 2 WHERE ((5, 6) = (SELECT * FROM t)) IS NOT 1",
            "SELECT 2 FROM v LIMIT 1",
            "SELECT 2 FROM t CROSS JOIN (VALUES (1, 2) EXCEPT SELECT * FROM t) LIMIT 1");

    /** Somebody changes the schema, and is acknowledged. */
    private interface Changer {
        void change(SqlitePool pool, Connection outsider, String sql) throws SQLException;
    }

    private static final Map<String, Changer> CHANGERS = new LinkedHashMap<>();

    static {
        CHANGERS.put("another program", (pool, outsider, sql) -> outsider.createStatement()
                .execute(sql));
        CHANGERS.put("data", (pool, outsider, sql) -> pool.blocking().execute(sql));
        CHANGERS.put("transaction", (pool, outsider, sql) -> pool.blocking().useTransaction(tx -> tx.execute(sql)));
        CHANGERS.put("script", (pool, outsider, sql) -> pool.blocking().useConnection(c -> c.executeScript(sql)));
        CHANGERS.put("jdbc", (pool, outsider, sql) -> pool.blocking()
                .useConnection(c -> c.jdbc().createStatement().execute(sql)));
        CHANGERS.put("driver", (pool, outsider, sql) -> pool.blocking().useConnection(c -> c.jdbc()
                .unwrap(org.sqlite.SQLiteConnection.class)
                .createStatement()
                .execute(sql)));
    }

    /** A way to ask a query of one column for its only number. */
    private interface Way {
        int ask(SqlitePool pool, String sql) throws SQLException;
    }

    private static final Map<String, Way> WAYS = new LinkedHashMap<>();

    static {
        WAYS.put(
                "query",
                (pool, sql) -> one(pool.query(sql, row -> row.getInt(1)).join()));
        WAYS.put(
                "queryOne",
                (pool, sql) -> pool.queryOne(sql, row -> row.getInt(1)).join().orElseThrow());
        WAYS.put("stream", (pool, sql) -> one(collected(pool.stream(sql, row -> row.getInt(1)))));
        WAYS.put("read", (pool, sql) -> one(pool.blocking().read(c -> c.query(sql, row -> row.getInt(1)))));
        WAYS.put("connection", (pool, sql) -> one(pool.blocking().connection(c -> c.query(sql, row -> row.getInt(1)))));
        WAYS.put(
                "transaction",
                (pool, sql) -> one(pool.blocking().transaction(c -> c.query(sql, row -> row.getInt(1)))));
        WAYS.put(
                "cursor",
                (pool, sql) -> one(pool.blocking().connection(c -> {
                    List<Integer> read = new ArrayList<>();
                    try (RowCursor<Integer> cursor = c.cursor(sql, row -> row.getInt(1))) {
                        cursor.read(10, read::add);
                    }
                    return read;
                })));
        WAYS.put(
                "lease for reading",
                (pool, sql) -> one(inLease(pool.acquire(Access.READ).join(), sql)));
        WAYS.put(
                "lease for writing",
                (pool, sql) -> one(inLease(pool.acquire(Access.WRITE).join(), sql)));
        WAYS.put(
                "user's transaction",
                (pool, sql) -> one(pool.blocking().connection(c -> {
                    c.execute("BEGIN");
                    List<Integer> read = c.query(sql, row -> row.getInt(1));
                    c.execute("COMMIT");
                    return read;
                })));
        WAYS.put("jdbc", (pool, sql) -> pool.blocking().connection(c -> {
            try (Statement statement = c.jdbc().createStatement()) {
                return first(statement.executeQuery(sql));
            }
        }));
        WAYS.put("jdbc, prepared", (pool, sql) -> pool.blocking().connection(c -> {
            try (PreparedStatement statement = c.jdbc().prepareStatement(sql)) {
                return first(statement.executeQuery());
            }
        }));
        WAYS.put("jdbc in a transaction", (pool, sql) -> pool.blocking().transaction(c -> {
            try (PreparedStatement statement = c.jdbc().prepareStatement(sql)) {
                return first(statement.executeQuery());
            }
        }));
        WAYS.put("WITH that writes, on a read lane", (pool, sql) -> pool.blocking()
                .connection(c -> {
                    c.execute("WITH n AS (" + sql + ") INSERT INTO got SELECT * FROM n");
                    return one(c.query("DELETE FROM got RETURNING *", row -> row.getInt(1)));
                }));
        WAYS.put("data that writes", (pool, sql) -> {
            pool.blocking().execute("INSERT INTO got " + sql);
            return one(pool.blocking().query("DELETE FROM got RETURNING *", row -> row.getInt(1)));
        });
    }

    private static List<Integer> inLease(Lease lease, String sql) {
        try {
            return lease.run(c -> c.query(sql, row -> row.getInt(1))).join();
        } finally {
            lease.release().join();
        }
    }

    private static <T> List<T> collected(Flow.Publisher<T> rows) {
        CompletableFuture<List<T>> all = new CompletableFuture<>();
        List<T> read = new ArrayList<>();
        rows.subscribe(new Flow.Subscriber<>() {
            @Override
            public void onSubscribe(Flow.Subscription subscription) {
                subscription.request(Long.MAX_VALUE);
            }

            @Override
            public void onNext(T row) {
                read.add(row);
            }

            @Override
            public void onError(Throwable error) {
                all.completeExceptionally(error);
            }

            @Override
            public void onComplete() {
                all.complete(read);
            }
        });
        return all.join();
    }

    private static int first(ResultSet rows) throws SQLException {
        assertThat(rows.next()).isTrue();
        return rows.getInt(1);
    }

    private static <T> T one(List<T> rows) {
        assertThat(rows).hasSize(1);
        return rows.get(0);
    }

    static Stream<Arguments> waysAndChangers() {
        Stream<Arguments> always = WAYS.keySet().stream()
                .flatMap(way -> Stream.of("another program", "data").map(changer -> Arguments.of(way, changer, 100)));
        Stream<Arguments> byAll = CHANGERS.keySet().stream().map(changer -> Arguments.of("query", changer, 100));
        Stream<Arguments> uncached = Stream.of("query", "read", "transaction").map(way -> Arguments.of(way, "data", 0));
        return Stream.of(always, byAll, uncached).flatMap(all -> all).distinct();
    }

    private Connection outsider() throws SQLException {
        return DriverManager.getConnection("jdbc:sqlite:" + pools.file());
    }

    /** Both lanes look at the schema, and remember it. */
    private static void lookOnAllLanes(SqlitePool pool) throws SQLException {
        pool.blocking().query("SELECT * FROM t", row -> row.getInt(1));
        pool.blocking().transaction(tx -> tx.query("SELECT * FROM t", row -> row.getInt(1)));
    }

    @ParameterizedTest(name = "{0}, changed by {1}, cache of {2}")
    @MethodSource("waysAndChangers")
    void aTextThatOnlyTheNewSchemaAllowsIsUnderstood(String way, String changer, int cache) throws SQLException {
        SqlitePool pool = pools.open(settings -> settings.poolSize(2).statementCacheSize(cache));
        try (Connection outsider = outsider()) {
            pool.blocking()
                    .useConnection(c -> c.executeScript("CREATE TABLE t (x); INSERT INTO t VALUES (1);"
                            + " CREATE TABLE got (n); CREATE VIEW v(a, b) AS SELECT * FROM t"));
            for (String sql : OF_TWO_COLUMNS) {
                lookOnAllLanes(pool);
                CHANGERS.get(changer).change(pool, outsider, "ALTER TABLE t ADD COLUMN y");
                assertThat(WAYS.get(way).ask(pool, sql)).as(sql).isEqualTo(2);
                lookOnAllLanes(pool);
                CHANGERS.get(changer).change(pool, outsider, "ALTER TABLE t DROP COLUMN y");
                assertThatThrownBy(() -> WAYS.get(way).ask(pool, sql))
                        .as(sql)
                        .satisfiesAnyOf(
                                error -> assertThat(error).isInstanceOf(SQLException.class), error -> assertThat(error)
                                        .isInstanceOf(CompletionException.class)
                                        .hasCauseInstanceOf(SQLException.class));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 0})
    void columnsAreThoseOfTheNewSchema(int size) throws SQLException {
        SqlitePool pool = pools.build(
                size == 0
                        ? SqlitePool.builder().inMemory()
                        : SqlitePool.builder().databasePath(pools.file()).poolSize(size));
        pool.blocking().useConnection(c -> c.executeScript("CREATE TABLE t (x INTEGER); INSERT INTO t VALUES (1)"));
        for (int i = 0; i < 3; i++) {
            lookOnAllLanes(pool);
            pool.blocking().execute("ALTER TABLE t ADD COLUMN y TEXT DEFAULT 'new'");
            assertThat(pool.blocking().query("SELECT * FROM t", row -> row.columnNames() + " " + row.declaredType(2)))
                    .containsExactly("[x, y] TEXT");
            assertThat(pool.blocking().query("UPDATE t SET x = x RETURNING *", Row::columnNames))
                    .containsExactly(List.of("x", "y"));
            lookOnAllLanes(pool);
            pool.blocking().execute("ALTER TABLE t DROP COLUMN y");
            assertThat(pool.blocking().query("SELECT * FROM t", Row::columnNames))
                    .containsExactly(List.of("x"));
            assertThat(pool.blocking().query("UPDATE t SET x = x RETURNING *", Row::columnNames))
                    .containsExactly(List.of("x"));
        }
    }

    // ---- statements that answer from the schema, and never look at a table

    static Stream<String> changers() {
        return CHANGERS.keySet().stream();
    }

    private static final String PLAN = "EXPLAIN QUERY PLAN SELECT * FROM t WHERE x = 1";

    private static String plan(PoolConnection c) throws SQLException {
        return String.join(" ", c.query(PLAN, row -> row.getString(4)));
    }

    @ParameterizedTest
    @MethodSource("changers")
    void anExplanationIsOfTheCurrentSchema(String changer) throws SQLException {
        SqlitePool pool = pools.open(settings -> settings.poolSize(2));
        pool.blocking().useConnection(c -> c.executeScript("CREATE TABLE t (x); CREATE TABLE gone (x)"));
        String explain = "EXPLAIN SELECT * FROM gone";
        try (Connection outsider = outsider()) {
            for (int i = 0; i < 3; i++) {
                assertPlans(pool, false);
                assertThat(pool.blocking().query(explain, row -> 1)).isNotEmpty();
                CHANGERS.get(changer).change(pool, outsider, "CREATE INDEX i ON t (x)");
                CHANGERS.get(changer).change(pool, outsider, "ALTER TABLE gone RENAME TO other");
                assertThatThrownBy(() -> pool.blocking().query(explain, row -> 1))
                        .hasMessageContaining("no such table");
                assertPlans(pool, true);
                CHANGERS.get(changer).change(pool, outsider, "DROP INDEX i");
                CHANGERS.get(changer).change(pool, outsider, "ALTER TABLE other RENAME TO gone");
            }
        }
    }

    private static void assertPlans(SqlitePool pool, boolean index) throws SQLException {
        String expected = index ? "USING COVERING INDEX i" : "SCAN t";
        assertThat(pool.blocking().query(PLAN, row -> row.getString(4)).toString())
                .contains(expected);
        assertThat(pool.blocking().<String, SQLException>read(CurrentSchemaTest::plan))
                .contains(expected);
        assertThat(pool.blocking().<String, SQLException>transaction(CurrentSchemaTest::plan))
                .contains(expected);
    }

    @ParameterizedTest
    @MethodSource("changers")
    void pragmasTellOfTheCurrentSchema(String changer) throws SQLException {
        SqlitePool pool = pools.open(settings -> settings.poolSize(2));
        pool.blocking().execute("CREATE TABLE t (x UNIQUE)");
        List<String> asking = List.of(
                "PRAGMA index_list(n)",
                "PRAGMA table_info(n)",
                "PRAGMA table_xinfo(n)",
                "PRAGMA foreign_key_list(n)",
                "PRAGMA index_info(ni)",
                "SELECT * FROM pragma_index_list('n')",
                "SELECT * FROM pragma_table_info('n')",
                "SELECT * FROM pragma_foreign_key_list('n')");
        try (Connection outsider = outsider()) {
            for (int i = 0; i < 3; i++) {
                for (String sql : asking) {
                    assertThat(answers(pool, sql)).as(sql).isZero();
                }
                CHANGERS.get(changer).change(pool, outsider, "CREATE TABLE n (a, b REFERENCES t (x))");
                CHANGERS.get(changer).change(pool, outsider, "CREATE INDEX ni ON n (a)");
                for (String sql : asking) {
                    assertThat(answers(pool, sql)).as(sql).isPositive();
                }
                CHANGERS.get(changer).change(pool, outsider, "DROP TABLE n");
            }
        }
    }

    private static int answers(SqlitePool pool, String sql) throws SQLException {
        int answers = pool.blocking().query(sql, row -> 1).size();
        List<Integer> inConnection = pool.blocking().connection(c -> c.query(sql, row -> 1));
        assertThat(inConnection).as(sql).hasSize(answers);
        return answers;
    }

    // ---- JDBC

    private interface Metadata {
        ResultSet of(DatabaseMetaData metadata) throws SQLException;
    }

    @ParameterizedTest
    @MethodSource("changers")
    void metadataIsOfTheCurrentSchema(String changer) throws SQLException {
        SqlitePool pool = pools.open(settings -> settings.poolSize(2));
        pool.blocking().execute("CREATE TABLE t (x PRIMARY KEY)");
        Map<String, Metadata> asking = new LinkedHashMap<>();
        asking.put("tables", m -> m.getTables(null, null, "n", null));
        asking.put("columns", m -> m.getColumns(null, null, "n", null));
        asking.put("primary keys", m -> m.getPrimaryKeys(null, null, "n"));
        asking.put("indexes", m -> m.getIndexInfo(null, null, "n", false, true));
        asking.put("imported keys", m -> m.getImportedKeys(null, null, "n"));
        asking.put("exported keys", m -> m.getExportedKeys(null, null, "t"));
        asking.put("cross reference", m -> m.getCrossReference(null, null, "n", null, null, null));
        try (Connection outsider = outsider()) {
            for (Map.Entry<String, Metadata> entry : asking.entrySet()) {
                lookOnAllLanes(pool);
                int before = rows(pool, entry.getValue());
                lookOnAllLanes(pool);
                CHANGERS.get(changer)
                        .change(pool, outsider, "CREATE TABLE n (a PRIMARY KEY, b REFERENCES t (x), UNIQUE (b))");
                assertThat(rows(pool, entry.getValue())).as(entry.getKey()).isGreaterThan(before);
                lookOnAllLanes(pool);
                CHANGERS.get(changer).change(pool, outsider, "DROP TABLE n");
                assertThat(rows(pool, entry.getValue())).as(entry.getKey()).isEqualTo(before);
            }
        }
    }

    private static int rows(SqlitePool pool, Metadata metadata) throws SQLException {
        int inConnection = pool.blocking().connection(c -> count(metadata, c));
        int inRead = pool.blocking().read(c -> count(metadata, c));
        int inTransaction = pool.blocking().transaction(c -> count(metadata, c));
        assertThat(List.of(inRead, inTransaction)).containsOnly(inConnection);
        return inConnection;
    }

    /** Of a table that is not there the driver tells an error, or a row without a name. */
    private static int count(Metadata metadata, PoolConnection c) throws SQLException {
        int count = 0;
        try (ResultSet rows = metadata.of(c.jdbc().getMetaData())) {
            while (rows.next()) {
                count += rows.getString(3) == null ? 0 : 1;
            }
        } catch (SQLException e) {
            assertThat(e.getMessage()).contains("Table not found");
        }
        return count;
    }

    @Test
    void aPreparedStatementTellsTheColumnsOfTheCurrentSchema() throws SQLException {
        SqlitePool pool = pools.open(settings -> settings.poolSize(2));
        pool.blocking().useConnection(c -> c.executeScript("CREATE TABLE t (x); INSERT INTO t VALUES (1)"));
        lookOnAllLanes(pool);
        pool.blocking().execute("ALTER TABLE t ADD COLUMN y");
        pool.blocking().useConnection(c -> {
            try (PreparedStatement statement = c.jdbc().prepareStatement("SELECT * FROM t WHERE x = ?")) {
                assertThat(statement.getMetaData().getColumnCount()).isEqualTo(2);
                statement.setInt(1, 1);
                pool.execute("ALTER TABLE t ADD COLUMN z DEFAULT 3").join();
                ResultSetMetaData columns = statement.getMetaData();
                assertThat(columns.getColumnCount()).isEqualTo(3);
                assertThat(columns.getColumnName(3)).isEqualTo("z");
                pool.execute("ALTER TABLE t ADD COLUMN zz DEFAULT 4").join();
                try (ResultSet rows = statement.executeQuery()) {
                    assertThat(rows.getMetaData().getColumnCount()).isEqualTo(4);
                    assertThat(rows.next()).isTrue();
                    assertThat(rows.getInt("zz")).isEqualTo(4);
                    assertThat(statement.getMetaData().getColumnCount()).isEqualTo(4);
                    assertThat(rows.next()).isFalse();
                }
            }
        });
    }

    @Test
    void askingForTheColumnsOfAStatementThatHasRunLosesNothingOfItsRun() throws SQLException {
        SqlitePool pool = pools.open(settings -> settings.poolSize(2));
        pool.blocking().useConnection(c -> c.executeScript("CREATE TABLE t (x); INSERT INTO t VALUES (1)"));
        pool.blocking().useConnection(c -> {
            try (PreparedStatement statement = c.jdbc().prepareStatement("SELECT * FROM t")) {
                assertThat(statement.execute()).isTrue();
                assertThat(statement.getMetaData()).isNotNull();
                assertThat(first(statement.getResultSet())).isEqualTo(1);
            }
            try (PreparedStatement statement = c.jdbc().prepareStatement("UPDATE t SET x = ?")) {
                statement.setInt(1, 2);
                assertThat(statement.execute()).isFalse();
                statement.getMetaData();
                assertThat(statement.getUpdateCount()).isEqualTo(1);
                statement.setInt(1, 3);
                statement.addBatch();
                statement.getMetaData();
                assertThat(statement.executeBatch()).containsExactly(1);
            }
        });
        assertThat(pool.blocking().query("SELECT x FROM t", row -> row.getInt(1)))
                .containsExactly(3);
    }

    @Test
    void aPreparedExplanationIsMadeAgainForEachRun() throws SQLException {
        SqlitePool pool = pools.open(settings -> settings.poolSize(2));
        pool.blocking().execute("CREATE TABLE t (x)");
        pool.blocking().useConnection(c -> {
            try (PreparedStatement statement = c.jdbc().prepareStatement(PLAN + " AND x <> ?")) {
                statement.setInt(1, 5);
                assertThat(detail(statement)).contains("SCAN t");
                pool.execute("CREATE INDEX i ON t (x)").join();
                assertThat(detail(statement)).contains("INDEX i");
                pool.execute("DROP INDEX i").join();
                assertThat(detail(statement)).contains("SCAN t");
            }
        });
    }

    private static String detail(PreparedStatement explain) throws SQLException {
        try (ResultSet rows = explain.executeQuery()) {
            assertThat(rows.next()).isTrue();
            return rows.getString("detail");
        }
    }

    // ---- databases that are attached

    @Test
    void theSchemaOfAnAttachedDatabaseIsCurrentToo() throws SQLException {
        String other = pools.directory().resolve("other.db").toString();
        try (Connection owner = DriverManager.getConnection("jdbc:sqlite:" + other);
                Statement statement = owner.createStatement()) {
            statement.execute("PRAGMA journal_mode = WAL");
            statement.execute("CREATE TABLE a (x)");
            SqlitePool pool = pools.open(settings -> settings.poolSize(2).onConnect(connection -> {
                try (Statement attach = connection.createStatement()) {
                    attach.execute("ATTACH '" + other + "' AS other");
                }
            }));
            pools.filesMayStay();
            pool.blocking().execute("CREATE TABLE t (x)");
            for (int i = 0; i < 3; i++) {
                pool.blocking().query("SELECT * FROM other.a", row -> 1);
                statement.execute("ALTER TABLE a ADD COLUMN y");
                assertThat(pool.blocking().query("SELECT * FROM a UNION ALL SELECT 5, 6", row -> row.getInt(2)))
                        .containsExactly(6);
                assertThat(pool.blocking().query("EXPLAIN SELECT y FROM a", row -> 1))
                        .isNotEmpty();
                statement.execute("CREATE TABLE n (x UNIQUE)");
                assertThat(pool.blocking().query("PRAGMA other.index_list(n)", row -> 1))
                        .hasSize(1);
                statement.execute("DROP TABLE n");
                statement.execute("ALTER TABLE a DROP COLUMN y");
            }
            pool.close();
        }
    }

    // ---- snapshots

    @Test
    void aSnapshotKeepsItsSchema() throws SQLException {
        SqlitePool pool = pools.open(settings -> settings.poolSize(2));
        pool.blocking().execute("CREATE TABLE t (x)");
        pool.blocking().useRead(c -> {
            assertThat(c.query("SELECT * FROM t", row -> 1)).isEmpty();
            pool.execute("ALTER TABLE t ADD COLUMN y").join();
            assertThatThrownBy(() -> c.query("SELECT y FROM t", row -> 1)).hasMessageContaining("no such column");
            assertThatThrownBy(() -> c.query("SELECT * FROM t UNION ALL SELECT 5, 6", row -> 1))
                    .hasMessageContaining("UNION");
        });
        assertThat(pool.blocking().query("SELECT y FROM t", row -> 1)).isEmpty();
    }
}
