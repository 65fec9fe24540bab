package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Logged;
import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.Sql;
import dev.sqlitepool.testing.TestClock;
import java.sql.SQLException;
import java.sql.SQLTimeoutException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.sqlite.Function;
import org.sqlite.SQLiteConnection;

/** Cursors that work reads, and leases that know what they need. */
class RowCursorTest {
    private static final String SLOW = "SELECT * FROM (" + Sql.ENDLESS + ")";
    private static final String NUMBERS = "SELECT x FROM t ORDER BY x";

    @RegisterExtension
    final Logged logged = new Logged("has read for");

    @RegisterExtension
    final Pools pools = new Pools();

    private SqlitePool numbers(SqlitePool pool) {
        pool.execute("CREATE TABLE t (x INTEGER)").join();
        pool.executeBatch(
                        "INSERT INTO t VALUES (?)",
                        IntStream.rangeClosed(1, 10)
                                .mapToObj(i -> new Object[] {i})
                                .toList())
                .join();
        return pool;
    }

    private static RowCursor<Integer> open(Lease lease, String sql) {
        return lease.<RowCursor<Integer>>run(c -> c.cursor(sql, row -> row.getInt(1)))
                .join();
    }

    private static List<Integer> read(Lease lease, RowCursor<Integer> cursor, int most) {
        return lease.<List<Integer>>run(c -> read(cursor, most)).join();
    }

    private static List<Integer> read(RowCursor<Integer> cursor, int most) throws SQLException {
        List<Integer> rows = new ArrayList<>();
        boolean more = cursor.read(most, rows::add);
        assertThat(more || rows.size() < most).isTrue();
        return rows;
    }

    private static long count(SqlitePool pool) {
        return pool.queryOne("SELECT count(*) FROM t", row -> row.getLong(1))
                .join()
                .orElseThrow();
    }

    @Test
    void aCursorStaysOnItsRowFromOneWorkToTheNext() {
        SqlitePool pool = numbers(pools.open());
        Lease lease = pool.acquire().join();
        RowCursor<Integer> cursor = open(lease, NUMBERS);
        assertThat(read(lease, cursor, 3)).containsExactly(1, 2, 3);
        pool.execute("INSERT INTO t VALUES (0), (11)").join();
        assertThat(lease.run(c -> c.query(NUMBERS, row -> row.getInt(1))).join())
                .as("the same text, in the snapshot that the cursor keeps")
                .hasSize(10);
        assertThat(read(lease, cursor, 100)).containsExactly(4, 5, 6, 7, 8, 9, 10);
        assertThat(read(lease, cursor, 100)).isEmpty();
        assertThat(lease.run(c -> c.query(NUMBERS, row -> row.getInt(1))).join())
                .as("it has closed itself")
                .hasSize(12);
        lease.release().join();
    }

    @Test
    void twoCursorsOfATransactionTakeTurnsWithItsWrites() {
        SqlitePool pool = numbers(pools.open());
        Lease lease = pool.acquire(Access.WRITE).join();
        lease.run(c -> c.execute("BEGIN")).join();
        RowCursor<Integer> up = open(lease, NUMBERS);
        RowCursor<Integer> down = open(lease, NUMBERS + " DESC");
        assertThat(read(lease, up, 2)).containsExactly(1, 2);
        assertThat(read(lease, down, 1)).containsExactly(10);
        assertThat(lease.run(c -> c.execute("INSERT INTO t VALUES (11)")).join())
                .isEqualTo(1);
        assertThat(read(lease, down, 1)).containsExactly(9);
        assertThat(read(lease, up, 1)).containsExactly(3);
        lease.run(c -> {
                    up.close();
                    up.close();
                    down.close();
                    return c.execute("COMMIT");
                })
                .join();
        assertThat(read(lease, up, 1)).isEmpty();
        lease.release().join();
        assertThat(count(pool)).isEqualTo(11);
    }

