package dev.sqlitepool.internal.upkeep;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.Access;
import dev.sqlitepool.Durability;
import dev.sqlitepool.Lease;
import dev.sqlitepool.PoolListener;
import dev.sqlitepool.PoolStats;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.dispatch.Lanes;
import dev.sqlitepool.internal.dispatch.Waiter;
import dev.sqlitepool.internal.pool.LanePool;
import dev.sqlitepool.testing.Engines;
import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Logged;
import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.Probe;
import dev.sqlitepool.testing.TestClock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Delayed;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The health monitor, on a clock that the test moves. */
class HousekeepingTest {
    @RegisterExtension
    final Pools pools = new Pools();

    @RegisterExtension
    final Logged logged = new Logged();

    private final TestClock clock = new TestClock();
    private final List<String> events = Collections.synchronizedList(new ArrayList<>());
    private volatile boolean dead;
    private volatile boolean closeFails;
    /** What is done while a connection is asked. */
    private volatile Runnable meanwhile = () -> {};

    private final Engines engines = new Engines()
            .around("probe", call -> {
                meanwhile.run();
                return !dead && (Boolean) call.proceed();
            })
            .around("close", call -> {
                Object answer = call.proceed();
                if (closeFails) {
                    throw new SQLException("the close failed");
                }
                return answer;
            });

    private final AtomicInteger probes = engines.calls("probe");

    private LanePool open() {
        return open(builder -> builder.databasePath(pools.file()).poolSize(4));
    }

    /** Nothing is closed for its age. */
    private LanePool openForGood() {
        return open(builder -> builder.databasePath(pools.file())
                .poolSize(4)
                .withoutMaxIdleTime()
                .withoutMaxConnectionAge());
    }

    private LanePool open(UnaryOperator<SqlitePoolBuilder> changes) {
        PoolListener listener = new PoolListener() {
            @Override
            public void connectionClosed(Access access, CloseReason reason, Duration age) {
                events.add("closed " + access + " " + reason);
            }

            @Override
            public void databaseChanged(Path database, boolean vanished) {
                events.add((vanished ? "vanished " : "replaced ") + database.getFileName());
            }

            @Override
            public void leakSuspected(Access access, String holder, Duration held, Throwable acquiredAt) {
                events.add("leak " + access + " " + holder + " " + held + " "
                        + List.of(acquiredAt.getStackTrace()).stream()
                                .anyMatch(frame -> frame.getClassName().equals(HousekeepingTest.class.getName())));
            }
        };
        Settings settings = Pools.settings(changes.apply(SqlitePool.builder()
                .healthCheckInterval(Duration.ofDays(1)) // sweeps are made by the test
                .durability(Durability.NORMAL)
                .listener(listener)));
        return pools.track(new LanePool(settings, clock, engines), settings.name());
    }

    private void pass(Duration time) {
        clock.pass(time);
    }

    /** Opens the write lane and three read lanes, all idle afterwards. */
    private static void openAll(SqlitePool pool) {
        pool.execute("CREATE TABLE IF NOT EXISTS t (x)").join();
        List<Gate> gates = IntStream.range(0, 3).mapToObj(i -> new Gate()).toList();
        List<CompletableFuture<Void>> reads =
                gates.stream().map(gate -> pool.useRead(c -> gate.pass())).toList();
        gates.forEach(Gate::awaitReached);
        gates.forEach(Gate::open);
        reads.forEach(CompletableFuture::join);
        Pools.awaitIdle(pool);
        assertThat(pool.stats().live()).isEqualTo(4);
    }

