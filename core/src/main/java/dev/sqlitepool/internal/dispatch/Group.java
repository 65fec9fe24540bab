package dev.sqlitepool.internal.dispatch;

import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.internal.Settles;
import dev.sqlitepool.internal.Workers;
import dev.sqlitepool.internal.engine.Engine.Failure;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.log.Outcome;
import dev.sqlitepool.internal.session.ScopedSession;
import dev.sqlitepool.internal.telemetry.Telemetry;
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
    private final Telemetry telemetry;
    private final Task<?> first;
    private final Lanes where;
    private final Lane lane;
    /** Changed by the worker that owns the lane; read by the one who closes the pool, too. */
    private final ArrayList<Task<?>> list = new ArrayList<>(4);

    private final List<Task<?>> members = Collections.synchronizedList(list);

    /** A group of one, which has been granted the write lane. */
    Group(Routes routes, Task<?> first) {
        this.routes = routes;
        this.telemetry = routes.telemetry;
        this.first = first;
        this.where = routes.lanesOf(Objects.requireNonNull(first.lane()));
        this.lane = Objects.requireNonNull(first.lane());
    }

    /** As {@link Dispatcher#serveAlone}; alone, if there is no memory for a group. */
    static Dispatcher.Served serve(Routes routes, Task<?> first) {
        Group group;
        Held held;
        try {
            group = new Group(routes, first);
            Dispatcher.Served unfit = Dispatcher.unfit(group.where, group.lane, first);
            if (unfit != null) {
                return unfit;
            }
            group.members.add(first);
            held = Held.push(group.routes.means, first.heldAs(), group.where);
        } catch (OutOfMemoryError | InternalError e) {
            return Dispatcher.serveAlone(routes, first);
        }
        return group.serve(held);
    }

    private Dispatcher.Served serve(Held held) {
        long began = telemetry.now();
        Member<?> opening;
        boolean stands;
        try {
            opening = first.joins(this);
            stands = opening.open(lane) && runAll(opening);
        } finally {
            held.pop();
        }
        Throwable failure = stands ? commit(opening) : null;
        boolean repeat = members.size() > 1 && (!stands || failure instanceof Undone);
        Throwable error = failure instanceof Undone undone ? undone.getCause() : failure;
        boolean committed = stands && failure == null;
        boolean unsynced = committed && isUnsynced();
        boolean errorStands = lane.doubt() != null && !lane.interrupts().wasHurried();
        Lane last = Objects.requireNonNull(opening.close());
        if (repeat) {
            Task<?> culprit = members.get(members.size() - 1);
            for (int i = 0; i < members.size(); i++) {
                Task<?> member = members.get(i);
                member.member().undone(errorStands && member == culprit);
            }
            repeat(began);
            return Dispatcher.served(Dispatcher.NOTHING, routes.release(last), false);
        }
        for (int i = 0; i < members.size(); i++) {
            Member<?> part = members.get(i).member();
            boolean kept = committed && !part.hasFailed();
            routes.gate.add(last.engine(), unsynced && kept, kept, part.outcome(error));
        }
        return Dispatcher.served(null, routes.release(last), false);
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
        Settles settles = new Settles();
        for (Task<?> member : new ArrayList<>(members)) { // one look under the list's own lock
            settles.add(member.abandonAlone(unknown));
        }
        settles.complete(routes.workers);
    }

    /** Runs the first and those who may join it; false if what they have done cannot be kept. */
    private boolean runAll(Member<?> opening) {
        long until = telemetry.now() + NANOS;
        int runs = 0;
        Task<?> member = first;
        while (true) {
            Member<?> part = member == first ? opening : member.joins(this);
            boolean stands = part.run(lane, member == first);
            Thread.interrupted(); // what a function in SQL has done to this thread is not the next one's
            if (!stands) {
                return false;
            }
            runs += member.runs();
            boolean more = runs < RUNS && telemetry.now() - until < 0 && (member != first || mayGroup());
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
            telemetry.debug("a group could not be formed", e);
            return false;
        }
    }

    /** Null if it is committed. */
    private @Nullable Throwable commit(Member<?> opening) {
        boolean nothing = true;
        for (int i = 0; i < members.size(); i++) {
            nothing &= members.get(i).member().hasFailed();
        }
        if (nothing) {
            return null; // there is nothing to commit
        }
        try {
            opening.commit();
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

    /**
     * A task's part in a group. Confined to the worker that owns the group's lane.
     *
     * @param <T> the task's result
     */
    static final class Member<T> {
        private final Task<T> task;
        private final ScopedSession session;
        private final Group group;
        private @Nullable T value;
        private @Nullable Throwable error;

        Member(Task<T> task, ScopedSession session, Group group) {
            this.task = task;
            this.session = session;
            this.group = group;
        }

        Group group() {
            return group;
        }

        /** As the first: takes the lane and opens the transaction; false if that failed. */
        boolean open(Lane granted) {
            try {
                session.begin(granted, task);
                session.openGroup();
                return true;
            } catch (Throwable e) {
                session.struckBy(e);
                error = e;
                return false;
            }
        }

        /**
         * Runs in the transaction of the group.
         *
         * @param first whether it has opened the group; else it has just been granted the lane
         * @return whether all that the group has done so far is still there, and of this task all or nothing
         */
        boolean run(Lane shared, boolean first) {
            try {
                if (!first) {
                    session.joinGroup(shared, task);
                }
                if (task.isEnded()) {
                    return true;
                }
                value = session.performInGroup(task.data());
                return task.beginCommit(); // else it was ended when it had already changed something
            } catch (Throwable e) {
                session.struckBy(e);
                value = null;
                error = e;
                return session.groupStands();
            } finally {
                session.leaveGroup(first);
            }
        }

        /** As the first: commits the transaction. */
        void commit() throws SQLException {
            try {
                session.commitGroup();
            } catch (Throwable e) {
                session.struckBy(e);
                throw e;
            }
        }

        /** As the first: rolls back what is open, and gives the lane away. */
        @Nullable
        Lane close() {
            return session.end();
        }

        /** Whether it has failed in the group alone. */
        boolean hasFailed() {
            return error != null;
        }

        /** What it did is undone: it will run again, alone; but if it has put the lane in doubt its error is its end. */
        void undone(boolean errorStands) {
            task.leavesGroup();
            task.repeatsAlone(errorStands ? error : null);
        }

        /** How the task ends when the group has ended: with its own error, or with the group's, or well. */
        Outcome outcome(@Nullable Throwable groupError) {
            task.leavesGroup();
            while (true) {
                try {
                    session.groupCommitted(Objects.requireNonNull(task.lane()));
                    return task.ending(value, error == null ? groupError : error);
                } catch (OutOfMemoryError | InternalError e) {
                    Workers.pause();
                }
            }
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
