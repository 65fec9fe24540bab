package dev.sqlitepool.internal.dispatch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.pool.LanePool;
import dev.sqlitepool.testing.Engines;
import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.Probe;
import dev.sqlitepool.testing.Sql;
import dev.sqlitepool.testing.TestClock;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.sqlite.Function;
import org.sqlite.SQLiteConnection;
import org.sqlite.SQLiteErrorCode;
import org.sqlite.SQLiteException;

/** Statements that share a transaction: each behaves as if it were alone, and none takes effect twice. */
class GroupTest {
    private static final String INSERT = "INSERT INTO t VALUES (?)";
    private static final String RETURNING = "INSERT INTO t VALUES (?) RETURNING x";

    @RegisterExtension
    final Pools pools = new Pools();

    private final ConcurrentLinkedQueue<Fate> fates = new ConcurrentLinkedQueue<>();
    private final AtomicReference<Runnable> inSql = new AtomicReference<>(() -> {});
    private volatile boolean groupAlways;
    /** Stands still, so that no machine is too slow for a group. */
    private final TestClock clock = new TestClock();

    /** What becomes of a commit. */
    private interface Fate {
        void strike(Engine engine) throws SQLException;
    }

    private final Engines engines = new Engines()
            .around("commit", call -> {
                Fate fate = fates.poll();
                if (fate == null) {
                    return call.proceed();
                }
                fate.strike(call.engine());
                return null;
            })
            .around("mayJoin", call -> true)
            // the function stands for SQL that takes long or fails
            .around("mayGroup", call -> groupAlways || call.engine().mayGroup("SELECT 1"));

    private final AtomicInteger commits = engines.calls("commit");

    private LanePool open() {
        return open(builder -> builder);
    }

    /** A pool with a table of unique numbers, which knows the statements of this test. */
    private LanePool open(UnaryOperator<SqlitePoolBuilder> more) {
        Settings settings = Pools.settings(more.apply(SqlitePool.builder()
                .databasePath(pools.file())
                .poolSize(3)
                .onConnect(connection -> Function.create(connection, "in_sql", new Function() {
                    @Override
                    protected void xFunc() throws SQLException {
                        inSql.get().run();
                        result(1);
                    }
                }))
                .closeGrace(Duration.ofSeconds(10))));
        LanePool pool = pools.track(new LanePool(settings, clock, engines), settings.name());
        pool.execute("CREATE TABLE t (x UNIQUE)").join();
        learn(pool, INSERT, RETURNING);
        return pool;
    }

    /** A text joins groups only when it has been seen to be quick. */
    private static void learn(LanePool pool, String... texts) {
        for (String text : texts) {
            boolean returns = text.contains("RETURNING");
            if (returns) {
                pool.query(text, row -> row.getInt(1), -1).join();
            } else {
                Object[] values = text.contains("?") ? new Object[] {-1} : new Object[0];
                pool.execute(text, values).join();
            }
            pool.execute("DELETE FROM t").join();
        }
    }

    /** Submits while the write lane is busy, so that all wait in a row, and then lets them go. */
    private <T> List<CompletableFuture<T>> inARow(
            LanePool pool, java.util.function.Supplier<List<CompletableFuture<T>>> all) {
        Gate gate = new Gate();
        CompletableFuture<Void> before = pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        List<CompletableFuture<T>> futures = all.get();
        commits.set(0);
        gate.open();
        before.join();
        futures.forEach(future -> future.exceptionally(e -> null).join());
        commits.decrementAndGet(); // the first one's
        return futures;
    }

    /** From its first failure on a text has a savepoint in groups; before, a failure undoes the group. */
    private static void failOnce(LanePool pool) {
        pool.execute(INSERT, -1).join();
        assertThatThrownBy(() -> pool.execute(INSERT, -1).join()).hasMessageContaining("UNIQUE");
        pool.execute("DELETE FROM t").join();
    }

    private static List<Integer> rows(SqlitePool pool) {
        return pool.query("SELECT x FROM t ORDER BY x", row -> row.getInt(1)).join();
    }

    private static Throwable error(CompletableFuture<?> future) {
        try {
            future.join();
            throw new AssertionError("it has not failed");
        } catch (CompletionException e) {
            return e.getCause();
        }
    }

    // ---- together

