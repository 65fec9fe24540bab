package dev.sqlitepool.internal.log;

import dev.sqlitepool.Access;
import dev.sqlitepool.internal.Means;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.Workers;
import dev.sqlitepool.internal.engine.Database;
import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.engine.WriteAheadLog.Checkpoint;
import dev.sqlitepool.internal.telemetry.Telemetry;
import java.sql.SQLException;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BooleanSupplier;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Copies the log when nobody has written for a while, on a connection of its own, beside readers and writers. With an external checkpointer
 * it only keeps that connection open. Thread-safe.
 *
 * <p>At most one pass runs: {@link #running} is taken by compare-and-set; what a pass may have missed the next write or the look after the
 * quiet time starts again.
 */
public final class QuietPass {
    /** A log that is smaller than this is not worth a pass when it is quiet. */
    private static final long SMALL_LOG = 1L << 18;

    private final Means means;
    private final Settings settings;
    private final Database opener;
    private final UnaryOperator<Engine> engines;
    private final Pace pace;
    private final BooleanSupplier isWriterOpen;
    private final Telemetry telemetry;
    private final Workers workers;

    private final AtomicBoolean running = new AtomicBoolean();
    private final AtomicBoolean watching = new AtomicBoolean();
    /** Something may have been written since the last pass that copied everything. */
    private volatile boolean dirty;

    private volatile long writtenAt;

    /**
     * Confined to the thread that has taken {@link #running}. Opened by the first pass, closed when it is quiet; with an external
     * checkpointer it only stays open.
     */
    private @Nullable Engine engine;

    private final Runnable look = this::look;

    private volatile int generation;
    private volatile boolean keptOpen;

    /**
     * A pass that has not run.
     *
     * @param engines changes the engine of its connection; only tests do
     * @param isWriterOpen whether there is a write lane
     */
    public QuietPass(
            Means means, Database opener, UnaryOperator<Engine> engines, SyncGate gate, BooleanSupplier isWriterOpen) {
        this.means = means;
        this.settings = means.settings();
        this.opener = opener;
        this.engines = engines;
        this.isWriterOpen = isWriterOpen;
        this.telemetry = means.telemetry();
        this.workers = means.workers();
        this.pace = new Pace(settings, telemetry, gate);
    }

    /** When copying is worth it, here and on the write lane. */
    Pace pace() {
        return pace;
    }

    /** A transaction that writes is about to begin, on a file whose log another program copies. */
    void keepOpen() {
        if (!keptOpen || generation != opener.generation()) {
            startPass(false); // only to open the connection: while it is open, SQLite makes no last checkpoint
        }
    }

    /** A transaction that writes is about to begin. */
    void willWrite(long now) {
        dirty = true;
        writtenAt = now;
        watch(Pace.QUIET_NANOS);
    }

    /** The write lane has emptied the log. */
    void emptied() {
        dirty = false;
    }

    private void watch(long nanos) {
        if (!watching.get() && watching.compareAndSet(false, true)) {
            workers.after(nanos, look);
        }
    }

    /** On the timer: copies what there is when nobody has written for a while, so that a crash has little to recover. */
    public void look() {
        watching.set(false);
        boolean wanted = settings.checkpoints() && !opener.checkpointsOnlyOnWriteLane() && !opener.isExclusive();
        if (!wanted || means.life().isClosed()) {
            return;
        }
        long now = telemetry.now();
        long wait = Math.max(Pace.QUIET_NANOS - (now - writtenAt), pace.untilAllowed(now));
        if (wait > 0) {
            watch(wait);
        } else {
            startPass(true);
        }
    }

    private void startPass(boolean quiet) {
        Runnable pass = () -> pass(quiet);
        if (running.compareAndSet(false, true)) {
            workers.execute(pass);
        }
    }

    /** The file has changed, and a connection to the old one is in the way; the next pass opens another. */
    public void fileChanged() {
        if (running.compareAndSet(false, true)) {
            if (engine != null && generation != opener.generation()) {
                closeConnection();
            }
            running.set(false);
            if (means.life().isClosed()) {
                means.life().advanceClose();
            }
        }
    }

    public boolean isRunning() {
        return running.get();
    }

    /** One pass; a complete one at a quiet time closes the connection. */
    private void pass(boolean quiet) {
        try {
            if (settings.externalCheckpointer()) {
                engine = connection();
                keptOpen = true;
            } else if (dirty && !means.life().isClosed() && !(quiet && isNotWorthIt())) {
                dirty = false;
                Checkpoint done = Objects.requireNonNull(connection().log()).checkpoint(false);
                telemetry.checkpointed(done.complete());
                if (!done.complete()) {
                    dirty = true;
                }
                pace.succeeded();
                pace.tried(telemetry.walSize());
            }
        } catch (Throwable e) {
            dirty = true;
            pace.failed(e);
            pace.tried(telemetry.walSize());
            pace.backOff(telemetry.now());
            closeConnection();
        } finally {
            if (means.life().isClosed() || quiet && !dirty) {
                closeConnection();
            }
            running.set(false);
            if (means.life().isClosed()) {
                means.life().advanceClose();
            } else if (settings.checkpoints() && (dirty || !quiet)) {
                watch(Pace.QUIET_NANOS);
            }
        }
    }

    /** A small log is recovered in no time, and a database whose write lane is closed was copied when it closed, or will be. */
    private boolean isNotWorthIt() {
        boolean not = telemetry.walSize() < SMALL_LOG || !isWriterOpen.getAsBoolean();
        if (not) {
            dirty = false;
        }
        return not;
    }

    private Engine connection() throws SQLException {
        opener.look();
        if (engine != null && generation != opener.generation()) {
            closeConnection(); // to a file that is not the database any more
        }
        Engine open = engine;
        if (open == null) {
            generation = opener.generation();
            open = engines.apply(opener.open(Access.READ));
            engine = open;
        }
        return open;
    }

    private void closeConnection() {
        Engine last = engine;
        engine = null;
        if (last != null) {
            try {
                opener.close(last);
            } catch (Throwable e) { // memory may run out here, too
                telemetry.debug("the connection of the checkpointer could not be closed", e);
            }
        }
    }

    /**
     * For the pool that closes: no pass will run any more.
     *
     * @return whether the connection is closed; else {@link dev.sqlitepool.internal.Life#advanceClose} is called when it is
     */
    public boolean closed() {
        Runnable close = () -> {
            closeConnection();
            running.set(false);
            means.life().advanceClose();
        };
        if (!running.compareAndSet(false, true)) {
            return false;
        }
        boolean open = engine != null;
        if (open) {
            workers.execute(close);
        } else {
            running.set(false);
        }
        return !open;
    }
}
