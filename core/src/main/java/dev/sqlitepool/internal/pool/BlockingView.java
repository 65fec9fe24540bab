package dev.sqlitepool.internal.pool;

import dev.sqlitepool.BlockingPool;
import dev.sqlitepool.PoolConnection;
import dev.sqlitepool.RowMapper;
import dev.sqlitepool.SqlAction;
import dev.sqlitepool.SqlWork;
import dev.sqlitepool.Transaction;
import dev.sqlitepool.internal.lane.Form;
import dev.sqlitepool.internal.lane.StackRoom;
import dev.sqlitepool.internal.lane.Work;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * The pool for code that waits. Thread-safe.
 *
 * <p>On a platform thread the caller runs its work itself: code always, data if a lane is idle. It never runs anybody else's: when
 * it gives its lane back and somebody waits, a worker goes on. Each method asks for room on the stack first ({@link StackRoom}): the frames
 * between a grant and the return of the lane find it.
 */
final class BlockingView implements BlockingPool {
    /** {@code Thread.isVirtual}, which Java 17 does not have. */
    private static final @Nullable MethodHandle IS_VIRTUAL = isVirtualMethod();

    private final LanePool pool;

    BlockingView(LanePool pool) {
        this.pool = pool;
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

    @Override
    public <T, X extends Exception> T connection(SqlWork<? super PoolConnection, ? extends T, X> work) {
        StackRoom.require();
        return this.<T>run(new Work.Code<>(Form.CONNECTION, work, work));
    }

    @Override
    public <T, X extends Exception> T transaction(SqlWork<? super Transaction, ? extends T, X> work) {
        StackRoom.require();
        return this.<T>run(new Work.Code<>(Form.TRANSACTION, work, work));
    }

    @Override
    public <T, X extends Exception> T read(SqlWork<? super PoolConnection, ? extends T, X> work) {
        StackRoom.require();
        return this.<T>run(new Work.Code<>(Form.READ, work, work));
    }

    @Override
    public <X extends Exception> void useConnection(SqlAction<? super PoolConnection, X> action) {
        StackRoom.require();
        run(new Work.Code<>(Form.CONNECTION, Work.of(action), action));
    }

    @Override
    public <X extends Exception> void useTransaction(SqlAction<? super Transaction, X> action) {
        StackRoom.require();
        run(new Work.Code<>(Form.TRANSACTION, Work.of(action), action));
    }

    @Override
    public <X extends Exception> void useRead(SqlAction<? super PoolConnection, X> action) {
        StackRoom.require();
        run(new Work.Code<>(Form.READ, Work.of(action), action));
    }

    @Override
    public <T> List<T> query(String sql, RowMapper<? extends T> mapper, Object... parameters) {
        StackRoom.require();
        return run(pool.query(sql, Work.<T>all(Objects.requireNonNull(mapper, "mapper")), parameters));
    }

    @Override
    public <T> Optional<T> queryOne(String sql, RowMapper<? extends T> mapper, Object... parameters) {
        StackRoom.require();
        return run(pool.query(sql, Work.<T>one(Objects.requireNonNull(mapper, "mapper")), parameters));
    }

    @Override
    public long execute(String sql, Object... parameters) {
        StackRoom.require();
        return run(pool.statement(sql, parameters));
    }

    @Override
    public long[] executeBatch(String sql, Collection<? extends Object[]> rows) {
        StackRoom.require();
        return run(pool.batch(sql, rows));
    }

    private <T> T run(Work<T> work) {
        boolean code = work instanceof Work.Code<T>;
        Lanes lanes = pool.lanesFor(work);
        pool.started();
        if (isVirtual()) {
            Task<T> task = new Task<>(pool, work, null, true);
            lanes.requireOthersHoldLane();
            lanes.submit(task);
            return result(task);
        }
        lanes.requireOthersHoldLane();
        Task<T> task = new Task<>(pool, work, code ? Thread.currentThread() : null, true);
        boolean here = lanes.submitInline(task);
        boolean again = code || here;
        while (again && awaitGrant(task)) {
            Task.Served served = task.serve();
            if (served.rest() != null) {
                pool.workers().execute(served.rest());
            }
            if (served.settle() != null) {
                Workers.settle(served.settle());
            } else {
                pool.gate().driveAlone(task.atGate());
            }
            again = code && served.again();
        }
        return result(task);
    }

    /**
     * Waits, bounded by the acquire timeout, until the task has a lane or has ended without one.
     *
     * @return whether it has a lane, and must be served, even if it has been revoked meanwhile
     */
    private static boolean awaitGrant(Task<?> task) {
        boolean interrupted = false;
        while (task.state() == Waiter.State.QUEUED) {
            LockSupport.parkNanos(task, LanePool.LOOK_AGAIN_NANOS);
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
                    throw BlockingView.<RuntimeException>unchecked(future.failure());
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Throws what the work threw, as the interface declares it for each caller. */
    @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"})
    private static <X extends Throwable> X unchecked(Throwable error) throws X {
        throw (X) error;
    }
}
