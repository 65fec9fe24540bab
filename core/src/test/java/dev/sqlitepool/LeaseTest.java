package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Logged;
import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.Sql;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A connection on loan. */
class LeaseTest {
    @RegisterExtension
    final Pools pools = new Pools();

    @RegisterExtension
    final Logged logged = new Logged();

    private static int count(SqlitePool pool) {
        return pool.queryOne("SELECT count(*) FROM t", row -> row.getInt(1))
                .join()
                .orElseThrow();
    }

    private SqlitePool poolWithTable() {
        SqlitePool pool = pools.open();
        pool.execute("CREATE TABLE t (x)").join();
        return pool;
    }

    @Test
    void aTransactionSpansTheWorksOfALease() {
        SqlitePool pool = poolWithTable();
        Lease lease = pool.acquire().join();
        assertThat(pool.stats().readConnections().borrowed()).isEqualTo(1);
        lease.run(c -> c.execute("BEGIN")).join();
        assertThat(pool.stats().writeConnections().borrowed()).isEqualTo(1);
        assertThat(pool.stats().readConnections().borrowed()).isZero();
        lease.run(c -> c.execute("INSERT INTO t VALUES (1)")).join();
        assertThat(count(pool)).isZero();
        lease.run(c -> c.execute("COMMIT")).join();
        assertThat(count(pool)).isEqualTo(1);
        assertThat(pool.stats().writeConnections().borrowed()).isZero(); // a reader again
        assertThat(pool.execute("INSERT INTO t VALUES (2)").join()).isEqualTo(1);
        assertThat(lease.run(c -> c.query("SELECT count(*) FROM t", row -> row.getInt(1)))
                        .join())
                .containsExactly(2);
        lease.release().join();
    }

    @Test
    void worksRunInTheOrderOfTheirSubmission() {
        SqlitePool pool = pools.open();
        Lease lease = pool.acquire().join();
        List<Integer> order = Collections.synchronizedList(new ArrayList<>());
        List<CompletableFuture<Boolean>> works = IntStream.range(0, 500)
                .mapToObj(i -> lease.run(c -> order.add(i)))
                .toList();
        CompletableFuture<Void> released = lease.release();
        works.forEach(CompletableFuture::join);
        released.join();
        assertThat(order).isEqualTo(IntStream.range(0, 500).boxed().toList());
    }

    @Test
    void releaseIsIdempotentAndEndsTheLease() {
        SqlitePool pool = pools.open();
        Lease lease = pool.acquire().join();
        assertThat(lease.release()).isSameAs(lease.release());
        lease.release().join();
        lease.close();
        assertThatThrownBy(() -> lease.run(c -> 1).join())
                .hasCauseInstanceOf(IllegalStateException.class)
                .hasMessageContaining("released");
        Pools.awaitIdle(pool);
    }

    @Test
    void whatALeaseLeavesOpenIsRolledBack() {
        SqlitePool pool = poolWithTable();
        Lease lease = pool.acquire().join();
        lease.run(c -> c.execute("BEGIN")).join();
        lease.run(c -> c.execute("INSERT INTO t VALUES (1)")).join();
        lease.release().join();
        assertThat(count(pool)).isZero();
    }

    @Test
    void aCancelledWorkOfALeaseTakesItsTransactionAlong() {
        SqlitePool pool = poolWithTable();
        Lease lease = pool.acquire().join();
        lease.run(c -> c.execute("BEGIN")).join();
        lease.run(c -> c.execute("INSERT INTO t VALUES (1)")).join();
        Gate gate = new Gate();
        CompletableFuture<Void> cancelled = lease.run(c -> {
            c.execute("INSERT INTO t VALUES (2)");
            gate.pass();
            return null;
        });
        gate.awaitReached();
        assertThat(cancelled.cancel(true)).isTrue();
        gate.open();
        assertThatThrownBy(() ->
                        lease.run(c -> c.execute("INSERT INTO t VALUES (3)")).join())
                .hasMessageContaining("rolled back");
        assertThatThrownBy(() -> lease.run(c -> c.execute("COMMIT")).join()).hasMessageContaining("rolled back");
        assertThat(count(pool)).isZero();
        lease.run(c -> c.execute("INSERT INTO t VALUES (4)")).join(); // in autocommit mode again
        assertThat(count(pool)).isEqualTo(1);
        lease.release().join();
    }

