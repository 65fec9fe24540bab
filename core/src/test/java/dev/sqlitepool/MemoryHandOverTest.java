package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Logged;
import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.Sql;
import dev.sqlitepool.testing.TestClock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.function.UnaryOperator;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sqlite.Function;
import org.sqlite.SQLiteConnection;

/** A connection in memory is the database and cannot be replaced: what a work has changed in it is put back. */
class MemoryHandOverTest {
    /** What changes with the content, or does something, or tells nothing. */
    private static final List<String> UNREAD = List.of(
            "data_version",
            "schema_version",
            "page_count",
            "freelist_count",
            "optimize",
            "wal_checkpoint",
            "incremental_vacuum",
            "shrink_memory",
            "integrity_check",
            "quick_check",
            "foreign_key_check");

    @RegisterExtension
    final Pools pools = new Pools();

    @RegisterExtension
    final Logged logged = new Logged();

    private SqlitePool open(UnaryOperator<SqlitePoolBuilder> settings) throws SQLException {
        return table(pools.build(settings.apply(SqlitePool.builder().inMemory())));
    }

    private static SqlitePool table(SqlitePool pool) throws SQLException {
        pool.blocking().execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)");
        pool.blocking().execute("INSERT INTO t VALUES (1, 'a')");
        return pool;
    }

    private SqlitePool open() throws SQLException {
        return open(settings -> settings);
    }

    /** All that the next user could notice: every pragma for every database, what is attached, what is temporary. */
    private static Map<String, List<String>> state(SqlitePool pool) throws SQLException {
        return pool.blocking().connection(c -> {
            Map<String, List<String>> state = new LinkedHashMap<>();
            List<String> databases = c.query("PRAGMA database_list", row -> row.getString("name"));
            for (String pragma : c.query("PRAGMA pragma_list", row -> row.getString(1))) {
                if (!UNREAD.contains(pragma) && !pragma.endsWith("_list") && !pragma.endsWith("info")) {
                    state.put(pragma, values(c, "PRAGMA " + pragma));
                    for (String database : databases) {
                        state.put(database + "." + pragma, values(c, "PRAGMA \"" + database + "\"." + pragma));
                    }
                }
            }
            state.put("LIKE", values(c, "SELECT 'a' LIKE 'A'"));
            state.put(
                    "databases",
                    c.query("PRAGMA database_list", row -> row.getString("name") + row.getString("file")).stream()
                            .filter(name -> !name.equals("temp")) // listed from its first use on
                            .toList());
            state.put(
                    "temporary",
                    values(c, "SELECT type || name FROM temp.sqlite_schema WHERE name <> 'sqlite_sequence'"));
            state.put("isolation", List.of("" + c.jdbc().getTransactionIsolation()));
            state.put("types", List.of("" + c.jdbc().getTypeMap()));
            return state;
        });
    }

    private static List<String> values(PoolConnection c, String sql) throws SQLException {
        List<String> values = new ArrayList<>();
        try (Statement statement = c.jdbc().createStatement()) {
            if (statement.execute(sql)) {
                var rows = statement.getResultSet();
                while (rows.next()) {
                    values.add(rows.getString(1));
                }
            }
        }
        return values;
    }

    private static List<Integer> ids(SqlitePool pool) throws SQLException {
        return pool.blocking().query("SELECT id FROM main.t ORDER BY id", row -> row.getInt(1));
    }

    /** A work that leaves a change behind, and ends as it likes. */
    private interface Leak {
        void into(SqlitePool pool, String sql) throws Throwable;
    }

    /** The ways to a connection, and the ways to leave it. */
    private static final Map<String, Leak> WAYS = new LinkedHashMap<>();

    static {
        WAYS.put("connection", (pool, sql) -> pool.blocking().useConnection(c -> c.execute(sql)));
        WAYS.put(
                "query",
                (pool, sql) -> refused(() -> pool.blocking()
                        .useConnection(c -> c.query(sql, row -> {
                            throw new SQLException("of the mapper");
                        }))));
        WAYS.put("script", (pool, sql) -> pool.blocking()
                .useConnection(c -> c.executeScript("SELECT 1; " + sql + "; SELECT 2")));
        WAYS.put(
                "failed script",
                (pool, sql) -> refused(() -> pool.blocking().useConnection(c -> c.executeScript(sql + "; nonsense"))));
        WAYS.put("data", (pool, sql) -> refused(() -> pool.execute(sql).join()));
        WAYS.put("jdbc", (pool, sql) -> pool.blocking()
                .useConnection(c -> c.jdbc().createStatement().execute(sql)));
        WAYS.put("jdbc, prepared", (pool, sql) -> pool.blocking()
                .useConnection(c -> c.jdbc().prepareStatement(sql).execute()));
        WAYS.put("jdbc, only prepared", (pool, sql) -> pool.blocking()
                .useConnection(c -> c.jdbc().prepareStatement(sql)));
        WAYS.put("jdbc, batch", (pool, sql) -> pool.blocking().useConnection(c -> {
            Statement batch = c.jdbc().createStatement();
            batch.addBatch(sql);
            batch.addBatch("nonsense");
            assertThatThrownBy(batch::executeBatch).isInstanceOf(SQLException.class);
        }));
        WAYS.put("driver", (pool, sql) -> pool.blocking().useConnection(c -> {
            SQLiteConnection driver = c.jdbc().unwrap(SQLiteConnection.class);
            try (Statement statement = driver.createStatement()) {
                statement.execute(sql);
            }
            driver.setAutoCommit(false);
            try (Statement statement = driver.createStatement()) {
                statement.execute("SELECT id FROM main.t"); // the driver has begun a transaction
            }
        }));
        WAYS.put(
                "driver in a transaction",
                (pool, sql) -> refused(() -> pool.blocking().useTransaction(tx -> {
                    try (Statement statement =
                            tx.jdbc().unwrap(SQLiteConnection.class).createStatement()) {
                        statement.execute(sql); // some are refused here by SQLite
                    }
                    throw new SQLException("of the work");
                })));
        WAYS.put("lease", (pool, sql) -> {
            Lease lease = pool.acquire().join();
            lease.run(c -> c.execute(sql)).join();
            lease.run(c -> c.execute("SELECT 1")).join();
            lease.release().join();
        });
        WAYS.put("lease in a transaction", (pool, sql) -> {
            Lease lease = pool.acquire().join();
            lease.run(c -> c.execute("BEGIN")).join();
            lease.run(c -> c.execute("DELETE FROM t")).join();
            lease.run(c -> c.execute(sql)).handle((changes, error) -> null).join();
            lease.release().join();
        });
        WAYS.put(
                "failed work",
                (pool, sql) -> refused(() -> pool.blocking().useConnection(c -> {
                    c.execute(sql);
                    throw new IllegalStateException("of the work");
                })));
        WAYS.put("work that ends badly", (pool, sql) -> pool.useConnection(c -> {
                    c.execute(sql);
                    throw new StackOverflowError("of the work");
                })
                .handle((nothing, error) -> null)
                .join());
        WAYS.put("cancelled work", (pool, sql) -> {
            Gate gate = new Gate();
            CompletableFuture<Void> cancelled = pool.useConnection(c -> {
                c.execute(sql);
                gate.pass();
                c.query(Sql.ENDLESS, row -> row.getLong(1));
            });
            gate.awaitReached();
            gate.open();
            cancelled.cancel(true);
        });
        WAYS.put("cancelled work of a lease", (pool, sql) -> {
            Lease lease = pool.acquire().join();
            Gate gate = new Gate();
            CompletableFuture<Void> cancelled = lease.run(c -> {
                c.execute(sql);
                gate.pass();
                return c.queryOne(Sql.ENDLESS, row -> (Void) null).orElse(null);
            });
            gate.awaitReached();
            gate.open();
            cancelled.cancel(true);
            lease.release().join();
        });
    }

    private static void refused(ThrowingCallable code) {
        assertThatThrownBy(code).isInstanceOf(Exception.class);
    }

    @Tag("slow")
    @ParameterizedTest
    @ValueSource(
            strings = {
                "PRAGMA analysis_limit = 7",
                "PRAGMA automatic_index = OFF",
                "PRAGMA busy_timeout = 1",
                "PRAGMA cache_size = 5",
                "PRAGMA cache_spill = OFF",
                "PRAGMA case_sensitive_like = ON",
                "PRAGMA cell_size_check = ON",
                "PRAGMA checkpoint_fullfsync = ON",
                "PRAGMA count_changes = ON",
                "PRAGMA empty_result_callbacks = ON",
                "PRAGMA foreign_keys = OFF",
                "EXPLAIN PRAGMA foreign_keys = OFF",
                "PRAGMA full_column_names = ON",
                "PRAGMA fullfsync = ON",
                "PRAGMA ignore_check_constraints = ON",
                "PRAGMA journal_mode = OFF",
                "PRAGMA main.journal_mode = OFF",
                "PRAGMA journal_size_limit = 77",
                "PRAGMA legacy_alter_table = ON",
                "PRAGMA locking_mode = EXCLUSIVE",
                "PRAGMA max_page_count = 10",
                "PRAGMA query_only = ON",
                "PRAGMA read_uncommitted = ON",
                "PRAGMA recursive_triggers = ON",
                "PRAGMA reverse_unordered_selects = ON",
                "PRAGMA secure_delete = ON",
                "PRAGMA short_column_names = OFF",
                "PRAGMA synchronous = OFF",
                "PRAGMA temp.cache_size = 9",
                "PRAGMA temp.journal_mode = OFF",
                "PRAGMA temp.max_page_count = 1",
                "PRAGMA temp_store = MEMORY",
                "PRAGMA threads = 3",
                "PRAGMA trusted_schema = ON",
                "PRAGMA wal_autocheckpoint = 5",
                "PRAGMA writable_schema = ON",
                "ATTACH ':memory:' AS other",
                "ATTACH ':memory:' AS \"the \"\"other\"\"\"",
                "CREATE TEMP TABLE u (x)",
                "CREATE TEMP TABLE t (id, v)",
                "CREATE TEMP TABLE u (x INTEGER PRIMARY KEY AUTOINCREMENT)",
                "CREATE TEMP TABLE \"a \"\"quoted\"\" name\" (x UNIQUE)",
                "CREATE TEMP TABLE u AS SELECT * FROM t",
                "CREATE TEMP VIEW u AS SELECT * FROM t",
                "CREATE TEMP TRIGGER u AFTER INSERT ON t BEGIN DELETE FROM t; END",
                "CREATE VIRTUAL TABLE temp.u USING fts5(x)"
            })
    void nothingReachesTheNextUserWhateverTheWay(String sql) throws Throwable {
        SqlitePool pool = open();
        Map<String, List<String>> before = state(pool);
        for (Map.Entry<String, Leak> way : WAYS.entrySet()) {
            way.getValue().into(pool, sql);
            assertThat(state(pool)).as(way.getKey()).isEqualTo(before);
            assertThat(ids(pool)).as(way.getKey()).containsExactly(1);
        }
        assertThat(pool.blocking().execute("INSERT INTO t VALUES (2, 'b')")).isEqualTo(1);
        assertThat(pool.stats().opened()).isEqualTo(1);
        assertThat(logged.warnings()).isEmpty();
    }

    @Test
    void manyChangesAtOnceAreAllPutBack() throws SQLException {
        SqlitePool pool = open();
        Map<String, List<String>> before = state(pool);
        Path file = pools.directory().resolve("other.db");
        for (int i = 0; i < 3; i++) {
            pool.blocking().useConnection(c -> {
                c.executeScript("CREATE TEMP TABLE parent (id PRIMARY KEY);"
                        + " CREATE TEMP TABLE child (p REFERENCES parent);"
                        + " CREATE INDEX temp.i ON child (p);"
                        + " CREATE TEMP TRIGGER r AFTER DELETE ON parent BEGIN INSERT INTO child VALUES (1); END;"
                        + " INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1);"
                        + " ANALYZE temp;"
                        + " CREATE TEMP TABLE pragma_database_list (name, file);"
                        + " ATTACH '" + file + "' AS other; PRAGMA other.journal_mode = WAL;"
                        + " CREATE TABLE IF NOT EXISTS other.t (x);"
                        + " CREATE TEMP VIEW both AS SELECT id FROM main.t UNION SELECT x FROM other.t;"
                        + " SELECT * FROM both;"
                        + " PRAGMA foreign_keys = ON; PRAGMA reverse_unordered_selects = ON;"
                        + " BEGIN; DELETE FROM main.t; DELETE FROM child;"
                        + " PRAGMA query_only = ON");
            });
            assertThat(state(pool)).isEqualTo(before);
            assertThat(ids(pool)).containsExactly(1);
        }
        assertThat(file).isRegularFile();
        assertThat(pools.directory().resolve("other.db-wal")).doesNotExist();
        assertThat(logged.warnings()).isEmpty();
    }

    @Test
    void whatJdbcChangesIsPutBack() throws SQLException {
        SqlitePool pool = open();
        Map<String, List<String>> before = state(pool);
        pool.blocking().useConnection(c -> {
            c.jdbc().setTransactionIsolation(Connection.TRANSACTION_READ_UNCOMMITTED);
            c.jdbc().setTypeMap(Map.of("t", String.class));
        });
        assertThat(state(pool)).isEqualTo(before);
    }

    /** An error that makes the connection doubtful comes first, the change second: one reason does not hide the other. */
    @Test
    void aChangeBehindAnErrorIsPutBackToo() throws SQLException {
        TestClock clock = new TestClock();
        SqlitePool pool = table(pools.build(
                clock,
                SqlitePool.builder()
                        .inMemory()
                        .statementTimeout(Duration.ofMillis(20))
                        .onConnect(clock::teach)));
        Map<String, List<String>> before = state(pool);
        pool.blocking().useConnection(c -> {
            c.execute("BEGIN");
            assertThatThrownBy(() -> c.execute("INSERT INTO t SELECT 2 + later(), (" + Sql.ENDLESS + ")"))
                    .isInstanceOf(SQLException.class);
            c.execute("ROLLBACK");
            c.jdbc().setTransactionIsolation(Connection.TRANSACTION_READ_UNCOMMITTED);
        });
        assertThat(state(pool)).isEqualTo(before);
    }

    /** A statement that was prepared for a temporary table means the real one afterwards, and the other way round. */
    @Test
    void aCachedStatementFollowsTheTablesThatAreThere() throws SQLException {
        SqlitePool pool = open();
        for (int i = 0; i < 3; i++) {
            assertThat(pool.blocking().query("SELECT count(*) FROM t", row -> row.getInt(1)))
                    .containsExactly(1);
            pool.blocking().useConnection(c -> {
                c.execute("CREATE TEMP TABLE t (x)");
                assertThat(c.query("SELECT count(*) FROM t", row -> row.getInt(1)))
                        .containsExactly(0);
            });
        }
    }

    @Test
    void theContentOfTheDatabaseStays() throws SQLException {
        SqlitePool pool = open();
        pool.blocking().useConnection(c -> {
            c.execute("PRAGMA user_version = 7");
            c.execute("PRAGMA foreign_keys = OFF");
            c.execute("CREATE TABLE u (x)");
            c.execute("CREATE TEMP TABLE v (x)");
        });
        pool.blocking().useConnection(c -> {
            assertThat(values(c, "PRAGMA user_version")).containsExactly("7");
            assertThat(values(c, "SELECT name FROM sqlite_schema ORDER BY name"))
                    .containsExactly("t", "u");
        });
    }

    // ---- hooks

    private static final SqlAction<Connection, SQLException> HOOK = connection -> {
        try (Statement statement = connection.createStatement()) {
            statement.execute("PRAGMA recursive_triggers = ON");
            statement.execute("PRAGMA case_sensitive_like = ON");
            statement.execute("ATTACH ':memory:' AS side");
            statement.execute("CREATE TABLE side.log (x)");
            statement.execute("CREATE TABLE items (x)");
            statement.execute("CREATE TEMP TABLE scratch (x)");
            statement.execute(
                    "CREATE TEMP TRIGGER watch AFTER INSERT ON items BEGIN INSERT INTO side.log VALUES (new.x); END");
        }
        Function.create(connection, "seven", new Function() {
            @Override
            protected void xFunc() throws SQLException {
                result(7);
            }
        });
    };

    @Test
    void whatHooksHaveSetUpStays() throws SQLException {
        SqlitePool pool = open(settings -> settings.onConnect(HOOK));
        Map<String, List<String>> before = state(pool);
        for (int i = 1; i <= 3; i++) {
            pool.blocking()
                    .useConnection(c -> c.executeScript("PRAGMA recursive_triggers = OFF;"
                            + " PRAGMA case_sensitive_like = OFF; PRAGMA side.cache_size = 3; CREATE TEMP TABLE mine (x);"
                            + " CREATE INDEX temp.mine_too ON scratch (x); ATTACH ':memory:' AS other"));
            assertThat(state(pool)).isEqualTo(before);
            pool.blocking().execute("INSERT INTO items VALUES (seven())");
            assertThat(pool.blocking().query("SELECT x FROM side.log", row -> row.getInt(1)))
                    .hasSize(i)
                    .containsOnly(7);
        }
        assertThat(logged.warnings()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "DROP TRIGGER temp.watch",
                "DROP TABLE temp.scratch",
                "ALTER TABLE temp.scratch ADD COLUMN y",
                "DETACH side",
                "PRAGMA temp_store = MEMORY"
            })
    void whatIsTakenAwayFromAHookCannotBeMadeAgainAndIsSaid(String sql) throws SQLException {
        SqlitePool pool = open(settings -> settings.onConnect(HOOK));
        pool.blocking().useConnection(c -> {
            c.execute(sql);
            c.execute("PRAGMA foreign_keys = OFF");
        });
        assertThat(logged.warnings()).singleElement().asString().contains("keeps something that its user has changed");
        pool.blocking()
                .useConnection(c -> assertThat(values(c, "PRAGMA foreign_keys")).containsExactly("1"));
    }

    // ---- what cannot be undone

    /** Documented: unwrap is a way past the pool. */
    @Test
    void aFunctionMadeThroughTheDriverStays() throws SQLException {
        SqlitePool pool = open();
        pool.blocking()
                .useConnection(c -> Function.create(c.jdbc().unwrap(SQLiteConnection.class), "nine", new Function() {
                    @Override
                    protected void xFunc() throws SQLException {
                        result(9);
                    }
                }));
        assertThat(pool.blocking().query("SELECT nine()", row -> row.getInt(1))).containsExactly(9);
    }

    @Test
    void whatStandsInTheWayOfPuttingBackIsSaid() throws SQLException {
        SqlitePool pool = open();
        Path file = pools.directory().resolve("other.db");
        List<Statement> kept = new ArrayList<>();
        pool.blocking().useConnection(c -> {
            c.execute("ATTACH '" + file + "' AS other");
            c.execute("CREATE TABLE other.u AS SELECT 1 AS x UNION SELECT 2");
            Statement statement = c.jdbc().unwrap(SQLiteConnection.class).createStatement();
            assertThat(statement.executeQuery("SELECT x FROM other.u").next()).isTrue();
            kept.add(statement);
        });
        assertThat(logged.warnings()).hasSize(1);
        kept.get(0).close();
        pool.blocking().useConnection(c -> c.execute("PRAGMA foreign_keys = OFF"));
        assertThat(state(pool).get("databases")).containsExactly("main");
        assertThat(logged.warnings()).hasSize(1);
        assertThat(Files.exists(file)).isTrue();
    }
}
