package dev.sqlitepool.internal.upkeep;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.Lease;
import dev.sqlitepool.PoolListener;
import dev.sqlitepool.RowCursor;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.pool.LanePool;
import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Logged;
import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.TestClock;
import java.sql.SQLTimeoutException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What {@code maxReadAge} ends in a lease, on a clock that the test moves: the work that reads too long, and nothing else. */
class ReadAgeTest {
    @RegisterExtension
    final Pools pools = new Pools();

    @RegisterExtension
    final Logged logged = new Logged();

    private final TestClock clock = new TestClock();
    private final List<String> told = new CopyOnWriteArrayList<>();
    private LanePool pool;
    private Lease lease;

    @BeforeEach
    void open() {
        Settings settings = Pools.settings(SqlitePool.builder()
                .databasePath(pools.file())
                .poolSize(4)
                .healthCheckInterval(Duration.ofDays(1)) // sweeps are made by the test
                .maxReadAge(Duration.ofHours(2))
                .listener(new PoolListener() {
                    @Override
                    public void readTooOld(String reader, Duration held, boolean ended) {
                        told.add(held + (ended ? " ended" : ""));
                    }
                }));
        pool = pools.track(new LanePool(settings, clock, engine -> engine), settings.name());
        pool.execute("CREATE TABLE t (x)").join();
        lease = pool.acquire().join();
        lease.run(c -> c.execute("INSERT INTO t VALUES (1)")).join(); // has moved, and gets another read lane
    }

    private CompletableFuture<Void> read(Gate gate) {
        CompletableFuture<Void> reads = lease.run(c -> {
            c.forEach("SELECT * FROM t", row -> gate.pass());
            return null;
        });
        gate.awaitReached();
        return reads;
    }

    private void sweepLater() {
        clock.pass(Duration.ofHours(3));
        pool.parts().housekeeper().sweep();
    }

    private static void assertTooOld(CompletableFuture<?> future) {
        assertThatThrownBy(future::join)
                .hasCauseInstanceOf(SQLTimeoutException.class)
                .hasMessageContaining("maxReadAge, 7200.0 s:");
    }

    @Test
    void aLeaseThatHasMovedAndReadsNothingHasNoAge() {
        lease.run(c -> c.query("SELECT * FROM t", row -> row.getInt(1))).join();
        sweepLater();
        assertThat(lease.run(c -> 1).join()).isEqualTo(1);
        lease.release().join();
    }

    @Test
    void aWorkThatReadsTooLongEndsAloneEvenIfItsLeaseHasMoved() {
        Gate gate = new Gate();
        CompletableFuture<Void> reads = read(gate);
        sweepLater();
        gate.open();
        assertTooOld(reads);
        assertThat(lease.run(c -> 1).join()).isEqualTo(1);
        lease.release().join();
    }

    @Test
    void aReadIsWarnedOfOnceAtHalfOfItsTimeAndEndedAtAllOfIt() {
        Gate gate = new Gate();
        CompletableFuture<Void> reads = read(gate);
        clock.pass(Duration.ofHours(1).minusNanos(1));
        pool.parts().housekeeper().sweep();
        assertThat(logged.warnings()).isEmpty();
        clock.pass(Duration.ofNanos(1));
        pool.parts().housekeeper().sweep();
        pool.parts().housekeeper().sweep();
        assertThat(logged.warnings()).singleElement().asString().endsWith("has read for 3600.0 s");
        clock.pass(Duration.ofHours(1).minusNanos(1));
        pool.parts().housekeeper().sweep();
        assertThat(logged.warnings()).hasSize(1);
        clock.pass(Duration.ofNanos(1));
        pool.parts().housekeeper().sweep();
        assertThat(logged.warnings()).hasSize(2);
        assertThat(logged.warnings().get(1)).endsWith("has read for 7200.0 s and is ended");
        gate.open();
        assertTooOld(reads);
        lease.release().join();
        Pools.await("the listener is told", () -> told.size() > 1);
        assertThat(told).containsExactly("PT1H", "PT2H ended");
    }

    /** Whoever writes the log may take his time; meanwhile the work that has read comes to its end. */
    @Test
    void theNextWorkIsNotEndedForTheOneBefore() {
        Gate first = new Gate();
        Gate second = new Gate();
        CompletableFuture<Void> reads = read(first);
        CompletableFuture<Integer> next = lease.run(c -> {
            second.pass();
            return 1;
        });
        Handler slow = new Handler() {
            @Override
            public void publish(LogRecord entry) {
                if (entry.getMessage().contains("is ended")) {
                    first.open();
                    second.awaitReached();
                }
            }

            @Override
            public void flush() {}

            @Override
            public void close() {}
        };
        Logger logger = Logger.getLogger("dev.sqlitepool");
        logger.addHandler(slow);
        try {
            sweepLater();
        } finally {
            logger.removeHandler(slow);
        }
        second.open();
        assertTooOld(reads);
        assertThat(next.join()).isEqualTo(1);
        lease.release().join();
    }

    /** What an interrupt may have struck is closed with the work. */
    @Test
    void aCursorThatIsClosedAfterACancelReadsNoMore() {
        RowCursor<Integer> cursor = lease.<RowCursor<Integer>>run(
                        c -> c.cursor("SELECT x FROM t", row -> row.getInt(1)))
                .join();
        assertThat(lease.run(c -> cursor.read(1, row -> {})).join()).isTrue();
        Gate gate = new Gate();
        CompletableFuture<Void> cancelled = lease.run(c -> {
            gate.pass();
            return null;
        });
        gate.awaitReached();
        assertThat(cancelled.cancel(true)).isTrue();
        gate.open();
        assertThat(lease.run(c -> 1).join()).isEqualTo(1);
        sweepLater();
        assertThat(lease.run(c -> 1).join()).isEqualTo(1);
        lease.release().join();
    }
}
