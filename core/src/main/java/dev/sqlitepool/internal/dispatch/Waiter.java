package dev.sqlitepool.internal.dispatch;

import dev.sqlitepool.Access;
import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.lane.Ticket;
import dev.sqlitepool.internal.log.Acknowledgement;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.time.Duration;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Somebody who wants a lane: a task, a stream, or a thread that waits. Thread-safe.
 *
 * <p><b>The end is decided once</b>, by compare-and-set on one state:
 *
 * <pre>
 *   QUEUED ──► RUNNING ──► COMMITTING ──► DONE
 *     │  ▲        │ │
 *     │  └────────┘ └──► REVOKED   (ended from outside while it has a lane, which its server gives back)
 *     │   put back: its lane turned out unfit, or it belongs on the write lane
 *     └──► ENDED                   (cancelled, timed out, refused, closed before it had a lane)
 * </pre>
 *
 * The group grants a lane only by winning {@code QUEUED → RUNNING}; ending a waiter must win against it. So a lane is granted
 * to somebody who is there to take it, or stays with the group: it cannot fall between a timeout and a hand-over.
 */
public abstract class Waiter implements Ticket {
    /** Where one waits: for the lanes of one access. */
    interface Place {
        /** The access for which its lanes are opened. */
        Access access();

        /** How many lanes there may be. */
        int max();

        /** Somebody has ended while queued here. */
        void withdrawn();

        /** Fails if waiting here would be waiting for this very thread. */
        void requireOthersHoldLane();
    }

    public enum State {
        QUEUED,
        RUNNING,
        COMMITTING,
        DONE,
        REVOKED,
        ENDED
    }

    /** A parked thread is always woken; it looks again after this all the same. */
    public static final long LOOK_AGAIN_NANOS = 1_000_000_000;

    private static final String INTERNAL = "dev.sqlitepool.internal.";

    private static final VarHandle STATE;

