package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.testing.Pools;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The generated keys of a JDBC statement are those of its last run, or none. */
class JdbcKeysTest {
    @RegisterExtension
    final Pools pools = new Pools();

    private SqlitePool open(int size) {
        SqlitePool pool = pools.open(settings -> settings.poolSize(size));
        pool.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v UNIQUE)").join();
        pool.execute("CREATE TABLE w (k PRIMARY KEY, v) WITHOUT ROWID").join();
        return pool;
    }

    private static List<Long> keys(Statement statement) throws SQLException {
        try (ResultSet keys = statement.getGeneratedKeys()) {
            return keys.next() ? List.of(keys.getLong(1)) : List.of();
        }
    }

    private static List<Long> keys(Connection jdbc, String sql) throws SQLException {
        try (PreparedStatement prepared = jdbc.prepareStatement(sql, Statement.RETURN_GENERATED_KEYS);
                Statement statement = jdbc.createStatement()) {
            statement.execute(sql, Statement.RETURN_GENERATED_KEYS);
            List<Long> keys = keys(statement);
            assertThat(prepared.getParameterMetaData().getParameterCount()).isZero();
            return keys;
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void generatedKeysAreOfThisStatementOrNone(int size) {
        SqlitePool pool = open(size);
        pool.execute("INSERT INTO t VALUES (41, 'a')").join(); // of another task, on the same lane
        pool.execute("CREATE VIEW v AS SELECT * FROM t").join();
        pool.execute("CREATE TRIGGER i INSTEAD OF INSERT ON v BEGIN INSERT INTO t (v) VALUES (new.v); END")
                .join();
        pool.useConnection(c -> {
                    Connection jdbc = c.jdbc();
                    for (boolean autocommit : new boolean[] {true, false}) {
                        jdbc.setAutoCommit(autocommit);
                        assertThat(keys(jdbc, "INSERT OR IGNORE INTO t VALUES (41, 'a')"))
                                .isEmpty();
                        assertThat(keys(jdbc, "INSERT INTO t VALUES (9, 'a') ON CONFLICT (v) DO NOTHING"))
                                .isEmpty();
                        assertThat(keys(jdbc, "INSERT INTO t VALUES (41, 'b') ON CONFLICT (id) DO UPDATE SET v = 'a'"))
                                .isEmpty();
                        assertThat(keys(jdbc, "UPDATE t SET v = v")).isEmpty();
                        assertThat(keys(jdbc, "REPLACE INTO w VALUES (1, 1)")).isEmpty();
                        assertThat(keys(jdbc, "INSERT INTO v (v) VALUES ('" + autocommit + "')"))
                                .isEmpty();
                        assertThat(keys(jdbc, "INSERT INTO t SELECT * FROM t WHERE 0"))
                                .isEmpty();
                        assertThat(keys(jdbc, "REPLACE INTO \"main\" . [T] VALUES (41, 'a')"))
                                .containsExactly(41L); // the number that it was before
                        assertThat(keys(jdbc, "WITH n(i) AS (VALUES (41)) REPLACE INTO t SELECT i, 'a' FROM n"))
                                .containsExactly(41L);
                    }
                    jdbc.rollback();
                })
                .join();
    }

    @Test
    void aTriggersInsertIsNotTheStatements() {
        SqlitePool pool = open(3);
        pool.execute("CREATE TABLE log (id INTEGER PRIMARY KEY)").join();
        pool.execute("CREATE TRIGGER u AFTER UPDATE ON t BEGIN INSERT INTO log VALUES (1); END")
                .join();
        pool.execute("INSERT INTO t VALUES (1, 'a')").join();
        pool.useConnection(c -> assertThat(
                                keys(c.jdbc(), "INSERT INTO t VALUES (2, 'a') ON CONFLICT (v) DO UPDATE SET v = 'b'"))
                        .isEmpty())
                .join();
    }

    @Test
    void keysOfAnEarlierRunAreForgotten() {
        SqlitePool pool = open(3);
        pool.useConnection(c -> {
                    try (Statement statement = c.jdbc().createStatement()) {
                        statement.executeUpdate("INSERT INTO t VALUES (1, 'a')", Statement.RETURN_GENERATED_KEYS);
                        assertThat(keys(statement)).containsExactly(1L);
                        assertThat(keys(statement)).as("again").containsExactly(1L);
                        statement.executeUpdate("INSERT INTO t VALUES (2, 'b')");
                        assertThat(keys(statement)).isEmpty();
                        statement.executeUpdate("INSERT INTO t VALUES (3, 'c')", Statement.RETURN_GENERATED_KEYS);
                        assertThatThrownBy(() -> statement.executeUpdate(
                                        "INSERT INTO t VALUES (3, 'd')", Statement.RETURN_GENERATED_KEYS))
                                .hasMessageContaining("UNIQUE");
                        assertThat(keys(statement)).isEmpty();
                        statement.executeUpdate("INSERT INTO t VALUES (4, 'e')", Statement.RETURN_GENERATED_KEYS);
                        statement.addBatch("INSERT INTO t VALUES (5, 'f')");
                        statement.executeBatch();
                        assertThat(keys(statement)).isEmpty();
                    }
                })
                .join();
    }

    @Test
    void keysOutliveTheCommitThatGivesTheConnectionBack() {
        SqlitePool pool = open(3);
        pool.useConnection(c -> {
                    Connection jdbc = c.jdbc();
                    jdbc.setAutoCommit(false);
                    try (Statement statement = jdbc.createStatement()) {
                        statement.executeUpdate("INSERT INTO t VALUES (6, 'a')", Statement.RETURN_GENERATED_KEYS);
                        jdbc.commit();
                        assertThat(pool.execute("INSERT INTO t VALUES (7, 'b')").join())
                                .isEqualTo(1);
                        assertThat(keys(statement)).containsExactly(6L);
                        jdbc.rollback();
                    }
                })
                .join();
    }

    @Test
    void theLastOfSeveralRowsIsTheKey() {
        SqlitePool pool = open(3);
        pool.useConnection(c -> {
                    assertThat(keys(c.jdbc(), "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')"))
                            .containsExactly(3L);
                    assertThat(keys(c.jdbc(), "INSERT OR IGNORE INTO t VALUES (4, 'd'), (5, 'a')"))
                            .containsExactly(4L);
                })
                .join();
    }
}
