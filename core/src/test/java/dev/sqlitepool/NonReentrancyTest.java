package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Pools;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Waiting inside work for the lane that the work holds fails at once. */
class NonReentrancyTest {
    @RegisterExtension
    final Pools pools = new Pools();

    @Test
    void joiningAWriteInsideATransactionFailsAtOnce() {
        SqlitePool pool = pools.open();
        assertThatThrownBy(() -> pool.useTransaction(
                                tx -> pool.execute("CREATE TABLE t (x)").join())
                        .join())
                .hasCauseInstanceOf(IllegalStateException.class)
                .hasMessageContaining("would wait for itself")
                .hasMessageContaining("only write connection");
        assertThatThrownBy(() -> pool.useTransaction(
                                tx -> pool.execute("CREATE TABLE u (x)").get(1, TimeUnit.HOURS))
                        .join())
                .hasMessageContaining("would wait for itself");
        assertThatThrownBy(() -> pool.useTransaction(tx -> pool.blocking().execute("CREATE TABLE v (x)"))
                        .join())
                .hasMessageContaining("would wait for itself");
        assertThatThrownBy(() ->
                        pool.blocking().useTransaction(tx -> pool.blocking().useTransaction(inner -> {})))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("would wait for itself");
    }

    @Test
    void submittingWithoutWaitingIsLegal() {
        SqlitePool pool = pools.open();
        CompletableFuture<CompletableFuture<Long>> outer = pool.transaction(tx -> pool.execute("CREATE TABLE t (x)"));
        assertThat(outer.join().join()).isZero();
        assertThat(pool.transaction(tx -> 1)
                        .thenCompose(n -> pool.execute("INSERT INTO t VALUES (?)", n))
                        .join())
                .isEqualTo(1);
    }

    @Test
    void readingOnAnotherLaneInsideATransactionIsLegal() {
        SqlitePool pool = pools.open();
        pool.execute("CREATE TABLE t (x)").join();
        assertThat(pool.transaction(tx -> {
                            tx.execute("INSERT INTO t VALUES (1)");
                            return pool.query("SELECT count(*) FROM t", row -> row.getInt(1))
                                    .join();
                        })
                        .join())
                .containsExactly(0);
    }

    @Test
    void holdingAllReadLanesInsideEachOtherFailsAtOnce() {
        SqlitePool pool = pools.open(b -> b.poolSize(3));
        assertThatThrownBy(() -> pool.blocking().useRead(a -> pool.blocking()
                        .useRead(b -> pool.blocking().query("SELECT 1", row -> row.getInt(1)))))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("all 2 read connections");
    }

    @Test
    void aConnectionThatWouldMoveIntoItsOwnWriteLaneFailsAtOnce() {
        SqlitePool pool = pools.open();
        assertThatThrownBy(() -> pool.blocking()
                        .useTransaction(tx -> pool.blocking().useConnection(c -> c.execute("CREATE TABLE t (x)"))))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("would wait for itself");
    }

    /** Work that begins as a reader, and a way to submit it. */
    private static List<Function<SqlitePool, CompletableFuture<?>>> movingWorks(Gate gate) {
        return List.of(
                pool -> pool.connection(c -> {
                    gate.pass();
                    return c.execute("INSERT INTO t VALUES (1)");
                }),
                pool -> {
                    Lease lease = pool.acquire().join();
                    CompletableFuture<Long> run = lease.run(c -> {
                        gate.pass();
                        return c.execute("INSERT INTO t VALUES (1)");
                    });
                    lease.close(); // after the run
                    return run;
                },
                pool -> pool.query("WITH x(y) AS (SELECT 1) INSERT INTO t SELECT y FROM x RETURNING x", row -> 1));
    }

    private static void assertWouldWaitForItself(CompletableFuture<?> outer) {
        assertThatThrownBy(() -> outer.get(10, TimeUnit.SECONDS))
                .hasStackTraceContaining("would wait for itself")
                .hasStackTraceContaining("only write connection");
    }

    /**
     * <pre>
     *   a transaction                          work that it has submitted
     *                                          reads; must write: queues for the write lane
     *   waits for it: fails at once
     * </pre>
     */
    @Test
    void waitingForWorkThatHasMovedToTheOwnLaneFailsAtOnce() {
        SqlitePool pool = pools.open();
        pool.execute("CREATE TABLE t (x)").join();
        List<CompletableFuture<?>> moved = new CopyOnWriteArrayList<>();
        for (int form = 0; form < 3; form++) {
            Gate gate = new Gate();
            gate.open();
            Function<SqlitePool, CompletableFuture<?>> work = movingWorks(gate).get(form);
            assertWouldWaitForItself(pool.useTransaction(tx -> {
                CompletableFuture<?> mover = work.apply(pool);
                moved.add(mover);
                Pools.await(
                        "it has moved", () -> pool.stats().writeConnections().waiting() == 1);
                mover.join();
            }));
            Pools.await("it goes on when the transaction has ended", () -> moved.get(0)
                    .isDone());
            moved.clear();
        }
    }

