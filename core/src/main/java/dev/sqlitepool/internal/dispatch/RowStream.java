package dev.sqlitepool.internal.dispatch;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.sqlitepool.RowMapper;
import dev.sqlitepool.internal.Means;
import dev.sqlitepool.internal.StackRoom;
import dev.sqlitepool.internal.Workers;
import dev.sqlitepool.internal.feed.Recipient;
import dev.sqlitepool.internal.feed.Recipient.End;
import dev.sqlitepool.internal.session.Cursor;
import dev.sqlitepool.internal.session.Form;
import dev.sqlitepool.internal.session.Session;
import dev.sqlitepool.internal.sql.SqlText;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Flow;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * One subscription to the rows of a statement. Thread-safe. It asks for a lane at the first demand and keeps it to its end, but a
 * thread only while it steps or signals.
 *
 * <p><b>Signals.</b> The thread that has the turn ({@link #turn}) may step and signal: first the subscribing thread, until {@code
 * onSubscribe} has returned, then one worker after the other. The turn is given up only in {@link #next}, under the lock, when there
 * is nothing to do. A thread that adds something to do (demand, a lane, an end) calls {@link #start} afterwards, which takes a free
 * turn. So signals are serial, none is forgotten, and demand from inside a signal needs no recursion. With the last signal the turn is
 * kept for ever.
 *
 * <p><b>The end</b> is decided once: by the stream ({@code RUNNING → DONE}, after the last row was taken), or from outside (see {@link
 * Waiter}). The winner sets the {@link #farewell}; until then a stream that has ended does nothing.
 *
 * <p><b>The lane</b> is given back by the thread that makes {@link #holding} false, under the lock: the thread that ends the stream,
 * or, if a thread is {@link #stepping}, that thread, which looks for a farewell when it has stepped. If there is one before {@link #take}
 * has the lane, it never holds it and is given back there. So it is given back once; and a subscriber that takes its time does not
 * keep the lane of a stream that has ended.
 *
 * <p>On threads of the pool each row is signalled before the next is stepped to. With the user's executor, SQL still runs on the
 * pool's threads and signals there, so rows go over in bursts.
 *
 * @param <T> what a row becomes
 */
final class RowStream<T> extends Waiter implements Flow.Subscription {
    private static final int BURST = 256;
    private static final long BURST_NANOS = 1_000_000;

    /** The next step of the thread that has the turn. */
    private enum Step {
        NOTHING,
        FETCH,
        LAST_SIGNAL
    }

    /** Rows that are to be signalled, and the end if it comes behind them. */
    private record Fetched<T>(List<T> rows, @Nullable End end) {}

    private final Routes routes;
    private final Means means;
    private final Keeper keeper;
    private final Session session;
    private final Cursor<T> cursor;
    private final @Nullable Throwable submittedAt;
    private final Recipient<T> recipient;
    /** How many rows may be stepped to; of who has the turn. */
    private long burst;

    private final ReentrantLock lock = new ReentrantLock();
    /** Made before a lane is granted. */
    private final Runnable taking = this::take;

    private final Runnable fetching = this::fetchHere;
    private final Runnable leaving = this::leaveHere;
    private final Runnable farewellSaid = this::sayFarewell;
    private final Runnable givingBack = this::giveBack;

    /** Rows asked for and not stepped to; {@link Long#MAX_VALUE} for no limit. */
    @GuardedBy("lock")
    private long demand;

    /** A lane has been asked for. */
    @GuardedBy("lock")
    private boolean asked;

    @GuardedBy("lock")
    private boolean holding;

    /** The cursor is in use by who has the turn. */
    @GuardedBy("lock")
    private boolean stepping;

    /** Somebody has the turn. */
    @GuardedBy("lock")
    private boolean turn = true;

    @GuardedBy("lock")
    private @Nullable End farewell;

    RowStream(
            Routes routes,
            SqlText sql,
            RowMapper<? extends T> mapper,
            @Nullable Object[] values,
            Flow.Subscriber<? super T> subscriber) {
        this.routes = routes;
        this.means = routes.means();
        this.keeper = new Keeper(routes, Form.READ, this);
        this.session = keeper.session();
        this.cursor = new Cursor<>(session, sql, mapper, values);
        this.submittedAt = Request.traceHere(means);
        this.recipient = new Recipient<>(means, this::label, subscriber);
        // Until it asks for a lane it waits for nothing: a cancellation that races with the asking finds it running, or
        // queued.
        move(State.QUEUED, State.RUNNING);
    }

    @Override
    boolean isLease() {
        return true;
    }

    @Override
    public String label() {
        return "stream of " + cursor.label();
    }

    @Override
    @Nullable
    public Throwable submittedAt() {
        return submittedAt;
    }

    /** Subscribes, on the calling thread. */
    void begin() {
        if (means.life().isClosed()) {
            end(End.of(means.refusal().closed(false)));
        }
        if (!recipient.subscribed(this)) {
            cancel();
        }
        goOn(next());
    }

    // ---- the subscription

    @Override
    public void request(long n) {
        StackRoom.require();
        if (n <= 0) {
            Throwable error = new IllegalArgumentException(
                    "request(" + n + "): the demand must be positive (Reactive Streams, rule 3.9).");
            if (end(End.of(error))) {
                means.telemetry().failed(this, error);
            }
            return;
        }
        boolean ask;
        lock.lock();
        try {
            demand = demand + n < 0 ? Long.MAX_VALUE : demand + n;
            ask = !asked && farewell == null;
            asked |= ask;
        } finally {
            lock.unlock();
        }
        if (ask) {
            means.life().used();
            routes.readLanes().submit(this);
        } else {
            start();
        }
    }

    @Override
    public void cancel() {
        StackRoom.require();
        if (end(End.CANCELLED)) {
            means.telemetry().cancelled(this);
        }
    }

    // ---- its end

    @Override
    @Nullable
    public Runnable revoke(Function<? super Waiter, ? extends Throwable> why) {
        if (end(End.of(why.apply(this)))) {
            means.telemetry().cancelled(this);
        }
        return null;
    }

    @Override
    @Nullable
    public Runnable failed(Throwable error) {
        means.telemetry().failed(this, error);
        ended(End.of(error));
        return null;
    }

    /** Ends it from outside; false if it has ended already. */
    private boolean end(End last) {
        while (true) {
            switch (state()) {
                case QUEUED:
                    if (move(State.QUEUED, State.ENDED)) {
                        Objects.requireNonNull(place()).withdrawn();
                        ended(last);
                        return true;
                    }
                    break;
                case RUNNING:
                    if (move(State.RUNNING, State.REVOKED)) {
                        ended(last);
                        return true;
                    }
                    break;
                default:
                    return false;
            }
        }
    }

    /** Called once, by who has decided the end. */
    private void ended(End last) {
        boolean interrupt;
        boolean back;
        lock.lock();
        try {
            farewell = last;
            interrupt = stepping;
            back = holding && !stepping;
            holding = holding && !back;
        } finally {
            lock.unlock();
        }
        if (interrupt) {
            routes.interrupt(session, this);
        }
        if (back) {
            Held.nowHolds(this, null);
            means.workers().execute(givingBack);
        }
        start();
    }

    // ---- the lane

    @Override
    protected void granted() {
        means.workers().execute(taking);
    }

    private void take() {
        if (!keeper.take(this)) {
            return;
        }
        boolean wanted;
        lock.lock();
        try {
            wanted = farewell == null;
            holding = wanted;
        } finally {
            lock.unlock();
        }
        if (!wanted) {
            giveBack();
        } else if (takeTurn()) {
            goOnHere(next());
        }
    }

    private void giveBack() {
        try {
            keeper.giveBack(cursor.end());
        } catch (Throwable e) { // an error of the machine, in the pool's own frames
            routes.rescue(this);
        }
    }

    // ---- the turn

    private boolean takeTurn() {
        lock.lock();
        try {
            boolean mine = !turn;
            turn = true;
            return mine;
        } finally {
            lock.unlock();
        }
    }

    /** Goes on if nobody does. */
    private void start() {
        if (takeTurn()) {
            goOn(next());
        }
    }

    /** The next step; if there is none the turn is free. Called by the thread that has the turn. */
    private Step next() {
        lock.lock();
        try {
            Step step = farewell != null
                    ? Step.LAST_SIGNAL
                    : holding && demand > 0 && !isEnded() ? Step.FETCH : Step.NOTHING;
            stepping = step == Step.FETCH;
            burst = Math.min(demand, recipient.isHere() ? 1 : BURST);
            turn = step != Step.NOTHING;
            return step;
        } finally {
            lock.unlock();
        }
    }

    /** Passes the turn to a worker. */
    private void goOn(Step step) {
        if (step != Step.NOTHING) {
            means.workers().execute(step == Step.FETCH ? fetching : leaving);
        }
    }

    private void fetchHere() {
        goOnHere(Step.FETCH);
    }

    private void leaveHere() {
        goOnHere(Step.LAST_SIGNAL);
    }

    /** Does what there is to do, on a worker. */
    private void goOnHere(Step first) {
        Step last = first == Step.FETCH ? fetchAll() : first;
        if (last == Step.LAST_SIGNAL) {
            recipient.signal(farewellSaid);
        }
    }

    /** Fetches as long as there is demand, and says what comes then; nothing if another thread goes on. */
    private Step fetchAll() {
        Held held = Held.push(means, this, place());
        try {
            return fetchAsLongAsThereIsDemand();
        } catch (Throwable e) { // an error of the machine, in the pool's own frames
            return struck(e);
        } finally {
            held.pop();
        }
    }

    private Step fetchAsLongAsThereIsDemand() {
        Step step = Step.FETCH;
        while (step == Step.FETCH) {
            Fetched<T> fetched = fetch();
            if (!recipient.isHere()) {
                recipient.signal(() -> deliverThere(fetched));
                return Step.NOTHING;
            }
            step = deliver(fetched);
            Thread.interrupted(); // nor what a subscriber has
        }
        return step;
    }

    /** Gives the lane back, to be closed, and ends the stream; the turn stays here. */
    private Step struck(Throwable error) {
        session.struckBy(error);
        if (stepped(0, true)) {
            giveBack();
        }
        End last = endOf(error);
        boolean mine = move(State.RUNNING, State.DONE);
        lock.lock();
        try {
            if (mine) {
                farewell = last;
            }
        } finally {
            lock.unlock();
        }
        return next();
    }

    private Fetched<T> fetch() {
        List<T> rows = List.of();
        End end = null;
        try {
            List<T> fetched = new ArrayList<>(recipient.isHere() ? 1 : 16);
            rows = fetched;
            if (!cursor.read(this, burst, BURST_NANOS, fetched::add)) {
                end = End.COMPLETE;
            }
        } catch (Throwable e) {
            session.struckBy(e);
            end = endOf(e);
        }
        Thread.interrupted(); // what a mapper has done to this thread is not for what follows
        if (stepped(rows.size(), end != null)) {
            Held.nowHolds(this, null);
            giveBack();
        }
        return fetched(rows, end);
    }

    private static End endOf(Throwable error) {
        while (true) {
            try {
                return End.of(error);
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
    }

    private static <T> Fetched<T> fetched(List<T> rows, @Nullable End end) {
        while (true) {
            try {
                return new Fetched<>(rows, end);
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
    }

    /** Whether the lane is to be given back. */
    private boolean stepped(int rows, boolean over) {
        lock.lock();
        try {
            stepping = false;
            if (demand != Long.MAX_VALUE) {
                demand -= rows;
            }
            boolean back = holding && (over || farewell != null);
            holding = holding && !back;
            return back;
        } finally {
            lock.unlock();
        }
    }

    /** Signals the rows; the end follows if nobody has ended the stream in the meantime. */
    private Step deliver(Fetched<T> fetched) {
        for (T row : fetched.rows()) {
            if (isEnded()) {
                break;
            }
            if (!recipient.next(row)) {
                cancel();
            }
        }
        End end = fetched.end();
        if (end != null && move(State.RUNNING, State.DONE)) {
            means.telemetry().served(this, end.error());
            lock.lock();
            try {
                farewell = end;
            } finally {
                lock.unlock();
            }
        }
        return next();
    }

    /** On the user's executor: delivers, and lets a worker go on. */
    private void deliverThere(Fetched<T> fetched) {
        Held held = Held.push(means, this, fetched.end() == null ? place() : null);
        Step step;
        try {
            step = deliver(fetched);
        } finally {
            held.pop();
        }
        if (step == Step.LAST_SIGNAL) {
            sayFarewell();
        } else {
            goOn(step);
        }
    }

    private void sayFarewell() {
        End last;
        lock.lock();
        try {
            last = Objects.requireNonNull(farewell);
        } finally {
            lock.unlock();
        }
        recipient.last(last);
    }
}
