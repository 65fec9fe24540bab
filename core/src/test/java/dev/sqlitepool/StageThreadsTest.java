package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Pools;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** On which threads dependent stages run. */
class StageThreadsTest {
    @RegisterExtension
    final Pools pools = new Pools();

    private final ExecutorService users =
            Executors.newCachedThreadPool(body -> new Thread(body, "users-" + System.nanoTime()));

    @AfterEach
    void shutDown() {
        users.shutdownNow();
    }

    /** Every way in which time can end a future, or a stage of it. */
    private static List<UnaryOperator<CompletableFuture<Object>>> timeouts() {
        return List.of(
                future -> future.orTimeout(1, TimeUnit.MILLISECONDS),
                future -> future.completeOnTimeout("late", 1, TimeUnit.MILLISECONDS),
                future -> future.thenApply(value -> value).orTimeout(1, TimeUnit.MILLISECONDS),
                future -> future.thenApply(value -> value).completeOnTimeout("late", 1, TimeUnit.MILLISECONDS),
                future -> future.thenApply(value -> value)
                        .thenCompose(CompletableFuture::completedFuture)
                        .orTimeout(1, TimeUnit.MILLISECONDS),
                future -> future.copy().orTimeout(1, TimeUnit.MILLISECONDS));
    }

    private static CompletableFuture<Object> untilOpened(SqlitePool pool, Gate gate) {
        return pool.read(c -> {
            gate.pass();
            return "in time";
        });
    }

    /** The thread on which a stage runs that is attached while the work certainly runs. */
    private static String threadAfter(SqlitePool pool, UnaryOperator<CompletableFuture<Object>> timeout) {
        Gate gate = new Gate();
        CompletableFuture<Object> work = untilOpened(pool, gate);
        gate.awaitReached();
        AtomicReference<String> thread = new AtomicReference<>();
        CompletableFuture<Object> timed = timeout.apply(work);
        CompletableFuture<Object> stage = timed.handle((value, error) -> {
            thread.set(Thread.currentThread().getName());
            return "";
        });
        stage.join();
        gate.open();
        work.exceptionally(e -> "").join();
        return thread.get();
    }

    @Test
    void stagesAfterATimeoutRunOnThreadsOfThePool() {
        SqlitePool pool = pools.open();
        for (UnaryOperator<CompletableFuture<Object>> timeout : timeouts()) {
            assertThat(threadAfter(pool, timeout))
                    .satisfies(name -> assertThat(name.startsWith(pool.stats().pool())
                                    || name.equals(Thread.currentThread().getName()))
                            .as(name)
                            .isTrue());
        }
    }

    @Test
    void stagesAfterATimeoutRunOnTheExecutor() {
        SqlitePool pool = pools.open(b -> b.executor(users));
        for (UnaryOperator<CompletableFuture<Object>> timeout : timeouts()) {
            assertThat(threadAfter(pool, timeout)).satisfies(name -> assertThat(name.startsWith("users-")
                            || name.equals(Thread.currentThread().getName()))
                    .as(name)
                    .isTrue());
        }
    }

    /** As those of a direct executor, which is not recommended. */
    @Test
    void noStageRunsOnTheThreadOfTheJdkThatKeepsTheTime() {
        SqlitePool pool = pools.open(b -> b.executor(Runnable::run));
        for (UnaryOperator<CompletableFuture<Object>> timeout : timeouts()) {
            assertThat(threadAfter(pool, timeout)).doesNotContain("Delay");
        }
    }

    /**
     * <pre>
     *   future A times out                     future B times out
     *   its stage blocks
     *                                          all the same
     * </pre>
     */
    @Test
    void aStageThatBlocksAfterATimeoutDelaysNoOtherTimeout() {
        for (UnaryOperator<SqlitePoolBuilder> settings :
                List.<UnaryOperator<SqlitePoolBuilder>>of(b -> b, b -> b.executor(users))) {
            SqlitePool pool = pools.open(settings);
            for (UnaryOperator<CompletableFuture<Object>> timeout : timeouts()) {
                Gate work = new Gate();
                CompletableFuture<Object> running = untilOpened(pool, work);
                work.awaitReached();
                Gate stage = new Gate();
                CompletableFuture<Void> blocked = CompletableFuture.runAsync(
                        () -> timeout.apply(running.thenApply(value -> value))
                                .handle((value, error) -> {
                                    stage.pass();
                                    return "";
                                })
                                .join(),
                        users);
                stage.awaitReached();
                CompletableFuture<Object> other = untilOpened(pool, work);
                assertThatThrownBy(
                                () -> other.orTimeout(1, TimeUnit.MILLISECONDS).get(20, TimeUnit.SECONDS))
                        .hasCauseInstanceOf(TimeoutException.class);
                CompletableFuture<Integer> strangers = new CompletableFuture<>();
                assertThat(strangers
                                .completeOnTimeout(1, 1, TimeUnit.MILLISECONDS)
                                .join())
                        .isEqualTo(1); // nor one of the JDK's own
                stage.open();
                work.open();
                blocked.join();
                running.exceptionally(e -> "").join();
            }
        }
    }

    @Test
    void aTimeoutStillEndsTheTask() {
        SqlitePool pool = pools.open();
        Gate gate = new Gate();
        CompletableFuture<Void> holder = pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        CompletableFuture<Long> late = pool.execute("CREATE TABLE t (x)").orTimeout(1, TimeUnit.MILLISECONDS);
        assertThatThrownBy(late::join).hasCauseInstanceOf(TimeoutException.class);
        CompletableFuture<Long> other = pool.execute("CREATE TABLE u (x)");
        assertThat(other.completeOnTimeout(-1L, 1, TimeUnit.MILLISECONDS).join())
                .isEqualTo(-1);
        gate.open();
        holder.join();
        assertThat(pool.query("SELECT name FROM sqlite_schema", row -> 1).join())
                .isEmpty();
    }

    @Test
    void aTimeoutThatIsTooLateChangesNothing() {
        SqlitePool pool = pools.open();
        CompletableFuture<List<Integer>> read = pool.query("SELECT 1", row -> row.getInt(1));
        read.join();
        assertThat(read.orTimeout(0, TimeUnit.NANOSECONDS)).isSameAs(read);
        assertThat(read.completeOnTimeout(List.of(), 0, TimeUnit.NANOSECONDS).join())
                .containsExactly(1);
        assertThatThrownBy(() -> read.orTimeout(1, null)).isInstanceOf(NullPointerException.class);
    }

    /** As with every future of the JDK; the asynchronous forms go where the pool says. */
    @Test
    void aStageThatIsAttachedToACompletedFutureRunsOnTheThreadThatAttachesIt() {
        SqlitePool pool = pools.open(b -> b.executor(users));
        CompletableFuture<List<Integer>> read = pool.query("SELECT 1", row -> row.getInt(1));
        Pools.await("it is completed", read::isDone);
        assertThat(read.thenApply(rows -> Thread.currentThread()).join()).isSameAs(Thread.currentThread());
        assertThat(read.thenApplyAsync(rows -> Thread.currentThread().getName()).join())
                .startsWith("users-");
    }
}
