package dev.sqlitepool.internal.dispatch;

import dev.sqlitepool.internal.Workers;
import dev.sqlitepool.internal.dispatch.Waiter.State;
import dev.sqlitepool.internal.lane.Lane;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedList;
import java.util.List;
import java.util.ListIterator;
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

    /** Linked: an array that could not grow would lose those who are in it. */
    @SuppressWarnings("JdkObsolete")
    private final LinkedList<Waiter> waiters = new LinkedList<>();

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
        while (!isPutBack(waiter)) {
            Workers.pause();
        }
        waiting++;
        waitingInPool.incrementAndGet();
    }

    private boolean isPutBack(Waiter waiter) {
        try {
            ListIterator<Waiter> place = waiters.listIterator();
            while (place.hasNext()) {
                if (place.next().deadline() - waiter.deadline() >= 0) {
                    place.previous();
                    break;
                }
            }
            place.add(waiter);
            return true;
        } catch (OutOfMemoryError | InternalError e) {
            return false; // nothing has happened
        }
    }

    /** Queues a waiter again that had its turn: before all others. */
    void addFirst(Waiter waiter) {
        while (!isFirst(waiter)) {
            Workers.pause();
        }
        waiting++;
        waitingInPool.incrementAndGet();
    }

    private boolean isFirst(Waiter waiter) {
        try {
            waiters.addFirst(waiter);
            return true;
        } catch (OutOfMemoryError | InternalError e) {
            return false; // nothing has happened
        }
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
        while (!waiters.isEmpty() && (mayLease || !waiters.getFirst().isLease())) { // needs no memory
            Waiter waiter = waiters.removeFirst();
            if (waiter.state() == State.QUEUED && waiter.grant(lane)) {
                left();
                return waiter;
            }
        }
        if (waiters.isEmpty()) {
            return null;
        }
        for (Iterator<Waiter> all = iterator(); all.hasNext(); ) {
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

    private Iterator<Waiter> iterator() {
        while (true) {
            try {
                return waiters.iterator();
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
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
        int most = 0;
        for (Waiter waiter : waiters) {
            if (now - waiter.deadline() < 0) {
                break;
            }
            most++;
        }
        List<Waiter> expired = new ArrayList<>(most); // before anybody is ended
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
        List<Waiter> all = new ArrayList<>(waiting);
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