    @Test
    void idleLanesAreClosedWithoutTraffic() {
        LanePool pool = open();
        openAll(pool);
        pass(Duration.ofMinutes(10).minusNanos(1));
        pool.parts().housekeeper().sweep();
        assertThat(pool.stats().live()).isEqualTo(4);
        pool.query("SELECT 1", row -> row.getInt(1)).join(); // one of them is used again
        pass(Duration.ofNanos(1));
        pool.parts().housekeeper().sweep();
        PoolStats stats = pool.stats();
        assertThat(stats.live()).isEqualTo(1);
        assertThat(stats.closed().get(CloseReason.IDLE)).isEqualTo(3);
    }

    @Test
    void agedLanesAreReplacedSpreadOverTheLastTenthOfTheirAge() {
        LanePool pool = open();
        openAll(pool);
        for (int i = 0; i < 60; i++) {
            openAll(pool); // in use all the time, so never idle for long
            pass(Duration.ofMinutes(1));
            pool.parts().housekeeper().sweep();
            if (i < 53) {
                assertThat(pool.stats().closed().get(CloseReason.AGED)).isZero();
            }
        }
        assertThat(pool.stats().closed().get(CloseReason.AGED)).isEqualTo(4);
        assertThat(pool.stats().closed().get(CloseReason.IDLE)).isZero();
    }

    @Test
    void aLaneInUseIsNeverClosedButWhenItComesBack() {
        LanePool pool = open();
        Gate gate = new Gate();
        CompletableFuture<Integer> work = pool.read(c -> {
            gate.pass();
            return c.queryOne("SELECT 5", row -> row.getInt(1)).orElseThrow();
        });
        gate.awaitReached();
        pass(Duration.ofHours(2));
        pool.parts().housekeeper().sweep();
        assertThat(pool.stats().readConnections().borrowed()).isEqualTo(1);
        gate.open();
        assertThat(work.join()).isEqualTo(5);
        Pools.awaitIdle(pool);
        assertThat(pool.stats().closed().get(CloseReason.AGED)).isEqualTo(1);
    }

    @Test
    void aLaneThatDoesNotAnswerIsClosed() throws Exception {
        pools.filesMayStay();
        LanePool pool = open();
        openAll(pool);
        byte[] garbage = new byte[8192];
        java.util.Arrays.fill(garbage, (byte) 'x');
        Files.write(pools.file(), garbage); // the same file, and no database any more
        Files.write(pools.directory().resolve("test.db-wal"), new byte[0]);
        pass(Duration.ofDays(1));
        // As if idle limits were off: the lanes are looked at, not just closed for being idle.
        for (Lanes lanes : List.of(
                pool.parts().routes().lanesFor(LanePool.statement("DELETE FROM t")),
                pool.parts().routes().lanesFor(LanePool.statement("DELETE FROM t")))) {
            assertThat(lanes.access()).isEqualTo(Access.WRITE);
        }
        pool.parts().housekeeper().sweep();
        assertThat(pool.stats().live()).isZero();
    }

    @Test
    void aSweepAsksEachConnectionThatNobodyHasUsedOrAskedForTheInterval() {
        LanePool pool = openForGood();
        openAll(pool);
        pass(Duration.ofDays(1).minusNanos(1));
        pool.parts().housekeeper().sweep();
        assertThat(probes).hasValue(0);
        pool.query("SELECT 1", row -> row.getInt(1)).join();
        Pools.awaitIdle(pool);
        pass(Duration.ofNanos(1));
        pool.parts().housekeeper().sweep();
        assertThat(probes).hasValue(3);
        pass(Duration.ofDays(1).minusNanos(2));
        pool.parts().housekeeper().sweep();
        assertThat(probes).hasValue(3);
        pass(Duration.ofNanos(1));
        pool.parts().housekeeper().sweep();
        assertThat(probes).hasValue(4);
        assertThat(pool.stats().live()).isEqualTo(4);
    }

    @Test
    void aSweepClosesConnectionsThatDoNotAnswer() {
        LanePool pool = openForGood();
        openAll(pool);
        pass(Duration.ofDays(1));
        dead = true;
        pool.parts().housekeeper().sweep();
        assertThat(pool.stats().live()).isZero();
        assertThat(pool.stats().closed().get(CloseReason.STALE)).isEqualTo(4);
        assertThat(probes).hasValue(4);
    }

