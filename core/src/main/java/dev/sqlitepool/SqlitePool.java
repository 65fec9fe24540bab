package dev.sqlitepool;

import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.function.Consumer;

/**
 * An asynchronous pool of connections to one SQLite database. Thread-safe; make one for each database file and process,
 * share it, and close it at the end.
 *
 * <p>Exactly one connection does all writes, in the order in which they were submitted. So the tasks of a pool never make each other fail with
 * {@code SQLITE_BUSY}. Reads run at the same time on other connections, each in a snapshot that never waits for a writer.
 * <pre>{@code
 * try (SqlitePool pool = SqlitePool.open(Path.of("shop.db"))) {
 *     pool.useTransaction(tx -> {
 *         tx.execute("UPDATE stock SET units = units - 1 WHERE product = ?", 7);
 *         tx.execute("INSERT INTO orders (product) VALUES (?)", 7);
 *     }).join();
 *     long orders = pool.queryOne("SELECT count(*) FROM orders", row -> row.getLong(1)).join().orElseThrow();
 *     out.accept(orders);
 * }
 * }</pre>
 *
 * <p><b>Functions and statements.</b> A function ({@link #connection}, {@link #transaction}, {@link #read}) has a connection to itself and runs at
 * most once; it does not run at all if the pool ends its task before that. A single statement is given with its parameters ({@link #query},
 * {@link #stream}, {@link #execute}, {@link #executeBatch}). The parameters are copied when the method is called, and the statement takes effect at
 * most once.
 *
 * <p><b>Futures.</b> Every future completes: with a value, an error, a timeout, a cancellation or the close of the pool. An
 * {@link java.sql.SQLException} is not wrapped: the future itself fails with it ({@link PoolException} shows how to tell UNIQUE from
 * FOREIGN KEY). As with every {@link CompletableFuture}, {@code join} and
 * dependent stages wrap it in a {@link java.util.concurrent.CompletionException}, and {@code get} in an {@link
 * java.util.concurrent.ExecutionException}. What is known to be wrong without asking SQLite
 * (a null, an unsupported parameter) is thrown at once instead.
 *
 * <p><b>Cancelling.</b> {@code cancel}, {@code complete}, {@code completeExceptionally} and {@code orTimeout} on a future <em>request</em> the
 * end of its task:
 *
 * <ul>
 *   <li>A task that waits leaves the queue.
 *   <li>One that runs is interrupted and rolled back, except for what a function of {@link #connection} or of a lease has committed before.
 *   <li>An interrupt reaches SQL only. A function that runs your own code keeps its connection until it returns, and the timeout message of
 *       a task that waits for that connection names it.
 *   <li>Once a commit has begun they return false, and the future reports what became of it.
 *   <li>Cancelling a dependent stage does not reach the task, as always with {@link CompletableFuture}.
 * </ul>
 *
 * <p><b>Dependent stages</b> run on threads of the pool, or on the {@link SqlitePoolBuilder#executor}; one that blocks delays
 * nobody else. So do those that follow {@code orTimeout} and {@code completeOnTimeout}, of stages too. Two kinds run elsewhere, as with
 * every {@link CompletableFuture}: a stage that is attached to a future which is completed already runs on the thread that attaches it, and
 * the stages of a future that somebody cancels or completes run on that thread. Use the {@code Async} methods where that matters; their
 * default is the pool's threads or the executor.
 *
 * <p><b>Waiting for oneself.</b> Do not wait ({@code join}, {@code get}) inside a function for a task that needs the connection of that very
 * function. The wait fails at once with {@link IllegalStateException}. It also ends that task if the same function has submitted it, so that it does not
 * happen later. Submitting without waiting is allowed.
 */
public interface SqlitePool extends AutoCloseable {
    /**
     * A pool over a database file with the default settings. Opens nothing yet: the first use does, and creates the file if
     * it is absent.
     *
     * @param database the file; a relative path is resolved now
     * @return the pool
     * @throws IllegalArgumentException if the path is empty
     */
    static SqlitePool open(Path database) {
        return builder().databasePath(database).build();
    }

