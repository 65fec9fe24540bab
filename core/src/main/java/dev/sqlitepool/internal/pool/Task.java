package dev.sqlitepool.internal.pool;

import dev.sqlitepool.Access;
import dev.sqlitepool.internal.lane.Form;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.lane.Session;
import dev.sqlitepool.internal.lane.Work;
import java.util.Objects;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * A work on its way, with its future. Runs on a worker, or, in the blocking view, on the thread that waits for it. Thread-safe;
 * what it does with a lane is confined to the thread that serves it.
 *
 * <p>Why no lane is lost: a lane granted to a task is released by exactly one call, in {@link #serve}, whatever the work does.
 * Ending the task from outside never touches the lane: it settles the future, and interrupts the session until the server has left.
 *
 * <p>Why no future is left open: a queued task is ended by the group (timeout, close, failed opening), by its future, or granted; a
 * granted one is served, and serving settles it unless the one who ended it has done so.
 */
final class Task<T> extends Waiter implements PoolFuture.Origin, Runnable {
    private final LanePool pool;
    private final Work<T> work;
    private final Session session;
    private final PoolFuture<T> future;
    /** The thread that waits to run the work itself; null if a worker shall. */
    private final @Nullable Thread caller;

    private final @Nullable Throwable submittedAt;

    Task(LanePool pool, Work<T> work, @Nullable Thread caller) {
        this.pool = pool;
        this.work = work;
        this.caller = caller;
        this.session = pool.session(work instanceof Work.Code<T> code ? code.form() : Form.CONNECTION, this);
        this.future = new PoolFuture<>(pool.workers().stages(), this);
        this.submittedAt = pool.submissionTrace();
    }

    PoolFuture<T> future() {
        return future;
    }

    @Override
    String label() {
        return work.label();
    }

    @Override
    @Nullable
    Throwable submittedAt() {
        return submittedAt;
    }

    /** Whether it runs on a thread that waits for it, and on no other. */
    boolean hasCaller() {
        return caller != null;
    }

    // ---- its end from outside

    @Override
    public boolean end(@Nullable Object value, @Nullable Throwable error) {
        while (true) {
            switch (state()) {
                case QUEUED:
                    if (move(State.QUEUED, State.ENDED)) {
                        Objects.requireNonNull(lanes()).withdrawn();
                        ended(value, error);
                        return true;
                    }
                    break;
                case RUNNING:
                    if (move(State.RUNNING, State.ENDED)) {
                        ended(value, error);
                        pool.interrupt(session, this);
                        return true;
                    }
                    break;
                default:
                    return false;
            }
        }
    }

    private void ended(@Nullable Object value, @Nullable Throwable error) {
        pool.telemetry().cancelled.increment();
        future.settle(value, error);
        LockSupport.unpark(caller);
    }

    @Override
    @Nullable
    Runnable failed(Throwable error) {
        pool.telemetry().failed.increment();
        if (caller != null) {
            future.settle(null, error); // nobody else knows the future
            LockSupport.unpark(caller);
            return null;
        }
        return () -> future.settle(null, error);
    }

    @Override
    public void requireOthersHoldLane() {
        Lanes where = lanes();
        if (where != null && state() == State.QUEUED) {
            where.requireOthersHoldLane();
        }
    }

    // ---- its run

    @Override
    void granted() {
        if (caller != null) {
            LockSupport.unpark(caller);
            return;
        }
        try {
            pool.workers().execute(this);
        } catch (Throwable e) { // no thread could be started: give the lane back, and fail
            Runnable settle = move(State.RUNNING, State.ENDED) ? failed(e) : null;
            Runnable rest = Objects.requireNonNull(lanes()).release(Objects.requireNonNull(lane()));
            if (rest instanceof Task<?> next) {
                next.granted();
            } else if (rest != null) {
                rest.run();
            }
            if (settle != null) {
                settle.run();
            }
        }
    }

    /** Serves this task on a worker, then the next ones of its lane, as long as somebody waits. */
    @Override
    public void run() {
        Task<?> task = this;
        while (true) {
            Served served = task.serve();
            Runnable rest = served.rest();
            if (rest == null) {
                pool.workers().complete(served.settle());
                return;
            }
            if (!pool.workers().publish(served.settle(), rest)) {
                return;
            }
            if (!(rest instanceof Task<?> next)) {
                rest.run();
                return;
            }
            task = next;
        }
    }

    /** What serving leaves to do: complete the future, and see to the lane. */
    record Served(Runnable settle, @Nullable Runnable rest) {}

    private static void nothing() {}

    /** Runs the work on the granted lane, and gives the lane back. */
    Served serve() {
        Lanes where = Objects.requireNonNull(lanes());
        Lane granted = Objects.requireNonNull(lane());
        Runnable replacing = where.unfit(granted, this);
        if (replacing != null) {
            return new Served(Task::nothing, replacing);
        }
        Held held = Held.push(pool, this, where);
        T value = null;
        Throwable error = null;
        boolean reroute = false;
        try {
            session.begin(granted, this);
            if (!isEnded()) {
                value = session.perform(work);
            }
        } catch (Throwable e) {
            error = e;
            reroute = where.access() == Access.READ
                    && work instanceof Work.Data<T>
                    && e instanceof Exception exception
                    && session.belongsOnWriteLane(exception);
        } finally {
            held.pop();
        }
        Lane last = session.end();
        Runnable rest = last == null ? null : pool.release(last);
        if (reroute) {
            pool.reroute(this, work);
            return new Served(Task::nothing, rest);
        }
        return new Served(settling(value, error), rest);
    }

    private Runnable settling(@Nullable T value, @Nullable Throwable error) {
        boolean mine = move(State.COMMITTING, State.DONE) || move(State.RUNNING, State.DONE);
        if (!mine) {
            return Task::nothing; // who ended it has settled the future
        }
        (error == null ? pool.telemetry().completed : pool.telemetry().failed).increment();
        return () -> future.settle(value, error);
    }

    /** In the blocking view: waits, bounded by the acquire timeout, until the task is granted or has ended. */
    void awaitGrant() {
        boolean interrupted = false;
        while (state() == State.QUEUED) {
            LockSupport.parkNanos(this, LanePool.LOOK_AGAIN_NANOS);
            if (Thread.interrupted()) {
                interrupted = true;
                end(null, LanePool.interrupted());
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
