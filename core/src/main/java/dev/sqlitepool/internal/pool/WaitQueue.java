package dev.sqlitepool.internal.pool;

import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.pool.Waiter.State;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Those who wait for a lane of a group, first come, first served. Guarded by the group's lock.
 *
 * <p>A waiter may end at any moment, without the lock; it stays in the queue until somebody passes it, but is taken out of the count
 * once, by who ended it: here, or through {@link #withdrawn}. The queue is swept when the ended are more than the others, so
 * cancelling costs no search and no memory for long. Deadlines are in the order of the queue, since all have the same timeout.
 */
final class WaitQueue {
    /** As a limit: nobody waits, not even a thread. */
    static final int NOBODY = -1;

    private final Deque<Waiter> waiters = new ArrayDeque<>();
    private int waiting;
    private final int limitInPool;
    /** Those who wait in all queues of the pool. */
    private final AtomicInteger waitingInPool;

    WaitQueue(int limitInPool, AtomicInteger waitingInPool) {
        this.limitInPool = limitInPool;
        this.waitingInPool = waitingInPool;
    }

    /** How many wait. */
    int size() {
        return waiting;
    }

    /**
     * Whether this one may wait, for a lane that somebody holds. Threads that wait themselves may always, since each has one task at a time.
     * Two groups may look at once: then one more than the limit may get in.
     */
    boolean admits(Waiter waiter) {
        return limitInPool != NOBODY && waiter.isLimitedByItself() || waitingInPool.get() < limitInPool;
    }

    void addLast(Waiter waiter) {
        waiters.addLast(waiter);
        waiting++;
        waitingInPool.incrementAndGet();
    }

    /** Queues a waiter again where it was: behind those only whose time is up before. */
    void putBack(Waiter waiter) {
        Deque<Waiter> older = new ArrayDeque<>();
        while (!waiters.isEmpty() && waiters.peekFirst().deadline() - waiter.deadline() < 0) {
            older.push(waiters.removeFirst());
        }
        waiters.addFirst(waiter);
        older.forEach(waiters::addFirst);
        waiting++;
        waitingInPool.incrementAndGet();
    }

    /** Queues a waiter again that had its turn: before all others. */
    void addFirst(Waiter waiter) {
        waiters.addFirst(waiter);
        waiting++;
        waitingInPool.incrementAndGet();
    }

    private void left() {
        waiting--;
        waitingInPool.decrementAndGet();
    }

    /** Somebody in the queue has ended by itself. */
    void withdrawn() {
        left();
        if (waiters.size() > 2 * waiting + 64) {
            waiters.removeIf(waiter -> waiter.state() != State.QUEUED);
        }
    }

    /** Grants a lane to the first, leases only if they may; null if there is nobody. */
    @Nullable
    Waiter grant(Lane lane, boolean mayLease) {
        for (Iterator<Waiter> all = waiters.iterator(); all.hasNext(); ) {
            Waiter waiter = all.next();
            if (waiter.state() != State.QUEUED) {
                all.remove();
            } else if (mayLease || !waiter.isLease()) {
                all.remove();
                if (waiter.grant(lane)) {
                    left();
                    return waiter;
                }
            }
        }
        return null;
    }

    /** Grants a lane to the first, if the test wants it; null if not. */
    @Nullable
    Waiter grantFirst(Lane lane, Predicate<Waiter> wanted) {
        while (true) {
            Waiter first = waiters.peekFirst();
            if (first == null) {
                return null;
            }
            if (first.state() == State.QUEUED) {
                if (!wanted.test(first)) {
                    return null;
                }
                if (first.grant(lane)) {
                    waiters.removeFirst();
                    left();
                    return first;
                }
            }
            waiters.removeFirst();
        }
    }

    /** Ends and removes the first; null if nobody waits. */
    @Nullable
    Waiter endFirst() {
        while (true) {
            Waiter first = waiters.pollFirst();
            if (first == null || ended(first)) {
                return first;
            }
        }
    }

    /** Ends and removes those whose deadline has passed. */
    List<Waiter> endExpired(long now) {
        List<Waiter> expired = new ArrayList<>();
        while (true) {
            Waiter first = waiters.peekFirst();
            if (first == null || first.state() == State.QUEUED && now - first.deadline() < 0) {
                return expired;
            }
            waiters.removeFirst();
            if (ended(first)) {
                expired.add(first);
            }
        }
    }

    /** Ends and removes all. */
    List<Waiter> endAll() {
        List<Waiter> all = new ArrayList<>();
        for (Waiter first = endFirst(); first != null; first = endFirst()) {
            all.add(first);
        }
        return all;
    }

    private boolean ended(Waiter waiter) {
        boolean mine = waiter.move(State.QUEUED, State.ENDED);
        if (mine) {
            left();
        }
        return mine;
    }

    /** When the first one's time is up; {@link Long#MAX_VALUE} if nobody waits. */
    long nextDeadline() {
        while (true) {
            Waiter first = waiters.peekFirst();
            if (first == null) {
                return Long.MAX_VALUE;
            }
            if (first.state() == State.QUEUED) {
                return first.deadline();
            }
            waiters.removeFirst();
        }
    }
}
