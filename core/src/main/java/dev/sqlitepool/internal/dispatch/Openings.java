package dev.sqlitepool.internal.dispatch;

import dev.sqlitepool.Access;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.internal.Means;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.Workers;
import dev.sqlitepool.internal.engine.Database;
import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.log.Checkpointer;
import dev.sqlitepool.internal.log.SyncGate;
import dev.sqlitepool.internal.telemetry.Telemetry;
import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Opens and closes the lanes of one access, and says which are fit. Thread-safe.
 */
public final class Openings {
    private static final Fitness FIT = new Fitness(true, null, false);

    private final Access access;
    private final Means means;
    private final Settings settings;
    private final boolean inMemory;
    /** How long a lane may rest before it is asked whether it still answers. */
    private final long restNanos;

    private final Telemetry telemetry;
    private final Workers workers;
    private final Database opener;
    private final UnaryOperator<Engine> engines;
    private final SyncGate gate;
    private final Checkpointer checkpointer;
    private final LaneGroup group;
    private final Runnable opening = this::open;

    Openings(
            Access access,
            Means means,
            Database opener,
            UnaryOperator<Engine> engines,
            SyncGate gate,
            Checkpointer checkpointer,
            LaneGroup group) {
        this.access = access;
        this.means = means;
        this.settings = means.settings();
        this.inMemory = settings.inMemory();
        this.restNanos = Settings.nanos(settings.healthCheckInterval());
        this.telemetry = means.telemetry();
        this.workers = means.workers();
        this.opener = opener;
        this.engines = engines;
        this.gate = gate;
        this.checkpointer = checkpointer;
        this.group = group;
    }

    // ---- which are fit

    /** Why a lane that is given back is to be closed; null if it stays. */
    @Nullable
    CloseReason reasonToClose(Lane lane, long now) {
        if (inMemory) {
            // It is the database: reset, never discarded, and closed at the very end.
            return lane.isClosed() ? CloseReason.DISCARDED : null;
        }
        CloseReason known = knownReason(lane, now);
        return known == null && lane.isClosed() ? CloseReason.DISCARDED : known;
    }

    /** A reason to close the lane that can be told without asking the driver. */
    @Nullable
    CloseReason knownReason(Lane lane, long now) {
        if (inMemory) {
            return null;
        }
        if (lane.doubt() != null) {
            return lane.doubt();
        }
        if (access == Access.WRITE && gate.isBroken()) {
            return CloseReason.DISCARDED;
        }
        if (lane.generation() != opener.generation()) {
            return CloseReason.DATABASE_CHANGED;
        }
        if (lane.isExpired(now)) {
            return CloseReason.AGED;
        }
        return access == Access.READ && group.isClosed() ? CloseReason.POOL_CLOSED : null;
    }

    /** Looks at a lane that was just granted: with SQL only if it has been idle for long. */
    Fitness fitness(Lane lane, Waiter waiter) {
        while (true) {
            try {
                return lookAt(lane, waiter);
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause(); // before anything has happened
            }
        }
    }

    private Fitness lookAt(Lane lane, Waiter waiter) {
        long now = telemetry.now();
        opener.lookAgain(now);
        CloseReason reason = inMemory ? null : reasonToClose(lane, now);
        if (reason == CloseReason.AGED || reason == CloseReason.POOL_CLOSED) {
            reason = null; // it has been granted, and is used once more
        }
        boolean rested = now - lane.idleSince() > restNanos;
        if (reason == null && rested && !inMemory && !lane.probe()) {
            reason = CloseReason.STALE;
        }
        if (reason == null) {
            return FIT;
        }
        CloseReason why = reason;
        Runnable close = () -> close(lane, why);
        LaneGroup.Unfit unfit = group.unfit(lane, waiter, now);
        if (!unfit.taken()) {
            return FIT;
        }
        return unfit(Waiter.next(unfit.waiter(), close), unfit.again());
    }

