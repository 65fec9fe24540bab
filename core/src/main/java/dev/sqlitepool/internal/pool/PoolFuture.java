package dev.sqlitepool.internal.pool;

import java.util.Objects;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The future of one task. Thread-safe. Completing it from outside asks the task, which decides its own end once: before the
 * commit the request wins, after that it is refused and the outcome is reported.
 */
final class PoolFuture<T> extends CompletableFuture<T> {
    /** What a completion from outside asks. */
    interface Origin {
        /** Ends the task from outside, and settles the future with the outcome given; false if it is too late. */
        boolean end(@Nullable Object value, @Nullable Throwable error);

        /** Fails if waiting now would be waiting for a lane that this very thread holds. */
        void requireOthersHoldLane();
    }

    private final Workers workers;
    private final Origin origin;
    /**
     * With an executor of the user's, those who wait here wait for this, which the pool completes itself: the executor may have no
     * thread but the one that waits.
     */
    private final @Nullable CompletableFuture<T> outcome;
    /** The run of work that has submitted the task; null if none has. */
    private final @Nullable Object submittedIn = Held.run();

    PoolFuture(Workers workers, Origin origin) {
        this.workers = workers;
        this.origin = origin;
        this.outcome = workers.users() == null ? null : new CompletableFuture<>();
    }

    /** Completes the future for the pool; dependent stages run here, or on the user's executor. False if it is too late. */
    boolean settle(@Nullable Object value, @Nullable Throwable error) {
        Executor users = workers.users();
        if (outcome == null || users == null) {
            return settleStages(value, error);
        }
        if (!settle(outcome, value, error)) {
            return false;
        }
        try {
            users.execute(() -> settleStages(value, error));
        } catch (RuntimeException | Error e) {
            settleStages(value, error); // a future that is not completed would be worse
        }
        return true;
    }

    /** Completes the future for somebody outside; dependent stages run here. False if it is too late. */
    boolean settleHere(@Nullable Object value, @Nullable Throwable error) {
        return (outcome == null || settle(outcome, value, error)) && settleStages(value, error);
    }

    @SuppressWarnings("unchecked") // the task's own result
    private boolean settleStages(@Nullable Object value, @Nullable Throwable error) {
        return error == null ? super.complete((T) value) : super.completeExceptionally(error);
    }

    @SuppressWarnings("unchecked") // the task's own result
    private static <T> boolean settle(CompletableFuture<T> future, @Nullable Object value, @Nullable Throwable error) {
        return error == null ? future.complete((T) value) : future.completeExceptionally(error);
    }

    /** Whether those who wait have the outcome; the user's executor may not have run, or even taken, the stages. */
    boolean isSettled() {
        return outcome == null ? isDone() : outcome.isDone();
    }

    /** What the future has failed with, as it was thrown. Only after it has failed. */
    Throwable failure() {
        CompletableFuture<T> decided = outcome == null ? this : outcome;
        return Objects.requireNonNull(
                decided.<@Nullable Throwable>handle((value, error) -> error).getNow(null));
    }

    @Override
    public boolean cancel(boolean mayInterruptIfRunning) {
        return origin.end(null, new CancellationException("The future was cancelled.")) || isCancelled();
    }

    @Override
    public boolean complete(T value) {
        return origin.end(value, null);
    }

    @Override
    public boolean completeExceptionally(Throwable error) {
        return origin.end(null, error);
    }

    @Override
    public CompletableFuture<T> completeAsync(Supplier<? extends T> supplier, Executor executor) {
        executor.execute(() -> complete(supplier.get()));
        return this;
    }

    @Override
    public CompletableFuture<T> completeAsync(Supplier<? extends T> supplier) {
        return completeAsync(supplier, defaultExecutor());
    }

    @Override
    public T join() {
        Held held = beginWait();
        try {
            return outcome == null ? super.join() : outcome.join();
        } finally {
            endWait(held);
        }
    }

    @Override
    public T get() throws InterruptedException, ExecutionException {
        Held held = beginWait();
        try {
            return outcome == null ? super.get() : outcome.get();
        } finally {
            endWait(held);
        }
    }

    @Override
    public T get(long timeout, TimeUnit unit) throws InterruptedException, ExecutionException, TimeoutException {
        Held held = beginWait();
        try {
            return outcome == null ? super.get(timeout, unit) : outcome.get(timeout, unit);
        } finally {
            endWait(held);
        }
    }

    /**
     * Fails if this thread would wait for itself. Returns what it holds meanwhile, if what it waits for must know.
     *
     * <p>A wait that fails ends the task that it was for, if the very work that waits has submitted it. The work will fail too, or has to
     * do without; if the task ran later, a work that is tried again would do the same thing twice.
     */
    private @Nullable Held beginWait() {
        Held held = Held.top();
        if (held == null || isDone()) {
            return null;
        }
        if (origin instanceof Waiter waiter) {
            waiter.awaitedBy(held);
        }
        boolean waits = false;
        try {
            origin.requireOthersHoldLane();
            waits = true;
        } catch (IllegalStateException refused) {
            throw calledOff(refused);
        } finally {
            if (!waits) {
                endWait(held);
            }
        }
        return held;
    }

    /** Ends the task whose wait is refused, if the work on this thread has submitted it. Returns what the wait throws. */
    private IllegalStateException calledOff(IllegalStateException refused) {
        if (submittedIn == null || !Held.isRunning(submittedIn)) {
            return refused;
        }
        IllegalStateException both = new IllegalStateException(
                refused.getMessage() + " What this work has submitted and would wait for is called off.", refused);
        return origin.end(null, both) ? both : refused;
    }

    private void endWait(@Nullable Held held) {
        if (held != null && origin instanceof Waiter waiter) {
            waiter.notAwaitedBy(held);
        }
    }

    @Override
    public void obtrudeValue(T value) {
        throw new UnsupportedOperationException("A pool's future says what became of its task.");
    }

    @Override
    public void obtrudeException(Throwable error) {
        throw new UnsupportedOperationException("A pool's future says what became of its task.");
    }

    @Override
    public Executor defaultExecutor() {
        return workers.stages();
    }

    @Override
    public <U> CompletableFuture<U> newIncompleteFuture() {
        return new Stage<>(workers.stages());
    }

    /** A dependent stage: plain, but for the executor of its asynchronous dependents. */
    private static final class Stage<U> extends CompletableFuture<U> {
        private final Executor stages;

        Stage(Executor stages) {
            this.stages = stages;
        }

        @Override
        public Executor defaultExecutor() {
            return stages;
        }

        @Override
        public <V> CompletableFuture<V> newIncompleteFuture() {
            return new Stage<>(stages);
        }
    }
}
