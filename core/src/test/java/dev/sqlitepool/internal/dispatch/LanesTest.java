package dev.sqlitepool.internal.dispatch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.Access;
import dev.sqlitepool.Lease;
import dev.sqlitepool.PoolListener;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.PoolTimeoutException;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.pool.LanePool;
import dev.sqlitepool.testing.Engines;
import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Logged;
import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.Probe;
import dev.sqlitepool.testing.TestClock;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Delayed;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** How lanes are opened, asked, interrupted and closed, and what becomes of those who wait meanwhile. */
class LanesTest {
    @RegisterExtension
    final Pools pools = new Pools();

    @RegisterExtension
    final Logged logged = new Logged();

    private final List<String> events = new CopyOnWriteArrayList<>();
    private final TestClock clock = TestClock.running();
    private volatile boolean dead;
    /** What happens when a connection is opened. */
    private volatile Runnable opening = () -> {};

    private final Engines engines = new Engines()
            .opening(engine -> opening.run())
            .around("probe", call -> dead ? (Object) false : call.proceed());

    private LanePool build(SqlitePoolBuilder builder) {
        return build(this.clock, builder);
    }

    private LanePool build(LongSupplier clock, SqlitePoolBuilder builder) {
        Settings settings = Pools.settings(builder.listener(new PoolListener() {
            @Override
            public void connectionClosed(Access access, CloseReason reason, Duration age) {
                events.add(access + " " + reason);
            }
        }));
        return pools.track(new LanePool(settings, clock, engines), settings.name());
    }

    private SqlitePoolBuilder onFile() {
        return SqlitePool.builder().databasePath(pools.file());
    }

    private static CompletableFuture<Void> hold(LanePool pool, Access access, Gate gate) {
        CompletableFuture<Void> work =
                access == Access.READ ? pool.useRead(c -> gate.pass()) : pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        return work;
    }

    // ---- those who wait

    private static void openFirst(LanePool pool) {
        pool.execute("CREATE TABLE t (x)").join();
        Pools.awaitIdle(pool);
        Pools.await("nothing is planned for those before", () -> isNothingPlanned(pool));
    }

    private static boolean isNothingPlanned(LanePool pool) {
        return pool.parts().means().workers().timer().getQueue().stream()
                .noneMatch(planned -> ((Delayed) planned).getDelay(TimeUnit.NANOSECONDS) < TimeUnit.SECONDS.toNanos(1));
    }

    @Test
    void timesAreUpAlsoAfterNobodyHasWaitedForAWhile() {
        TestClock clock = new TestClock();
        LanePool pool = build(clock, onFile().acquireTimeout(Duration.ofMillis(10)));
        openFirst(pool);
        Gate gate = new Gate();
        CompletableFuture<Void> work = hold(pool, Access.WRITE, gate);
        for (int i = 0; i < 3; i++) {
            CompletableFuture<Long> late = pool.execute("SELECT 1");
            clock.pass(Duration.ofMillis(10));
            Pools.await("its time is up", late::isDone);
            assertThatThrownBy(late::join).hasCauseInstanceOf(PoolTimeoutException.class);
            Pools.await("nothing is planned for the next", () -> isNothingPlanned(pool));
        }
        gate.open();
        work.join();
    }

    @Test
    void whoseConnectionDoesNotAnswerWaitsForAnotherNoLongerThanOthers() {
        TestClock clock = new TestClock();
        LanePool pool =
                build(clock, onFile().acquireTimeout(Duration.ofMillis(20)).healthCheckInterval(Duration.ofDays(1)));
        openFirst(pool);
        clock.pass(Duration.ofDays(2));
        dead = true;
        Gate gate = new Gate();
        opening = gate::pass;
        CompletableFuture<Long> late = pool.execute("INSERT INTO t VALUES (1)");
        gate.awaitReached();
        assertThat(late).isNotDone();
        clock.pass(Duration.ofMillis(20));
        Pools.await("its time is up", late::isDone);
        assertThatThrownBy(late::join).hasCauseInstanceOf(PoolTimeoutException.class);
        gate.open();
    }

