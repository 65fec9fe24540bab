package dev.sqlitepool.internal.dispatch;

import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.internal.Means;
import dev.sqlitepool.internal.Refusal;
import dev.sqlitepool.internal.lane.Lane;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.CancellationException;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** A running session's wait for another lane, on the session's own thread. Then, in its owner's name, the holder of that lane. */
final class Claim extends Waiter {
    private static final long SHORT_NANOS = 10_000_000;

    private final Routes routes;
    private final Means means;
    private final Waiter owner;
    private final Lanes target;
    private final @Nullable Thread thread = Thread.currentThread();
    private volatile @Nullable Throwable error;

    /** A claim for a task or a lease. */
    Claim(Routes routes, Waiter owner, Lanes target) {
        this.routes = routes;
        this.means = routes.means();
        this.owner = owner;
        this.target = target;
        willJoin(target); // before its owner is seen to move
    }

    @Override
    boolean isLease() {
        return owner.isLease();
    }

    @Override
    public String label() {
        return owner.label();
    }

    @Override
    @Nullable
    public Throwable submittedAt() {
        return owner.submittedAt();
    }

    @Override
    public Duration hasReadFor(Duration held, long now) {
        return owner.hasReadFor(held, now);
    }

    @Override
    protected void granted() {
        LockSupport.unpark(thread);
    }

    @Override
    @Nullable
    public Runnable failed(Throwable reason) {
        error = reason;
        LockSupport.unpark(thread);
        return null;
    }

    /** Whoever revokes the holder of the lane means the owner. */
    @Override
    @Nullable
    public Runnable revoke(Function<? super Waiter, ? extends Throwable> why) {
        return owner.revoke(why);
    }

    @Override
    @Nullable
    public Runnable endRead(Function<? super Waiter, ? extends Throwable> why) {
        return owner.endRead(why);
    }

    @Override
    @Nullable
    public Runnable abandon(OutcomeUnknownException unknown) {
        return owner.abandon(unknown);
    }

    @Override
    public boolean mayHaveHadEffect() {
        return owner.mayHaveHadEffect();
    }

    @Override
    boolean holdsFor(Waiter other) {
        return owner.holdsFor(other);
    }

    @Override
    boolean isLimitedByItself() {
        return owner.isLimitedByItself();
    }

    @Override
    protected boolean isEndedInside() {
        return owner.isEndedInside();
    }

    @Override
    void wake() {
        LockSupport.unpark(thread);
    }

    /** Waits for a lane that can be used. */
    Lane await() throws SQLException {
        if (owner.isAwaitedInside(target)) {
            throw target.waitsForItself();
        }
        target.submit(this);
        boolean interrupted = false;
        boolean has = false;
        try {
            while (true) {
                while (state() == State.QUEUED) {
                    if (owner.isEnded() && withdraw()) {
                        throw new CancellationException("The task was ended while it waited for the write connection.");
                    }
                    boolean alone =
                            means.workers().isShort(); // then the lane may be granted to somebody without a thread
                    LockSupport.parkNanos(this, alone ? SHORT_NANOS : LOOK_AGAIN_NANOS);
                    if (alone) {
                        target.goesBefore(this);
                    }
                    if (Thread.interrupted()) {
                        interrupted = true;
                        if (withdraw()) {
                            throw Refusal.interrupted();
                        }
                    }
                }
                if (state() == State.ENDED) {
                    throw failure();
                }
                Lane lane = Objects.requireNonNull(lane());
                Openings.Fitness fitness = target.fitness(lane, this);
                if (fitness.fit()) {
                    has = true;
                    return lane;
                }
                if (fitness.rest() != null) {
                    means.workers().execute(fitness.rest());
                }
            }
        } finally {
            if (!has) {
                leave();
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** An error of the machine may have ended the wait: nobody would come for the lane that it is granted, or has been. */
    private void leave() {
        if (!withdraw() && state() == State.RUNNING) {
            routes.giveBack(Objects.requireNonNull(lane()));
        }
    }

    private boolean withdraw() {
        boolean mine = move(State.QUEUED, State.ENDED);
        if (mine) {
            target.withdrawn();
        }
        return mine;
    }

    private RuntimeException failure() throws SQLException {
        Throwable reason = error;
        while (reason == null) {
            LockSupport.parkNanos(this, 100_000); // ended under the lock, and told in a moment
            reason = error;
        }
        if (reason instanceof SQLException e) {
            throw e;
        }
        if (reason instanceof Error e) {
            throw e;
        }
        return reason instanceof RuntimeException e ? e : new IllegalStateException(reason);
    }
}
