package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.Sql;
import dev.sqlitepool.testing.TestClock;
import java.nio.file.Files;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Who gets a lane, and when. */
class SchedulingTest {
    @RegisterExtension
    final Pools pools = new Pools();

    private static void all(List<? extends CompletableFuture<?>> futures) {
        CompletableFuture.allOf(futures.toArray(CompletableFuture[]::new)).join();
    }

    private Connection raw(Access access) throws SQLException {
        return DriverManager.getConnection("jdbc:sqlite:" + pools.file());
    }

    @Test
    void buildingOpensNothingAndStartsNoThread() {
        SqlitePool pool = pools.open();
        assertThat(pools.file()).doesNotExist();
        assertThat(pool.stats().live()).isZero();
        assertThat(pool.stats().opened()).isZero();
        assertThat(Pools.threads(pool.stats().pool())).isEmpty();
    }

    @Test
    void aHundredCallersAtOnceOpenNoMoreThanPoolSize() {
        AtomicInteger live = new AtomicInteger();
        AtomicInteger most = new AtomicInteger();
        SqlitePool pool = pools.build(SqlitePool.builder().poolSize(4).connectionFactory(access -> {
            most.accumulateAndGet(live.incrementAndGet(), Math::max);
            return raw(access);
        }));
        all(IntStream.range(0, 100)
                .mapToObj(i -> pool.read(c -> c.query("SELECT 1", row -> row.getInt(1))))
                .toList());
        assertThat(most.get()).isBetween(1, 3);
        assertThat(pool.stats().opened()).isLessThanOrEqualTo(3);
    }

    @Test
    void oneAfterTheOtherUsesOneLane() {
        SqlitePool pool = pools.open();
        for (int i = 0; i < 50; i++) {
            pool.query("SELECT 1", row -> row.getInt(1)).join();
        }
        assertThat(pool.stats().opened()).isEqualTo(1);
    }

    @Test
    void theLaneUsedLastIsUsedNext() {
        SqlitePool pool = pools.open();
        // Three lanes, given back in the order a, b, c: then c is used again and again.
        List<Gate> gates = List.of(new Gate(), new Gate(), new Gate());
        List<Connection> used = Collections.synchronizedList(new ArrayList<>());
        List<CompletableFuture<Void>> works = gates.stream()
                .map(gate -> {
                    CompletableFuture<Void> work = pool.useRead(c -> {
                        used.add(c.jdbc().unwrap(Connection.class));
                        gate.pass();
                    });
                    gate.awaitReached();
                    return work;
                })
                .toList();
        for (int i = 0; i < 3; i++) {
            gates.get(i).open();
            works.get(i).join();
        }
        assertThat(pool.stats().readConnections().idle()).isEqualTo(3);
        for (int i = 0; i < 20; i++) {
            pool.query("SELECT 1", row -> row.getInt(1)).join();
        }
        assertThat(pool.stats().opened()).isEqualTo(3);
        assertThat(pool.stats().statementHits())
                .isGreaterThanOrEqualTo(19); // one lane's cache served all but the first
    }

    @Test
    void firstComeFirstServed() {
        SqlitePool pool = pools.open();
        Gate gate = new Gate();
        CompletableFuture<Void> blocker = pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        List<Integer> order = Collections.synchronizedList(new ArrayList<>());
        List<CompletableFuture<Void>> works = new ArrayList<>();
        for (int i = 0; i < 1_000; i++) {
            int number = i;
            works.add(pool.useTransaction(tx -> order.add(number)));
        }
        gate.open();
        blocker.join();
        all(works);
        assertThat(order).isEqualTo(IntStream.range(0, 1_000).boxed().toList());
    }

    @Test
    void moreThanMaxWaitersAreRefusedAtOnceAndTheOthersServed() {
        SqlitePool pool = pools.open(b -> b.maxWaiters(10));
        Gate gate = new Gate();
        CompletableFuture<Void> blocker = pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        List<CompletableFuture<Void>> waiting = IntStream.range(0, 10)
                .mapToObj(i -> pool.useTransaction(tx -> {}))
                .toList();
        CompletableFuture<Void> refused = pool.useTransaction(tx -> {});
        assertThat(refused).isCompletedExceptionally();
        assertThatThrownBy(refused::join)
                .hasCauseInstanceOf(PoolExhaustedException.class)
                .hasMessageContaining("10 tasks wait already")
                .hasMessageContaining("maxWaiters");
        assertThat(pool.stats().refused()).isEqualTo(1);
        gate.open();
        blocker.join();
        all(waiting);
    }

