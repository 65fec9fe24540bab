package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.internal.pool.TimedPools;
import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Logged;
import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.Probe;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The signals of a subscription to changes: serial, on demand, coalesced, and none lost. */
class ChangesSignalsTest {
    @RegisterExtension
    final Pools pools = new Pools();

    @RegisterExtension
    final Logged logged = new Logged();

    private SqlitePool pool;

    @BeforeEach
    void open() {
        pool = pools.open();
        pool.useConnection(c -> c.executeScript("CREATE TABLE a (x); CREATE TABLE b (x); CREATE TABLE c (x)"))
                .join();
    }

    /** Asks for nothing by itself, and remembers the threads on which it is told. */
    private static class Recorder extends Probe<Set<String>> {
        private final List<String> threads = Collections.synchronizedList(new ArrayList<>());

        Recorder() {
            super(0);
        }

        @Override
        protected void next(Set<String> tables) {
            threads.add(Thread.currentThread().getName());
        }
    }

    private Recorder subscribe(String... tables) {
        Recorder recorder = new Recorder();
        pool.changes(tables).subscribe(recorder);
        return recorder;
    }

    /** What is written is not even looked at. */
    private void assertNobodyListens() {
        Pools.await("nobody listens", () -> !TimedPools.isWatched(pool));
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
        assertThat(recorder.rows()).isEmpty();
        recorder.subscription().request(5);
        Pools.await("one signal", () -> recorder.rows().size() == 1);
        assertThat(recorder.rows()).containsExactly(Set.of("a", "b"));
        write("c");
        Pools.await("another", () -> recorder.rows().size() == 2);
        assertThat(recorder.rows().get(1)).containsExactly("c");
        assertThat(recorder.threads)
                .allMatch(name -> name.startsWith(pool.stats().pool()));
    }