    @Test
    void codeOfTheCallingThreadGetsAnotherConnectionTooIfItsOwnDoesNotAnswer() throws SQLException {
        LanePool pool = build(onFile().healthCheckInterval(Duration.ofDays(1)));
        pool.execute("CREATE TABLE t (x)").join();
        Pools.awaitIdle(pool);
        clock.pass(Duration.ofDays(2));
        dead = true;
        CompletableFuture<Thread> ran = new CompletableFuture<>();
        Thread caller = new Thread(() -> {
            try {
                pool.blocking().useTransaction(tx -> ran.complete(Thread.currentThread()));
            } catch (SQLException e) {
                ran.completeExceptionally(e);
            }
        });
        caller.start();
        Pools.await("it has run", ran::isDone);
        assertThat(ran.join()).isSameAs(caller);
        assertThat(pool.stats().closed().get(CloseReason.STALE)).isEqualTo(1);
    }

    @Test
    void howLongALaneIsHeldIsTimeOnThePoolsClock() {
        LanePool pool = build(onFile());
        Gate gate = new Gate();
        CompletableFuture<Void> work = hold(pool, Access.WRITE, gate);
        clock.pass(Duration.ofHours(1));
        assertThat(pool.stats().writeConnections().longestHeld()).isBetween(Duration.ofHours(1), Duration.ofHours(2));
        gate.open();
        work.join();
    }

    @Test
    void theOldestReaderIsWhoHasReadForLongest() {
        LanePool pool = build(onFile().poolSize(4));
        assertThat(pool.parts().readLanes().oldestReader()).isNull();
        List<Gate> gates = IntStream.range(0, 3).mapToObj(i -> new Gate()).toList();
        List<CompletableFuture<?>> reads = new CopyOnWriteArrayList<>();
        for (Gate gate : gates) {
            reads.add(hold(pool, Access.READ, gate));
            clock.pass(Duration.ofHours(1));
        }
        assertThat(pool.parts().readLanes().oldestReader().getValue())
                .isBetween(Duration.ofHours(3), Duration.ofHours(4));
        gates.forEach(Gate::open);
        reads.forEach(CompletableFuture::join);
    }

    @Test
    void aLeaseThatReadsNothingIsNoReader() {
        LanePool pool = build(onFile().poolSize(4));
        Lease lease = pool.acquire().join();
        clock.pass(Duration.ofHours(1));
        assertThat(pool.parts().readLanes().oldestReader()).isNull();
        lease.release().join();
    }

    // ---- interrupts, and what threads hold

    @Test
    void whatIsCancelledIsInterruptedUntilItHasEnded() {
        LanePool pool = build(onFile());
        Gate gate = new Gate();
        CompletableFuture<Void> work = hold(pool, Access.WRITE, gate);
        assertThat(work.cancel(true)).isTrue();
        Pools.await("again and again", () -> engines.calls("interrupt").get() > 2);
        assertThat(pool.stats().interrupts()).isEqualTo(1);
        gate.open();
        Pools.awaitIdle(pool);
        int before = engines.calls("interrupt").get();
        Pools.await("no more", () -> isNothingPlanned(pool));
        assertThat(engines.calls("interrupt")).hasValueLessThanOrEqualTo(before + 1);
    }

    @Test
    void threadsHoldNothingWhenTheirWorkIsDone() {
        LanePool pool = build(onFile());
        pool.execute("CREATE TABLE t (x)").join();
        Probe.of(pool.stream("VALUES (1), (2)", row -> row.getInt(1)), 9).awaitComplete();
        pool.backup(pools.directory().resolve("copy"), progress -> {}).join();
        Lease lease = pool.acquire().join();
        lease.run(c -> c.execute("INSERT INTO t VALUES (1)")).join();
        lease.release().join();
        Pools.awaitIdle(pool);
        List<Object> held = new CopyOnWriteArrayList<>();
        List<Gate> gates = IntStream.range(0, 10).mapToObj(i -> new Gate()).toList();
        for (Gate gate : gates) { // on as many threads as there are, at least
            pool.parts().means().workers().execute(() -> {
                Held top = Held.top();
                if (top != null) {
                    held.add(top);
                }
                gate.pass();
            });
        }
        gates.forEach(Gate::awaitReached);
        gates.forEach(Gate::open);
        assertThat(held).isEmpty();
    }

    // ---- the first use

