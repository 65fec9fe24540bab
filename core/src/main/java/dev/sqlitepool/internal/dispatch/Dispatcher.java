package dev.sqlitepool.internal.dispatch;

import dev.sqlitepool.Access;
import dev.sqlitepool.Lease;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.RowMapper;
import dev.sqlitepool.internal.Life;
import dev.sqlitepool.internal.Means;
import dev.sqlitepool.internal.Refusal;
import dev.sqlitepool.internal.Workers;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.session.Form;
import dev.sqlitepool.internal.session.Session;
import dev.sqlitepool.internal.session.Work;
import dev.sqlitepool.internal.sql.SqlText;
import dev.sqlitepool.internal.telemetry.Telemetry;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Flow;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * Lets in what wants a lane, and serves tasks that have one: on a worker, which goes on with the next task of the lane, or on the thread that
 * waits. Thread-safe.
 *
 * <p>Invariant: a lane that is granted to a task is given back, or passed on, by exactly one call of {@link #serveAlone} or
 * {@link Group#serve}.
 */
public final class Dispatcher {
    /** {@code Thread.isVirtual}, which Java 17 does not have. */
    private static final @Nullable MethodHandle IS_VIRTUAL = isVirtualMethod();

    /**
     * What serving leaves to do.
     *
     * @param settle completes the future; null if the gate does, and must be driven
     * @param rest sees to the lane; null for nothing
     * @param again the task waits again, here or in another group
     */
    record Served(@Nullable Runnable settle, @Nullable Runnable rest, boolean again) {}

    /** Completes nothing. */
    static final Runnable NOTHING = () -> {};

    private final Routes routes;
    private final Means means;
    private final Life life;
    private final boolean readOnly;

    /** With the lanes of these routes. */
    public Dispatcher(Routes routes) {
        this.routes = routes;
        this.means = routes.means;
        this.life = means.life();
        this.readOnly = routes.settings.readOnly();
    }

    /** Submits a task, and returns its future. */
    public <T> CompletableFuture<T> submit(Work<T> work) {
        if (isRefused(work.access())) {
            return CompletableFuture.failedFuture(means.refusal().readOnly(work.label()));
        }
        life.used();
        Task<T> task = new Task<>(routes, work, null);
        routes.lanesFor(work).submit(task);
        return task.future();
    }

    /** Lets a stream of rows in, which waits for nothing until it is asked for rows. */
    public <T> void stream(
            SqlText sql,
            RowMapper<? extends T> mapper,
            @Nullable Object[] values,
            Flow.Subscriber<? super T> subscriber) {
        new RowStream<T>(routes, sql, mapper, values, subscriber).begin();
    }

    /** Asks for a lease: all its functions see one snapshot, or each statement commits on its own; where it begins. */
    public CompletableFuture<Lease> lend(Form form, Access begins) {
        if (isRefused(begins)) {
            return CompletableFuture.failedFuture(means.refusal().readOnly("lease"));
        }
        LaneLease lease = new LaneLease(routes, form);
        life.used();
        routes.lanes(begins).submit(lease);
        return lease.future();
    }

    /** Whether the pool has no lane that may write, and never will. */
    private boolean isRefused(Access access) {
        return access == Access.WRITE && readOnly;
    }

    // ---- for a worker

    /** Serves a task that has a lane, then the next ones of that lane, as long as somebody waits. */
    static void serve(Routes routes, Task<?> first) {
        Task<?> task = first;
        while (true) {
            Served served = task.serveSafely(task.mayGroup());
            Thread.interrupted(); // what a work has done to this thread is not the next one's
            Runnable rest = served.rest();
            Runnable settle = served.settle();
            if (rest == null) {
                if (settle != null) {
                    Workers.settle(settle);
                } else {
                    routes.gate.drive();
                }
                return;
            }
            boolean goesOn = settle == null ? routes.gate.driveBefore(rest) : routes.workers.publish(settle, rest);
            if (!goesOn) {
                return;
            }
            if (!(rest instanceof Task<?> next)) {
                rest.run();
                return;
            }
            task = next;
        }
    }

    // ---- alone

    /** Runs the work of a task alone on the granted lane, and gives the lane back. Never throws. */
    static <T> Served serveAlone(Routes routes, Task<T> task) {
        Work<T> work = task.work();
        Lane granted = Objects.requireNonNull(task.lane());
        Lanes where = routes.lanesOf(granted);
        boolean shared = granted.snapshot().isOpen(); // it has just been used, and is passed on to be shared
        Served unfit = shared ? null : unfit(where, granted, task);
        if (unfit != null) {
            return unfit;
        }
        Session running = null;
        Held held = null;
        T value = null;
        Throwable error = null;
        boolean reroute = false;
        try {
            if (!shared && task.sharesSnapshots() && where.mayShareSnapshots(granted)) {
                granted.snapshot().begin();
            }
            Session own = task.session(granted);
            held = Held.push(routes.means, task.heldAs(), where);
            running = own;
            running.begin(granted, task);
            Throwable known = task.known();
            if (known != null) {
                error = known;
            } else if (!task.isEnded()) {
                value = running.perform(work);
            }
        } catch (Throwable e) {
            error = e;
            if (running == null) {
                granted.doubt(CloseReason.DISCARDED);
            } else {
                running.struckBy(e);
                Lane current = running.lane();
                reroute = work instanceof Work.Data<T>
                        && current != null
                        && current.access() == Access.READ
                        && running.wasRefused(e);
            }
        } finally {
            if (held != null) {
                held.pop();
            }
        }
        Lane last = running == null ? granted : running.end();
        if (error == null && !running.afterCommit().isEmpty()) {
            routes.runsOn(task); // until they have run
        } else {
            routes.ended(task);
        }
        boolean unsynced = running != null && running.isUnsynced();
        boolean ordered = work.access() == Access.WRITE || unsynced;
        Ending<T> ending = task.ending(value, error);
        if (last != null && !reroute && ordered && last.access() == Access.WRITE) {
            task.atGate(ending);
            routes.gate.add(last.engine(), unsynced, running != null && running.isCommitted(), ending);
            return served(null, routes.release(last), false);
        }
        if (last != null && last.snapshot().isOpen()) {
            Task<?> sharer = error == null ? sharer(routes.telemetry, where, last) : null;
            if (sharer != null) {
                ending.decide(null);
                return served(ending, sharer, false);
            }
            last.snapshot().end();
        }
        Runnable rest = last == null ? null : routes.release(last);
        if (reroute) {
            routes.reroute(task, work);
            return served(NOTHING, rest, true);
        }
        ending.decide(null);
        return served(ending, rest, false);
    }

    /** To whom the lane is passed with its snapshot; null if to nobody. */
    private static @Nullable Task<?> sharer(Telemetry telemetry, Lanes where, Lane last) {
        try {
            long now = telemetry.now();
            return last.snapshot().mayBeShared(now) && where.share(last, now) instanceof Task<?> next ? next : null;
        } catch (OutOfMemoryError | InternalError e) {
            return null; // before anybody was granted it
        }
    }

    static Served served(@Nullable Runnable settle, @Nullable Runnable rest, boolean again) {
        while (true) {
            try {
                return new Served(settle, rest, again);
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
    }

    /** What remains if a granted lane cannot be used; null if it can. */
    @Nullable
    static Served unfit(Lanes where, Lane granted, Waiter task) {
        Openings.Fitness fitness = where.fitness(granted, task);
        return fitness.fit() ? null : served(NOTHING, fitness.rest(), fitness.again());
    }

    // ---- for a thread that waits

    /**
     * Runs a task for the calling thread, which waits for it: on that thread, unless that is a virtual one, whose carrier a native call would
     * hold. Returns its result, or throws what it has thrown.
     */
    public <T> T run(Work<T> work) {
        if (isRefused(work.access())) {
            throw Dispatcher.<RuntimeException>unchecked(means.refusal().readOnly(work.label()));
        }
        boolean code = work instanceof Work.Code<T>;
        Lanes lanes = routes.lanesFor(work);
        life.used();
        if (isVirtual()) {
            Task<T> task = new Task<>(routes, work, null, true);
            lanes.requireOthersHoldLane();
            lanes.submit(task);
            return result(task);
        }
        lanes.requireOthersHoldLane();
        Task<T> task = new Task<>(routes, work, code ? Thread.currentThread() : null, true);
        boolean here = lanes.submitInline(task);
        boolean again = code || here;
        while (again && awaitGrant(task)) {
            Served served = task.serveSafely(false);
            if (served.rest() != null) {
                means.workers().execute(served.rest());
            }
            if (served.settle() != null) {
                Workers.settle(served.settle());
            } else {
                routes.gate.driveAlone(task.atGate());
            }
            again = code && served.again();
        }
        return result(task);
    }

    /**
     * Waits, bounded by the acquire timeout, until the task has a lane or has ended without one.
     *
     * @return whether it has a lane, and must be served, even if it has been revoked in the meantime
     */
    private static boolean awaitGrant(Task<?> task) {
        boolean interrupted = false;
        while (task.state() == Waiter.State.QUEUED) {
            LockSupport.parkNanos(task, Waiter.LOOK_AGAIN_NANOS);
            if (Thread.interrupted()) {
                interrupted = true;
                task.end(null, Refusal.interrupted());
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return task.state() == Waiter.State.RUNNING || task.state() == Waiter.State.REVOKED;
    }

    /** Waits for the outcome; an interrupt ends the task, if it is not too late. */
    private static <T> T result(Task<T> task) {
        PoolFuture<T> future = task.future();
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    return future.await();
                } catch (InterruptedException e) {
                    interrupted = true;
                    task.end(null, Refusal.interrupted());
                } catch (OutOfMemoryError | InternalError e) {
                    Workers.pause(); // waiting takes memory
                } catch (ExecutionException e) {
                    // Not e's cause: get() looks through a CompletionException that the work itself has thrown.
                    throw Dispatcher.<RuntimeException>unchecked(future.failure());
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Throws the error of the function, as the interface declares it for each caller. */
    @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"})
    private static <X extends Throwable> X unchecked(Throwable error) throws X {
        throw (X) error;
    }

    private static @Nullable MethodHandle isVirtualMethod() {
        try {
            return MethodHandles.publicLookup()
                    .findVirtual(Thread.class, "isVirtual", MethodType.methodType(boolean.class));
        } catch (ReflectiveOperationException e) {
            return null;
        }
    }

    private static boolean isVirtual() {
        try {
            return IS_VIRTUAL != null && (boolean) IS_VIRTUAL.invokeExact(Thread.currentThread());
        } catch (Throwable e) {
            return false;
        }
    }
}