    /**
     * A builder with the default settings.
     *
     * @return a new builder, which still needs a path, {@code inMemory()} or a connection factory
     */
    static SqlitePoolBuilder builder() {
        return new SqlitePoolBuilder();
    }

    /**
     * Runs a function on a connection in autocommit mode: each statement commits on its own, unless the function begins a transaction
     * with {@code BEGIN}. Whatever is left open when the function returns is rolled back.
     *
     * <ol>
     *   <li>The function begins on a read connection.
     *   <li>At its first statement that writes, begins a transaction or is a {@code PRAGMA} that sets or does something, {@code ATTACH} or the like, it switches to the write
     *       connection: it gives the read connection back, waits for the write connection, repeats the statement there and stays.
     *   <li>After its own {@code COMMIT} it gives the write connection back, continues when the commit is durable, and waits for a connection again
     *       when it needs one. Other transactions may run in between.
     * </ol>
     *
     * <p>Therefore {@code last_insert_rowid()}, {@code changes()} and {@code total_changes()} are refused before the first change, and after a {@code
     * COMMIT} until the next; ask between the two. While the function has an open cursor it cannot switch; it gets an {@link java.sql.SQLException}. A
     * plain {@code BEGIN} means {@code BEGIN IMMEDIATE}.
     *
     * <p>Cancelling the future, or an error, undoes only what has not been committed yet: an {@code INSERT … RETURNING} outside a transaction
     * has committed before its rows are mapped.
     *
     * @param <T> the result
     * @param work runs at most once
     * @return completes with the function's result, fails with what it throws
     */
    <T> CompletableFuture<T> connection(SqlWork<? super PoolConnection, ? extends T, ?> work);

    /**
     * Runs a function in a transaction ({@code BEGIN IMMEDIATE}): commits when the function returns, rolls back on any throwable.
     * {@code last_insert_rowid()} and the like are refused before its first change, as in {@link #connection}. A {@code PRAGMA} is allowed if it only
     * asks, or if SQLite rolls back what it does: {@code user_version}, {@code application_id}, {@code schema_version}, {@code defer_foreign_keys}, {@code
     * incremental_vacuum}, {@code optimize}. Others are refused, and so are transaction control, {@code ATTACH} and {@code VACUUM}.
     *
     * @param <T> the result
     * @param work runs at most once; never if the transaction could not begin
     * @return completes with the function's result when the commit is durable as {@link SqlitePoolBuilder#durability} says,
     *     fails with what the function throws, or with {@link OutcomeUnknownException} if nobody knows what became of the commit
     */
    <T> CompletableFuture<T> transaction(SqlWork<? super Transaction, ? extends T, ?> work);

    /**
     * Runs a function that reads in one consistent snapshot, fixed at its first statement that reads a table. Never waits for
     * writers; writes are refused with SQLite's {@code SQLITE_READONLY}, and so are transaction control, a {@code PRAGMA}
     * that does not only ask, {@code ATTACH} and {@code VACUUM}.
     *
     * @param <T> the result
     * @param work runs at most once
     * @return completes with the function's result, fails with what it throws
     */
    <T> CompletableFuture<T> read(SqlWork<? super PoolConnection, ? extends T, ?> work);

    /**
     * Same as {@link #connection}, without a result.
     *
     * @param action runs at most once
     * @return completes with null
     */
    CompletableFuture<Void> useConnection(SqlAction<? super PoolConnection, ?> action);

    /**
     * Same as {@link #transaction}, without a result.
     *
     * @param action runs at most once
     * @return completes with null after the commit
     */
    CompletableFuture<Void> useTransaction(SqlAction<? super Transaction, ?> action);

    /**
     * Same as {@link #read}, without a result.
     *
     * @param action runs at most once
     * @return completes with null
     */
    CompletableFuture<Void> useRead(SqlAction<? super PoolConnection, ?> action);

