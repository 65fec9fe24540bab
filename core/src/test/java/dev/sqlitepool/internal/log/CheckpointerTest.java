package dev.sqlitepool.internal.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.Durability;
import dev.sqlitepool.PoolListener;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.PoolTimeoutException;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.dispatch.Lanes;
import dev.sqlitepool.internal.pool.LanePool;
import dev.sqlitepool.testing.Engines;
import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Logged;
import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.TestClock;
import java.io.File;
import java.io.SyncFailedException;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.sqlite.SQLiteErrorCode;
import org.sqlite.SQLiteException;

/** When a pass begins and how long a writer waits at the limit, on a clock that the test moves. */
class CheckpointerTest {
    private static final int LIMIT = 1 << 18;
    private static final byte[] PAGE = new byte[3_000];

    @RegisterExtension
    final Pools pools = new Pools();

    @RegisterExtension
    final Logged logged = new Logged();

    private final TestClock clock = new TestClock();
    private final List<String> events = new CopyOnWriteArrayList<>();
    private final AtomicInteger copies = new AtomicInteger();
    private final AtomicInteger timeouts = new AtomicInteger();
    private volatile Exception failing;

    private final Engines engines = new Engines().around("checkpoint", call -> {
        if (!(Boolean) call.argument(0)) {
            copies.incrementAndGet();
            Exception error = failing;
            if (error != null) {
                throw error;
            }
        }
        return call.proceed();
    });

    private final AtomicInteger optimized = engines.calls("optimize");
    private final AtomicInteger opened = engines.opened();
    private final AtomicInteger closed = engines.calls("close");

    private LanePool open(UnaryOperator<SqlitePoolBuilder> changes) {
        Settings settings = Pools.settings(changes.apply(SqlitePool.builder()
                .databasePath(pools.file())
                .poolSize(3)
                .walSizeLimit(LIMIT)
                .durability(Durability.NORMAL)
                .healthCheckInterval(Duration.ofDays(30))
                .withoutMaxConnectionAge()
                .withoutMaxIdleTime()
                .listener(new PoolListener() {
                    @Override
                    public void walLimitReached(long walSize, String reader, Duration held) {
                        events.add(reader + (walSize > LIMIT) + (held.toHours() > 0));
                    }

                    @Override
                    public void acquireTimedOut(PoolTimeoutException error) {
                        timeouts.incrementAndGet();
                    }
                })));
        return pools.track(new LanePool(settings, clock, engines), settings.name());
    }

    private void pass(Duration time) {
        clock.pass(time);
    }

    /** Each in a transaction of its own, at a moment of its own. */
    private void write(SqlitePool pool, int pages) {
        for (int i = 0; i < pages; i++) {
            pass(Duration.ofMillis(2));
            pool.useTransaction(tx -> tx.execute("INSERT INTO t VALUES (?)", (Object) PAGE))
                    .join();
        }
    }

    private File logFile() {
        return new File(pools.file() + "-wal");
    }

    private LanePool openWithTable() {
        LanePool pool = open(b -> b);
        pool.execute("CREATE TABLE t (x)").join();
        return pool;
    }

    /** Holds a snapshot that keeps the log, which grows to its limit. */
    private CompletableFuture<Void> readAndFill(LanePool pool, Gate gate) {
        CompletableFuture<Void> reader = pool.useRead(c -> {
            c.query("SELECT count(*) FROM t", row -> row.getLong(1));
            gate.pass();
        });
        gate.awaitReached();
        while (logFile().length() <= LIMIT) {
            write(pool, 1);
        }
        pass(Duration.ofMillis(2)); // and who comes next looks at its size
        return reader;
    }

    @Test
    void aLogThatIsSmallIsLeftAlone() {
        LanePool pool = openWithTable();
        write(pool, 4);
        assertThat(copies).hasValue(0);
        assertThat(pool.stats().checkpoints()).isZero();
        assertThat(pool.stats().walSize()).isBetween(4 * 4_096L, LIMIT / 4L);
    }