    @Test
    void cancelledWaitersLeaveTheQueueAndMakeRoom() {
        SqlitePool pool = pools.open(b -> b.maxWaiters(100));
        Gate gate = new Gate();
        CompletableFuture<Void> blocker = pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        AtomicInteger ran = new AtomicInteger();
        for (int round = 0; round < 50; round++) {
            List<CompletableFuture<Void>> waiting = IntStream.range(0, 100)
                    .mapToObj(i -> pool.useTransaction(tx -> ran.incrementAndGet()))
                    .toList();
            assertThat(pool.stats().waiting()).isEqualTo(100);
            waiting.forEach(future -> assertThat(future.cancel(true)).isTrue());
            assertThat(pool.stats().waiting()).isZero();
        }
        CompletableFuture<Void> last = pool.useTransaction(tx -> ran.incrementAndGet());
        gate.open();
        blocker.join();
        last.join();
        assertThat(ran).hasValue(1);
        assertThat(pool.stats().cancelled()).isEqualTo(5_000);
    }

    @Tag("slow")
    @Test
    void timedOutWaiterNeverReceivesALane() {
        TestClock clock = new TestClock();
        SqlitePool pool = pools.open(clock, b -> b.acquireTimeout(Duration.ofMillis(500)));
        Gate gate = new Gate();
        CompletableFuture<Void> blocker = pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        AtomicBoolean ran = new AtomicBoolean();
        CompletableFuture<Void> late = pool.useTransaction(tx -> ran.set(true));
        clock.pass(Duration.ofMillis(500));
        Throwable error = catchThrowable(late::join);
        assertThat(error)
                .hasCauseInstanceOf(PoolTimeoutException.class)
                .hasMessageContaining("no connection within 0.5 s")
                .hasMessageContaining("write connection busy")
                .hasMessageContaining("SchedulingTest");
        assertThat(((PoolTimeoutException) error.getCause())
                        .stats()
                        .writeConnections()
                        .borrowed())
                .isEqualTo(1);
        gate.open();
        blocker.join();
        pool.useTransaction(tx -> {}).join();
        assertThat(ran).isFalse();
        assertThat(pool.stats().timeouts()).isEqualTo(1);
    }

    @Test
    void withAcquireTimeoutZeroAnIdleLaneIsStillUsed() {
        SqlitePool pool = pools.open(b -> b.acquireTimeout(Duration.ZERO));
        Pools.await("a lane was opened in time for somebody", () -> {
            try {
                pool.query("SELECT 1", row -> row.getInt(1)).join();
                return true;
            } catch (CompletionException e) {
                return false;
            }
        });
        for (int i = 0; i < 100; i++) {
            Pools.awaitIdle(pool);
            assertThat(pool.query("SELECT 1", row -> row.getInt(1)).join()).containsExactly(1);
        }
    }

    @Test
    void failedOpeningReachesOneCallerAndTheNextOneTriesAgain() {
        AtomicInteger attempts = new AtomicInteger();
        SqlitePool pool = pools.build(SqlitePool.builder().poolSize(1).connectionFactory(access -> {
            if (attempts.incrementAndGet() % 2 == 1) {
                throw new SQLException("no luck " + attempts.get());
            }
            return raw(access);
        }));
        assertThatThrownBy(() -> pool.execute("CREATE TABLE t (x)").join())
                .cause()
                .isExactlyInstanceOf(SQLException.class)
                .hasMessage("no luck 1");
        assertThat(pool.execute("CREATE TABLE t (x)").join()).isZero();
        assertThat(pool.stats().openFailures()).isEqualTo(1);
    }

    @Test
    void whenEveryOpeningFailsEveryCallerGetsAnError() {
        SqlitePool pool = pools.build(SqlitePool.builder().poolSize(3).connectionFactory(access -> {
            throw new SQLException("never");
        }));
        List<CompletableFuture<Long>> futures =
                IntStream.range(0, 200).mapToObj(i -> pool.execute("SELECT 1")).toList();
        for (CompletableFuture<Long> future : futures) {
            assertThatThrownBy(future::join)
                    .cause()
                    .isInstanceOf(SQLException.class)
                    .hasMessage("never");
        }
    }