    static {
        try {
            STATE = MethodHandles.lookup().findVarHandle(Waiter.class, "state", State.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private volatile State state = State.QUEUED;
    /** Where it waits; set before it is queued. */
    private volatile @Nullable Place place;
    /** The granted lane; written before the state becomes RUNNING, read by the owner after. */
    private @Nullable Lane lane;
    /** On the pool's clock; meaningful while queued. */
    private long queuedAt;

    private long deadline;
    /** Since when it has its lane; guarded by the lock of the lane's group. */
    private long heldSince;

    private volatile @Nullable Waiter claim;

    final State state() {
        return state;
    }

    final boolean move(State from, State to) {
        return STATE.compareAndSet(this, from, to);
    }

    final @Nullable Place place() {
        return place;
    }

    /** Prepares to wait there. The deadline of one put back stays: it has waited since then. */
    final void joins(Place where, long now, long until) {
        place = where;
        queuedAt = now;
        deadline = until;
    }

    /** Will wait there. */
    final void willJoin(Place where) {
        place = where;
    }

    /** Will wait for nothing. */
    final void joinsNowhere(long now) {
        queuedAt = now;
    }

    final long queuedAt() {
        return queuedAt;
    }

    final long heldSince() {
        return heldSince;
    }

    final void heldSince(long now) {
        heldSince = now;
    }

    final long deadline() {
        return deadline;
    }

    /** It waits again, after a turn that came to nothing and was not waiting. Called under the group's lock. */
    final void waitsAgain(long turn, long now) {
        deadline += turn;
        queuedAt = now;
    }

    /** Called under the group's lock. */
    final boolean grant(Lane granted) {
        lane = granted;
        return move(State.QUEUED, State.RUNNING);
    }

    protected final @Nullable Lane lane() {
        return lane;
    }

    /** The waiter that its session waits for in the middle of its function. */
    final @Nullable Waiter claim() {
        return claim;
    }

    /** Wakes the thread that waits to serve it, so that it looks at the state. */
    void wake() {}

    /** Wakes what its session waits for, so that it sees that the session is not wanted any more. */
    final void wakeClaim() {
        Waiter moving = claim;
        if (moving != null) {
            moving.wake();
        }
    }

    final void claim(@Nullable Waiter current) {
        claim = current;
    }

    /** Whether somebody waits for this one who holds all lanes of that place. */
    boolean isAwaitedInside(Place where) {
        return false;
    }

    /** Fails if this thread holds what the session is about to move to. */
    final void requireOthersHoldClaim() {
        Waiter moving = claim;
        Place to = moving == null ? null : moving.place();
        if (to != null && moving.state() == State.QUEUED) {
            to.requireOthersHoldLane();
        }
    }

    /** Whether it counts as a lease: these may hold all but one of the read lanes, so that short reads get through. */
    boolean isLease() {
        return false;
    }

    /** Whether it is a single read, which may share a snapshot that was begun after it was submitted. */
    boolean sharesSnapshots() {
        return false;
    }

    /** Whether all that it does is in a transaction that may write, and that it begins at once. */
    boolean beginsTransaction() {
        return false;
    }

    /** Whether it is a statement that may run in the transaction of a group on that lane, which the caller owns. */
    boolean joinsGroups(Lane lane) {
        return false;
    }

    /** The step that serves it, if the granting thread may continue with it instead of waking another; null if not. */
    @Nullable
    Runnable servesHere() {
        return null;
    }

    /** What remains to be done on a thread of the pool after a grant to somebody, or nobody, and after {@code first}; null for nothing. */
    static @Nullable Runnable next(@Nullable Waiter granted, @Nullable Runnable first) {
        Runnable here = first == null && granted != null ? granted.servesHere() : null;
        if (here == null && granted != null) {
            granted.granted();
        }
        return here != null ? here : first;
    }

    /** Fails it on this thread: it was submitted just now, or its owner runs here. */
    final void failHere(Throwable error) {
        Runnable settle = failed(error);
        if (settle != null) {
            settle.run();
        }
    }

    /** Called after a grant, outside all locks. Makes sure that the task is served. */
    protected abstract void granted();

    /**
     * Tells the waiter that the group has ended it. Called outside all locks.
     *
     * @return what settles its future, to be run where foreign code may run; null if there is nothing
     */
    public abstract @Nullable Runnable failed(Throwable error);

    /**
     * Ends it as the holder of a lane, when the pool closes.
     *
     * @param why called when it has been ended, and so what it has done by then is known
     * @return what settles its future, as {@link #failed}
     */
    @Nullable
    public Runnable revoke(Function<? super Waiter, ? extends Throwable> why) {
        return null;
    }

    /**
     * It cannot be ended any more, and what it has begun may never return: the pool closes without it.
     *
     * @param unknown its end, if it was committing
     * @return what settles its future, as {@link #failed}
     */
    @Nullable
    public Runnable abandon(OutcomeUnknownException unknown) {
        return null;
    }

    /** Whether it may have changed the database, although it has not been acknowledged. */
    public boolean mayHaveHadEffect() {
        return false;
    }

    /** Whether it is a thread that waits, which cannot submit more while it waits, so that it needs no other limit. */
    boolean isLimitedByItself() {
        return false;
    }

    /**
     * For how long it has held a snapshot, as far as can be told.
     *
     * @param held for how long it has held its lane
     */
    public Duration hasReadFor(Duration held, long now) {
        return held;
    }

    /**
     * Ends what it reads, because its snapshot is too old.
     *
     * @return what settles its future, as {@link #failed}
     */
    @Nullable
    public Runnable endRead(Function<? super Waiter, ? extends Throwable> why) {
        return revoke(why);
    }

    /**
     * Its work has committed, and has no lane any more.
     *
     * @return whether it ends then and goes on by itself after it; else its thread must wait for it
     */
    boolean goesOnAfter(Acknowledgement durable) {
        return false;
    }

    /** Whether it has gone on so. */
    boolean goesOn() {
        return false;
    }

    /** Whether what is lent to it is served by the thread that serves the other one. */
    boolean holdsFor(Waiter other) {
        return this == other;
    }

    /** Under what name the thread that runs it holds its lane. */
    Object heldAs() {
        return this;
    }

    /** What it is called in messages. */
    @Override
    public abstract String label();

    /** Whether it has been ended from outside while it has a lane, which it gives back only when its code returns. */
    protected boolean isEndedInside() {
        return state == State.REVOKED;
    }

    /** Its name as the holder of a lane. */
    final String holder() {
        String holder = label();
        Throwable trace = submittedAt();
        if (trace != null) {
            holder += Stream.of(trace.getStackTrace())
                    .filter(frame -> !frame.getClassName().startsWith(INTERNAL))
                    .findFirst()
                    .map(frame -> ", submitted at " + frame)
                    .orElse("");
        }
        return isEndedInside() ? holder + ", which was cancelled and whose code has not returned" : holder;
    }

    /** Where it was submitted, if the pool looks for leaks. */
    @Nullable
    public Throwable submittedAt() {
        return null;
    }

    // ---- as the ticket of a session

    @Override
    public final boolean isEnded() {
        State now = state;
        return now == State.REVOKED || now == State.ENDED;
    }

    @Override
    public final boolean beginCommit() {
        return move(State.RUNNING, State.COMMITTING);
    }
}
