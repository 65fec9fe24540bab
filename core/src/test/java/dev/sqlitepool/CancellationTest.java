package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.Sql;
import dev.sqlitepool.testing.TestClock;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLTimeoutException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Ending a task from outside: it reaches SQLite, rolls back, and never hits a stranger. */
class CancellationTest {
    private static final String SLOW = "SELECT * FROM (" + Sql.ENDLESS + ")";

    @RegisterExtension
    final Pools pools = new Pools();

    private SqlitePool poolWithTable() {
        SqlitePool pool = pools.open();
        pool.execute("CREATE TABLE t (x)").join();
        return pool;
    }

    private static int count(SqlitePool pool) {
        return pool.queryOne("SELECT count(*) FROM t", row -> row.getInt(1))
                .join()
                .orElseThrow();
    }

    @Test
    void aRunningStatementIsInterruptedAndItsTransactionRolledBack() {
        SqlitePool pool = poolWithTable();
        Gate gate = new Gate();
        CompletableFuture<Void> work = pool.useTransaction(tx -> {
            tx.execute("INSERT INTO t VALUES (1)");
            gate.pass();
            tx.query(Sql.ENDLESS, row -> row.getLong(1));
        });
        gate.awaitReached();
        gate.open();
        assertThat(work.cancel(true)).isTrue();
        assertThat(work).isCancelled();
        assertThatThrownBy(work::join).isInstanceOf(CancellationException.class);
        assertThat(count(pool)).isZero();
        pool.execute("INSERT INTO t VALUES (2)").join(); // the write lane is free again
        assertThat(count(pool)).isEqualTo(1);
        assertThat(pool.stats().interrupts()).isPositive();
    }

    @Test
    void aReadIsInterruptedAndItsLaneKept() {
        SqlitePool pool = poolWithTable();
        long opened = pool.stats().opened();
        Gate gate = new Gate();
        CompletableFuture<Void> work = pool.useRead(c -> {
            gate.pass();
            c.query(Sql.ENDLESS, row -> row.getLong(1));
        });
        gate.awaitReached();
        gate.open();
        work.cancel(false);
        Pools.awaitIdle(pool);
        assertThat(count(pool)).isZero();
        assertThat(pool.stats().opened()).isEqualTo(opened + 1);
        assertThat(pool.stats().closed().values()).allMatch(n -> n == 0);
    }

    @Test
    void aWorkThatIgnoresItsCancellationCannotGoOnWriting() {
        SqlitePool pool = poolWithTable();
        Gate gate = new Gate();
        AtomicBoolean refused = new AtomicBoolean();
        CompletableFuture<Void> work = pool.useTransaction(tx -> {
            gate.pass();
            try {
                tx.execute("INSERT INTO t VALUES (1)");
            } catch (CancellationException e) {
                refused.set(true);
            }
        });
        gate.awaitReached();
        work.cancel(true);
        gate.open();
        Pools.awaitIdle(pool);
        assertThat(refused).isTrue();
        assertThat(count(pool)).isZero();
    }

    @Test
    void completingFromOutsideEndsTheTaskToo() {
        SqlitePool pool = poolWithTable();
        for (int way = 0; way < 3; way++) {
            Gate gate = new Gate();
            CompletableFuture<Long> work = pool.transaction(tx -> {
                long changed = tx.execute("INSERT INTO t VALUES (1)");
                gate.pass();
                return changed;
            });
            gate.awaitReached();
            if (way == 0) {
                assertThat(work.complete(42L)).isTrue();
                assertThat(work.join()).isEqualTo(42);
            } else if (way == 1) {
                assertThat(work.completeExceptionally(new IllegalStateException("enough")))
                        .isTrue();
                assertThatThrownBy(work::join).hasMessageContaining("enough");
            } else {
                work.orTimeout(1, TimeUnit.MILLISECONDS);
                assertThatThrownBy(work::join).hasCauseInstanceOf(TimeoutException.class);
            }
            gate.open();
            Pools.awaitIdle(pool);
            assertThat(count(pool)).isZero();
        }
    }

    @Test
    void completingAWaitingTaskFromOutsideTakesItOutOfTheQueue() {
        SqlitePool pool = poolWithTable();
        Gate gate = new Gate();
        CompletableFuture<Void> blocker = pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        CompletableFuture<Long> waiting = pool.execute("INSERT INTO t VALUES (1)");
        assertThat(waiting.complete(42L)).isTrue();
        assertThat(waiting.complete(43L)).isFalse();
        assertThat(waiting.join()).isEqualTo(42);
        assertThat(pool.stats().waiting()).isZero();
        gate.open();
        blocker.join();
        assertThat(count(pool)).isZero();
    }