    @Test
    void anOpeningThatHangsHoldsUpNobodyElse() {
        Gate gate = new Gate();
        AtomicInteger opened = new AtomicInteger();
        SqlitePool pool = pools.build(SqlitePool.builder().poolSize(3).connectionFactory(access -> {
            if (access == Access.READ && opened.incrementAndGet() == 2) {
                gate.pass();
            }
            return raw(access);
        }));
        pool.query("SELECT 1", row -> row.getInt(1)).join();
        Gate first = new Gate();
        CompletableFuture<Void> holder = pool.useRead(c -> first.pass());
        first.awaitReached();
        CompletableFuture<List<Integer>> waiting = pool.query("SELECT 2", row -> row.getInt(1));
        gate.awaitReached(); // the second lane is being opened for it
        assertThat(pool.execute("CREATE TABLE t (x)").join()).isZero(); // writes go on
        first.open(); // the first lane comes back, and serves it
        holder.join();
        assertThat(waiting.join()).containsExactly(2);
        assertThat(pool.stats().readConnections().opening()).isEqualTo(1);
        gate.open();
    }

    /** B5: capacity that becomes free must wake somebody, not only a lane that comes back. */
    @Test
    void aDiscardedLaneWakesTheNextWaiter() {
        SqlitePool pool = pools.open(b -> b.poolSize(1));
        Gate gate = new Gate();
        CompletableFuture<Void> breaks = pool.useConnection(c -> {
            Connection physical = c.jdbc().unwrap(org.sqlite.SQLiteConnection.class);
            gate.pass();
            physical.close();
        });
        gate.awaitReached();
        CompletableFuture<Long> next = pool.execute("CREATE TABLE t (x)");
        gate.open();
        breaks.join();
        assertThat(next.join()).isZero();
        assertThat(pool.stats().opened()).isEqualTo(2);
    }

    /** B1: a connection that dies while it is idle is the pool's affair, not the next user's. */
    @Test
    void connectionsThatDiedWhileIdleAreReplacedUnnoticed() {
        Set<Connection> physical = ConcurrentHashMap.newKeySet();
        SqlitePool pool = pools.build(SqlitePool.builder().poolSize(4).connectionFactory(access -> {
            Connection connection = raw(access);
            physical.add(connection);
            return connection;
        }));
        pool.execute("CREATE TABLE t (x)").join();
        List<Gate> gates = List.of(new Gate(), new Gate(), new Gate());
        List<CompletableFuture<Void>> reads =
                gates.stream().map(gate -> pool.useRead(c -> gate.pass())).toList();
        gates.forEach(Gate::awaitReached);
        gates.forEach(Gate::open);
        all(reads);
        assertThat(physical).hasSize(4);
        physical.forEach(connection -> {
            try {
                connection.close();
            } catch (SQLException e) {
                throw new AssertionError(e);
            }
        });
        for (int i = 0; i < 20; i++) {
            assertThat(pool.execute("INSERT INTO t VALUES (1)").join()).isEqualTo(1);
            assertThat(pool.query("SELECT count(*) FROM t", row -> row.getInt(1))
                            .join())
                    .containsExactly(i + 1);
        }
    }

    @Test
    void shortReadsGetThroughWhateverLeasesAreHeld() {
        SqlitePool pool = pools.open(b -> b.poolSize(4));
        List<Lease> leases = List.of(pool.acquire().join(), pool.acquire().join());
        CompletableFuture<Lease> third = pool.acquire();
        assertThat(pool.query("SELECT 1", row -> row.getInt(1)).join()).containsExactly(1);
        assertThat(third).isNotDone();
        leases.get(0).release().join();
        Lease granted = third.join();
        granted.release().join();
        leases.get(1).release().join();
    }

    @Test
    void aStageThatBlocksDelaysNobodyElse() {
        SqlitePool pool = pools.open();
        pool.execute("CREATE TABLE t (x)").join();
        Gate first = new Gate();
        CompletableFuture<Void> blocker = pool.useTransaction(tx -> first.pass());
        first.awaitReached();
        Gate stage = new Gate();
        CompletableFuture<Void> blocked =
                pool.execute("INSERT INTO t VALUES (1)").thenAccept(rows -> stage.pass());
        List<CompletableFuture<Long>> others = IntStream.range(0, 100)
                .mapToObj(i -> pool.execute("INSERT INTO t VALUES (2)"))
                .toList();
        first.open();
        blocker.join();
        stage.awaitReached();
        all(others); // though the stage of the one before them still blocks
        assertThat(blocked).isNotDone();
        stage.open();
        blocked.join();
    }

