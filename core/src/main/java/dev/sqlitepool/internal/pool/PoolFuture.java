package dev.sqlitepool.internal.pool;

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

    private final Executor stages;
    private final Origin origin;

    PoolFuture(Executor stages, Origin origin) {
        this.stages = stages;
        this.origin = origin;
    }

    /** Completes the future; for the task alone. */
    @SuppressWarnings("unchecked") // the task's own result
    boolean settle(@Nullable Object value, @Nullable Throwable error) {
        return error == null ? super.complete((T) value) : super.completeExceptionally(error);
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
        return completeAsync(supplier, stages);
    }

    @Override
    public T join() {
        requireOthersHoldLane();
        return super.join();
    }

    @Override
    public T get() throws InterruptedException, ExecutionException {
        requireOthersHoldLane();
        return super.get();
    }

    @Override
    public T get(long timeout, TimeUnit unit) throws InterruptedException, ExecutionException, TimeoutException {
        requireOthersHoldLane();
        return super.get(timeout, unit);
    }

    private void requireOthersHoldLane() {
        if (!isDone()) {
            origin.requireOthersHoldLane();
        }
    }

    @Override
    public Executor defaultExecutor() {
        return stages;
    }

    @Override
    public <U> CompletableFuture<U> newIncompleteFuture() {
        return new Stage<>(stages);
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
