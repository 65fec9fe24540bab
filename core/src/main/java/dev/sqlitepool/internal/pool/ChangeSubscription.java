package dev.sqlitepool.internal.pool;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.sqlitepool.internal.engine.Engine.Writes;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * One subscription to changes. Thread-safe.
 *
 * <p>What it has not been told yet is one set, so a slow subscriber costs no memory. Whoever has the {@link #turn} signals: first the
 * subscribing thread, until {@code onSubscribe} has returned, then one thread after the other. The turn is given up only under the lock,
 * when there is nothing to signal; who makes something to signal takes a free turn: so signals are serial, and none is forgotten. With
 * the last signal the turn is kept for ever.
 */
final class ChangeSubscription implements Flow.Subscription {
    private final LanePool pool;
    private final ChangeFeed feed;
    /** As the subscriber has written the names, by folded name; empty for all tables. */
    private final Map<String, String> wanted;

    private final ReentrantLock lock = new ReentrantLock();

    /** Null after the end, so that it can be collected. */
    @GuardedBy("lock")
    private Flow.@Nullable Subscriber<? super Set<String>> subscriber;

    @GuardedBy("lock")
    private long demand;

    @GuardedBy("lock")
    private Set<String> tables = new LinkedHashSet<>();
    /** There is something to tell, even if nobody knows the names. */
    @GuardedBy("lock")
    private boolean changed;

    @GuardedBy("lock")
    private boolean turn = true;

    @GuardedBy("lock")
    private boolean completed;

    @GuardedBy("lock")
    private @Nullable Throwable error;

    ChangeSubscription(
            LanePool pool,
            ChangeFeed feed,
            Map<String, String> wanted,
            Flow.Subscriber<? super Set<String>> subscriber) {
        this.pool = pool;
        this.feed = feed;
        this.wanted = wanted;
        this.subscriber = Objects.requireNonNull(subscriber, "subscriber");
    }

    /** On the subscribing thread. */
    void begin() {
        Flow.Subscriber<? super Set<String>> to = current();
        if (to != null) {
            try {
                to.onSubscribe(this);
            } catch (Throwable e) {
                failed(e);
            }
        }
        handOn(true);
    }

    private Flow.@Nullable Subscriber<? super Set<String>> current() {
        lock.lock();
        try {
            return subscriber;
        } finally {
            lock.unlock();
        }
    }

    // ---- what there is to signal

    void offer(Writes writes) {
        lock.lock();
        try {
            if (subscriber == null) {
                return;
            }
            if (writes.any()) {
                changed = true;
                tables.addAll(wanted.values());
            }
            for (String table : writes.tables()) {
                String name = told(table);
                changed |= name != null && tables.add(name);
            }
        } finally {
            lock.unlock();
        }
        handOn(false);
    }

    private @Nullable String told(String table) {
        if (!wanted.isEmpty()) {
            return wanted.get(ChangeFeed.folded(table));
        }
        return table.startsWith("sqlite_") ? null : table;
    }

    void complete() {
        lock.lock();
        try {
            completed = true;
        } finally {
            lock.unlock();
        }
        handOn(false);
    }

    @Override
    public void request(long n) {
        lock.lock();
        try {
            if (n <= 0) {
                error = new IllegalArgumentException(
                        "request(" + n + "): the demand must be positive (Reactive Streams, rule 3.9).");
            } else {
                demand = demand + n < 0 ? Long.MAX_VALUE : demand + n;
            }
        } finally {
            lock.unlock();
        }
        handOn(false);
    }

    @Override
    public void cancel() {
        lock.lock();
        try {
            subscriber = null;
            tables = Set.of();
        } finally {
            lock.unlock();
        }
        feed.left(this);
    }

    // ---- signals

    /** Sees to it that somebody signals, if there is something to signal. */
    private void handOn(boolean mine) {
        lock.lock();
        try {
            if (turn && !mine) {
                return; // whoever has it will see
            }
            turn = hasSignal();
            if (!turn) {
                return;
            }
        } finally {
            lock.unlock();
        }
        pool.workers().execute(this::signal);
    }

    @GuardedBy("lock")
    private boolean hasSignal() {
        return subscriber != null && (error != null || completed || changed && demand > 0);
    }

    /** On a worker that holds no lane; from there on the user's executor, if there is one. */
    private void signal() {
        Executor users = pool.workers().users();
        if (users != null) {
            try {
                users.execute(this::signalAll);
                return;
            } catch (RuntimeException | Error e) {
                pool.telemetry().debug("the executor refuses the signals of a subscription", e);
            }
        }
        signalAll();
    }

    private void signalAll() {
        try {
            boolean more = true;
            while (more) {
                more = signalOne();
            }
        } catch (Throwable e) {
            failed(e);
        }
    }

    /** False if the turn is given up. */
    private boolean signalOne() {
        Flow.Subscriber<? super Set<String>> to;
        Set<String> next;
        lock.lock();
        try {
            turn = hasSignal();
            if (!turn) {
                return false;
            }
            to = Objects.requireNonNull(subscriber);
            boolean last = error != null || !(changed && demand > 0);
            next = last ? null : tables;
            if (last) {
                subscriber = null;
            } else {
                tables = new LinkedHashSet<>();
                changed = false;
                demand -= demand == Long.MAX_VALUE ? 0 : 1;
            }
        } finally {
            lock.unlock();
        }
        if (next != null) {
            to.onNext(Collections.unmodifiableSet(next));
            return true;
        }
        feed.left(this);
        end(to);
        return false;
    }

    private void end(Flow.Subscriber<? super Set<String>> to) {
        Throwable why;
        lock.lock();
        try {
            why = error;
        } finally {
            lock.unlock();
        }
        if (why == null) {
            to.onComplete();
        } else {
            to.onError(why);
        }
    }

    /** A subscriber must not throw (rule 2.13), and counts as cancelled then. */
    private void failed(Throwable thrown) {
        cancel();
        pool.telemetry().warn("a subscriber to changes failed, and is told no more", thrown);
    }
}