    @Test
    void aSlowSubscriberIsToldTheUnionAndHoldsUpNobody() {
        Gate gate = new Gate();
        Recorder slow = new Recorder() {
            @Override
            protected void subscribed(Flow.Subscription given) {
                given.request(Long.MAX_VALUE);
            }

            @Override
            protected void next(Set<String> tables) {
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
        Pools.await("the rest", () -> slow.rows().size() == 2);
        assertThat(slow.rows()).containsExactly(Set.of("a"), Set.of("b", "c"));
    }

    @Test
    void demandInsideASignalNeedsNoRecursion() {
        AtomicInteger depth = new AtomicInteger();
        Recorder recorder = new Recorder() {
            @Override
            protected void subscribed(Flow.Subscription given) {
                given.request(1);
            }

            @Override
            protected void next(Set<String> tables) {
                assertThat(depth.incrementAndGet()).isEqualTo(1);
                subscription().request(1);
                write("b");
                depth.decrementAndGet();
                if (rows().size() > 20) {
                    subscription().cancel();
                }
            }
        };
        pool.changes("a", "b").subscribe(recorder);
        write("a");
        Pools.await("it goes on", () -> recorder.rows().size() == 21);
    }

    @Test
    void afterACancelNothingIsSignalled() {
        Recorder recorder = subscribe("a");
        write("a");
        recorder.subscription().cancel();
        recorder.subscription().cancel();
        recorder.subscription().request(1);
        write("a");
        Recorder other = subscribe("a");
        other.subscription().request(1);
        write("a");
        Pools.await("the other is told", () -> other.rows().size() == 1);
        assertThat(recorder.rows()).isEmpty();
        assertThat(recorder.isDone()).isFalse();
    }

    @Test
    void demandThatIsNotPositiveIsAnError() {
        for (long demand : new long[] {0, -1}) {
            Recorder recorder = subscribe();
            recorder.subscription().request(demand);
            Pools.await("the error", recorder::isDone);
            assertThat(recorder.error())
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("3.9");
            write("a");
            assertThat(recorder.rows()).isEmpty();
            assertNobodyListens();
        }
    }

    @Test
    void aSubscriberThatThrowsIsToldNoMore() {
        Recorder wild = new Recorder() {
            @Override
            protected void subscribed(Flow.Subscription given) {
                given.request(2);
                throw new IllegalStateException("the test wants this in the log");
            }
        };
        pool.changes("a", "b").subscribe(wild);
        assertThat(logged.warnings())
                .singleElement()
                .asString()
                .contains("the subscriber of \"changes of [a, b]\" failed");
        assertNobodyListens();
        Recorder next = new Recorder() {
            @Override
            protected void subscribed(Flow.Subscription given) {
                given.request(2);
            }

            @Override
            protected void next(Set<String> tables) {
                throw new IllegalStateException("and this");
            }
        };
        pool.changes().subscribe(next);
        write("a");
        Pools.await("it has thrown", () -> next.rows().size() == 1);
        assertNobodyListens();
        write("a");
        assertThat(wild.rows()).isEmpty();
        assertThat(next.rows()).hasSize(1);
        assertThatThrownBy(() -> pool.changes().subscribe(null)).isInstanceOf(NullPointerException.class);
    }

    @Test
    void closingThePoolCompletesAfterTheLastSignal() {
        Recorder demanding = subscribe();
        demanding.subscription().request(Long.MAX_VALUE);
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
        demanding.awaitComplete();
        silent.awaitComplete();
        assertThat(demanding.rows()).containsExactly(Set.of("c"));
        assertThat(silent.rows()).isEmpty();
        Recorder late = subscribe();
        late.awaitComplete();
    }

    /**
     * The stage of one write blocks in the acknowledging thread until the pool is closed; another thread takes the next write over:
     *
     * <pre>
     *   acknowledges a and b      the pool
     *   a; its stage waits
     *                             closes its last connection
     *                             … and is closed only after b
     *   (another thread) b
     * </pre>
     */
    @Tag("slow")
    @Test
    void thePoolIsClosedAfterEveryAcknowledgementAndItsSignal() {
        for (int round = 0; round < 30; round++) {
            SqlitePool memory = pools.build(SqlitePool.builder().inMemory());
            memory.useConnection(c -> c.executeScript("CREATE TABLE a (x); CREATE TABLE b (x)"))
                    .join();
            Recorder recorder = new Recorder();
            memory.changes("b").subscribe(recorder);
            recorder.subscription().request(1);
            Gate gate = new Gate();
            memory.useTransaction(tx -> gate.pass());
            gate.awaitReached();
            CompletableFuture<Long> a = memory.execute("INSERT INTO a VALUES (1)");
            CompletableFuture<Long> b = memory.execute("INSERT INTO b VALUES (1)");
            CompletableFuture<Boolean> acknowledged = a.thenApply(changes -> {
                CompletableFuture<Void> closed = memory.closeAsync();
                Pools.await("closed", closed::isDone);
                return b.isDone();
            });
            gate.open();
            assertThat(acknowledged.join()).isTrue();
            recorder.awaitComplete();
            assertThat(recorder.rows()).containsExactly(Set.of("b"));
        }
    }

    @Test
    void signalsGoToTheExecutorOfTheUser() {
        ExecutorService one = Executors.newSingleThreadExecutor(body -> new Thread(body, "the user's"));
        try {
            SqlitePool own =
                    pools.build(SqlitePool.builder().databasePath(pools.file()).executor(one));
            Recorder recorder = new Recorder();
            own.changes("a").subscribe(recorder);
            recorder.subscription().request(1);
            own.execute("INSERT INTO a VALUES (1)").join();
            Pools.await("told", () -> recorder.rows().size() == 1);
            own.close();
            recorder.awaitComplete();
            assertThat(recorder.threads).containsExactly("the user's");
        } finally {
            one.shutdown();
        }
    }

    /** A cache that reads again what it is told of shows the last of everything in the end, and never goes back. */
    @Tag("slow")
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
            protected void subscribed(Flow.Subscription given) {
                given.request(Long.MAX_VALUE);
            }

            @Override
            protected void next(Set<String> told) {
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

    @Test
    void eachSignalUsesUpOneOfTheDemand() {
        Recorder recorder = subscribe();
        recorder.subscription().request(1);
        write("a");
        recorder.awaitRows(1);
        write("b");
        pool.close();
        assertThat(recorder.awaitComplete()).containsExactly(Set.of("a"));
    }
}