    @Test
    void aConnectionThatIsAskedWhileMemoryRunsOutIsNotKept() {
        LanePool pool = openForGood();
        openAll(pool);
        pass(Duration.ofDays(1));
        meanwhile = () -> {
            throw new OutOfMemoryError("by the test");
        };
        assertThatThrownBy(() -> pool.parts().housekeeper().sweep()).isInstanceOf(OutOfMemoryError.class);
        assertThat(pool.stats().live()).isEqualTo(3);
        assertThat(pool.stats().readConnections().borrowed()).isZero();
        assertThat(pool.stats().writeConnections().borrowed()).isZero();
    }

    @Test
    void aConnectionThatHasRestedLongerThanTheIntervalIsAskedBeforeItIsUsed() {
        LanePool pool = openForGood();
        pool.execute("CREATE TABLE t (x)").join();
        Pools.awaitIdle(pool);
        pass(Duration.ofDays(1));
        pool.execute("INSERT INTO t VALUES (1)").join();
        Pools.awaitIdle(pool);
        assertThat(probes).hasValue(0);
        pass(Duration.ofDays(1).plusNanos(1));
        pool.execute("INSERT INTO t VALUES (2)").join();
        Pools.awaitIdle(pool);
        assertThat(probes).hasValue(1);
        pass(Duration.ofDays(1).plusNanos(1));
        dead = true;
        assertThat(pool.execute("INSERT INTO t VALUES (3)").join()).isEqualTo(1);
        assertThat(pool.stats().closed().get(CloseReason.STALE)).isEqualTo(1);
    }

    /** All that rests does not answer: whoever is granted such a connection gets another one. */
    @Test
    void whoeverIsGrantedAConnectionThatDoesNotAnswerGetsAnother() {
        LanePool pool = openForGood();
        openAll(pool);
        pass(Duration.ofDays(2));
        dead = true;
        Lease lease = pool.acquire(Access.READ).join();
        assertThat(lease.run(c -> c.queryOne("SELECT 1", row -> row.getInt(1)).orElseThrow())
                        .join())
                .isEqualTo(1);
        lease.release().join();
        assertThat(Probe.of(pool.stream("SELECT 2", row -> row.getInt(1)), 9).awaitComplete())
                .containsExactly(2);
        pool.useConnection(c -> c.execute("INSERT INTO t VALUES (1)")).join();
        assertThat(pool.stats().closed().get(CloseReason.STALE)).isGreaterThanOrEqualTo(2);
    }

    private LanePool openRested() {
        LanePool pool = openForGood();
        openAll(pool);
        pass(Duration.ofDays(2));
        return pool;
    }

    /** Granted, but not handed over. */
    @Test
    void aRequestThatIsCancelledWhileItsConnectionIsAskedGivesItBack() {
        LanePool pool = openRested();
        Gate gate = new Gate();
        meanwhile = gate::pass;
        CompletableFuture<Lease> request = pool.acquire();
        gate.awaitReached();
        assertThat(request.completeExceptionally(new IllegalStateException("not any more")))
                .isTrue();
        assertThat(request.completeExceptionally(new IllegalStateException("nor now")))
                .isFalse();
        gate.open();
        Pools.awaitIdle(pool);
        assertThat(pool.stats().live()).isEqualTo(4);
    }

    @Test
    void aLeaseThatIsRevokedWhileItsConnectionIsAskedGivesItBack() {
        LanePool pool = openRested();
        Gate gate = new Gate();
        meanwhile = gate::pass;
        CompletableFuture<Lease> request = pool.acquire();
        gate.awaitReached();
        Waiter holder = pool.parts().readLanes().loans().keySet().iterator().next();
        assertThat(holder.revoke(ended -> new IllegalStateException("by the test")))
                .isNull();
        gate.open();
        Lease lease = request.join();
        Pools.awaitIdle(pool);
        assertThatThrownBy(() -> lease.run(c -> 1).join()).hasMessageContaining("by force: by the test");
    }