    @Test
    void theEndOfTheTransactionClosesItsCursors() {
        SqlitePool pool = numbers(pools.open());
        Lease lease = pool.acquire(Access.WRITE).join();
        for (String end : List.of("COMMIT", "ROLLBACK")) {
            lease.run(c -> c.execute("BEGIN")).join();
            RowCursor<Integer> before = open(lease, NUMBERS);
            assertThat(read(lease, before, 1)).containsExactly(1);
            lease.run(c -> c.execute(end)).join();
            lease.run(c -> c.execute("BEGIN")).join();
            RowCursor<Integer> after = open(lease, NUMBERS);
            assertThat(read(lease, after, 1)).containsExactly(1);
            assertThatThrownBy(() -> read(lease, before, 1))
                    .as("although the same statement stands on a row again")
                    .hasRootCauseInstanceOf(SQLException.class)
                    .hasMessageContaining("closed before its end");
            assertThat(read(lease, after, 2)).containsExactly(2, 3);
            lease.run(c -> c.execute("ROLLBACK")).join();
        }
        lease.release().join();
        assertThat(pool.execute("INSERT INTO t VALUES (12)").join()).isEqualTo(1);
    }

    @Test
    void aCursorIsClosedWhenItsWorkReturns() {
        SqlitePool pool = numbers(pools.open());
        RowCursor<Integer> kept = pool.<RowCursor<Integer>>connection(c -> {
                    RowCursor<Integer> cursor = c.cursor(NUMBERS, row -> row.getInt(1));
                    assertThat(read(cursor, 1)).containsExactly(1);
                    return cursor;
                })
                .join();
        assertThatThrownBy(() -> read(kept, 1)).isInstanceOf(IllegalStateException.class);
        pool.useTransaction(tx -> {
                    assertThat(read(tx.<Integer>cursor(NUMBERS, row -> row.getInt(1)), 2))
                            .containsExactly(1, 2);
                    tx.execute("DELETE FROM t WHERE x > 5");
                })
                .join();
        assertThat(count(pool)).isEqualTo(5);
    }

    @Test
    void aMapperThatFailsClosesTheCursorAndItSaysSoEachTime() {
        SqlitePool pool = numbers(pools.open());
        Lease lease = pool.acquire().join();
        RowCursor<Integer> cursor = lease.<RowCursor<Integer>>run(
                        c -> c.cursor(NUMBERS, row -> 6 / (row.getInt(1) - 2)))
                .join();
        assertThatThrownBy(() -> read(lease, cursor, 5)).hasRootCauseInstanceOf(ArithmeticException.class);
        for (int i = 0; i < 2; i++) {
            assertThatThrownBy(() -> read(lease, cursor, 5)).hasMessageContaining("closed before its end");
        }
        lease.release().join();
    }

    @Test
    void rowsBeforeAnErrorAreGiven() {
        SqlitePool pool = pools.open();
        List<Integer> rows = new ArrayList<>();
        assertThatThrownBy(() -> pool.connection(c -> c.<Integer>cursor(
                                        "SELECT value FROM json_each('[1, 2, -9223372036854775808]') WHERE abs(value) > 0",
                                        row -> row.getInt(1))
                                .read(10, rows::add))
                        .join())
                .hasMessageContaining("integer overflow");
        assertThat(rows).containsExactly(1, 2);
    }

    @Test
    void whatWritesIsNoCursor() {
        SqlitePool pool = numbers(pools.open());
        for (String sql : List.of(
                "INSERT INTO t VALUES (1) RETURNING x",
                "WITH w AS (SELECT 1) INSERT INTO t SELECT 1 FROM w RETURNING x",
                "; WITH w AS (SELECT 1) INSERT INTO t SELECT 1 FROM w RETURNING x",
                "PRAGMA user_version = 1")) {
            assertThatThrownBy(() -> pool.connection(c -> c.cursor(sql, row -> row.getInt(1)))
                            .join())
                    .as(sql)
                    .hasRootCauseInstanceOf(SQLException.class)
                    .hasMessageContaining("use query(…)");
        }
        assertThatThrownBy(() -> pool.connection(c -> read(c.<Integer>cursor(NUMBERS, row -> row.getInt(1)), 0))
                        .join())
                .hasRootCauseInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("most was 0");
        assertThat(count(pool)).isEqualTo(10);
    }

