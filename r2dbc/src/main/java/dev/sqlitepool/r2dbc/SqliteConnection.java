package dev.sqlitepool.r2dbc;

import dev.sqlitepool.Access;
import dev.sqlitepool.PoolConnection;
import dev.sqlitepool.SqlWork;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.internal.sql.Lexer;
import dev.sqlitepool.r2dbc.Script.Part;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.ConnectionMetadata;
import io.r2dbc.spi.IsolationLevel;
import io.r2dbc.spi.TransactionDefinition;
import io.r2dbc.spi.ValidationDepth;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.sqlite.SQLiteJDBCLoader;
import reactor.core.Disposable;
import reactor.core.publisher.Mono;
import reactor.core.publisher.SignalType;

/**
 * A logical connection. It has a lease of the pool only while it needs one: for a statement, from the beginning of a transaction to its
 * end, and from a statement that changes the connection ({@code PRAGMA}, {@code ATTACH}, a temporary table) to its close.
 *
 * <p>As R2DBC has it, for one caller at a time; but {@link #close} may come at any moment, also from another thread. Whoever borrows notes
 * the loan in {@link #loans} and then looks whether the connection is closed; {@link #close} notes that it is and then ends all loans: so
 * one of the two ends each.
 */
final class SqliteConnection implements Connection {
    private static final SqlWork<PoolConnection, Long, SQLException> ROLLBACK = c -> c.execute("ROLLBACK");

    /** Longest duration whose nanoseconds fit a long. */
    private static final Duration LONGEST = Duration.ofDays(36_500);

    private final SqlitePool pool;
    private final Scripts scripts;
    private final Set<Loan> loans = ConcurrentHashMap.newKeySet();
    private final AtomicBoolean closed = new AtomicBoolean();
    /** The loan that outlives a statement. */
    private volatile @Nullable Loan current;

    /** Completes when the transaction that is being begun has begun, or will not; null if none is being begun. */
    private final AtomicReference<@Nullable CompletableFuture<Void>> begins = new AtomicReference<>();

    private volatile boolean inTransaction;
    private volatile boolean readOnly;
    private volatile boolean autoCommit = true;
    private volatile @Nullable Duration statementTimeout;
    private volatile @Nullable Duration lockWaitTimeout;

    SqliteConnection(
            SqlitePool pool, Scripts scripts, @Nullable Duration statementTimeout, @Nullable Duration lockWaitTimeout) {
        this.pool = pool;
        this.scripts = scripts;
        this.statementTimeout = statementTimeout;
        this.lockWaitTimeout = lockWaitTimeout;
    }

    // ---- for those who run statements

    SqlitePool pool() {
        return pool;
    }

    @Nullable
    Loan current() {
        return current;
    }

    @Nullable
    Duration statementTimeout() {
        return statementTimeout;
    }

    /** Whether a statement may be given to the pool as data: nothing but the statement itself matters. */
    boolean isPlain() {
        return current == null && statementTimeout == null && lockWaitTimeout == null;
    }

    /** Borrows; the caller must end the loan. */
    Loan lend(@Nullable Access access) {
        requireOpen();
        Loan loan = Loan.of(pool, access, lockWaitTimeout);
        loans.add(loan);
        CompletableFuture<Void> unused = loan.returned().thenRun(() -> loans.remove(loan));
        if (closed.get()) {
            loan.end();
        }
        return loan;
    }

    /** An error as R2DBC's; what a close has ended is told so. */
    Throwable error(Throwable error, @Nullable String sql) {
        boolean byClose =
                closed.get() && (error instanceof CancellationException || error instanceof IllegalStateException);
        return byClose ? Errors.closed() : Errors.of(error, sql);
    }

    private void requireOpen() {
        if (closed.get()) {
            throw Errors.closed();
        }
    }

    /** Where the rows of a SELECT are read. */
    Reading.Place placeToRead() {
        requireOpen();
        Loan loan = current;
        return new Reading.Place() {
            @Override
            public Loan loan() {
                return loan == null ? lend(null) : loan;
            }

            @Override
            public Throwable error(Throwable error, String sql) {
                return SqliteConnection.this.error(error, sql);
            }

            @Override
            public boolean isOwn() {
                return loan == null;
            }
        };
    }