    /** Somebody comes while the sweep looks at the only write lane. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whoWaitsForAConnectionThatIsAskedGetsItOrAnother(boolean answers) {
        LanePool pool = openRested();
        dead = !answers;
        List<CompletableFuture<Long>> waiting = new ArrayList<>();
        meanwhile = () -> {
            if (pool.stats().writeConnections().borrowed() == 1 && waiting.isEmpty()) {
                waiting.add(pool.execute("INSERT INTO t VALUES (1)"));
                assertThat(pool.stats().waiting()).isEqualTo(1);
            }
        };
        pool.parts().housekeeper().sweep();
        Pools.await("it is done", () -> waiting.get(0).isDone());
        assertThat(waiting.get(0).join()).isEqualTo(1);
    }

    @Test
    void aPoolThatIsClosedWhileAConnectionIsAskedEnds() {
        LanePool pool = openRested();
        Gate gate = new Gate();
        meanwhile = () -> {
            if (pool.stats().writeConnections().borrowed() == 1) {
                gate.pass();
            }
        };
        CompletableFuture<Void> sweep = CompletableFuture.runAsync(pool.parts().housekeeper()::sweep);
        gate.awaitReached();
        CompletableFuture<Void> closed = pool.closeAsync();
        Pools.await("the others are closed", () -> pool.stats().live() == 1);
        assertThat(closed).isNotDone();
        gate.open();
        sweep.join();
        Pools.await("it is closed", closed::isDone);
    }

    @Test
    void aConnectionThatDoesNotAnswerIsUsedIfThePoolCanOpenNoOther() {
        LanePool pool = openRested();
        dead = true;
        Gate gate = new Gate();
        meanwhile = gate::pass;
        CompletableFuture<Long> last = pool.execute("INSERT INTO t VALUES (1)");
        gate.awaitReached();
        CompletableFuture<Void> closed = pool.closeAsync();
        gate.open();
        assertThat(last.join()).isEqualTo(1);
        closed.join();
    }

    @Test
    void aDatabaseInMemoryIsNotAsked() {
        LanePool pool = open(SqlitePoolBuilder::inMemory);
        dead = true;
        pool.execute("CREATE TABLE t (x)").join();
        Pools.awaitIdle(pool);
        pass(Duration.ofDays(2));
        pool.parts().housekeeper().sweep();
        assertThat(pool.execute("INSERT INTO t VALUES (1)").join()).isEqualTo(1);
        assertThat(probes).hasValue(0);
    }

    @Test
    void aConnectionThatCannotBeClosedIsLogged() {
        LanePool pool = openForGood();
        openAll(pool);
        pass(Duration.ofDays(1));
        dead = true;
        closeFails = true;
        pool.parts().housekeeper().sweep();
        assertThat(pool.stats().live()).isZero();
        assertThat(logged.warnings())
                .hasSize(4)
                .allMatch(warning -> warning.endsWith("a connection could not be closed"));
    }

    /** When the monitor looks by itself, in real time. */
    private static void assertLooksAfter(LanePool pool, Duration expected) {
        pool.parts().used();
        long latest = expected.toNanos();
        assertThat(pool.parts().means().workers().timer().getQueue())
                .extracting(planned -> ((Delayed) planned).getDelay(TimeUnit.NANOSECONDS))
                .anyMatch(delay -> delay <= latest && delay > latest - TimeUnit.MINUTES.toNanos(1));
    }

