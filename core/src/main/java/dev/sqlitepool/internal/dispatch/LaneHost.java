package dev.sqlitepool.internal.dispatch;

import dev.sqlitepool.Access;
import dev.sqlitepool.PoolStats;
import dev.sqlitepool.internal.Means;
import dev.sqlitepool.internal.Settings.Part;
import dev.sqlitepool.internal.engine.WriteAheadLog;
import dev.sqlitepool.internal.engine.Writes;
import dev.sqlitepool.internal.feed.ChangeFeed;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.lane.Ticket;
import dev.sqlitepool.internal.log.Checkpointer;
import dev.sqlitepool.internal.log.SyncGate;
import dev.sqlitepool.internal.session.Host;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;

/** Answers the sessions of a pool. Thread-safe. */
final class LaneHost implements Host {
    private final Means means;
    private final Routes routes;
    private final SyncGate gate;
    private final Checkpointer checkpointer;
    private final ChangeFeed feed;

    LaneHost(Means means, Routes routes, SyncGate gate, Checkpointer checkpointer, ChangeFeed feed) {
        this.means = means;
        this.routes = routes;
        this.gate = gate;
        this.checkpointer = checkpointer;
        this.feed = feed;
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
        SyncGate.Turn turn = new SyncGate.Turn();
        gate.add(lane.engine(), true, turn);
        if (giveBack) {
            Waiter owner = (Waiter) ticket;
            routes.runsOn(owner);
            giveBack(lane, owner);
            if (owner.goesOnAfter(turn)) {
                return false;
            }
        }
        gate.driveAlone(turn);
        turn.await(gate);
        return true;
    }

    @Override
    public void beforeTransaction(Lane lane, Ticket ticket) throws SQLException {
        checkpointer.beforeTransaction(lane, ticket);
    }

    @Override
    public boolean isFollowed(Lane lane) {
        return lane.access() == Access.WRITE
                && means.settings().uses(Part.STAY)
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
    public void written(Writes writes) {
        feed.publish(writes);
    }

    @Override
    public PoolStats stats() {
        return means.refusal().stats();
    }
}