    private static Fitness unfit(@Nullable Runnable rest, boolean again) {
        while (true) {
            try {
                return new Fitness(false, rest, again);
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
    }

    /** Puts right what the user of a connection in memory, which is not replaced, has changed. */
    void restore(Lane lane) {
        try {
            opener.restore(lane.engine());
        } catch (SQLException | RuntimeException e) {
            telemetry.warn("a connection in memory keeps something that its user has changed", e);
        }
    }

    // ---- opening and closing

    /** Opens one, on a thread of the pool, that the group counts as opening already. */
    void startOpening() {
        workers.execute(opening);
    }

    private void open() {
        Engine engine = null;
        Lane lane;
        long started;
        try {
            started = telemetry.now();
            opener.look();
            int generation = opener.generation();
            boolean repair = access == Access.WRITE && gate.isBroken();
            if (repair) {
                opener.truncateWalFirst();
            }
            engine = engines.apply(opener.open(access));
            if (repair) {
                gate.repaired();
            }
            lane = new Lane(engine, access, generation, expiry(started), settings, telemetry, workers.timer());
        } catch (Throwable e) {
            closeQuietly(engine);
            openFailed(e);
            return;
        }
        long now = lane.openedAt();
        telemetry.opened(access, now - started);
        LaneGroup.Opened result = group.opened(lane, now);
        if (result.close()) {
            close(lane, CloseReason.POOL_CLOSED);
            return;
        }
        Runnable rest = Waiter.next(result.waiter(), null);
        if (rest != null) {
            rest.run();
        } else if (group.isClosed()) {
            means.life().advanceClose();
        }
    }

    private void closeQuietly(@Nullable Engine engine) {
        try {
            if (engine != null) {
                opener.close(engine);
            }
        } catch (Throwable e) {
            telemetry.debug("a connection could not be closed", e);
        }
    }

    /** A random moment in the last tenth of the age, so that lanes opened together are not replaced together. */
    private long expiry(long opened) {
        Duration age = settings.maxConnectionAge();
        return age == null
                ? Long.MAX_VALUE
                : opened
                        + (long) (Settings.nanos(age)
                                * (1 - ThreadLocalRandom.current().nextDouble(0.1)));
    }

    private void openFailed(Throwable error) {
        telemetry.openFailed(access, error);
        LaneGroup.OpenFailed failed = group.openFailed();
        if (failed.open()) {
            startOpening();
        }
        means.life().advanceClose();
        if (failed.waiter() == null) {
            telemetry.debug("a connection could not be opened, and nobody waits for it any more", error);
        } else {
            Waiter waiter = failed.waiter();
            while (true) {
                try {
                    waiter.failHere(error);
                    return;
                } catch (OutOfMemoryError | InternalError e) {
                    Workers.pause();
                }
            }
        }
    }

    /** Closes a lane that counts as closing. */
    void close(Lane lane, CloseReason reason) {
        try {
            closeAndTell(lane, reason);
        } finally { // whatever becomes of the telling, the group must know
            if (group.closed()) {
                startOpening();
            }
            means.life().advanceClose();
        }
    }

    private void closeAndTell(Lane lane, CloseReason reason) {
        try {
            beforeClose(reason, lane);
            opener.close(lane.engine());
        } catch (Throwable e) {
            telemetry.warn("a connection could not be closed", e);
        }
        telemetry.closed(access, reason, lane.openedAt());
    }

    private void beforeClose(CloseReason reason, Lane lane) {
        if (access == Access.READ) {
            return;
        }
        try {
            gate.drain();
            if (reason == CloseReason.POOL_CLOSED) {
                checkpointer.optimize(lane);
            }
        } catch (Throwable e) {
            telemetry.debug("a connection is closed without what comes before", e);
        }
    }

    /**
     * Whether a granted lane can be used. If not it has been taken back to be closed.
     *
     * @param rest what remains to be done on a thread of the pool
     * @param again whether the waiter waits again; if not it has ended meanwhile
     */
    public record Fitness(boolean fit, @Nullable Runnable rest, boolean again) {}

    /** The holder of a lane that the pool itself looks at. Waits for nothing. */
    static final class Maintenance extends Waiter {
        Maintenance(long now) {
            joinsNowhere(now);
        }

        @Override
        protected void granted() {}

        @Override
        public @Nullable Runnable failed(Throwable error) {
            return null;
        }

        @Override
        public String label() {
            return "health check";
        }
    }
}
