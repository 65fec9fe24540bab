package dev.sqlitepool.internal.pool;

import dev.sqlitepool.Access;
import dev.sqlitepool.BackupProgress;
import dev.sqlitepool.BlockingPool;
import dev.sqlitepool.Lease;
import dev.sqlitepool.PoolConnection;
import dev.sqlitepool.PoolStats;
import dev.sqlitepool.RowMapper;
import dev.sqlitepool.SqlAction;
import dev.sqlitepool.SqlWork;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.Transaction;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.Settings.Part;
import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.engine.Engine.Writes;
import dev.sqlitepool.internal.engine.Opener;
import dev.sqlitepool.internal.lane.Host;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.lane.Lane.Ticket;
import dev.sqlitepool.internal.lane.Session;
import dev.sqlitepool.internal.lane.StackRoom;
import dev.sqlitepool.internal.lane.Values;
import dev.sqlitepool.internal.lane.Verb;
import dev.sqlitepool.internal.lane.Work;
import dev.sqlitepool.internal.lane.Work.Form;
import dev.sqlitepool.internal.telemetry.Telemetry;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** The pool over lanes: turns what the user calls into tasks, and knows which lanes they want. Thread-safe. */
public final class LanePool implements SqlitePool, Host {
    private static final int REMEMBERED_WRITERS = 1_000;
    /** A parked thread is always woken; it looks again after this all the same. */
    static final long LOOK_AGAIN_NANOS = 1_000_000_000;

    private final Settings settings;
    private final Workers workers;
    private final Telemetry telemetry;
    private final Lanes write;
    /** The same as {@link #write} if the pool has a single lane. */
    private final Lanes read;

    private final UnaryOperator<Engine> engines;
    private final SyncGate gate;
    private final Checkpointer checkpointer;
    private final Housekeeper housekeeper;
    private final ChangeFeed changes = new ChangeFeed(this);
    private final Backups backups;
    private final Closing closing;
    private final BlockingView blocking = new BlockingView(this);
    /** Texts that begin like reads and turned out to write. */
    private final Set<String> writers = ConcurrentHashMap.newKeySet();

    /** A pool with the given settings, which opens nothing yet. */
    public LanePool(Settings settings) {
        this(settings, System::nanoTime, engine -> engine);
    }

    /** With a clock and engines for tests. */
    LanePool(Settings settings, LongSupplier clock, UnaryOperator<Engine> engines) {
        this.settings = settings;
        this.engines = engines;
        this.workers = new Workers(settings.name(), settings.executor());
        this.telemetry = new Telemetry(settings.name(), clock, settings.listener(), workers);
        Opener opener = new Opener(settings, telemetry::tell);
        AtomicInteger waiting = new AtomicInteger();
        this.gate = new SyncGate(this, waiting);
        int size = settings.poolSize();
        this.write = new Lanes(Access.WRITE, 1, this, settings, telemetry, workers, opener, waiting);
        this.read = size == 1
                ? write
                : new Lanes(Access.READ, size - 1, this, settings, telemetry, workers, opener, waiting);
        List<Lanes> groups = size == 1 ? List.of(write) : List.of(read, write);
        this.checkpointer = new Checkpointer(this, opener, telemetry, workers);
        this.backups = new Backups(this, opener, write);
        this.closing = new Closing(this, telemetry, workers, backups, groups);
        this.housekeeper = new Housekeeper(this, telemetry, workers, opener, groups);
        opener.onChange(housekeeper::fileChanged);
    }

    // ---- for the package

    Settings settings() {
        return settings;
    }

    Telemetry telemetry() {
        return telemetry;
    }

    Workers workers() {
        return workers;
    }

    UnaryOperator<Engine> engines() {
        return engines;
    }

    SyncGate gate() {
        return gate;
    }

    Checkpointer checkpointer() {
        return checkpointer;
    }

    ChangeFeed feed() {
        return changes;
    }

    Backups backups() {
        return backups;
    }

    Housekeeper housekeeper() {
        return housekeeper;
    }

    Session session(Form form, Ticket ticket) {
        return new Session(form, this, settings, telemetry, ticket);
    }

    /** Where a task was submitted, if leaks are looked for. */
    @Nullable
    Throwable submissionTrace() {
        return settings.leakThreshold() == null ? null : new Throwable("submitted here");
    }

    Lanes readLanes() {
        return read;
    }

    Lanes writeLanes() {
        return write;
    }

    Lanes lanesOf(Lane lane) {
        return lane.access() == Access.WRITE ? write : read;
    }

    Lanes lanesFor(Work<?> work) {
        boolean writes = work.access() == Access.WRITE
                || work instanceof Work.Data<?> data && data.verb() == Verb.WITH && writers.contains(data.sql());
        return writes ? write : read;
    }

    /** Takes a lane back; returns what remains to be done, see {@link Lanes#release}. */
    @Nullable
    Runnable release(Lane lane) {
        while (true) {
            try {
                return lanesOf(lane).release(lane);
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause(); // it has not been taken back
            }
        }
    }