    /**
     * <pre>
     *   other process          task                      test
     *   reads (SHARED lock)
     *                          COMMIT: busy, repeated
     *                                                    cancel → false
     *   ends
     *                          COMMIT: done → value
     * </pre>
     */
    @Test
    void aCommitThatHasBegunIsReportedAsWhatItBecame() throws Exception {
        pools.filesMayStay();
        SqlitePool pool = pools.open(b -> b.pragma("journal_mode", "DELETE").busyTimeout(Duration.ofSeconds(20)));
        pool.execute("CREATE TABLE t (x)").join();
        try (Connection other = DriverManager.getConnection("jdbc:sqlite:" + pools.file());
                Statement statement = other.createStatement()) {
            ResultSet reading = statement.executeQuery("SELECT * FROM sqlite_schema");
            assertThat(reading.next()).isTrue();
            CompletableFuture<Long> work = pool.execute("INSERT INTO t VALUES (1)");
            Pools.await("the commit is busy", () -> pool.stats().busyRetries() > 0);
            assertThat(work.cancel(true)).isFalse();
            assertThat(work.complete(7L)).isFalse();
            assertThat(work).isNotDone();
            reading.close();
            assertThat(work.join()).isEqualTo(1);
        }
        assertThat(count(pool)).isEqualTo(1);
    }

    @Test
    void aWaitForAnotherProcessCanBeCancelled() throws Exception {
        pools.filesMayStay();
        SqlitePool pool = pools.open(b -> b.busyTimeout(Duration.ofMinutes(10)));
        pool.execute("CREATE TABLE t (x)").join();
        try (Connection other = DriverManager.getConnection("jdbc:sqlite:" + pools.file());
                Statement statement = other.createStatement()) {
            statement.execute("BEGIN IMMEDIATE");
            CompletableFuture<Long> work = pool.execute("INSERT INTO t VALUES (1)");
            Pools.await("it waits", () -> pool.stats().busyRetries() > 0);
            work.cancel(true);
            Pools.awaitIdle(pool);
        }
        assertThat(count(pool)).isZero();
    }

    @Test
    void anotherProcessThatHoldsTheDatabaseForTooLongIsBusy() throws Exception {
        pools.filesMayStay();
        SqlitePool pool = pools.open(b -> b.busyTimeout(Duration.ofMillis(50)));
        pool.execute("CREATE TABLE t (x)").join();
        try (Connection other = DriverManager.getConnection("jdbc:sqlite:" + pools.file());
                Statement statement = other.createStatement()) {
            statement.execute("BEGIN IMMEDIATE");
            assertThatThrownBy(() -> pool.execute("INSERT INTO t VALUES (1)").join())
                    .hasMessageContaining("SQLITE_BUSY");
        }
        assertThat(pool.execute("INSERT INTO t VALUES (1)").join()).isEqualTo(1);
    }

    @Test
    void aWorkThatWaitsForTheWriteLaneCanBeCancelled() {
        SqlitePool pool = poolWithTable();
        Gate gate = new Gate();
        CompletableFuture<Void> blocker = pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        CompletableFuture<Long> moving = pool.connection(c -> {
            c.query("SELECT x FROM t", row -> row.getInt(1));
            return c.execute("INSERT INTO t VALUES (1)");
        });
        Pools.await("it has moved", () -> pool.stats().writeConnections().waiting() == 1);
        assertThat(moving.cancel(true)).isTrue();
        Pools.await("it has left the queue", () -> pool.stats().waiting() == 0);
        gate.open();
        blocker.join();
        assertThat(count(pool)).isZero();
    }

    @Tag("slow")
    @Test
    void aWorkThatWaitsForTheWriteLaneTimesOut() {
        TestClock clock = new TestClock();
        SqlitePool pool = pools.open(clock, b -> b.acquireTimeout(Duration.ofMillis(50)));
        Gate gate = new Gate();
        CompletableFuture<Void> blocker = pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        CompletableFuture<Long> moving = pool.connection(c -> c.execute("CREATE TABLE u (x)"));
        Pools.await("it waits", () -> pool.stats().writeConnections().waiting() == 1);
        clock.pass(Duration.ofMillis(50));
        assertThatThrownBy(moving::join).hasCauseInstanceOf(PoolTimeoutException.class);
        gate.open();
        blocker.join();
    }

    @Tag("slow")
    @Test
    void aConnectionWritesOnAfterAStatementOfItsTimedOut() {
        TestClock clock = new TestClock();
        SqlitePool pool =
                pools.open(clock, b -> b.statementTimeout(Duration.ofMillis(50)).onConnect(clock::teach));
        pool.execute("CREATE TABLE t (x)").join();
        pool.useConnection(conn -> {
                    conn.execute("BEGIN");
                    conn.execute("INSERT INTO t VALUES (1)");
                    assertThatThrownBy(() -> conn.execute("INSERT INTO t SELECT later() UNION ALL " + SLOW))
                            .isInstanceOf(SQLTimeoutException.class);
                    conn.execute("ROLLBACK");
                    conn.execute("INSERT INTO t VALUES (2)");
                })
                .join();
        assertThat(pool.query("SELECT x FROM t", row -> row.getInt(1)).join()).containsExactly(2);
    }

