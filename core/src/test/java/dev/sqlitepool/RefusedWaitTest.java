package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Pools;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A wait that fails at once takes the task with it that it was for, so that work which is tried again does nothing twice. */
class RefusedWaitTest {
    @RegisterExtension
    final Pools pools = new Pools();

    private SqlitePool pool;

    @BeforeEach
    void createTable() {
        pool = pools.open();
        pool.execute("CREATE TABLE t (x)").join();
    }

    private List<Integer> rows() {
        return pool.query("SELECT x FROM t ORDER BY rowid", row -> row.getInt(1))
                .join();
    }

    /** Everything that writes and can be submitted inside a transaction. */
    private static List<Function<SqlitePool, CompletableFuture<?>>> writes() {
        return List.of(
                pool -> pool.execute("INSERT INTO t VALUES (1)"),
                pool -> pool.executeBatch("INSERT INTO t VALUES (?)", List.of(new Object[] {1}, new Object[] {2})),
                pool -> pool.query("INSERT INTO t VALUES (1) RETURNING x", row -> row.getInt(1)),
                pool -> pool.transaction(tx -> tx.execute("INSERT INTO t VALUES (1)")),
                pool -> pool.useTransaction(tx -> tx.execute("INSERT INTO t VALUES (1)")));
    }

    private void assertCalledOff(CompletableFuture<?> outer, AtomicReference<CompletableFuture<?>> submitted) {
        assertThatThrownBy(() -> outer.get(10, TimeUnit.SECONDS))
                .hasRootCauseInstanceOf(IllegalStateException.class)
                .hasMessageContaining("would wait for itself")
                .hasMessageContaining("called off");
        CompletableFuture<?> inner = submitted.get();
        assertThat(inner).isCompletedExceptionally();
        assertThatThrownBy(inner::join).hasRootCauseInstanceOf(IllegalStateException.class);
        pool.execute("INSERT INTO t VALUES (7)").join(); // behind whatever was in the queue
        assertThat(rows()).containsExactly(7);
        pool.execute("DELETE FROM t").join();
    }

    @Test
    void aWriteThatFailedAtOnceDoesNotHappenLater() {
        for (Function<SqlitePool, CompletableFuture<?>> write : writes()) {
            AtomicReference<CompletableFuture<?>> inner = new AtomicReference<>();
            CompletableFuture<Void> outer = pool.useTransaction(tx -> {
                inner.set(write.apply(pool));
                inner.get().join();
            });
            assertCalledOff(outer, inner);
        }
    }

    @Test
    void everyWayToWaitIsTheSame() {
        List<SqlAction<CompletableFuture<?>, Exception>> waits = List.of(
                CompletableFuture::join,
                CompletableFuture::get,
                future -> future.get(1, TimeUnit.NANOSECONDS),
                future -> future.get(1, TimeUnit.HOURS));
        for (SqlAction<CompletableFuture<?>, Exception> wait : waits) {
            AtomicReference<CompletableFuture<?>> inner = new AtomicReference<>();
            CompletableFuture<Void> outer = pool.useTransaction(tx -> {
                inner.set(pool.execute("INSERT INTO t VALUES (1)"));
                wait.accept(inner.get());
            });
            assertCalledOff(outer, inner);
        }
    }

    @Test
    void workThatIsTriedAgainStoresItsRowOnce() {
        AtomicBoolean again = new AtomicBoolean();
        SqlWork<Transaction, Long, Exception> work = tx -> again.getAndSet(true)
                ? tx.execute("INSERT INTO t VALUES (1)")
                : pool.execute("INSERT INTO t VALUES (1)").join();
        assertThatThrownBy(() -> pool.transaction(work).join()).hasMessageContaining("would wait for itself");
        pool.transaction(work).join();
        assertThat(rows()).containsExactly(1);
    }

    @Test
    void workThatGoesOnAfterTheRefusalCommitsOnlyItsOwn() {
        pool.useTransaction(tx -> {
                    CompletableFuture<Long> inner = pool.execute("INSERT INTO t VALUES (1)");
                    assertThatThrownBy(inner::join).isInstanceOf(IllegalStateException.class);
                    assertThatThrownBy(inner::join).hasRootCauseInstanceOf(IllegalStateException.class); // as any other
                    tx.execute("INSERT INTO t VALUES (2)");
                })
                .join();
        assertThat(rows()).containsExactly(2);
    }

    @Test
    void insideAConnectionThatHoldsTheWriteLaneToo() {
        AtomicReference<CompletableFuture<?>> inner = new AtomicReference<>();
        CompletableFuture<Void> outer = pool.useConnection(c -> {
            c.execute("BEGIN");
            inner.set(pool.execute("INSERT INTO t VALUES (1)"));
            inner.get().join();
        });
        assertCalledOff(outer, inner);
    }

    /**
     * <pre>
     *   a transaction                          a connection that it has submitted
     *                                          reads; must write: queues for the write lane
     *   waits for it: fails at once
     *                                          is ended
     * </pre>
     */
    @Test
    void workThatAlreadyRunsAndWantsTheLaneIsEnded() {
        AtomicReference<CompletableFuture<?>> inner = new AtomicReference<>();
        CompletableFuture<Void> outer = pool.useTransaction(tx -> {
            inner.set(pool.connection(c -> c.execute("INSERT INTO t VALUES (1)")));
            Pools.await("it has moved", () -> pool.stats().writeConnections().waiting() == 1);
            inner.get().join();
        });
        assertCalledOff(outer, inner);
    }