    @Test
    void aCursorKeepsItsLeaseFromMoving() {
        SqlitePool pool = numbers(pools.open());
        Lease lease = pool.acquire().join();
        RowCursor<Integer> cursor = open(lease, NUMBERS);
        read(lease, cursor, 1);
        assertThatThrownBy(() ->
                        lease.run(c -> c.execute("INSERT INTO t VALUES (1)")).join())
                .hasRootCauseInstanceOf(SQLException.class)
                .hasMessageContaining("a cursor is still open on the read connection");
        lease.run(c -> {
                    cursor.close();
                    return null;
                })
                .join();
        assertThat(lease.run(c -> c.execute("INSERT INTO t VALUES (1)")).join()).isEqualTo(1);
        lease.release().join();
    }

    @Test
    void aCancelledReadLeavesTheTransactionStanding() {
        SqlitePool pool = numbers(pools.open());
        Lease lease = pool.acquire(Access.WRITE).join();
        lease.run(c -> c.execute("BEGIN")).join();
        lease.run(c -> c.execute("INSERT INTO t VALUES (11)")).join();
        RowCursor<Integer> other = open(lease, NUMBERS);
        read(lease, other, 1);
        for (int i = 0; i < 20; i++) {
            RowCursor<Integer> slow = open(lease, SLOW);
            Gate begun = new Gate();
            CompletableFuture<List<Integer>> rows = lease.run(c -> {
                begun.pass();
                return read(slow, 1);
            });
            begun.awaitReached();
            begun.open();
            assertThat(rows.cancel(true)).isTrue();
        }
        assertThatThrownBy(() -> read(lease, other, 1))
                .as("an interrupt reaches all that stands on a row")
                .hasMessageContaining("closed before its end");
        assertThat(lease.run(c -> c.execute("INSERT INTO t VALUES (12)")).join())
                .isEqualTo(1);
        lease.run(c -> c.execute("COMMIT")).join();
        lease.release().join();
        assertThat(count(pool)).isEqualTo(12);
        assertThat(pool.stats().closed().get(PoolStats.CloseReason.DISCARDED)).isZero();
    }

    @Test
    void aReadThatIsInterruptedBehindItsFirstRowLeavesTheTransactionStanding() {
        SqlitePool pool = numbers(pools.open());
        Lease lease = pool.acquire(Access.WRITE).join();
        lease.run(c -> c.execute("BEGIN")).join();
        lease.run(c -> c.execute("INSERT INTO t VALUES (11)")).join();
        RowCursor<Integer> slow = open(lease, "SELECT 1 UNION ALL " + SLOW);
        assertThat(read(lease, slow, 1)).containsExactly(1);
        assertThatThrownBy(() -> lease.run(c -> {
                            c.statementTimeout(Duration.ofMillis(30));
                            return read(slow, 1);
                        })
                        .join())
                .hasCauseInstanceOf(SQLTimeoutException.class);
        assertThatThrownBy(() -> read(lease, slow, 1)).hasMessageContaining("closed before its end");
        lease.run(c -> c.execute("COMMIT")).join();
        lease.release().join();
        assertThat(count(pool)).isEqualTo(11);
    }

    @Test
    void aCancelledWriteLosesTheTransaction() {
        SqlitePool pool = numbers(pools.open());
        Lease lease = pool.acquire(Access.WRITE).join();
        lease.run(c -> c.execute("BEGIN")).join();
        lease.run(c -> c.execute("INSERT INTO t VALUES (11)")).join();
        Gate begun = new Gate();
        CompletableFuture<Long> slow = lease.run(c -> {
            c.execute("INSERT INTO t VALUES (12)");
            begun.pass();
            return c.execute("INSERT INTO t " + SLOW);
        });
        begun.awaitReached();
        begun.open();
        assertThat(slow.cancel(true)).isTrue();
        assertThatThrownBy(() -> lease.run(c -> c.execute("COMMIT")).join())
                .hasRootCauseInstanceOf(SQLException.class)
                .hasMessageContaining("rolled back");
        lease.release().join();
        assertThat(count(pool)).isEqualTo(10);
    }

