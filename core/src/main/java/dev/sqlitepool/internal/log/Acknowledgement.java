package dev.sqlitepool.internal.log;

import dev.sqlitepool.OutcomeUnknownException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** The outcome of a commit after which its task goes on: the thread of the task waits for it, or leaves a function to call. Thread-safe. */
public final class Acknowledgement implements Outcome {
    private final CompletableFuture<Void> end = new CompletableFuture<>();

    @Override
    public void settle(@Nullable OutcomeUnknownException unknown) {
        if (unknown == null) {
            end.complete(null);
        } else {
            end.completeExceptionally(unknown);
        }
    }

    @Override
    public boolean isSettled() {
        return end.isDone();
    }

    /** Calls the function once, with the error if there is one: on the thread that settles, or here if it is settled. */
    public void then(Consumer<@Nullable OutcomeUnknownException> next) {
        CompletableFuture<Void> unused = end.handle((done, error) -> {
            next.accept((OutcomeUnknownException) error);
            return null;
        });
    }

    /** Waits, as long as a sync can take; an interrupt does not shorten it, and is not lost. */
    public void await(SyncGate gate) {
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    end.get(SyncGate.HELP_NANOS, TimeUnit.NANOSECONDS);
                    return;
                } catch (TimeoutException | OutOfMemoryError | InternalError e) {
                    gate.help(this);
                } catch (InterruptedException e) {
                    interrupted = true;
                } catch (ExecutionException e) {
                    throw (OutcomeUnknownException) e.getCause();
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