    /**
     * Runs one statement and collects its rows. A statement that reads runs on a read connection; one that writes, such as {@code
     * INSERT … RETURNING}, in a transaction on the write connection.
     *
     * @param <T> what a row becomes
     * @param sql one statement that returns rows, without transaction control
     * @param mapper called for each row on a thread of the pool
     * @param parameters the values to bind, see {@link PoolConnection}
     * @return the mapped rows in order
     * @throws IllegalArgumentException if a parameter has an unsupported type
     */
    <T> CompletableFuture<List<T>> query(String sql, RowMapper<? extends T> mapper, Object... parameters);

    /**
     * As {@link #query} for at most one row.
     *
     * @param <T> what the row becomes
     * @param sql one statement that returns at most one row, without transaction control
     * @param mapper called for the row on a thread of the pool
     * @param parameters the values to bind, see {@link PoolConnection}
     * @return the mapped row; empty if there is none, or the mapper returns null; fails with {@link java.sql.SQLException} if
     *     there is a second row, and nothing has been written then
     * @throws IllegalArgumentException if a parameter has an unsupported type
     */
    <T> CompletableFuture<Optional<T>> queryOne(String sql, RowMapper<? extends T> mapper, Object... parameters);

    /**
     * The rows of one statement as they are asked for, without collecting them: for results that are large. The publisher is cold:
     * each subscription runs the statement again, on its own read connection and in one snapshot. It keeps the rules of Reactive
     * Streams.
     *
     * <p><b>Demand.</b> The first {@code request} asks for a connection, as every task does; before that nothing happens. The snapshot is
     * fixed when the statement then takes its first step, so it shows every write whose future had completed before the first {@code
     * request}, and none that begins after the first row. SQLite steps to a row only when it has been asked for. In between the stream
     * keeps its connection and its snapshot, but no thread. The end is found on demand too: after the last row by asking for one
     * more.
     *
     * <p><b>Connections.</b> Open streams and leases together hold at most all but one of the read connections, so that short reads always get
     * through. With {@code poolSize} 2 there is only one, which a stream may hold. With 1, or in memory, a stream holds the only
     * connection, and nobody else reads or writes until it ends.
     *
     * <p><b>The write-ahead log</b> cannot shrink past the snapshot of an open stream. At {@link SqlitePoolBuilder#walSizeLimit} writers wait
     * for it. For a consumer that takes minutes, read page by page instead, each with its own {@link #query}. A stream that is not read to its
     * end must be cancelled. {@link SqlitePoolBuilder#leakThreshold} reports forgotten ones, and {@link SqlitePoolBuilder#maxReadAge} ends them.
     *
     * <p><b>The end.</b> {@code cancel}, from any thread, interrupts the SQL that runs for the stream and gives the connection back, even while the subscriber is still busy with a row. {@code onError} is given
     *
     * <ul>
     *   <li>the {@link java.sql.SQLException} of the statement, also if it turns out to write: {@link #query} is for that;
     *   <li>a {@link java.sql.SQLTimeoutException} if SQLite needs longer than {@link SqlitePoolBuilder#statementTimeout} to find the
     *       next row, where the time between demands does not count, or if the stream is older than {@link
     *       SqlitePoolBuilder#maxReadAge}, where it does;
     *   <li>what the mapper throws; a {@link NullPointerException} if it returns null;
     *   <li>a {@link PoolTimeoutException}, {@link PoolExhaustedException} or the error of an opening if there is no connection for it;
     *   <li>a {@link PoolClosedException} if the pool is closed: an open stream may go on for {@link SqlitePoolBuilder#closeGrace};
     *   <li>an {@link IllegalArgumentException} if the demand is not positive.
     * </ul>
     *
     * The connection is back before the last signal. A subscriber that throws is cancelled, and its error is logged.
     *
     * <p><b>Threads.</b> {@code onSubscribe} runs on the subscribing thread, all other signals on threads of the pool, or on the
     * {@link SqlitePoolBuilder#executor}; one that blocks delays nobody else, but keeps its connection. The mapper runs on a thread of the
     * pool. Each row is signalled before the next is looked for; with an executor, up to 256 rows that were asked for go there
     * together.
     *
     * @param <T> what a row becomes
     * @param sql one statement that reads
     * @param mapper called for each row; must not return null, and be thread-safe if there are several subscriptions
     * @param parameters the values to bind, see {@link PoolConnection}; copied now
     * @return a publisher, which may be subscribed to any number of times
     * @throws IllegalArgumentException if a parameter has an unsupported type, or the first keyword of the statement says that it
     *     does not only read
     */
    <T> Flow.Publisher<T> stream(String sql, RowMapper<? extends T> mapper, Object... parameters);

