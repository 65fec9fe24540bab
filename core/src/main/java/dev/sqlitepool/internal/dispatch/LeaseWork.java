package dev.sqlitepool.internal.dispatch;

import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.internal.Workers;
import dev.sqlitepool.internal.log.Acknowledgement;
import dev.sqlitepool.internal.session.Session;
import dev.sqlitepool.internal.session.Work;
import java.time.Duration;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * One work of a lease. Thread-safe. Its states are those of any waiter, but it waits in the lease, which serves one after the other.
 *
 * @param <T> the result
 */
final class LeaseWork<T> extends Request<T> {
    /** Settles nothing. Made before it is needed: after an error of the machine a lambda could not be linked. */
    static final Runnable NOTHING = () -> {};

    private final LaneLease lease;
    private final Routes routes;
    private final Keeper keeper;
    private final Session session;
    private final Work.Code<T> work;
    /** It does nothing after its commit, and needs no thread until that is durable. */
    private final boolean commits;

    private @Nullable Acknowledgement acknowledgement;

    LeaseWork(LaneLease lease, Routes routes, Keeper keeper, Work.Code<T> work, boolean commits) {
        super(routes.means(), lease.submittedAt());
        this.lease = lease;
        this.routes = routes;
        this.keeper = keeper;
        this.session = keeper.session();
        this.work = work;
        this.commits = commits;
    }

    @Override
    boolean goesOnAfter(Acknowledgement durable) {
        acknowledgement = commits ? durable : null;
        return commits;
    }

    @Override
    boolean goesOn() {
        return acknowledgement != null;
    }

    /** Returns what settles its future; null if its commit is at the gate, whose outcome calls {@link #durable} then, or has already. */
    @Nullable
    Runnable serve() {
        T value = null;
        Throwable error = null;
        Held held = Held.push(means, heldAs(), keeper.where());
        try {
            keeper.begin(this);
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
        keeper.pause(this);
        T result = value;
        Throwable failure = error;
        Acknowledgement waits = acknowledgement;
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
        if (!done()) {
            return NOTHING;
        }
        means.telemetry().served(this, error);
        return settle;
    }

    private Runnable settling(@Nullable T value, @Nullable Throwable error) {
        while (true) {
            try {
                return () -> future().settle(value, error);
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
        routes.written(session.writes());
        Workers.Ordered rest = new Workers.Ordered() {
            @Override
            public boolean isReady() {
                return future().isSettled();
            }

            @Override
            public void run() {
                keeper.ended(LeaseWork.this);
                lease.drain();
            }
        };
        means.workers().execute(() -> {
            if (means.workers().publish(settle, rest)) {
                rest.run();
            }
        });
    }

    @Override
    protected void stop() {
        routes.interrupt(session, this);
    }

    /** Ends it by force, and returns what settles it; null if it is too late. */
    @Nullable
    Runnable revoked(Function<? super Waiter, ? extends Throwable> why) {
        return revoked() ? failed(why.apply(this)) : null;
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
    protected void granted() {}

    @Override
    public Runnable failed(Throwable error) {
        return () -> future().settle(null, error);
    }

    @Override
    boolean isLease() {
        return true;
    }

    @Override
    @Nullable
    public Runnable revoke(Function<? super Waiter, ? extends Throwable> why) {
        return lease.revoke(why);
    }

    @Override
    @Nullable
    public Runnable abandon(OutcomeUnknownException unknown) {
        return abandoned(unknown);
    }

    @Override
    public boolean mayHaveHadEffect() {
        return session.mayHaveHadEffect();
    }

    @Override
    public Duration hasReadFor(Duration held, long now) {
        return lease.hasReadFor(held, now);
    }

    @Override
    @Nullable
    public Runnable endRead(Function<? super Waiter, ? extends Throwable> why) {
        return lease.endRead(why);
    }

    @Override
    boolean holdsFor(Waiter other) {
        return lease == other;
    }

    @Override
    Object heldAs() {
        return lease;
    }

    @Override
    public String label() {
        return work.label();
    }
}