    /** Data that SQLite refused on a read lane, because it writes, goes to the write lane; so does its text from now on. */
    void reroute(Task<?> task, Work<?> work) {
        if (work instanceof Work.Data<?> data) {
            if (writers.size() >= REMEMBERED_WRITERS) {
                writers.clear();
            }
            writers.add(data.sql());
        }
        telemetry.moves.increment();
        write.submit(task);
        if (task.isAwaitedInside(write)) {
            task.end(null, write.waitsForItself());
        }
    }

    /** Interrupts what an ended waiter runs, until it has left its session. */
    void interrupt(Session session, Waiter waiter) {
        telemetry.interrupts.increment();
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
        Claim claim = waiter.claim();
        if (claim != null) {
            claim.wake();
        }
        if (session.interrupt(waiter)) {
            workers.after(Lane.INTERRUPT_PERIOD_NANOS, () -> interruptAgain(session, waiter));
        }
    }

    void started() {
        workers.start();
        housekeeper.start();
    }

    boolean isClosed() {
        return closing.isBegun();
    }

    /** From now to {@link #ended} the pool is not closed, though it may hold no lane; called while it holds one. */
    void runsOn(Waiter waiter) {
        while (true) {
            try {
                closing.runsOn(waiter);
                return;
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
    }

    /** Its work has ended. */
    void ended(Waiter waiter) {
        closing.ended(waiter);
    }

    void advanceClose() {
        closing.advance();
    }

    // ---- Host

    @Override
    public boolean hasReadLanes() {
        return read != write;
    }

    @Override
    public Lane exchange(@Nullable Lane from, Access to, Session session) throws SQLException {
        Waiter owner = (Waiter) session.ticket();
        if (from != null) {
            giveBack(from, owner);
        }
        Lanes target = to == Access.WRITE ? write : read;
        target.requireOthersHoldLane();
        Claim claim = new Claim(this, owner, target);
        owner.claim(claim);
        try {
            Lane lane = claim.await(session);
            Held.nowHolds(owner.heldAs(), target);
            return lane;
        } finally {
            owner.claim(null);
        }
    }

    private void giveBack(Lane lane, Waiter owner) {
        Held.nowHolds(owner.heldAs(), null);
        Runnable rest = release(lane);
        if (rest != null) {
            workers.execute(rest);
        }
    }

    @Override
    public boolean awaitDurable(Session session, Lane lane, boolean giveBack) {
        SyncGate.Turn turn = new SyncGate.Turn();
        gate.add(lane.engine(), true, turn);
        if (giveBack) {
            Waiter owner = (Waiter) session.ticket();
            runsOn(owner);
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
    public void beforeTransaction(Lane lane, Session session) throws SQLException {
        checkpointer.beforeTransaction(lane, session);
    }

    @Override
    public boolean isFollowed(Lane lane) {
        return lane.access() == Access.WRITE && settings.uses(Part.STAY) && write.isAwaited();
    }

    @Override
    public void beforeUnwrap(Lane lane) {
        if (lane.access() == Access.WRITE) {
            gate.drain();
        }
    }

    @Override
    public void requireTrust(Lane lane) throws SQLException {
        if (lane.engine().walSize() >= 0 && gate.isBroken()) {
            throw new SQLException(
                    "A sync of this database has failed, and nobody knows what is on disk: this connection no longer writes."
                            + " Begin again with another one.",
                    "58030");
        }
    }

    @Override
    public boolean isWatched() {
        return changes.isWatched();
    }

    @Override
    public void written(Writes writes) {
        changes.publish(writes);
    }

    @Override
    public PoolStats stats() {
        StackRoom.require();
        PoolStats.Connections none = new PoolStats.Connections(0, 0, 0, 0, 0, 0, Duration.ZERO, "");
        return telemetry.stats(read == write ? none : read.stats(), write.stats());
    }

    // ---- code

    private <T> CompletableFuture<T> submit(Work<T> work) {
        started();
        Task<T> task = new Task<>(this, work, null);
        lanesFor(work).submit(task);
        return task.future();
    }

    @Override
    public <T> CompletableFuture<T> connection(SqlWork<? super PoolConnection, ? extends T, ?> work) {
        StackRoom.require();
        Objects.requireNonNull(work, "work");
        return submit(new Work.Code<>(Form.CONNECTION, work, work));
    }

    @Override
    public <T> CompletableFuture<T> transaction(SqlWork<? super Transaction, ? extends T, ?> work) {
        StackRoom.require();
        Objects.requireNonNull(work, "work");
        return submit(new Work.Code<>(Form.TRANSACTION, work, work));
    }

    @Override
    public <T> CompletableFuture<T> read(SqlWork<? super PoolConnection, ? extends T, ?> work) {
        StackRoom.require();
        Objects.requireNonNull(work, "work");
        return submit(new Work.Code<>(Form.READ, work, work));
    }

    @Override
    public CompletableFuture<Void> useConnection(SqlAction<? super PoolConnection, ?> action) {
        StackRoom.require();
        Objects.requireNonNull(action, "action");
        return submit(new Work.Code<>(Form.CONNECTION, Work.of(action), action));
    }

    @Override
    public CompletableFuture<Void> useTransaction(SqlAction<? super Transaction, ?> action) {
        StackRoom.require();
        Objects.requireNonNull(action, "action");
        return submit(new Work.Code<>(Form.TRANSACTION, Work.of(action), action));
    }

    @Override
    public CompletableFuture<Void> useRead(SqlAction<? super PoolConnection, ?> action) {
        StackRoom.require();
        Objects.requireNonNull(action, "action");
        return submit(new Work.Code<>(Form.READ, Work.of(action), action));
    }

    // ---- data

    /** A statement that returns rows. */
    <T> Work.Data<T> query(String sql, Work.Shape<T> shape, Object... parameters) {
        return data(sql, new Object[][] {Values.encode(parameters)}, shape);
    }

    /** A statement for its effect. */
    Work.Data<Long> statement(String sql, Object... parameters) {
        return data(sql, new Object[][] {Values.encode(parameters)}, Work.CHANGES);
    }

    /** A statement with many rows of parameters. */
    Work.Data<long[]> batch(String sql, Collection<? extends Object[]> rows) {
        return data(sql, Values.encodeRows(rows), Work.BATCH);
    }

    private static <T> Work.Data<T> data(String sql, @Nullable Object[][] rows, Work.Shape<T> shape) {
        Verb verb = Verb.of(sql);
        if (verb.isControl()) {
            throw new IllegalArgumentException(
                    "Transaction control cannot be a statement of its own: a transaction does not"
                            + " outlive the call. Use transaction(…), or connection(…) to control it yourself.");
        }
        return new Work.Data<>(sql, verb, rows, shape);
    }

    @Override
    public <T> CompletableFuture<List<T>> query(String sql, RowMapper<? extends T> mapper, Object... parameters) {
        StackRoom.require();
        return submit(query(sql, Work.<T>all(Objects.requireNonNull(mapper, "mapper")), parameters));
    }

    @Override
    public <T> CompletableFuture<Optional<T>> queryOne(
            String sql, RowMapper<? extends T> mapper, Object... parameters) {
        StackRoom.require();
        return submit(query(sql, Work.<T>one(Objects.requireNonNull(mapper, "mapper")), parameters));
    }

    @Override
    public <T> Flow.Publisher<T> stream(String sql, RowMapper<? extends T> mapper, Object... parameters) {
        StackRoom.require();
        Objects.requireNonNull(mapper, "mapper");
        if (Verb.of(sql).needsWriteLane()) {
            throw new IllegalArgumentException(
                    "A stream only reads. Use query(…) for a statement that writes and returns"
                            + " rows, connection(…) for PRAGMA and transaction control.");
        }
        @Nullable Object[] values = Values.encode(parameters);
        return subscriber -> {
            StackRoom.require();
            Objects.requireNonNull(subscriber, "subscriber");
            new RowStream<T>(this, sql, mapper, values, subscriber).begin();
        };
    }

    @Override
    public CompletableFuture<Long> execute(String sql, Object... parameters) {
        StackRoom.require();
        return submit(statement(sql, parameters));
    }

    @Override
    public CompletableFuture<long[]> executeBatch(String sql, Collection<? extends Object[]> rows) {
        StackRoom.require();
        return submit(batch(sql, rows));
    }

    // ---- the rest

    @Override
    public CompletableFuture<Lease> acquire() {
        StackRoom.require();
        return lend(new LaneLease(this, Form.CONNECTION), read);
    }

    @Override
    public CompletableFuture<Lease> acquire(Access access) {
        StackRoom.require();
        boolean reads = access == Access.READ;
        return lend(new LaneLease(this, reads ? Form.READ : Form.CONNECTION), reads ? read : write);
    }

    private CompletableFuture<Lease> lend(LaneLease lease, Lanes lanes) {
        started();
        lanes.submit(lease);
        return lease.future();
    }

    @Override
    public CompletableFuture<Void> backup(Path target) {
        StackRoom.require();
        return backUp(target, null);
    }

    @Override
    public CompletableFuture<Void> backup(Path target, Consumer<? super BackupProgress> progress) {
        StackRoom.require();
        return backUp(target, Objects.requireNonNull(progress, "progress"));
    }

    private CompletableFuture<Void> backUp(Path target, @Nullable Consumer<? super BackupProgress> progress) {
        if (target.getFileName() == null || target.toString().isEmpty()) {
            throw new IllegalArgumentException("target was \"" + target + "\"; it must name a file.");
        }
        started();
        return backups.submit(target, progress);
    }

    @Override
    public Flow.Publisher<Set<String>> changes(String... tables) {
        StackRoom.require();
        return changes.of(tables);
    }

    @Override
    public BlockingPool blocking() {
        return blocking;
    }

    @Override
    public CompletableFuture<Void> closeAsync() {
        StackRoom.require();
        return closing.begin();
    }

    @Override
    public void close() {
        StackRoom.require();
        closing.beginAndWait();
    }

    @Override
    public String toString() {
        return "SqlitePool[" + settings.name() + "]";
    }
}