    /** Without auto-commit a transaction begins with the first statement. */
    Mono<Void> begunIfNeeded() {
        requireOpen();
        return autoCommit ? Mono.empty() : begin(new Beginning("IMMEDIATE", false, null));
    }

    /** A loan that is kept, because what runs on it changes the connection. */
    Mono<Loan> kept() {
        return Mono.fromSupplier(() -> {
            if (readOnly) {
                throw new IllegalStateException(
                        "PRAGMA, ATTACH and temporary tables are refused in a read-only transaction; end it first.");
            }
            Loan loan = current;
            if (loan == null) {
                loan = lend(null);
                current = loan;
            }
            loan.changes();
            return loan;
        });
    }

    /** Transaction control as SQL text. */
    Mono<Void> control(Part part) {
        String sql = part.sql();
        switch (part.kind()) {
            case BEGIN:
                if (inTransaction) {
                    return Mono.error(new IllegalStateException(
                            "A transaction is open already; end it, or use a savepoint in it."));
                }
                return begin(
                        new Beginning(Lexer.contains(sql, 0, "EXCLUSIVE") ? "EXCLUSIVE" : "IMMEDIATE", false, null),
                        () -> control(part)); // refused if another has begun one at the same time
            case COMMIT:
                return commit();
            case ROLLBACK:
                return rollback();
            case SAVEPOINT:
                return autoCommit && !inTransaction
                        ? Mono.error(
                                new IllegalStateException(
                                        "SAVEPOINT outside a transaction would begin one that its RELEASE commits; begin one before."))
                        : inside(sql, true);
            default:
                return inside(sql, false);
        }
    }

    // ---- transactions

    /** What a transaction begins with. */
    private record Beginning(
            String mode, boolean readOnly, @Nullable Duration patience) {}

    @Override
    public Mono<Void> beginTransaction() {
        return Mono.defer(() -> begin(new Beginning("IMMEDIATE", false, null)));
    }

    @Override
    public Mono<Void> beginTransaction(TransactionDefinition definition) {
        Boolean read = definition.getAttribute(TransactionDefinition.READ_ONLY);
        String mode = definition.getAttribute(SqliteTransactionDefinition.MODE);
        Duration wait = definition.getAttribute(TransactionDefinition.LOCK_WAIT_TIMEOUT);
        String upper = mode == null ? "IMMEDIATE" : mode.toUpperCase(Locale.ROOT);
        if (!Set.of("DEFERRED", "IMMEDIATE", "EXCLUSIVE").contains(upper)) {
            throw new IllegalArgumentException(SqliteTransactionDefinition.MODE.name() + " was \"" + mode
                    + "\"; it must be IMMEDIATE, EXCLUSIVE, or DEFERRED, which means IMMEDIATE here.");
        }
        Duration patience = wait == null ? null : limit("lockWaitTimeout", wait);
        return Mono.defer(() -> begin(new Beginning(upper, Boolean.TRUE.equals(read), patience)));
    }

    /**
     * Does nothing if a transaction is open. A subscriber who cancels in time has begun none.
     *
     * <p>Statements that run at once may all ask for a transaction while the first waits for the write connection. They wait for that
     * one: with a loan of its own, the second would wait for the write connection that this connection holds itself.
     */
    private Mono<Void> begin(Beginning beginning) {
        return begin(beginning, () -> begin(beginning));
    }

    /** As the other; {@code again} looks again, after a transaction that another was beginning has begun or has not. */
    private Mono<Void> begin(Beginning beginning, Supplier<Mono<Void>> again) {
        requireOpen();
        if (inTransaction) {
            return Mono.empty();
        }
        CompletableFuture<Void> mine = new CompletableFuture<>();
        CompletableFuture<Void> first = begins.compareAndExchange(null, mine);
        if (first != null) { // begun, failed or cancelled: look again
            return Mono.fromFuture(first, true).then(Mono.defer(again));
        }
        Mono<Void> begun;
        try {
            begun = inTransaction ? Mono.defer(again) : beginNow(beginning); // another may have begun just before
        } catch (RuntimeException | Error e) {
            decided(mine);
            throw e;
        }
        // After a cancellation has gone upwards, where it ends what has perhaps begun.
        return begun.doOnTerminate(() -> decided(mine)).doFinally(signal -> decided(mine));
    }

