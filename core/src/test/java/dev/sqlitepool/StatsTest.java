package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.Probe;
import dev.sqlitepool.testing.TestClock;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What is counted and told of what happens. */
class StatsTest {
    @RegisterExtension
    final Pools pools = new Pools();

    private final List<String> events = Collections.synchronizedList(new ArrayList<>());

    /** Tells what happens in words. */
    private PoolListener listener() {
        return new PoolListener() {
            @Override
            public void connectionOpened(Access access, Duration took) {
                events.add("opened " + access
                        + (took.isNegative() || took.isZero() || took.toMinutes() > 5 ? " " + took : ""));
            }

            @Override
            public void openFailed(Access access, Throwable error) {
                events.add("failed " + access + " " + error.getMessage());
            }

            @Override
            public void connectionClosed(Access access, CloseReason reason, Duration age) {
                events.add("closed " + access + " " + reason + (age.toMinutes() > 5 || age.isNegative() ? age : ""));
            }

            @Override
            public void acquireTimedOut(PoolTimeoutException timeout) {
                events.add("timed out: " + timeout.stats().timeouts());
            }
        };
    }

    private static String ends(SqlitePool pool) {
        PoolStats stats = pool.stats();
        return stats.completed() + " completed, " + stats.failed() + " failed, " + stats.cancelled() + " cancelled, "
                + stats.refused() + " refused";
    }

    private static void awaitEnds(SqlitePool pool, String expected) {
        Pools.awaitIdle(pool);
        Pools.await(expected, () -> ends(pool).equals(expected));
    }

    private static void cancel(CompletableFuture<?> future) {
        assertThat(future.cancel(true)).isTrue();
    }

    @Test
    void eachEndOfATaskIsCountedOnce() {
        SqlitePool pool = pools.open(b -> b.poolSize(2));
        pool.execute("CREATE TABLE t (x UNIQUE)").join();
        pool.useTransaction(tx -> tx.execute("INSERT INTO t VALUES (1)")).join();
        awaitEnds(pool, "2 completed, 0 failed, 0 cancelled, 0 refused");
        assertThatThrownBy(() -> pool.execute("INSERT INTO t VALUES (1)").join())
                .hasMessageContaining("UNIQUE");
        assertThatThrownBy(() -> pool.query("SELECT y", row -> row.getLong(1)).join())
                .hasMessageContaining("no such column");
        awaitEnds(pool, "2 completed, 2 failed, 0 cancelled, 0 refused");
        Gate gate = new Gate();
        CompletableFuture<Void> running = pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        cancel(pool.execute("INSERT INTO t VALUES (2)"));
        assertThat(ends(pool)).isEqualTo("2 completed, 2 failed, 1 cancelled, 0 refused");
        long interrupts = pool.stats().interrupts();
        cancel(running);
        gate.open();
        awaitEnds(pool, "2 completed, 2 failed, 2 cancelled, 0 refused");
        assertThat(pool.stats().interrupts()).isEqualTo(interrupts + 1);
    }

    @Test
    void thoseInAGroupAreCountedOneByOne() {
        SqlitePool pool = pools.open();
        pool.execute("CREATE TABLE t (x UNIQUE)").join();
        String insert = "INSERT INTO t VALUES (?)";
        pool.execute(insert, 0).join(); // known to be quick
        Gate gate = new Gate();
        CompletableFuture<Void> before = pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        List<CompletableFuture<Long>> all = new ArrayList<>();
        for (int i : List.of(1, 2, 0, 3, 0)) {
            all.add(pool.execute(insert, i));
        }
        gate.open();
        before.join();
        all.forEach(
                future -> assertThat(future.handle((rows, error) -> 0).join()).isZero());
        awaitEnds(pool, "6 completed, 2 failed, 0 cancelled, 0 refused");
    }

    @Test
    void theBlockingViewIsCountedToo() throws SQLException {
        SqlitePool pool = pools.open();
        pool.blocking().execute("CREATE TABLE t (x UNIQUE)");
        pool.blocking().useRead(read -> {});
        assertThatThrownBy(() -> pool.blocking().useTransaction(tx -> tx.execute("nonsense")))
                .isInstanceOf(SQLException.class);
        awaitEnds(pool, "2 completed, 1 failed, 0 cancelled, 0 refused");
    }