    @Test
    void statementsThatWaitInARowShareATransaction() {
        LanePool pool = open();
        List<CompletableFuture<Long>> all = inARow(pool, () -> IntStream.range(0, 100)
                .mapToObj(i -> pool.execute(INSERT, i))
                .toList());
        assertThat(all).allMatch(future -> future.join() == 1);
        assertThat(rows(pool)).isEqualTo(IntStream.range(0, 100).boxed().toList());
        assertThat(commits).hasValue(1);
    }

    @Tag("slow")
    @Test
    void acknowledgementsComeInTheOrderOfSubmission() {
        LanePool pool = open();
        List<CompletableFuture<Long>> all = new ArrayList<>();
        Queue<Integer> tooEarly = new ConcurrentLinkedQueue<>();
        for (int round = 0; round < 50; round++) {
            inARow(pool, () -> {
                for (int i = 0; i < 100; i++) {
                    int number = all.size();
                    CompletableFuture<Long> future = number % 9 == 0
                            ? pool.transaction(tx -> tx.execute(INSERT, number))
                            : pool.execute(INSERT, number % 10 == 0 ? 1 : number);
                    CompletableFuture<Long> before = number == 0 ? future : all.get(number - 1);
                    future.whenComplete((n, e) -> {
                        if (!before.isDone()) {
                            tooEarly.add(number);
                        }
                    });
                    all.add(future);
                }
                return all;
            });
        }
        assertThat(tooEarly).isEmpty();
    }

    /** A mapper is code: it may wait for those before it, and must not be called again. */
    @Test
    void batchesJoinAndStatementsWithAMapperRunAlone() {
        LanePool pool = open();
        List<CompletableFuture<Object>> all = inARow(
                pool,
                () -> List.of(
                        pool.execute(INSERT, 1).thenApply(n -> n),
                        pool.executeBatch(INSERT, List.of(new Object[] {2}, new Object[] {3}))
                                .thenApply(n -> n),
                        pool.query(RETURNING, row -> row.getInt(1), 4).thenApply(n -> n),
                        pool.execute(INSERT, 5).thenApply(n -> n)));
        assertThat(all.get(1).join()).isEqualTo(new long[] {1, 1});
        assertThat(all.get(2).join()).isEqualTo(List.of(4));
        assertThat(rows(pool)).containsExactly(1, 2, 3, 4, 5);
        assertThat(commits).hasValue(3);
    }

    @Test
    void aBatchOfManyRowsRunsAlone() {
        LanePool pool = open();
        for (int rows : new int[] {64, 65}) {
            pool.execute("DELETE FROM t").join();
            inARow(
                    pool,
                    () -> List.of(
                            pool.execute(INSERT, -1).thenApply(n -> n),
                            pool.executeBatch(
                                            INSERT,
                                            IntStream.range(0, rows)
                                                    .mapToObj(i -> new Object[] {i})
                                                    .toList())
                                    .thenApply(n -> (long) n.length)));
            assertThat(rows(pool)).hasSize(rows + 1);
            assertThat(commits).hasValue(rows == 64 ? 1 : 2);
        }
    }

    @Test
    void changesByEachInAGroupAreTold() {
        LanePool pool = open();
        pool.execute("CREATE TABLE u (y)").join();
        String other = "INSERT INTO u VALUES (?)";
        learn(pool, other);
        Probe<Set<String>> first = Probe.of(pool.changes("t"), Long.MAX_VALUE);
        Probe<Set<String>> second = Probe.of(pool.changes("u"), Long.MAX_VALUE);
        inARow(pool, () -> List.of(pool.execute(INSERT, 1), pool.execute(other, 1)));
        assertThat(commits).hasValue(1);
        assertThat(first.awaitRows(1)).containsExactly(Set.of("t"));
        assertThat(second.awaitRows(1)).containsExactly(Set.of("u"));
    }

    @Test
    void othersEndAGroup() {
        LanePool pool = open();
        inARow(
                pool,
                () -> List.of(
                        pool.execute(INSERT, 1),
                        pool.transaction(tx -> tx.execute("UPDATE t SET x = x + 10")),
                        pool.execute(INSERT, 1),
                        pool.execute("CREATE TABLE u (y)"),
                        pool.execute(INSERT, 2)));
        assertThat(rows(pool)).containsExactly(1, 2, 11);
        assertThat(commits).hasValue(5);
    }

