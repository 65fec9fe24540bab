package dev.sqlitepool.internal.feed;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.sqlitepool.internal.Means;
import dev.sqlitepool.internal.StackRoom;
import dev.sqlitepool.internal.engine.Writes;
import dev.sqlitepool.internal.sql.Names;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Flow;
import java.util.concurrent.locks.ReentrantLock;

/** Tells subscribers which tables may have changed. Thread-safe; as long as there are none it costs a volatile read. */
public final class ChangeFeed {
    private final Means means;
    private final List<ChangeSubscription> subscriptions = new CopyOnWriteArrayList<>();
    private final ReentrantLock lock = new ReentrantLock();

    @GuardedBy("lock")
    private boolean closed;

    private volatile boolean watched;

    public ChangeFeed(Means means) {
        this.means = means;
    }

    /**
     * A publisher of changes.
     *
     * @param tables their names in any case; none for all
     */
    public Flow.Publisher<Set<String>> of(String... tables) {
        Map<String, String> wanted = new LinkedHashMap<>();
        for (String table : tables) {
            wanted.put(folded(table), table);
        }
        return subscriber -> {
            StackRoom.require();
            subscribe(new ChangeSubscription(means, this, wanted, subscriber));
        };
    }

    /** SQLite compares names so. */
    static String folded(String table) {
        return Names.folded(table);
    }

    /** It is told of everything that is committed after this, and perhaps acknowledged after this, before it can look at the database. */
    private void subscribe(ChangeSubscription subscription) {
        boolean late;
        lock.lock();
        try {
            late = closed;
            if (!late) {
                subscriptions.add(subscription);
                watched = true;
            }
        } finally {
            lock.unlock();
        }
        if (late) {
            subscription.complete();
        }
        subscription.begin();
    }

    void left(ChangeSubscription subscription) {
        lock.lock();
        try {
            subscriptions.remove(subscription);
            watched = !subscriptions.isEmpty();
        } finally {
            lock.unlock();
        }
    }

    public boolean isWatched() {
        return watched;
    }

    public void publish(Writes writes) {
        if (!writes.isNothing()) {
            for (ChangeSubscription subscription : subscriptions) {
                subscription.offer(writes);
            }
        }
    }

    /** Nothing will be written any more. */
    public void close() {
        lock.lock();
        try {
            closed = true;
        } finally {
            lock.unlock();
        }
        for (ChangeSubscription subscription : subscriptions) {
            subscription.complete();
        }
    }
}
