package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Pools;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** How many may wait, and for what: a connection that can be opened is no wait for others. */
class WaitingLimitsTest {
    @RegisterExtension
    final Pools pools = new Pools();

    private static final List<UnaryOperator<SqlitePoolBuilder>> NOBODY_WAITS =
            List.of(b -> b.maxWaiters(0), b -> b.acquireTimeout(Duration.ZERO));

    /** Opens a read lane and the write lane, however long that takes, so that a short timeout is no timeout of an opening. */
    static SqlitePool opened(SqlitePool pool) {
        Pools.await("a read lane is open", () -> pool.query("SELECT 1", row -> 1)
                .handle((rows, error) -> error == null)
                .join());
        Pools.await("the write lane is open", () -> pool.execute("CREATE TABLE IF NOT EXISTS t (x)")
                .handle((rows, error) -> error == null)
                .join());
        Pools.awaitIdle(pool);
        return pool;
    }

    @Test
    void whereNobodyMayWaitConnectionsAreOpenedAllTheSame() throws Exception {
        for (UnaryOperator<SqlitePoolBuilder> settings : NOBODY_WAITS) {
            for (int size = 1; size <= 3; size++) {
                int lanes = size;
                SqlitePool pool = pools.open(b -> settings.apply(b.poolSize(lanes)));
                pool.execute("CREATE TABLE IF NOT EXISTS t (x)").join();
                pool.execute("INSERT INTO t VALUES (1)").join();
                assertThat(pool.query("SELECT 1", row -> row.getInt(1)).join()).containsExactly(1);
                pool.useTransaction(tx -> tx.execute("DELETE FROM t")).join();
                assertThat(pool.connection(c -> c.execute("INSERT INTO t VALUES (1)"))
                                .join())
                        .isEqualTo(1);
                assertThat(pool.blocking().execute("DELETE FROM t")).isEqualTo(1);
                try (Lease lease = pool.acquire().join()) {
                    for (int i = 0; i < 20; i++) { // one work after the other: each comes while the one before ends
                        lease.run(c -> c.execute("INSERT INTO t VALUES (1)")).join();
                    }
                }
                Pools.awaitIdle(pool);
                pool.backup(pools.directory().resolve("copy" + lanes + settings.hashCode()))
                        .join();
                pool.close();
            }
        }
    }

    @Test
    void whereNobodyMayWaitWhoWouldIsTurnedAwayAtOnce() {
        for (UnaryOperator<SqlitePoolBuilder> settings : NOBODY_WAITS) {
            SqlitePool pool = pools.open(b -> settings.apply(b.poolSize(2)));
            Gate gate = new Gate();
            CompletableFuture<Void> holder = pool.useTransaction(tx -> gate.pass());
            gate.awaitReached();
            CompletableFuture<Long> refused = pool.execute("CREATE TABLE t (x)");
            Pools.await("it is refused", refused::isDone);
            assertThatThrownBy(refused::join)
                    .hasCauseInstanceOf(PoolException.class)
                    .hasMessageContaining("write connection busy")
                    .hasMessageContaining("Nothing of the task took effect.");
            gate.open();
            holder.join();
        }
        assertThatThrownBy(() -> {
                    SqlitePool pool = pools.open(b -> b.acquireTimeout(Duration.ZERO));
                    pool.blocking().useTransaction(tx -> pool.blocking().useConnection(c -> {
                        throw new IllegalStateException("reads beside it");
                    }));
                })
                .hasMessage("reads beside it");
    }

    @Test
    void aThreadThatWaitsIsNeverTurnedAway() throws Exception {
        SqlitePool pool = pools.open(b -> b.maxWaiters(3).poolSize(2));
        pool.execute("CREATE TABLE t (x)").join();
        Gate gate = new Gate();
        CompletableFuture<Void> holder = pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        List<Thread> threads = new ArrayList<>();
        ConcurrentLinkedQueue<Throwable> errors = new ConcurrentLinkedQueue<>();
        for (int i = 0; i < 20; i++) {
            boolean data = i % 2 == 0;
            Thread thread = new Thread(() -> {
                try {
                    if (data) {
                        pool.blocking().execute("INSERT INTO t VALUES (1)");
                    } else {
                        pool.blocking().useConnection(c -> c.execute("INSERT INTO t VALUES (1)"));
                    }
                } catch (Throwable e) {
                    errors.add(e);
                }
            });
            threads.add(thread);
            thread.start();
        }
        Pools.await("all wait", () -> pool.stats().waiting() == 20);
        assertThatThrownBy(() -> pool.execute("INSERT INTO t VALUES (1)").join())
                .hasCauseInstanceOf(PoolExhaustedException.class)
                .hasMessageContaining("3 tasks wait already, which is all that maxWaiters allows");
        gate.open();
        holder.join();
        for (Thread thread : threads) {
            thread.join();
        }
        assertThat(errors).isEmpty();
        assertThat(pool.query("SELECT x FROM t", row -> 1).join()).hasSize(20);
    }

