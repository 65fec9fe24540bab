package dev.sqlitepool.internal.dispatch;

import dev.sqlitepool.Access;
import dev.sqlitepool.Lease;
import dev.sqlitepool.RowMapper;
import dev.sqlitepool.internal.Means;
import dev.sqlitepool.internal.Refusal;
import dev.sqlitepool.internal.Workers;
import dev.sqlitepool.internal.session.Form;
import dev.sqlitepool.internal.session.Work;
import dev.sqlitepool.internal.sql.SqlText;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Flow;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/** Lets in what wants a lane. Thread-safe. */
public final class Dispatcher {
    /** {@code Thread.isVirtual}, which Java 17 does not have. */
    private static final @Nullable MethodHandle IS_VIRTUAL = isVirtualMethod();

    private final Routes routes;
    private final Means means;

    /** With the lanes of these routes. */
    public Dispatcher(Routes routes) {
        this.routes = routes;
        this.means = routes.means();
    }

    /** Submits a task, and returns its future. */
    public <T> CompletableFuture<T> submit(Work<T> work) {
        means.life().used();
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
        LaneLease lease = new LaneLease(routes, form);
        means.life().used();
        routes.lanes(begins).submit(lease);
        return lease.future();
    }

    // ---- for a thread that waits

    /**
     * Runs a task for the calling thread, which waits for it: on that thread, unless that is a virtual one, whose carrier a native call would
     * hold. Returns its result, or throws what it has thrown.
     */
    public <T> T run(Work<T> work) {
        boolean code = work instanceof Work.Code<T>;
        Lanes lanes = routes.lanesFor(work);
        means.life().used();
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
            Task.Served served = task.serveSafely(false);
            if (served.rest() != null) {
                means.workers().execute(served.rest());
            }
            if (served.settle() != null) {
                Workers.settle(served.settle());
            } else {
                routes.gate().driveAlone(task.atGate());
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
