package dev.sqlitepool.internal.dispatch;

import dev.sqlitepool.internal.StackRoom;
import dev.sqlitepool.internal.Workers;
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
public final class PoolFuture<T> extends CompletableFuture<T> {
    /** The questions of a completion from outside. */
    public interface Origin {
        /** Ends the task from outside, and settles the future with the outcome given; false if it is too late. */
        boolean end(@Nullable Object value, @Nullable Throwable error);

        /** Fails if waiting now would be waiting for a lane that this very thread holds. */
        void requireOthersHoldLane();

        /** The thread that holds this begins to wait for the future. */
        default void awaitedBy(Held held) {}

        /** It waits no longer. */
        default void notAwaitedBy(Held held) {}
    }

    private final Workers workers;
    private final Origin origin;
    /**
     * With an executor of the user's, those who wait here wait for this, which the pool completes itself: the executor may have no
     * thread but the one that waits.
     */
    private final @Nullable CompletableFuture<T> outcome;
    /** Its {@code orTimeout} or {@code completeOnTimeout} ends it, on a worker. */
    private volatile boolean timeIsUp;
    /** The run of work that has submitted the task; null if none has. */
    private final @Nullable Object submittedIn = Held.run();

    public PoolFuture(Workers workers, Origin origin) {
        this.workers = workers;
        this.origin = origin;
        this.outcome = workers.users() == null ? null : new CompletableFuture<>();
    }

    /** Completes the future for the pool; dependent stages run here, or on the user's executor. False if it is too late. */
    public boolean settle(@Nullable Object value, @Nullable Throwable error) {
        if (outcome == null) {
            return settleStages(value, error);
        }
        if (!settle(outcome, value, error)) {
            return false;
        }
        workers.runStages(() -> settleStages(value, error));
        return true;
    }

    /** Completes the future for somebody outside; dependent stages run here, unless its time is up. False if it is too late. */
    public boolean settleHere(@Nullable Object value, @Nullable Throwable error) {
        if (timeIsUp) {
            return settle(value, error); // nobody has called for this to happen on this thread
        }
        return (outcome == null || settle(outcome, value, error)) && settleStages(value, error);
    }

    /** What memory does not allow now is tried again: nobody else would settle it. Then it may be settled although this says so of another. */
    @SuppressWarnings("unchecked") // the task's own result
    private boolean settleStages(@Nullable Object value, @Nullable Throwable error) {
        boolean settled = false;
        while (true) {
            try {
                return (error == null ? super.complete((T) value) : super.completeExceptionally(error)) || settled;
            } catch (OutOfMemoryError | InternalError e) {
                settled = isDone();
                Workers.pause();
            }
        }
    }

