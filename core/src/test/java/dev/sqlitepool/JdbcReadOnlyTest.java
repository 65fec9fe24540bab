package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.testing.Pools;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.sqlite.SQLiteConnection;

/** A connection that JDBC has made read-only writes nothing, whatever way it tries, and becomes a writer again when it is told. */
class JdbcReadOnlyTest {
    private static final String INSERT = "INSERT INTO t VALUES (7)";
    private static final String WITH = "WITH n(i) AS (VALUES (7)) INSERT INTO t SELECT i FROM n";

    @RegisterExtension
    final Pools pools = new Pools();

    private SqlitePool open(int size) {
        SqlitePool pool = size == 0
                ? pools.build(SqlitePool.builder().inMemory())
                : pools.open(settings -> settings.poolSize(size));
        pool.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)").join();
        pool.execute("INSERT INTO t VALUES (1)").join();
        return pool;
    }

    private static List<Integer> ids(SqlitePool pool) {
        return pool.query("SELECT id FROM t ORDER BY id", row -> row.getInt(1)).join();
    }

    private interface Way {
        void run(Connection jdbc, Statement statement) throws SQLException;
    }

    private static Map<String, Way> ways() {
        Map<String, Way> ways = new LinkedHashMap<>();
        ways.put("execute", (jdbc, s) -> s.execute(INSERT));
        ways.put("executeUpdate", (jdbc, s) -> s.executeUpdate(INSERT));
        ways.put("executeLargeUpdate", (jdbc, s) -> s.executeLargeUpdate(INSERT));
        ways.put("keys", (jdbc, s) -> s.executeUpdate(INSERT, Statement.RETURN_GENERATED_KEYS));
        ways.put("RETURNING", (jdbc, s) -> s.executeQuery(INSERT + " RETURNING id"));
        ways.put("WITH", (jdbc, s) -> s.executeUpdate(WITH));
        ways.put("WITH RETURNING", (jdbc, s) -> s.executeQuery(WITH + " RETURNING id"));
        ways.put("prepared", (jdbc, s) -> jdbc.prepareStatement(INSERT).executeUpdate());
        ways.put("prepared WITH", (jdbc, s) -> jdbc.prepareStatement(WITH).execute());
        ways.put("batch", (jdbc, s) -> {
            s.addBatch(INSERT);
            s.executeBatch();
        });
        ways.put("batch WITH", (jdbc, s) -> {
            s.addBatch(WITH);
            s.executeLargeBatch();
        });
        ways.put("prepared batch", (jdbc, s) -> {
            PreparedStatement insert = jdbc.prepareStatement(WITH);
            insert.addBatch();
            insert.executeBatch();
        });
        for (String sql : List.of(
                "UPDATE t SET id = 7",
                "DELETE FROM t",
                "REPLACE INTO t VALUES (7)",
                "CREATE TABLE x (y)",
                "CREATE TEMP TABLE x (y)",
                "DROP TABLE t",
                "ALTER TABLE t ADD COLUMN y",
                "REINDEX",
                "ANALYZE",
                "VACUUM",
                "ATTACH ':memory:' AS other",
                "PRAGMA user_version = 7",
                "PRAGMA user_version(7)",
                "PRAGMA main.user_version = 7",
                "PRAGMA query_only = OFF",
                "PRAGMA incremental_vacuum",
                "PRAGMA wal_checkpoint")) {
            ways.put(sql, (jdbc, s) -> s.execute(sql));
        }
        return ways;
    }

    private static void assertRefused(Way way, String name, Connection jdbc) throws SQLException {
        try (Statement statement = jdbc.createStatement()) {
            assertThatThrownBy(() -> way.run(jdbc, statement))
                    .as(name)
                    .isInstanceOfSatisfying(
                            SQLException.class,
                            e -> assertThat(e.getSQLState()).as(name).isEqualTo("25006"))
                    .hasMessageContaining("setReadOnly(false)");
        }
    }

    @ParameterizedTest
    @CsvSource({"0, true", "0, false", "1, true", "1, false", "3, true", "3, false"})
    void everyWayToWriteIsRefusedAsTheFirstStatement(int size, boolean autocommit) {
        SqlitePool pool = open(size);
        ways().forEach((name, way) -> pool.useConnection(c -> {
                    Connection jdbc = c.jdbc();
                    jdbc.setReadOnly(true);
                    jdbc.setAutoCommit(autocommit);
                    assertRefused(way, name, jdbc);
                    if (!autocommit) {
                        jdbc.commit();
                    }
                })
                .join());
        assertThat(ids(pool)).containsExactly(1);
        pool.execute(INSERT).join();
        assertThat(pool.queryOne("SELECT (SELECT user_version FROM pragma_user_version)", row -> row.getInt(1))
                        .join())
                .contains(0);
    }

    @ParameterizedTest
    @CsvSource({"0, true", "0, false", "1, true", "1, false", "3, true", "3, false"})
    void whatReadsIsNotRefusedAndItWritesAgainWhenItIsTold(int size, boolean autocommit) {
        SqlitePool pool = open(size);
        pool.useConnection(c -> {
                    Connection jdbc = c.jdbc();
                    jdbc.setReadOnly(true);
                    jdbc.setAutoCommit(autocommit);
                    try (Statement statement = jdbc.createStatement();
                            PreparedStatement insert = jdbc.prepareStatement(INSERT)) {
                        for (String sql : List.of(
                                "SELECT id FROM t",
                                "WITH n AS (SELECT 1) SELECT * FROM n",
                                "PRAGMA user_version",
                                "PRAGMA table_info(t)",
                                "EXPLAIN " + INSERT)) {
                            try (ResultSet rows = statement.executeQuery(sql)) {
                                assertThat(rows.next()).as(sql).isTrue();
                            }
                        }
                        try (ResultSet tables = jdbc.getMetaData().getTables(null, null, "t", null)) {
                            assertThat(tables.next()).isTrue();
                        }
                        ways().forEach((name, way) -> {
                            try {
                                assertRefused(way, name, jdbc);
                            } catch (SQLException e) {
                                throw new AssertionError(e);
                            }
                        });
                        assertThatThrownBy(insert::executeUpdate).hasMessageContaining("is read-only");
                        if (!autocommit) {
                            jdbc.rollback();
                        }
                        jdbc.setReadOnly(false);
                        assertThat(insert.executeUpdate()).isEqualTo(1);
                        if (!autocommit) {
                            jdbc.commit();
                        }
                    }
                })
                .join();
        assertThat(ids(pool)).containsExactly(1, 7);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 3})
    void aConnectionThatHasWrittenBeforeIsReadOnlyToo(int size) {
        SqlitePool pool = open(size);
        pool.useConnection(c -> {
                    Connection jdbc = c.jdbc();
                    c.execute("INSERT INTO t VALUES (2)"); // stays on the write lane
                    jdbc.setReadOnly(true);
                    assertRefused((j, s) -> s.executeUpdate(WITH), "WITH", jdbc);
                    assertThatThrownBy(() -> c.execute(INSERT)).hasMessageContaining("is read-only");
                    assertThatThrownBy(() -> c.executeBatch(WITH, List.<Object[]>of(new Object[0])))
                            .hasMessageContaining("is read-only");
                    jdbc.setAutoCommit(false);
                    assertThat(c.query("SELECT count(*) FROM t", row -> row.getInt(1)))
                            .containsExactly(2);
                    assertRefused((j, s) -> s.executeUpdate(WITH), "WITH", jdbc);
                    jdbc.commit();
                    jdbc.setReadOnly(false);
                    c.execute("INSERT INTO t VALUES (3)");
                    jdbc.commit();
                })
                .join();
        assertThat(ids(pool)).containsExactly(1, 2, 3);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 3})
    void nothingOfItReachesTheNextUserNorTheNextWorkOfALease(int size) {
        SqlitePool pool = open(size);
        for (boolean closed : new boolean[] {false, true}) {
            pool.useConnection(c -> {
                        c.jdbc().setReadOnly(true);
                        c.query("SELECT 1", row -> row.getInt(1));
                        if (closed) {
                            c.jdbc().close();
                            c.execute("UPDATE t SET id = id");
                        }
                    })
                    .join();
            pool.execute("UPDATE t SET id = id").join();
        }
        Lease lease = pool.acquire().join();
        lease.run(c -> {
                    c.jdbc().setReadOnly(true);
                    return c.query("SELECT 1", row -> row.getInt(1));
                })
                .join();
        lease.run(c -> {
                    assertThat(c.jdbc().isReadOnly()).isFalse();
                    return c.execute("INSERT INTO t VALUES (2)");
                })
                .join();
        lease.release().join();
        assertThat(ids(pool)).containsExactly(1, 2);
    }

    @Test
    void aReadOnlyConnectionNeverTakesTheWriteLane() {
        SqlitePool pool = open(3);
        pool.useConnection(c -> {
                    c.jdbc().setReadOnly(true);
                    assertThatThrownBy(() -> c.execute("COMMIT")).isInstanceOf(SQLException.class);
                    assertThatThrownBy(() -> c.execute("BEGIN")).hasMessageContaining("is read-only");
                    assertThat(c.query("PRAGMA user_version", row -> row.getInt(1)))
                            .containsExactly(0);
                    assertThat(c.jdbc().unwrap(SQLiteConnection.class)).isNotNull();
                    assertThat(pool.stats().writeConnections().borrowed()).isZero();
                })
                .join();
        assertThat(pool.stats().switches()).isZero();
    }
}
