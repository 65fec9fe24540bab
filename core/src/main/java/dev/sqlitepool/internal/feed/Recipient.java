package dev.sqlitepool.internal.feed;

import dev.sqlitepool.internal.Means;
import java.util.Objects;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The subscriber of a publisher of the pool: where it is signalled, and what follows if it throws. Owned by the thread that has the turn of
 * its subscription.
 *
 * @param <T> what it is given
 */
public final class Recipient<T> {
    /** How a subscription ends: with an error, or without one, and whether that is said. */
    public record End(@Nullable Throwable error, boolean silent) {
        public static final End COMPLETE = new End(null, false);
        public static final End CANCELLED = new End(null, true);

        public static End of(Throwable error) {
            return new End(error, false);
        }
    }

    private final Means means;
    private final Supplier<String> label;
    private final @Nullable Executor users;
    /** Null after the last signal, so that it can be collected. */
    private Flow.@Nullable Subscriber<? super T> subscriber;

    public Recipient(Means means, Supplier<String> label, Flow.Subscriber<? super T> subscriber) {
        this.means = means;
        this.label = label;
        this.users = means.workers().users();
        this.subscriber = Objects.requireNonNull(subscriber, "subscriber");
    }

    /** Whether it is signalled on the pool's own threads. */
    public boolean isHere() {
        return users == null;
    }

    /** Runs signals where they belong: on the user's executor, or here. */
    public void signal(Runnable signals) {
        if (users == null) {
            signals.run();
            return;
        }
        try {
            users.execute(signals);
        } catch (RuntimeException | Error e) {
            signals.run(); // a subscriber that waits for ever would be worse
        }
    }

    /** False if it throws: it must not (rule 2.13), and counts as cancelled then. */
    public boolean subscribed(Flow.Subscription subscription) {
        try {
            Objects.requireNonNull(subscriber).onSubscribe(subscription);
            return true;
        } catch (Throwable e) {
            failed(e);
            return false;
        }
    }

    /** False if it throws, as {@link #subscribed}. */
    public boolean next(T item) {
        try {
            Objects.requireNonNull(subscriber).onNext(item);
            return true;
        } catch (Throwable e) {
            failed(e);
            return false;
        }
    }

    /** Called once, after everything else. */
    public void last(End end) {
        Flow.Subscriber<? super T> to = Objects.requireNonNull(subscriber);
        subscriber = null;
        try {
            if (end.error() != null) {
                to.onError(end.error());
            } else if (!end.silent()) {
                to.onComplete();
            }
        } catch (Throwable e) {
            failed(e);
        }
    }

    private void failed(Throwable error) {
        means.telemetry().warn("the subscriber of \"" + label.get() + "\" failed; it is told no more", error);
    }
}
