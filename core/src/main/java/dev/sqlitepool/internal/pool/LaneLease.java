package dev.sqlitepool.internal.pool;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.sqlitepool.Lease;
import dev.sqlitepool.PoolConnection;
import dev.sqlitepool.SqlAction;
import dev.sqlitepool.SqlWork;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.lane.Session;
import dev.sqlitepool.internal.lane.Work;
import dev.sqlitepool.internal.lane.Work.Form;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * A lane on loan, and before that the request for it. Thread-safe.
 *
 * <p>Works wait in the lease's own queue. At most one thread drains it ({@link #draining}); it stops only when it has seen the queue
 * empty under the lock, and who adds to a queue that nobody drains starts it: no work is left behind. The lane is given back by the
 * drain that sees the lease released and the queue empty, once, since it is then {@link #returned}.
 */
final class LaneLease extends Waiter implements Lease, PoolFuture.Origin {
    private final LanePool pool;
    private final Session session;
    private final PoolFuture<Lease> future;
    private final PoolFuture<Void> returning;
    private final @Nullable Throwable submittedAt;

    private final ReentrantLock lock = new ReentrantLock();

    @GuardedBy("lock")
    private final Deque<Run<?>> queue = new ArrayDeque<>();

    @GuardedBy("lock")
    private @Nullable Run<?> current;

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

    /** With {@link Form#READ} all works see one snapshot, else the lease commits by itself. */
    LaneLease(LanePool pool, Form form) {
        this.pool = pool;
        this.session = pool.session(form, this);
        this.future = new PoolFuture<>(pool.workers(), this);
        this.returning = new PoolFuture<>(pool.workers(), new Returning());
        this.submittedAt = pool.submissionTrace();
    }

    PoolFuture<Lease> future() {
        return future;
    }

    @Override
    boolean isLease() {
        return true;
    }

    @Override
    String label() {
        return "lease";
    }

    @Override
    Duration hasReadFor(Duration held, long now) {
        return session.hasReadFor(now);
    }

    @Override
    @Nullable
    Throwable submittedAt() {
        return submittedAt;
    }

    // ---- the request

    @Override
    void granted() {
        pool.workers().execute(this::hand);
    }

    private void hand() {
        Lanes where = Objects.requireNonNull(lanes());
        Lane lane = Objects.requireNonNull(lane());
        Lanes.Fitness fitness = where.fitness(lane, this);
        if (!fitness.fit()) {
            if (fitness.rest() != null) {
                fitness.rest().run();
            }
            return;
        }
        session.keep(lane);
        lock.lock();
        try {
            handed = true;
        } finally {
            lock.unlock();
        }
        startDrain(false); // revoked meanwhile
        if (!future.settle(this, null)) {
            CompletableFuture<Void> unused = release(); // nobody wants it any more
        }
    }

    @Override
    @Nullable
    Runnable failed(Throwable error) {
        pool.telemetry().failed.increment();
        return () -> future.settle(null, error);
    }

    /** From the future: gives up the request; from the closing pool: ends the loan by force. */
    @Override
    public boolean end(@Nullable Object value, @Nullable Throwable error) {
        if (move(State.QUEUED, State.ENDED)) {
            Objects.requireNonNull(lanes()).withdrawn();
            pool.telemetry().cancelled.increment();
            future.settleHere(value, error);
            return true;
        }
        return future.settleHere(value, error); // granted, but not handed over: hand() releases it
    }

    @Override
    public void requireOthersHoldLane() {
        Lanes where = lanes();
        if (where != null && state() == State.QUEUED) {
            where.requireOthersHoldLane();
        }
    }

    /** Ends the work that runs; if a transaction is open between two of them, the whole loan. */
    @Override
    @Nullable
    Runnable endRead(Throwable error) {
        Run<?> running;
        lock.lock();
        try {
            running = current;
        } finally {
            lock.unlock();
        }
        return running == null ? revoke(error) : running.revoked(error);
    }

    /** Ends the loan now: fails what waits, interrupts what runs. */
    @Override
    @Nullable
    Runnable revoke(Throwable error) {
        List<Runnable> settles = new ArrayList<>();
        Run<?> running;
        lock.lock();
        try {
            released = true;
            ended = error;
            running = current;
            for (Run<?> run : queue) {
                if (run.move(State.QUEUED, State.ENDED)) {
                    settles.add(Objects.requireNonNull(run.failed(error)));
                }
            }
            queue.clear();
        } finally {
            lock.unlock();
        }
        pool.workers().completeAll(settles);
        Runnable settle = running == null ? null : running.revoked(error);
        startDrain(false);
        return settle;
    }

    // ---- the loan

    @Override
    public <T> CompletableFuture<T> run(SqlWork<? super PoolConnection, ? extends T, ?> work) {
        Objects.requireNonNull(work, "work");
        return submit(new Run<>(new Work.Code<>(Form.CONNECTION, work, work), false));
    }

    @Override
    public CompletableFuture<Void> commit() {
        SqlAction<PoolConnection, SQLException> work = connection -> connection.execute("COMMIT");
        return submit(new Run<>(new Work.Code<>(Form.CONNECTION, Work.of(work), "COMMIT"), true));
    }

    private <T> CompletableFuture<T> submit(Run<T> run) {
        boolean accepted;
        boolean full;
        lock.lock();
        try {
            accepted = !released;
            full = queue.size() >= pool.settings().maxWaiters();
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
            run.refuse(Refusal.exhausted(pool.settings(), pool.stats()));
        } else {
            startDrain(false);
        }
        return run.future;
    }

    @Override
    public CompletableFuture<Void> release() {
        lock.lock();
        try {
            released = true;
        } finally {
            lock.unlock();
        }
        startDrain(false);
        return returning;
    }

    /** The future of the return cannot be completed from outside, nor waited for inside a work of the lease. */
    private final class Returning implements PoolFuture.Origin {
        @Override
        public boolean end(@Nullable Object value, @Nullable Throwable error) {
            return false;
        }

        @Override
        public void requireOthersHoldLane() {
            if (Held.by(LaneLease.this)) {
                throw new IllegalStateException(
                        "A work of this lease would wait for the end of the lease, which comes after it."
                                + " Release without waiting.");
            }
        }
    }

    /** If there is anything to do; also for the one who has drained, which ends with this. */
    private void startDrain(boolean drained) {
        lock.lock();
        try {
            draining &= !drained;
            if (!handed || draining || returned || queue.isEmpty() && !released) {
                return;
            }
            draining = true;
        } finally {
            lock.unlock();
        }
        pool.workers().execute(this::drain);
    }

    private void drain() {
        while (true) {
            Run<?> next;
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
                Runnable settle = next.serve();
                if (settle == null) {
                    pool.gate().drive();
                    return;
                }
                if (!pool.workers().publish(settle, this::drain)) {
                    return;
                }
            }
        }
    }

    private void giveBack() {
        Lane last = session.end();
        Runnable rest = last == null ? null : pool.release(last);
        if (rest != null) {
            pool.workers().execute(rest);
        }
        returning.settle(null, null);
    }

    /** One work of the lease. Its states are those of any waiter, but it waits in the lease. */
    private final class Run<T> extends Waiter implements PoolFuture.Origin {
        private final Work.Code<T> work;
        /** It does nothing after its commit, and needs no thread until that is durable. */
        private final boolean commits;

        private final PoolFuture<T> future = new PoolFuture<>(pool.workers(), this);
        private SyncGate.@Nullable Turn turn;

        Run(Work.Code<T> work, boolean commits) {
            this.work = work;
            this.commits = commits;
        }

        @Override
        boolean goesOnAfter(SyncGate.Turn durable) {
            turn = commits ? durable : null;
            return commits;
        }

        void refuse(RuntimeException error) {
            pool.telemetry().refused.increment();
            move(State.QUEUED, State.ENDED);
            future.settle(null, error);
        }

        /** Returns what settles its future; null if its commit is at the gate, whose turn calls {@link #durable} then, or has already. */
        @Nullable
        Runnable serve() {
            T value = null;
            Throwable error = null;
            Lane kept = session.lane();
            Held held = Held.push(pool, heldAs(), kept == null ? null : pool.lanesOf(kept));
            try {
                session.begin(kept, this);
                if (!isEnded()) {
                    value = session.performInLease(work);
                }
            } catch (Throwable e) {
                error = e;
                session.struckBy(e);
            } finally {
                held.pop();
            }
            Thread.interrupted(); // what a work has done to this thread is not the next one's
            Lane back = session.pause();
            pool.ended(this);
            Runnable rest = back == null ? null : pool.release(back);
            if (rest != null) {
                pool.workers().execute(rest);
            }
            T result = value;
            Throwable failure = error;
            if (turn != null) {
                turn.then(unknown -> durable(result, unknown == null ? failure : unknown));
                return null;
            }
            return outcome(result, failure);
        }

        private Runnable outcome(@Nullable T value, @Nullable Throwable error) {
            if (!move(State.COMMITTING, State.DONE) && !move(State.RUNNING, State.DONE)) {
                return () -> {};
            }
            (error == null ? pool.telemetry().completed : pool.telemetry().failed).increment();
            return () -> future.settle(value, error);
        }

        /** By the one who settles the gate, or by the drain. Until it lets the next drain begin nobody else has the session. */
        private void durable(@Nullable T value, @Nullable Throwable error) {
            pool.feed().publish(session.written());
            Runnable settle = outcome(value, error);
            startDrain(true); // on another thread: the stages here may wait for what waits there
            settle.run();
        }

        @Override
        public boolean end(@Nullable Object value, @Nullable Throwable error) {
            if (move(State.QUEUED, State.ENDED)) {
                pool.telemetry().cancelled.increment();
                future.settleHere(value, error); // the drain skips it
                return true;
            }
            if (move(State.RUNNING, State.REVOKED)) {
                pool.telemetry().cancelled.increment();
                pool.interrupt(session, this);
                future.settleHere(value, error);
                return true;
            }
            return false;
        }

        /** Ends it by force, and returns what settles it; null if it is too late. */
        @Nullable
        Runnable revoked(Throwable error) {
            if (!move(State.RUNNING, State.REVOKED)) {
                return null;
            }
            pool.telemetry().cancelled.increment();
            pool.interrupt(session, this);
            return failed(error);
        }

        @Override
        public void requireOthersHoldLane() {
            if (Held.by(LaneLease.this)) {
                throw new IllegalStateException(
                        "A work of this lease would wait for another work of the same lease, which runs"
                                + " after it. Call the connection directly, or chain the future.");
            }
            requireOthersHoldClaim();
        }

        @Override
        void granted() {}

        @Override
        Runnable failed(Throwable error) {
            return () -> future.settle(null, error);
        }

        @Override
        boolean isLease() {
            return true;
        }

        @Override
        @Nullable
        Runnable revoke(Throwable error) {
            return LaneLease.this.revoke(error);
        }

        @Override
        Duration hasReadFor(Duration held, long now) {
            return LaneLease.this.hasReadFor(held, now);
        }

        @Override
        @Nullable
        Runnable endRead(Throwable error) {
            return LaneLease.this.endRead(error);
        }

        @Override
        Object heldAs() {
            return LaneLease.this;
        }

        @Override
        @Nullable
        Throwable submittedAt() {
            return submittedAt;
        }

        @Override
        String label() {
            return work.label();
        }
    }
}
