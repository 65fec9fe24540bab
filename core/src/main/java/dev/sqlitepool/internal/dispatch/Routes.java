package dev.sqlitepool.internal.dispatch;

import dev.sqlitepool.Access;
import dev.sqlitepool.PoolStats;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.internal.Means;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.Settings.Part;
import dev.sqlitepool.internal.Workers;
import dev.sqlitepool.internal.engine.WriteAheadLog;
import dev.sqlitepool.internal.engine.Writes;
import dev.sqlitepool.internal.feed.ChangeFeed;
import dev.sqlitepool.internal.jdbc.JdbcConnection;
import dev.sqlitepool.internal.lane.Interrupts;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.lane.Ticket;
import dev.sqlitepool.internal.log.Acknowledgement;
import dev.sqlitepool.internal.log.Checkpointer;
import dev.sqlitepool.internal.log.SyncGate;
import dev.sqlitepool.internal.session.Form;
import dev.sqlitepool.internal.session.FreeSession;
import dev.sqlitepool.internal.session.Host;
import dev.sqlitepool.internal.session.ScopedSession;
import dev.sqlitepool.internal.session.Session;
import dev.sqlitepool.internal.session.Work;
import dev.sqlitepool.internal.sql.Verb;
import dev.sqlitepool.internal.telemetry.Telemetry;
import java.sql.SQLException;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Which lanes a task wants and where a lane belongs; the sessions on them; and what runs without a lane. Thread-safe.
 */
public final class Routes {
    private static final int REMEMBERED_WRITERS = 1_000;

    final Means means;
    final Settings settings;
    final Telemetry telemetry;
    final Workers workers;
    /** Whether statements that wait share a transaction. */
    final boolean groups;

    private final Lanes read;
    private final Lanes write;
    final SyncGate gate;
    private final ChangeFeed feed;
    private final LaneHost host;
    /** Texts that begin like reads and turned out to write. */
    private final Set<String> writers = ConcurrentHashMap.newKeySet();
    /** Those who run without a lane, since they have given it back after a commit. */
    private final Set<Waiter> laneless = ConcurrentHashMap.newKeySet();

    /** With {@code read} the same as {@code write} if there is one lane for both. */
    public Routes(Means means, Lanes read, Lanes write, SyncGate gate, Checkpointer checkpointer, ChangeFeed feed) {
        this.means = means;
        this.settings = means.settings();
        this.telemetry = means.telemetry();
        this.workers = means.workers();
        this.groups = settings.uses(Part.GROUPS);
        this.read = read;
        this.write = write;
        this.gate = gate;
        this.feed = feed;
        this.host = new LaneHost(this, gate, checkpointer, feed);
    }

    public Means means() {
        return means;
    }

    public SyncGate gate() {
        return gate;
    }

    /** A session for code. */
    Session session(Form form, Ticket ticket) {
        return form == Form.CONNECTION
                ? new FreeSession(host, settings, telemetry, ticket, JdbcConnection::new)
                : new ScopedSession(form, host, settings, telemetry, ticket, JdbcConnection::new);
    }

    /** A session for data. */
    ScopedSession session(Ticket ticket) {
        return new ScopedSession(null, host, settings, telemetry, ticket, JdbcConnection::new);
    }

    // ---- lanes

    Lanes readLanes() {
        return read;
    }

    Lanes lanes(Access access) {
        return access == Access.WRITE ? write : read;
    }

    boolean hasReadLanes() {
        return read != write;
    }

    public Lanes lanesOf(Lane lane) {
        return lanes(lane.access());
    }

    /** The place where a task waits. */
    public Lanes lanesFor(Work<?> work) {
        boolean writes = work.access() == Access.WRITE
                || work instanceof Work.Data<?> data && data.verb() == Verb.WITH && writers.contains(data.sql());
        return writes ? write : read;
    }

    /** Takes a lane back; returns what remains to be done, see {@link Lanes#release}. */
    @Nullable
    public Runnable release(Lane lane) {
        while (true) {
            try {
                return lanesOf(lane).release(lane);
            } catch (Error e) { // it has not been taken back; after an error of the driver it is not passed on
                if (!(e instanceof OutOfMemoryError || e instanceof InternalError)) {
                    lane.doubt(CloseReason.DISCARDED);
                }
                Workers.pause();
            }
        }
    }

    /**
     * For the thread that served somebody and was struck by an error of the machine in the pool's own frames: what is still lent in that
     * name is taken back to be closed. Never throws: a step that fails is tried again, and one that was done finds nothing to do.
     */
    void rescue(Waiter served) {
        while (true) {
            try {
                Lane lent = write.lentTo(served);
                lent = lent == null ? read.lentTo(served) : lent;
                if (lent != null) {
                    lent.doubt(CloseReason.DISCARDED);
                    giveBack(lent);
                }
                return;
            } catch (Throwable e) {
                Workers.pause();
            }
        }
    }

    /** As {@link #release}, with what remains done by another thread. */
    public void giveBack(Lane lane) {
        Runnable rest = release(lane);
        if (rest != null) {
            workers.execute(rest);
        }
    }