    @Test
    void aTextOfWhichNothingIsKnownRunsAlone() {
        LanePool pool = open();
        inARow(
                pool,
                () -> List.of(
                        pool.execute(INSERT, 1),
                        pool.execute("INSERT INTO t VALUES (2)"),
                        pool.execute("INSERT INTO t VALUES (3)")));
        assertThat(commits).hasValue(3);
    }

    @Test
    void aTextThatWasSlowRunsAlone() {
        LanePool pool = open();
        String slow = "INSERT INTO t VALUES (? + in_sql())";
        inSql.set(() -> clock.pass(Duration.ofNanos(2_000_000)));
        learn(pool, slow);
        inARow(pool, () -> List.of(pool.execute(INSERT, 1), pool.execute(slow, 2), pool.execute(INSERT, 4)));
        assertThat(commits).hasValue(3); // nobody who came before waits for it, and after it the millisecond is over
        inSql.set(() -> {});
        learn(pool, slow);
        inARow(pool, () -> List.of(pool.execute(INSERT, 1), pool.execute(slow, 2), pool.execute(INSERT, 4)));
        assertThat(commits).hasValue(1);
    }

    @Test
    void aGroupEndsAfterAMillisecond() {
        LanePool pool = open();
        String ticking = "INSERT INTO t VALUES (? + in_sql())";
        learn(pool, ticking);
        inSql.set(() -> clock.pass(Duration.ofNanos(400_000)));
        inARow(pool, () -> IntStream.range(0, 9)
                .mapToObj(i -> pool.execute(ticking, i))
                .toList());
        assertThat(commits).hasValue(3);
    }

    @Test
    void withOneLaneForAllStatementsShareTransactionsToo() {
        LanePool pool = open(builder -> builder.poolSize(1));
        inARow(pool, () -> IntStream.range(0, 50)
                .mapToObj(i -> pool.execute(INSERT, i))
                .toList());
        assertThat(rows(pool)).hasSize(50);
        assertThat(commits).hasValue(1);
    }

    // ---- alone in failure

    @Test
    void oneThatFailsFailsAlone() {
        LanePool pool = open();
        failOnce(pool);
        List<CompletableFuture<Long>> all = inARow(
                pool,
                () -> List.of(
                        pool.execute(INSERT, 1),
                        pool.execute(INSERT, 1),
                        pool.execute(INSERT, 2),
                        pool.execute(INSERT, 3)));
        assertThat(error(all.get(1))).isInstanceOf(SQLException.class).hasMessageContaining("UNIQUE");
        assertThat(rows(pool)).containsExactly(1, 2, 3);
        assertThat(commits).hasValue(1);
    }

    @Test
    void theFirstFailureOfATextUndoesTheGroupAndEachIsRepeatedAlone() {
        LanePool pool = open();
        List<CompletableFuture<Long>> all = inARow(
                pool,
                () -> List.of(
                        pool.execute(INSERT, 1),
                        pool.execute(INSERT, 1),
                        pool.execute(INSERT, 2),
                        pool.execute(INSERT, 3)));
        assertThat(error(all.get(1))).isInstanceOf(SQLException.class).hasMessageContaining("UNIQUE");
        assertThat(rows(pool)).containsExactly(1, 2, 3);
        assertThat(commits).hasValue(2);
    }

    @Test
    void ofABatchThatFailsNothingIsKept() {
        LanePool pool = open();
        List<CompletableFuture<Object>> all = inARow(
                pool,
                () -> List.of(
                        pool.execute(INSERT, 1).thenApply(n -> n),
                        pool.executeBatch(INSERT, List.of(new Object[] {2}, new Object[] {1}))
                                .thenApply(n -> n),
                        pool.execute(INSERT, 2).thenApply(n -> n)));
        assertThat(error(all.get(1))).isInstanceOf(SQLException.class);
        assertThat(rows(pool)).containsExactly(1, 2);
    }

    @Test
    void ofAStatementWhoseMapperThrowsNothingIsKept() {
        LanePool pool = open();
        IllegalStateException mine = new IllegalStateException("mine");
        List<CompletableFuture<Object>> all = inARow(
                pool,
                () -> List.of(
                        pool.execute(INSERT, 1).thenApply(n -> n),
                        pool.query(
                                        RETURNING,
                                        row -> {
                                            throw mine;
                                        },
                                        2)
                                .thenApply(n -> n),
                        pool.queryOne("INSERT INTO t VALUES (?), (?) RETURNING x", row -> row.getInt(1), 3, 4)
                                .thenApply(n -> n),
                        pool.execute(INSERT, 5).thenApply(n -> n)));
        assertThat(error(all.get(1))).isSameAs(mine);
        assertThat(error(all.get(2))).hasMessageContaining("second row");
        assertThat(rows(pool)).containsExactly(1, 5);
    }