    @Test
    void theMonitorLooksOftenEnoughForEachLimit() {
        UnaryOperator<SqlitePoolBuilder> none = builder ->
                builder.databasePath(pools.file()).withoutMaxIdleTime().withoutMaxConnectionAge();
        Duration limit = Duration.ofHours(8);
        assertLooksAfter(open(none), Duration.ofDays(1));
        assertLooksAfter(open(b -> none.apply(b).maxIdleTime(limit)), limit.dividedBy(2));
        assertLooksAfter(open(b -> none.apply(b).maxConnectionAge(limit)), limit.dividedBy(2));
        assertLooksAfter(open(b -> none.apply(b).leakThreshold(limit)), limit.dividedBy(2));
        assertLooksAfter(open(b -> none.apply(b).maxReadAge(limit)), limit.dividedBy(4));
    }

    @Test
    void aCheckThatFailsIsLoggedAndTheNextOneComes() {
        AtomicBoolean broken = new AtomicBoolean();
        AtomicInteger looks = new AtomicInteger();
        Settings settings = Pools.settings(
                SqlitePool.builder().databasePath(pools.file()).healthCheckInterval(Duration.ofMillis(2)));
        LanePool pool = pools.track(
                new LanePool(
                        settings,
                        () -> {
                            looks.incrementAndGet();
                            if (broken.get()) {
                                throw new IllegalStateException("the clock of the test");
                            }
                            return System.nanoTime();
                        },
                        engine -> engine),
                settings.name());
        pool.parts().used();
        broken.set(true);
        Pools.await("two have failed", () -> logged.warnings().size() > 1);
        broken.set(false);
        assertThat(logged.warnings()).allMatch(warning -> warning.endsWith("a health check failed"));
        int before = looks.get();
        Pools.await("the next one comes", () -> looks.get() > before);
    }

    @Test
    void aReplacedFileIsNoticedAndTheNewOneUsed() throws Exception {
        LanePool pool = open();
        openAll(pool);
        Path other = pools.directory().resolve("other.db");
        try (SqlitePool maker = SqlitePool.open(other)) {
            maker.execute("CREATE TABLE fresh (x)").join();
        }
        for (String suffix : List.of("-wal", "-shm")) {
            Files.deleteIfExists(pools.directory().resolve("test.db" + suffix));
        }
        Files.move(other, pools.file(), StandardCopyOption.REPLACE_EXISTING);
        pool.parts().housekeeper().sweep();
        assertThat(logged.warnings()).singleElement().asString().contains("test.db has been replaced by another under");
        Pools.await("told", () -> events.contains("replaced test.db"));
        assertThat(pool.stats().closed().get(CloseReason.DATABASE_CHANGED)).isEqualTo(4);
        assertThat(pool.query("SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite%'", row -> row.getString(1))
                        .join())
                .containsExactly("fresh");
        pool.parts().housekeeper().sweep();
        assertThat(events.stream().filter(event -> event.startsWith("replaced")))
                .hasSize(1);
    }

    @Test
    void aVanishedFileIsAnErrorAndNotCreatedAnew() throws Exception {
        LanePool pool = open();
        openAll(pool);
        Path away = pools.directory().resolve("away.db");
        pool.connection(c -> c.query("PRAGMA wal_checkpoint(TRUNCATE)", row -> row.getInt(1)))
                .join();
        Pools.awaitIdle(pool);
        Files.move(pools.file(), away);
        pool.parts().housekeeper().sweep();
        assertThat(logged.warnings()).singleElement().asString().contains("test.db has vanished under");
        Pools.await("told", () -> events.contains("vanished test.db"));
        Pools.await("closed", () -> pool.stats().live() == 0);
        assertThatThrownBy(() -> pool.execute("INSERT INTO t VALUES (1)").join())
                .hasMessageContaining("vanished");
        assertThat(pools.file()).doesNotExist();
        Files.move(away, pools.file());
        assertThat(pool.execute("INSERT INTO t VALUES (1)").join()).isEqualTo(1);
    }