    @Test
    void stagesRunOnTheExecutorOfTheUser() {
        List<String> threads = Collections.synchronizedList(new ArrayList<>());
        var executor = java.util.concurrent.Executors.newSingleThreadExecutor(body -> new Thread(body, "users-own"));
        try {
            SqlitePool pool = pools.open(b -> b.executor(executor));
            Gate gate = new Gate();
            CompletableFuture<Void> work = pool.useRead(c -> gate.pass());
            CompletableFuture<Void> stage =
                    work.thenRun(() -> threads.add(Thread.currentThread().getName()));
            CompletableFuture<Void> async =
                    work.thenRunAsync(() -> threads.add(Thread.currentThread().getName()));
            gate.awaitReached();
            gate.open();
            stage.join();
            async.join();
            assertThat(threads).containsOnly("users-own");
        } finally {
            executor.shutdown();
        }
    }

    @Test
    void anExecutorThatRejectsLosesNoAcknowledgement() {
        SqlitePool pool = pools.open(b -> b.executor(body -> {
            throw new java.util.concurrent.RejectedExecutionException("full");
        }));
        assertThat(pool.execute("CREATE TABLE t (x)").join()).isZero();
    }

    @Test
    void poolOfOneServesReadsAndWritesOnItsOneLane() {
        SqlitePool pool = pools.open(b -> b.poolSize(1));
        pool.useTransaction(tx -> {
                    tx.execute("CREATE TABLE t (x)");
                    tx.execute("INSERT INTO t VALUES (?)", 7);
                })
                .join();
        assertThat(pool.read(c -> c.queryOne("SELECT x FROM t", row -> row.getInt(1))
                                .orElseThrow())
                        .join())
                .isEqualTo(7);
        assertThatThrownBy(() -> pool.useRead(c -> c.execute("DELETE FROM t")).join())
                .hasMessageContaining("READONLY");
        pool.useConnection(c -> {
                    c.execute("BEGIN");
                    c.execute("DELETE FROM t");
                })
                .join();
        assertThat(pool.query("SELECT x FROM t", row -> row.getInt(1)).join()).containsExactly(7);
        assertThat(pool.query("WITH y AS (SELECT 8) INSERT INTO t SELECT * FROM y RETURNING x", row -> row.getInt(1))
                        .join())
                .containsExactly(8);
        assertThat(pool.stats().opened()).isEqualTo(1);
    }

    @Test
    void inMemoryThePragmasOfThePoolAreRestored() {
        SqlitePool pool = pools.build(SqlitePool.builder().inMemory());
        pool.execute("CREATE TABLE t (x)").join();
        pool.useConnection(c -> {
                    c.execute("PRAGMA foreign_keys = OFF");
                    c.execute("PRAGMA query_only = ON");
                })
                .join();
        assertThat(pool.execute("INSERT INTO t VALUES (1)").join()).isEqualTo(1);
        assertThat(pool.connection(c -> c.queryOne("PRAGMA foreign_keys", row -> row.getInt(1)))
                        .join())
                .hasValue(1);
    }

    @Test
    void inMemoryIsOneDatabaseForAllAndSurvivesEverything() {
        SqlitePool pool = pools.build(SqlitePool.builder().inMemory());
        pool.execute("CREATE TABLE t (x UNIQUE)").join();
        pool.execute("INSERT INTO t VALUES (1)").join();
        assertThatThrownBy(() -> pool.execute("INSERT INTO t VALUES (1)").join())
                .hasMessageContaining("UNIQUE");
        Gate gate = new Gate();
        CompletableFuture<Void> interrupted = pool.useTransaction(tx -> {
            tx.execute("DELETE FROM t");
            gate.pass();
            tx.query(Sql.ENDLESS, row -> row.getLong(1));
        });
        gate.awaitReached();
        gate.open();
        interrupted.cancel(true);
        assertThatThrownBy(() -> pool.useConnection(c -> {
                            c.execute("PRAGMA cache_size=100");
                            c.jdbc().unwrap(org.sqlite.SQLiteConnection.class);
                            c.execute("BEGIN");
                            c.execute("DELETE FROM t");
                            throw new IllegalStateException("user's own");
                        })
                        .join())
                .hasMessageContaining("user's own");
        assertThat(pool.query("SELECT x FROM t", row -> row.getInt(1)).join()).containsExactly(1);
        assertThat(pool.stats().opened()).isEqualTo(1);
        assertThat(Files.exists(pools.file())).isFalse();
    }
}
