package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.Sql;
import java.sql.SQLException;
import java.sql.SQLTimeoutException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Statements that run inside each other end in their order, and nobody ends one that another has begun. */
class NestedStatementsTest {
    private static final int ROWS = 20;

    @RegisterExtension
    final Pools pools = new Pools();

    private SqlitePool open(int size) {
        SqlitePool pool = pools.open(settings -> settings.poolSize(size));
        pool.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER DEFAULT 0)")
                .join();
        pool.execute(
                        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
                                + " INSERT INTO t (id) SELECT i FROM n",
                        ROWS)
                .join();
        return pool;
    }

    private static int sum(SqlitePool pool) {
        return pool.queryOne("SELECT sum(v) FROM t", row -> row.getInt(1))
                .join()
                .orElseThrow();
    }

    /** The next users of the write lane still have their timeout. */
    private static void assertTimeoutsWork(SqlitePool pool) {
        for (int i = 0; i < 2; i++) {
            assertThatThrownBy(() -> pool.useTransaction(tx -> {
                                tx.forEach("SELECT 1", row -> tx.execute("UPDATE t SET v = v"));
                                tx.statementTimeout(Duration.ofMillis(20));
                                tx.query(Sql.ENDLESS, row -> row.getInt(1));
                            })
                            .join())
                    .hasCauseInstanceOf(SQLTimeoutException.class);
        }
    }

    private static List<Object[]> twice(int id) {
        return List.of(new Object[] {id}, new Object[] {id});
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void aBatchInsideForEachOnTheWriteLaneLeavesAllRows(int size) {
        SqlitePool pool = open(size);
        pool.useConnection(c -> {
                    c.execute("UPDATE t SET v = 0"); // to the write lane
                    List<Integer> seen = new ArrayList<>();
                    c.forEach("SELECT id FROM t ORDER BY id", row -> {
                        seen.add(row.getInt(1));
                        assertThat(c.executeBatch("UPDATE t SET v = v + 1 WHERE id = ?", twice(row.getInt(1))))
                                .containsExactly(1, 1);
                    });
                    assertThat(seen).hasSize(ROWS);
                })
                .join();
        assertThat(sum(pool)).isEqualTo(2 * ROWS);
        assertTimeoutsWork(pool);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void aBatchThatFailsInsideForEachIsUndoneAloneAndTheLoopGoesOn(int size) {
        SqlitePool pool = open(size);
        pool.useConnection(c -> {
                    c.execute("UPDATE t SET v = 0");
                    List<Integer> seen = new ArrayList<>();
                    c.forEach("SELECT id FROM t WHERE id <= 20 ORDER BY id", row -> {
                        seen.add(row.getInt(1));
                        assertThatThrownBy(() ->
                                        c.executeBatch("INSERT INTO t VALUES (?, 1)", twice(1000 + row.getInt(1))))
                                .hasMessageContaining("UNIQUE");
                    });
                    assertThat(seen).hasSize(ROWS);
                })
                .join();
        assertThat(sum(pool)).isZero();
        assertTimeoutsWork(pool);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void aJdbcBatchInsideForEachLeavesAllRows(int size) {
        SqlitePool pool = open(size);
        pool.useConnection(c -> {
                    c.execute("UPDATE t SET v = 0");
                    List<Integer> seen = new ArrayList<>();
                    c.forEach("SELECT id FROM t ORDER BY id", row -> {
                        seen.add(row.getInt(1));
                        try (Statement statement = c.jdbc().createStatement()) {
                            statement.addBatch("UPDATE t SET v = v + 1 WHERE id = " + row.getInt(1));
                            assertThat(statement.executeBatch()).containsExactly(1);
                        }
                    });
                    assertThat(seen).hasSize(ROWS);
                })
                .join();
        assertThat(sum(pool)).isEqualTo(ROWS);
        assertTimeoutsWork(pool);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void aTransactionOfTheWorksOwnInsideForEachLeavesAllRows(int size) {
        SqlitePool pool = open(size);
        pool.useConnection(c -> {
                    c.execute("UPDATE t SET v = 0");
                    List<Integer> seen = new ArrayList<>();
                    c.forEach("SELECT id FROM t ORDER BY id", row -> {
                        seen.add(row.getInt(1));
                        c.execute("BEGIN");
                        c.execute("UPDATE t SET v = v + 1 WHERE id = ?", row.getInt(1));
                        c.executeBatch("UPDATE t SET v = v + 1 WHERE id = ?", twice(row.getInt(1)));
                        c.execute(row.getInt(1) % 2 == 0 ? "COMMIT" : "ROLLBACK");
                    });
                    assertThat(seen).hasSize(ROWS);
                })
                .join();
        assertThat(sum(pool)).isEqualTo(3 * ROWS / 2);
        assertTimeoutsWork(pool);
    }

    /** The outer statement uses its time up, before the batch commits or after it: the batch is whole, or there is none of it. */
    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void theTimeoutOfTheOuterStatementStillCountsBesideABatch(int size) {
        SqlitePool pool = open(size);
        for (int millis : new int[] {1, 5, 20, 200}) {
            assertThatThrownBy(() -> pool.blocking().useConnection(c -> {
                        c.execute("UPDATE t SET v = 0");
                        c.statementTimeout(Duration.ofMillis(millis));
                        c.forEach(
                                "SELECT 1 UNION ALL SELECT * FROM (" + Sql.ENDLESS + ")",
                                row -> c.executeBatch("UPDATE t SET v = v + 1 WHERE id = ?", twice(1)));
                    }))
                    .isInstanceOf(SQLTimeoutException.class);
            assertThat(sum(pool)).isIn(0, 2);
        }
        assertTimeoutsWork(pool);
    }

    @Test
    void aStackThatOverflowsInsideForEachLeavesTimeoutsAsTheyWere() {
        SqlitePool pool = open(1);
        for (int i = 0; i < 20; i++) {
            assertThatThrownBy(() -> pool.useConnection(c -> {
                                c.execute("UPDATE t SET v = 0");
                                c.forEach("SELECT id FROM t", row -> deeper(c));
                            })
                            .join())
                    // A stack that ends inside the driver makes it say that there is no memory.
                    .isInstanceOf(CompletionException.class);
        }
        assertTimeoutsWork(pool);
    }

    private static void deeper(PoolConnection c) throws SQLException {
        c.forEach("SELECT 1", row -> deeper(c));
    }
}