    @Test
    void aSecondLeaseIsToldWhyItWaitsBesideAFreeLane() throws Exception {
        SqlitePool pool = opened(pools.open(b -> b.poolSize(3).acquireTimeout(Duration.ofMillis(50))));
        Lease first = pool.acquire().join();
        assertThatThrownBy(() -> pool.acquire().join())
                .hasCauseInstanceOf(PoolTimeoutException.class)
                .hasMessageContaining("read connections 1/2 busy")
                .hasMessageContaining("Leases and streams may hold 1 of the 2 read connections at once");
        first.release().join();
    }

    @Test
    void anOpeningThatTakesTooLongIsNotBlamedOnOthers() {
        Gate gate = new Gate();
        SqlitePool pool = pools.build(SqlitePool.builder()
                .connectionFactory(access -> {
                    gate.pass();
                    return java.sql.DriverManager.getConnection("jdbc:sqlite:" + pools.file());
                })
                .acquireTimeout(Duration.ofMillis(50)));
        CompletableFuture<List<Integer>> read = pool.query("SELECT 1", row -> 1);
        assertThatThrownBy(read::join)
                .hasMessageContaining("no connection within 50 ms")
                .hasMessageNotContaining("Find what holds them");
        gate.open();
    }

    @Test
    void whoHasBeenCancelledAndGoesOnIsNamed() {
        SqlitePool pool =
                opened(pools.open(b -> b.acquireTimeout(Duration.ofMillis(50)).leakThreshold(Duration.ofHours(1))));
        Gate gate = new Gate();
        CompletableFuture<Void> holder = pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        assertThatThrownBy(() -> pool.execute("CREATE TABLE t (x)").join())
                .hasMessageContaining("with \"WaitingLimitsTest, submitted at ")
                .hasMessageContaining("WaitingLimitsTest.java:")
                .hasMessageNotContaining("cancelled");
        holder.cancel(true);
        assertThatThrownBy(() -> pool.execute("CREATE TABLE t (x)").join())
                .hasMessageContaining("with \"WaitingLimitsTest, submitted at ")
                .hasMessageContaining(", which was cancelled and whose code has not returned\"");
        gate.open();
    }

    @Test
    void aLeaseWhoseWorkHasBeenCancelledAndGoesOnIsNamed() {
        SqlitePool pool = opened(pools.open(b -> b.acquireTimeout(Duration.ofMillis(50))));
        Lease lease = pool.acquire(Access.WRITE).join();
        Gate gate = new Gate();
        CompletableFuture<Void> work = lease.run(c -> {
            gate.pass();
            return null;
        });
        gate.awaitReached();
        work.cancel(true);
        assertThatThrownBy(() -> pool.execute("CREATE TABLE t (x)").join())
                .hasMessageContaining("with \"lease, which was cancelled and whose code has not returned\"");
        gate.open();
        lease.release().join();
    }

    @Test
    void aConnectionThatWasCancelledAfterItMovedIsNamed() {
        SqlitePool pool = opened(pools.open(b -> b.acquireTimeout(Duration.ofMillis(50))));
        Gate gate = new Gate();
        CompletableFuture<Void> work = pool.useConnection(c -> {
            c.execute("CREATE TABLE v (x)");
            gate.pass();
        });
        gate.awaitReached();
        work.cancel(true);
        assertThatThrownBy(() -> pool.execute("CREATE TABLE u (x)").join())
                .hasMessageContaining(
                        "with \"WaitingLimitsTest, which was cancelled and whose code has not returned\"");
        gate.open();
    }
}
