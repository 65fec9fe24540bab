package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Logged;
import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.Probe;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Flow;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.sqlite.Function;
import org.sqlite.SQLiteConnection;

/** Rows as they are asked for. How a stream ends is in {@link StreamEndTest}, the rules of Reactive Streams in {@link StreamRulesTest}. */
class StreamTest {
    static final String NUMBERS =
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n LIMIT ?";

    @RegisterExtension
    final Logged logged = new Logged("is open in the pool");

    @RegisterExtension
    final Pools pools = new Pools();

    static Flow.Publisher<Long> numbers(SqlitePool pool, long count) {
        return pool.stream(NUMBERS, row -> row.getLong(1), count);
    }

    private static Flow.Publisher<Integer> table(SqlitePool pool) {
        return pool.stream("SELECT x FROM t ORDER BY x", row -> row.getInt(1));
    }

    /** A pool whose function {@code stepped(x)} counts the rows that SQLite has computed. */
    private SqlitePool counting(AtomicInteger steps) {
        return pools.open(b -> b.onConnect(
                connection -> Function.create(connection.unwrap(SQLiteConnection.class), "stepped", new Function() {
                    @Override
                    protected void xFunc() throws SQLException {
                        steps.incrementAndGet();
                        result(value_long(0));
                    }
                })));
    }

