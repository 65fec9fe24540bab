package dev.sqlitepool.internal.pool;

import dev.sqlitepool.Access;
import dev.sqlitepool.PoolStats;
import dev.sqlitepool.internal.Life;
import dev.sqlitepool.internal.Means;
import dev.sqlitepool.internal.Refusal;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.Workers;
import dev.sqlitepool.internal.dispatch.Dispatcher;
import dev.sqlitepool.internal.dispatch.Lanes;
import dev.sqlitepool.internal.dispatch.Routes;
import dev.sqlitepool.internal.dispatch.Waiter;
import dev.sqlitepool.internal.engine.Database;
import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.engine.sqlite.SqliteDatabase;
import dev.sqlitepool.internal.feed.ChangeFeed;
import dev.sqlitepool.internal.lane.Ticket;
import dev.sqlitepool.internal.log.Checkpointer;
import dev.sqlitepool.internal.log.QuietPass;
import dev.sqlitepool.internal.log.SyncGate;
import dev.sqlitepool.internal.telemetry.Telemetry;
import dev.sqlitepool.internal.upkeep.Backups;
import dev.sqlitepool.internal.upkeep.Closing;
import dev.sqlitepool.internal.upkeep.Housekeeper;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongSupplier;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** The parts of one pool: makes them, each after those that it is given, and answers what they ask about the whole. Thread-safe. */
public final class Parts implements Life, Checkpointer.Beside {
    private final Means means;
    private final Workers workers;
    private final Telemetry telemetry;
    private final Lanes write;
    /** The same as {@link #write} if the pool has a single lane. */
    private final Lanes read;

    private final SyncGate gate;
    private final QuietPass quietPass;
    private final Checkpointer checkpointer;
    private final Routes routes;
    private final Dispatcher dispatcher;
    private final ChangeFeed feed;
    private final Backups backups;
    private final Housekeeper housekeeper;
    private final Closing closing;

    Parts(Settings settings, LongSupplier clock, UnaryOperator<Engine> engines) {
        workers = new Workers(settings.name(), settings.executor());
        telemetry = new Telemetry(settings.name(), clock, settings.listener(), workers);
        means = new Means(settings, telemetry, workers, new Refusal(settings, this::stats), this);
        Database opener = new SqliteDatabase(settings, telemetry);
        feed = new ChangeFeed(means);
        AtomicInteger waiting = new AtomicInteger();
        gate = new SyncGate(means, waiting);
        quietPass = new QuietPass(means, opener, engines, gate, this::isWriterOpen);
        checkpointer = new Checkpointer(means, gate, quietPass, this);
        int size = settings.poolSize();
        int writers = opener.writeLanes();
        write = new Lanes(Access.WRITE, writers, means, opener, engines, gate, checkpointer, waiting);
        read = size == writers
                ? write
                : new Lanes(Access.READ, size - writers, means, opener, engines, gate, checkpointer, waiting);
        List<Lanes> groups = size == writers ? List.of(write) : List.of(read, write);
        routes = new Routes(means, read, write, gate, checkpointer, feed);
        dispatcher = new Dispatcher(routes);
        backups = new Backups(routes, opener, engines, write);
        housekeeper = new Housekeeper(means, opener, checkpointer, quietPass, write, groups);
        closing = new Closing(means, routes, quietPass, housekeeper, backups, feed, groups);
        opener.onChange(housekeeper::fileChanged);
    }

    public Routes routes() {
        return routes;
    }

    public Dispatcher dispatcher() {
        return dispatcher;
    }

    public Means means() {
        return means;
    }

    public Lanes readLanes() {
        return read;
    }

    public Lanes writeLanes() {
        return write;
    }

    public SyncGate gate() {
        return gate;
    }

    public Checkpointer checkpointer() {
        return checkpointer;
    }

    public QuietPass quietPass() {
        return quietPass;
    }

    public Housekeeper housekeeper() {
        return housekeeper;
    }

    public ChangeFeed feed() {
        return feed;
    }

    public Backups backups() {
        return backups;
    }

    public Closing closing() {
        return closing;
    }

    PoolStats stats() {
        PoolStats.Connections none = new PoolStats.Connections(0, 0, 0, 0, 0, 0, Duration.ZERO, "");
        return telemetry.stats(read == write ? none : read.stats(), write.stats());
    }

    // ---- the life of the pool

    @Override
    public void used() {
        workers.start();
        housekeeper.start();
    }

    @Override
    public boolean isClosed() {
        return closing.isBegun();
    }

    @Override
    public void advanceClose() {
        closing.advance();
    }

    // ---- what matters to the log

    @Override
    public boolean isBackupCopying() {
        return backups.isCopying();
    }

    @Override
    public Checkpointer.@Nullable Reader oldestReader() {
        Map.Entry<Waiter, Duration> oldest = read == write ? null : read.oldestReader();
        return oldest == null ? null : new Checkpointer.Reader(oldest.getKey().label(), oldest.getValue());
    }

    private boolean isWriterOpen() {
        return write.stats().live() > 0;
    }

    @Override
    public String label(Ticket writer) {
        return ((Waiter) writer).label();
    }

    @Override
    public boolean mayHaveHadEffect(Ticket writer) {
        return ((Waiter) writer).mayHaveHadEffect();
    }
}