    /**
     * Runs one statement for its effect, in its own transaction on the write connection; {@code PRAGMA} and {@code VACUUM} run
     * there without one. Transaction control is refused: a transaction cannot outlive the call. So is a statement that changes its
     * connection only, which nobody has after the call: {@code ATTACH}, a temporary table, {@code PRAGMA foreign_keys=OFF}. Use
     * {@link SqlitePoolBuilder#pragma}, {@link #connection} or a lease.
     *
     * @param sql one statement
     * @param parameters the values to bind, see {@link PoolConnection}
     * @return the rows changed, see {@link PoolConnection#execute}; fails with {@link OutcomeUnknownException} if nobody knows
     *     whether the statement took effect
     * @throws IllegalArgumentException if a parameter has an unsupported type
     */
    CompletableFuture<Long> execute(String sql, Object... parameters);

    /**
     * Runs one statement for each row of parameters, in one transaction: all take effect, or none.
     *
     * @param sql one statement that returns no rows
     * @param rows the values to bind, a row for each run; copied now
     * @return the rows changed by each run, in order
     * @throws IllegalArgumentException if a parameter has an unsupported type
     */
    CompletableFuture<long[]> executeBatch(String sql, Collection<? extends Object[]> rows);

    /**
     * Borrows a connection for several calls. It must be released.
     *
     * @return completes with the lease when a connection is free
     */
    CompletableFuture<Lease> acquire();

    /**
     * Borrows a connection for several calls of which it is known what they need. It must be released.
     *
     * <p>With {@link Access#READ} all functions of the lease see one snapshot, as in {@link #read}: fixed at its first statement that reads a
     * table, and kept until the release. Writes are refused, and so are transaction control, {@code PRAGMA}, {@code ATTACH} and {@code VACUUM}.
     *
     * <p>With {@link Access#WRITE} the lease begins on the write connection, for a function that begins a transaction: it waits for the write
     * connection at once, and not for a read connection first. After the end of a transaction, or after a first function that has begun none, it is a lease
     * like any other.
     *
     * @param access what for
     * @return completes with the lease when a connection is free
     */
    CompletableFuture<Lease> acquire(Access access);

    /**
     * Copies the database to a new file while reads and writes go on. The copy is one snapshot: all that was acknowledged before the
     * call, and nothing half. It is compact (SQLite's {@code VACUUM INTO}), a single file without a WAL, and gets its name when it is
     * whole and on disk: neither an error, a cancellation nor a crash leaves anything under that name. After a crash a file {@code
     * target.….partial} may be left beside it.
     *
     * <p>It is copied on a connection of its own, which no reader or writer waits for; one backup at a time. Like any long read it keeps the
     * write-ahead log from being emptied, so the log grows by what is written until the end, past {@code walSizeLimit} too; without WAL
     * it keeps writers waiting. Neither {@code statementTimeout} nor {@code maxReadAge} ends it. A database in memory, and one
     * that a pool of one connection locks with {@code locking_mode=EXCLUSIVE}, is copied on its only connection, which others wait for. Functions and collations that indexes use must be there on every connection, from {@link
     * SqlitePoolBuilder#onConnect} or the factory.
     *
     * @param target the file to make, in a directory that exists; neither it nor a {@code -wal} or {@code -journal} of that name may exist
     * @return completes with null when the copy is on disk under its name; fails with {@link
     *     java.nio.file.FileAlreadyExistsException} if there is something, another {@link java.io.IOException} if the file cannot be
     *     made, {@link java.sql.SQLException} if SQLite fails, or {@link java.sql.SQLFeatureNotSupportedException} with another
     *     driver than sqlite-jdbc. Cancelling it ends the copying
     * @throws IllegalArgumentException if the path names no file
     */
    CompletableFuture<Void> backup(Path target);

