package dev.sqlitepool.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sqlitepool.Durability;
import dev.sqlitepool.Lease;
import dev.sqlitepool.PoolClosedException;
import dev.sqlitepool.PoolExhaustedException;
import dev.sqlitepool.PoolStats;
import dev.sqlitepool.PoolTimeoutException;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.testing.Pools;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.SQLTimeoutException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.LongAdder;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Many threads do everything at once that may go wrong, at random: cancels, timeouts, openings that fail, work that throws, lanes that
 * break, leases, streams, and pools that are closed in the middle. In the end every future is completed, acknowledged rows are there, in
 * the order of their submission, and others are not, each stream was one snapshot, and at every observation the lanes add up.
 *
 * <p>A greater one: {@code -Dsqlitepool.storm.tasks=10000000 -Djunit.jupiter.execution.timeout.mode=disabled}.
 */
@Tag("slow")
class StormTest {
    private static final int TASKS = Integer.getInteger("sqlitepool.storm.tasks", 200_000);
    private static final long SEED = Long.getLong("sqlitepool.storm.seed", new Random().nextLong());
    private static final int THREADS = 4;
    private static final int TASKS_OF_A_POOL = 25_000;
    private static final int POOLS = Math.max(8, TASKS / TASKS_OF_A_POOL);

    @RegisterExtension
    final Pools pools = new Pools();

    private final LongAdder submitted = new LongAdder();
    private final LongAdder finished = new LongAdder();
    private final LongAdder inOrder = new LongAdder();
    private final Map<String, LongAdder> outcomes = new ConcurrentHashMap<>();
    private final AtomicReference<Throwable> wrong = new AtomicReference<>();

    @Test
    @Timeout(value = 15, unit = TimeUnit.MINUTES)
    void nothingIsLostInAStorm() throws Exception {
        System.out.println("storm of " + TASKS + " tasks, seed " + SEED);
        long began = System.nanoTime();
        for (int round = 0; round < POOLS; round++) {
            storm(new Random(SEED + round), TASKS / POOLS, round);
            System.out.printf(
                    "storm: %,d tasks in %d s, %,d rows acknowledged and in order%n",
                    finished.sum(), (System.nanoTime() - began) / 1_000_000_000, inOrder.sum());
        }
        System.out.println("storm: " + new TreeMap<>(outcomes));
        assertThat(outcomes).containsKeys("stream: value", "stream: cancelled");
        assertThat(submitted.sum()).isGreaterThanOrEqualTo(TASKS / POOLS * POOLS);
        assertThat(finished.sum()).isEqualTo(submitted.sum());
    }

