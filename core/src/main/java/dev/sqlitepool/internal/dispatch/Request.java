package dev.sqlitepool.internal.dispatch;

import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.internal.Means;
import dev.sqlitepool.internal.Workers;
import dev.sqlitepool.internal.file.Place;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A waiter with a future. Thread-safe.
 *
 * <p>Ending it from outside never touches its lane: it wins the state, interrupts what runs, and then settles the future. Its stages may take
 * their time, so the interrupts begin before.
 *
 * @param <T> the result
 */
public abstract class Request<T> extends Waiter implements PoolFuture.Origin {
    /** The means that every part of the pool receives. */
    protected final Means means;

    private final PoolFuture<T> future;
    private final @Nullable Throwable submittedAt;
    /** Written under this object's monitor. */
    private volatile List<Held> awaitedBy = List.of();

    /** A request that is submitted here and now. */
    protected Request(Means means) {
        this(means, traceHere(means));
    }

    /** A request that counts as submitted there, if that is known. */
    Request(Means means, @Nullable Throwable submittedAt) {
        this.means = means;
        this.future = new PoolFuture<>(means.workers(), this);
        this.submittedAt = submittedAt;
    }

    /** Where something is submitted, if leaks are looked for. */
    static @Nullable Throwable traceHere(Means means) {
        return means.settings().leakThreshold() == null ? null : new Throwable("submitted here");
    }

    /** Its outcome. */
    public final PoolFuture<T> future() {
        return future;
    }

    @Override
    public final @Nullable Throwable submittedAt() {
        return submittedAt;
    }

    // ---- those who wait for it

    /**
     * A thread that holds lanes begins to wait for the future. What it holds this request must not wait for.
     *
     * <p>One side always sees the cycle: the thread that waits is noted here, and then looks where this request is queued or moves to; a
     * request that queues or moves is seen there, and then looks who is noted here.
     */
    @Override
    public final synchronized void awaitedBy(Held held) {
        List<Held> more = new ArrayList<>(awaitedBy);
        more.add(held);
        awaitedBy = more;
    }

    @Override
    public final synchronized void notAwaitedBy(Held held) {
        List<Held> fewer = new ArrayList<>(awaitedBy);
        fewer.remove(held);
        awaitedBy = fewer;
    }

    @Override
    final boolean isAwaitedInside(Place where) {
        return awaitedBy.stream().anyMatch(held -> held.isAll(where));
    }

    // ---- its end from outside

    @Override
    public boolean end(@Nullable Object value, @Nullable Throwable error) {
        while (true) {
            switch (state()) {
                case QUEUED:
                    if (move(State.QUEUED, State.ENDED)) {
                        Place where = place();
                        if (where != null) {
                            where.withdrawn();
                        }
                        means.telemetry().cancelled(this);
                        leftQueue();
                        future.settleHere(value, error);
                        wake();
                        return true;
                    }
                    break;
                case RUNNING:
                    if (revoked()) {
                        future.settleHere(value, error);
                        wake();
                        return true;
                    }
                    break;
                default:
                    return false;
            }
        }
    }

    /** Takes it from whatever serves it, and interrupts what runs; false if it is too late, or too early. */
    final boolean revoked() {
        boolean mine = move(State.RUNNING, State.REVOKED);
        if (mine) {
            means.telemetry().cancelled(this);
            stop();
        }
        return mine;
    }

    @Override
    @Nullable
    public Runnable revoke(Function<? super Waiter, ? extends Throwable> why) {
        return revoked() ? settling(why.apply(this)) : null;
    }

    @Override
    @Nullable
    public Runnable failed(Throwable error) {
        means.telemetry().failed(this, error);
        return settling(error);
    }

    /** The step that settles the future with an error; null if it is settled. */
    @Nullable
    Runnable settling(Throwable error) {
        return () -> future.settle(null, error);
    }

    /** Ends one that nobody knows yet, since it is not let in. */
    public final void refuse(RuntimeException error) {
        means.telemetry().refused(this);
        move(State.QUEUED, State.ENDED);
        future.settle(null, error);
    }

    /** It was ended while it was queued. */
    protected void leftQueue() {}

    /** It was ended while it ran: interrupts that. */
    protected void stop() {}

    /** Fails if waiting for its turn would be waiting for a lane that this very thread holds. */
    protected final void requireOthersHoldQueue() {
        Place where = place();
        if (where != null && state() == State.QUEUED) {
            where.requireOthersHoldLane();
        }
    }

    // ---- its end from inside

    /**
     * An error of the machine has struck the thread that served it, in the pool's own frames. If it was committing, nobody knows whether it
     * has. Settles the future, unless somebody else does. Never throws.
     */
    final void endAfter(Throwable error) {
        while (true) {
            try {
                Throwable unknown = state() == State.COMMITTING ? unknownAfter(error) : null;
                if (unknown != null && move(State.COMMITTING, State.DONE) || move(State.RUNNING, State.DONE)) {
                    Runnable settle = failed(unknown == null ? error : unknown);
                    if (settle != null) {
                        Workers.settle(settle);
                    }
                }
                return;
            } catch (Throwable e) {
                Workers.pause();
            }
        }
    }

    private OutcomeUnknownException unknownAfter(Throwable error) {
        return new OutcomeUnknownException(
                "\"" + label() + "\" was committing when the virtual machine failed: " + error
                        + ". It is not repeated; read the database to find out whether it is there.",
                means.refusal().stats(),
                error);
    }

    /** Begins to run without a lane; false if it has been ended before. */
    protected final boolean beginRun() {
        return move(State.QUEUED, State.RUNNING);
    }

    /** Ends it before its turn; false if it is too late. The caller settles it. */
    protected final boolean callOff() {
        return move(State.QUEUED, State.ENDED);
    }

    /** Ends it with its outcome; false if it has been ended from outside. The caller settles it. */
    protected final boolean done() {
        return move(State.COMMITTING, State.DONE) || move(State.RUNNING, State.DONE);
    }
}