    /**
     * <pre>
     *   a transaction                          work that it has submitted
     *                                          reads
     *   waits for it
     *                                          must write: fails at once, and so does the wait
     * </pre>
     */
    @Test
    void workThatSomebodyWaitsForDoesNotMoveToHisLane() {
        SqlitePool pool = pools.open();
        pool.execute("CREATE TABLE t (x)").join();
        for (int form = 0; form < 2; form++) {
            Gate gate = new Gate();
            Function<SqlitePool, CompletableFuture<?>> work = movingWorks(gate).get(form);
            AtomicReference<Thread> waiting = new AtomicReference<>();
            CompletableFuture<Void> outer = pool.useTransaction(tx -> {
                CompletableFuture<?> mover = work.apply(pool);
                gate.awaitReached();
                waiting.set(Thread.currentThread());
                mover.join();
            });
            Pools.await("it waits", () -> waiting.get() != null && waiting.get().getState() == Thread.State.WAITING);
            gate.open();
            assertWouldWaitForItself(outer);
        }
        assertThat(pool.query("SELECT x FROM t", row -> 1).join()).isEmpty();
    }

    /** As above, for data: it queues for the write lane without a thread. */
    @Test
    void dataThatSomebodyWaitsForDoesNotMoveToHisLane() {
        SqlitePool pool = pools.open(b -> b.poolSize(2));
        pool.execute("CREATE TABLE t (x)").join();
        Gate gate = new Gate();
        CompletableFuture<Void> reader = pool.useRead(c -> gate.pass());
        gate.awaitReached();
        AtomicReference<Thread> waiting = new AtomicReference<>();
        CompletableFuture<Void> outer = pool.useTransaction(tx -> {
            CompletableFuture<?> mover = movingWorks(gate).get(2).apply(pool);
            waiting.set(Thread.currentThread());
            mover.join();
        });
        Pools.await("it waits", () -> waiting.get() != null && waiting.get().getState() == Thread.State.WAITING);
        gate.open();
        assertWouldWaitForItself(outer);
        reader.join();
    }

    /** Whichever side sees it: in none of many attempts does anybody wait. */
    @Tag("slow")
    @Test
    void waitingForWorkInTheMomentInWhichItMovesFailsAtOnce() {
        SqlitePool pool = pools.open();
        pool.execute("CREATE TABLE t (x)").join();
        for (int round = 0; round < 300; round++) {
            int i = round;
            int spin = i * 50;
            assertWouldWaitForItself(pool.useTransaction(tx -> {
                CompletableFuture<?> mover = i % 2 == 0
                        ? pool.connection(c -> c.execute("INSERT INTO t VALUES (1)"))
                        : pool.query("WITH x(y) AS (SELECT 1) INSERT INTO t SELECT y FROM x RETURNING x", row -> 1);
                for (int j = 0; j < spin; j++) {
                    Thread.onSpinWait();
                }
                mover.join();
            }));
        }
    }

    @Test
    void waitingForWorkThatMovesToALaneOfSomebodyElseIsLegal() {
        SqlitePool pool = pools.open();
        pool.execute("CREATE TABLE t (x)").join();
        assertThat(pool.read(c -> pool.connection(moving -> moving.execute("INSERT INTO t VALUES (1)"))
                                .join())
                        .join())
                .isEqualTo(1);
    }

    @Test
    void poolOfOneFailsAtOnceForAnyNestedWait() {
        SqlitePool pool = pools.open(b -> b.poolSize(1));
        assertThatThrownBy(() -> pool.useRead(c ->
                                pool.query("SELECT 1", row -> row.getInt(1)).join())
                        .join())
                .hasMessageContaining("would wait for itself");
    }

    @Test
    void aWorkOfALeaseCannotWaitForTheNext() {
        SqlitePool pool = pools.open();
        Lease lease = pool.acquire().join();
        assertThatThrownBy(() -> lease.run(c -> lease.run(d -> 1).join()).join())
                .hasMessageContaining("same lease");
        lease.release().join();
    }

    @Test
    void closingInsideWorkFailsAndLeavesThePoolOpen() {
        SqlitePool pool = pools.open();
        assertThatThrownBy(() -> pool.useRead(c -> pool.close()).join())
                .hasCauseInstanceOf(IllegalStateException.class)
                .hasMessageContaining("would wait for the pool to close");
        assertThat(pool.query("SELECT 1", row -> row.getInt(1)).join()).containsExactly(1);
    }

    @Test
    void workThatHasMovedHoldsTheWriteLane() {
        SqlitePool pool = pools.open();
        pool.execute("CREATE TABLE t (x)").join();
        CompletableFuture<Void> work = pool.useConnection(c -> {
            c.query("SELECT 1", row -> row.getInt(1));
            c.execute("BEGIN");
            pool.execute("INSERT INTO t VALUES (1)").join();
        });
        Pools.await("it fails at once", work::isDone);
        assertThatThrownBy(work::join)
                .hasMessageContaining("would wait for itself")
                .hasMessageContaining("only write connection");
    }
}