    private void storm(Random random, int tasks, int round) throws Exception {
        AtomicInteger opens = new AtomicInteger();
        int poolSize = 1 + round % 5;
        SqlitePool pool = pools.build(SqlitePool.builder()
                .poolSize(poolSize)
                .maxWaiters(500)
                .acquireTimeout(Duration.ofMillis(round % 2 == 0 ? 40 : 200))
                .statementTimeout(Duration.ofMillis(500))
                .maxIdleTime(Duration.ofMillis(5))
                .maxConnectionAge(Duration.ofMillis(200))
                .closeGrace(Duration.ofMillis(round % 2 * 20))
                .durability(round % 2 == 0 ? Durability.FULL : Durability.NORMAL)
                .connectionFactory(access -> {
                    if (opens.incrementAndGet() % 7 == 3) {
                        throw new SQLException("a storm: this opening fails");
                    }
                    return DriverManager.getConnection("jdbc:sqlite:" + pools.file());
                }));
        while (true) {
            try {
                pool.execute(StormInserts.TABLE).join();
                pool.execute("DELETE FROM t").join();
                break;
            } catch (RuntimeException e) {
                assertThat(e).hasStackTraceContaining("storm");
            }
        }
        AtomicBoolean done = new AtomicBoolean();
        Thread observer = new Thread(() -> observe(pool, poolSize, done), "observer");
        observer.start();
        StormInserts inserts = new StormInserts();
        boolean leases = round / 2 % 2 == 0; // they leave few lanes to streams
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < THREADS; i++) {
            Random own = new Random(random.nextLong());
            long base = 1_000_000L * (i + 1);
            Thread thread = new Thread(() -> submit(pool, own, base, tasks / THREADS, leases, inserts));
            thread.start();
            threads.add(thread);
        }
        if (round % 3 == 2) {
            while (submitted.sum() < (long) tasks * round + tasks / 2) { // takes as long as the tasks are many
                java.util.concurrent.locks.LockSupport.parkNanos(1_000_000);
            }
            pool.closeAsync();
        }
        for (Thread thread : threads) {
            thread.join();
        }
        pool.closeAsync().get(Pools.PATIENCE.toMillis(), TimeUnit.MILLISECONDS);
        done.set(true);
        observer.join();
        for (Thread thread : threads) {
            assertThat(thread.isAlive()).isFalse();
        }
        Pools.await("every future is completed", () -> finished.sum() == submitted.sum());
        assertThat(wrong.get()).isNull();
        PoolStats stats = pool.stats();
        assertThat(stats.live()).isZero();
        assertThat(stats.waiting()).isZero();
        assertThat(stats.opened())
                .isEqualTo(stats.closed().values().stream().mapToLong(n -> n).sum());
        inOrder.add(inserts.verify(pools.file()));
    }

    private void submit(SqlitePool pool, Random random, long base, int tasks, boolean leases, StormInserts inserts) {
        for (int i = 0; i < tasks; i++) {
            long id = base + i;
            String kind = "";
            CompletableFuture<?> future;
            switch (random.nextInt(10)) {
                case 0:
                case 1:
                    future = inserts.submit(id, () -> pool.execute(StormInserts.SQL, id));
                    break;
                case 2:
                    future = inserts.submit(id, () -> pool.transaction(tx -> tx.execute(StormInserts.SQL, id)));
                    break;
                case 3:
                    future = inserts.submit(
                            id,
                            () -> pool.transaction(tx -> {
                                tx.execute(StormInserts.SQL, id);
                                throw new IllegalStateException("a storm: this work fails");
                            }));
                    break;
                case 4:
                    future = pool.connection(c -> {
                        c.query("SELECT count(*) FROM t WHERE id = ?", row -> row.getLong(1), id);
                        c.execute("BEGIN");
                        return c.execute("DELETE FROM t WHERE id = -1"); // left open: rolled back
                    });
                    break;
                case 5:
                    if (!leases) {
                        kind = "stream: ";
                        future = StormStream.subscribe(pool, random);
                        break;
                    }
                    future = pool.acquire().thenCompose(lease -> leased(lease, random.nextBoolean()));
                    break;
                case 6:
                    future = pool.read(c -> {
                        if (id % 50 == 0) {
                            throw new StackOverflowError("a storm: this work fails badly");
                        }
                        if (id % 97 == 0) {
                            c.jdbc().unwrap(org.sqlite.SQLiteConnection.class).close(); // breaks the lane
                            return List.of();
                        }
                        return c.query("SELECT max(id) FROM t", row -> row.getLong(1));
                    });
                    break;
                default:
                    future = pool.query("SELECT count(*) FROM t WHERE id < ?", row -> row.getLong(1), id);
            }
            follow(kind, future);
            switch (random.nextInt(12)) {
                case 0:
                    future.cancel(true);
                    break;
                case 1:
                    future.orTimeout(random.nextInt(2_000), TimeUnit.MICROSECONDS);
                    break;
                case 2:
                    Thread.yield();
                    break;
                default:
            }
            if (random.nextInt(100) == 0) {
                try {
                    future.get(50, TimeUnit.MILLISECONDS);
                } catch (Exception e) {
                    // counted by follow
                }
            }
            if (pool.stats().waiting() > 400) {
                java.util.concurrent.locks.LockSupport.parkNanos(200_000);
            }
        }
    }

    private static CompletableFuture<?> leased(Lease lease, boolean commit) {
        return lease.run(c -> c.execute("BEGIN"))
                .thenCompose(n -> lease.run(c -> c.execute("DELETE FROM t WHERE id = -1")))
                .thenCompose(n -> lease.run(c -> c.execute(commit ? "COMMIT" : "SELECT 1")))
                .whenComplete((value, error) -> lease.release());
    }

    private void follow(String kind, CompletableFuture<?> future) {
        submitted.increment();
        future.whenComplete((value, error) -> {
            finished.increment();
            Throwable cause = error;
            while (cause instanceof java.util.concurrent.CompletionException && cause.getCause() != null) {
                cause = cause.getCause();
            }
            String outcome = kind
                    + (cause == null
                            ? "value"
                            : cause instanceof CancellationException
                                    ? "cancelled"
                                    : cause.getClass().getSimpleName());
            outcomes.computeIfAbsent(outcome, key -> new LongAdder()).increment();
            boolean expected = cause == null
                    || cause instanceof CancellationException
                    || cause instanceof TimeoutException
                    || cause instanceof PoolTimeoutException
                    || cause instanceof PoolExhaustedException
                    || cause instanceof PoolClosedException
                    || cause instanceof SQLTimeoutException
                    || String.valueOf(cause.getMessage()).contains("storm")
                    || String.valueOf(cause.getMessage()).contains("lease has been released")
                    || String.valueOf(cause.getMessage()).contains("rolled back by SQLite after an error");
            if (!expected) {
                wrong.compareAndSet(null, cause);
                cause.printStackTrace();
            }
        });
    }

    private void observe(SqlitePool pool, int poolSize, AtomicBoolean done) {
        while (!done.get()) {
            PoolStats stats = pool.stats();
            boolean sound = stats.live() <= poolSize
                    && Stream.of(stats.readConnections(), stats.writeConnections())
                            .allMatch(lanes -> lanes.live() <= lanes.max()
                                    && Math.min(
                                                    Math.min(lanes.idle(), lanes.borrowed()),
                                                    Math.min(lanes.opening(), lanes.closing()))
                                            >= 0
                                    && lanes.waiting() >= 0);
            if (!sound) {
                wrong.compareAndSet(null, new AssertionError("lanes do not add up: " + stats));
            }
            Thread.yield();
        }
    }
}
