package dev.sqlitepool.stress;

import dev.sqlitepool.PoolExhaustedException;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.programs.Trial;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** More tasks at once than a pool takes: the queue is bounded and fair, who waits costs little, and who is slow stalls nobody else. */
final class Overload {
    private static final int PATIENCE_SECONDS = 120;
    /** What a task that waits may cost, with its future, in bytes. */
    private static final long MOST_BYTES = 1_500;

    private Overload() {}

    static void run(Trial trial) throws Exception {
        int tasks = (int) trial.number(0, 100_000, 4_000);
        queue(trial, tasks);
        slow(trial, tasks / 20);
    }

    private static void queue(Trial trial, int tasks) throws Exception {
        int accepted = tasks / 2;
        try (SqlitePool pool = SqlitePool.builder()
                .databasePath(trial.directory().resolve("overload.db"))
                .maxWaiters(accepted)
                .acquireTimeout(Duration.ofMinutes(2))
                .build()) {
            pool.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, number INTEGER)")
                    .join();
            CountDownLatch gate = new CountDownLatch(1);
            CountDownLatch held = new CountDownLatch(1);
            CompletableFuture<Void> holder = pool.useTransaction(tx -> {
                held.countDown();
                await(gate);
            });
            await(held);
            List<CompletableFuture<Long>> futures = new ArrayList<>(tasks);
            long before = used();
            for (int i = 0; i < accepted; i++) {
                futures.add(pool.execute("INSERT INTO t (number) VALUES (?)", i));
            }
            long bytes = (used() - before) / accepted;
            int refused = 0;
            long longest = 0;
            for (int i = accepted; i < tasks; i++) {
                long asked = System.nanoTime();
                CompletableFuture<Long> future = pool.execute("INSERT INTO t (number) VALUES (?)", i);
                longest = Math.max(longest, System.nanoTime() - asked);
                refused += future.isDone() && error(future) instanceof PoolExhaustedException ? 1 : 0;
            }
            trial.check(
                    refused == tasks - accepted,
                    "the queue takes maxWaiters and refuses the rest at once",
                    String.format(
                            Locale.ROOT,
                            "%,d waited, %,d refused, the slowest refusal took %.1f ms",
                            accepted,
                            refused,
                            longest / 1e6));
            trial.check(
                    bytes < MOST_BYTES,
                    "who waits costs little",
                    String.format(Locale.ROOT, "%,d bytes each, with the future", bytes));
            long released = System.nanoTime();
            gate.countDown();
            CompletableFuture.allOf(futures.toArray(CompletableFuture<?>[]::new))
                    .get(PATIENCE_SECONDS, TimeUnit.SECONDS);
            double millis = (System.nanoTime() - released) / 1e6;
            holder.join();
            trial.check(
                    true,
                    "everybody who waited is served",
                    String.format(Locale.ROOT, "in %,.0f ms, so no one waited longer", millis));
            long overtaken = pool.queryOne("SELECT count(*) FROM t WHERE number <> id - 1", row -> row.getLong(1))
                    .join()
                    .orElseThrow();
            trial.check(overtaken == 0, "first come, first served", overtaken + " overtaken");
        }
    }

    /** Stages that block, subscribers that do not ask for more, and the other users meanwhile. */
    private static void slow(Trial trial, int tasks) throws Exception {
        try (SqlitePool pool = SqlitePool.builder()
                .databasePath(trial.directory().resolve("slow.db"))
                .poolSize(6)
                .build()) {
            pool.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)").join();
            pool.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)"
                            + " INSERT INTO t SELECT i FROM n")
                    .join();
            CountDownLatch gate = new CountDownLatch(1);
            CountDownLatch held = new CountDownLatch(1);
            CountDownLatch begin = new CountDownLatch(1);
            CompletableFuture<Void> holder = pool.useTransaction(tx -> {
                held.countDown();
                await(begin); // until the stages are there: on a future that is done they would run on this thread
            });
            await(held);
            List<CompletableFuture<Void>> blocked = new ArrayList<>();
            for (int i = 0; i < 16; i++) {
                CompletableFuture<?> begun = i % 2 == 0
                        ? pool.execute("INSERT INTO t DEFAULT VALUES")
                        : pool.useTransaction(tx -> tx.execute("INSERT INTO t DEFAULT VALUES"));
                blocked.add(begun.thenRun(() -> await(gate)));
            }
            begin.countDown();
            holder.join();
            List<Slow> subscribers = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                Slow subscriber = new Slow();
                pool.stream("SELECT id FROM t", row -> row.getInt(1)).subscribe(subscriber);
                subscribers.add(subscriber);
            }
            List<CompletableFuture<?>> others = new ArrayList<>();
            long began = System.nanoTime();
            for (int i = 0; i < tasks; i++) {
                others.add(
                        i % 4 == 0
                                ? pool.useTransaction(tx -> tx.execute("INSERT INTO t DEFAULT VALUES"))
                                : pool.queryOne("SELECT max(id) FROM t", row -> row.getInt(1)));
            }
            CompletableFuture.allOf(others.toArray(CompletableFuture<?>[]::new))
                    .get(PATIENCE_SECONDS, TimeUnit.SECONDS);
            boolean stillBlocked = blocked.stream().noneMatch(CompletableFuture::isDone);
            trial.check(
                    stillBlocked,
                    "16 stages that block and 3 slow subscribers stall nobody",
                    String.format(Locale.ROOT, "%,d others in %,.0f ms", tasks, (System.nanoTime() - began) / 1e6));
            gate.countDown();
            CompletableFuture.allOf(blocked.toArray(CompletableFuture<?>[]::new))
                    .get(PATIENCE_SECONDS, TimeUnit.SECONDS);
            for (Slow subscriber : subscribers) {
                subscriber.finish();
            }
            trial.check(
                    subscribers.stream().allMatch(one -> one.seen.get() >= 10_000),
                    "the slow ones get everything in the end",
                    subscribers.get(0).seen + " rows");
        }
    }

    /** Asks for ten rows, and for the rest when it is told to. */
    private static final class Slow implements Flow.Subscriber<Integer> {
        private final AtomicInteger seen = new AtomicInteger();
        private final CompletableFuture<Flow.Subscription> subscription = new CompletableFuture<>();
        private final CompletableFuture<Void> end = new CompletableFuture<>();

        void finish() throws Exception {
            subscription.get(PATIENCE_SECONDS, TimeUnit.SECONDS).request(Long.MAX_VALUE);
            end.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        }

        @Override
        public void onSubscribe(Flow.Subscription begun) {
            begun.request(10);
            subscription.complete(begun);
        }

        @Override
        public void onNext(Integer row) {
            seen.incrementAndGet();
        }

        @Override
        public void onError(Throwable error) {
            end.completeExceptionally(error);
        }

        @Override
        public void onComplete() {
            end.complete(null);
        }
    }

    private static Throwable error(CompletableFuture<?> future) {
        try {
            future.join();
            return null;
        } catch (CompletionException e) {
            return e.getCause();
        }
    }

    private static void await(CountDownLatch latch) {
        try {
            if (!latch.await(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
                throw new IllegalStateException("nobody opens the gate");
            }
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** The heap in use, when what is not needed is gone. */
    private static long used() throws InterruptedException {
        long least = Long.MAX_VALUE;
        for (int i = 0; i < 4; i++) {
            System.gc();
            TimeUnit.MILLISECONDS.sleep(20);
            Runtime runtime = Runtime.getRuntime();
            least = Math.min(least, runtime.totalMemory() - runtime.freeMemory());
        }
        return least;
    }
}