    @Test
    void aStatementThatTurnedOutToWriteIsEnded() {
        AtomicReference<CompletableFuture<?>> inner = new AtomicReference<>();
        CompletableFuture<Void> outer = pool.useTransaction(tx -> {
            inner.set(pool.query("WITH x(y) AS (SELECT 1) INSERT INTO t SELECT y FROM x RETURNING x", row -> 1));
            Pools.await("it has moved", () -> pool.stats().writeConnections().waiting() == 1);
            inner.get().join();
        });
        assertCalledOff(outer, inner);
    }

    @Test
    void aLeaseThatNobodyWillGetIsNotGranted() {
        assertThatThrownBy(() -> pool.useTransaction(
                                tx -> pool.acquire(Access.WRITE).join())
                        .join())
                .hasMessageContaining("called off");
        assertThat(pool.execute("INSERT INTO t VALUES (7)").join()).isEqualTo(1);
        Pools.awaitIdle(pool);
    }

    @Test
    void theNextWorkOfALeaseIsCalledOffToo() {
        Lease lease = pool.acquire().join();
        AtomicReference<CompletableFuture<?>> inner = new AtomicReference<>();
        CompletableFuture<Object> outer = lease.run(c -> {
            inner.set(lease.run(d -> d.execute("INSERT INTO t VALUES (1)")));
            return inner.get().join();
        });
        assertThatThrownBy(outer::join).hasMessageContaining("same lease").hasMessageContaining("called off");
        lease.release().join();
        assertThat(rows()).isEmpty();
    }

    @Test
    void theCommitOfALeaseThatItsOwnWorkWaitsForDoesNotHappen() {
        Lease lease = pool.acquire().join();
        CompletableFuture<Object> outer = lease.run(c -> {
            c.execute("BEGIN");
            c.execute("INSERT INTO t VALUES (1)");
            return lease.commit().join();
        });
        assertThatThrownBy(outer::join).hasMessageContaining("same lease").hasMessageContaining("called off");
        lease.release().join();
        assertThat(rows()).isEmpty();
    }

    @Test
    void aWorkOfALeaseThatWouldMoveToTheOwnLaneIsCalledOff() {
        Lease lease = pool.acquire().join();
        AtomicReference<CompletableFuture<?>> inner = new AtomicReference<>();
        CompletableFuture<Void> outer = pool.useTransaction(tx -> {
            inner.set(lease.run(c -> c.execute("INSERT INTO t VALUES (1)")));
            Pools.await("it has moved", () -> pool.stats().writeConnections().waiting() == 1);
            inner.get().join();
        });
        assertCalledOff(outer, inner);
        lease.release().join();
    }

    @Test
    void theOuterOfTwoNestedWorksCounts() {
        AtomicReference<CompletableFuture<?>> inner = new AtomicReference<>();
        assertThatThrownBy(() -> pool.blocking().useTransaction(tx -> {
                    inner.set(pool.execute("INSERT INTO t VALUES (1)"));
                    pool.blocking().useRead(c -> inner.get().join());
                }))
                .hasMessageContaining("called off");
        pool.execute("INSERT INTO t VALUES (7)").join();
        assertThat(rows()).containsExactly(7);
    }

    @Test
    void inAPoolWithASingleLaneWhatAReadWaitsForIsCalledOff() {
        SqlitePool one = pools.build(SqlitePool.builder().inMemory());
        AtomicReference<CompletableFuture<?>> inner = new AtomicReference<>();
        assertThatThrownBy(() -> one.useRead(c -> {
                            inner.set(one.execute("CREATE TABLE u (x)"));
                            inner.get().join();
                        })
                        .join())
                .hasMessageContaining("called off");
        assertThatThrownBy(() -> one.query("SELECT * FROM u", row -> 1).join()).hasMessageContaining("no such table");
    }

    @Test
    void whatSomebodyElseHasSubmittedGoesOn() {
        Gate gate = new Gate();
        CompletableFuture<CompletableFuture<Long>> submitted = new CompletableFuture<>();
        CompletableFuture<Void> outer = pool.useTransaction(tx -> {
            gate.pass();
            submitted.join().join();
        });
        gate.awaitReached();
        CompletableFuture<Long> strangers = pool.execute("INSERT INTO t VALUES (1)");
        submitted.complete(strangers);
        gate.open();
        assertThatThrownBy(outer::join)
                .hasMessageContaining("would wait for itself")
                .hasMessageNotContaining("called off");
        assertThat(strangers.join()).isEqualTo(1);
    }

    @Test
    void whatAnEarlierAttemptHasSubmittedWithoutWaitingGoesOn() {
        List<CompletableFuture<Long>> submitted = new CopyOnWriteArrayList<>();
        pool.useTransaction(tx -> submitted.add(pool.execute("INSERT INTO t VALUES (1)")))
                .join();
        pool.useTransaction(tx -> tx.query("SELECT 1", row -> 1)).join();
        assertThat(submitted.get(0).join()).isEqualTo(1);
    }

    @Test
    void aReadOnAnotherLaneIsStillWaitedFor() {
        assertThat(pool.transaction(tx ->
                                pool.query("SELECT 1", row -> row.getInt(1)).join())
                        .join())
                .containsExactly(1);
    }
}
