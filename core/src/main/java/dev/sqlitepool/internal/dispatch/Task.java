package dev.sqlitepool.internal.dispatch;

import dev.sqlitepool.Access;
import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.internal.Settings.Part;
import dev.sqlitepool.internal.Workers;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.log.SyncGate;
import dev.sqlitepool.internal.session.Form;
import dev.sqlitepool.internal.session.ScopedSession;
import dev.sqlitepool.internal.session.Session;
import dev.sqlitepool.internal.session.Work;
import dev.sqlitepool.internal.sql.Verb;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A work on its way, with its future. Runs on a worker, or, in the blocking view, on the thread that waits for it. Thread-safe;
 * what it does with a lane is confined to the thread that serves it.
 *
 * <p>Why no lane is lost: a lane granted to a task is released by exactly one call, in {@link #serve}, whatever the function does.
 * Ending the task from outside never touches the lane: it settles the future, and interrupts the session until the server has left.
 * If memory runs out in the pool's own frames before the work, the lane is given back to be closed; after it, the step is tried again.
 *
 * <p>Why no future is left open: a queued task is ended by the group (timeout, close, failed opening), by its future, or granted; a
 * granted one is served, and serving settles it unless the one who ended it has done so.
 */
final class Task<T> extends Request<T> implements Runnable {
    private final Routes routes;
    private final Work<T> work;
    /**
     * For a single read, the session of the lane that serves it. Ending writes the state, then reads this; serving writes this, then reads
     * the state. So one of them sees the other.
     */
    private volatile @Nullable Session session;

    /** The thread that waits to run the function itself; null if a worker shall. */
    private final @Nullable Thread caller;

    /** Whether it never runs in a group again. Confined to the lane's owner, passed on with the lane. */
    private boolean alone;
    /** How it has ended in a group that could not be kept; it waits only for its turn to say so. */
    private @Nullable Throwable known;

    private @Nullable Grouped<T> grouped;
    /** The group in which it is. */
    private volatile @Nullable Group group;
    /** The entry that the gate settles. Confined to the lane's owner. */
    private SyncGate.@Nullable Outcome atGate;
    /** The hooks that run after its commit. */
    private volatile @Nullable AfterCommit afterCommit;
    /** Whether a thread waits for it until it is done. */
    private final boolean awaited;

    Task(Routes routes, Work<T> work, @Nullable Thread caller) {
        this(routes, work, caller, caller != null);
    }

    /** With {@code awaited} the thread that makes it waits until it is done, though it may be another that runs it. */
    Task(Routes routes, Work<T> work, @Nullable Thread caller, boolean awaited) {
        super(routes.means());
        this.routes = routes;
        this.work = work;
        this.caller = caller;
        this.awaited = awaited;
        this.session = sharesSnapshots() ? null : ownSession();
    }

    @Override
    public String label() {
        return work.label();
    }

    @Override
    boolean isLimitedByItself() {
        return awaited;
    }

    @Override
    public boolean mayHaveHadEffect() {
        Session served = session;
        return work instanceof Work.Code<T> && served != null && served.mayHaveHadEffect();
    }

    /** Not if it runs on a thread that waits for it, and on no other. */
    @Override
    @Nullable
    Runnable servesHere() {
        return caller == null ? this : null;
    }

    @Override
    public Duration hasReadFor(Duration held, long now) {
        return work instanceof Work.Code<T> code && code.form() == Form.CONNECTION ? session.hasReadFor(now) : held;
    }

    /** A single read whose first keyword says that it can be nothing else. */
    @Override
    boolean sharesSnapshots() {
        return work instanceof Work.Data<T> data
                && data.verb() == Verb.READ
                && data.shape().mayRead();
    }

    /**
     * A statement that writes and whose end SQLite can judge by itself; many rows would take the others' time, and so may a text of
     * which nothing is known yet, and a function of the user's.
     */
    @Override
    boolean joinsGroups(Lane lane) {
        return mayGroup() && runs() <= Group.RUNS_OF_ONE && lane.mayJoin(data().sql());
    }

    @Override
    boolean beginsTransaction() {
        return work instanceof Work.Data<T> data
                ? data.verb() == Verb.CHANGE || data.verb() == Verb.WITH
                : work.access() == Access.WRITE;
    }

    @Override
    boolean holdsFor(Waiter other) {
        Group shared = group;
        return this == other || shared != null && shared.has(other);
    }

    private boolean mayGroup() {
        return !alone
                && work instanceof Work.Data<T> data
                && (data.verb() == Verb.CHANGE || data.verb() == Verb.WITH)
                && !data.shape().mayRead() // a mapper is code: it could wait for a member, and would run twice
                && means.settings().uses(Part.GROUPS)
                && Objects.requireNonNull(place()).access() == Access.WRITE;
    }

    /** Its text, if it is a statement. */
    String sql() {
        return data().sql();
    }

    /** How many statements it is. */
    int runs() {
        return data().rows().length;
    }

    private Work.Data<T> data() {
        return (Work.Data<T>) work;
    }

    // ---- its end from outside

    @Override
    protected void stop() {
        Session served = session;
        if (served != null) {
            routes.interrupt(served, this);
        }
    }

    @Override
    void wake() {
        LockSupport.unpark(caller);
    }

    @Override
    @Nullable
    public Runnable revoke(Function<? super Waiter, ? extends Throwable> why) {
        if (revoked()) {
            return settling(why.apply(this));
        }
        AfterCommit hooks = afterCommit;
        return hooks == null ? null : hooks.cutOff();
    }

    @Override
    @Nullable
    public Runnable abandon(OutcomeUnknownException unknown) {
        Group shared = group;
        if (shared != null) {
            shared.abandon(unknown);
            return null;
        }
        AfterCommit hooks = afterCommit;
        return hooks == null ? abandonAlone(unknown) : hooks.cutOff();
    }

    /** As {@link #abandon}, without regard to the others of its group. */
    @Nullable
    Runnable abandonAlone(OutcomeUnknownException unknown) {
        if (!move(State.COMMITTING, State.DONE)) {
            return null;
        }
        routes.ended(this);
        return failed(unknown);
    }

    @Override
    @Nullable
    Runnable settling(Throwable error) {
        if (caller == null) {
            return super.settling(error);
        }
        future().settle(null, error); // nobody else knows the future
        LockSupport.unpark(caller);
        return null;
    }

    @Override
    public void requireOthersHoldLane() {
        requireOthersHoldQueue();
        requireOthersHoldClaim();
        if (Held.by(this)) {
            throw new IllegalStateException(
                    "The function, or a hook of its transaction, would wait for the end of its own"
                            + " task, which comes after it.");
        }
    }

    // ---- its run

    @Override
    protected void granted() {
        if (caller != null) {
            LockSupport.unpark(caller);
        } else {
            means.workers().execute(this);
        }
    }

    /** Serves this task on a worker, then the next ones of its lane, as long as somebody waits. */
    @Override
    public void run() {
        Task<?> task = this;
        while (true) {
            Served served = task.serveSafely(task.mayGroup());
            Thread.interrupted(); // an interrupt that one function leaves must not reach the next
            Runnable rest = served.rest();
            Runnable settle = served.settle();
            if (rest == null) {
                if (settle != null) {
                    Workers.settle(settle);
                } else {
                    routes.gate().drive();
                }
                return;
            }
            boolean goesOn = settle == null
                    ? routes.gate().driveBefore(rest)
                    : means.workers().publish(settle, rest);
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

    /**
     * Serves it, in a group or alone. Errors of the machine strike the pool's own frames, too, and in places where nothing is done but to load
     * a class: what they leave undone is done here.
     */
    Served serveSafely(boolean grouped) {
        try {
            return grouped ? Group.serve(routes, this) : serve();
        } catch (Throwable e) {
            Group shared = group;
            routes.rescue(this);
            if (shared != null) {
                shared.end(e);
            } else if (atGate == null) {
                endAfter(e);
            }
            routes.ended(this);
            return served(NOTHING, null, false);
        }
    }

    /**
     * What serving leaves to do.
     *
     * @param settle completes the future; null if the gate does, and must be driven
     * @param rest sees to the lane; null for nothing
     * @param again the task waits again, here or in another group
     */
    record Served(@Nullable Runnable settle, @Nullable Runnable rest, boolean again) {}

    /** Its outcome in a group, whose end is still to come. */
    private record Grouped<T>(@Nullable T value, @Nullable Throwable error) {}

    /** Its entry at the gate, after it was served with none of its own to settle. */
    SyncGate.@Nullable Outcome atGate() {
        return atGate;
    }

    /** Completes nothing. */
    static final Runnable NOTHING = () -> {};

    /** The session to serve it with. */
    private Session session(Lane granted) {
        if (sharesSnapshots()) {
            session = granted.access() == Access.READ ? granted.reads(Session.class, this::ownSession) : ownSession();
        }
        return Objects.requireNonNull(session);
    }

    private Session ownSession() {
        return work instanceof Work.Code<T> code ? routes.session(code.form(), this) : routes.session(this);
    }

    /** Runs the function on the granted lane, and gives the lane back. Never throws. */
    Served serve() {
        Lane granted = Objects.requireNonNull(lane());
        Lanes where = routes.lanesOf(granted);
        boolean shared = granted.snapshot().isOpen(); // it has just been used, and is passed on to be shared
        Served unfit = shared ? null : unfit(where, granted);
        if (unfit != null) {
            return unfit;
        }
        Session running = null;
        Held held = null;
        T value = null;
        Throwable error = null;
        boolean reroute = false;
        try {
            if (!shared && sharesSnapshots() && where.mayShareSnapshots(granted)) {
                granted.snapshot().begin();
            }
            Session own = session(granted);
            held = Held.push(means, heldAs(), where);
            running = own;
            running.begin(granted, this);
            if (known != null) {
                error = known;
            } else if (!isEnded()) {
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
            runsOn(); // until they have run
        } else {
            routes.ended(this);
        }
        boolean unsynced = running != null && running.isUnsynced();
        boolean ordered = work.access() == Access.WRITE || unsynced;
        Ending ending = ending(value, error);
        if (last != null && !reroute && ordered && last.access() == Access.WRITE) {
            atGate = ending;
            routes.gate().add(last.engine(), unsynced, running != null && running.isCommitted(), ending);
            return served(null, routes.release(last), false);
        }
        if (last != null && last.snapshot().isOpen()) {
            Task<?> sharer = error == null ? sharer(where, last) : null;
            if (sharer != null) {
                ending.decide(null);
                return served(ending, sharer, false);
            }
            last.snapshot().end();
        }
        Runnable rest = last == null ? null : routes.release(last);
        if (reroute) {
            reroute();
            return served(NOTHING, rest, true);
        }
        ending.decide(null);
        return served(ending, rest, false);
    }

    private void runsOn() {
        while (true) {
            try {
                routes.runsOn(this);
                return;
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
    }

    /** To whom the lane is passed with its snapshot; null if to nobody. */
    private @Nullable Task<?> sharer(Lanes where, Lane last) {
        try {
            long now = means.telemetry().now();
            return last.snapshot().mayBeShared(now) && where.share(last, now) instanceof Task<?> next ? next : null;
        } catch (OutOfMemoryError | InternalError e) {
            return null; // before anybody was granted it
        }
    }

    private void reroute() {
        while (true) {
            try {
                routes.reroute(this, work);
                return;
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause(); // it was not queued yet
            }
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

    /** The step that remains if a granted lane cannot be used; null if it can. */
    @Nullable
    Served unfit(Lanes where, Lane granted) {
        Lanes.Fitness fitness = where.fitness(granted, this);
        return fitness.fit() ? null : served(NOTHING, fitness.rest(), fitness.again());
    }

    // ---- its run in a group; by the worker that owns the group's lane

    /** As its first: takes the lane and opens the transaction; false if that failed. */
    boolean openGroup(Lane granted, Group opened) {
        group = opened;
        try {
            session.begin(granted, this);
            scoped().openGroup();
            return true;
        } catch (Throwable e) {
            session.struckBy(e);
            grouped = grouped(null, e);
            return false;
        }
    }

    /**
     * Runs in the transaction of a group.
     *
     * @param first whether it has opened the group; else it has just been granted the lane
     * @return whether all that the group has done so far is still there, and of this task all or nothing
     */
    boolean runInGroup(Lane shared, Group joined, boolean first) {
        group = joined;
        try {
            if (!first) {
                scoped().joinGroup(shared, this);
            }
            if (isEnded()) {
                return true;
            }
            T value = scoped().performInGroup(data());
            grouped = grouped(value, null);
            return beginCommit(); // else it was ended when it had already changed something
        } catch (Throwable e) {
            session.struckBy(e);
            grouped = grouped(null, e);
            return scoped().groupStands();
        } finally {
            scoped().leaveGroup(first);
        }
    }

    /** The session of data. */
    private ScopedSession scoped() {
        return (ScopedSession) Objects.requireNonNull(session);
    }

    private static <T> Grouped<T> grouped(@Nullable T value, @Nullable Throwable error) {
        while (true) {
            try {
                return new Grouped<>(value, error);
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
    }

    /** As its first: commits the transaction. */
    void commitGroup() throws SQLException {
        try {
            scoped().commitGroup();
        } catch (Throwable e) {
            session.struckBy(e);
            throw e;
        }
    }

    /** As its first: rolls back what is open, and gives the lane away. */
    @Nullable
    Lane closeGroup() {
        return session.end();
    }

    /** Whether it has failed in the group by itself. */
    boolean hasFailed() {
        return grouped != null && grouped.error() != null;
    }

    /** What it did in the group is undone: it will run again, alone; but if it has put the lane in doubt its error is its end. */
    void undone(boolean errorStands) {
        alone = true;
        group = null;
        known = errorStands && grouped != null ? grouped.error() : null;
        grouped = null;
    }

    /** How it ends when the group has ended: with its own error, or with the group's, or well. */
    SyncGate.Outcome inGroup(@Nullable Throwable groupError) {
        T value = grouped == null ? null : grouped.value();
        Throwable error = grouped == null || grouped.error() == null ? groupError : grouped.error();
        group = null;
        while (true) {
            try {
                scoped().groupCommitted(Objects.requireNonNull(lane()));
                return ending(value, error);
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
    }

    // ---- its end from inside

    private Ending ending(@Nullable T value, @Nullable Throwable error) {
        while (true) {
            try {
                return new Ending(value, error);
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
    }

    /**
     * How it ends. At the gate its commit is in the WAL, and will be on disk, or nobody will know. The state decides once whether it ends so;
     * then {@link #run} may be repeated by the thread that has won, until it has come through.
     */
    private final class Ending implements SyncGate.Outcome, Runnable {
        private @Nullable T value;
        private @Nullable Throwable error;
        private volatile @Nullable Thread winner;
        private boolean counted;
        private boolean handed;

        Ending(@Nullable T value, @Nullable Throwable error) {
            this.value = value;
            this.error = error;
        }

        /** Whether it ends so; else who has ended it settles the future. */
        void decide(@Nullable OutcomeUnknownException unknown) {
            if (done()) {
                value = unknown == null ? value : null;
                error = unknown == null ? error : unknown;
                winner = Thread.currentThread();
            }
        }

        @Override
        public void settle(@Nullable OutcomeUnknownException unknown) {
            decide(unknown);
            run();
        }

        @Override
        public boolean isSettled() {
            return future().isSettled();
        }

        @Override
        public void run() {
            if (winner != Thread.currentThread()) {
                return;
            }
            if (!counted) {
                counted = true;
                (error == null ? means.telemetry().completed : means.telemetry().failed).increment();
            }
            Session served = session;
            if (served != null && (error == null || error instanceof OutcomeUnknownException)) {
                routes.written(served.written());
            }
            List<Runnable> hooks = served != null && error == null ? served.afterCommit() : List.of();
            if (hooks.isEmpty()) {
                routes.ended(Task.this);
                future().settle(value, error);
                return;
            }
            if (afterCommit == null) {
                T result = value;
                afterCommit = new AfterCommit(routes, Task.this, hooks, () -> future().settle(result, null));
            }
            if (!handed) {
                handed = true;
                means.workers().execute(Objects.requireNonNull(afterCommit));
            }
        }
    }
}