    @Test
    void aLogOfAQuarterOfItsLimitIsCopiedAndBegunAnew() {
        LanePool pool = openWithTable();
        write(pool, 60);
        assertThat(copies.get()).isBetween(2, 20);
        assertThat(pool.stats().checkpoints()).isEqualTo(copies.get());
        assertThat(pool.stats().walSize()).isLessThan(LIMIT / 2);
        assertThat(pool.query("SELECT count(*) FROM t", row -> row.getInt(1)).join())
                .containsExactly(60);
    }

    @Test
    void aReaderThatKeepsTheLogCostsACopyForEachQuarterOfTheLimit() {
        LanePool pool = openWithTable();
        Gate gate = new Gate();
        CompletableFuture<Void> reader = readAndFill(pool, gate);
        assertThat(copies.get()).isBetween(2, 4);
        gate.open();
        reader.join();
    }

    @Test
    void afterACopyThatFailedNoneIsTriedForAWhile() {
        LanePool pool = open(b -> b.walSizeLimit(1 << 20));
        pool.execute("CREATE TABLE t (x)").join();
        pool.query("SELECT 1", row -> row.getInt(1))
                .join(); // opens a lane, and the log stays when the write lane is replaced
        String grow = "INSERT INTO t VALUES (zeroblob(300000))";
        pool.execute(grow).join();
        failing = brokenDisk();
        write(pool, 1);
        assertThat(copies).hasValue(1);
        awaitReplacement(pool);
        pool.execute(grow).join();
        pass(Duration.ofMillis(9_900)); // twice five seconds, after one failure
        write(pool, 1);
        assertThat(copies).hasValue(1);
        pass(Duration.ofMillis(100));
        write(pool, 1);
        assertThat(copies).hasValue(2);
        assertThat(logged.warnings()).singleElement().asString().contains("a checkpoint failed");
        assertThat(pool.stats().checkpoints()).isZero();
        failing = null;
        pool.execute(grow).join();
        pass(Duration.ofMinutes(6));
        write(pool, 1);
        assertThat(copies).hasValue(3);
        assertThat(pool.stats().checkpoints()).isEqualTo(1);
        failing = brokenDisk();
        for (int i = 0; i < 8 && copies.get() == 3; i++) { // first over what the log had before it began anew
            pass(Duration.ofMillis(2));
            pool.execute(grow).exceptionally(refused -> 0L).join();
        }
        assertThat(logged.warnings()).as("the first after a success").hasSize(2);
    }

    private static void awaitReplacement(SqlitePool pool) {
        Pools.await("replaced", () -> pool.stats().closed().get(CloseReason.DISCARDED) == 1);
    }

    private static Exception brokenDisk() {
        return new SQLiteException("disk I/O error", SQLiteErrorCode.SQLITE_IOERR);
    }

    private static List<Exception> errorsOfADisk() {
        return List.of(brokenDisk(), new SyncFailedException("the sync failed"));
    }

    @ParameterizedTest
    @MethodSource("errorsOfADisk")
    void atTheLimitNothingIsWrittenIfTheCopyFailsAndTheConnectionIsReplaced(Exception error) {
        LanePool pool = openWithTable();
        Gate gate = new Gate();
        CompletableFuture<Void> reader = readAndFill(pool, gate);
        int written = copies.get();
        long rows = count(pool);
        failing = error;
        assertThatThrownBy(pool.execute("INSERT INTO t VALUES (?)", (Object) PAGE)::join)
                .hasCauseInstanceOf(SQLException.class);
        assertThat(copies.get()).isGreaterThan(written);
        awaitReplacement(pool);
        failing = null;
        gate.open();
        reader.join();
        write(pool, 1);
        assertThat(count(pool)).isEqualTo(rows + 1);
    }

    private static long count(SqlitePool pool) {
        return pool.queryOne("SELECT count(*) FROM t", row -> row.getLong(1))
                .join()
                .orElseThrow();
    }