    private static void assertMonitored(LanePool pool) {
        assertThat(pool.parts().means().workers().timer().getQueue())
                .extracting(planned -> ((Delayed) planned).getDelay(TimeUnit.HOURS))
                .anyMatch(hours -> hours == 22 || hours == 23);
    }

    @Test
    void theMonitorBeginsWithTheFirstUseWhateverThatIs() throws SQLException {
        Duration day = Duration.ofDays(1);
        SqlitePoolBuilder builder =
                onFile().healthCheckInterval(day).withoutMaxConnectionAge().withoutMaxIdleTime();
        LanePool lending = build(builder);
        lending.acquire().join().release().join();
        assertMonitored(lending);
        LanePool copying = build(builder);
        copying.backup(pools.directory().resolve("copy")).join();
        assertMonitored(copying);
        LanePool blocking = build(builder);
        blocking.blocking().execute("SELECT 1");
        assertMonitored(blocking);
    }

    // ---- closing

    @Test
    void theStatisticsAreBroughtUpToDateOnTheWriteLaneAlone() {
        LanePool pool = build(onFile().poolSize(3));
        pool.execute("CREATE TABLE t (x)").join();
        Gate first = new Gate();
        Gate second = new Gate();
        CompletableFuture<Void> one = hold(pool, Access.READ, first);
        CompletableFuture<Void> two = hold(pool, Access.READ, second);
        first.open();
        second.open();
        CompletableFuture.allOf(one, two).join();
        pool.close();
        assertThat(pool.stats().closed().get(CloseReason.POOL_CLOSED)).isEqualTo(3);
        assertThat(engines.calls("optimize")).hasValue(1);
    }

    @Test
    void theWriteLaneIsTheLastToBeClosed() {
        LanePool pool = build(onFile());
        Gate writes = new Gate();
        Gate reads = new Gate();
        CompletableFuture<Void> writer = hold(pool, Access.WRITE, writes);
        CompletableFuture<Void> reader = hold(pool, Access.READ, reads);
        CompletableFuture<Void> closed = pool.closeAsync();
        writes.open();
        writer.join();
        Pools.await(
                "the write lane is back", () -> pool.stats().writeConnections().idle() == 1);
        reads.open();
        reader.join();
        Pools.await("it is closed", closed::isDone);
        Pools.await("told", () -> events.size() == 2);
        assertThat(events).containsExactly("READ POOL_CLOSED", "WRITE POOL_CLOSED");
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void theCloseEndsWithTheLastOpeningWhateverComesOfIt(boolean fails) {
        Gate gate = new Gate();
        LanePool pool = build(SqlitePool.builder().poolSize(2).connectionFactory(access -> {
            gate.pass();
            if (fails) {
                throw new SQLException("no luck");
            }
            return DriverManager.getConnection("jdbc:sqlite:" + pools.file());
        }));
        CompletableFuture<Long> waiting = pool.execute("SELECT 1");
        gate.awaitReached();
        CompletableFuture<Void> closed = pool.closeAsync();
        assertThatThrownBy(waiting::join).hasMessageContaining("closed");
        assertThat(closed).isNotDone();
        gate.open();
        Pools.await("it is closed", closed::isDone);
    }

    /** The last resort, without the time that it takes. */
    @Test
    void aCallThatDoesNotReturnDoesNotHangTheCloseForEver() {
        LanePool pool = build(onFile().closeGrace(Duration.ofHours(1)));
        Gate gate = new Gate();
        CompletableFuture<Void> hangs = hold(pool, Access.READ, gate);
        CompletableFuture<Void> closed = pool.closeAsync();
        long grace = TimeUnit.HOURS.toNanos(1);
        for (Runnable planned : pool.parts().means().workers().timer().getQueue()) {
            long delay = ((Delayed) planned).getDelay(TimeUnit.NANOSECONDS);
            if (delay > grace && delay < 2 * grace) {
                planned.run();
            }
        }
        Pools.await("it is closed", closed::isDone);
        assertThat(logged.warnings())
                .singleElement()
                .asString()
                .contains("closed without waiting any longer for a call that does not return");
        assertThat(pool.stats().live()).isEqualTo(1);
        gate.open();
        hangs.join();
    }
}
