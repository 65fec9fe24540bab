package dev.sqlitepool.internal;

import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * What no thread could be started for. Thread-safe.
 *
 * <p>Invariant: nothing that is added is lost. A worker that has done its work takes it up, and the timer tries again as long as
 * anything is here: a try is set for later after the queue has it, and looks at the queue after {@link #retrying} is false.
 */
final class Overflow {
    private static final long RETRY_NANOS = TimeUnit.MILLISECONDS.toNanos(10);

    private final Workers workers;
    /** Taken up by the next worker that is free, or by the timer's next try. */
    private final Queue<Runnable> queue = new ConcurrentLinkedQueue<>();
    /** The timer will try again. */
    private final AtomicBoolean retrying = new AtomicBoolean();

    private final Runnable retry = this::retry;

    Overflow(Workers workers) {
        this.workers = workers;
    }

    void add(Runnable body) {
        boolean added = false;
        while (!added) {
            try {
                added = queue.add(body);
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
        if (retrying.compareAndSet(false, true)) {
            workers.after(RETRY_NANOS, retry);
        }
    }

    boolean isEmpty() {
        return queue.isEmpty();
    }

    /** Takes back the first that is wanted; null if there is none. */
    @Nullable
    Runnable withdraw(Predicate<Runnable> wanted) {
        Runnable first = null;
        for (Runnable body : queue) {
            if (first == null && wanted.test(body)) {
                first = body;
            }
        }
        return first != null && queue.remove(first) ? first : null; // else it has found a thread
    }

    /** By a worker that has done its work. */
    void run() {
        for (Runnable body = queue.poll(); body != null; body = queue.poll()) {
            body.run();
        }
    }

    private void retry() {
        retrying.set(false);
        for (Runnable body = queue.poll(); body != null; body = queue.poll()) {
            if (!workers.starts(body)) {
                add(body); // behind those that wait by now
                return;
            }
        }
    }
}
