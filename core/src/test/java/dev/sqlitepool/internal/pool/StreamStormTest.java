package dev.sqlitepool.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sqlitepool.PoolClosedException;
import dev.sqlitepool.PoolExhaustedException;
import dev.sqlitepool.PoolStats;
import dev.sqlitepool.PoolTimeoutException;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Logged;
import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.Probe;
import dev.sqlitepool.testing.Sql;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.SQLTimeoutException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Many streams at once, with random demand, cancels from everywhere, errors and pools that are closed in the middle. */
@Tag("slow")
class StreamStormTest {
    private static final int STREAMS = Integer.getInteger("sqlitepool.storm.streams", 20_000);
    private static final long SEED = Long.getLong("sqlitepool.storm.seed", new Random().nextLong());
    private static final int THREADS = 4;
    private static final int ROUNDS = 8;

    @RegisterExtension
    final Logged logged = new Logged("the subscriber of");

    @RegisterExtension
    final Pools pools = new Pools();

    private final Map<String, LongAdder> outcomes = new ConcurrentHashMap<>();

    /** Asks, cancels and throws at random, from inside its signals; and counts. */
    private static final class Wild extends Probe<Long> {
        private final Random random;
        private final boolean greedy;
        private volatile boolean gaveUp;

        Wild(Random random, boolean greedy) {
            super(greedy ? 1 + random.nextInt(50) : random.nextInt(4));
            this.random = random;
            this.greedy = greedy;
        }

        void giveUp() {
            gaveUp = true;
            subscription().cancel();
        }

        @Override
        protected void next(Long row) {
            if (greedy) {
                subscription().request(1 + random.nextInt(3));
                return;
            }
            switch (random.nextInt(60)) {
                case 0:
                    giveUp();
                    break;
                case 1:
                    gaveUp = true;
                    throw new IllegalStateException("a storm: this subscriber fails");
                case 2:
                    subscription().request(-1);
                    break;
                case 3:
                    if (random.nextInt(20) == 0) {
                        break; // waits for a demand from outside
                    }
                    Thread.yield();
                    subscription().request(1);
                    break;
                default:
                    subscription().request(random.nextInt(20) == 0 ? Long.MAX_VALUE : 1 + random.nextInt(5));
            }
        }
    }

    @Test
    @Timeout(value = 15, unit = TimeUnit.MINUTES)
    void everyStreamEndsAndEveryLaneComesBack() throws Exception {
        System.out.println("storm of " + STREAMS + " streams, seed " + SEED);
        ExecutorService users = Executors.newFixedThreadPool(3);
        try {
            for (int round = 0; round < ROUNDS; round++) {
                storm(round, users);
            }
        } finally {
            users.shutdown();
        }
        System.out.println("storm: " + new TreeMap<>(outcomes));
    }