    @Test
    void statementTimeoutInterruptsAndNamesItself() {
        TestClock clock = new TestClock();
        SqlitePool pool =
                pools.open(clock, b -> b.statementTimeout(Duration.ofMillis(50)).onConnect(clock::teach));
        pool.execute("CREATE TABLE t (x)").join();
        assertThatThrownBy(() -> pool.query("SELECT later() UNION ALL " + SLOW, row -> row.getLong(1))
                        .join())
                .cause()
                .isInstanceOf(SQLTimeoutException.class)
                .hasMessageContaining("0.05 s");
        assertThatThrownBy(() -> pool.useTransaction(tx -> {
                            tx.execute("INSERT INTO t VALUES (1)");
                            try {
                                tx.execute("INSERT INTO t SELECT later() UNION ALL " + SLOW);
                            } catch (SQLTimeoutException e) {
                                tx.execute("INSERT INTO t VALUES (2)"); // would commit by itself
                            }
                        })
                        .join())
                .hasMessageContaining("rolled back");
        assertThat(count(pool)).isZero();
        assertThat(pool.execute("INSERT INTO t VALUES (3)").join()).isEqualTo(1);
    }

    @Tag("slow")
    @Test
    void manyShortStatementsDoNotTimeOutTogether() {
        TestClock clock = new TestClock();
        SqlitePool pool = pools.open(clock, b -> b.statementTimeout(Duration.ofMillis(20)));
        pool.execute("CREATE TABLE t (x)").join();
        pool.execute("INSERT INTO t VALUES (1)").join();
        long start = System.nanoTime();
        pool.useRead(c -> {
                    while (System.nanoTime() - start < 500_000_000L) {
                        c.forEach("SELECT x FROM t", row -> clock.pass(Duration.ofMillis(5)));
                    }
                })
                .join();
    }

    @Test
    void cancellingADependentDoesNotReachTheTask() {
        SqlitePool pool = poolWithTable();
        Gate gate = new Gate();
        CompletableFuture<Long> work = pool.transaction(tx -> {
            gate.pass();
            return tx.execute("INSERT INTO t VALUES (1)");
        });
        CompletableFuture<Long> dependent = work.thenApply(n -> n + 1);
        gate.awaitReached();
        dependent.cancel(true);
        gate.open();
        assertThat(work.join()).isEqualTo(1);
        assertThat(count(pool)).isEqualTo(1);
    }

    /**
     * Cancels at random moments while strangers run on the same lanes: a stranger's statement must never see an interrupt.
     *
     * <pre>
     *   task A on the lane        canceller            task B on the same lane
     *   runs
     *                             A: RUNNING → ENDED
     *   leaves the lane
     *                                                  runs
     *                             interrupt(A)         must not notice
     * </pre>
     */
    @Tag("slow")
    @Test
    void strangersAreNeverInterrupted() {
        SqlitePool pool = pools.open(b -> b.poolSize(2));
        pool.execute("CREATE TABLE t (x)").join();
        String busy =
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) SELECT count(*) FROM n";
        List<CompletableFuture<?>> strangers = new ArrayList<>();
        for (int i = 0; i < 4_000; i++) {
            CompletableFuture<?> victim = i % 2 == 0
                    ? pool.query(busy, row -> row.getInt(1))
                    : pool.useTransaction(tx -> {
                        tx.execute("INSERT INTO t VALUES (1)");
                        tx.query(busy, row -> row.getInt(1));
                    });
            strangers.add(pool.query(busy, row -> row.getInt(1)));
            strangers.add(pool.transaction(tx -> tx.query(busy, row -> row.getInt(1))));
            if (ThreadLocalRandom.current().nextInt(4) == 0) {
                Thread.yield();
            }
            victim.cancel(true);
            if (strangers.size() > 200) {
                strangers.forEach(CompletableFuture::join);
                strangers.clear();
            }
        }
        strangers.forEach(CompletableFuture::join);
    }

    @Tag("slow")
    @Test
    void whatIsCancelledIsNeverCommitted() {
        SqlitePool pool = poolWithTable();
        List<CompletableFuture<Long>> futures = new ArrayList<>();
        int acknowledged = 0;
        for (int i = 0; i < 3_000; i++) {
            CompletableFuture<Long> future = pool.execute("INSERT INTO t VALUES (?)", i);
            futures.add(future);
            int spin = ThreadLocalRandom.current().nextInt(3_000);
            for (int j = 0; j < spin; j++) {
                Thread.onSpinWait();
            }
            future.cancel(true);
        }
        List<Integer> expected = new ArrayList<>();
        for (int i = 0; i < futures.size(); i++) {
            try {
                futures.get(i).join();
                expected.add(i);
            } catch (CancellationException e) {
                // must not be there
            } catch (CompletionException e) {
                throw new AssertionError(e);
            }
        }
        assertThat(pool.query("SELECT x FROM t ORDER BY x", row -> row.getInt(1))
                        .join())
                .isEqualTo(expected);
    }
}
