package dev.sqlitepool.internal.dispatch;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.sqlitepool.Lease;
import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.PoolConnection;
import dev.sqlitepool.SqlWork;
import dev.sqlitepool.internal.Settles;
import dev.sqlitepool.internal.StackRoom;
import dev.sqlitepool.internal.Workers;
import dev.sqlitepool.internal.session.Form;
import dev.sqlitepool.internal.session.FreeSession;
import dev.sqlitepool.internal.session.Work;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A lane on loan, and before that the request for it. Thread-safe.
 *
 * <p>Works wait in the lease's own queue. At most one thread drains it ({@link #draining}); it stops only when it has seen the queue
 * empty under the lock, and who adds to a queue that nobody drains starts it: no work is left behind. After a commit that waits at the gate the
 * drain passes to its turn, which the gate settles in any case, and which goes on with it exactly once ({@link LeaseWork#serve}). The lane is
 * given back by the drain that sees the lease released and the queue empty, once, since it is then {@link #returned}.
 */
final class LaneLease extends Request<Lease> implements Lease {
    private final Routes routes;
    private final Keeper keeper;
    private final PoolFuture<Void> returning;

    private final ReentrantLock lock = new ReentrantLock();
    /** Made before a lane is granted. */
    private final Runnable handing = this::hand;

    private final Runnable drain = this::drain;

    @GuardedBy("lock")
    private final Deque<LeaseWork<?>> queue = new ArrayDeque<>();

    @GuardedBy("lock")
    private @Nullable LeaseWork<?> current;

    @GuardedBy("lock")
    private boolean draining;

    /** The session has its lane; before that nothing may be drained. */
    @GuardedBy("lock")
    private boolean handed;

    @GuardedBy("lock")
    private boolean released;

    @GuardedBy("lock")
    private boolean returned;
    /** Why it was ended by force. */
    private volatile @Nullable Throwable ended;

    /** With {@link Form#READ} all functions see one snapshot, else each statement commits on its own. */
    LaneLease(Routes routes, Form form) {
        super(routes.means());
        this.routes = routes;
        this.keeper = new Keeper(routes, form, this);
        this.returning = new PoolFuture<>(means.workers(), new Returning());
    }

    @Override
    boolean isLease() {
        return true;
    }

    @Override
    public String label() {
        return "lease";
    }

    @Override
    public Duration hasReadFor(Duration held, long now) {
        return keeper.session().hasReadFor(now);
    }

    @Override
    protected boolean isEndedInside() {
        LeaseWork<?> running;
        lock.lock();
        try {
            running = current;
        } finally {
            lock.unlock();
        }
        return running != null && running.state() == State.REVOKED;
    }

    @Override
    @Nullable
    public Runnable abandon(OutcomeUnknownException unknown) {
        LeaseWork<?> running;
        lock.lock();
        try {
            running = current;
        } finally {
            lock.unlock();
        }
        return running == null ? null : running.abandoned(unknown);
    }

    // ---- the request

    @Override
    protected void granted() {
        means.workers().execute(handing);
    }

    private void hand() {
        if (!keeper.take(this)) {
            return;
        }
        lock.lock();
        try {
            handed = true;
        } finally {
            lock.unlock();
        }
        startDrain(); // revoked in the meantime
        if (!future().settle(this, null)) {
            CompletableFuture<Void> unused = release(); // nobody wants it any more
        }
    }

    /** From the future: gives up the request; from the closing pool: ends the loan by force. */
    @Override
    public boolean end(@Nullable Object value, @Nullable Throwable error) {
        if (move(State.QUEUED, State.ENDED)) {
            Objects.requireNonNull(place()).withdrawn();
            means.telemetry().cancelled(this);
            future().settleHere(value, error);
            return true;
        }
        return future().settleHere(value, error); // granted, but not handed over: hand() releases it
    }

    @Override
    public void requireOthersHoldLane() {
        requireOthersHoldQueue();
    }

    /** Ends the function that runs; if a transaction is open between two functions, ends the whole lease. */
    @Override
    @Nullable
    public Runnable endRead(Function<? super Waiter, ? extends Throwable> why) {
        LeaseWork<?> running;
        lock.lock();
        try {
            running = current;
        } finally {
            lock.unlock();
        }
        return running == null ? revoke(why) : running.revoked(why);
    }

    /** Ends the loan now: fails what waits, interrupts what runs. */
    @Override
    @Nullable
    public Runnable revoke(Function<? super Waiter, ? extends Throwable> why) {
        Throwable error = why.apply(this);
        Settles settles = new Settles();
        LeaseWork<?> running;
        lock.lock();
        try {
            released = true;
            ended = error;
            running = current;
            for (LeaseWork<?> run : queue) {
                if (run.move(State.QUEUED, State.ENDED)) {
                    settles.add(run.failed(error));
                }
            }
            queue.clear();
        } finally {
            lock.unlock();
        }
        settles.complete(means.workers());
        Runnable settle = running == null ? null : running.revoked(why);
        startDrain();
        return settle;
    }

    // ---- the loan

    @Override
    public <T> CompletableFuture<T> run(SqlWork<? super PoolConnection, ? extends T, ?> work) {
        StackRoom.require();
        Objects.requireNonNull(work, "work");
        return submit(new LeaseWork<>(this, routes, keeper, new Work.Code<>(Form.CONNECTION, work, work), false));
    }

    @Override
    public CompletableFuture<Void> commit() {
        StackRoom.require();
        return submit(new LeaseWork<>(this, routes, keeper, FreeSession.COMMIT, true));
    }

    private <T> CompletableFuture<T> submit(LeaseWork<T> run) {
        boolean accepted;
        boolean full;
        lock.lock();
        try {
            accepted = !released;
            full = queue.size() >= Math.max(1, means.settings().maxWaiters()); // one may follow the one that ends
            if (accepted && !full) {
                queue.add(run);
            }
        } finally {
            lock.unlock();
        }
        if (!accepted) {
            Throwable why = ended;
            run.refuse(new IllegalStateException(
                    why == null
                            ? "This lease has been released; acquire another."
                            : "This lease has been released by force: " + why.getMessage() + " Acquire another.",
                    why));
        } else if (full) {
            run.refuse(means.refusal().exhausted(false));
        } else {
            startDrain();
        }
        return run.future();
    }

    @Override
    public CompletableFuture<Void> release() {
        StackRoom.require();
        lock.lock();
        try {
            released = true;
        } finally {
            lock.unlock();
        }
        startDrain();
        return returning;
    }

    /** The future of the return cannot be completed from outside, nor waited for inside a function of the lease. */
    private final class Returning implements PoolFuture.Origin {
        @Override
        public boolean end(@Nullable Object value, @Nullable Throwable error) {
            return false;
        }

        @Override
        public void requireOthersHoldLane() {
            if (Held.by(LaneLease.this)) {
                throw new IllegalStateException(
                        "A function of this lease would wait for the end of the lease, which comes after it."
                                + " Release without waiting.");
            }
        }
    }

    private void startDrain() {
        lock.lock();
        try {
            if (!handed || draining || returned || queue.isEmpty() && !released) {
                return;
            }
            draining = true;
        } finally {
            lock.unlock();
        }
        means.workers().execute(drain);
    }

    void drain() {
        while (true) {
            LeaseWork<?> next;
            lock.lock();
            try {
                next = queue.poll();
                current = next;
                if (next == null) {
                    draining = false;
                    if (!released) {
                        return;
                    }
                    returned = true;
                }
            } finally {
                lock.unlock();
            }
            if (next == null) {
                giveBack();
                return;
            }
            if (next.move(State.QUEUED, State.RUNNING)) {
                Runnable settle = served(next);
                if (settle == null) {
                    routes.gate().drive();
                    return;
                }
                if (!means.workers().publish(settle, goingOn())) {
                    return;
                }
            }
        }
    }

    /** Runs a function; after an error of the machine in the pool's own frames the lane is given back, to be closed. */
    private @Nullable Runnable served(LeaseWork<?> next) {
        try {
            return next.serve();
        } catch (Throwable e) {
            keeper.struckBy(e, this);
            next.endAfter(e);
            keeper.ended(next);
            return LeaseWork.NOTHING;
        }
    }

    /** The rest of the drain; new each time, so that the timer can tell one from the next. */
    private Runnable goingOn() {
        while (true) {
            try {
                return this::drain;
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
    }

    private void giveBack() {
        keeper.end();
        returning.settle(null, null);
    }
}
