package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sqlitepool.testing.Pools;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * In a process with little memory one query after the other asks for more than there is, beside writers and readers: memory runs out
 * anywhere. Afterwards every future is complete, every lane is there, and what was acknowledged is stored.
 */
class OutOfMemoryTest {
    @RegisterExtension
    final Pools pools = new Pools();

    @Tag("slow")
    @Test
    void oneOversizedResultBesideTrafficLosesNothing() throws Exception {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx96m",
                "-XX:+UseSerialGC",
                "-cp",
                System.getProperty("java.class.path"),
                Traffic.class.getName(),
                pools.file().toString(),
                System.getProperty("sqlitepool.oom.rounds", "1")));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        List<String> said = new ArrayList<>();
        try (BufferedReader out =
                new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
            CompletableFuture.delayedExecutor(10, TimeUnit.MINUTES).execute(process::destroyForcibly);
            out.lines().forEach(said::add);
        }
        assertThat(process.waitFor()).as(String.join("\n", said)).isZero();
        pools.filesMayStay();
    }

    /** The process. */
    static final class Traffic {
        private static final int WRITERS = 8;

        private final SqlitePool pool;
        private final AtomicLong acknowledged = new AtomicLong();
        private final AtomicLong unknown = new AtomicLong();
        private final AtomicInteger exhausted = new AtomicInteger();
        private final AtomicInteger running = new AtomicInteger();
        private final List<CompletableFuture<?>> pending = new ArrayList<>();
        private volatile boolean ended;

        private Traffic(SqlitePool pool) {
            this.pool = pool;
        }

        public static void main(String... arguments) throws Exception {
            SqlitePool pool = SqlitePool.builder()
                    .databasePath(Path.of(arguments[0]))
                    .poolSize(4)
                    .acquireTimeout(Duration.ofSeconds(60))
                    .build();
            pool.execute("CREATE TABLE t (x)").join();
            int rounds = Integer.parseInt(arguments[1]);
            String wrong = new Traffic(pool).run(rounds);
            System.out.println(wrong.isEmpty() ? "all is well" : wrong);
            System.exit(wrong.isEmpty() ? 0 : 1);
        }

        private String run(int rounds) throws Exception {
            for (int i = 0; i < WRITERS; i++) {
                int kind = i;
                Thread writer = new Thread(() -> traffic(kind), "traffic " + i);
                writer.setDaemon(true);
                running.incrementAndGet();
                writer.start();
            }
            for (int i = 0; i < rounds; i++) {
                oversized();
                for (int j = 0; j < 2; j++) {
                    usesUp(1 << 12);
                }
            }
            ended = true;
            Pools.await("the traffic ends", () -> running.get() == 0);
            return verdict();
        }

        /** Small rows without end: so memory is used up to its last bytes, and others find none. */
        private void oversized() {
            try {
                pool.query(
                                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
                                row -> new byte[row.getInt(1) % 2_000])
                        .get(60, TimeUnit.SECONDS);
            } catch (ExecutionException e) {
                exhausted.incrementAndGet();
            } catch (TimeoutException | InterruptedException e) {
                throw new AssertionError("the oversized query is not answered: " + pool.stats(), e);
            } catch (OutOfMemoryError e) {
                exhausted.incrementAndGet();
            }
        }

        /** Takes all memory to its last bytes, and leaves it to the others after a moment. */
        private static void usesUp(int size) {
            Object[] chain = null;
            for (int length = size; length > 1; length /= 4) {
                try {
                    while (true) {
                        Object[] longer = new Object[length];
                        longer[0] = chain;
                        chain = longer;
                    }
                } catch (OutOfMemoryError e) {
                    // and now in smaller pieces
                }
            }
            long until = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(20);
            while (System.nanoTime() - until < 0) {
                Thread.onSpinWait();
            }
            chain[0] = null;
        }

        private void traffic(int kind) {
            try {
                while (!ended) {
                    one(kind);
                }
            } finally {
                running.decrementAndGet();
            }
        }

        private void one(int kind) {
            CompletableFuture<?> future = null;
            try {
                switch (kind % 5) {
                    case 0 -> future = pool.execute("INSERT INTO t VALUES (1)");
                    case 1 -> future = pool.useTransaction(tx -> tx.execute("INSERT INTO t VALUES (1)"));
                    case 2 -> future = pool.useConnection(Traffic::insertAndCommit);
                    case 3 -> pool.blocking().execute("INSERT INTO t VALUES (1)");
                    default -> future = pool.query("SELECT max(rowid) FROM t", row -> row.getLong(1));
                }
                boolean done = future == null || await(future);
                if (done && kind % 5 != 4) {
                    acknowledged.incrementAndGet();
                }
            } catch (OutOfMemoryError e) {
                unknown.incrementAndGet(); // of this thread's own, perhaps after the write
                if (future != null && !await(future)) {
                    throw new AssertionError("not answered", e);
                }
            } catch (SQLException | PoolException e) { // of the blocking call
                unknown.incrementAndGet();
            }
        }

        private static void insertAndCommit(PoolConnection c) throws SQLException {
            c.execute("BEGIN");
            c.execute("INSERT INTO t VALUES (1)");
            c.execute("COMMIT");
        }

        private boolean await(CompletableFuture<?> future) {
            while (true) {
                try {
                    future.get(60, TimeUnit.SECONDS);
                    return true;
                } catch (ExecutionException e) {
                    unknown.incrementAndGet();
                    return false;
                } catch (OutOfMemoryError e) {
                    if (future.isDone()) {
                        unknown.incrementAndGet();
                        return false;
                    }
                } catch (TimeoutException | InterruptedException e) {
                    unknown.incrementAndGet(); // late, or never
                    synchronized (pending) {
                        pending.add(future);
                    }
                    return false;
                }
            }
        }

        private String verdict() throws Exception {
            List<String> wrong = new ArrayList<>();
            if (exhausted.get() == 0) {
                wrong.add("memory never ran out");
            }
            pending.removeIf(CompletableFuture::isDone); // it was only late
            if (!pending.isEmpty()) {
                wrong.add(pending.size() + " futures were never completed");
            }
            Pools.awaitIdle(pool);
            long before = acknowledged.get();
            for (int i = 0; i < 20; i++) {
                pool.execute("INSERT INTO t VALUES (2)").get(20, TimeUnit.SECONDS);
            }
            long stored = pool.queryOne("SELECT count(*) FROM t WHERE x = 1", row -> row.getLong(1))
                    .get(20, TimeUnit.SECONDS)
                    .orElseThrow();
            System.out.println(before + " acknowledged, " + stored + " stored, " + unknown + " failed, " + exhausted
                    + " times out of memory");
            if (stored < before || stored > before + unknown.get()) {
                wrong.add(stored + " stored, but " + before + " acknowledged and " + unknown + " failed");
            }
            pool.closeAsync().get(30, TimeUnit.SECONDS);
            if (pool.stats().live() != 0) {
                wrong.add("lanes are left: " + pool.stats());
            }
            return String.join("\n", wrong);
        }
    }
}