    @Test
    void worksOfALeaseAreCountedTheLeaseIsNot() {
        SqlitePool pool = pools.open(b -> b.poolSize(2));
        Lease lease = pool.acquire().join();
        lease.run(c -> c.query("SELECT 1", row -> row.getLong(1))).join();
        lease.run(c -> 2).join();
        assertThatThrownBy(() -> lease.run(c -> c.execute("nonsense")).join()).hasMessageContaining("nonsense");
        Gate gate = new Gate();
        CompletableFuture<Void> running = lease.run(c -> {
            gate.pass();
            return null;
        });
        gate.awaitReached();
        cancel(lease.run(c -> 1));
        cancel(running);
        cancel(pool.acquire()); // waits for the only lane that leases may have
        gate.open();
        lease.release().join();
        assertThatThrownBy(() -> lease.run(c -> 1).join()).hasMessageContaining("released");
        awaitEnds(pool, "2 completed, 1 failed, 3 cancelled, 1 refused");
    }

    @Test
    void streamsAreCountedByTheirEnd() {
        SqlitePool pool = pools.open();
        String three = "VALUES (1), (2), (3)";
        Probe.of(pool.stream(three, row -> row.getLong(1)), 9).awaitComplete();
        Probe.of(pool.stream("nonsense", row -> row.getLong(1)), 9).awaitError();
        Probe<Long> cancelled = Probe.of(pool.stream(three, row -> row.getLong(1)), 1);
        cancelled.awaitRows(1);
        cancelled.subscription().cancel();
        cancelled.subscription().cancel(); // has ended
        Probe<Long> refused = Probe.of(pool.stream(three, row -> row.getLong(1)), 1);
        refused.awaitRows(1);
        refused.subscription().request(0);
        refused.awaitError();
        Pools.await("counted", () -> pool.stats().failed() == 2);
        refused.subscription().request(-1); // has ended
        awaitEnds(pool, "1 completed, 2 failed, 1 cancelled, 0 refused");
    }

    @Test
    void aStreamThatFindsNoLaneAndOneThatTheCloseEndsAreCounted() {
        TestClock clock = new TestClock();
        SqlitePool pool = pools.open(
                clock, b -> b.poolSize(2).acquireTimeout(Duration.ofMillis(30)).closeGrace(Duration.ofMillis(10)));
        pool.execute("CREATE TABLE t (x)").join();
        Probe<Long> holder = Probe.of(pool.stream("VALUES (1), (2)", row -> row.getLong(1)), 1);
        holder.awaitRows(1); // stands on its row, on the only read lane
        Probe<Long> late = Probe.of(pool.stream("VALUES (1)", row -> row.getLong(1)), 1);
        clock.pass(Duration.ofMillis(30));
        late.awaitError();
        assertThat(ends(pool)).isEqualTo("1 completed, 1 failed, 0 cancelled, 0 refused");
        pool.close();
        assertThat(holder.awaitError()).isInstanceOf(PoolClosedException.class);
        assertThat(ends(pool)).isEqualTo("1 completed, 1 failed, 1 cancelled, 0 refused");
    }

    @Test
    void backupsAreCountedByTheirEnd() {
        SqlitePool pool = pools.open();
        pool.execute("CREATE TABLE t (x)").join();
        Path target = pools.directory().resolve("copy");
        pool.backup(target).join();
        awaitEnds(pool, "2 completed, 0 failed, 0 cancelled, 0 refused");
        assertThatThrownBy(() -> pool.backup(target).join()).hasMessageContaining("overwrites nothing");
        Gate gate = new Gate();
        CompletableFuture<Void> running = pool.backup(pools.directory().resolve("other"), progress -> gate.pass());
        gate.awaitReached();
        cancel(pool.backup(pools.directory().resolve("waits")));
        cancel(running);
        gate.open();
        awaitEnds(pool, "2 completed, 1 failed, 2 cancelled, 0 refused");
        pool.close();
        assertThatThrownBy(() -> pool.backup(target).join()).hasMessageContaining("closed");
        assertThat(ends(pool)).isEqualTo("2 completed, 1 failed, 2 cancelled, 1 refused");
    }