    /** What SQLite keeps of a statement that fails, or throws away with it. */
    @ParameterizedTest
    @EnumSource
    void aStatementThatTakesTheTransactionWithItFailsAlone(Conflict conflict) {
        LanePool pool = open();
        for (String setUp : conflict.setUp) {
            pool.execute(setUp).join();
        }
        pool.execute("INSERT INTO t VALUES (9)").join();
        String sql = conflict.sql;
        assertThat(error(pool.execute(sql, 7, 9))).isInstanceOf(SQLException.class); // known now
        List<CompletableFuture<Long>> all = inARow(
                pool,
                () -> List.of(
                        pool.execute(INSERT, 1),
                        pool.execute(INSERT, 1),
                        pool.execute(sql, 7, 9),
                        pool.execute(INSERT, 2),
                        pool.execute(sql, 8, 9),
                        pool.execute(INSERT, 3)));
        assertThat(error(all.get(1))).hasMessageContaining("UNIQUE");
        assertThat(error(all.get(2))).isInstanceOf(SQLException.class);
        assertThat(error(all.get(4))).isInstanceOf(SQLException.class);
        assertThat(List.of(all.get(0), all.get(3), all.get(5))).allMatch(future -> future.join() == 1);
        assertThat(rows(pool)).containsExactly(1, 2, 3, 9);
    }

    /** Ways for a statement to fail. */
    enum Conflict {
        FAIL("INSERT OR FAIL INTO t VALUES (?), (?)"),
        ROLLBACK("INSERT OR ROLLBACK INTO t VALUES (?), (?)"),
        ABORT("INSERT OR ABORT INTO t VALUES (?), (?)"),
        RAISE_FAIL(
                "INSERT INTO v VALUES (?), (?)",
                "CREATE TABLE v (x)",
                "CREATE TRIGGER f BEFORE INSERT ON v WHEN new.x = 9 BEGIN SELECT RAISE(FAIL, 'no'); END"),
        RAISE_ROLLBACK(
                "INSERT INTO v VALUES (?), (?)",
                "CREATE TABLE v (x)",
                "CREATE TRIGGER f BEFORE INSERT ON v WHEN new.x = 9 BEGIN SELECT RAISE(ROLLBACK, 'no'); END"),
        UNIQUE_ON_CONFLICT_FAIL(
                "INSERT INTO v VALUES (?), (?), (1)",
                "CREATE TABLE v (x UNIQUE ON CONFLICT FAIL)",
                "INSERT INTO v VALUES (9)");

        private final String sql;
        private final List<String> setUp;

        Conflict(String sql, String... setUp) {
            this.sql = sql;
            this.setUp = List.of(setUp);
        }
    }

    @Tag("slow")
    @Test
    void aStatementTimeoutIsItsOwn() {
        LanePool pool = open(builder -> builder.statementTimeout(Duration.ofMillis(10)));
        String slow =
                "INSERT INTO t SELECT ? + c FROM (WITH RECURSIVE n(i) AS (SELECT in_sql() UNION ALL SELECT i + 1 FROM n"
                        + " WHERE i < ?) SELECT count(*) AS c FROM n)";
        pool.execute(slow, 100, 1).join();
        inSql.set(() -> clock.pass(Duration.ofSeconds(1)));
        List<CompletableFuture<Long>> all = inARow(
                pool,
                () -> List.of(
                        pool.execute(INSERT, 1), pool.execute(slow, 200, Sql.ENDLESS_ROWS), pool.execute(INSERT, 2)));
        assertThat(error(all.get(1))).isInstanceOf(java.sql.SQLTimeoutException.class);
        assertThat(rows(pool)).containsExactly(1, 2, 101);
    }

