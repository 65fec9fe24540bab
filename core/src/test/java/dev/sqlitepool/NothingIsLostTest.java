package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Logged;
import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.Sql;
import java.lang.ref.WeakReference;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Interleavings and misuse that once lost a lane, a future or a snapshot, or could have. */
class NothingIsLostTest {
    @RegisterExtension
    final Logged logged = new Logged("closed without waiting any longer");

    @RegisterExtension
    final Pools pools = new Pools();

    /**
     * <pre>
     *   caller, parked                     releasing thread
     *   wakes, sees its interrupt
     *                                      grants the lane
     *   ends the task: it has a lane now
     *   must give the lane back
     * </pre>
     */
    @Tag("slow")
    @Test
    void aCallerInterruptedAtTheMomentOfTheGrantGivesTheLaneBack() throws Exception {
        SqlitePool pool = pools.open(b -> b.poolSize(1));
        for (int i = 0; i < 1_000; i++) {
            Gate gate = new Gate();
            CompletableFuture<Void> blocker = pool.useRead(c -> gate.pass());
            gate.awaitReached();
            Thread caller = new Thread(() -> ignoring(() -> pool.blocking().useTransaction(tx -> {})));
            caller.start();
            Pools.await("it waits", () -> pool.stats().waiting() == 1);
            Thread interrupter = new Thread(caller::interrupt);
            interrupter.start();
            for (int spin = ThreadLocalRandom.current().nextInt(3_000); spin > 0; spin--) {
                Thread.onSpinWait();
            }
            gate.open();
            blocker.join();
            caller.join();
            interrupter.join();
        }
        assertThat(pool.execute("CREATE TABLE t (x)").join()).isZero();
    }

    private static void ignoring(org.assertj.core.api.ThrowableAssert.ThrowingCallable code) {
        Throwable unused = catchThrowable(code);
    }

    @SuppressWarnings("InfiniteRecursion") // what it is for
    private static int deeper(PoolConnection c, int depth) throws SQLException {
        c.query("SELECT x FROM t", row -> row.getInt(1));
        return deeper(c, depth + 1) + 1;
    }

    @Tag("slow")
    @Test
    void aStackOverflowInsideAReadLeavesNoOldSnapshotBehind() {
        SqlitePool pool = pools.open(b -> b.poolSize(2));
        pool.execute("CREATE TABLE t (x)").join();
        for (int i = 0; i < 40; i++) {
            pool.execute("INSERT INTO t VALUES (1)").join();
            assertThatThrownBy(() -> pool.connection(c -> deeper(c, 0)).join())
                    .hasCauseInstanceOf(StackOverflowError.class);
            assertThat(pool.queryOne("SELECT count(*) FROM t", row -> row.getInt(1))
                            .join())
                    .hasValue(i + 1);
        }
    }

    @Tag("slow")
    @Test
    void aStackOverflowInMemoryLeavesTheDatabaseUsable() {
        SqlitePool pool = pools.build(SqlitePool.builder().inMemory());
        pool.execute("CREATE TABLE t (x)").join();
        for (int i = 0; i < 40; i++) {
            pool.execute("INSERT INTO t VALUES (1)").join();
            assertThatThrownBy(() -> pool.connection(c -> deeper(c, 0)).join())
                    .hasCauseInstanceOf(StackOverflowError.class);
        }
        assertThat(pool.queryOne("SELECT count(*) FROM t", row -> row.getInt(1)).join())
                .hasValue(40);
    }

    @Test
    void whatASingleReadHasReturnedIsNotKept() {
        SqlitePool pool = pools.open(b -> b.poolSize(2));
        WeakReference<?> result = result(pool);
        Pools.await("collected, although the lane is still there", () -> {
            System.gc();
            return result.get() == null;
        });
        assertThat(pool.stats().readConnections().idle()).isEqualTo(1);
    }

    private static WeakReference<?> result(SqlitePool pool) {
        return new WeakReference<>(
                pool.query("SELECT 1", row -> new Object()).join().get(0));
    }

    /** As one that bounds its queue does. */
    @Test
    void anExecutorThatMakesItsCallersWaitDoesNotHoldUpTheWriteLane() {
        Gate full = new Gate();
        SqlitePool pool =
                pools.open(b -> b.poolSize(2).durability(Durability.NORMAL).executor(stage -> {
                    full.pass();
                    stage.run();
                }));
        Gate lane = new Gate();
        CompletableFuture<Void> holder = pool.useTransaction(tx -> lane.pass());
        lane.awaitReached();
        CompletableFuture<Void> ran = new CompletableFuture<>();
        CompletableFuture<Void> next = pool.useTransaction(tx -> ran.complete(null));
        lane.open();
        full.awaitReached();
        try {
            assertThat(ran).as("the next transaction runs").succeedsWithin(Pools.PATIENCE);
        } finally {
            full.open();
        }
        holder.join();
        next.join();
    }

