package dev.sqlitepool.internal.dispatch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.internal.Workers;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.Test;

/** A future alone, with an origin that answers as the test says and an executor that runs when the test wants. */
class PoolFutureTest {
    private final List<String> asked = new ArrayList<>();
    private boolean tooLate;
    private PoolFuture<String> ended;

    private final PoolFuture.Origin origin = new PoolFuture.Origin() {
        @Override
        public boolean end(Object value, Throwable error) {
            asked.add(value + " " + (error == null ? null : error.getMessage()));
            return !tooLate && ended.settleHere(value, error);
        }

        @Override
        public void requireOthersHoldLane() {}
    };

    private final Queue<Runnable> later = new ArrayDeque<>();

    private PoolFuture<String> future(Executor users) {
        ended = new PoolFuture<>(new Workers("unused", users), origin);
        return ended;
    }

    private PoolFuture<String> plain() {
        return future(null);
    }

    private PoolFuture<String> withExecutor() {
        return future(later::add);
    }

    private void runLater() {
        for (Runnable body = later.poll(); body != null; body = later.poll()) {
            body.run();
        }
    }

    @Test
    void itIsSettledOnce() {
        for (PoolFuture<String> future : List.of(plain(), withExecutor())) {
            assertThat(future.isSettled()).isFalse();
            assertThat(future.settle("first", null)).isTrue();
            assertThat(future.isSettled()).isTrue();
            assertThat(future.settle("second", null)).isFalse();
            assertThat(future.settleHere(null, new IllegalStateException("third")))
                    .isFalse();
            runLater();
            assertThat(future.getNow("none")).isEqualTo("first");
        }
    }

    @Test
    void whoWaitsHasTheOutcomeBeforeTheExecutorRunsTheStages() throws Exception {
        PoolFuture<String> future = withExecutor();
        CompletableFuture<String> stage = future.thenApply(value -> value + "!");
        future.settle("done", null);
        assertThat(future.join()).isEqualTo("done");
        assertThat(future.get()).isEqualTo("done");
        assertThat(future.get(1, TimeUnit.MINUTES)).isEqualTo("done");
        assertThat(future.isDone()).isFalse();
        assertThat(stage).isNotDone();
        runLater();
        assertThat(stage).isCompletedWithValue("done!");
    }

    @Test
    void withoutAnExecutorStagesRunWithTheOutcome() throws Exception {
        PoolFuture<String> future = plain();
        CompletableFuture<String> stage = future.thenApply(value -> value + "!");
        future.settle("done", null);
        assertThat(stage).isCompletedWithValue("done!");
        assertThat(future.join()).isEqualTo("done");
        assertThat(future.get()).isEqualTo("done");
        assertThat(future.get(1, TimeUnit.MINUTES)).isEqualTo("done");
    }

    @Test
    void anExecutorThatRefusesLosesNoStage() {
        PoolFuture<String> future = future(body -> {
            throw new IllegalStateException("full");
        });
        assertThat(future.settle("done", null)).isTrue();
        assertThat(future).isCompletedWithValue("done");
    }

    @Test
    void whoEndsItFromOutsideRunsItsStages() {
        PoolFuture<String> future = withExecutor();
        CompletableFuture<String> stage = future.thenApply(value -> value + "!");
        assertThat(future.settleHere("here", null)).isTrue();
        assertThat(stage).isCompletedWithValue("here!");
        assertThat(later).isEmpty();
    }

    @Test
    void theFailureIsWhatWasThrown() {
        for (PoolFuture<String> future : List.of(plain(), withExecutor())) {
            IllegalStateException error = new IllegalStateException("failed");
            assertThat(future.settle(null, error)).isTrue();
            assertThat(future.failure()).isSameAs(error);
            assertThatThrownBy(future::join).hasCause(error);
            runLater();
            assertThat(future).isCompletedExceptionally();
        }
    }

    @Test
    void aCompletionFromOutsideAsksTheTask() {
        assertThat(plain().complete("value")).isTrue();
        assertThat(ended.join()).isEqualTo("value");
        assertThat(plain().completeExceptionally(new IllegalStateException("error")))
                .isTrue();
        assertThat(plain().cancel(true)).isTrue();
        assertThat(ended.isCancelled()).isTrue();
        assertThatThrownBy(ended::join).isInstanceOf(CancellationException.class);
        assertThat(asked).containsExactly("value null", "null error", "null The future was cancelled.");
    }

    @Test
    void whatComesTooLateIsRefusedButACancelledFutureIsCancelled() {
        PoolFuture<String> future = plain();
        future.cancel(true);
        tooLate = true;
        assertThat(future.cancel(false)).isTrue();
        PoolFuture<String> other = plain();
        assertThat(other.cancel(true)).isFalse();
        assertThat(other.complete("value")).isFalse();
        assertThat(other.completeExceptionally(new IllegalStateException("error")))
                .isFalse();
        assertThat(other).isNotDone();
    }

    @Test
    void anAsynchronousCompletionAsksTheTaskToo() {
        PoolFuture<String> future = plain();
        assertThat(future.completeAsync(() -> "value", later::add)).isSameAs(future);
        assertThat(asked).isEmpty();
        runLater();
        assertThat(future).isCompletedWithValue("value");
        PoolFuture<String> byDefault = withExecutor();
        assertThat(byDefault.completeAsync(() -> "other")).isSameAs(byDefault);
        runLater();
        assertThat(byDefault.join()).isEqualTo("other");
        assertThat(asked).containsExactly("value null", "other null");
    }

    @Test
    void nobodyOverwritesAnOutcome() {
        PoolFuture<String> future = plain();
        assertThatThrownBy(() -> future.obtrudeValue("value")).isInstanceOf(UnsupportedOperationException.class);
        assertThatThrownBy(() -> future.obtrudeException(new IllegalStateException()))
                .isInstanceOf(UnsupportedOperationException.class);
        assertThat(future).isNotDone();
    }

    @Test
    void asynchronousStagesOfStagesRunOnTheExecutorToo() {
        PoolFuture<String> future = withExecutor();
        CompletableFuture<String> stage = future.thenApply(value -> value);
        CompletableFuture<String> next = stage.thenApplyAsync(value -> value + "!");
        assertThat(stage.defaultExecutor()).isSameAs(future.defaultExecutor());
        assertThat(next.defaultExecutor()).isSameAs(future.defaultExecutor());
        future.settle("done", null);
        runLater();
        assertThat(next).isCompletedWithValue("done!");
    }

    @Test
    void aBoundedWaitEnds() {
        for (PoolFuture<String> future : List.of(plain(), withExecutor())) {
            assertThatThrownBy(() -> future.get(1, TimeUnit.MILLISECONDS)).isInstanceOf(TimeoutException.class);
        }
    }
}