    @Tag("slow")
    @Test
    void cancellingARunningWorkOfALeaseDoesNotDisturbTheNext() {
        SqlitePool pool = poolWithTable();
        Lease lease = pool.acquire().join();
        for (int i = 0; i < 200; i++) {
            CompletableFuture<?> victim = lease.run(c -> c.query(Sql.ENDLESS, row -> row.getLong(1)));
            CompletableFuture<List<Integer>> next = lease.run(c -> c.query(
                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) SELECT count(*) FROM n",
                    row -> row.getInt(1)));
            for (int spin = ThreadLocalRandom.current().nextInt(20_000); spin > 0; spin--) {
                Thread.onSpinWait();
            }
            victim.cancel(true);
            assertThat(next.join()).containsExactly(2000);
        }
        lease.release().join();
    }

    @Tag("slow")
    @Test
    void aCancelledRequestNeverHoldsALane() {
        SqlitePool pool = pools.open(b -> b.poolSize(2));
        for (int i = 0; i < 2_000; i++) {
            CompletableFuture<Lease> request = pool.acquire();
            for (int spin = ThreadLocalRandom.current().nextInt(4_000); spin > 0; spin--) {
                Thread.onSpinWait();
            }
            if (!request.cancel(true)) {
                request.join().release();
            }
        }
        Pools.awaitIdle(pool);
    }

    @Test
    void aLeaseThatChangedItsConnectionKeepsTheWriteLaneUntilItIsReleased() {
        SqlitePool pool = pools.open();
        Lease lease = pool.acquire().join();
        lease.run(c -> c.execute("CREATE TEMP TABLE mine (x)")).join();
        lease.run(c -> c.execute("INSERT INTO mine VALUES (1)")).join();
        assertThat(lease.run(c -> c.query("SELECT x FROM mine", row -> row.getInt(1)))
                        .join())
                .containsExactly(1);
        assertThat(pool.stats().writeConnections().borrowed()).isEqualTo(1);
        lease.release().join();
        assertThatThrownBy(() -> pool.connection(c -> c.execute("INSERT INTO mine VALUES (2)"))
                        .join())
                .hasMessageContaining("no such table");
        assertThat(pool.stats().closed().get(PoolStats.CloseReason.CHANGED)).isEqualTo(1);
    }

    @Test
    void leasesFromManyThreadsNeverMixTheirTransactions() {
        SqlitePool pool = pools.open(b -> b.poolSize(4));
        pool.execute("CREATE TABLE t (x)").join();
        List<CompletableFuture<Void>> all = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            int number = i;
            all.add(pool.acquire().thenCompose(lease -> lease.run(c -> c.execute("BEGIN"))
                    .thenCompose(n -> lease.run(c -> c.execute("INSERT INTO t VALUES (?)", number)))
                    .thenCompose(n -> lease.run(c -> c.execute("INSERT INTO t VALUES (?)", -number)))
                    .thenCompose(n -> lease.run(c -> c.execute(number % 2 == 0 ? "COMMIT" : "ROLLBACK")))
                    .thenCompose(n -> lease.release())));
        }
        all.forEach(CompletableFuture::join);
        assertThat(count(pool)).isEqualTo(200);
        assertThat(pool.queryOne("SELECT sum(x) FROM t", row -> row.getInt(1)).join())
                .hasValue(0);
    }

    @Test
    void betweenTwoWorksTheConnectionIsNobodys() {
        SqlitePool pool = poolWithTable();
        Lease lease = pool.acquire().join();
        PoolConnection kept = lease.<PoolConnection>run(c -> {
                    c.query("SELECT x FROM t", row -> row.getInt(1));
                    return c;
                })
                .join();
        assertThatThrownBy(() -> kept.query("SELECT x FROM t", row -> row.getInt(1)))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("was returned to the pool");
        lease.release().join();
    }

    @Test
    void asManyWorksWaitInALeaseAsMaxWaitersAllows() {
        SqlitePool pool = pools.open(b -> b.maxWaiters(2));
        Lease lease = pool.acquire().join();
        Gate gate = new Gate();
        CompletableFuture<Void> running = lease.run(c -> {
            gate.pass();
            return null;
        });
        gate.awaitReached();
        CompletableFuture<Integer> first = lease.run(c -> 1);
        CompletableFuture<Integer> second = lease.run(c -> 2);
        CompletableFuture<Integer> third = lease.run(c -> 3);
        assertThatThrownBy(third::join)
                .hasCauseInstanceOf(PoolExhaustedException.class)
                .hasMessageContaining("maxWaiters");
        assertThat(pool.stats().refused()).isEqualTo(1);
        gate.open();
        running.join();
        assertThat(first.join() + second.join()).isEqualTo(3);
        lease.release().join();
    }

    @Test
    void theFutureOfARequestCanBeEndedUntilItHasItsConnection() {
        SqlitePool pool = pools.open(b -> b.poolSize(2));
        Lease lease = pool.acquire().join();
        assertThat(pool.acquire().completeExceptionally(new IllegalStateException("not any more")))
                .isTrue();
        CompletableFuture<Lease> request = pool.acquire();
        assertThat(request.cancel(true)).isTrue();
        assertThat(request.complete(lease)).isFalse();
        lease.release().join();
        CompletableFuture<Lease> had = pool.acquire();
        had.join().release().join();
        assertThat(had.complete(lease)).isFalse();
    }

    @Test
    void theFutureOfAWorkCanBeEndedUntilTheWorkIsDone() {
        SqlitePool pool = pools.open();
        Lease lease = pool.acquire().join();
        Gate gate = new Gate();
        CompletableFuture<Integer> running = lease.run(c -> {
            gate.pass();
            return 1;
        });
        gate.awaitReached();
        CompletableFuture<Integer> waiting = lease.run(c -> 2);
        assertThat(waiting.complete(20)).isTrue();
        assertThat(running.complete(10)).isTrue();
        assertThat(running.complete(11)).isFalse();
        assertThat(running.join() + waiting.join()).isEqualTo(30);
        gate.open();
        CompletableFuture<Integer> done = lease.run(c -> 3);
        assertThat(done.join()).isEqualTo(3);
        assertThat(done.complete(30)).isFalse();
        lease.release().join();
        assertThat(logged.errors()).isEmpty();
    }

    @Test
    void cancellingAWorkInterruptsItsStatement() {
        SqlitePool pool = pools.open();
        Lease lease = pool.acquire().join();
        Gate gate = new Gate();
        CompletableFuture<?> running = lease.run(c -> {
            gate.pass();
            return c.query(Sql.ENDLESS, row -> row.getLong(1));
        });
        gate.awaitReached();
        assertThat(running.cancel(true)).isTrue();
        assertThat(pool.stats().interrupts()).isEqualTo(1);
        gate.open();
        Pools.await("the lease is free", lease.run(c -> 1)::isDone);
        lease.release().join();
    }

    @Test
    void aWorkThatIsStruckByTheMachineCostsTheConnection() {
        SqlitePool pool = pools.open();
        Lease lease = pool.acquire().join();
        assertThatThrownBy(() -> lease.run(c -> {
                            throw new StackOverflowError("deep");
                        })
                        .join())
                .hasCauseInstanceOf(StackOverflowError.class);
        lease.release().join();
        Pools.awaitIdle(pool);
        assertThat(pool.stats().closed().get(PoolStats.CloseReason.DISCARDED)).isEqualTo(1);
    }

    @Test
    void whoWaitsForTheWriteLaneGetsItWhenALeaseHasCommitted() {
        SqlitePool pool = poolWithTable();
        Lease lease = pool.acquire().join();
        lease.run(c -> c.execute("BEGIN")).join();
        CompletableFuture<Long> insert = pool.execute("INSERT INTO t VALUES (1)");
        Pools.await("it waits", () -> pool.stats().waiting() == 1);
        lease.run(c -> c.execute("COMMIT")).join();
        Pools.await("it is done", insert::isDone);
        lease.release().join();
    }
}
