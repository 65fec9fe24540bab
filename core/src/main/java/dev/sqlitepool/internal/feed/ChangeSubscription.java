package dev.sqlitepool.internal.feed;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.sqlitepool.internal.Means;
import dev.sqlitepool.internal.StackRoom;
import dev.sqlitepool.internal.engine.Writes;
import dev.sqlitepool.internal.feed.Recipient.End;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Flow;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * One subscription to changes. Thread-safe.
 *
 * <p>The changes not yet signalled are one set, so a slow subscriber costs no memory. The thread that has the {@link #turn} signals: first the
 * subscribing thread, until {@code onSubscribe} has returned, then one thread after the other. The turn is given up only under the lock,
 * when there is nothing to signal. A thread that adds something to signal takes a free turn. So signals are serial, and none is forgotten. With
 * the last signal the turn is kept for ever.
 */
final class ChangeSubscription implements Flow.Subscription {
    private final Means means;
    private final ChangeFeed feed;
    /** As the subscriber has written the names, by folded name; empty for all tables. */
    private final Map<String, String> wanted;

    private final ReentrantLock lock = new ReentrantLock();

    /** Null after the end, so that it can be collected. */
    @GuardedBy("lock")
    private @Nullable Recipient<Set<String>> recipient;

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
            Means means, ChangeFeed feed, Map<String, String> wanted, Flow.Subscriber<? super Set<String>> subscriber) {
        this.means = means;
        this.feed = feed;
        this.wanted = wanted;
        this.recipient = new Recipient<>(means, () -> "changes of " + wanted.values(), subscriber);
    }

    /** On the subscribing thread. */
    void begin() {
        Recipient<Set<String>> to = current();
        if (to != null && !to.subscribed(this)) {
            cancel();
        }
        handOn(true);
    }

    private @Nullable Recipient<Set<String>> current() {
        lock.lock();
        try {
            return recipient;
        } finally {
            lock.unlock();
        }
    }

    // ---- what there is to signal

    void offer(Writes writes) {
        lock.lock();
        try {
            if (recipient == null) {
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
        StackRoom.require();
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
        StackRoom.require();
        lock.lock();
        try {
            recipient = null;
            tables = Set.of();
        } finally {
            lock.unlock();
        }
        feed.left(this);
    }

    // ---- signals

    /** Sees to it that somebody signals, if there is something to signal: a worker that holds no lane, or the user's executor. */
    private void handOn(boolean mine) {
        Recipient<Set<String>> to;
        lock.lock();
        try {
            if (turn && !mine) {
                return; // the thread that has the turn will see
            }
            to = recipient;
            turn = to != null && hasSignal();
            if (!turn || to == null) {
                return;
            }
        } finally {
            lock.unlock();
        }
        Recipient<Set<String>> told = to;
        means.workers().execute(() -> told.signal(this::signalAll));
    }

    @GuardedBy("lock")
    private boolean hasSignal() {
        return error != null || completed || hasNext();
    }

    @GuardedBy("lock")
    private boolean hasNext() {
        return changed && demand > 0;
    }

    private void signalAll() {
        boolean more = true;
        while (more) {
            more = signalOne();
        }
    }

    /** False if the turn is given up, or never passed on again. */
    private boolean signalOne() {
        Recipient<Set<String>> to;
        Set<String> next = null;
        End end = null;
        lock.lock();
        try {
            to = recipient;
            turn = to != null && hasSignal();
            if (!turn || to == null) {
                return false;
            }
            if (error != null) {
                end = End.of(error);
            } else if (hasNext()) {
                next = tables;
                tables = new LinkedHashSet<>();
                changed = false;
                demand -= demand == Long.MAX_VALUE ? 0 : 1;
            } else {
                end = End.COMPLETE;
            }
            if (end != null) {
                recipient = null;
            }
        } finally {
            lock.unlock();
        }
        if (next != null && to.next(Collections.unmodifiableSet(next))) {
            return true;
        }
        if (end != null) {
            feed.left(this);
            to.last(end);
        } else {
            cancel(); // it has thrown
        }
        return false;
    }
}
