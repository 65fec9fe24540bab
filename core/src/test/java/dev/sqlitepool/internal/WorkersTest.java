package dev.sqlitepool.internal;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Logged;
import dev.sqlitepool.testing.Pools;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class WorkersTest {
    @RegisterExtension
    final Logged logged = new Logged();

    private static final long FAR = TimeUnit.MINUTES.toNanos(5);

    /** Closing: the last lane is closed by another thread, and the threads let go, before the one that closes sets its deadlines. */
    @Test
    void whatIsSetForLaterAfterTheEndKeepsNoThread() {
        Workers workers = new Workers("workers-late-end", null);
        workers.start();
        workers.after(FAR, () -> {});
        workers.shutdown();
        workers.after(FAR, () -> {});
        Pools.await("the timer ends", () -> Pools.threads("workers-late-end").isEmpty());
    }

    @Test
    void whatIsNearAtTheEndIsStillDone() {
        Workers workers = new Workers("workers-near-end", null);
        workers.start();
        AtomicBoolean done = new AtomicBoolean();
        workers.shutdown();
        workers.after(TimeUnit.MILLISECONDS.toNanos(20), () -> done.set(true));
        Pools.await("it is done", done::get);
        workers.awaitEnd(10_000);
        assertThat(Pools.threads("workers-near-end")).isEmpty();
    }

    // ---- what remains after a completion

    private final Workers workers = new Workers("workers-test-end", null);

    @AfterEach
    void end() {
        workers.shutdown();
        Pools.await("the threads end", () -> Pools.threads("workers-test-end").isEmpty());
    }

    @Test
    void whoIsNoWorkerCompletesHereAndLeavesTheRestToOne() {
        AtomicReference<Thread> settled = new AtomicReference<>();
        CompletableFuture<Thread> rest = new CompletableFuture<>();
        assertThat(workers.publish(
                        () -> settled.set(Thread.currentThread()), () -> rest.complete(Thread.currentThread())))
                .isFalse();
        assertThat(settled).hasValue(Thread.currentThread());
        assertThat(rest.join()).isNotSameAs(Thread.currentThread());
    }

    private CompletableFuture<Boolean> publish(Runnable settle, Runnable rest) {
        CompletableFuture<Boolean> mine = new CompletableFuture<>();
        workers.execute(() -> mine.complete(workers.publish(settle, rest)));
        return mine;
    }

    @Test
    void aWorkerThatComesBackAtOnceDoesTheRestItself() {
        for (int i = 0; i < 3; i++) {
            AtomicBoolean taken = new AtomicBoolean();
            boolean mine = publish(() -> {}, () -> taken.set(true)).join();
            Pools.await("it is told so, or another does it", () -> mine != taken.get());
        }
    }

    @Test
    void whatAWorkerDoesNotComeBackToIsDoneByAnotherOnce() {
        Gate stage = new Gate();
        AtomicInteger done = new AtomicInteger();
        CompletableFuture<Boolean> mine = publish(stage::pass, done::incrementAndGet);
        stage.awaitReached();
        Pools.await("another does it", () -> done.get() > 0);
        assertThat(mine).isNotDone();
        stage.open();
        assertThat(mine.join()).isFalse();
        assertThat(done).hasValue(1);
        Gate next = new Gate();
        publish(next::pass, done::incrementAndGet);
        Pools.await("another does it again", () -> done.get() > 1);
        next.open();
    }

    @Test
    void insideAStageTheRestIsLeftToAnother() {
        CompletableFuture<Boolean> inner = new CompletableFuture<>();
        CompletableFuture<Thread> rest = new CompletableFuture<>();
        CompletableFuture<Thread> outer = new CompletableFuture<>();
        publish(
                        () -> {
                            outer.complete(Thread.currentThread());
                            inner.complete(workers.publish(() -> {}, () -> rest.complete(Thread.currentThread())));
                        },
                        new Workers.Ordered() { // nobody takes it away before the inner one
                            @Override
                            public boolean isReady() {
                                return inner.isDone();
                            }

                            @Override
                            public void run() {}
                        })
                .join();
        assertThat(inner.join()).isFalse();
        assertThat(rest.join()).isNotSameAs(outer.join());
    }

    @Test
    void whatMustComeAfterIsNotTakenAwayBefore() {
        AtomicBoolean ready = new AtomicBoolean();
        AtomicBoolean ran = new AtomicBoolean();
        Gate stage = new Gate();
        publish(stage::pass, new Workers.Ordered() {
            @Override
            public boolean isReady() {
                return ready.get();
            }

            @Override
            public void run() {
                ran.set(true);
            }
        });
        stage.awaitReached();
        for (int i = 0; i < 3; i++) { // each of these is seen by two ticks at least
            Gate other = new Gate();
            CompletableFuture<Void> taken = new CompletableFuture<>();
            publish(other::pass, () -> taken.complete(null));
            taken.join();
            other.open();
        }
        assertThat(ran).isFalse();
        ready.set(true);
        Pools.await("it is done", ran::get);
        stage.open();
    }

    @Test
    void aFutureThatCannotBeSettledIsLoggedAndDoesNotTakeTheRestWithIt() {
        AtomicBoolean taken = new AtomicBoolean();
        boolean mine = publish(
                        () -> {
                            throw new AssertionError("the test wants this in the log");
                        },
                        () -> taken.set(true))
                .join();
        Pools.await("it is told so, or another does it", () -> mine != taken.get());
        assertThat(logged.errors()).containsExactly("a future could not be settled");
    }

    @Test
    void anInterruptOfAStageIsNotTheNextTasks() {
        CompletableFuture<Boolean> interrupted = new CompletableFuture<>();
        workers.execute(() -> {
            workers.publish(() -> Thread.currentThread().interrupt(), () -> {});
            interrupted.complete(Thread.currentThread().isInterrupted());
        });
        assertThat(interrupted.join()).isFalse();
    }

    @Test
    void ofManyCompletionsNoneWaitsForTheStagesOfAnother() {
        List<Gate> gates = List.of(new Gate(), new Gate(), new Gate());
        Settles.completeAll(
                workers, gates.stream().<Runnable>map(gate -> gate::pass).toList());
        gates.forEach(Gate::awaitReached);
        gates.forEach(Gate::open);
    }

    // ---- threads

    @Test
    void aThreadThatAnotherStartsIsADaemonAllTheSame() throws Exception {
        CompletableFuture<Boolean> daemon = new CompletableFuture<>();
        Thread starter = new Thread(() ->
                workers.execute(() -> daemon.complete(Thread.currentThread().isDaemon())));
        starter.setDaemon(false);
        starter.start();
        starter.join();
        assertThat(daemon.join()).isTrue();
    }

    private static Thread noThread(Runnable body) {
        throw new OutOfMemoryError("unable to create native thread, says the test");
    }

    @Test
    void whatNoThreadCanBeStartedForIsDoneWhenOneCan() {
        ThreadFactory threads = workers.threads().getThreadFactory();
        workers.threads().setThreadFactory(WorkersTest::noThread);
        AtomicInteger done = new AtomicInteger();
        for (int i = 0; i < 3; i++) {
            workers.execute(done::incrementAndGet);
        }
        assertThat(done).hasValue(0);
        workers.threads().setThreadFactory(threads);
        Pools.await("each is done", () -> done.get() >= 3);
        assertThat(done).hasValue(3);
    }

    @Test
    void whoHasDoneHisWorkDoesWhatNoThreadCouldBeStartedFor() {
        Gate gate = new Gate();
        Gate timer = new Gate();
        workers.execute(gate::pass);
        gate.awaitReached();
        workers.timer().execute(timer::pass); // so that it tries nothing
        timer.awaitReached();
        ThreadFactory threads = workers.threads().getThreadFactory();
        workers.threads().setThreadFactory(WorkersTest::noThread);
        AtomicInteger done = new AtomicInteger();
        workers.execute(done::incrementAndGet);
        workers.execute(done::incrementAndGet);
        assertThat(done).hasValue(0);
        gate.open();
        Pools.await("both are done", () -> done.get() == 2);
        workers.threads().setThreadFactory(threads);
        timer.open();
    }

    // ---- the end

    /** A thread is there until its last statement, though the executor counts it no more. */
    @Test
    void theWaitForTheEndIsForThreadsThatTheExecutorHasForgotten() {
        Gate last = new Gate();
        workers.execute(() -> {
            Thread.currentThread().setUncaughtExceptionHandler((thread, error) -> last.pass());
            throw new IllegalStateException("ends the thread");
        });
        last.awaitReached();
        workers.shutdown();
        workers.threads().setKeepAliveTime(1, TimeUnit.NANOSECONDS);
        Pools.await("forgotten", () -> workers.threads().getPoolSize() == 0);
        long begun = System.nanoTime();
        workers.awaitEnd(10);
        assertThat(System.nanoTime() - begun).isGreaterThanOrEqualTo(TimeUnit.MILLISECONDS.toNanos(10));
        last.open();
    }

    @Test
    void aThreadOfThePoolDoesNotWaitForItsOwnEnd() {
        CompletableFuture<Void> done = new CompletableFuture<>();
        workers.execute(() -> {
            workers.awaitEnd(TimeUnit.MINUTES.toMillis(5));
            done.complete(null);
        });
        done.join();
    }

    @Test
    void theWaitForTheEndIsBoundedAndKeepsAnInterrupt() {
        Gate gate = new Gate();
        workers.execute(gate::pass);
        gate.awaitReached();
        workers.awaitEnd(1);
        assertThat(Thread.interrupted()).isFalse();
        Thread.currentThread().interrupt();
        workers.awaitEnd(1);
        assertThat(Thread.interrupted()).isTrue();
        gate.open();
    }

    @Test
    void whatComesAfterTheEndStillRuns() {
        workers.shutdown();
        CompletableFuture<Void> late = new CompletableFuture<>();
        workers.execute(() -> late.complete(null));
        late.join();
    }

    @Test
    void stagesRunOnTheUsersExecutorIfThereIsOne() {
        assertThat(workers.users()).isNull();
        assertThat(workers.stages()).isSameAs(workers);
        Executor users = Runnable::run;
        assertThat(new Workers("unused", users).stages()).isSameAs(users);
    }
}