    /** Data that SQLite refused on a read lane, because it writes, goes to the write lane; so does its text from now on. */
    void reroute(Request<?> task, Work<?> work) {
        boolean queued = false;
        while (true) {
            try {
                if (!queued) {
                    remember(work);
                    telemetry.switched(task);
                    write.submit(task);
                    queued = true; // and perhaps it runs already
                }
                if (task.isAwaitedInside(write)) {
                    task.end(null, write.waitsForItself());
                }
                return;
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause(); // the step that failed has not happened
            }
        }
    }

    private void remember(Work<?> writes) {
        if (writers.size() >= REMEMBERED_WRITERS) {
            writers.clear();
        }
        if (writes instanceof Work.Data<?> data) {
            writers.add(data.sql());
        }
    }

    /** Interrupts what an ended waiter runs, until it has left its session. */
    void interrupt(Session session, Waiter waiter) {
        telemetry.interrupted(waiter);
        while (true) {
            try {
                interruptAgain(session, waiter);
                return;
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
    }

    private void interruptAgain(Session session, Waiter waiter) {
        waiter.wakeClaim();
        if (session.interrupt(waiter)) {
            workers.after(Interrupts.PERIOD_NANOS, () -> interruptAgain(session, waiter));
        }
    }

    // ---- who runs without a lane

    /** From now to {@link #ended} the pool is not closed, though the task may hold no lane; called while it holds one. */
    void runsOn(Waiter waiter) {
        while (true) {
            try {
                laneless.add(waiter);
                return;
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
    }

    /** Its work has ended. */
    void ended(Waiter waiter) {
        if (!laneless.isEmpty() && laneless.remove(waiter)) {
            means.life().advanceClose();
        }
    }

    /** Those who run on without a lane. */
    public Set<Waiter> laneless() {
        return laneless;
    }

    /** Tells those who watch what was written, and acknowledged. */
    void written(Writes writes) {
        feed.publish(writes);
    }

    // ---- the host of the sessions

    /** Answers the sessions of a pool. Thread-safe. */
    private static final class LaneHost implements Host {
        private final Routes routes;
        private final SyncGate gate;
        private final Checkpointer checkpointer;
        private final ChangeFeed feed;
        /** Whether a transaction that follows another may go on reading. */
        private final boolean stays;

        LaneHost(Routes routes, SyncGate gate, Checkpointer checkpointer, ChangeFeed feed) {
            this.routes = routes;
            this.gate = gate;
            this.checkpointer = checkpointer;
            this.feed = feed;
            this.stays = routes.settings.uses(Part.STAY);
        }

        @Override
        public boolean hasReadLanes() {
            return routes.hasReadLanes();
        }

        @Override
        public Lane exchange(@Nullable Lane from, Access to, Ticket ticket) throws SQLException {
            Waiter owner = (Waiter) ticket;
            if (from != null) {
                giveBack(from, owner);
            }
            Lanes target = routes.lanes(to);
            target.requireOthersHoldLane();
            Claim claim = new Claim(routes, owner, target);
            owner.claim(claim);
            try {
                Lane lane = claim.await();
                Held.nowHolds(owner.heldAs(), target);
                return lane;
            } finally {
                owner.claim(null);
            }
        }

        private void giveBack(Lane lane, Waiter owner) {
            Held.nowHolds(owner.heldAs(), null);
            routes.giveBack(lane);
        }

        @Override
        public boolean awaitDurable(Ticket ticket, Lane lane, boolean giveBack) {
            Acknowledgement durable = new Acknowledgement();
            gate.add(lane.engine(), true, durable);
            if (giveBack) {
                Waiter owner = (Waiter) ticket;
                routes.runsOn(owner);
                giveBack(lane, owner);
                if (owner.goesOnAfter(durable)) {
                    return false;
                }
            }
            gate.driveAlone(durable);
            durable.await(gate);
            return true;
        }

        @Override
        public void beforeTransaction(Lane lane, Ticket ticket) throws SQLException {
            checkpointer.beforeTransaction(lane, ticket);
        }

        @Override
        public boolean isFollowed(Lane lane) {
            return lane.access() == Access.WRITE
                    && stays
                    && routes.lanes(Access.WRITE).isAwaited();
        }

        @Override
        public void beforeUnwrap(Lane lane) {
            if (lane.access() == Access.WRITE) {
                gate.drain();
            }
        }

        @Override
        public void requireTrust(Lane lane) throws SQLException {
            WriteAheadLog log = lane.engine().log();
            if (gate.isBroken() && log != null && log.size() >= 0) {
                throw new SQLException(
                        "A sync of this database has failed, and nobody knows what is on disk: this connection no longer writes."
                                + " Begin again with another one.",
                        "58030");
            }
        }

        @Override
        public boolean isWatched() {
            return feed.isWatched();
        }

        @Override
        public void tell(Writes writes) {
            feed.publish(writes);
        }

        @Override
        public PoolStats stats() {
            return routes.means.refusal().stats();
        }
    }
}
