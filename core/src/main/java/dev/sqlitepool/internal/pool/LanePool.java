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
import dev.sqlitepool.internal.StackRoom;
import dev.sqlitepool.internal.dispatch.Dispatcher;
import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.file.UserPath;
import dev.sqlitepool.internal.session.Form;
import dev.sqlitepool.internal.session.Work;
import dev.sqlitepool.internal.sql.SqlText;
import dev.sqlitepool.internal.sql.Values;
import dev.sqlitepool.internal.sql.Verb;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** The pool over lanes: turns what the user calls into work. Thread-safe. */
public final class LanePool implements SqlitePool {
    private final String name;
    private final Parts parts;
    private final Dispatcher dispatcher;
    private final BlockingView blocking;

    /** A pool with the given settings, which opens nothing yet. */
    public LanePool(Settings settings) {
        this(settings, System::nanoTime, engine -> engine);
    }

    /** With a clock and engines for tests. */
    public LanePool(Settings settings, LongSupplier clock, UnaryOperator<Engine> engines) {
        this.name = settings.name();
        this.parts = new Parts(settings, clock, engines);
        this.dispatcher = parts.dispatcher();
        this.blocking = new BlockingView(dispatcher);
    }

    /** For tests of the parts. */
    public Parts parts() {
        return parts;
    }

    @Override
    public PoolStats stats() {
        StackRoom.require();
        return parts.stats();
    }

    // ---- code

    @Override
    public <T> CompletableFuture<T> connection(SqlWork<? super PoolConnection, ? extends T, ?> work) {
        StackRoom.require();
        Objects.requireNonNull(work, "work");
        return dispatcher.submit(new Work.Code<>(Form.CONNECTION, work, work));
    }

    @Override
    public <T> CompletableFuture<T> transaction(SqlWork<? super Transaction, ? extends T, ?> work) {
        StackRoom.require();
        Objects.requireNonNull(work, "work");
        return dispatcher.submit(new Work.Code<>(Form.TRANSACTION, work, work));
    }

    @Override
    public <T> CompletableFuture<T> read(SqlWork<? super PoolConnection, ? extends T, ?> work) {
        StackRoom.require();
        Objects.requireNonNull(work, "work");
        return dispatcher.submit(new Work.Code<>(Form.READ, work, work));
    }

    @Override
    public CompletableFuture<Void> useConnection(SqlAction<? super PoolConnection, ?> action) {
        StackRoom.require();
        Objects.requireNonNull(action, "action");
        return dispatcher.submit(new Work.Code<>(Form.CONNECTION, Work.of(action), action));
    }

    @Override
    public CompletableFuture<Void> useTransaction(SqlAction<? super Transaction, ?> action) {
        StackRoom.require();
        Objects.requireNonNull(action, "action");
        return dispatcher.submit(new Work.Code<>(Form.TRANSACTION, Work.of(action), action));
    }

    @Override
    public CompletableFuture<Void> useRead(SqlAction<? super PoolConnection, ?> action) {
        StackRoom.require();
        Objects.requireNonNull(action, "action");
        return dispatcher.submit(new Work.Code<>(Form.READ, Work.of(action), action));
    }

    // ---- data

    /** A statement that returns rows. */
    static <T> Work.Data<T> query(String sql, Work.Shape<T> shape, Object... parameters) {
        return data(sql, new Object[][] {Values.encode(parameters)}, shape);
    }

    /** A statement for its effect. */
    public static Work.Data<Long> statement(String sql, Object... parameters) {
        return data(sql, new Object[][] {Values.encode(parameters)}, Work.CHANGES);
    }

    /** A statement with many rows of parameters. */
    static Work.Data<long[]> batch(String sql, Collection<? extends Object[]> rows) {
        return data(sql, Values.encodeRows(rows), Work.BATCH);
    }

    private static <T> Work.Data<T> data(String sql, @Nullable Object[][] rows, Work.Shape<T> shape) {
        SqlText text = SqlText.of(sql);
        Verb verb = text.verb();
        if (verb.isControl()) {
            throw new IllegalArgumentException(
                    "Transaction control cannot be a statement of its own: a transaction does not"
                            + " outlive the call. Use transaction(…), or connection(…) to control it yourself.");
        }
        return new Work.Data<>(text, verb, rows, shape);
    }

    @Override
    public <T> CompletableFuture<List<T>> query(String sql, RowMapper<? extends T> mapper, Object... parameters) {
        StackRoom.require();
        return dispatcher.submit(query(sql, Work.<T>all(Objects.requireNonNull(mapper, "mapper")), parameters));
    }

    @Override
    public <T> CompletableFuture<Optional<T>> queryOne(
            String sql, RowMapper<? extends T> mapper, Object... parameters) {
        StackRoom.require();
        return dispatcher.submit(query(sql, Work.<T>one(Objects.requireNonNull(mapper, "mapper")), parameters));
    }

    @Override
    public <T> Flow.Publisher<T> stream(String sql, RowMapper<? extends T> mapper, Object... parameters) {
        StackRoom.require();
        Objects.requireNonNull(mapper, "mapper");
        SqlText text = SqlText.of(sql);
        if (text.verb().needsWriteLane()) {
            throw new IllegalArgumentException(
                    "A stream only reads. Use query(…) for a statement that writes and returns"
                            + " rows, connection(…) for PRAGMA and transaction control.");
        }
        @Nullable Object[] values = Values.encode(parameters);
        return subscriber -> {
            StackRoom.require();
            Objects.requireNonNull(subscriber, "subscriber");
            dispatcher.<T>stream(text, mapper, values, subscriber);
        };
    }

    @Override
    public CompletableFuture<Long> execute(String sql, Object... parameters) {
        StackRoom.require();
        return dispatcher.submit(statement(sql, parameters));
    }

    @Override
    public CompletableFuture<long[]> executeBatch(String sql, Collection<? extends Object[]> rows) {
        StackRoom.require();
        return dispatcher.submit(batch(sql, rows));
    }

    // ---- the rest

    @Override
    public CompletableFuture<Lease> acquire() {
        StackRoom.require();
        return dispatcher.lend(Form.CONNECTION, Access.READ);
    }

    @Override
    public CompletableFuture<Lease> acquire(Access access) {
        StackRoom.require();
        return dispatcher.lend(access == Access.READ ? Form.READ : Form.CONNECTION, access);
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
        Path file = UserPath.backup(target);
        parts.used();
        return parts.backups().submit(file, progress);
    }

    @Override
    public Flow.Publisher<Set<String>> changes(String... tables) {
        StackRoom.require();
        return parts.feed().of(tables);
    }

    @Override
    public BlockingPool blocking() {
        return blocking;
    }

    @Override
    public CompletableFuture<Void> closeAsync() {
        StackRoom.require();
        return parts.closing().begin();
    }

    @Override
    public void close() {
        StackRoom.require();
        parts.closing().beginAndWait();
    }

    @Override
    public String toString() {
        return "SqlitePool[" + name + "]";
    }
}