    @Test
    void whoWaitsTooLongIsCountedAndTold() {
        SqlitePool pool =
                pools.open(b -> b.acquireTimeout(Duration.ofMillis(30)).listener(listener()));
        Pools.await("the write lane is open", () -> pool.execute("SELECT 1")
                .handle((rows, error) -> error == null)
                .join());
        Pools.awaitIdle(pool);
        PoolStats before = pool.stats();
        Gate gate = new Gate();
        CompletableFuture<Void> holder = pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        assertThatThrownBy(() -> pool.execute("SELECT 1").join()).hasCauseInstanceOf(PoolTimeoutException.class);
        assertThatThrownBy(() -> pool.blocking().useTransaction(tx -> {})).isInstanceOf(PoolTimeoutException.class);
        assertThatThrownBy(() -> pool.acquire(Access.WRITE).join()).hasCauseInstanceOf(PoolTimeoutException.class);
        assertThat(pool.stats().timeouts()).isEqualTo(before.timeouts() + 3);
        assertThat(pool.stats().failed()).isEqualTo(before.failed() + 3);
        assertThat(pool.stats().cancelled() + pool.stats().refused()).isZero();
        gate.open();
        holder.join();
        Pools.await(
                "told",
                () -> events.stream()
                                .filter(event -> event.startsWith("timed out"))
                                .count()
                        == before.timeouts() + 3);
    }

    @Test
    void openingAndClosingAreTold() {
        SqlitePool pool = pools.open(b -> b.poolSize(2).listener(listener()));
        pool.execute("CREATE TABLE t (x)").join();
        pool.query("SELECT * FROM t", row -> row.getLong(1)).join();
        assertThat(pool.stats().opened()).isEqualTo(2);
        pool.close();
        Pools.await("told", () -> events.size() == 4);
        assertThat(events)
                .containsExactlyInAnyOrder(
                        "opened WRITE", "opened READ", "closed READ POOL_CLOSED", "closed WRITE POOL_CLOSED");
        assertThat(pool.stats().closed().get(CloseReason.POOL_CLOSED)).isEqualTo(2);
    }

    @Test
    void failedOpeningsAreTold() {
        SqlitePool pool = pools.build(
                SqlitePool.builder().poolSize(1).listener(listener()).connectionFactory(access -> {
                    throw new SQLException("no luck");
                }));
        assertThatThrownBy(() -> pool.execute("SELECT 1").join()).hasMessageContaining("no luck");
        assertThat(pool.stats().openFailures()).isEqualTo(1);
        Pools.await("told", () -> events.contains("failed WRITE no luck"));
    }

    @Test
    void whoHoldsALaneIsNamedWithItsTime() {
        SqlitePool pool = pools.open(b -> b.poolSize(2));
        Gate gate = new Gate();
        CompletableFuture<Void> work = pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        PoolStats.Connections held = pool.stats().writeConnections();
        assertThat(held.holder()).isEqualTo("StatsTest");
        assertThat(held.longestHeld()).isPositive();
        assertThat(held.max()).isEqualTo(1);
        assertThat(held.live()).isEqualTo(1);
        assertThat(pool.stats().readConnections().holder()).isEmpty();
        assertThat(pool.stats().readConnections().longestHeld()).isZero();
        gate.open();
        work.join();
        Pools.awaitIdle(pool);
        assertThat(pool.stats().writeConnections().holder()).isEmpty();
        assertThat(pool.stats().waitTime()).isPositive(); // while the lane was opened
        assertThat(pool.stats().holdTime()).isPositive();
    }

    @Test
    void aPoolOfOneHasNoReadLanes() {
        SqlitePool pool = pools.open(b -> b.poolSize(1));
        assertThat(pool.stats().readConnections().max()).isZero();
        assertThat(pool.stats().writeConnections().max()).isEqualTo(1);
        assertThat(pool.query("SELECT 1", row -> row.getLong(1)).join()).containsExactly(1L);
        assertThat(pool.stats().live()).isEqualTo(1);
    }
}