    @Test
    void aReadThatTakesTooLongLeavesTheTransactionStanding() {
        SqlitePool pool = numbers(pools.open());
        Lease lease = pool.acquire(Access.WRITE).join();
        lease.run(c -> c.execute("BEGIN")).join();
        lease.run(c -> c.execute("INSERT INTO t VALUES (11)")).join();
        RowCursor<Integer> other = open(lease, NUMBERS);
        read(lease, other, 1);
        assertThatThrownBy(() -> lease.run(c -> {
                            c.statementTimeout(Duration.ofMillis(30));
                            return c.query(SLOW, row -> row.getInt(1));
                        })
                        .join())
                .hasRootCauseInstanceOf(SQLException.class)
                .cause()
                .isInstanceOf(SQLTimeoutException.class)
                .hasMessageContaining("0.03 s");
        assertThatThrownBy(() -> read(lease, other, 1)).hasMessageContaining("closed before its end");
        assertThat(lease.run(c -> c.execute("INSERT INTO t VALUES (12)")).join())
                .isEqualTo(1);
        lease.run(c -> c.execute("COMMIT")).join();
        lease.release().join();
        assertThat(count(pool)).isEqualTo(12);
    }

    /** A function that SQLite cannot interrupt runs past the timeout, and then gives a row. */
    @Test
    void aTimeoutIsToldAlthoughTheStepEndsWell() {
        TestClock clock = new TestClock();
        AtomicReference<SqlitePool> opened = new AtomicReference<>();
        SqlitePool pool = numbers(pools.open(
                clock,
                b -> b.onConnect(c -> Function.create(c.unwrap(SQLiteConnection.class), "stall", new Function() {
                    @Override
                    protected void xFunc() throws SQLException {
                        if (value_int(0) != 0) {
                            long before = opened.get().stats().interrupts();
                            clock.pass(Duration.ofSeconds(1));
                            Pools.await(
                                    "it is interrupted",
                                    () -> opened.get().stats().interrupts() > before);
                        }
                        result(0);
                    }
                }))));
        opened.set(pool);
        String slow = "SELECT stall(x = %d) FROM t";
        for (int row = 1; row <= 3; row++) {
            String sql = slow.formatted(row);
            List<Integer> rows = new ArrayList<>();
            assertThatThrownBy(() -> pool.connection(c -> {
                                c.statementTimeout(Duration.ofMillis(5));
                                return c.<Integer>cursor(sql, r -> r.getInt(1)).read(10, rows::add);
                            })
                            .join())
                    .hasCauseInstanceOf(SQLTimeoutException.class);
            assertThat(rows).hasSize(row - 1);
        }
    }

    @Test
    void aTimeoutOfOneStatementIsNotThatOfTheNext() {
        SqlitePool pool = numbers(pools.open());
        Lease lease = pool.acquire(Access.READ).join();
        assertThatThrownBy(() -> lease.run(c -> {
                            c.statementTimeout(Duration.ofMillis(20));
                            return c.query(SLOW, row -> row.getInt(1));
                        })
                        .join())
                .hasCauseInstanceOf(SQLTimeoutException.class);
        RowCursor<Integer> cursor = open(lease, NUMBERS);
        assertThat(read(lease, cursor, 1)).containsExactly(1);
        assertThat(lease.<List<Integer>>run(c -> {
                            c.statementTimeout(Duration.ofSeconds(10));
                            return read(cursor, 10);
                        })
                        .join())
                .hasSize(9);
        lease.release().join();
    }

    @Test
    void aCursorWhoseFunctionWritesIsRefusedWhereItIs() {
        SqlitePool pool = pools.open();
        pool.execute("CREATE VIRTUAL TABLE f USING fts4(x)").join();
        pool.execute("INSERT INTO f VALUES ('a')").join();
        pool.execute("INSERT INTO f VALUES ('b')").join();
        Lease lease = pool.acquire().join();
        RowCursor<Integer> cursor = open(lease, "SELECT length(optimize(f)) FROM f");
        assertThatThrownBy(() -> read(lease, cursor, 1))
                .hasRootCauseInstanceOf(SQLException.class)
                .hasMessageContaining("a cursor only reads");
        assertThat(lease.run(c -> c.query("SELECT x FROM f", row -> row.getString(1)))
                        .join())
                .containsExactly("a", "b");
        lease.release().join();
    }

