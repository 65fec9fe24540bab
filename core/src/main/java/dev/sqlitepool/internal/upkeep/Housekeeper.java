package dev.sqlitepool.internal.upkeep;

import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.internal.Means;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.Settles;
import dev.sqlitepool.internal.Workers;
import dev.sqlitepool.internal.dispatch.Lanes;
import dev.sqlitepool.internal.dispatch.Waiter;
import dev.sqlitepool.internal.engine.Database;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.log.Checkpointer;
import dev.sqlitepool.internal.log.QuietPass;
import dev.sqlitepool.internal.telemetry.Telemetry;
import dev.sqlitepool.internal.telemetry.Words;
import java.sql.SQLTimeoutException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.WeakHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The background health monitor. Without any traffic it closes lanes that are idle for too long, too old, do not answer, or belong
 * to a file that is gone, and reports leaks. It touches only lanes that it has taken out of the idle stack itself, one at a time; one
 * that is in use is looked at when it comes back. What it closes is replaced when it is needed. A sweep runs on a worker and is never
 * beside another.
 */
public final class Housekeeper {
    private static final long OPTIMIZE_PERIOD_NANOS = TimeUnit.HOURS.toNanos(4);

    private final Means means;
    private final Settings settings;
    private final Telemetry telemetry;
    private final Workers workers;
    private final Database opener;
    private final Checkpointer checkpointer;
    private final QuietPass quietPass;
    private final Lanes write;
    private final List<Lanes> groups;
    private final AtomicBoolean started = new AtomicBoolean();
    private final Runnable sweeping = this::sweepAndSchedule;
    private final Runnable next = this::sweepElsewhere;
    /** The thread that looks at the file, and closes stale lanes. */
    private volatile @Nullable Thread sweeper;
    /** Loans that have been reported; confined to the sweep. */
    private final Set<Waiter> warned = java.util.Collections.newSetFromMap(new WeakHashMap<>());

    private volatile long optimizedAt;
    private final Set<Waiter> reported = java.util.Collections.newSetFromMap(new WeakHashMap<>());

    public Housekeeper(
            Means means,
            Database opener,
            Checkpointer checkpointer,
            QuietPass quietPass,
            Lanes write,
            List<Lanes> groups) {
        this.means = means;
        this.settings = means.settings();
        this.telemetry = means.telemetry();
        this.workers = means.workers();
        this.opener = opener;
        this.checkpointer = checkpointer;
        this.quietPass = quietPass;
        this.write = write;
        this.optimizedAt = telemetry.now();
        this.groups = groups;
    }

    /** Begins with the first use of the pool. */
    public void start() {
        if (!started.get() && started.compareAndSet(false, true)) {
            schedule();
        }
    }

    private void schedule() {
        workers.after(period(), next);
    }

    private void sweepElsewhere() {
        workers.execute(sweeping);
    }

    private void sweepAndSchedule() {
        try {
            sweep();
        } catch (Throwable e) {
            telemetry.warn("a health check failed", e); // and the next one comes
        } finally {
            if (!means.life().isClosed()) {
                schedule();
            }
        }
    }

    /** Often enough for every limit. */
    private long period() {
        long period = Settings.nanos(settings.healthCheckInterval());
        for (Duration limit : limits()) {
            period = Math.min(period, Settings.nanos(limit) / 2);
        }
        Duration readAge = settings.maxReadAge();
        if (readAge != null) {
            period = Math.min(
                    period, Settings.nanos(readAge) / 4); // once between half of it, when it warns, and all of it
        }
        return Math.max(period, 1_000_000);
    }

    private List<Duration> limits() {
        return java.util.stream.Stream.of(settings.maxConnectionAge(), settings.maxIdleTime(), settings.leakThreshold())
                .filter(Objects::nonNull)
                .map(Objects::requireNonNull)
                .toList();
    }

    /** One look at everything. */
    public void sweep() {
        sweeper = Thread.currentThread();
        opener.look();
        sweeper = null;
        for (Lanes lanes : groups) {
            retire(lanes);
            probe(lanes);
            reportLeaks(lanes);
        }
        endOldReads();
        optimizeNowAndThen();
    }

