package dev.sqlitepool.internal;

import dev.sqlitepool.Access;
import dev.sqlitepool.PoolClosedException;
import dev.sqlitepool.PoolExhaustedException;
import dev.sqlitepool.PoolStats;
import dev.sqlitepool.PoolTimeoutException;
import dev.sqlitepool.internal.telemetry.Words;
import java.sql.SQLException;
import java.time.Duration;
import java.util.function.Supplier;

/** The errors of the pool for tasks that get no lane: they name the holder, how long it has held, and what to do. Immutable. */
public final class Refusal {
    private final Settings settings;
    private final Supplier<PoolStats> stats;

    /** For the pool with these settings, which looks so at the moment of each refusal. */
    public Refusal(Settings settings, Supplier<PoolStats> stats) {
        this.settings = settings;
        this.stats = stats;
    }

    /** The pool at this moment, for exceptions. */
    public PoolStats stats() {
        return stats.get();
    }

    /**
     * Somebody who wanted a lane.
     *
     * @param task what it is called
     * @param lease whether it counts as a lease
     * @param effect whether it may have changed the database before it had to wait
     */
    public record Wanted(String task, Access access, boolean lease, boolean effect) {}

    /** It has waited for as long as it may; {@code stats} is how the pool looked then. */
    public PoolTimeoutException timeout(Wanted wanted, PoolStats stats) {
        PoolStats.Connections lanes =
                wanted.access() == Access.WRITE ? stats.writeConnections() : stats.readConnections();
        String advice;
        if (wanted.lease() && lanes.max() > 1) {
            advice = "Leases and streams may hold " + (lanes.max() - 1) + " of the " + lanes.max()
                    + " read connections at once, so that short reads get through. Give them back earlier, or raise poolSize.";
        } else if (lanes.opening() > 0) {
            advice =
                    "A connection was still being opened: raise acquireTimeout, or find out why opening takes so long.";
        } else {
            advice = "Find what holds them so long, raise acquireTimeout, or, for reads, poolSize.";
        }
        return new PoolTimeoutException(
                settings.name() + ": no connection within " + seconds(settings.acquireTimeout()) + " for \""
                        + wanted.task() + "\": " + described(stats) + ". " + advice + effect(wanted.effect()),
                stats,
                wanted.effect());
    }

    /** The fact to know before the task is run again. */
    private static String effect(boolean mayHaveHadEffect) {
        return mayHaveHadEffect
                ? " What the task has committed itself stays: look before you run it again."
                : " Nothing of the task took effect.";
    }

    /** The write-ahead log is at its limit, and a reader keeps it there. */
    public PoolTimeoutException logFull(String task, String reader, boolean effect) {
        PoolStats stats = stats();
        return new PoolTimeoutException(
                settings.name() + ": \"" + task + "\" could not write within " + seconds(settings.acquireTimeout())
                        + ": the write-ahead log has reached its limit, " + stats.walSize()
                        + " bytes, and cannot shrink past "
                        + reader + ": " + described(stats)
                        + ". Read in smaller parts, set maxReadAge, or raise walSizeLimit." + effect(effect),
                stats,
                effect);
    }

    /** Too many wait already. */
    public PoolExhaustedException exhausted(boolean effect) {
        PoolStats stats = stats();
        return new PoolExhaustedException(
                settings.name() + ": " + Words.count(settings.maxWaiters(), "task waits", "tasks wait")
                        + " already, which is all that maxWaiters allows: " + described(stats)
                        + ". Submit less at once, or raise maxWaiters." + effect(effect),
                stats,
                effect);
    }

    /** The pool is closed, or closing. */
    public PoolClosedException closed(boolean effect) {
        return new PoolClosedException(settings.name() + " is closed." + effect(effect), stats(), effect);
    }

    /** The pool is read-only. */
    public SQLException readOnly(String task) {
        return new SQLException(
                settings.name() + " is read-only, and \"" + task
                        + "\" needs a connection that may write. Nothing was run. Read with"
                        + " query(…) or read(…), or build the pool without readOnly().",
                "25006",
                8);
    }

    /** A task would wait for a lane that it holds itself. */
    public IllegalStateException waitsForItself(Access access, int lanes) {
        return new IllegalStateException("This task holds "
                + (lanes == 1 ? "the only " : "all " + lanes + " ")
                + (access == Access.WRITE ? "write" : "read") + " connection" + (lanes == 1 ? "" : "s")
                + " of the pool " + settings.name()
                + ", and would wait for itself. Use the connection that its function was"
                + " given, or submit without waiting.");
    }

    private static String described(PoolStats stats) {
        String described = writer(stats.writeConnections()) + ", " + stats.waiting() + " waiting";
        PoolStats.Connections read = stats.readConnections();
        if (read.max() > 0) {
            described += ", read connections " + read.borrowed() + "/" + read.max() + " busy";
        }
        if (read.opening() > 0) {
            described += ", " + read.opening() + " opening";
        }
        if (read.borrowed() > 0) {
            described += ", the longest " + seconds(read.longestHeld()) + " with \"" + read.holder() + "\"";
        }
        return described;
    }

    private static String writer(PoolStats.Connections write) {
        if (write.borrowed() > 0) {
            return "write connection busy " + seconds(write.longestHeld()) + " with \"" + write.holder() + "\"";
        }
        return write.opening() > 0
                ? "write connection opening"
                : write.closing() > 0 ? "write connection closing" : "write connection free";
    }

    /** The thread of a function was interrupted while the function waited. */
    public static SQLException interrupted() {
        return new SQLException(
                "The thread was interrupted while it waited for the pool.", "57014", new InterruptedException());
    }

    private static String seconds(Duration duration) {
        return Words.time(duration);
    }
}
