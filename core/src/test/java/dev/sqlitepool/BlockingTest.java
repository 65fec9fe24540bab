package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Pools;
import java.io.IOException;
import java.lang.reflect.Method;
import java.sql.SQLException;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The pool for code that waits. */
class BlockingTest {
    @RegisterExtension
    final Pools pools = new Pools();

    @Test
    void codeRunsOnTheCallingThreadEvenIfItHadToWait() throws Exception {
        SqlitePool pool = pools.open();
        Thread me = Thread.currentThread();
        assertThat(pool.blocking().<Thread, RuntimeException>transaction(tx -> Thread.currentThread()))
                .isSameAs(me);
        Gate gate = new Gate();
        CompletableFuture<Void> blocker = pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        AtomicReference<Thread> ran = new AtomicReference<>();
        Thread waiter = new Thread(() -> {
            try {
                pool.blocking().useTransaction(tx -> ran.set(Thread.currentThread()));
            } catch (SQLException e) {
                throw new AssertionError(e);
            }
        });
        waiter.start();
        Pools.await("it waits", () -> pool.stats().waiting() == 1);
        gate.open();
        blocker.join();
        waiter.join();
        assertThat(ran.get()).isSameAs(waiter);
    }

    @Test
    void errorsArriveAsTheyWereThrown() {
        SqlitePool pool = pools.open();
        IOException mine = new IOException("mine");
        assertThatThrownBy(() -> pool.blocking().useTransaction(tx -> {
                    throw mine;
                }))
                .isSameAs(mine);
        Error error = new StackOverflowError("deep");
        assertThatThrownBy(() -> pool.blocking().useRead(c -> {
                    throw error;
                }))
                .isSameAs(error);
        assertThatThrownBy(() -> pool.blocking().execute("NONSENSE"))
                .isInstanceOf(SQLException.class)
                .hasMessageContaining("syntax error");
    }

    @Test
    void interruptingAWaitLeavesTheQueueAndKeepsTheFlag() throws Exception {
        SqlitePool pool = pools.open();
        Gate gate = new Gate();
        CompletableFuture<Void> blocker = pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        for (boolean code : new boolean[] {true, false}) {
            AtomicReference<Throwable> thrown = new AtomicReference<>();
            AtomicReference<Boolean> flag = new AtomicReference<>();
            Thread waiter = new Thread(() -> {
                try {
                    if (code) {
                        pool.blocking().useTransaction(tx -> {});
                    } else {
                        pool.blocking().execute("CREATE TABLE never (x)");
                    }
                } catch (Throwable e) {
                    thrown.set(e);
                    flag.set(Thread.currentThread().isInterrupted());
                }
            });
            waiter.start();
            Pools.await("it waits", () -> pool.stats().waiting() == 1);
            waiter.interrupt();
            waiter.join();
            assertThat(thrown.get()).isInstanceOf(SQLException.class).hasCauseInstanceOf(InterruptedException.class);
            assertThat(flag.get()).isTrue();
            assertThat(pool.stats().waiting()).isZero();
        }
        gate.open();
        blocker.join();
        assertThat(pool.query("SELECT name FROM sqlite_schema", row -> row.getString(1))
                        .join())
                .isEmpty();
    }

    @Tag("slow")
    @Test
    void manyThreadsShareThePool() throws Exception {
        SqlitePool pool = pools.open();
        pool.execute("CREATE TABLE t (x)").join();
        ExecutorService threads = Executors.newFixedThreadPool(32);
        try {
            List<Future<?>> all = IntStream.range(0, 2_000)
                    .<Future<?>>mapToObj(i -> threads.submit(() -> {
                        switch (i % 4) {
                            case 0:
                                return pool.blocking().execute("INSERT INTO t VALUES (1)");
                            case 1:
                                return pool.blocking()
                                        .<Long, RuntimeException>transaction(
                                                tx -> tx.execute("INSERT INTO t VALUES (1)"));
                            case 2:
                                return pool.blocking()
                                        .<Long, RuntimeException>connection(c -> c.execute("INSERT INTO t VALUES (1)"));
                            default:
                                return pool.blocking().query("SELECT count(*) FROM t", row -> row.getInt(1));
                        }
                    }))
                    .toList();
            for (Future<?> future : all) {
                future.get();
            }
        } finally {
            threads.shutdown();
        }
        assertThat(pool.queryOne("SELECT count(*) FROM t", row -> row.getInt(1)).join())
                .hasValue(1_500);
    }

    @Test
    void fromAVirtualThreadWorkRunsOnAThreadOfThePool() throws Exception {
        Method virtual = null;
        try {
            virtual = Executors.class.getMethod("newVirtualThreadPerTaskExecutor");
        } catch (NoSuchMethodException e) {
            assumeTrue(false, "virtual threads need JDK 21");
        }
        SqlitePool pool = pools.open();
        pool.execute("CREATE TABLE t (x)").join();
        ExecutorService threads = (ExecutorService) virtual.invoke(null);
        try {
            List<Future<String>> all = IntStream.range(0, 1_000)
                    .mapToObj(i -> threads.submit(() -> {
                        pool.blocking().execute("INSERT INTO t VALUES (1)");
                        return pool.blocking().<String, RuntimeException>read(c -> Thread.currentThread()
                                .getName());
                    }))
                    .toList();
            for (Future<String> future : all) {
                assertThat(future.get()).startsWith(pool.stats().pool() + "-worker");
            }
        } finally {
            threads.shutdown();
        }
        assertThat(pool.queryOne("SELECT count(*) FROM t", row -> row.getInt(1)).join())
                .hasValue(1_000);
    }

    @Test
    void aBatchTellsWhatEachRowHasChanged() throws SQLException {
        SqlitePool pool = pools.open();
        pool.blocking().execute("CREATE TABLE t (x)");
        assertThat(pool.blocking()
                        .executeBatch("INSERT INTO t VALUES (?)", List.of(new Object[] {1}, new Object[] {2})))
                .containsExactly(1, 1);
    }

    @Test
    void dataRunsOnTheCallingThreadIfAConnectionIsIdleAndElseOnAThreadOfThePool() throws Exception {
        SqlitePool pool = pools.open(b -> b.poolSize(2));
        AtomicReference<Thread> ran = new AtomicReference<>();
        Callable<List<Integer>> query = () -> pool.blocking().query("SELECT 1", row -> {
            ran.set(Thread.currentThread());
            return 1;
        });
        query.call(); // a connection is opened
        assertThat(ran.get().getName()).startsWith(pool.stats().pool());
        Pools.awaitIdle(pool);
        query.call();
        assertThat(ran.get()).isSameAs(Thread.currentThread());
        Gate gate = new Gate();
        CompletableFuture<Void> blocker = pool.useRead(c -> gate.pass());
        gate.awaitReached();
        FutureTask<List<Integer>> waiter = new FutureTask<>(query);
        new Thread(waiter).start();
        Pools.await("it waits", () -> pool.stats().waiting() == 1);
        gate.open();
        blocker.join();
        assertThat(waiter.get()).containsExactly(1);
        assertThat(ran.get().getName()).startsWith(pool.stats().pool());
    }
}