    /** SQLite remembers an interrupt until a statement begins, and the last close of all copies the log. */
    @Test
    void anInterruptedReaderThatIsTheLastToBeClosedRemovesTheLog() {
        LanePool pool = open();
        pool.execute("CREATE TABLE t (x)").join();
        pool.execute("INSERT INTO t VALUES (1)").join();
        Gate gate = new Gate();
        CompletableFuture<List<Boolean>> read = pool.query("SELECT x FROM t", row -> {
            gate.pass();
            return true;
        });
        gate.awaitReached();
        pass(Duration.ofMinutes(11));
        pool.parts().housekeeper().sweep(); // the writer is idle, and closed
        assertThat(pool.stats().live()).isEqualTo(1);
        read.cancel(false);
        gate.open();
        Pools.awaitIdle(pool);
        pool.close();
        assertThat(Path.of(pools.file() + "-wal")).doesNotExist();
    }

    @Test
    void aConnectionHeldForLongIsReportedOnceWithThePlace() {
        LanePool pool = open(builder -> builder.databasePath(pools.file()).leakThreshold(Duration.ofSeconds(10)));
        Gate gate = new Gate();
        CompletableFuture<Void> work = pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        pass(Duration.ofSeconds(10));
        pool.parts().housekeeper().sweep(); // as long as is allowed
        assertThat(logged.warnings()).isEmpty();
        pass(Duration.ofSeconds(1));
        pool.parts().housekeeper().sweep();
        assertThat(logged.warnings())
                .singleElement()
                .asString()
                .endsWith("a connection has been held for 11.0 s by \"HousekeepingTest\"");
        pool.parts().housekeeper().sweep();
        assertThat(logged.warnings()).hasSize(1);
        Pools.await("told", () -> events.contains("leak WRITE HousekeepingTest PT11S true"));
        assertThat(events).hasSize(1);
        gate.open();
        work.join();
    }

    @Test
    void aLeaseHeldForLongIsReportedWithThePlaceToo() {
        LanePool pool = open(builder -> builder.databasePath(pools.file()).leakThreshold(Duration.ofSeconds(10)));
        Lease reading = pool.acquire().join();
        Lease writing = pool.acquire().join();
        Gate gate = new Gate();
        CompletableFuture<Void> work = writing.run(c -> {
            c.execute("BEGIN");
            gate.pass();
            return null;
        });
        gate.awaitReached();
        pass(Duration.ofSeconds(11));
        pool.parts().housekeeper().sweep();
        Pools.await("told", () -> events.size() > 1);
        assertThat(events)
                .containsExactlyInAnyOrder("leak READ lease PT11S true", "leak WRITE HousekeepingTest PT11S true");
        gate.open();
        work.join();
        writing.release().join();
        reading.release().join();
    }

    @Test
    void theRealMonitorClosesIdleLanesByItself() {
        SqlitePool pool = pools.open(b -> b.maxIdleTime(Duration.ofMillis(20)));
        pool.execute("CREATE TABLE t (x)").join();
        Pools.await("closed without traffic", () -> pool.stats().live() == 0);
        assertThat(pool.stats().closed().get(CloseReason.IDLE)).isEqualTo(1);
        assertThat(pool.execute("INSERT INTO t VALUES (1)").join()).isEqualTo(1);
    }

    @Test
    void aListenerThatThrowsOrBlocksDisturbsNobody() {
        Gate gate = new Gate();
        SqlitePool pool = pools.open(b -> b.listener(new PoolListener() {
            @Override
            public void connectionOpened(Access access, Duration took) {
                if (access == Access.WRITE) {
                    gate.pass();
                }
                throw new IllegalStateException("listener's own");
            }
        }));
        pool.execute("CREATE TABLE t (x)").join();
        gate.awaitReached();
        for (int i = 0; i < 100; i++) {
            pool.query("SELECT * FROM t", row -> row.getInt(1)).join();
        }
        gate.open();
    }
}
