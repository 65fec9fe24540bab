package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Logged;
import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.Probe;
import dev.sqlitepool.testing.Sql;
import dev.sqlitepool.testing.TestClock;
import java.sql.SQLException;
import java.sql.SQLTimeoutException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.sqlite.Function;
import org.sqlite.SQLiteConnection;

/** How streams end: cancelled, failed, timed out, closed. In every case the lane is back, which {@link Pools} checks after each test. */
class StreamEndTest {
    @RegisterExtension
    final Logged logged = new Logged("has read for", "the subscriber of", "a connection has been held for");

    @RegisterExtension
    final Pools pools = new Pools();

    private static Flow.Publisher<Long> numbers(SqlitePool pool, long count) {
        return StreamTest.numbers(pool, count);
    }

    private static Flow.Publisher<Long> endless(SqlitePool pool) {
        return pool.stream(Sql.ENDLESS, row -> row.getLong(1));
    }

    private static void awaitRunning(SqlitePool pool) {
        Pools.await("it runs", () -> pool.stats().readConnections().borrowed() == 1);
    }

    // ---- cancelled

    @Test
    void cancellingInsideOnNextIsTheEnd() {
        SqlitePool pool = pools.open();
        Probe<Long> probe = new Probe<>(Long.MAX_VALUE) {
            @Override
            protected void next(Long row) {
                if (row == 3) {
                    subscription().cancel();
                    subscription().cancel();
                    subscription().request(5);
                    subscription().request(-5);
                }
            }
        };
        numbers(pool, 1_000).subscribe(probe);
        Pools.await("cancelled", () -> pool.stats().cancelled() == 1);
        Pools.awaitIdle(pool);
        assertThat(probe.rows()).containsExactly(1L, 2L, 3L);
        assertThat(probe.isDone()).isFalse();
        assertThat(pool.stats().closed().get(PoolStats.CloseReason.DISCARDED)).isZero();
    }

    @Test
    void cancellingInsideOnSubscribeTakesNoLane() {
        SqlitePool pool = pools.open();
        Probe<Long> probe = new Probe<>(0) {
            @Override
            protected void subscribed(Flow.Subscription given) {
                given.cancel();
                given.request(1);
            }
        };
        numbers(pool, 1).subscribe(probe);
        assertThat(probe.isDone()).isFalse();
        assertThat(pool.stats().live()).isZero();
    }

    @Test
    void cancellingInterruptsTheSqlThatRuns() {
        SqlitePool pool = pools.open();
        Probe<Long> probe = Probe.of(endless(pool), 1);
        awaitRunning(pool);
        probe.subscription().cancel();
        Pools.awaitIdle(pool);
        assertThat(pool.query("SELECT 1", row -> row.getInt(1)).join()).containsExactly(1);
        assertThat(probe.isDone()).isFalse();
    }

    @Test
    void cancellingBetweenDemandsGivesTheLaneBack() {
        SqlitePool pool = pools.open();
        for (int i = 0; i < 200; i++) {
            Probe<Long> probe = Probe.of(numbers(pool, 10), 1 + i % 3);
            if (i % 2 == 0) {
                probe.awaitRows(1 + i % 3);
            }
            probe.subscription().cancel();
        }
        Pools.awaitIdle(pool);
        assertThat(pool.stats().cancelled()).isEqualTo(200);
    }

    @Test
    void cancellingWhileQueuedLeavesTheQueue() {
        SqlitePool pool = pools.open(b -> b.poolSize(2));
        Probe<Long> holder = Probe.of(numbers(pool, 10), 1);
        holder.awaitRows(1);
        List<Probe<Long>> queued = IntStream.range(0, 100)
                .mapToObj(i -> Probe.of(numbers(pool, 10), 1))
                .toList();
        assertThat(pool.stats().waiting()).isEqualTo(100);
        queued.forEach(probe -> probe.subscription().cancel());
        assertThat(pool.stats().waiting()).isZero();
        holder.subscription().cancel();
        Pools.awaitIdle(pool);
        assertThat(queued).allMatch(probe -> !probe.isDone() && probe.count() == 0);
    }