    @SuppressWarnings("unchecked") // the task's own result
    private static <T> boolean settle(CompletableFuture<T> future, @Nullable Object value, @Nullable Throwable error) {
        while (true) {
            try {
                return error == null ? future.complete((T) value) : future.completeExceptionally(error);
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
    }

    /** Whether those who wait have the outcome; the user's executor may not have run, or even taken, the stages. */
    boolean isSettled() {
        return outcome == null ? isDone() : outcome.isDone();
    }

    /** The error of the future, as it was thrown. Only after it has failed. */
    Throwable failure() {
        CompletableFuture<T> decided = outcome == null ? this : outcome;
        return Objects.requireNonNull(
                decided.<@Nullable Throwable>handle((value, error) -> error).getNow(null));
    }

    @Override
    public boolean cancel(boolean mayInterruptIfRunning) {
        StackRoom.require();
        return origin.end(null, new CancellationException("The future was cancelled.")) || isCancelled();
    }

    @Override
    public boolean complete(T value) {
        StackRoom.require();
        return origin.end(value, null);
    }

    @Override
    public boolean completeExceptionally(Throwable error) {
        StackRoom.require();
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
    public CompletableFuture<T> orTimeout(long timeout, TimeUnit unit) {
        after(this, timeout, unit, workers, () -> expire(null, new TimeoutException()));
        return this;
    }

    @Override
    public CompletableFuture<T> completeOnTimeout(T value, long timeout, TimeUnit unit) {
        after(this, timeout, unit, workers, () -> expire(value, null));
        return this;
    }

    private void expire(@Nullable Object value, @Nullable Throwable error) {
        timeIsUp = true;
        boolean unused = origin.end(value, error);
    }

    /**
     * Ends a future on an executor when its time is up, unless it is done before. The JDK has one thread for the timeouts of all futures, and
     * would run their dependent stages there: one that blocks would hold up every timeout of the process. So nothing but the hand-over
     * runs on it.
     */
    private static void after(
            CompletableFuture<?> future, long timeout, TimeUnit unit, Executor executor, Runnable end) {
        Objects.requireNonNull(unit, "unit");
        if (future.isDone()) {
            return;
        }
        CompletableFuture<Boolean> alarm = new CompletableFuture<Boolean>().completeOnTimeout(true, timeout, unit);
        CompletableFuture<Void> unused = alarm.thenAccept(rings -> {
            if (rings) {
                executor.execute(end);
            }
        });
        CompletableFuture<?> unusedStage = future.whenComplete((value, error) -> alarm.complete(false));
    }

    @Override
    public T join() {
        StackRoom.require();
        Held held = beginWait();
        try {
            return outcome == null ? super.join() : outcome.join();
        } finally {
            endWait(held);
        }
    }

    @Override
    public T get() throws InterruptedException, ExecutionException {
        StackRoom.require();
        return await();
    }

    /** As {@link #get}, for a method of the pool that has asked for room before it submitted the task. */
    public T await() throws InterruptedException, ExecutionException {
        Held held = beginWait();
        try {
            return outcome == null ? super.get() : outcome.get();
        } finally {
            endWait(held);
        }
    }

    @Override
    public T get(long timeout, TimeUnit unit) throws InterruptedException, ExecutionException, TimeoutException {
        StackRoom.require();
        Held held = beginWait();
        try {
            return outcome == null ? super.get(timeout, unit) : outcome.get(timeout, unit);
        } finally {
            endWait(held);
        }
    }

    /**
     * Fails if this thread would wait for itself. Returns the lanes that it holds while it waits, if the awaited task must know.
     *
     * <p>A wait that fails ends the task that it was for, if the waiting function has submitted it. The function will fail too, or has to
     * do without; if the task ran later, a function that is run again would do the same thing twice.
     */
    private @Nullable Held beginWait() {
        Held held = Held.top();
        if (held == null || isDone()) {
            return null;
        }
        origin.awaitedBy(held);
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

    /** Ends the task whose wait is refused, if the function on this thread has submitted it. Returns the error of the wait. */
    private IllegalStateException calledOff(IllegalStateException refused) {
        if (submittedIn == null || !Held.isRunning(submittedIn)) {
            return refused;
        }
        IllegalStateException both = new IllegalStateException(
                refused.getMessage() + " What this function has submitted and would wait for is called off.", refused);
        return origin.end(null, both) ? both : refused;
    }

    private void endWait(@Nullable Held held) {
        if (held != null) {
            origin.notAwaitedBy(held);
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
        return new Stage<>(workers);
    }

    /** A dependent stage: plain, except for the threads of its asynchronous dependents, and of those that follow its timeout. */
    private static final class Stage<U> extends CompletableFuture<U> {
        private final Workers workers;

        Stage(Workers workers) {
            this.workers = workers;
        }

        @Override
        public CompletableFuture<U> orTimeout(long timeout, TimeUnit unit) {
            end(timeout, unit, () -> completeExceptionally(new TimeoutException()));
            return this;
        }

        @Override
        public CompletableFuture<U> completeOnTimeout(U value, long timeout, TimeUnit unit) {
            end(timeout, unit, () -> complete(value));
            return this;
        }

        /** By way of a worker, since the user's executor might run it on the thread that hands it over. */
        private void end(long timeout, TimeUnit unit, Runnable end) {
            after(this, timeout, unit, workers, () -> workers.runStages(end));
        }

        @Override
        public Executor defaultExecutor() {
            return workers.stages();
        }

        @Override
        public <V> CompletableFuture<V> newIncompleteFuture() {
            return new Stage<>(workers);
        }
    }
}
