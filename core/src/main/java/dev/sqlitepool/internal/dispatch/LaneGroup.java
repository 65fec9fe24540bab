package dev.sqlitepool.internal.dispatch;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.sqlitepool.internal.Workers;
import dev.sqlitepool.internal.dispatch.Waiter.State;
import dev.sqlitepool.internal.lane.Lane;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Decides which task gets a lane, and when: holds the lanes of one access and the tasks that wait for them. Thread-safe; everything is guarded by one
 * short lock, under which nothing foreign is called and no second lock is taken. Methods change the state and return what the
 * caller must do after the lock: open, run, close, fail.
 *
 * <p>Invariants, at every release of the lock:
 *
 * <ol>
 *   <li>{@code idle + borrowed + opening + closing = live ≤ max}. Every lane is in exactly one of these, and a change takes it
 *       from one to another: no lane is lost.
 *   <li>If somebody waits who may be served, no lane is idle. A lane becomes idle only in {@link #offer}, which grants first;
 *       somebody begins to wait only in {@link #submit}, which looks at the idle lanes first.
 *   <li>If somebody waits, then {@code opening ≥ min(waiting, max − live + opening)}: a lane is on its way for everybody who has
 *       room. What creates room ({@link #closed}, {@link #openFailed}) or need ({@link #submit}) asks {@link #needsOpening}: no
 *       wake-up is lost.
 * </ol>
 *
 * First come, first served: waiters leave at the head, and nobody is granted a lane past them. Those who ended while queued are
 * skipped; the queue is swept when they are more than those who wait. Idle lanes are a stack: the warmest is used, the others can
 * expire.
 *
 * <p>If memory runs out in a method it has changed nothing, or waits for memory: to lend, to take back and to pass on needs none.
 */
final class LaneGroup {
    /** The result of a submission. */
    enum Verdict {
        /** A lane has been granted: run. */
        RUN,
        /** In the queue. */
        WAIT,
        /** In the queue, and a lane must be opened. */
        OPEN,
        /** Too many wait. */
        FULL,
        CLOSED,
        /** It has ended already: nothing to do. */
        GONE
    }

    /** The waiter that is to fail after a failed opening, and whether another opening must be tried for another waiter. */
    record OpenFailed(@Nullable Waiter waiter, boolean open) {}

    /** The waiter that is granted a new lane, or whether the caller must close the lane. */
    record Opened(@Nullable Waiter waiter, boolean close) {}

    /** Whether the lane has been taken back to be closed, whether its waiter waits again, and who is granted another lane. */
    record Unfit(boolean taken, boolean again, @Nullable Waiter waiter) {}

    /** The state of the lanes at one moment. */
    record Snapshot(int idle, int borrowed, int opening, int closing, int waiting, Loans.@Nullable Loan oldest) {}

    private final int max;

    private final Loans.Lock lock;

    @GuardedBy("lock")
    private final Deque<Lane> idle;

    @GuardedBy("lock")
    private final Loans borrowed;

    @GuardedBy("lock")
    private final WaitQueue queue;

    @GuardedBy("lock")
    private int opening;

    @GuardedBy("lock")
    private int closing;

    @GuardedBy("lock")
    private boolean closed;
    /** Those who are in the middle of something are ended, too. */
    @GuardedBy("lock")
    private boolean forced;

    LaneGroup(int max, WaitQueue queue, Loans.Listener told) {
        this.max = max;
        this.queue = queue;
        this.borrowed = new Loans(max);
        this.lock = new Loans.Lock(borrowed, told);
        this.idle = new ArrayDeque<>(Math.min(max, Loans.MOST_AT_ONCE) + 1); // so that it does not grow
    }

    int max() {
        return max;
    }

    // ---- coming

    /**
     * Lets a waiter in: a new one, whom nobody else knows yet, or one that is running and owned by the caller, who has given its
     * lane back and wants one of this group. Whoever gets a lane that is opened for it, rather than one that somebody holds, is let in in
     * any case.
     */
    Verdict submit(Waiter waiter, long now) {
        State from = waiter.state() == State.QUEUED ? State.QUEUED : State.RUNNING;
        lock.lock();
        try {
            boolean mayServe = !waiter.isLease() || mayLease();
            boolean take = mayServe && !idle.isEmpty();
            boolean waits = !take && !(mayServe && isOnItsWay());
            if (closed || waits && !queue.admits(waiter)) {
                boolean ended = waiter.move(from, State.ENDED);
                return !ended ? Verdict.GONE : closed ? Verdict.CLOSED : Verdict.FULL;
            }
            if (!waiter.move(from, State.QUEUED)) {
                return Verdict.GONE;
            }
            // From here on somebody may end it, and then takes it out of the count when we have left the lock: so it is
            // queued
            // in any case. If it may have an idle lane it is the first of those who may (invariant 2).
            queue.addLast(waiter);
            if (take) {
                Waiter first = offer(idle.removeLast(), now);
                return first == waiter ? Verdict.RUN : Verdict.GONE;
            }
            if (needsOpening()) {
                opening++;
                return Verdict.OPEN;
            }
            return Verdict.WAIT;
        } finally {
            lock.unlock();
        }
    }

    /** Whether the next who comes can be given a lane that is opened, or closed to be opened again, rather than one that somebody holds. */
    @GuardedBy("lock")
    private boolean isOnItsWay() {
        return queue.size() < max - idle.size() - borrowed.size();
    }

    /** Leases hold at most all but one of the lanes, so that short work gets through. */
    @GuardedBy("lock")
    private boolean mayLease() {
        return borrowed.leases() < Math.max(1, max - 1);
    }

    @GuardedBy("lock")
    private boolean needsOpening() {
        return opening < queue.size() && idle.size() + borrowed.size() + opening + closing < max;
    }

    /** A waiter has ended while it was queued. */
    void withdrawn() {
        lock.lock();
        try {
            queue.withdrawn();
        } finally {
            lock.unlock();
        }
    }

    // ---- going

    /**
     * Takes a borrowed lane back.
     *
     * @return the waiter that it is granted to now; null if it is idle
     */
    @Nullable
    Waiter release(Lane lane, long now) {
        lock.lock();
        try {
            borrowed.remove(lane, now);
            return offer(lane, now);
        } finally {
            lock.unlock();
        }
    }

    /** As {@link #release}, for a lane that was only looked at: if it is idle it is the last to be used. */
    @Nullable
    Waiter releaseCold(Lane lane, long now) {
        lock.lock();
        try {
            borrowed.remove(lane, now);
            Waiter next = offer(lane, now);
            if (next == null) {
                idle.addFirst(idle.removeLast());
            }
            return next;
        } finally {
            lock.unlock();
        }
    }

    /** The first who may be served gets the lane; if there is none it is idle. */
    @GuardedBy("lock")
    private @Nullable Waiter offer(Lane lane, long now) {
        Waiter waiter = queue.grant(lane, mayLease());
        if (waiter == null) {
            idle.addLast(lane);
        } else {
            borrowed.add(lane, waiter, now);
        }
        return waiter;
    }

    /** A lane less is borrowed: if it was a lease, another lease may now hold an idle lane. */
    @GuardedBy("lock")
    private @Nullable Waiter offerIdle(long now) {
        return queue.size() == 0 || idle.isEmpty() ? null : offer(idle.removeLast(), now);
    }

    /**
     * Passes a lane on as it is, with what its holder has begun on it, to the first who waits, if the test wants it; null if the lane
     * stays with its holder.
     */
    @Nullable
    Waiter pass(Lane lane, Predicate<Waiter> wanted, long now) {
        lock.lock();
        try {
            Waiter next = queue.grantFirst(lane, wanted);
            if (next != null) {
                borrowed.pass(lane, next, now);
            }
            return next;
        } finally {
            lock.unlock();
        }
    }

    /** Whether anybody waits. */
    boolean isAwaited() {
        lock.lock();
        try {
            return queue.size() > 0;
        } finally {
            lock.unlock();
        }
    }

    /**
     * A borrowed lane will be closed by the caller, who then calls {@link #closed}.
     *
     * @return a lease that may hold an idle lane now that this one does not count any more
     */
    @Nullable
    Waiter retire(Lane lane, long now) {
        lock.lock();
        try {
            borrowed.remove(lane, now);
            closing++;
            return offerIdle(now);
        } finally {
            lock.unlock();
        }
    }

    /**
     * A granted lane turned out unfit before it was used: its waiter goes back to the head of the queue, and the caller closes the
     * lane. Not in a closed group, which has no other lane for it.
     */
    Unfit unfit(Lane lane, Waiter waiter, long now) {
        lock.lock();
        try {
            if (closed) {
                return new Unfit(false, false, null);
            }
            borrowed.remove(lane, now);
            closing++;
            boolean again = waiter.move(State.RUNNING, State.QUEUED); // else it has ended in the meantime
            if (again) {
                queue.putBack(waiter);
            }
            return unfit(again, offerIdle(now));
        } finally {
            lock.unlock();
        }
    }

    /**
     * A waiter takes the lane of one who has been granted it and has not begun, and who goes back to the head of the queue.
     *
     * @return false if it does not wait any more, and nothing has happened
     */
    boolean goesBefore(Waiter waiter, Waiter granted, Lane lane, long now) {
        lock.lock();
        try {
            if (waiter.state() != State.QUEUED || !waiter.grant(lane)) {
                return false;
            }
            queue.withdrawn();
            borrowed.pass(lane, waiter, now);
            if (granted.move(State.RUNNING, State.QUEUED)) { // else it has ended in the meantime
                queue.putBack(granted);
            }
            return true;
        } finally {
            lock.unlock();
        }
    }

    private static Unfit unfit(boolean again, @Nullable Waiter next) {
        while (true) {
            try {
                return new Unfit(true, again, next);
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
    }

    /**
     * What these have done is undone: they wait again, at the head of the queue, in the same order, and the time that they have held the
     * lane is not theirs. Those who have ended do not.
     *
     * @return those whom a closing pool has ended by force; the caller fails them
     */
    List<Waiter> repeat(List<? extends Waiter> undone, long held, long now) {
        lock.lock();
        try {
            for (int i = undone.size() - 1; i >= 0; i--) {
                Waiter waiter = undone.get(i);
                if (waiter.move(State.COMMITTING, State.QUEUED) || waiter.move(State.RUNNING, State.QUEUED)) {
                    waiter.waitsAgain(held, now);
                    queue.addFirst(waiter);
                }
            }
            return forced ? queue.endAll() : List.of();
        } finally {
            lock.unlock();
        }
    }

    /**
     * A closing lane is closed.
     *
     * @return whether a lane must be opened in its place
     */
    boolean closed() {
        lock.lock();
        try {
            closing--;
            boolean open = needsOpening();
            if (open) {
                opening++;
            }
            return open;
        } finally {
            lock.unlock();
        }
    }

    // ---- opening

    /** A lane has been opened: it is granted to the first who waits, or is idle, or, in a closed group, counts as closing. */
    Opened opened(Lane lane, long now) {
        lock.lock();
        try {
            opening--;
            boolean close = closed && queue.size() == 0;
            if (close) {
                closing++;
            }
            return opened(close ? null : offer(lane, now), close);
        } finally {
            lock.unlock();
        }
    }

    private static Opened opened(@Nullable Waiter waiter, boolean close) {
        while (true) {
            try {
                return new Opened(waiter, close);
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
    }

    /** An opening has failed: the one who waits longest fails with it, so that failures cannot go on unheard. */
    OpenFailed openFailed() {
        lock.lock();
        try {
            opening--;
            Waiter head = queue.endFirst();
            boolean open = needsOpening();
            if (open) {
                opening++;
            }
            return openFailed(head, open);
        } finally {
            lock.unlock();
        }
    }

    private static OpenFailed openFailed(@Nullable Waiter waiter, boolean open) {
        while (true) {
            try {
                return new OpenFailed(waiter, open);
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
    }

    // ---- housekeeping

    /** Ends and removes those whose deadline has passed. They are in the order of their deadlines. */
    List<Waiter> expire(long now) {
        lock.lock();
        try {
            return queue.endExpired(now);
        } finally {
            lock.unlock();
        }
    }

    /** When the next waiter's time is up; {@link Long#MAX_VALUE} if nobody waits. */
    long nextDeadline() {
        lock.lock();
        try {
            return queue.nextDeadline();
        } finally {
            lock.unlock();
        }
    }

    /** Borrows the first idle lane, the longest idle first, that the test wants. */
    @Nullable
    Lane borrowIdle(Predicate<Lane> wanted, Waiter borrower, long now) {
        lock.lock();
        try {
            for (Iterator<Lane> lanes = idle.iterator(); lanes.hasNext(); ) {
                Lane lane = lanes.next();
                if (wanted.test(lane)) {
                    lanes.remove();
                    borrowed.add(lane, borrower, now);
                    return lane;
                }
            }
            return null;
        } finally {
            lock.unlock();
        }
    }

    /** The lane that is lent to somebody, or in its name; null if none is. */
    @Nullable
    Lane lentTo(Waiter somebody) {
        lock.lock();
        try {
            return borrowed.lentTo(somebody);
        } finally {
            lock.unlock();
        }
    }

    /** Those who hold a lane now, and since when. */
    Map<Waiter, Long> loans() {
        lock.lock();
        try {
            return borrowed.holders();
        } finally {
            lock.unlock();
        }
    }

    // ---- closing

    /**
     * Closes the group: nobody comes in any more, but those who must {@link #repeat}. Returns those who waited, ended; the caller fails
     * them.
     */
    List<Waiter> close(boolean force) {
        lock.lock();
        try {
            closed = true;
            forced = force;
            return queue.endAll();
        } finally {
            lock.unlock();
        }
    }

    /** Whether the group is closed and has no lane any more. */
    boolean isTerminated() {
        lock.lock();
        try {
            return closed && idle.isEmpty() && borrowed.size() == 0 && opening + closing == 0;
        } finally {
            lock.unlock();
        }
    }

    boolean isClosed() {
        lock.lock();
        try {
            return closed;
        } finally {
            lock.unlock();
        }
    }

    Snapshot snapshot() {
        lock.lock();
        try {
            Loans.Loan oldest = borrowed.oldest();
            return new Snapshot(idle.size(), borrowed.size(), opening, closing, queue.size(), oldest);
        } finally {
            lock.unlock();
        }
    }
}
