package dev.sqlitepool.internal.pool;

import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.lane.Session;
import dev.sqlitepool.internal.lane.Work;
import java.time.Duration;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * One work of a lease. Thread-safe. Its states are those of any waiter, but it waits in the lease, which serves one after the other.
 *
 * @param <T> the result
 */
final class LeaseWork<T> extends Waiter implements PoolFuture.Origin {
    private final LaneLease lease;
    private final LanePool pool;
    private final Session session;
    private final Work.Code<T> work;
    /** It does nothing after its commit, and needs no thread until that is durable. */
    private final boolean commits;

    private final PoolFuture<T> future;
    private SyncGate.@Nullable Turn turn;

    LeaseWork(LaneLease lease, LanePool pool, Session session, Work.Code<T> work, boolean commits) {
        this.lease = lease;
        this.pool = pool;
        this.session = session;
        this.work = work;
        this.commits = commits;
        this.future = new PoolFuture<>(pool.workers(), this);
    }

    PoolFuture<T> future() {
        return future;
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
            if (commits ? beginCommit() : !isEnded()) {
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
        if (turn == null) {
            pool.ended(this);
        }
        Runnable rest = back == null ? null : pool.release(back);
        if (rest != null) {
            pool.workers().execute(rest);
        }
        T result = value;
        Throwable failure = error;
        SyncGate.Turn waits = turn;
        while (waits != null) {
            try {
                waits.then(unknown -> durable(result, unknown == null ? failure : unknown));
                return null;
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
        return outcome(result, failure);
    }

    private Runnable outcome(@Nullable T value, @Nullable Throwable error) {
        Runnable settle = settling(value, error);
        if (!move(State.COMMITTING, State.DONE) && !move(State.RUNNING, State.DONE)) {
            return () -> {};
        }
        (error == null ? pool.telemetry().completed : pool.telemetry().failed).increment();
        return settle;
    }

    private Runnable settling(@Nullable T value, @Nullable Throwable error) {
        while (true) {
            try {
                return () -> future.settle(value, error);
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
    }

    /**
     * By the one who settles the gate, or by the drain. Until the rest is done nobody else has the session, and the pool is not closed;
     * the stages, which may wait for either, do not hold it up.
     */
    private void durable(@Nullable T value, @Nullable Throwable error) {
        Runnable settle = outcome(value, error);
        while (true) {
            try {
                goesOn(settle);
                return;
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
    }

    private void goesOn(Runnable settle) {
        pool.feed().publish(session.written());
        Workers.Ordered rest = new Workers.Ordered() {
            @Override
            public boolean isReady() {
                return future.isSettled();
            }

            @Override
            public void run() {
                pool.ended(LeaseWork.this);
                lease.drain();
            }
        };
        pool.workers().execute(() -> {
            if (pool.workers().publish(settle, rest)) {
                rest.run();
            }
        });
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
    Runnable revoked(Function<? super Waiter, ? extends Throwable> why) {
        if (!move(State.RUNNING, State.REVOKED)) {
            return null;
        }
        pool.telemetry().cancelled.increment();
        pool.interrupt(session, this);
        return failed(why.apply(this));
    }

    /** Ends it although it was committing; null if it has ended. */
    @Nullable
    Runnable abandoned(OutcomeUnknownException unknown) {
        return move(State.COMMITTING, State.DONE) ? failed(unknown) : null;
    }

    @Override
    public void requireOthersHoldLane() {
        if (Held.by(lease)) {
            throw new IllegalStateException(
                    "A function of this lease would wait for another function of the same lease, which runs"
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
    Runnable revoke(Function<? super Waiter, ? extends Throwable> why) {
        return lease.revoke(why);
    }

    @Override
    @Nullable
    Runnable abandon(OutcomeUnknownException unknown) {
        return abandoned(unknown);
    }

    @Override
    boolean mayHaveHadEffect() {
        return session.mayHaveHadEffect();
    }

    @Override
    Duration hasReadFor(Duration held, long now) {
        return lease.hasReadFor(held, now);
    }

    @Override
    @Nullable
    Runnable endRead(Function<? super Waiter, ? extends Throwable> why) {
        return lease.endRead(why);
    }

    @Override
    Object heldAs() {
        return lease;
    }

    @Override
    @Nullable
    Throwable submittedAt() {
        return lease.submittedAt();
    }

    @Override
    String label() {
        return work.label();
    }
}