    private static Flow.Publisher<Long> stepped(SqlitePool pool) {
        return pool.stream(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000) SELECT stepped(i) FROM n",
                row -> row.getLong(1));
    }

    // ---- demand

    @Test
    void rowsComeInOrderAndThenTheEnd() {
        SqlitePool pool = pools.open();
        assertThat(Probe.of(numbers(pool, 1_000), Long.MAX_VALUE).awaitComplete())
                .isEqualTo(LongStream.rangeClosed(1, 1_000).boxed().toList());
        assertThat(Probe.of(numbers(pool, 0), 1).awaitComplete()).isEmpty();
        assertThat(pool.stats().completed()).isEqualTo(2);
    }

    @Test
    void aRowIsDeadAfterItsMapper() {
        SqlitePool pool = pools.open();
        List<Row> rows = new ArrayList<>();
        Probe<Boolean> probe = Probe.of(pool.stream("VALUES (1), (2)", rows::add), 1);
        probe.awaitRows(1); // the statement stands on its row
        assertThatThrownBy(() -> rows.get(0).getLong(1)).hasMessageContaining("until its mapper returns");
        probe.subscription().request(9);
        probe.awaitComplete();
    }

    @Test
    void nothingHappensWithoutDemand() {
        SqlitePool pool = pools.open();
        Probe<Long> probe = Probe.of(numbers(pool, 3), 0);
        assertThat(probe.isDone()).isFalse();
        assertThat(pool.stats().live()).isZero(); // not even a connection
        probe.subscription().cancel();
    }

    @Test
    void noRowIsSteppedToThatWasNotAskedFor() {
        AtomicInteger steps = new AtomicInteger();
        SqlitePool pool = counting(steps);
        Probe<Long> probe = Probe.of(stepped(pool), 3);
        probe.awaitRows(3);
        assertNoThreadWorks(pool);
        assertThat(steps).hasValue(3);
        probe.subscription().request(1);
        probe.awaitRows(4);
        assertNoThreadWorks(pool);
        assertThat(steps).hasValue(4);
        assertThat(pool.stats().readConnections().borrowed()).isEqualTo(1);
        assertThat(pool.stats().readConnections().holder()).startsWith("stream of WITH RECURSIVE");
        probe.subscription().cancel();
        Pools.awaitIdle(pool);
        assertThat(steps).hasValue(4);
    }

    @Test
    void anExecutorIsGivenNoRowThatWasNotAskedForEither() {
        AtomicInteger steps = new AtomicInteger();
        ExecutorService users = Executors.newSingleThreadExecutor();
        SqlitePool pool = pools.open(b -> b.executor(users)
                .onConnect(connection ->
                        Function.create(connection.unwrap(SQLiteConnection.class), "stepped", new Function() {
                            @Override
                            protected void xFunc() throws SQLException {
                                steps.incrementAndGet();
                                result(value_long(0));
                            }
                        })));
        Probe<Long> probe = Probe.of(stepped(pool), 700);
        probe.awaitRows(700);
        assertNoThreadWorks(pool);
        assertThat(steps).hasValue(700);
        probe.subscription().cancel();
        users.shutdown();
    }

    private static void assertNoThreadWorks(SqlitePool pool) {
        Pools.await("no thread of the pool is in a stream", () -> Thread.getAllStackTraces().entrySet().stream()
                .filter(thread ->
                        thread.getKey().getName().startsWith(pool.stats().pool()))
                .flatMap(thread -> List.of(thread.getValue()).stream())
                .noneMatch(frame -> frame.getClassName().endsWith("RowStream")));
    }

    @Tag("slow")
    @Test
    void aHundredThousandRowsOneByOneNeedNoStack() {
        SqlitePool pool = pools.open();
        Probe<Long> probe = new Probe<>(1) {
            @Override
            protected void next(Long row) {
                subscription().request(1);
            }
        };
        numbers(pool, 100_000).subscribe(probe);
        assertThat(probe.awaitComplete()).hasSize(100_000);
    }

    @Test
    void demandAddsUpWithoutOverflow() {
        SqlitePool pool = pools.open();
        Probe<Long> probe = Probe.of(numbers(pool, 600), 2);
        probe.awaitRows(2);
        probe.subscription().request(Long.MAX_VALUE - 1);
        probe.subscription().request(Long.MAX_VALUE);
        assertThat(probe.awaitComplete()).hasSize(600);
    }

    @Test
    void noSignalComesBeforeOnSubscribeHasReturned() {
        SqlitePool pool = pools.open();
        Probe<Long> probe = new Probe<>(Long.MAX_VALUE) {
            @Override
            protected void subscribed(Flow.Subscription given) {
                Pools.await(
                        "the stream has its lane",
                        () -> pool.stats().readConnections().borrowed() == 1);
                assertThat(count()).isZero();
            }
        };
        numbers(pool, 10).subscribe(probe);
        assertThat(probe.awaitComplete()).hasSize(10);
    }

    // ---- what is read

    @Test
    void eachSubscriptionRunsTheStatementAnew() {
        SqlitePool pool = pools.open();
        pool.execute("CREATE TABLE t (x)").join();
        Flow.Publisher<Integer> rows = table(pool);
        assertThat(Probe.of(rows, 1).awaitComplete()).isEmpty();
        pool.execute("INSERT INTO t VALUES (1), (2)").join();
        Probe<Integer> one = Probe.of(rows, 1);
        Probe<Integer> other = Probe.of(rows, 5);
        assertThat(other.awaitComplete()).containsExactly(1, 2);
        one.awaitRows(1);
        one.subscription().request(5);
        assertThat(one.awaitComplete()).containsExactly(1, 2);
    }

    /**
     * <pre>
     *   stream                                writer
     *   subscribed
     *                                         INSERT 2
     *   request(1): the snapshot is fixed
     *                                         INSERT 3: does not wait
     *   request(…): 2, and no 3
     * </pre>
     */
    @Test
    void theSnapshotIsThatOfTheFirstDemand() {
        SqlitePool pool = pools.open();
        pool.execute("CREATE TABLE t (x)").join();
        pool.execute("INSERT INTO t VALUES (1)").join();
        Flow.Publisher<Integer> rows = table(pool);
        Probe<Integer> probe = Probe.of(rows, 0);
        pool.execute("INSERT INTO t VALUES (2)").join();
        probe.subscription().request(1);
        probe.awaitRows(1);
        pool.execute("INSERT INTO t VALUES (3)").join();
        assertThat(pool.query("SELECT count(*) FROM t", row -> row.getInt(1)).join())
                .containsExactly(3);
        probe.subscription().request(9);
        assertThat(probe.awaitComplete()).containsExactly(1, 2);
        assertThat(Probe.of(rows, 9).awaitComplete()).containsExactly(1, 2, 3);
    }

    @Test
    void parametersAreCopiedWhenTheStreamIsMade() {
        SqlitePool pool = pools.open();
        byte[] bytes = {1};
        Flow.Publisher<byte[]> stream = pool.stream("SELECT ?", row -> row.getBytes(1), bytes);
        bytes[0] = 2;
        assertThat(Probe.of(stream, 2).awaitComplete().get(0)).containsExactly(1);
    }

    @Test
    void whatIsWrongWithoutAskingSqliteIsThrownAtOnce() {
        SqlitePool pool = pools.open();
        assertThatThrownBy(() -> pool.stream("SELECT 1", null)).isInstanceOf(NullPointerException.class);
        assertThatThrownBy(() -> pool.stream(null, row -> 1)).isInstanceOf(NullPointerException.class);
        assertThatThrownBy(() -> numbers(pool, 1).subscribe(null)).isInstanceOf(NullPointerException.class);
        assertThatThrownBy(() -> pool.stream("SELECT ?", row -> 1, new Object()))
                .isInstanceOf(IllegalArgumentException.class);
        for (String sql :
                List.of("INSERT INTO t VALUES (1) RETURNING x", "PRAGMA user_version = 1", "BEGIN", "VACUUM")) {
            assertThatThrownBy(() -> pool.stream(sql, row -> 1))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("only reads")
                    .hasMessageContaining("query(…)");
        }
    }

    @Test
    void aStatementThatTurnsOutToWriteIsRefusedOnEveryKindOfPool() {
        List<SqlitePool> kinds = List.of(
                pools.open(),
                pools.open(b -> b.poolSize(1)),
                pools.build(SqlitePool.builder().inMemory()));
        for (SqlitePool pool : kinds) {
            pool.execute("CREATE TABLE IF NOT EXISTS t (x)").join();
            Probe<Long> probe = Probe.of(
                    pool.stream(
                            "WITH v(x) AS (VALUES (1)) INSERT INTO t SELECT x FROM v RETURNING x",
                            row -> row.getLong(1)),
                    1);
            assertThat(probe.awaitError())
                    .isInstanceOf(SQLException.class)
                    .hasMessageContaining("a stream only reads; use query(…)")
                    .hasCauseInstanceOf(SQLException.class);
            Pools.awaitIdle(pool);
            assertThat(pool.execute("INSERT INTO t VALUES (1)").join()).isEqualTo(1); // and the lane writes again
        }
    }

    @Test
    void anotherEngineStreamsToo() {
        SqlitePool pool = pools.build(SqlitePool.builder()
                .connectionFactory(
                        access -> java.sql.DriverManager.getConnection("jdbc:h2:mem:streams;DB_CLOSE_DELAY=-1")));
        Probe<Integer> probe = Probe.of(pool.stream("SELECT x FROM system_range(1, ?)", row -> row.getInt(1), 4), 2);
        probe.awaitRows(2);
        probe.subscription().request(3);
        assertThat(probe.awaitComplete()).containsExactly(1, 2, 3, 4);
    }

    // ---- lanes

    @Test
    void streamsAndLeasesLeaveAReadLaneForShortReads() {
        SqlitePool pool = pools.open(b -> b.poolSize(4)); // three that read
        Probe<Long> one = Probe.of(numbers(pool, 10), 1);
        one.awaitRows(1);
        Lease lease = pool.acquire().join();
        Probe<Long> waiting = Probe.of(numbers(pool, 10), 1);
        Pools.await("it waits", () -> pool.stats().waiting() == 1);
        assertThat(pool.query("SELECT 1", row -> row.getInt(1)).join()).containsExactly(1);
        assertThat(waiting.count()).isZero();
        one.subscription().cancel();
        waiting.awaitRows(1);
        lease.release().join();
        waiting.subscription().cancel();
    }

    @Test
    void twoStreamsOfThreeConnectionsLeaveAReadLaneForShortReads() {
        SqlitePool pool = pools.open(b -> b.poolSize(3));
        Probe<Long> one = Probe.of(numbers(pool, 10), 1);
        one.awaitRows(1);
        Probe<Long> two = Probe.of(numbers(pool, 10), 1);
        Pools.await("it waits", () -> pool.stats().waiting() == 1);
        assertThat(pool.query("SELECT 1", row -> row.getInt(1)).join()).containsExactly(1);
        one.subscription().request(10);
        one.awaitComplete();
        two.awaitRows(1);
        two.subscription().request(10);
        two.awaitComplete();
    }

    @Test
    void aDatabaseInMemoryStreamsOnItsOnlyConnection() {
        SqlitePool pool = pools.build(SqlitePool.builder().inMemory());
        pool.execute("CREATE TABLE t (x)").join();
        pool.execute("INSERT INTO t VALUES (1), (2)").join();
        Probe<Integer> probe = Probe.of(table(pool), 1);
        probe.awaitRows(1);
        var write = pool.execute("INSERT INTO t VALUES (3)");
        Pools.await("it waits", () -> pool.stats().waiting() == 1);
        probe.subscription().request(2);
        assertThat(probe.awaitComplete()).containsExactly(1, 2);
        assertThat(write.join()).isEqualTo(1);
        Probe<Integer> cancelled = Probe.of(table(pool), 1);
        cancelled.awaitRows(1);
        cancelled.subscription().cancel();
        assertThat(pool.execute("DELETE FROM t").join()).isEqualTo(3);
    }

    @Test
    void aSubscriberThatBlocksDelaysNobodyElse() {
        SqlitePool pool = pools.open();
        Gate gate = new Gate();
        Probe<Long> blocked = new Probe<>(Long.MAX_VALUE) {
            @Override
            protected void next(Long row) {
                gate.pass();
            }
        };
        numbers(pool, 2).subscribe(blocked);
        gate.awaitReached();
        pool.execute("CREATE TABLE t (x)").join();
        assertThat(pool.query("SELECT 1", row -> row.getInt(1)).join()).containsExactly(1);
        assertThat(Probe.of(numbers(pool, 1_000), Long.MAX_VALUE).awaitComplete())
                .hasSize(1_000);
        gate.open();
        assertThat(blocked.awaitComplete()).hasSize(2);
    }

    // ---- threads

    @Test
    void sqlRunsOnThreadsOfThePoolAndSignalsOnTheExecutor() {
        Set<String> mappers = ConcurrentHashMap.newKeySet();
        Set<String> signals = ConcurrentHashMap.newKeySet();
        ExecutorService users = Executors.newFixedThreadPool(3, body -> new Thread(body, "a user's"));
        SqlitePool pool = pools.open(b -> b.executor(users));
        Probe<Long> probe = new Probe<>(Long.MAX_VALUE) {
            @Override
            protected void next(Long row) {
                signals.add(Thread.currentThread().getName());
            }

            @Override
            protected void ended() {
                signals.add(Thread.currentThread().getName());
            }
        };
        pool.stream(
                        NUMBERS,
                        row -> {
                            mappers.add(Thread.currentThread().getName());
                            return row.getLong(1);
                        },
                        1_000)
                .subscribe(probe);
        assertThat(probe.awaitComplete()).hasSize(1_000);
        assertThat(signals).containsExactly("a user's");
        assertThat(mappers)
                .allMatch(name -> name.startsWith(pool.stats().pool() + "-worker"))
                .isNotEmpty();
        users.shutdown();
    }

    @Test
    void anExecutorThatRejectsLosesNoSignal() {
        SqlitePool pool = pools.open(b -> b.executor(task -> {
            throw new RejectedExecutionException("full");
        }));
        assertThat(Probe.of(numbers(pool, 1_000), Long.MAX_VALUE).awaitComplete())
                .hasSize(1_000);
    }

    @Tag("slow")
    @Test
    void anExecutorThatRunsOnItsCallerNeedsNoStack() {
        SqlitePool pool = pools.open(b -> b.executor(Runnable::run));
        Probe<Long> probe = new Probe<>(1) {
            @Override
            protected void next(Long row) {
                subscription().request(1);
            }
        };
        numbers(pool, 20_000).subscribe(probe);
        assertThat(probe.awaitComplete()).hasSize(20_000);
    }

    @Test
    void waitingInsideASignalForTheLaneThatTheStreamHoldsFailsAtOnce() {
        SqlitePool pool = pools.open(b -> b.poolSize(1));
        AtomicReference<Throwable> waiting = new AtomicReference<>();
        AtomicReference<Object> afterCancel = new AtomicReference<>();
        Probe<Long> probe = new Probe<>(1) {
            @Override
            protected void next(Long row) {
                try {
                    pool.query("SELECT 1", r -> r.getInt(1)).join();
                } catch (IllegalStateException e) {
                    waiting.set(e);
                }
                subscription().cancel();
                afterCancel.set(pool.query("SELECT 1", r -> r.getInt(1)).join());
            }
        };
        numbers(pool, 5).subscribe(probe);
        Pools.await("done", () -> afterCancel.get() != null);
        assertThat(waiting.get()).hasMessageContaining("would wait for itself");
        assertThat(afterCancel.get()).isEqualTo(List.of(1));
    }

    @Test
    void theLaneIsBackBeforeTheEndIsSignalled() {
        SqlitePool pool = pools.open(b -> b.poolSize(1));
        AtomicBoolean read = new AtomicBoolean();
        Probe<Long> probe = new Probe<>(5) {
            @Override
            protected void ended() {
                read.set(pool.query("SELECT 1", row -> row.getInt(1)).join().equals(List.of(1)));
            }
        };
        numbers(pool, 2).subscribe(probe);
        probe.awaitComplete();
        assertThat(read).isTrue();
    }

    @Test
    void theStatementOfAStreamIsKeptForTheNext() {
        SqlitePool pool = pools.open(b -> b.poolSize(2));
        Probe.of(numbers(pool, 3), Long.MAX_VALUE).awaitComplete();
        Pools.awaitIdle(pool);
        long misses = pool.stats().statementMisses();
        assertThat(Probe.of(numbers(pool, 3), Long.MAX_VALUE).awaitComplete()).containsExactly(1L, 2L, 3L);
        assertThat(pool.stats().statementMisses()).isEqualTo(misses);
    }

    @Test
    void onTheExecutorTooASignalCannotWaitForTheLaneThatTheStreamHolds() throws Exception {
        ExecutorService users = Executors.newSingleThreadExecutor();
        SqlitePool pool = pools.open(b -> b.poolSize(1).executor(users));
        AtomicReference<Throwable> waiting = new AtomicReference<>();
        AtomicReference<Object> afterTheEnd = new AtomicReference<>();
        Probe<Long> probe = new Probe<>(1) {
            @Override
            protected void next(Long row) {
                try {
                    afterTheEnd.set(pool.query("SELECT 1", r -> r.getInt(1)).join());
                } catch (IllegalStateException e) {
                    waiting.set(e);
                }
            }
        };
        numbers(pool, 2).subscribe(probe);
        Pools.await("it is told", () -> waiting.get() != null);
        assertThat(waiting.get()).hasMessageContaining("would wait for itself");
        probe.subscription().request(9); // the end is found with the last row
        probe.awaitComplete();
        assertThat(afterTheEnd.get()).isEqualTo(List.of(1));
        // Outside the signals the thread holds nothing any more.
        assertThat(users.submit(() ->
                                pool.query("SELECT 2", row -> row.getInt(1)).join())
                        .get())
                .isEqualTo(List.of(2));
        assertThat(users.submit(() -> {
                            pool.close();
                            return true;
                        })
                        .get())
                .isTrue();
        users.shutdown();
    }
}
