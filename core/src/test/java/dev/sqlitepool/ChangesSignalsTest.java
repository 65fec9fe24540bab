package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The signals of a subscription to changes: serial, on demand, coalesced, and none lost. */
class ChangesSignalsTest {
    @RegisterExtension
    final Pools pools = new Pools();

    private SqlitePool pool;

    @BeforeEach
    void open() {
        pool = pools.open();
        pool.useConnection(c -> c.executeScript("CREATE TABLE a (x); CREATE TABLE b (x); CREATE TABLE c (x)"))
                .join();
    }

    /** Records what it is told, and notices signals that are not serial, or come after the last. */
    private static class Recorder implements Flow.Subscriber<Set<String>> {
        private final AtomicBoolean inside = new AtomicBoolean();
        private final List<Set<String>> sets = new ArrayList<>();
        private final List<String> threads = new ArrayList<>();
        volatile Flow.Subscription subscription;
        private Throwable error;
        private boolean completed;
        private String wrong;

        @Override
        public void onSubscribe(Flow.Subscription given) {
            signal(() -> {
                subscription = given;
                subscribed(given);
            });
        }

        void subscribed(Flow.Subscription given) {}

        @Override
        public void onNext(Set<String> tables) {
            signal(() -> {
                synchronized (this) {
                    sets.add(tables);
                    threads.add(Thread.currentThread().getName());
                }
                next(tables);
            });
        }

        void next(Set<String> tables) {}

        @Override
        public void onError(Throwable given) {
            signal(() -> {
                synchronized (this) {
                    error = given;
                }
            });
        }

        @Override
        public void onComplete() {
            signal(() -> {
                synchronized (this) {
                    completed = true;
                }
            });
        }

        private void signal(Runnable body) {
            if (!inside.compareAndSet(false, true) || isDone()) {
                wrong = "a signal beside another, or after the last";
            }
            body.run();
            inside.set(false);
        }

        synchronized boolean isDone() {
            return completed || error != null;
        }

        synchronized boolean isCompleted() {
            return completed;
        }

        synchronized Throwable error() {
            return error;
        }

        synchronized List<Set<String>> sets() {
            assertThat(wrong).isNull();
            return List.copyOf(sets);
        }

        synchronized List<String> threads() {
            return List.copyOf(threads);
        }
    }

    private Recorder subscribe(String... tables) {
        Recorder recorder = new Recorder();
        pool.changes(tables).subscribe(recorder);
        return recorder;
    }

    private void write(String table) {
        pool.execute("INSERT INTO " + table + " VALUES (1)").join();
    }

    @Test
    void nothingIsSignalledWithoutDemandAndThenOnceForAll() {
        Recorder recorder = subscribe();
        write("a");
        write("b");
        write("a");
        assertThat(recorder.sets()).isEmpty();
        recorder.subscription.request(5);
        Pools.await("one signal", () -> recorder.sets().size() == 1);
        assertThat(recorder.sets()).containsExactly(Set.of("a", "b"));
        write("c");
        Pools.await("another", () -> recorder.sets().size() == 2);
        assertThat(recorder.sets().get(1)).containsExactly("c");
        assertThat(recorder.threads())
                .allMatch(name -> name.startsWith(pool.stats().pool()));
    }

    @Test
    void aSlowSubscriberIsToldTheUnionAndHoldsUpNobody() {
        Gate gate = new Gate();
        Recorder slow = new Recorder() {
            @Override
            void subscribed(Flow.Subscription given) {
                given.request(Long.MAX_VALUE);
            }

            @Override
            void next(Set<String> tables) {
                gate.pass();
            }
        };
        pool.changes().subscribe(slow);
        write("a");
        gate.awaitReached();
        for (int i = 0; i < 100; i++) {
            write("b");
            write("c");
        }
        gate.open();
        Pools.await("the rest", () -> slow.sets().size() == 2);
        assertThat(slow.sets()).containsExactly(Set.of("a"), Set.of("b", "c"));
    }

    @Test
    void demandInsideASignalNeedsNoRecursion() {
        AtomicInteger depth = new AtomicInteger();
        Recorder recorder = new Recorder() {
            @Override
            void subscribed(Flow.Subscription given) {
                given.request(1);
            }

            @Override
            void next(Set<String> tables) {
                assertThat(depth.incrementAndGet()).isEqualTo(1);
                subscription.request(1);
                write("b");
                depth.decrementAndGet();
                if (sets().size() > 20) {
                    subscription.cancel();
                }
            }
        };
        pool.changes("a", "b").subscribe(recorder);
        write("a");
        Pools.await("it goes on", () -> recorder.sets().size() == 21);
    }

    @Test
    void afterACancelNothingIsSignalled() {
        Recorder recorder = subscribe("a");
        write("a");
        recorder.subscription.cancel();
        recorder.subscription.cancel();
        recorder.subscription.request(1);
        write("a");
        Recorder other = subscribe("a");
        other.subscription.request(1);
        write("a");
        Pools.await("the other is told", () -> other.sets().size() == 1);
        assertThat(recorder.sets()).isEmpty();
        assertThat(recorder.isDone()).isFalse();
    }

    @Test
    void demandThatIsNotPositiveIsAnError() {
        for (long demand : new long[] {0, -1}) {
            Recorder recorder = subscribe();
            recorder.subscription.request(demand);
            Pools.await("the error", recorder::isDone);
            assertThat(recorder.error())
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("3.9");
            write("a");
            assertThat(recorder.sets()).isEmpty();
        }
    }

