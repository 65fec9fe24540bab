package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.testing.Logged;
import dev.sqlitepool.testing.Pools;
import java.io.IOException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class TransactionTest {
    @RegisterExtension
    final Logged logged = new Logged("is open in the pool");

    @RegisterExtension
    final Pools pools = new Pools();

    /** A pool with an empty table t (id, v). */
    private SqlitePool open(int size) throws SQLException {
        SqlitePool pool = pools.open(settings -> settings.poolSize(size));
        pool.blocking().execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)");
        return pool;
    }

    private static List<Integer> ids(SqlitePool pool) throws SQLException {
        return pool.blocking().query("SELECT id FROM t ORDER BY id", row -> row.getInt(1));
    }

    // ---- the end

    @Test
    void aTransactionCommitsWhenItsWorkReturns() throws SQLException {
        SqlitePool pool = open(3);
        String result = pool.<String>transaction(tx -> {
                    tx.execute("INSERT INTO t VALUES (1, 'a')");
                    tx.execute("INSERT INTO t VALUES (2, 'b')");
                    return "done";
                })
                .join();
        assertThat(result).isEqualTo("done");
        assertThat(ids(pool)).containsExactly(1, 2);
        assertThat(pool.<String>transaction(tx -> null).join()).isNull();
    }

    @Test
    void theFirstBlockingWorkOfAPoolRunsOnItsCaller() throws SQLException {
        for (int size : new int[] {1, 2}) {
            BlockingPool db = pools.open(settings -> settings.poolSize(size)).blocking();
            assertThat(db.<Thread, RuntimeException>transaction(tx -> Thread.currentThread()))
                    .isSameAs(Thread.currentThread());
            assertThat(db.<Thread, RuntimeException>read(read -> Thread.currentThread()))
                    .isSameAs(Thread.currentThread());
        }
    }

    static Stream<Throwable> throwables() {
        return Stream.of(
                new IllegalStateException("unchecked"),
                new IOException("checked"),
                new SQLException("of the work"),
                new AssertionError("an error"),
                new StackOverflowError(),
                new InterruptedException(),
                new CompletionException(new IOException("wrapped by the work itself")),
                new Throwable("neither"));
    }

    @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"})
    private static <X extends Throwable> X sneaky(Throwable error) throws X {
        throw (X) error;
    }

    @ParameterizedTest
    @MethodSource("throwables")
    void anyThrowableRollsBackAndIsTheOneThatTheCallerGets(Throwable thrown) throws SQLException {
        for (int size : new int[] {1, 3}) {
            SqlitePool pool = open(size);
            CompletableFuture<Object> future = pool.transaction(tx -> {
                tx.execute("INSERT INTO t VALUES (1, 'a')");
                throw TransactionTest.<RuntimeException>sneaky(thrown);
            });
            assertThat(future.handle((value, error) -> error).join()).isSameAs(thrown);
            assertThatThrownBy(() -> pool.blocking().useTransaction(tx -> {
                        tx.execute("INSERT INTO t VALUES (2, 'b')");
                        throw TransactionTest.<RuntimeException>sneaky(thrown);
                    }))
                    .isSameAs(thrown);
            assertThat(thrown.getSuppressed()).isEmpty();
            assertThat(ids(pool)).isEmpty();
            assertThat(pool.blocking().execute("INSERT INTO t VALUES (3, 'c')")).isEqualTo(1);
            pool.blocking().execute("DROP TABLE t");
        }
    }

    @Test
    void aWorkNeverRunsIfItsTransactionCannotBegin() throws SQLException {
        SqlitePool pool = pools.open(settings -> settings.busyTimeout(Duration.ZERO));
        pool.blocking().execute("CREATE TABLE t (id)");
        AtomicBoolean ran = new AtomicBoolean();
        try (Connection other = DriverManager.getConnection("jdbc:sqlite:" + pools.file());
                Statement statement = other.createStatement()) {
            statement.execute("BEGIN IMMEDIATE");
            assertThatThrownBy(() -> pool.blocking().useTransaction(tx -> ran.set(true)))
                    .isInstanceOf(SQLException.class)
                    .hasMessageContaining("SQLITE_BUSY");
            assertThat(ran).isFalse();
            statement.execute("ROLLBACK");
        }
        pool.useTransaction(tx -> ran.set(true)).join();
        assertThat(ran).isTrue();
    }

    @Test
    void rollbackOnlyUndoesAndStillDeliversTheResult() throws SQLException {
        SqlitePool pool = open(3);
        int rows = pool.blocking().transaction(tx -> {
            tx.execute("INSERT INTO t VALUES (1, 'a')");
            tx.rollbackOnly();
            tx.execute("INSERT INTO t VALUES (2, 'b')");
            return tx.query("SELECT id FROM t", row -> row.getInt(1)).size();
        });
        assertThat(rows).isEqualTo(2);
        assertThat(ids(pool)).isEmpty();
        assertThat(pool.stats().completed()).isPositive();
        assertThat(pool.blocking().execute("INSERT INTO t VALUES (3, 'c')")).isEqualTo(1);
        assertThat(ids(pool)).containsExactly(3);
    }

    @Test
    void rollbackOnlyInsideASavepointMeansTheWholeTransaction() throws SQLException {
        SqlitePool pool = open(3);
        String result = pool.blocking().transaction(tx -> {
            tx.execute("INSERT INTO t VALUES (1, 'a')");
            String inner = tx.savepoint(nested -> {
                nested.rollbackOnly();
                return "inner";
            });
            tx.execute("INSERT INTO t VALUES (2, 'b')");
            return inner;
        });
        assertThat(result).isEqualTo("inner");
        assertThat(ids(pool)).isEmpty();
    }

    @Test
    void theConnectionOfATransactionIsDeadAfterwards() throws SQLException {
        SqlitePool pool = open(3);
        AtomicReference<Transaction> kept = new AtomicReference<>();
        pool.useTransaction(kept::set).join();
        Transaction tx = kept.get();
        assertThatThrownBy(() -> tx.execute("INSERT INTO t VALUES (1, 'a')"))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("returned to the pool");
        assertThatThrownBy(() -> tx.savepoint(nested -> 1)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(tx::rollbackOnly).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(tx::jdbc).isInstanceOf(IllegalStateException.class);
    }

    // ---- savepoints

    @Test
    void aFailedSavepointIsUndoneAndTheTransactionGoesOn() throws SQLException {
        SqlitePool pool = open(3);
        IOException failure = new IOException("inner");
        pool.blocking().useTransaction(tx -> {
            tx.execute("INSERT INTO t VALUES (1, 'a')");
            assertThatThrownBy(() -> tx.savepoint(nested -> {
                        nested.execute("INSERT INTO t VALUES (2, 'b')");
                        throw failure;
                    }))
                    .isSameAs(failure);
            assertThat(tx.query("SELECT id FROM t", row -> row.getInt(1))).containsExactly(1);
            tx.execute("INSERT INTO t VALUES (3, 'c')");
        });
        assertThat(ids(pool)).containsExactly(1, 3);
        assertThat(failure.getSuppressed()).isEmpty();
    }

    @Test
    void savepointsNest() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useTransaction(tx -> {
            tx.savepoint(one -> {
                one.execute("INSERT INTO t VALUES (1, 'a')");
                assertThatThrownBy(() -> one.savepoint(two -> {
                            two.execute("INSERT INTO t VALUES (2, 'b')");
                            two.savepoint(three -> three.execute("INSERT INTO t VALUES (3, 'c')"));
                            throw new IllegalStateException();
                        }))
                        .isInstanceOf(IllegalStateException.class);
                return one.savepoint(two -> two.execute("INSERT INTO t VALUES (4, 'd')"));
            });
            assertThatThrownBy(() -> tx.savepoint(one -> {
                        one.savepoint(two -> two.execute("INSERT INTO t VALUES (5, 'e')"));
                        throw new IllegalStateException();
                    }))
                    .isInstanceOf(IllegalStateException.class);
        });
        assertThat(ids(pool)).containsExactly(1, 4);
    }

    @Test
    void aSavepointWorksAfterACaughtError() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useTransaction(tx -> {
            tx.execute("INSERT INTO t VALUES (1, 'a')");
            assertThatThrownBy(() -> tx.execute("INSERT INTO t VALUES (1, 'again')"))
                    .hasMessageContaining("UNIQUE");
            assertThatThrownBy(() -> tx.execute("nonsense")).hasMessageContaining("syntax error");
            assertThatThrownBy(() -> tx.savepoint(nested -> {
                        nested.execute("INSERT INTO t VALUES (2, 'b')");
                        return nested.execute("INSERT INTO t VALUES (1, 'again')");
                    }))
                    .hasMessageContaining("UNIQUE");
            assertThat(tx.<Long, RuntimeException>savepoint(nested -> nested.execute("INSERT INTO t VALUES (3, 'c')")))
                    .isEqualTo(1);
        });
        assertThat(ids(pool)).containsExactly(1, 3);
    }

    @Test
    void aSavepointWithAnOpenCursorIsUndone() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useTransaction(tx -> {
            tx.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')");
            List<Integer> seen = new ArrayList<>();
            tx.forEach("SELECT id FROM t ORDER BY id", row -> {
                int id = row.getInt(1);
                assertThatThrownBy(() -> tx.savepoint(nested -> {
                            nested.execute("UPDATE t SET v = 'changed' WHERE id = ?", id);
                            throw new IllegalStateException();
                        }))
                        .isInstanceOf(IllegalStateException.class);
                seen.add(id);
            });
            assertThat(seen).containsExactly(1, 2, 3);
        });
        assertThat(pool.blocking().query("SELECT v FROM t ORDER BY id", row -> row.getString(1)))
                .containsExactly("a", "b", "c");
    }

    // ---- what is refused inside

    static Stream<String> refusedInside() {
        return Stream.of(
                "BEGIN",
                "BEGIN IMMEDIATE",
                "COMMIT",
                "END",
                "ROLLBACK",
                "SAVEPOINT a",
                "RELEASE a",
                "RELEASE sqlitepool_1",
                "ROLLBACK TO a",
                "/* hidden */ COMMIT",
                "-- hidden\n;COMMIT;",
                "\uFEFFcommit",
                "PRAGMA cache_size = 100",
                "PRAGMA foreign_keys = OFF",
                "EXPLAIN PRAGMA foreign_keys = OFF",
                "ATTACH ':memory:' AS other",
                "DETACH other",
                "VACUUM");
    }

    @ParameterizedTest
    @MethodSource("refusedInside")
    void controlAndMaintenanceAreRefusedInsideATransactionWhichStaysUsable(String sql) throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useTransaction(tx -> {
            tx.execute("INSERT INTO t VALUES (1, 'a')");
            assertAllRefuse(tx, sql, "transaction(…)");
            tx.savepoint(nested -> {
                nested.execute("INSERT INTO t VALUES (2, 'b')");
                assertAllRefuse(nested, sql, "transaction(…)");
                return 1;
            });
        });
        assertThat(ids(pool)).containsExactly(1, 2);
        assertUntouched(pool);
    }

    @ParameterizedTest
    @MethodSource("refusedInside")
    void controlAndMaintenanceAreRefusedInsideAReadWhichStaysUsable(String sql) throws SQLException {
        for (int size : new int[] {1, 3}) {
            SqlitePool pool = open(size);
            pool.blocking().useRead(read -> {
                assertThat(read.query("SELECT id FROM t", row -> row.getInt(1))).isEmpty();
                assertAllRefuse(read, sql, "read(…)");
                assertThat(read.query("SELECT id FROM t", row -> row.getInt(1))).isEmpty();
            });
            assertUntouched(pool);
            pool.blocking().execute("DROP TABLE t");
        }
    }

    private static void assertAllRefuse(PoolConnection connection, String sql, String form) throws SQLException {
        Connection jdbc = connection.jdbc();
        try (Statement statement = jdbc.createStatement()) {
            List<ThrowingCallable> ways = List.of(
                    () -> connection.execute(sql),
                    () -> connection.query(sql, row -> 1),
                    () -> connection.queryOne(sql, row -> 1),
                    () -> connection.forEach(sql, row -> {}),
                    () -> connection.executeScript("SELECT 1; " + sql),
                    () -> connection.executeBatch(sql, List.<Object[]>of(new Object[0])),
                    () -> statement.execute(sql),
                    () -> statement.executeUpdate(sql),
                    () -> statement.executeQuery(sql),
                    () -> jdbc.prepareStatement(sql),
                    () -> {
                        statement.addBatch("SELECT 1");
                        statement.addBatch(sql);
                        statement.executeBatch();
                    });
            for (ThrowingCallable way : ways) {
                assertThatThrownBy(way)
                        .isInstanceOf(SQLException.class)
                        .hasMessageContaining("refused inside " + form)
                        .hasMessageContaining("connection(…)");
            }
        }
    }

    private static void assertUntouched(SqlitePool pool) throws SQLException {
        pool.blocking().useConnection(connection -> {
            connection.execute("BEGIN");
            assertThat(connection.query("PRAGMA foreign_keys", row -> row.getInt(1)))
                    .containsExactly(1);
            assertThat(connection.query("PRAGMA database_list", row -> row.getString("name")))
                    .containsExactly("main");
        });
    }

    @Test
    void theRefusalOfAStatementNamesItWithoutItsLiterals() throws SQLException {
        open(3).blocking().useTransaction(tx -> assertThatThrownBy(() -> tx.execute("ATTACH 'secret.db' AS other"))
                .hasMessageContaining("ATTACH ? AS other")
                .hasMessageNotContaining("secret"));
    }

    @Test
    void writesAreRefusedInsideARead() throws SQLException {
        for (int size : new int[] {1, 3}) {
            SqlitePool pool = open(size);
            pool.blocking().useRead(read -> {
                for (String sql : List.of(
                        "INSERT INTO t VALUES (1, 'a')",
                        "INSERT INTO t VALUES (1, 'a') RETURNING id",
                        "WITH x AS (SELECT 1) INSERT INTO t SELECT 1, 'a'",
                        "CREATE TABLE u (x)",
                        "CREATE TEMP TABLE u (x)",
                        "DROP TABLE t",
                        "DELETE FROM t")) {
                    assertThatThrownBy(() -> read.execute(sql)).hasMessageContaining("READONLY");
                    assertThatThrownBy(() -> read.executeScript(sql)).hasMessageContaining("READONLY");
                    assertThatThrownBy(() -> read.jdbc().createStatement().execute(sql))
                            .hasMessageContaining("READONLY");
                }
                assertThatThrownBy(() ->
                                read.executeBatch("INSERT INTO t VALUES (?, 'a')", List.<Object[]>of(new Object[] {1})))
                        .hasMessageContaining("READONLY");
                assertThat(read.query("SELECT count(*) FROM t", row -> row.getInt(1)))
                        .containsExactly(0);
            });
            assertThat(pool.blocking().execute("INSERT INTO t VALUES (1, 'a')")).isEqualTo(1);
            pool.blocking().execute("DROP TABLE t");
        }
    }

    @Test
    void aReadSeesOneSnapshot() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useRead(read -> {
            assertThat(read.query("SELECT id FROM t", row -> row.getInt(1))).isEmpty();
            pool.blocking().execute("INSERT INTO t VALUES (1, 'a')");
            assertThat(read.query("SELECT id FROM t", row -> row.getInt(1))).isEmpty();
        });
        assertThat(ids(pool)).containsExactly(1);
    }

    // ---- transactions that SQLite ends by itself

    @Test
    void afterOnConflictRollbackNothingIsKeptAndNothingRunsOn() throws SQLException {
        SqlitePool pool = open(3);
        assertLost(pool, tx -> tx.execute("INSERT OR ROLLBACK INTO t VALUES (1, 'again')"), "UNIQUE");
    }

    @Test
    void afterRaiseRollbackNothingIsKeptAndNothingRunsOn() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking()
                .execute("CREATE TRIGGER no BEFORE INSERT ON t WHEN new.v = 'bad'"
                        + " BEGIN SELECT RAISE(ROLLBACK, 'not this one'); END");
        assertLost(pool, tx -> tx.execute("INSERT INTO t VALUES (2, 'bad')"), "not this one");
    }

    @Test
    void afterAFullDatabaseNothingIsKeptAndNothingRunsOn() throws SQLException {
        SqlitePool pool = pools.open(settings -> settings.pragma("max_page_count", 20));
        pool.blocking().execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)");
        assertLost(pool, tx -> tx.execute("UPDATE t SET v = zeroblob(1000000)"), "SQLITE_FULL");
    }

    private static void assertLost(SqlitePool pool, SqlAction<Transaction, SQLException> fatal, String cause)
            throws SQLException {
        AtomicReference<SQLException> refusal = new AtomicReference<>();
        assertThatThrownBy(() -> pool.blocking().useTransaction(tx -> {
                    tx.execute("INSERT INTO t VALUES (1, 'a')");
                    assertThatThrownBy(() -> fatal.accept(tx)).hasMessageContaining(cause);
                    List<ThrowingCallable> ways = List.of(
                            () -> tx.execute("INSERT INTO t VALUES (7, 'later')"),
                            () -> tx.query("SELECT 1", row -> 1),
                            () -> tx.executeScript("INSERT INTO t VALUES (8, 'later')"),
                            () -> tx.executeBatch("INSERT INTO t VALUES (?, 'x')", List.<Object[]>of(new Object[] {9})),
                            () -> tx.savepoint(nested -> nested.execute("INSERT INTO t VALUES (10, 'later')")),
                            () -> tx.jdbc().createStatement().execute("INSERT INTO t VALUES (11, 'later')"),
                            () -> tx.jdbc()
                                    .prepareStatement("INSERT INTO t VALUES (12, 'later')")
                                    .execute());
                    for (ThrowingCallable way : ways) {
                        assertThatThrownBy(way)
                                .isInstanceOf(SQLException.class)
                                .hasMessageContaining("rolled back by SQLite")
                                .hasMessageContaining(cause);
                    }
                }))
                .isInstanceOfSatisfying(SQLException.class, refusal::set)
                .hasMessageContaining("rolled back by SQLite");
        assertThat(refusal.get().getCause()).hasMessageContaining(cause);
        assertThat(ids(pool)).isEmpty();
        assertThat(pool.blocking().execute("INSERT INTO t VALUES (3, 'c')")).isEqualTo(1);
        assertThat(ids(pool)).containsExactly(3);
    }

    @Test
    void aTransactionLostInsideASavepointIsLostOutsideToo() throws SQLException {
        SqlitePool pool = open(3);
        assertThatThrownBy(() -> pool.blocking().useTransaction(tx -> {
                    tx.execute("INSERT INTO t VALUES (1, 'a')");
                    assertThatThrownBy(() -> tx.savepoint(
                                    nested -> nested.execute("INSERT OR ROLLBACK INTO t VALUES (1, 'again')")))
                            .hasMessageContaining("UNIQUE");
                    assertThatThrownBy(() -> tx.execute("INSERT INTO t VALUES (2, 'b')"))
                            .hasMessageContaining("rolled back by SQLite");
                }))
                .hasMessageContaining("rolled back by SQLite");
        assertThat(ids(pool)).isEmpty();
    }

    @Test
    void aTransactionWhoseErrorIsNotCaughtFailsWithThatError() throws SQLException {
        SqlitePool pool = open(3);
        assertThatThrownBy(() -> pool.blocking().useTransaction(tx -> {
                    tx.execute("INSERT INTO t VALUES (1, 'a')");
                    tx.execute("INSERT OR ROLLBACK INTO t VALUES (1, 'again')");
                }))
                .isInstanceOf(org.sqlite.SQLiteException.class)
                .hasMessageContaining("UNIQUE");
        assertThat(ids(pool)).isEmpty();
    }

    @Test
    void aDeferredForeignKeyThatFailsAtCommitRollsBack() throws SQLException {
        for (int size : new int[] {1, 3}) {
            SqlitePool pool = open(size);
            BlockingPool db = pool.blocking();
            db.execute("CREATE TABLE child (t INTEGER REFERENCES t(id) DEFERRABLE INITIALLY DEFERRED)");
            assertThatThrownBy(() -> db.useTransaction(tx -> {
                        tx.execute("INSERT INTO t VALUES (1, 'a')");
                        tx.execute("INSERT INTO child VALUES (99)");
                    }))
                    .isInstanceOf(SQLException.class)
                    .hasMessageContaining("FOREIGN KEY");
            assertThat(ids(pool)).isEmpty();
            assertThatThrownBy(() -> db.execute("INSERT INTO child VALUES (99)"))
                    .hasMessageContaining("FOREIGN KEY");
            assertThatThrownBy(
                            () -> db.executeBatch("INSERT INTO child VALUES (?)", List.<Object[]>of(new Object[] {99})))
                    .hasMessageContaining("FOREIGN KEY");
            assertThatThrownBy(() -> db.useConnection(connection -> connection.executeBatch(
                            "INSERT INTO child VALUES (?)", List.<Object[]>of(new Object[] {99}))))
                    .hasMessageContaining("FOREIGN KEY");
            db.useTransaction(tx -> {
                tx.execute("INSERT INTO child VALUES (1)");
                tx.execute("INSERT INTO t VALUES (1, 'a')");
            });
            assertThat(db.query("SELECT t FROM child", row -> row.getInt(1))).containsExactly(1);
            assertThat(pool.stats().opened()).as("no lane was discarded").isLessThanOrEqualTo(size);
            db.execute("DROP TABLE child");
            db.execute("DROP TABLE t");
        }
    }

    // ---- counts

    @Test
    void executeCountsTheRowsThatItsStatementChanged() throws SQLException {
        SqlitePool pool = open(3);
        BlockingPool db = pool.blocking();
        db.useTransaction(TransactionTest::assertCounts);
        db.execute("DELETE FROM t");
        db.execute("DROP TABLE u");
        db.useConnection(TransactionTest::assertCounts);
    }

    private static void assertCounts(PoolConnection c) throws SQLException {
        assertThat(c.execute("CREATE TABLE u (x)")).isZero();
        assertThat(c.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')"))
                .isEqualTo(3);
        assertThat(c.execute("CREATE INDEX by_v ON t (v)")).isZero();
        assertThat(c.execute("SELECT * FROM t")).isZero();
        assertThat(c.execute("WITH a AS (SELECT 1) SELECT * FROM a")).isZero();
        assertThat(c.execute("VALUES (1)")).isZero();
        assertThat(c.execute("EXPLAIN DELETE FROM t")).isZero();
        assertThat(c.execute("UPDATE t SET v = 'x' WHERE id < 3")).isEqualTo(2);
        assertThat(c.execute("UPDATE t SET v = 'x' WHERE id > 99")).isZero();
        assertThat(c.execute("REPLACE INTO t VALUES (1, 'r')")).isEqualTo(1);
        assertThat(c.execute("INSERT INTO t VALUES (1, 'x') ON CONFLICT DO NOTHING"))
                .isZero();
        assertThat(c.execute("INSERT INTO t VALUES (1, 'x') ON CONFLICT DO UPDATE SET v = 'u'"))
                .isEqualTo(1);
        assertThat(c.execute("WITH n(i) AS (VALUES (10), (11)) INSERT INTO t SELECT i, 'n' FROM n"))
                .isEqualTo(2);
        assertThat(c.execute("WITH n(i) AS (VALUES (10)) UPDATE t SET v = 'w' WHERE id IN (SELECT i FROM n)"))
                .isEqualTo(1);
        assertThat(c.execute("WITH n(i) AS (VALUES (10), (11)) DELETE FROM t WHERE id IN (SELECT i FROM n)"))
                .isEqualTo(2);
        assertThat(c.execute("INSERT INTO t VALUES (20, 'a'), (21, 'b') RETURNING id"))
                .isEqualTo(2);
        assertThat(c.execute("WITH n(i) AS (VALUES (22)) INSERT INTO t SELECT i, 'n' FROM n RETURNING id"))
                .isEqualTo(1);
        assertThat(c.execute("WITH n(i) AS (SELECT 'RETURNING') SELECT * FROM n"))
                .isZero();
        c.execute("CREATE TRIGGER twice AFTER INSERT ON u BEGIN INSERT INTO t (v) VALUES ('t'), ('t'); END");
        assertThat(c.execute("INSERT INTO u VALUES (1)")).isEqualTo(1);
        assertThat(c.execute("DELETE FROM t WHERE id >= 20")).isEqualTo(5);
        assertThat(c.execute("DELETE FROM t")).isEqualTo(3);
        assertThat(c.execute("DROP TRIGGER twice")).isZero();
        assertThat(c.execute("DROP INDEX by_v")).isZero();
    }

    @Test
    void aStatementOfThePoolCountsLikewise() {
        SqlitePool pool = pools.open(settings -> settings.poolSize(2));
        assertThat(pool.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)").join())
                .isZero();
        assertThat(pool.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')").join())
                .isEqualTo(2);
        assertThat(pool.execute("INSERT INTO t VALUES (3, 'c') RETURNING id").join())
                .isEqualTo(1);
        assertThat(pool.execute("WITH n(i) AS (VALUES (4), (5)) INSERT INTO t SELECT i, 'n' FROM n")
                        .join())
                .isEqualTo(2);
        assertThat(pool.execute("SELECT * FROM t").join()).isZero();
        assertThat(pool.execute("PRAGMA user_version = 7").join()).isZero();
        assertThat(pool.execute("VACUUM").join()).isZero();
        assertThat(pool.execute("DELETE FROM t").join()).isEqualTo(5);
    }

    // ---- batches

    private static final String INSERT = "INSERT INTO t VALUES (?, ?)";

    private static List<Object[]> rows(Object... ids) {
        return Stream.of(ids).map(id -> new Object[] {id, "v"}).toList();
    }

    @Test
    void aBatchCountsEachRun() throws SQLException {
        SqlitePool pool = open(3);
        assertThat(pool.executeBatch(INSERT, rows(1, 2, 3)).join()).containsExactly(1, 1, 1);
        assertThat(pool.executeBatch(INSERT, List.of()).join()).isEmpty();
        assertThat(pool.executeBatch(
                                "UPDATE t SET v = ? WHERE id <= ?",
                                List.of(new Object[] {"a", 2}, new Object[] {"b", 0}, new Object[] {"c", 9}))
                        .join())
                .containsExactly(2, 0, 3);
        assertThat(pool.executeBatch("INSERT INTO t VALUES (?, 'x') RETURNING id", List.<Object[]>of(new Object[] {7}))
                        .join())
                .containsExactly(1);
    }

    @Test
    void aBatchTakesEffectAsAWholeOrNotAtAll() throws SQLException {
        for (int size : new int[] {1, 3}) {
            SqlitePool pool = open(size);
            BlockingPool db = pool.blocking();
            assertThatThrownBy(() -> db.executeBatch(INSERT, rows(1, 2, 1))).hasMessageContaining("UNIQUE");
            assertThat(ids(pool)).isEmpty();
            db.useConnection(connection -> {
                assertThatThrownBy(() -> connection.executeBatch(INSERT, rows(1, 2, 1)))
                        .hasMessageContaining("UNIQUE");
                assertThat(connection.query("SELECT id FROM t", row -> row.getInt(1)))
                        .isEmpty();
                assertThat(connection.executeBatch(INSERT, rows(3, 4))).containsExactly(1, 1);
            });
            assertThat(ids(pool)).containsExactly(3, 4);
            db.useTransaction(tx -> {
                tx.execute("INSERT INTO t VALUES (5, 'a')");
                assertThatThrownBy(() -> tx.executeBatch(INSERT, rows(6, 7, 6))).hasMessageContaining("UNIQUE");
                assertThat(tx.executeBatch(INSERT, rows(8, 9))).containsExactly(1, 1);
            });
            assertThat(ids(pool)).containsExactly(3, 4, 5, 8, 9);
            db.useConnection(connection -> {
                connection.execute("BEGIN");
                connection.execute("INSERT INTO t VALUES (10, 'a')");
                assertThatThrownBy(() -> connection.executeBatch(INSERT, rows(11, 11)))
                        .hasMessageContaining("UNIQUE");
                connection.execute("COMMIT");
            });
            assertThat(ids(pool)).containsExactly(3, 4, 5, 8, 9, 10);
            db.execute("DROP TABLE t");
        }
    }

    @Test
    void aBatchWithTheWrongCountOfValuesTakesNoEffect() throws SQLException {
        SqlitePool pool = open(3);
        assertThatThrownBy(() -> pool.blocking().executeBatch(INSERT, List.of(new Object[] {1, "a"}, new Object[] {2})))
                .isInstanceOf(SQLException.class)
                .hasMessageContaining("2 parameters, but 1 value");
        assertThat(ids(pool)).isEmpty();
    }

    @Test
    void anOrRollbackInABatchLeavesNothing() throws SQLException {
        SqlitePool pool = open(3);
        String sql = "INSERT OR ROLLBACK INTO t VALUES (?, ?)";
        assertThatThrownBy(() -> pool.blocking().executeBatch(sql, rows(1, 2, 1, 3)))
                .hasMessageContaining("UNIQUE");
        assertThatThrownBy(() -> pool.blocking().useConnection(c -> c.executeBatch(sql, rows(1, 2, 1, 3))))
                .hasMessageContaining("UNIQUE");
        assertThatThrownBy(() -> pool.blocking().useTransaction(tx -> tx.executeBatch(sql, rows(1, 2, 1, 3))))
                .hasMessageContaining("UNIQUE");
        assertThat(ids(pool)).isEmpty();
    }

    // ---- one row, no rows, wrong text

    @Test
    void aSecondRowIsAnErrorAndNothingIsWritten() throws SQLException {
        for (int size : new int[] {1, 3}) {
            SqlitePool pool = open(size);
            BlockingPool db = pool.blocking();
            for (String sql : List.of(
                    "INSERT INTO t VALUES (1, 'a'), (2, 'b') RETURNING id",
                    "WITH n(i) AS (VALUES (1), (2)) INSERT INTO t SELECT i, 'n' FROM n RETURNING id")) {
                assertThatThrownBy(() -> db.queryOne(sql, row -> row.getInt(1)))
                        .isInstanceOf(SQLException.class)
                        .hasMessageContaining("second row");
                assertThat(ids(pool)).as(sql).isEmpty();
                assertThatThrownBy(() -> db.useTransaction(tx -> tx.queryOne(sql, row -> row.getInt(1))))
                        .hasMessageContaining("second row");
                assertThat(ids(pool)).as(sql).isEmpty();
            }
            assertThatThrownBy(() -> db.queryOne("VALUES (1), (2)", row -> 1)).hasMessageContaining("second row");
            db.execute("DROP TABLE t");
        }
    }

    @Test
    void aMapperThatFailsLeavesNothingOfAReturningStatement() throws SQLException {
        SqlitePool pool = open(3);
        for (String sql : List.of(
                "INSERT INTO t VALUES (1, 'a') RETURNING id",
                "WITH n(i) AS (VALUES (1)) INSERT INTO t SELECT i, 'n' FROM n RETURNING id")) {
            for (int round = 0; round < 2; round++) {
                assertThatThrownBy(() -> pool.blocking().query(sql, row -> row.getInt("nothing")))
                        .isInstanceOf(SQLException.class)
                        .hasMessageContaining("[id]");
                assertThat(ids(pool)).as(sql).isEmpty();
            }
        }
    }

    @Test
    void queryOneIsEmptyWithoutARowAndForANullOfTheMapper() throws SQLException {
        BlockingPool db = open(3).blocking();
        assertThat(db.queryOne("SELECT 1 WHERE 0", row -> 1)).isEmpty();
        assertThat(db.queryOne("SELECT NULL", row -> row.getString(1))).isEmpty();
        assertThat(db.queryOne("SELECT 7", row -> row.getInt(1))).contains(7);
        assertThat(db.query("SELECT NULL", row -> row.getString(1))).containsExactly((String) null);
    }

    @Test
    void returningStatementsOfThePoolAreMovedToTheWriteLane() throws SQLException {
        SqlitePool pool = open(3);
        assertThat(pool.query("INSERT INTO t VALUES (1, 'a'), (2, 'b') RETURNING id", row -> row.getInt(1))
                        .join())
                .containsExactly(1, 2);
        for (int i = 3; i < 6; i++) {
            assertThat(pool.queryOne(
                                    "WITH n(i) AS (VALUES (?)) INSERT INTO t SELECT i, 'n' FROM n RETURNING id",
                                    row -> row.getInt(1),
                                    i)
                            .join())
                    .contains(i);
        }
        assertThat(ids(pool)).containsExactly(1, 2, 3, 4, 5);
        assertThat(pool.stats().switches()).as("the verdict is remembered").isEqualTo(1);
    }

    @Test
    void eachTextThatHasTurnedOutToWriteIsRemembered() throws SQLException {
        SqlitePool pool = open(3);
        for (int i = 1; i <= 6; i++) {
            String text = "WITH n(i) AS (VALUES (?)) INSERT INTO t SELECT i, 'n" + i % 2 + "' FROM n RETURNING id";
            assertThat(pool.queryOne(text, row -> row.getInt(1), i).join()).contains(i);
        }
        assertThat(pool.stats().switches()).isEqualTo(2);
    }

    @ParameterizedTest
    @ValueSource(strings = {"INSERT INTO t VALUES (1, 'a')", "CREATE TABLE u (x)", "DELETE FROM t"})
    void aQueryOfAStatementWithoutColumnsIsRefusedBeforeItRuns(String sql) throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().execute("INSERT INTO t VALUES (7, 'kept')");
        assertThatThrownBy(() -> pool.blocking().query(sql, row -> 1)).hasMessageContaining("was not run");
        assertThatThrownBy(() -> pool.blocking().queryOne(sql, row -> 1)).hasMessageContaining("use execute");
        pool.blocking().useTransaction(tx -> {
            assertThatThrownBy(() -> tx.query(sql, row -> 1)).hasMessageContaining("was not run");
            assertThatThrownBy(() -> tx.forEach(sql, row -> {})).hasMessageContaining("was not run");
        });
        pool.blocking().useConnection(c -> assertThatThrownBy(() -> c.query(sql, row -> 1))
                .hasMessageContaining("was not run"));
        assertThat(ids(pool)).containsExactly(7);
        assertThat(pool.blocking().query("SELECT name FROM sqlite_schema", row -> row.getString(1)))
                .containsExactly("t");
    }

    @Test
    void aWrongCountOfParametersIsAnError() throws SQLException {
        SqlitePool pool = open(3);
        assertThatThrownBy(() -> pool.blocking().execute(INSERT, 1))
                .isInstanceOf(SQLException.class)
                .hasMessageContaining("2 parameters, but 1 value");
        assertThatThrownBy(() -> pool.blocking().query("SELECT 1", row -> 1, "x"))
                .hasMessageContaining("0 parameters, but 1 value");
        pool.blocking().useTransaction(tx -> {
            assertThatThrownBy(() -> tx.execute(INSERT, 1, 2, 3)).hasMessageContaining("2 parameters, but 3 values");
            assertThatThrownBy(() -> tx.executeScript("INSERT INTO t VALUES (?, 1)"))
                    .hasMessageContaining("1 parameter, but");
            tx.execute(INSERT, 1, "a");
        });
        assertThat(ids(pool)).containsExactly(1);
    }

    @Test
    void textAfterTheFirstStatementIsRefusedAndNothingRuns() throws SQLException {
        SqlitePool pool = open(3);
        String sql = "INSERT INTO t VALUES (1, 'a'); INSERT INTO t VALUES (2, 'b')";
        assertThatThrownBy(() -> pool.blocking().execute(sql)).hasMessageContaining("more than one statement");
        assertThatThrownBy(() -> pool.blocking().query("SELECT 1; SELECT 2", row -> 1))
                .hasMessageContaining("more than one statement");
        pool.blocking().useTransaction(tx -> {
            assertThatThrownBy(() -> tx.execute(sql)).hasMessageContaining("executeScript");
            assertThatThrownBy(() -> tx.jdbc().createStatement().executeUpdate(sql))
                    .hasMessageContaining("more than one statement");
            assertThatThrownBy(() -> tx.jdbc().prepareStatement(sql)).hasMessageContaining("more than one statement");
        });
        assertThat(ids(pool)).isEmpty();
        pool.blocking().useTransaction(tx -> tx.executeScript(sql));
        assertThat(ids(pool)).containsExactly(1, 2);
        assertThatThrownBy(() -> pool.blocking().execute("  -- nothing")).hasMessageContaining("no statement");
    }

    /** SQLite stops reading at a NUL: what stands behind it would be dropped in silence. */
    @Test
    void textBehindANulIsNotDropped() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')");
        assertThatThrownBy(() -> pool.blocking().execute("DELETE FROM t \0 WHERE id = 1"))
                .isInstanceOf(SQLException.class);
        assertThat(ids(pool)).containsExactly(1, 2);
    }

    @ParameterizedTest
    @ValueSource(strings = {"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT a", "RELEASE a", " /**/ commit"})
    void controlAsAStatementOfThePoolIsRefusedAtOnce(String sql) throws SQLException {
        SqlitePool pool = open(3);
        assertThatThrownBy(() -> pool.execute(sql))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("transaction(…)");
        assertThatThrownBy(() -> pool.query(sql, row -> 1)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> pool.executeBatch(sql, List.of())).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void aScriptStopsAtItsFirstErrorAndWhatRanBeforeStays() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useTransaction(tx -> assertThatThrownBy(() ->
                        tx.executeScript("INSERT INTO t VALUES (1, 'a'); nonsense; INSERT INTO t VALUES (2, 'b')"))
                .hasMessageContaining("syntax error"));
        assertThat(ids(pool)).containsExactly(1);
        assertThatCode(() -> pool.blocking().useTransaction(tx -> tx.executeScript(" -- nothing")))
                .doesNotThrowAnyException();
    }

    /** A jdbc() statement left open inside the work does not keep the commit from happening. */
    @Test
    void aCursorLeftOpenDoesNotPreventTheCommit() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useTransaction(tx -> {
            PreparedStatement insert =
                    tx.jdbc().prepareStatement("INSERT INTO t VALUES (1, 'a'), (2, 'b') RETURNING id");
            assertThat(insert.executeQuery().next()).isTrue();
        });
        assertThat(ids(pool)).containsExactly(1, 2);
    }
}