    /**
     * As {@link #backup(Path)}, and tells how far it has come: at the beginning, about ten times a second, and at the end, when the copy is
     * on disk but has not got its name yet.
     *
     * @param target see there
     * @param progress called on threads of the pool, never twice at once; a slow one delays the backup's end. If it throws, the backup
     *     ends and fails with that
     * @return see there
     * @throws IllegalArgumentException if the path names no file
     */
    CompletableFuture<Void> backup(Path target, Consumer<? super BackupProgress> progress);

    /**
     * Publishes which tables may have changed, so that code that shows or caches their contents can read them again. After every commit of this
     * pool each subscription receives the names of the wanted tables that the commit may have written, by SQL of any kind, JDBC, triggers or foreign key
     * actions. A rollback is not published.
     *
     * <p><b>May report too much, never too little.</b> A statement that could have changed a table is reported even if it changed no row. Every wanted table is named
     * after a change of the schema, {@code VACUUM}, a write to an attached database or to a virtual table of an unknown module (those
     * of FTS, R*Tree and Geopoly are known), the use of the driver's own connection, and with other drivers than sqlite-jdbc after
     * every write. A statement may be told twice. A write that another process makes is not seen.
     *
     * <p><b>When.</b> The signal comes with the acknowledgement: when the future of the task completes, with {@link Durability#FULL} after
     * the sync; in {@link #connection} and leases after each commit of their own. A read that is submitted after the signal sees the
     * change. What is committed before {@code onSubscribe} is not told.
     *
     * <p><b>Signals</b> are merged: a subscriber that has not asked for the next one, or is busy, gets all that has happened since in one
     * set. {@code onSubscribe} runs on the subscribing thread, all others on threads of the pool or the {@link
     * SqlitePoolBuilder#executor}; they hold no connection. The stream completes when the pool is closed, without what was not asked
     * for. As long as nobody subscribes it costs nothing.
     *
     * @param tables the names of tables of the main database, in any case of letters; not of views. None: all tables
     * @return a publisher, hot, which may be subscribed to any number of times. Its sets hold the names as they were given here, or, of
     *     all tables, as the schema spells them, without SQLite's internal ones; empty if the driver cannot tell any
     */
    Flow.Publisher<Set<String>> changes(String... tables);

    /**
     * The same pool for code that waits.
     *
     * @return a view, the same on every call
     */
    BlockingPool blocking();

    /**
     * What the pool does at this moment and has done so far. Cheap; may be called after close too.
     *
     * @return a consistent picture of the connections of each access; counters may be a little behind each other
     */
    PoolStats stats();

    /**
     * Begins to close the pool: refuses new tasks, fails those that wait with {@link PoolClosedException}, lets those that
     * run finish for at most {@link SqlitePoolBuilder#closeGrace}, then interrupts and fails them. Readers are closed before
     * the writer, whose close checkpoints the WAL and removes it. Idempotent.
     *
     * @return completes when every connection is closed; never fails. The same future on every call. If a native call or a
     *     connection factory does not return, it completes soon after the grace nevertheless, and that connection is closed
     *     when it does return
     */
    CompletableFuture<Void> closeAsync();

    /**
     * {@link #closeAsync()}, and waits until no thread and no file of the pool is left. An interrupt does not shorten the
     * wait, and is kept.
     *
     * @throws IllegalStateException if called inside a function of this pool: it would wait for itself. The pool stays open
     */
    @Override
    void close();
}