    /** Those who came before wait for it to be acknowledged: only for some milliseconds. */
    @Test
    void oneThatTakesLongerThanItUsedToIsRepeatedAlone() {
        LanePool pool = open();
        String slow =
                "INSERT INTO t SELECT count(*) FROM (WITH RECURSIVE n(i) AS (SELECT in_sql() UNION ALL SELECT i + 1 FROM n"
                        + " WHERE i < ?) SELECT i FROM n)";
        pool.execute(slow, 77).join();
        inSql.set(() -> clock.pass(Duration.ofSeconds(1)));
        List<CompletableFuture<Long>> all = inARow(pool, () -> {
            CompletableFuture<Long> before = pool.execute(INSERT, 1);
            CompletableFuture<Long> endless = pool.execute(slow, Sql.ENDLESS_ROWS);
            before.thenRun(() -> endless.cancel(true));
            return List.of(before, endless, pool.execute(INSERT, 2));
        });
        assertThat(all.get(0).join()).isEqualTo(1);
        assertThat(all.get(1)).isCancelled();
        assertThat(all.get(2).join()).isEqualTo(1);
        assertThat(rows(pool)).containsExactly(1, 2, 77);
    }

    // ---- cancelling

    /**
     * <pre>
     *   write lane                              caller
     *   A succeeds: its point of no return
     *   B's SQL runs
     *                                           cancel A: too late
     *                                           cancel B: ended
     *   B is interrupted, all is rolled back
     *   A and C run again, alone
     * </pre>
     */
    @Test
    void oneThatIsCancelledWhileItRunsTakesNobodyWithIt() {
        LanePool pool = open();
        String gated = "INSERT INTO t VALUES (? + in_sql())";
        learn(pool, gated);
        Gate inside = new Gate();
        inSql.set(inside::pass);
        Gate busy = new Gate();
        CompletableFuture<Void> before = pool.useTransaction(tx -> busy.pass());
        busy.awaitReached();
        CompletableFuture<Long> a = pool.execute(INSERT, 1);
        CompletableFuture<Long> b = pool.execute(gated, 2);
        CompletableFuture<Long> c = pool.execute(INSERT, 4);
        busy.open();
        inside.awaitReached();
        assertThat(a.cancel(true)).isFalse();
        assertThat(b.cancel(true)).isTrue();
        inside.open();
        before.join();
        assertThat(a.join()).isEqualTo(1);
        assertThat(c.join()).isEqualTo(1);
        assertThat(rows(pool)).containsExactly(1, 4);
    }

    @Test
    void aGroupInTheMiddleOfACloseIsFinished() {
        LanePool pool = open();
        String gated = "INSERT OR FAIL INTO t VALUES (5), (? + in_sql()), (5)";
        assertThatThrownBy(() -> pool.execute(gated, 7).join()).hasMessageContaining("UNIQUE");
        Gate inside = new Gate();
        inSql.set(inside::pass);
        Gate busy = new Gate();
        CompletableFuture<Void> before = pool.useTransaction(tx -> busy.pass());
        busy.awaitReached();
        CompletableFuture<Long> a = pool.execute(INSERT, 1);
        CompletableFuture<Long> b = pool.execute(gated, 2);
        CompletableFuture<Long> c = pool.execute(INSERT, 4);
        busy.open();
        inside.awaitReached();
        CompletableFuture<Void> closed = pool.closeAsync();
        inSql.set(() -> {});
        inside.open();
        before.join();
        assertThat(a.join()).isEqualTo(1); // it had begun, and is repeated
        assertThat(error(b)).hasMessageContaining("UNIQUE");
        assertThat(error(c)).isInstanceOf(dev.sqlitepool.PoolClosedException.class); // it had not
        closed.join();
    }

    // ---- the commit fails

    private static SQLException error(SQLiteErrorCode code) {
        return new SQLiteException("the test says " + code, code);
    }

    @ParameterizedTest
    @EnumSource(
            value = SQLiteErrorCode.class,
            names = {
                "SQLITE_IOERR_SHMSIZE",
                "SQLITE_FULL",
                "SQLITE_NOMEM",
                "SQLITE_IOERR_DIR_FSYNC",
                "SQLITE_CORRUPT",
                "SQLITE_ERROR"
            })
    void afterACommitThatFailedButTookEffectNothingIsRepeated(SQLiteErrorCode code) {
        commitFails(
                engine -> {
                    engine.commit(false);
                    throw error(code);
                },
                3);
    }