    @Tag("slow")
    @Test
    void cancellingReadsOnTheOnlyLaneLeavesItWritable() {
        SqlitePool pool = pools.open(b -> b.poolSize(1).durability(Durability.NORMAL));
        pool.execute("CREATE TABLE t (x)").join();
        for (int i = 0; i < 3_000; i++) {
            CompletableFuture<Void> read = pool.useRead(c -> c.query("SELECT x FROM t", row -> row.getInt(1)));
            for (int spin = ThreadLocalRandom.current().nextInt(2_000); spin > 0; spin--) {
                Thread.onSpinWait();
            }
            read.cancel(true);
            if (i % 20 == 0) {
                assertThat(pool.execute("INSERT INTO t VALUES (1)").join()).isEqualTo(1);
            }
        }
    }

    @Tag("slow")
    @Test
    void closingBesideTheHealthMonitorNeverWaitsForTheLastResort() {
        for (int i = 0; i < 60; i++) {
            SqlitePool pool =
                    pools.open(b -> b.healthCheckInterval(Duration.ofMillis(1)).closeGrace(Duration.ofHours(1)));
            pool.query("SELECT 1", row -> row.getInt(1)).join();
            pool.query("SELECT 1", row -> row.getInt(1)).join();
            pool.close(); // hangs for an hour if the monitor keeps a lane from it
        }
    }

    @Tag("slow")
    @Test
    void whatComesBackAfterTheLastResortIsClosed() {
        pools.filesMayStay();
        SqlitePool pool = pools.open(b -> b.closeGrace(Duration.ZERO));
        Gate read = new Gate();
        Gate write = new Gate();
        pool.execute("CREATE TABLE t (x)").join();
        CompletableFuture<Void> reading = pool.useRead(c -> read.pass());
        CompletableFuture<Void> writing = pool.useTransaction(tx -> write.pass());
        read.awaitReached();
        write.awaitReached();
        pool.close();
        assertThat(reading).isCompletedExceptionally();
        assertThat(writing).isCompletedExceptionally();
        write.open();
        Pools.await(
                "the writer is closed", () -> pool.stats().writeConnections().live() == 0);
        read.open();
        Pools.await("the reader is closed", () -> pool.stats().live() == 0);
    }

    @Test
    void waitingOnTheOnlyThreadOfTheUsersExecutorIsLegal() throws Exception {
        ExecutorService only = Executors.newSingleThreadExecutor();
        try {
            SqlitePool pool = pools.open(b -> b.executor(only));
            only.submit(() -> {
                        pool.execute("CREATE TABLE t (x)").join();
                        pool.blocking().execute("INSERT INTO t VALUES (1)");
                        assertThatThrownBy(() -> pool.blocking().execute("NONSENSE"))
                                .isInstanceOf(SQLException.class);
                        assertThat(pool.query("SELECT x FROM t", row -> row.getInt(1))
                                        .get(20, TimeUnit.SECONDS))
                                .containsExactly(1);
                        pool.close();
                        return null;
                    })
                    .get(60, TimeUnit.SECONDS);
        } finally {
            only.shutdown();
        }
    }

    /** A stage of one task that waits for another must not keep the close from ending that other one. */
    @Test
    void stagesOfEndedTasksDoNotHoldUpTheClose() {
        SqlitePool pool = pools.open(b -> b.closeGrace(Duration.ofMillis(10)));
        List<Gate> gates = List.of(new Gate(), new Gate(), new Gate());
        List<CompletableFuture<Void>> works = gates.stream()
                .map(gate -> pool.useRead(c -> {
                    gate.pass();
                    c.query(Sql.ENDLESS, row -> row.getLong(1));
                }))
                .toList();
        gates.forEach(Gate::awaitReached);
        List<CompletableFuture<Void>> stages = works.stream()
                .map(work -> work.handle((value, error) -> {
                    works.forEach(other -> ignoring(other::join));
                    return (Void) null;
                }))
                .toList();
        gates.forEach(Gate::open);
        pool.close();
        stages.forEach(CompletableFuture::join);
        assertThat(pool.stats().live()).isZero();
    }

    @Test
    void stagesOfRefusedWaitersThatWaitForEachOtherAllComplete() {
        SqlitePool pool = pools.open();
        Gate gate = new Gate();
        CompletableFuture<Void> running = pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        List<CompletableFuture<Void>> waiting = IntStream.range(0, 50)
                .mapToObj(i -> pool.useTransaction(tx -> {}))
                .toList();
        List<CompletableFuture<Void>> stages = IntStream.range(0, 50)
                .mapToObj(i -> waiting.get(i).handle((value, error) -> {
                    ignoring(waiting.get((i + 1) % 50)::join);
                    return (Void) null;
                }))
                .toList();
        pool.closeAsync();
        gate.open();
        running.join();
        pool.close();
        stages.forEach(CompletableFuture::join);
    }