    private void decided(CompletableFuture<Void> begun) {
        if (begins.compareAndSet(begun, null)) {
            begun.complete(null);
        }
    }

    private Mono<Void> beginNow(Beginning beginning) {
        Duration wait = beginning.patience() == null ? lockWaitTimeout : beginning.patience();
        Loan kept = current;
        if (kept != null && beginning.readOnly()) {
            return Mono.error(
                    new IllegalStateException(
                            "This connection has been changed by PRAGMA, ATTACH or a temporary table,"
                                    + " and so has the write connection; take another connection for a read-only transaction."));
        }
        Loan loan = kept != null ? kept : lend(beginning.readOnly() ? Access.READ : Access.WRITE);
        AtomicBoolean decided = new AtomicBoolean();
        Mono<Boolean> begun = loan.run(null, c -> {
            if (!beginning.readOnly()) {
                c.execute("BEGIN " + beginning.mode());
            }
            return true;
        });
        return (wait == null ? begun : begun.timeout(wait))
                .map(done -> {
                    // Only now: it has begun, and no cancellation can undo it any more.
                    if (decided.compareAndSet(false, true)) {
                        readOnly = beginning.readOnly();
                        inTransaction = true;
                        current = loan;
                    }
                    return done;
                })
                .doOnError(error -> giveUp(decided, loan, kept != null))
                .doFinally(
                        signal -> { // after a cancellation has gone upwards, so that nothing comes from there any more
                            if (signal == SignalType.CANCEL) {
                                giveUp(decided, loan, kept != null);
                            }
                        })
                .onErrorMap(error -> error(error, null))
                .then();
    }

    private static void giveUp(AtomicBoolean decided, Loan loan, boolean kept) {
        if (!decided.compareAndSet(false, true)) {
            return;
        }
        if (kept) { // perhaps it has begun
            Disposable unused = loan.runToEnd(ROLLBACK).subscribe(done -> {}, error -> {});
        } else {
            loan.end();
        }
    }

    @Override
    public Mono<Void> commitTransaction() {
        return Mono.defer(this::commit);
    }

    @Override
    public Mono<Void> rollbackTransaction() {
        return Mono.defer(this::rollback);
    }

    /** If it fails the transaction is rolled back. */
    private Mono<Void> commit() {
        return end(loan -> loan.commit()
                .onErrorResume(
                        error -> loan.runToEnd(ROLLBACK).onErrorComplete().then(Mono.error(error))));
    }

    private Mono<Void> rollback() {
        return end(loan -> loan.runToEnd(ROLLBACK).then());
    }

    /** Ends the transaction, whether its subscriber waits for that or not. Does nothing if none is open. */
    private Mono<Void> end(Function<Loan, Mono<Void>> ending) {
        requireOpen();
        Loan loan = current;
        if (!inTransaction || loan == null) {
            return Mono.empty();
        }
        CompletableFuture<Void> done = new CompletableFuture<>();
        Disposable unused = (readOnly ? loan.runToEnd(c -> 0L).then() : ending.apply(loan))
                .doOnTerminate(() -> {
                    inTransaction = false;
                    readOnly = false;
                    if (!loan.isChanged()) {
                        current = null;
                        loan.end();
                    }
                })
                .subscribe(ended -> {}, done::completeExceptionally, () -> done.complete(null));
        return Mono.fromFuture(() -> done, true).onErrorMap(error -> error(error, null));
    }

    @Override
    public Mono<Void> createSavepoint(String name) {
        requireName(name);
        return Mono.defer(() -> inside("SAVEPOINT " + Script.quoted(name), true));
    }

    @Override
    public Mono<Void> releaseSavepoint(String name) {
        requireName(name);
        return Mono.defer(() -> inside("RELEASE " + Script.quoted(name), false));
    }

    @Override
    public Mono<Void> rollbackTransactionToSavepoint(String name) {
        requireName(name);
        return Mono.defer(() -> inside("ROLLBACK TO " + Script.quoted(name), false));
    }