    @ParameterizedTest
    @EnumSource(
            value = SQLiteErrorCode.class,
            names = {
                "SQLITE_IOERR_SHMSIZE",
                "SQLITE_FULL",
                "SQLITE_NOMEM",
                "SQLITE_IOERR_DIR_FSYNC",
                "SQLITE_CORRUPT",
                "SQLITE_ERROR"
            })
    void afterACommitThatFailedNothingIsRepeated(SQLiteErrorCode code) {
        commitFails(
                engine -> {
                    throw error(code);
                },
                0);
    }

    private void commitFails(Fate fate, int kept) {
        LanePool pool = open();
        failOnce(pool);
        List<CompletableFuture<Long>> all = inARow(pool, () -> {
            fates.add(engine -> engine.commit(false));
            fates.add(fate);
            return List.of(
                    pool.execute(INSERT, 1), pool.execute(INSERT, 2), pool.execute(INSERT, 2), pool.execute(INSERT, 3));
        });
        assertThat(commits).hasValue(1);
        assertThat(error(all.get(0))).isInstanceOf(OutcomeUnknownException.class);
        assertThat(error(all.get(1))).isInstanceOf(OutcomeUnknownException.class);
        assertThat(error(all.get(2))).hasMessageContaining("UNIQUE");
        assertThat(error(all.get(3))).isInstanceOf(OutcomeUnknownException.class);
        assertThat(rows(pool)).hasSize(kept);
        assertThat(pool.execute(INSERT, 9).join()).isEqualTo(1);
    }

    @Test
    void aCommitThatIsBusyIsRepeatedAsItIs() {
        LanePool pool = open();
        List<CompletableFuture<Long>> all = inARow(pool, () -> {
            fates.add(engine -> engine.commit(false));
            for (int i = 0; i < 3; i++) {
                fates.add(engine -> {
                    throw error(SQLiteErrorCode.SQLITE_BUSY);
                });
            }
            return List.of(pool.execute(INSERT, 1), pool.execute(INSERT, 2));
        });
        assertThat(all).allMatch(future -> future.join() == 1);
        assertThat(rows(pool)).containsExactly(1, 2);
    }

    @Test
    void afterACommitThatAConstraintRefusedEachIsRepeatedAlone() {
        LanePool pool = open();
        pool.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)").join();
        pool.execute("CREATE TABLE child (p REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")
                .join();
        String child = "INSERT INTO child VALUES (?)";
        String parent = "INSERT INTO parent VALUES (?)";
        pool.execute(parent, 100).join();
        pool.execute(child, 100).join();
        groupAlways = true;
        List<CompletableFuture<Long>> all =
                inARow(pool, () -> List.of(pool.execute(INSERT, 1), pool.execute(child, 1), pool.execute(INSERT, 2)));
        assertThat(error(all.get(1))).hasMessageContaining("FOREIGN KEY");
        assertThat(rows(pool)).containsExactly(1, 2);
    }

    // ---- not at all

    @Test
    void withDeferredForeignKeysNothingShares() {
        LanePool pool = open();
        pool.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)").join();
        pool.execute("CREATE TABLE child (p REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")
                .join();
        String child = "INSERT INTO child VALUES (?)";
        String parent = "INSERT INTO parent VALUES (?)";
        pool.execute(parent, 100).join();
        pool.execute(child, 100).join();
        List<CompletableFuture<Long>> all =
                inARow(pool, () -> List.of(pool.execute(INSERT, 1), pool.execute(child, 1), pool.execute(parent, 1)));
        assertThat(error(all.get(1))).hasMessageContaining("FOREIGN KEY"); // the parent came too late for it
        assertThat(commits.get()).isEqualTo(3);
        pool.execute("DROP TABLE child").join();
        inARow(pool, () -> List.of(pool.execute(INSERT, 2), pool.execute(INSERT, 3)));
        assertThat(commits).hasValue(1);
    }

    @Test
    void withAttachedDatabasesNothingShares() {
        String other = pools.directory().resolve("other.db").toString();
        LanePool pool = open(builder -> builder.onConnect(connection -> {
            try (var statement = connection.unwrap(SQLiteConnection.class).createStatement()) {
                statement.execute("ATTACH '" + other + "' AS other");
            }
        }));
        inARow(pool, () -> List.of(pool.execute(INSERT, 2), pool.execute(INSERT, 3)));
        assertThat(commits).hasValue(2);
    }
}