    @Test
    void theInterruptFlagOfOneWorkIsNotThatOfTheNext() {
        SqlitePool pool = pools.open();
        Gate gate = new Gate();
        CompletableFuture<Void> blocker = pool.useTransaction(tx -> {
            gate.pass();
            Thread.currentThread().interrupt();
        });
        gate.awaitReached();
        AtomicInteger interrupted = new AtomicInteger();
        List<CompletableFuture<Void>> works = IntStream.range(0, 20)
                .mapToObj(i -> pool.useTransaction(tx -> {
                    if (Thread.currentThread().isInterrupted()) {
                        interrupted.incrementAndGet();
                    }
                    Thread.currentThread().interrupt();
                }))
                .toList();
        gate.open();
        blocker.join();
        works.forEach(CompletableFuture::join);
        assertThat(interrupted).hasValue(0);
    }

    @Test
    void releasingALeaseInsideItsOwnWorkAndWaitingFailsAtOnce() {
        SqlitePool pool = pools.open();
        Lease lease = pool.acquire().join();
        assertThatThrownBy(() -> lease.run(c -> lease.release().join()).join())
                .hasMessageContaining("would wait for the end of the lease");
        lease.release().join();
        assertThat(lease.release().complete(null)).isFalse();
    }

    @Tag("slow")
    @Test
    void cancellingAStatementOfAnEarlierWorkDisturbsNobody() {
        SqlitePool pool = pools.open();
        Lease lease = pool.acquire().join();
        Statement old = lease.run(c -> {
                    Statement statement = c.jdbc().createStatement();
                    statement.executeQuery("SELECT 1").close();
                    return statement;
                })
                .join();
        Gate gate = new Gate();
        CompletableFuture<List<Integer>> next = lease.run(c -> {
            gate.pass();
            return c.query(
                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) SELECT count(*) FROM n",
                    row -> row.getInt(1));
        });
        gate.awaitReached();
        gate.open();
        while (!next.isDone()) {
            ignoring(old::cancel);
        }
        assertThat(next.join()).containsExactly(300_000);
        lease.release().join();
    }

    /** A driver that throws what JDBC does not allow it to throw. */
    @Tag("slow")
    @Test
    void unexpectedExceptionsOfADriverLoseNoLane() {
        AtomicReference<Connection> last = new AtomicReference<>();
        AtomicInteger mood = new AtomicInteger();
        SqlitePool pool = pools.build(SqlitePool.builder().poolSize(1).connectionFactory(access -> {
            Connection real = DriverManager.getConnection("jdbc:h2:mem:hardening;DB_CLOSE_DELAY=-1");
            Connection moody = (Connection) java.lang.reflect.Proxy.newProxyInstance(
                    getClass().getClassLoader(), new Class<?>[] {Connection.class}, (self, method, arguments) -> {
                        if (mood.get() > 0 && !method.getName().equals("close")) {
                            mood.decrementAndGet();
                            throw new IllegalStateException("moody " + method.getName());
                        }
                        try {
                            return method.invoke(real, arguments);
                        } catch (java.lang.reflect.InvocationTargetException e) {
                            throw e.getCause();
                        }
                    });
            last.set(moody);
            return moody;
        }));
        pool.execute("CREATE TABLE t (x INT)").join();
        for (int i = 1; i < 30; i++) {
            mood.set(i % 12);
            ignoring(() -> pool.execute("INSERT INTO t VALUES (1)").join());
            mood.set(0);
            assertThat(pool.query("SELECT count(*) FROM t", row -> row.getInt(1))
                            .join())
                    .hasSize(1);
        }
    }

    @Test
    void wrappedConnectionsOfAFactoryAreThemselvesClosed() {
        AtomicInteger open = new AtomicInteger();
        SqlitePool pool = pools.build(SqlitePool.builder().poolSize(3).connectionFactory(access -> {
            Connection real = DriverManager.getConnection("jdbc:sqlite:" + pools.file());
            open.incrementAndGet();
            return (Connection) java.lang.reflect.Proxy.newProxyInstance(
                    getClass().getClassLoader(), new Class<?>[] {Connection.class}, (self, method, arguments) -> {
                        if (method.getName().equals("close")) {
                            open.decrementAndGet();
                        }
                        return method.invoke(real, arguments);
                    });
        }));
        pool.execute("CREATE TABLE t (x)").join();
        pool.query("SELECT x FROM t", row -> row.getInt(1)).join();
        assertThat(open).hasValue(2);
        pool.close();
        assertThat(open).hasValue(0);
    }
}