    /** The pool is closed, perhaps long after its last connection: nothing of an old file is left beside a new one. */
    void lookForTheLastTime() {
        opener.end();
    }

    /** The file has changed: closes the lanes that are idle, now if this is the sweep, else soon. */
    public void fileChanged() {
        if (Thread.currentThread() != sweeper && !means.life().isClosed()) {
            workers.execute(this::closeStale);
        }
    }

    private void closeStale() {
        groups.forEach(this::retire);
        quietPass.fileChanged();
    }

    private void retire(Lanes lanes) {
        long now = telemetry.now();
        Duration maxIdle = settings.maxIdleTime();
        Predicate<Lane> idleTooLong = lane -> maxIdle != null && now - lane.idleSince() >= Settings.nanos(maxIdle);
        while (true) {
            Lane lane = lanes.borrowIdle(
                    candidate -> lanes.knownReason(candidate, now) != null || idleTooLong.test(candidate));
            if (lane == null) {
                return;
            }
            CloseReason reason = lanes.knownReason(lane, now);
            lanes.closeBorrowed(lane, reason != null ? reason : CloseReason.IDLE);
        }
    }

    private void probe(Lanes lanes) {
        long now = telemetry.now();
        long interval = Settings.nanos(settings.healthCheckInterval());
        if (settings.inMemory()) {
            return;
        }
        while (true) {
            // Not the later of both moments: the clock may pass its largest value.
            Lane lane = lanes.borrowIdle(
                    candidate -> Math.min(now - candidate.idleSince(), now - candidate.probedAt()) >= interval);
            if (lane == null) {
                return;
            }
            lane.probedAt(now);
            boolean sound = false;
            try {
                sound = lane.probe();
            } finally { // memory may run out in it
                if (sound) {
                    lanes.returnCold(lane);
                } else {
                    lanes.closeBorrowed(lane, CloseReason.STALE);
                }
            }
        }
    }

    /** Warns of reads whose snapshot keeps the log from shrinking, then ends them. */
    private void endOldReads() {
        Duration limit = settings.maxReadAge();
        if (limit == null || groups.size() == 1) {
            return;
        }
        Settles settles = new Settles();
        for (Map.Entry<Waiter, Duration> loan : groups.get(0).loans().entrySet()) {
            Waiter holder = loan.getKey();
            Duration held = holder.hasReadFor(loan.getValue(), telemetry.now());
            boolean end = held.compareTo(limit) >= 0;
            // At once, before anything is told: the next work of a lease must not be ended for what this one has read.
            Runnable settle = end ? holder.endRead(ended -> tooOld(limit)) : null;
            if (end || held.multipliedBy(2).compareTo(limit) >= 0 && warned.add(holder)) {
                telemetry.readTooOld(holder.label(), held, end);
            }
            settles.add(settle);
        }
        settles.complete(workers);
    }

    private static SQLTimeoutException tooOld(Duration limit) {
        return new SQLTimeoutException(
                "The read was ended because it held its snapshot for longer than maxReadAge, " + Words.time(limit)
                        + ": the write-ahead log cannot shrink past it. Read in smaller parts, or allow more.",
                "57014");
    }

    /** Brings the statistics for the query planner up to date every few hours, if the write lane is idle. */
    private void optimizeNowAndThen() {
        if (telemetry.now() - optimizedAt >= OPTIMIZE_PERIOD_NANOS) {
            Lane lane = write.borrowIdle(idle -> true);
            if (lane != null) {
                optimizedAt = telemetry.now();
                checkpointer.optimize(lane);
                write.returnCold(lane);
            }
        }
    }

    private void reportLeaks(Lanes lanes) {
        Duration threshold = settings.leakThreshold();
        if (threshold == null) {
            return;
        }
        for (Map.Entry<Waiter, Duration> loan : lanes.loans().entrySet()) {
            Waiter holder = loan.getKey();
            Throwable trace = holder.submittedAt();
            if (trace != null && loan.getValue().compareTo(threshold) > 0 && reported.add(holder)) {
                telemetry.leaked(lanes.access(), holder.label(), loan.getValue(), trace);
            }
        }
    }
}