    @Test
    void atTheLimitAWriterWaitsIsToldOfAndTimesOut() {
        LanePool pool = openWithTable();
        Gate gate = new Gate();
        CompletableFuture<Void> reader = readAndFill(pool, gate);
        CompletableFuture<Void> writer =
                pool.useTransaction(tx -> tx.execute("INSERT INTO t VALUES (?)", (Object) PAGE));
        Pools.await("it waits", () -> pool.stats().writeConnections().borrowed() == 1);
        assertThat(events).isEmpty();
        Pools.await("it has waited for too long", () -> {
            pass(Duration.ofHours(1));
            return writer.isDone();
        });
        assertThatThrownBy(writer::join)
                .hasCauseInstanceOf(PoolTimeoutException.class)
                .hasMessageContaining("\"CheckpointerTest\" could not write within")
                .hasMessageContaining("past \"CheckpointerTest\", which has read for PT");
        assertThat(pool.stats().timeouts()).isEqualTo(1);
        Pools.await("the listener is told", () -> timeouts.get() == 1);
        gate.open();
        reader.join();
        write(pool, 1);
        assertThat(pool.stats().walSize()).isLessThan(LIMIT / 4);
    }

    @Test
    void thatWritersWaitIsToldAfterAQuarterOfASecondAndLoggedOnceAMinute() {
        LanePool pool = openWithTable();
        Gate gate = new Gate();
        CompletableFuture<Void> reader = readAndFill(pool, gate);
        for (int i = 1; i <= 2; i++) {
            int told = i;
            CompletableFuture<Long> writer = pool.execute("INSERT INTO t VALUES (?)", (Object) PAGE);
            Pools.await("it waits", () -> pool.stats().writeConnections().borrowed() == 1);
            Pools.await("told", () -> {
                pass(Duration.ofMillis(1));
                return events.size() == told;
            });
            assertThat(writer.cancel(true)).isTrue();
            Pools.await(
                    "the lane is back", () -> pool.stats().writeConnections().borrowed() == 0);
        }
        assertThat(events).containsOnly("CheckpointerTesttruefalse");
        assertThat(logged.warnings())
                .singleElement()
                .asString()
                .contains("cannot shrink past \"CheckpointerTest\", which has read for");
        gate.open();
        reader.join();
    }

    // ---- beside the writers

    /** A log that is worth a pass, and not yet one for a writer. */
    private LanePool openWithLog() {
        LanePool pool = open(b -> b.walSizeLimit(1 << 22));
        pool.execute("CREATE TABLE t (x)").join();
        write(pool, 80);
        Pools.awaitIdle(pool);
        assertThat(pool.stats().walSize()).isGreaterThan(1 << 18);
        assertThat(copies).hasValue(0);
        return pool;
    }

    /** As the timer does, at a moment when nobody has written for five seconds, or for less; and until no pass runs any more. */
    private void look(LanePool pool, long millis) {
        pass(Duration.ofMillis(millis));
        pool.parts().quietPass().look();
        Pools.await("the pass is over", () -> !pool.parts().quietPass().isRunning());
    }

    @Test
    void aLogIsCopiedWhenNobodyHasWrittenForAWhile() {
        LanePool pool = openWithLog();
        int lanes = opened.get();
        look(pool, 4_990);
        assertThat(opened).hasValue(lanes);
        look(pool, 10);
        assertThat(closed).as("the connection for it is closed").hasValue(1);
        assertThat(opened).hasValue(lanes + 1);
        assertThat(copies).hasValue(1);
        assertThat(pool.stats().checkpoints()).isEqualTo(1);
        look(pool, 60_000);
        write(pool, 1);
        assertThat(copies).as("nothing was written meanwhile").hasValue(1);
        look(pool, 5_000);
        assertThat(copies).hasValue(2);
        assertThat(closed).hasValue(2);
    }

