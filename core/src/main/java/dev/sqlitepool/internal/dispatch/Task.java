package dev.sqlitepool.internal.dispatch;

import dev.sqlitepool.Access;
import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.internal.Workers;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.log.Outcome;
import dev.sqlitepool.internal.session.Form;
import dev.sqlitepool.internal.session.ScopedSession;
import dev.sqlitepool.internal.session.Session;
import dev.sqlitepool.internal.session.Work;
import dev.sqlitepool.internal.sql.Verb;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A work on its way, with its future. Runs on a worker, or, in the blocking view, on the thread that waits for it. Thread-safe;
 * what it does with a lane is confined to the thread that serves it.
 *
 * <p>Why no lane is lost: a lane granted to a task is released by exactly one call, in {@link Dispatcher}, whatever the work does.
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

    /** Its part in the group in which it is. */
    private volatile Group.@Nullable Member<T> member;
    /** What the gate settles; its server's. */
    private @Nullable Outcome atGate;
    /** What runs after its commit. */
    private volatile Ending.@Nullable AfterCommit afterCommit;
    /** Whether a thread waits for it until it is done. */
    private final boolean awaited;

    Task(Routes routes, Work<T> work, @Nullable Thread caller) {
        this(routes, work, caller, caller != null);
    }

    /** With {@code awaited} the thread that makes it waits until it is done, though it may be another that runs it. */
    Task(Routes routes, Work<T> work, @Nullable Thread caller, boolean awaited) {
        super(routes.means);
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
        Group.Member<T> part = member;
        return this == other || part != null && part.group().has(other);
    }

    boolean mayGroup() {
        return !alone
                && work instanceof Work.Data<T> data
                && (data.verb() == Verb.CHANGE || data.verb() == Verb.WITH)
                && !data.shape().mayRead() // a mapper is code: it could wait for a member, and would run twice
                && routes.groups
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

    Work.Data<T> data() {
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
        Ending.AfterCommit hooks = afterCommit;
        return hooks == null ? null : hooks.cutOff();
    }

    @Override
    @Nullable
    public Runnable abandon(OutcomeUnknownException unknown) {
        Group.Member<T> part = member;
        if (part != null) {
            part.group().abandon(unknown);
            return null;
        }
        Ending.AfterCommit hooks = afterCommit;
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
            routes.workers.execute(this);
        }
    }

    /** Serves this task on a worker, then the next ones of its lane, as long as somebody waits. */
    @Override
    public void run() {
        Dispatcher.serve(routes, this);
    }

    /**
     * Serves it, in a group or alone. Errors of the machine strike the pool's own frames, too, and in places where nothing is done but to load
     * a class: what they leave undone is done here.
     */
    Dispatcher.Served serveSafely(boolean grouped) {
        try {
            return grouped ? Group.serve(routes, this) : Dispatcher.serveAlone(routes, this);
        } catch (Throwable e) {
            Group.Member<T> part = member;
            routes.rescue(this);
            if (part != null) {
                part.group().end(e);
            } else if (atGate == null) {
                endAfter(e);
            }
            routes.ended(this);
            boolean perhapsAtGate = grouped || atGate != null; // then nobody else may come who drives it
            return Dispatcher.served(perhapsAtGate ? null : Dispatcher.NOTHING, null, false);
        }
    }

    Work<T> work() {
        return work;
    }

    /** The error that is its end whatever it does; null if there is none. */
    @Nullable
    Throwable known() {
        return known;
    }

    void atGate(Outcome entry) {
        atGate = entry;
    }

    /** Its entry at the gate, after it was served with none of its own to settle. */
    @Nullable
    Outcome atGate() {
        return atGate;
    }

    /** The session to serve it with. */
    Session session(Lane granted) {
        if (sharesSnapshots()) {
            session = granted.access() == Access.READ ? granted.reads(Session.class, this::ownSession) : ownSession();
        }
        return Objects.requireNonNull(session);
    }

    private Session ownSession() {
        return work instanceof Work.Code<T> code ? routes.session(code.form(), this) : routes.session(this);
    }

    // ---- its part in a group; by the worker that owns the group's lane

    /** Its part in a group that it opens or joins. */
    Group.Member<T> joins(Group joined) {
        while (true) {
            try {
                Group.Member<T> part =
                        new Group.Member<>(this, (ScopedSession) Objects.requireNonNull(session), joined);
                member = part;
                return part;
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
    }

    Group.Member<T> member() {
        return Objects.requireNonNull(member);
    }

    /** What it did in the group is settled, or undone. */
    void leavesGroup() {
        member = null;
    }

    /** Runs again, alone; if an error is known it is its end. */
    void repeatsAlone(@Nullable Throwable error) {
        alone = true;
        known = error;
    }

    // ---- its end from inside

    /** The session that serves it, or has. */
    @Nullable
    Session session() {
        return session;
    }

    /** The hooks of its commit: those that are given, unless it has some. */
    Ending.AfterCommit hooks(Supplier<Ending.AfterCommit> made) {
        if (afterCommit == null) {
            afterCommit = made.get();
        }
        return Objects.requireNonNull(afterCommit);
    }

    Ending<T> ending(@Nullable T value, @Nullable Throwable error) {
        while (true) {
            try {
                return new Ending<>(this, routes, value, error);
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
    }
}