    /** A savepoint begins a transaction if none is open. In one that only reads there is nothing to undo. */
    private Mono<Void> inside(String sql, boolean begins) {
        requireOpen();
        if (!inTransaction && !begins) {
            return Mono.error(new IllegalStateException("There is no transaction, and no savepoint in it."));
        }
        return begin(new Beginning("IMMEDIATE", false, null))
                .then(Mono.defer(() -> {
                    Loan loan = current;
                    return readOnly || loan == null
                            ? Mono.<Long>empty()
                            : loan.run(statementTimeout, c -> c.execute(sql));
                }))
                .onErrorMap(error -> error(error, sql))
                .then();
    }

    private static void requireName(@Nullable String name) {
        if (name == null) {
            throw new IllegalArgumentException("name must not be null");
        }
    }

    @Override
    public boolean isAutoCommit() {
        return autoCommit && !inTransaction;
    }

    /** Commits a transaction that is open, if the mode changes. */
    @Override
    public Mono<Void> setAutoCommit(boolean wanted) {
        return Mono.defer(() -> {
            requireOpen();
            Mono<Void> before = wanted && inTransaction ? commit() : Mono.empty();
            return before.then(Mono.fromRunnable(() -> autoCommit = wanted));
        });
    }

    @Override
    public IsolationLevel getTransactionIsolationLevel() {
        return IsolationLevel.SERIALIZABLE;
    }

    /** Every transaction is serializable, which is more than any other level asks for. */
    @Override
    public Mono<Void> setTransactionIsolationLevel(IsolationLevel level) {
        if (level == null) {
            throw new IllegalArgumentException("isolationLevel must not be null");
        }
        return Mono.empty();
    }

    // ---- statements

    @Override
    public SqliteStatement createStatement(String sql) {
        if (sql == null) {
            throw new IllegalArgumentException("sql must not be null");
        }
        return new SqliteStatement(this, scripts.of(sql));
    }

    @Override
    public SqliteBatch createBatch() {
        return new SqliteBatch(this, scripts);
    }

    @Override
    public Mono<Void> setStatementTimeout(Duration timeout) {
        return Mono.fromRunnable(() -> statementTimeout = limit("statementTimeout", timeout));
    }

    @Override
    public Mono<Void> setLockWaitTimeout(Duration timeout) {
        return Mono.fromRunnable(() -> lockWaitTimeout = limit("lockWaitTimeout", timeout));
    }

    /** Zero means no limit of one's own, as the SPI has it. */
    static @Nullable Duration limit(String name, Duration timeout) {
        if (timeout.isNegative()) {
            throw new IllegalArgumentException(
                    name + " was " + timeout + "; it must be positive, or zero for none but the pool's.");
        }
        return timeout.isZero() ? null : timeout.compareTo(LONGEST) > 0 ? LONGEST : timeout;
    }

    // ---- the rest

    @Override
    public ConnectionMetadata getMetadata() {
        return new ConnectionMetadata() {
            @Override
            public String getDatabaseProductName() {
                return "SQLite";
            }

            @Override
            public String getDatabaseVersion() {
                return SQLiteJDBCLoader.getVersion();
            }
        };
    }

    @Override
    public Mono<Boolean> validate(ValidationDepth depth) {
        return Mono.defer(() -> {
            if (closed.get()) {
                return Mono.just(false);
            }
            if (depth == ValidationDepth.LOCAL) {
                return Mono.just(true);
            }
            Loan loan = current;
            return (loan == null
                            ? Mono.fromFuture(() -> pool.queryOne("SELECT 1", row -> row.getInt(1)))
                                    .hasElement()
                            : loan.run(null, c -> c.queryOne("SELECT 1", row -> row.getInt(1)))
                                    .hasElement())
                    .onErrorReturn(false);
        });
    }

    /** Rolls back what is open, ends what is read, and completes when every lease is back. */
    @Override
    public Mono<Void> close() {
        return Mono.defer(() -> {
            closed.set(true); // what is still about to run meets a lease that has been released
            loans.forEach(Loan::abort);
            CompletableFuture<?>[] returned = loans.stream().map(Loan::returned).toArray(CompletableFuture<?>[]::new);
            return Mono.fromFuture(() -> CompletableFuture.allOf(returned), true);
        });
    }

    @Override
    public String toString() {
        return "SqliteConnection" + (closed.get() ? " (closed)" : inTransaction ? " (in a transaction)" : "");
    }
}