    @Test
    void aSmallLogIsNotWorthAConnection() {
        LanePool pool = openWithTable();
        write(pool, 4);
        int lanes = opened.get();
        look(pool, 5_000);
        write(pool, 1);
        look(pool, 5_000);
        assertThat(opened).hasValue(lanes);
        assertThat(copies).hasValue(0);
    }

    @Test
    void whatTheWriteLaneCopiesWhenItClosesIsNotWorthAConnectionEither() {
        LanePool pool = openWithLog();
        Lanes writers = pool.parts().writeLanes();
        pool.query("SELECT 1", row -> row.getInt(1)).join(); // holds the log
        writers.closeBorrowed(writers.borrowIdle(lane -> true), CloseReason.IDLE);
        int lanes = opened.get();
        look(pool, 5_000);
        pool.query("SELECT 1", row -> row.getInt(1)).join();
        assertThat(opened).hasValue(lanes);
    }

    @Test
    void whatAReaderStillUsesIsCopiedWhenItHasEnded() {
        LanePool pool = openWithLog();
        Gate gate = new Gate();
        CompletableFuture<Void> reader = pool.useRead(c -> {
            c.query("SELECT count(*) FROM t", row -> row.getLong(1));
            gate.pass();
        });
        gate.awaitReached();
        write(pool, 1);
        look(pool, 5_000);
        assertThat(pool.stats().checkpoints()).isEqualTo(1);
        assertThat(closed).as("there is more to copy").hasValue(0);
        gate.open();
        reader.join();
        Pools.awaitIdle(pool);
        look(pool, 5_000);
        assertThat(pool.stats().checkpoints()).isEqualTo(2);
        assertThat(closed).hasValue(1);
        look(pool, 5_000);
        assertThat(copies).hasValue(2);
    }

    @Test
    void afterAPassThatFailedTheNextComesLater() {
        LanePool pool = openWithLog();
        failing = brokenDisk();
        look(pool, 5_000);
        assertThat(closed).hasValue(1);
        assertThat(logged.warnings()).singleElement().asString().contains("a checkpoint failed");
        failing = null;
        look(pool, 9_900);
        int lanes = opened.get();
        assertThat(copies).hasValue(1);
        look(pool, 200);
        assertThat(closed).hasValue(2);
        assertThat(opened).hasValue(lanes + 1);
        assertThat(pool.stats().checkpoints()).isEqualTo(1);
    }

    @Test
    void forAnExternalCheckpointerAConnectionStaysOpenUntilTheEnd() {
        LanePool pool = open(SqlitePoolBuilder::externalCheckpointer);
        pool.execute("CREATE TABLE t (x)").join();
        Pools.await("open", () -> opened.get() == 2);
        write(pool, 100);
        look(pool, 60_000);
        write(pool, 1);
        assertThat(opened).hasValue(2);
        assertThat(closed).hasValue(0);
        assertThat(copies).hasValue(0);
        pool.close();
        assertThat(closed).hasValue(2);
        pools.filesMayStay();
    }

    @Test
    void theStatisticsAreBroughtUpToDateEveryFewHoursAndAtTheEndIfAnybodyHasWritten() {
        LanePool pool = open(b -> b);
        pool.query("SELECT 1", row -> row.getInt(1)).join();
        pass(Duration.ofHours(5));
        pool.parts().housekeeper().sweep();
        assertThat(optimized).hasValue(0);
        pool.execute("CREATE TABLE t (x)").join();
        Pools.awaitIdle(pool);
        pool.parts().housekeeper().sweep();
        assertThat(optimized).hasValue(1);
        pass(Duration.ofHours(3));
        pool.parts().housekeeper().sweep();
        assertThat(optimized).hasValue(1);
        pass(Duration.ofHours(1));
        pool.parts().housekeeper().sweep();
        assertThat(optimized).hasValue(2);
        pool.close();
        assertThat(optimized).hasValue(3);
    }
}
