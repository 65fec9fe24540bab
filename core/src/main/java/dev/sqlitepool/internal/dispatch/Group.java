package dev.sqlitepool.internal.dispatch;

import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.internal.Means;
import dev.sqlitepool.internal.Workers;
import dev.sqlitepool.internal.engine.Engine.Failure;
import dev.sqlitepool.internal.lane.Lane;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Statements that waited in a row for the write lane, in one transaction: most of a small write is BEGIN and COMMIT. Confined to the
 * worker that serves the lane.
 *
 * <p>The first task opens the transaction. When its statement is done, the lane is passed on, transaction and all, to the next in the
 * queue, if that may join: nobody waits to form a group. No foreign code joins, nor begins a group: no statement with a mapper, or that calls a
 * function of the user's. A batch has a savepoint, and so has every text that has
 * failed before; the first failure of another undoes the group. The point up to which a task can be called off is its success.
 *
 * <p><b>Why nothing takes effect twice.</b> Statements are repeated only if the transaction is certain not to have been committed:
 * either COMMIT was not issued, and the session that opened the transaction has rolled it back or the connection is closed, which does
 * the same; or COMMIT failed with a constraint and ROLLBACK succeeded. Any other failure of COMMIT may have happened all the same:
 * then all of them end with an unknown outcome. Each is repeated at most once, alone, in a transaction of its own.
 *
 * <p><b>Why none is lost, and the order is kept.</b> Every member is either added to the gate, in the order of the queue, or put back
 * at the head of the queue in that order, before the lane is given back; the gate settles in its order.
 */
final class Group {
    /** How many rows a batch may have to join. */
    static final int RUNS_OF_ONE = 64;

    private static final int RUNS = 512;
    private static final long NANOS = TimeUnit.MILLISECONDS.toNanos(1);

    private final Routes routes;
    private final Means means;
    private final Task<?> first;
    private final Lanes where;
    private final Lane lane;
    /** Changed by the worker that owns the lane; read by the one who closes the pool, too. */
    private final ArrayList<Task<?>> list = new ArrayList<>(4);

    private final List<Task<?>> members = Collections.synchronizedList(list);

    /** A group of one, which has been granted the write lane. */
    Group(Routes routes, Task<?> first) {
        this.routes = routes;
        this.means = routes.means();
        this.first = first;
        this.where = routes.lanesOf(Objects.requireNonNull(first.lane()));
        this.lane = Objects.requireNonNull(first.lane());
    }

    /** As {@link Task#serve}; alone, if there is no memory for a group. */
    static Task.Served serve(Routes routes, Task<?> first) {
        Group group;
        Held held;
        try {
            group = new Group(routes, first);
            Task.Served unfit = first.unfit(group.where, group.lane);
            if (unfit != null) {
                return unfit;
            }
            group.members.add(first);
            held = Held.push(group.means, first.heldAs(), group.where);
        } catch (OutOfMemoryError | InternalError e) {
            return first.serve();
        }
        return group.serve(held);
    }

    private Task.Served serve(Held held) {
        long began = means.telemetry().now();
        boolean stands;
        try {
            stands = first.openGroup(lane, this) && runAll();
        } finally {
            held.pop();
        }
        Throwable failure = stands ? commit() : null;
        boolean repeat = members.size() > 1 && (!stands || failure instanceof Undone);
        Throwable error = failure instanceof Undone undone ? undone.getCause() : failure;
        boolean committed = stands && failure == null;
        boolean unsynced = committed && isUnsynced();
        boolean errorStands = lane.doubt() != null && !lane.interrupts().wasHurried();
        Lane last = Objects.requireNonNull(first.closeGroup());
        if (repeat) {
            Task<?> culprit = members.get(members.size() - 1);
            for (int i = 0; i < members.size(); i++) {
                Task<?> member = members.get(i);
                member.undone(errorStands && member == culprit);
            }
            repeat(began);
            return Task.served(Task.NOTHING, routes.release(last), false);
        }
        for (int i = 0; i < members.size(); i++) {
            Task<?> member = members.get(i);
            boolean kept = committed && !member.hasFailed();
            routes.gate().add(last.engine(), unsynced && kept, kept, member.inGroup(error));
        }
        return Task.served(null, routes.release(last), false);
    }

    /** Whether the commit must be synced; if the engine cannot say it, it must. */
    private boolean isUnsynced() {
        try {
            return lane.engine().needsSync();
        } catch (Throwable e) {
            lane.doubt(CloseReason.DISCARDED);
            return true;
        }
    }

    private void repeat(long began) {
        while (true) {
            try {
                where.repeat(members, began);
                return;
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause(); // who waits again already is not touched
            }
        }
    }

    /** Whether one of them is in the group. */
    boolean has(Waiter waiter) {
        return members.contains(waiter);
    }

    /** An error of the machine has struck the group: nobody else will end those who are still in it. */
    void end(Throwable error) {
        for (int i = 0; i < members.size(); i++) {
            members.get(i).endAfter(error);
        }
    }

    /** The pool closes without the group, whose last member, or its COMMIT, does not return: nobody knows what becomes of the others. */
    void abandon(OutcomeUnknownException unknown) {
        List<Runnable> settles = new ArrayList<>();
        for (Task<?> member : new ArrayList<>(members)) { // one look under the list's own lock
            Runnable settle = member.abandonAlone(unknown);
            if (settle != null) {
                settles.add(settle);
            }
        }
        means.workers().completeAll(settles);
    }

    /** Runs the first and those who may join it; false if what they have done cannot be kept. */
    private boolean runAll() {
        long until = means.telemetry().now() + NANOS;
        int runs = 0;
        Task<?> member = first;
        while (true) {
            boolean stands = member.runInGroup(lane, this, member == first);
            Thread.interrupted(); // what a function in SQL has done to this thread is not the next one's
            if (!stands) {
                return false;
            }
            runs += member.runs();
            boolean more = runs < RUNS && means.telemetry().now() - until < 0 && (member != first || mayGroup());
            if (!more || !(next() instanceof Task<?> next)) {
                return true;
            }
            members.add(next);
            member = next;
        }
    }

    /** Those who join. Room is made for a task before it is granted the lane. */
    private @Nullable Waiter next() {
        try {
            synchronized (members) {
                list.ensureCapacity(list.size() + 1);
            }
            return where.join(lane);
        } catch (OutOfMemoryError | InternalError e) {
            return null;
        }
    }

    private boolean mayGroup() {
        try {
            return where.isAwaited() && lane.mayGroup(first.sql());
        } catch (SQLException | RuntimeException | OutOfMemoryError | InternalError e) {
            means.telemetry().debug("a group could not be formed", e);
            return false;
        }
    }

    /** Null if it is committed. */
    private @Nullable Throwable commit() {
        boolean nothing = true;
        for (int i = 0; i < members.size(); i++) {
            nothing &= members.get(i).hasFailed();
        }
        if (nothing) {
            return null; // there is nothing to commit
        }
        try {
            first.commitGroup();
            return null;
        } catch (SQLException e) {
            return undone(e);
        } catch (Throwable e) {
            return e;
        }
    }

    private Throwable undone(SQLException error) {
        try {
            return lane.engine().failure(error) == Failure.CONSTRAINT ? new Undone(error) : error;
        } catch (Throwable e) {
            return error;
        }
    }

    /** The transaction is rolled back because of a constraint that only its end could judge. */
    private static final class Undone extends Exception {
        private static final long serialVersionUID = 1;

        Undone(SQLException cause) {
            super(cause);
        }
    }
}
