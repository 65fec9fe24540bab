package dev.sqlitepool.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.Access;
import dev.sqlitepool.Durability;
import dev.sqlitepool.Gate;
import dev.sqlitepool.PoolListener;
import dev.sqlitepool.PoolStats;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.Pools;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import dev.sqlitepool.internal.Settings;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The health monitor, on a clock that the test moves. */
class HousekeepingTest {
    @RegisterExtension
    final Pools pools = new Pools();

    private final AtomicLong clock =
            new AtomicLong(Long.MAX_VALUE - TimeUnit.MINUTES.toNanos(1)); // passes the overflow
    private final List<String> events = Collections.synchronizedList(new ArrayList<>());

    private LanePool open(Duration leakThreshold) {
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
        SqlitePoolBuilder builder = SqlitePool.builder()
                .databasePath(pools.file())
                .poolSize(4)
                .healthCheckInterval(Duration.ofDays(1)) // sweeps are made by the test
                .durability(Durability.NORMAL)
                .listener(listener);
        if (leakThreshold != null) {
            builder.leakThreshold(leakThreshold);
        }
        Settings settings = Pools.settings(builder);
        return pools.track(new LanePool(settings, clock::get, engine -> engine), settings.name());
    }

    private void pass(Duration time) {
        clock.addAndGet(time.toNanos());
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
        LanePool pool = open(null);
        openAll(pool);
        pass(Duration.ofMinutes(9));
        pool.housekeeper().sweep();
        assertThat(pool.stats().live()).isEqualTo(4);
        pool.query("SELECT 1", row -> row.getInt(1)).join(); // one of them is used again
        pass(Duration.ofMinutes(2));
        pool.housekeeper().sweep();
        PoolStats stats = pool.stats();
        assertThat(stats.live()).isEqualTo(1);
        assertThat(stats.closed().get(CloseReason.IDLE)).isEqualTo(3);
    }

    @Test
    void agedLanesAreReplacedSpreadOverTheLastTenthOfTheirAge() {
        LanePool pool = open(null);
        openAll(pool);
        for (int i = 0; i < 60; i++) {
            openAll(pool); // in use all the time, so never idle for long
            pass(Duration.ofMinutes(1));
            pool.housekeeper().sweep();
            if (i < 53) {
                assertThat(pool.stats().closed().get(CloseReason.AGED)).isZero();
            }
        }
        assertThat(pool.stats().closed().get(CloseReason.AGED)).isEqualTo(4);
        assertThat(pool.stats().closed().get(CloseReason.IDLE)).isZero();
    }

    @Test
    void aLaneInUseIsNeverClosedButWhenItComesBack() {
        LanePool pool = open(null);
        Gate gate = new Gate();
        CompletableFuture<Integer> work = pool.read(c -> {
            gate.pass();
            return c.queryOne("SELECT 5", row -> row.getInt(1)).orElseThrow();
        });
        gate.awaitReached();
        pass(Duration.ofHours(2));
        pool.housekeeper().sweep();
        assertThat(pool.stats().readLanes().borrowed()).isEqualTo(1);
        gate.open();
        assertThat(work.join()).isEqualTo(5);
        Pools.awaitIdle(pool);
        assertThat(pool.stats().closed().get(CloseReason.AGED)).isEqualTo(1);
    }

    @Test
    void aLaneThatDoesNotAnswerIsClosed() throws Exception {
        pools.filesMayStay();
        LanePool pool = open(null);
        openAll(pool);
        byte[] garbage = new byte[8192];
        java.util.Arrays.fill(garbage, (byte) 'x');
        Files.write(pools.file(), garbage); // the same file, and no database any more
        Files.write(pools.directory().resolve("test.db-wal"), new byte[0]);
        pass(Duration.ofDays(1));
        // As if idle limits were off: the lanes are looked at, not just closed for being idle.
        for (Lanes lanes : List.of(
                pool.lanesFor(pool.statement("DELETE FROM t")), pool.lanesFor(pool.statement("DELETE FROM t")))) {
            assertThat(lanes.access()).isEqualTo(Access.WRITE);
        }
        pool.housekeeper().sweep();
        assertThat(pool.stats().live()).isZero();
    }

    @Test
    void aReplacedFileIsNoticedAndTheNewOneUsed() throws Exception {
        LanePool pool = open(null);
        openAll(pool);
        Path other = pools.directory().resolve("other.db");
        try (SqlitePool maker = SqlitePool.open(other)) {
            maker.execute("CREATE TABLE fresh (x)").join();
        }
        for (String suffix : List.of("-wal", "-shm")) {
            Files.deleteIfExists(pools.directory().resolve("test.db" + suffix));
        }
        Files.move(other, pools.file(), StandardCopyOption.REPLACE_EXISTING);
        pool.housekeeper().sweep();
        Pools.await("told", () -> events.contains("replaced test.db"));
        assertThat(pool.stats().closed().get(CloseReason.DATABASE_CHANGED)).isEqualTo(4);
        assertThat(pool.query("SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite%'", row -> row.getString(1))
                        .join())
                .containsExactly("fresh");
        pool.housekeeper().sweep();
        assertThat(events.stream().filter(event -> event.startsWith("replaced")))
                .hasSize(1);
    }

    @Test
    void aVanishedFileIsAnErrorAndNotCreatedAnew() throws Exception {
        LanePool pool = open(null);
        openAll(pool);
        Path away = pools.directory().resolve("away.db");
        pool.connection(c -> c.query("PRAGMA wal_checkpoint(TRUNCATE)", row -> row.getInt(1)))
                .join();
        Pools.awaitIdle(pool);
        Files.move(pools.file(), away);
        pool.housekeeper().sweep();
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
        LanePool pool = open(null);
        pool.execute("CREATE TABLE t (x)").join();
        pool.execute("INSERT INTO t VALUES (1)").join();
        Gate gate = new Gate();
        CompletableFuture<List<Boolean>> read = pool.query("SELECT x FROM t", row -> {
            gate.pass();
            return true;
        });
        gate.awaitReached();
        pass(Duration.ofMinutes(11));
        pool.housekeeper().sweep(); // the writer is idle, and closed
        assertThat(pool.stats().live()).isEqualTo(1);
        read.cancel(false);
        gate.open();
        Pools.awaitIdle(pool);
        pool.close();
        assertThat(Path.of(pools.file() + "-wal")).doesNotExist();
    }

    @Test
    void aConnectionHeldForLongIsReportedOnceWithThePlace() {
        LanePool pool = open(Duration.ofSeconds(10));
        Gate gate = new Gate();
        CompletableFuture<Void> work = pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        pass(Duration.ofSeconds(11));
        pool.housekeeper().sweep();
        pool.housekeeper().sweep();
        Pools.await("told", () -> events.contains("leak WRITE HousekeepingTest PT11S true"));
        assertThat(events).hasSize(1);
        gate.open();
        work.join();
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