    private void storm(int round, ExecutorService users) throws Exception {
        SqlitePool pool = pools.build(settings(round, users));
        List<Wild> all = Collections.synchronizedList(new ArrayList<>());
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < THREADS; i++) {
            Random random = new Random(SEED + round * 100L + i);
            Thread thread = new Thread(() -> {
                for (int n = 0; n < STREAMS / ROUNDS / THREADS; n++) {
                    all.add(subscribe(pool, random));
                    if (random.nextBoolean()) {
                        Wild other = all.get(random.nextInt(all.size()));
                        if (random.nextInt(3) == 0) {
                            other.giveUp();
                        } else {
                            other.subscription().request(1 + random.nextInt(3));
                        }
                    }
                    Pools.await("room in the queue", () -> pool.stats().waiting() < 400);
                }
            });
            thread.start();
            threads.add(thread);
        }
        if (round % 4 == 3) {
            Pools.await("half way", () -> all.size() > STREAMS / ROUNDS / 2);
            pool.closeAsync();
        }
        for (Thread thread : threads) {
            thread.join();
        }
        for (Wild probe : all) {
            probe.subscription().request(Long.MAX_VALUE);
        }
        Pools.await("every stream has ended", () -> all.stream().allMatch(probe -> probe.isDone() || probe.gaveUp));
        all.forEach(this::judge);
        Pools.awaitIdle(pool);
        pool.close();
        PoolStats stats = pool.stats();
        assertThat(stats.live()).isZero();
        assertThat(stats.opened())
                .isEqualTo(stats.closed().values().stream().mapToLong(n -> n).sum());
    }

    private SqlitePoolBuilder settings(int round, ExecutorService users) {
        AtomicInteger opens = new AtomicInteger();
        SqlitePoolBuilder builder = SqlitePool.builder()
                .poolSize(1 + round % 5)
                .maxWaiters(500)
                .acquireTimeout(Duration.ofMillis(500))
                .statementTimeout(Duration.ofMillis(50))
                .maxIdleTime(Duration.ofMillis(5))
                .maxConnectionAge(Duration.ofMillis(100))
                .closeGrace(Duration.ofMillis(round % 3 * 20))
                .connectionFactory(access -> {
                    if (opens.incrementAndGet() % 17 == 3) {
                        throw new SQLException("a storm: this opening fails");
                    }
                    return DriverManager.getConnection("jdbc:sqlite:" + pools.file());
                });
        return round % 2 == 0 ? builder : builder.executor(users);
    }

    private static Wild subscribe(SqlitePool pool, Random random) {
        int failAt = random.nextInt(10) == 0 ? 1 + random.nextInt(50) : -1;
        boolean endless = random.nextInt(200) == 0;
        Flow.Publisher<Long> rows = pool.stream(
                endless
                        ? Sql.ENDLESS
                        : "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100) SELECT i FROM n",
                row -> {
                    if (row.getLong(1) == failAt) {
                        throw new SQLException("a storm: this mapper fails");
                    }
                    return row.getLong(1);
                });
        Wild probe = new Wild(new Random(random.nextLong()), random.nextInt(3) != 0);
        rows.subscribe(probe);
        return probe;
    }

    private void judge(Wild probe) {
        List<Long> rows = probe.rows(); // serial, and none after the last
        for (int i = 0; i < rows.size(); i++) {
            assertThat(rows.get(i)).isEqualTo(i + 1);
        }
        Throwable error = probe.error();
        outcomes.computeIfAbsent(
                        error != null ? error.getClass().getSimpleName() : probe.isDone() ? "complete" : "cancelled",
                        key -> new LongAdder())
                .increment();
        if (error == null) {
            assertThat(probe.isDone() && !probe.gaveUp ? rows.size() : 100).isEqualTo(100);
            return;
        }
        assertThat(error instanceof PoolTimeoutException
                        || error instanceof PoolExhaustedException
                        || error instanceof PoolClosedException
                        || error instanceof SQLTimeoutException
                        || error instanceof IllegalArgumentException
                        || String.valueOf(error.getMessage()).contains("storm"))
                .as("%s", error)
                .isTrue();
    }

    /** What ends readers that are too old goes this way. */
    @Test
    void whoHoldsALaneCanBeEndedByThePool() {
        LanePool pool = (LanePool) pools.open();
        String numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
        Gate gate = new Gate();
        Probe<Long> idle = Probe.of(pool.stream(numbers, row -> row.getLong(1)), 1);
        Probe<Long> running = Probe.of(pool.stream(Sql.ENDLESS, row -> row.getLong(1)), 1);
        Probe<Long> blocked = new Probe<>(5) {
            @Override
            protected void next(Long row) {
                gate.pass();
            }
        };
        pool.stream(numbers, row -> row.getLong(1)).subscribe(blocked);
        idle.awaitRows(1);
        gate.awaitReached();
        Pools.await("all hold a lane", () -> pool.parts().readLanes().loans().size() == 3);
        SQLException reason = new SQLException("too old");
        pool.parts().readLanes().loans().keySet().forEach(holder -> assertThat(holder.revoke(ended -> reason))
                .isNull());
        assertThat(idle.awaitError()).isSameAs(reason);
        assertThat(running.awaitError()).isSameAs(reason);
        Pools.awaitIdle(pool); // not kept by the subscriber that blocks
        CompletableFuture<Long> write = pool.execute("CREATE TABLE t (x)");
        assertThat(write.join()).isZero();
        gate.open();
        assertThat(blocked.awaitError()).isSameAs(reason);
        assertThat(blocked.rows()).containsExactly(1L);
    }
}