    @Test
    void aSubscriberThatThrowsIsToldNoMore() {
        Recorder wild = new Recorder() {
            @Override
            void subscribed(Flow.Subscription given) {
                given.request(2);
                throw new IllegalStateException("the test wants this in the log");
            }
        };
        pool.changes().subscribe(wild);
        Recorder next = new Recorder() {
            @Override
            void subscribed(Flow.Subscription given) {
                given.request(2);
            }

            @Override
            void next(Set<String> tables) {
                throw new IllegalStateException("and this");
            }
        };
        pool.changes().subscribe(next);
        write("a");
        Pools.await("it has thrown", () -> next.sets().size() == 1);
        write("a");
        assertThat(wild.sets()).isEmpty();
        assertThat(next.sets()).hasSize(1);
        assertThatThrownBy(() -> pool.changes().subscribe(null)).isInstanceOf(NullPointerException.class);
    }

    @Test
    void closingThePoolCompletesAfterTheLastSignal() {
        Recorder demanding = subscribe();
        demanding.subscription.request(Long.MAX_VALUE);
        Recorder silent = subscribe();
        Gate gate = new Gate();
        CompletableFuture<Void> last = pool.useTransaction(tx -> {
            tx.execute("INSERT INTO c VALUES (1)");
            gate.pass();
        });
        gate.awaitReached();
        CompletableFuture<Void> closed = pool.closeAsync();
        assertThat(demanding.isDone()).isFalse();
        gate.open();
        last.join();
        closed.join();
        Pools.await("completed", () -> demanding.isCompleted() && silent.isCompleted());
        assertThat(demanding.sets()).containsExactly(Set.of("c"));
        assertThat(silent.sets()).isEmpty();
        Recorder late = subscribe();
        Pools.await("completed", late::isCompleted);
    }

    @Test
    void signalsGoToTheExecutorOfTheUser() {
        ExecutorService one = Executors.newSingleThreadExecutor(body -> new Thread(body, "the user's"));
        try {
            SqlitePool own =
                    pools.build(SqlitePool.builder().databasePath(pools.file()).executor(one));
            Recorder recorder = new Recorder();
            own.changes("a").subscribe(recorder);
            recorder.subscription.request(1);
            own.execute("INSERT INTO a VALUES (1)").join();
            Pools.await("told", () -> recorder.sets().size() == 1);
            assertThat(recorder.threads()).containsExactly("the user's");
            own.close();
            Pools.await("completed", recorder::isCompleted);
        } finally {
            one.shutdown();
        }
    }

    /** A cache that reads again what it is told of shows the last of everything in the end, and never goes back. */
    @Test
    void noChangeIsMissedInAStorm() {
        int tables = 5;
        pool.useConnection(c -> {
                    for (int i = 0; i < tables; i++) {
                        c.executeScript("CREATE TABLE v" + i + " (n INTEGER); INSERT INTO v" + i + " VALUES (0)");
                    }
                    c.executeScript("CREATE TRIGGER t AFTER UPDATE ON v0 BEGIN UPDATE v1 SET n = n + 1; END");
                })
                .join();
        Map<String, Integer> cache = new ConcurrentHashMap<>();
        List<String> wrong = new ArrayList<>();
        Recorder reader = new Recorder() {
            @Override
            void subscribed(Flow.Subscription given) {
                given.request(Long.MAX_VALUE);
            }

            @Override
            void next(Set<String> told) {
                for (String table : told) {
                    if (table.matches("v\\d")) {
                        int now = pool.queryOne("SELECT n FROM " + table, row -> row.getInt(1))
                                .join()
                                .orElseThrow();
                        Integer before = cache.put(table, now);
                        if (before != null && before > now) {
                            wrong.add(table + " went from " + before + " to " + now);
                        }
                    }
                }
            }
        };
        pool.changes().subscribe(reader);
        Random random = new Random(7);
        List<CompletableFuture<?>> writes = IntStream.range(0, 2_000)
                .<CompletableFuture<?>>mapToObj(i -> write(random, "v" + random.nextInt(tables)))
                .toList();
        writes.forEach(write -> write.exceptionally(error -> null).join());
        Map<String, Integer> last = new ConcurrentHashMap<>();
        for (int i = 0; i < tables; i++) {
            String table = "v" + i;
            last.put(
                    table,
                    pool.queryOne("SELECT n FROM " + table, row -> row.getInt(1))
                            .join()
                            .orElseThrow());
        }
        Pools.await("the cache is up to date", () -> cache.equals(last));
        assertThat(wrong).isEmpty();
    }

    private CompletableFuture<?> write(Random random, String table) {
        String sql = "UPDATE " + table + " SET n = n + 1";
        switch (random.nextInt(6)) {
            case 0:
                return pool.useTransaction(tx -> {
                    tx.execute(sql);
                    throw new IllegalStateException("rolled back");
                });
            case 1:
                return pool.useTransaction(tx -> tx.execute(sql));
            case 2:
                return pool.useConnection(c -> c.execute(sql));
            case 3:
                return pool.acquire().thenCompose(lease -> lease.run(c -> {
                            c.execute("BEGIN");
                            c.execute(sql);
                            return c.execute("COMMIT");
                        })
                        .whenComplete((done, error) -> lease.close()));
            case 4:
                CompletableFuture<?> cancelled = pool.execute(sql);
                cancelled.cancel(true);
                return cancelled;
            default:
                return pool.execute(sql);
        }
    }
}