    @Test
    void theTimeoutGoesAlongWhenAStatementMoves() {
        SqlitePool pool = numbers(pools.open());
        assertThatThrownBy(() -> pool.connection(c -> {
                            c.statementTimeout(Duration.ofMillis(30));
                            return c.execute("WITH w AS (SELECT 1) INSERT INTO t SELECT * FROM (" + Sql.ENDLESS + ")");
                        })
                        .join())
                .hasCauseInstanceOf(SQLTimeoutException.class);
    }

    @Test
    void aBatchInATransactionLeavesCursorsOpen() {
        SqlitePool pool = numbers(pools.open());
        Lease lease = pool.acquire(Access.WRITE).join();
        lease.run(c -> c.execute("BEGIN")).join();
        RowCursor<Integer> cursor = open(lease, NUMBERS);
        assertThat(read(lease, cursor, 1)).containsExactly(1);
        lease.run(c -> c.executeBatch("INSERT INTO t VALUES (?)", List.of(new Object[] {11}, new Object[] {12})))
                .join();
        assertThat(read(lease, cursor, 1)).containsExactly(2);
        lease.run(c -> c.execute("COMMIT")).join();
        lease.release().join();
    }

    @Test
    void aLeaseThatReadsForTooLongIsEnded() {
        TestClock clock = new TestClock();
        SqlitePool pool = numbers(pools.open(
                clock, b -> b.maxReadAge(Duration.ofMillis(100)).healthCheckInterval(Duration.ofMillis(20))));
        Lease lease = pool.acquire(Access.READ).join();
        lease.run(c -> c.query(NUMBERS, row -> row.getInt(1))).join();
        clock.pass(Duration.ofMillis(100));
        Pools.await("the lease is ended", () -> pool.stats().readConnections().borrowed() == 0);
        assertThatThrownBy(() ->
                        lease.run(c -> c.query(NUMBERS, row -> row.getInt(1))).join())
                .hasRootCauseInstanceOf(SQLTimeoutException.class);
    }

    @Test
    void theTimeoutOfAWorkEndsWithIt() {
        SqlitePool pool = numbers(pools.open());
        Lease lease = pool.acquire().join();
        lease.run(c -> {
                    c.statementTimeout(Duration.ofNanos(1));
                    return null;
                })
                .join();
        String some =
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT max(i) FROM n";
        assertThat(lease.run(c -> c.query(some, row -> row.getInt(1))).join()).containsExactly(100_000);
        assertThatThrownBy(() -> lease.run(c -> {
                            c.statementTimeout(Duration.ZERO);
                            return null;
                        })
                        .join())
                .hasRootCauseInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("statementTimeout was 0 s");
        lease.release().join();
    }

    @Test
    void aLeaseThatReadsSeesOneSnapshotInAllOfItsWorks() {
        for (int size : List.of(3, 1)) {
            SqlitePool pool = numbers(pools.open(b -> b.poolSize(size)));
            Lease lease = pool.acquire(Access.READ).join();
            assertThat(lease.run(c -> c.query(NUMBERS, row -> row.getInt(1))).join())
                    .hasSize(10);
            CompletableFuture<Long> written = pool.execute("INSERT INTO t VALUES (11)");
            if (size > 1) {
                written.join();
            }
            assertThat(lease.run(c -> c.query(NUMBERS, row -> row.getInt(1))).join())
                    .hasSize(10);
            for (String sql :
                    List.of("INSERT INTO t VALUES (1)", "COMMIT", "PRAGMA foreign_keys = OFF", "CREATE TABLE u (x)")) {
                assertThatThrownBy(() -> lease.run(c -> c.execute(sql)).join())
                        .as(sql)
                        .hasRootCauseInstanceOf(SQLException.class);
            }
            assertThat(lease.run(c -> c.query(NUMBERS, row -> row.getInt(1))).join())
                    .hasSize(10);
            lease.release().join();
            written.join();
            assertThat(count(pool)).isEqualTo(11);
            pool.execute("DROP TABLE t").join();
            pool.close();
        }
    }