    @Test
    void cancellingDoesNotWaitForASubscriberThatBlocks() {
        SqlitePool pool = pools.open();
        Gate gate = new Gate();
        Probe<Long> probe = new Probe<>(Long.MAX_VALUE) {
            @Override
            protected void next(Long row) {
                gate.pass();
            }
        };
        numbers(pool, 10).subscribe(probe);
        gate.awaitReached();
        probe.subscription().cancel();
        Pools.awaitIdle(pool); // the lane is back, and the snapshot closed, though onNext has not returned
        gate.open();
        assertThat(probe.rows()).containsExactly(1L);
    }

    @Tag("slow")
    @Test
    void cancellingNeverInterruptsTheNextOnTheLane() {
        SqlitePool pool = pools.open(b -> b.poolSize(2));
        for (int i = 0; i < 200; i++) {
            Probe<Long> victim = Probe.of(endless(pool), 1);
            CompletableFuture<List<Integer>> next = pool.query(
                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) SELECT count(*) FROM n",
                    row -> row.getInt(1));
            victim.subscription().cancel();
            assertThat(next.join()).containsExactly(2000);
        }
    }

    // ---- failed

    @Test
    void errorsOfSqlEndTheStream() {
        SqlitePool pool = pools.open();
        assertThat(Probe.of(pool.stream("SELECT x FROM nowhere", row -> 1), 1).awaitError())
                .isInstanceOf(SQLException.class)
                .hasMessageContaining("no such table");
        assertThat(Probe.of(pool.stream("SELECT ?", row -> 1), 1).awaitError())
                .hasMessageContaining("1 parameter, but 0 values");
        assertThat(Probe.of(pool.stream("SELECT 1; SELECT 2", row -> 1), 1).awaitError())
                .isInstanceOf(SQLException.class);
        Probe<Integer> late =
                Probe.of(pool.stream("SELECT abs(column1) FROM (VALUES (1), (-9223372036854775807 - 1))", row -> 1), 5);
        assertThat(late.awaitError()).hasMessageContaining("overflow");
        assertThat(late.rows()).hasSize(1);
        assertThat(pool.stats().failed()).isEqualTo(4);
    }

    @Test
    void aMapperThatThrowsEndsTheStreamWithWhatItThrew() {
        SqlitePool pool = pools.open();
        for (Throwable thrown :
                List.of(new SQLException("mine"), new IllegalStateException("mine"), new StackOverflowError("mine"))) {
            Probe<Long> probe = Probe.of(
                    pool.stream(
                            StreamTest.NUMBERS,
                            row -> {
                                if (row.getLong(1) == 3) {
                                    throw StreamEndTest.<RuntimeException>unchecked(thrown);
                                }
                                return row.getLong(1);
                            },
                            10),
                    Long.MAX_VALUE);
            assertThat(probe.awaitError()).isSameAs(thrown);
            assertThat(probe.rows()).containsExactly(1L, 2L);
            Pools.awaitIdle(pool);
        }
        assertThat(pool.stats().closed().get(PoolStats.CloseReason.DISCARDED)).isEqualTo(1); // the overflow's
    }

    @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"})
    private static <X extends Throwable> X unchecked(Throwable error) throws X {
        throw (X) error;
    }

    @Tag("slow")
    @Test
    void aMapperThatReturnsNullEndsTheStream() {
        SqlitePool pool = pools.open();
        assertThat(Probe.of(pool.stream("SELECT NULL", row -> row.getString(1)), 1)
                        .awaitError())
                .isInstanceOf(NullPointerException.class)
                .hasMessageContaining("use an Optional");
    }

    @Test
    void aSubscriberThatThrowsIsCancelled() {
        SqlitePool pool = pools.open();
        CountDownLatch thrown = new CountDownLatch(3);
        RuntimeException mine = new IllegalStateException("a subscriber that throws");
        numbers(pool, 5).subscribe(new Probe<>(1) {
            @Override
            protected void subscribed(Flow.Subscription given) {
                thrown.countDown();
                throw mine;
            }
        });
        numbers(pool, 5).subscribe(new Probe<>(5) {
            @Override
            protected void next(Long row) {
                assertThat(row).isEqualTo(1);
                thrown.countDown();
                throw mine;
            }
        });
        Pools.await("both are cancelled", () -> pool.stats().cancelled() == 2);
        numbers(pool, 5).subscribe(new Probe<>(6) {
            @Override
            protected void ended() {
                thrown.countDown();
                throw mine;
            }
        });
        Pools.await("all have thrown", () -> thrown.getCount() == 0);
        Pools.awaitIdle(pool);
    }

    @Test
    void threadsThatAreInterruptedInsideServeOn() {
        SqlitePool pool = pools.open(b -> b.poolSize(1));
        Flow.Publisher<Long> rows = pool.stream(
                StreamTest.NUMBERS,
                row -> {
                    Thread.currentThread().interrupt();
                    return row.getLong(1);
                },
                5);
        Probe<Long> probe = new Probe<>(Long.MAX_VALUE) {
            @Override
            protected void next(Long row) {
                assertThat(Thread.currentThread().isInterrupted()).isFalse(); // the mapper's
                Thread.currentThread().interrupt();
            }
        };
        rows.subscribe(probe);
        assertThat(probe.awaitComplete()).hasSize(5);
        pool.execute("CREATE TABLE t (x)").join();
    }

    @Test
    void demandThatIsNotPositiveEndsTheStream() {
        SqlitePool pool = pools.open();
        Probe<Long> idle = Probe.of(numbers(pool, 5), 0);
        idle.subscription().request(0);
        assertThat(idle.awaitError()).isInstanceOf(IllegalArgumentException.class);
        Probe<Long> open = Probe.of(numbers(pool, 5), 1);
        open.awaitRows(1);
        open.subscription().request(-1);
        assertThat(open.awaitError())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("request(-1)");
        Probe<Long> running = Probe.of(endless(pool), 1);
        awaitRunning(pool);
        running.subscription().request(Long.MIN_VALUE);
        assertThat(running.awaitError()).isInstanceOf(IllegalArgumentException.class);
    }

    // ---- without a lane

    @Tag("slow")
    @Test
    void aStreamThatFindsNoLaneInTimeFails() {
        TestClock clock = new TestClock();
        SqlitePool pool = pools.open(clock, b -> b.poolSize(2).acquireTimeout(Duration.ofMillis(50)));
        Probe<Long> holder = Probe.of(numbers(pool, 10), 1);
        holder.awaitRows(1);
        Probe<Long> late = Probe.of(numbers(pool, 10), 1);
        clock.pass(Duration.ofMillis(50));
        assertThat(late.awaitError())
                .isInstanceOf(PoolTimeoutException.class)
                .hasMessageContaining("for \"stream of WITH RECURSIVE")
                .hasMessageContaining("with \"stream of WITH RECURSIVE");
        holder.subscription().request(10);
        holder.awaitComplete();
    }

    @Test
    void aStreamThatMayNotWaitFailsAtOnce() {
        SqlitePool pool = pools.open(b -> b.poolSize(2).maxWaiters(0));
        Probe<Long> first = Probe.of(numbers(pool, 10), 1);
        first.awaitRows(1); // on the only read lane, which was opened for it
        assertThat(Probe.of(numbers(pool, 10), 1).awaitError()).isInstanceOf(PoolExhaustedException.class);
        first.subscription().cancel();
    }

    @Test
    void anOpeningThatFailsEndsTheStream() {
        SqlitePool pool = pools.build(SqlitePool.builder().connectionFactory(access -> {
            throw new SQLException("no connection today");
        }));
        assertThat(Probe.of(numbers(pool, 10), 1).awaitError()).hasMessage("no connection today");
    }

    // ---- timed out

    @Tag("slow")
    @Test
    void theStatementTimeoutEndsAStreamThatFindsNoRow() {
        TestClock clock = new TestClock();
        SqlitePool pool =
                pools.open(clock, b -> b.statementTimeout(Duration.ofMillis(50)).onConnect(clock::teach));
        String endless = "SELECT sum(n) FROM (SELECT later() AS n UNION ALL SELECT * FROM (" + Sql.ENDLESS + "))";
        assertThat(Probe.of(pool.stream(endless, row -> row.getLong(1)), 1).awaitError())
                .isInstanceOf(SQLTimeoutException.class);
        Probe<Long> late = Probe.of(pool.stream("SELECT 1 UNION ALL " + endless, row -> row.getLong(1)), 2);
        assertThat(late.awaitError()).isInstanceOf(SQLTimeoutException.class);
        assertThat(late.rows()).containsExactly(1L);
    }

    /** The interrupt comes while a row is computed, and SQLite notices it at the next one. */
    @Test
    void aTimeoutThatIsNoticedLateIsATimeoutAllTheSame() {
        TestClock clock = new TestClock();
        AtomicReference<SqlitePool> opened = new AtomicReference<>();
        SqlitePool pool = pools.open(clock, b -> b.statementTimeout(Duration.ofMillis(20))
                .onConnect(connection ->
                        Function.create(connection.unwrap(SQLiteConnection.class), "stall", new Function() {
                            @Override
                            protected void xFunc() throws SQLException {
                                long before = opened.get().stats().interrupts();
                                clock.pass(Duration.ofSeconds(1));
                                Pools.await(
                                        "it is interrupted",
                                        () -> opened.get().stats().interrupts() > before);
                                result(value_long(0));
                            }
                        })));
        opened.set(pool);
        Probe<Long> probe =
                Probe.of(pool.stream("SELECT stall(column1) FROM (VALUES (1), (2))", row -> row.getLong(1)), 1);
        probe.awaitRows(1);
        probe.subscription().request(1);
        assertThat(probe.awaitError()).isInstanceOf(SQLTimeoutException.class);
    }

    @Test
    void theStatementTimeoutDoesNotCountTheTimeBetweenDemands() {
        TestClock clock = new TestClock();
        SqlitePool pool = pools.open(clock, b -> b.statementTimeout(Duration.ofMillis(30)));
        Probe<Long> probe = Probe.of(numbers(pool, 3), 1);
        probe.awaitRows(1);
        clock.pass(Duration.ofMillis(100));
        probe.subscription().request(9);
        assertThat(probe.awaitComplete()).hasSize(3);
    }

    @Test
    void aStreamThatIsTooOldIsEndedThoughNothingIsAskedFor() {
        TestClock clock = new TestClock();
        SqlitePool pool = pools.open(clock, b -> b.maxReadAge(Duration.ofMillis(50)));
        Probe<Long> probe = Probe.of(numbers(pool, 3), 1);
        probe.awaitRows(1);
        clock.pass(Duration.ofMillis(50));
        assertThat(probe.awaitError()).isInstanceOf(SQLTimeoutException.class);
        assertThat(probe.rows()).containsExactly(1L);
    }

    // ---- closed

    @Test
    void closingWaitsForOpenStreams() {
        SqlitePool pool = pools.open();
        Probe<Long> probe = Probe.of(numbers(pool, 10), 1);
        probe.awaitRows(1);
        CompletableFuture<Void> closed = pool.closeAsync();
        assertThat(closed).isNotDone();
        probe.subscription().request(Long.MAX_VALUE);
        assertThat(probe.awaitComplete()).hasSize(10);
        closed.join();
    }

    @Test
    void afterTheGraceOpenStreamsAreEnded() {
        SqlitePool pool = pools.open(b -> b.closeGrace(Duration.ofMillis(20)));
        Probe<Long> idle = Probe.of(numbers(pool, 10), 1);
        idle.awaitRows(1);
        Probe<Long> running = Probe.of(endless(pool), 1);
        Pools.await("it runs", () -> pool.stats().readConnections().borrowed() == 2);
        Gate gate = new Gate();
        Probe<Long> blocked = new Probe<>(Long.MAX_VALUE) {
            @Override
            protected void next(Long row) {
                gate.pass();
            }
        };
        numbers(pool, 10).subscribe(blocked);
        gate.awaitReached();
        pool.closeAsync().join();
        assertThat(pool.stats().live()).isZero();
        gate.open();
        for (Probe<Long> probe : List.of(idle, running, blocked)) {
            assertThat(probe.awaitError()).isInstanceOf(PoolClosedException.class);
        }
    }

    @Test
    void queuedStreamsFailWhenThePoolIsClosed() {
        SqlitePool pool = pools.open(b -> b.poolSize(2).closeGrace(Duration.ZERO));
        Probe<Long> holder = Probe.of(numbers(pool, 10), 1);
        holder.awaitRows(1);
        Probe<Long> queued = Probe.of(numbers(pool, 10), 1);
        pool.close();
        assertThat(queued.awaitError()).isInstanceOf(PoolClosedException.class);
        assertThat(holder.awaitError()).isInstanceOf(PoolClosedException.class);
    }

    @Test
    void afterCloseSubscriptionsAndFirstDemandsFail() {
        SqlitePool pool = pools.open();
        Probe<Long> before = Probe.of(numbers(pool, 10), 0);
        pool.close();
        assertThat(Probe.of(numbers(pool, 10), 0).awaitError()).isInstanceOf(PoolClosedException.class);
        assertThat(before.isDone()).isFalse(); // it has asked for nothing
        before.subscription().request(1);
        assertThat(before.awaitError()).isInstanceOf(PoolClosedException.class);
    }

    // ---- forgotten

    @Test
    void aForgottenStreamIsReported() {
        List<String> leaks = Collections.synchronizedList(new ArrayList<>());
        SqlitePool pool = pools.open(b -> b.leakThreshold(Duration.ofMillis(20)).listener(new PoolListener() {
            @Override
            public void leakSuspected(Access access, String holder, Duration held, Throwable acquiredAt) {
                leaks.add(access + " " + holder + " "
                        + List.of(acquiredAt.getStackTrace()).stream()
                                .anyMatch(frame -> frame.getClassName().equals(StreamEndTest.class.getName())));
            }
        }));
        Probe<Integer> forgotten = Probe.of(pool.stream("SELECT 1", row -> row.getInt(1)), 1);
        forgotten.awaitRows(1);
        Pools.await("reported", () -> !leaks.isEmpty());
        assertThat(leaks).containsExactly("READ stream of SELECT ? true");
        forgotten.subscription().request(1); // the end comes with the next demand
        forgotten.awaitComplete();
    }

    @Tag("slow")
    @Test
    void aSubscriberThatHasEndedIsNotKept() {
        SqlitePool pool = pools.open(b -> b.poolSize(2));
        AtomicInteger signals = new AtomicInteger();
        Probe<Long> holder = Probe.of(numbers(pool, 10), 1);
        holder.awaitRows(1);
        Flow.Subscription[] subscription = new Flow.Subscription[1];
        var reference = new java.lang.ref.WeakReference<>(cancelled(pool, signals, subscription));
        Pools.await("collected, although its subscription is still there", () -> {
            System.gc();
            return reference.get() == null;
        });
        assertThat(subscription[0]).isNotNull();
        holder.subscription().cancel();
    }

    private static Object cancelled(SqlitePool pool, AtomicInteger signals, Flow.Subscription[] subscription) {
        Probe<Long> queued = new Probe<>(1) {
            @Override
            protected void next(Long row) {
                signals.incrementAndGet();
            }
        };
        numbers(pool, 10).subscribe(queued);
        subscription[0] = queued.subscription();
        queued.subscription().cancel();
        return queued;
    }
}