    @Test
    void aLeaseThatWritesDoesNotWaitForAReadLane() {
        SqlitePool pool = numbers(pools.open(b -> b.poolSize(2)));
        Lease reader = pool.acquire(Access.READ).join();
        reader.run(c -> c.query(NUMBERS, row -> row.getInt(1))).join();
        Lease writer = pool.acquire(Access.WRITE).join();
        writer.run(c -> c.execute("BEGIN")).join();
        writer.run(c -> c.execute("INSERT INTO t VALUES (11)")).join();
        writer.run(c -> c.execute("COMMIT")).join();
        writer.release().join();
        reader.release().join();
        assertThat(count(pool)).isEqualTo(11);
    }

    @Test
    void aColumnTellsItsDeclaredType() {
        SqlitePool pool = pools.open();
        pool.execute("CREATE TABLE d (a VARCHAR(20), b, c BOOLEAN)").join();
        pool.execute("INSERT INTO d VALUES (1, 2, 3)").join();
        assertThat(pool.query(
                                "SELECT a, b, c, a || b FROM d",
                                row -> row.declaredType(1) + "," + row.declaredType(2) + "," + row.declaredType(3) + ","
                                        + row.declaredType(4))
                        .join())
                .containsExactly("VARCHAR(20),null,BOOLEAN,null");
    }

    @Test
    void aReleasedLeaseLeavesNoCursorBehind() throws Exception {
        SqlitePool pool = numbers(pools.open());
        Lease lease = pool.acquire().join();
        RowCursor<Integer> cursor = open(lease, NUMBERS);
        read(lease, cursor, 1);
        lease.release().join();
        assertThatThrownBy(() -> read(lease, cursor, 1))
                .isInstanceOf(CompletionException.class)
                .hasRootCauseInstanceOf(IllegalStateException.class);
        cursor.close();
        pool.query("PRAGMA wal_checkpoint(TRUNCATE)", row -> row.getInt(1)).join();
        assertThat(pools.file().resolveSibling("test.db-wal")).isEmptyFile();
    }

    @Test
    void aCursorIsClosedInsideAWorkOrNot() {
        SqlitePool pool = numbers(pools.open());
        Lease lease = pool.acquire().join();
        RowCursor<Integer> cursor = open(lease, NUMBERS);
        read(lease, cursor, 1);
        assertThatThrownBy(cursor::close).isInstanceOf(IllegalStateException.class);
        assertThat(read(lease, cursor, 1)).containsExactly(2);
        lease.release().join();
    }

    @Test
    void theShorterOfTwoTimeoutsCounts() {
        SqlitePool pool = pools.open(b -> b.statementTimeout(Duration.ofMillis(20)));
        assertThatThrownBy(() -> pool.connection(c -> {
                            c.statementTimeout(Duration.ofSeconds(10));
                            return c.query(SLOW, row -> row.getInt(1));
                        })
                        .join())
                .hasCauseInstanceOf(SQLTimeoutException.class)
                .hasMessageContaining("0.02 s");
        assertThatThrownBy(() -> pool.connection(c -> {
                            c.statementTimeout(Duration.ofMillis(10));
                            return c.query(SLOW, row -> row.getInt(1));
                        })
                        .join())
                .hasCauseInstanceOf(SQLTimeoutException.class)
                .hasMessageContaining("0.01 s");
    }

    @Test
    void theTimeoutOfAStatementGoesOnBehindOneInsideIt() {
        SqlitePool pool = pools.open(b -> b.statementTimeout(Duration.ofMillis(20)));
        assertThatThrownBy(() -> pool.useConnection(c -> c.forEach("SELECT 1 UNION ALL " + SLOW, row -> assertThat(
                                        c.query("SELECT 1", inner -> inner.getInt(1)))
                                .containsExactly(1)))
                        .join())
                .hasCauseInstanceOf(SQLTimeoutException.class);
    }
}
