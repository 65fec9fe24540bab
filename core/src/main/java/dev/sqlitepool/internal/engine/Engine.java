package dev.sqlitepool.internal.engine;

import dev.sqlitepool.internal.file.DisplacedException;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLFeatureNotSupportedException;
import org.jspecify.annotations.Nullable;

/**
 * One physical connection, as its database engine knows it. Owned by the lane's owner, except {@link #interrupt}, which
 * any thread may call while the owner cannot close the connection.
 *
 * <p>Every engine implements the first methods. Some engines can do more: the default of each other method is the answer
 * of an engine that cannot.
 */
public interface Engine {
    /** The driver's connection. */
    Connection connection();

    /** The connection that was opened, perhaps a wrapper of the driver's; the one to close. */
    Connection opened();

    /** Prepares a statement, {@link #inCurrentSchema}. */
    Prepared prepare(String sql) throws SQLException;

    /** Begins a transaction; one that may write takes the write lock now. Leaves nothing behind if it fails. */
    void begin(boolean write) throws SQLException;

    /**
     * Commits.
     *
     * @param stay the connection may go on reading, at what it has just committed, so that a transaction that follows
     *     at once has its read lock already; {@link #begin} or {@link #endRead} ends that
     */
    void commit(boolean stay) throws SQLException;

    void rollback() throws SQLException;

    /** Opens a savepoint inside a transaction; {@code level} distinguishes nested ones. */
    void savepoint(int level) throws SQLException;

    /** Undoes what happened since the savepoint, which stays open; those inside it are closed. */
    void rollbackTo(int level) throws SQLException;

    /** Closes the savepoint and those inside it, and keeps what happened since. */
    void release(int level) throws SQLException;

    /** Asks the engine itself whether a transaction is open. Costs statements; for use after errors. */
    boolean inTransaction() throws SQLException;

    /** Makes a connection that can write refuse to, or write again. */
    void refuseWrites(boolean refuse) throws SQLException;

    /** Interrupts the statement that runs now, if any. Does not block. */
    void interrupt();

    /** The meaning of an error of this connection. */
    Failure failure(SQLException error);

    /** The same error with more words; an error that says more than its message stays as it is. */
    default SQLException said(SQLException error, String message) {
        return error.getClass() == SQLException.class
                ? new SQLException(message, error.getSQLState(), error.getErrorCode(), error)
                : error;
    }

    /** Whether the connection is open and can read its database. Never throws. */
    boolean probe();

    /** Whether the connection is known to be closed; costs nothing. */
    boolean isClosed();

    /** Hands the driver's connection to a user in the state in which the driver would have opened it. */
    Connection unwrapped() throws SQLException;

    void close() throws SQLException;

    // ---- engines that can do more

    /**
     * Prepares something that is correct in the schema as it is now, even if the connection remembers an older one.
     *
     * @param preparation prepares, runs nothing, and may be called twice
     */
    default <T, X extends Throwable> T inCurrentSchema(Preparation<? extends T, X> preparation) throws SQLException, X {
        return preparation.run();
    }

    /**
     * Makes the connection look whether the schema that it remembers is still that of its databases. A statement that
     * runs on a table looks without this; it is for statements that answer from the schema alone. Part of the
     * transaction that is open, whose snapshot it begins.
     */
    default void lookAtSchema() throws SQLException {}

    /** Whether the connection went on reading after its last commit. */
    default boolean isReading() {
        return false;
    }

    /** Reads no more between transactions; does nothing if the connection does not read there. */
    default void endRead() {}

    /**
     * Whether a transaction that reads fixes its snapshot when it first reads, so that several statements may share
     * one.
     */
    default boolean sharesSnapshots() {
        return false;
    }

    /**
     * Whether statements of different tasks may follow this one in the transaction that is open: not if its end could
     * judge them together, as it does with deferred constraints, nor if the statement calls code of the user's, as a
     * function in SQL.
     */
    default boolean mayGroup(String sql) throws SQLException {
        return false;
    }

    /**
     * Whether a statement is known to call no code of the user's, since it has passed {@link #mayGroup}. Asks the
     * database nothing, and may be called under a lock.
     */
    default boolean mayJoin(String sql) {
        return false;
    }

    /** The write-ahead log of the database; null if there is none for the pool to look after. Always the same. */
    default @Nullable WriteAheadLog log() {
        return null;
    }

    /** See {@link WriteAheadLog#needsSync}. */
    default boolean needsSync() {
        WriteAheadLog log = log();
        return log != null && log.needsSync();
    }

    /** See {@link WriteAheadLog#syncByItself}. */
    default void syncByItself(boolean each) throws SQLException {
        WriteAheadLog log = log();
        if (log != null) {
            log.syncByItself(each);
        }
    }

    /**
     * Whether no look so far has found that the file which is open here is not the database any more. Costs nothing; by
     * any thread.
     */
    default boolean isCurrent() {
        return true;
    }

    /**
     * Looks whether the commits of this connection are in the database: whether the file that is open is the one that
     * its name leads to. By any thread, beside statements.
     *
     * @throws DisplacedException if the file has vanished, or another is in its place
     * @throws IOException if nobody can know
     */
    default void requireInPlace() throws IOException {}

    /** Which tables statements write. */
    default WrittenTables writtenTables() {
        return WrittenTables.UNKNOWN;
    }

    /** The keys of inserted rows; null if the driver tells them rightly. */
    default @Nullable InsertedKeys insertedKeys() {
        return null;
    }

    /**
     * Brings the statistics of the query planner up to date, where it is worth it, with a limit on what is read for
     * them.
     */
    default void optimize() throws SQLException {}

    /** The size that a copy by {@link #copyTo} would have now. */
    default CopySize copySize() throws SQLException {
        throw new SQLFeatureNotSupportedException("backup is for SQLite through sqlite-jdbc; use the means of "
                + connection().getClass().getName() + ".");
    }

    /**
     * Copies one snapshot of the whole database into a new file, and closes it; {@link #interrupt} ends the copying.
     * Outside a transaction only; the connection may write afterwards, whatever it was opened for.
     */
    default void copyTo(Path file) throws SQLException {
        CopySize unused = copySize();
    }

    /** Prepares something on the connection. */
    interface Preparation<T, X extends Throwable> {
        T run() throws SQLException, X;
    }

    /** The size of a copy. */
    record CopySize(long pages, int pageBytes) {}

    /** The meaning of an engine's error for the lane that saw it. */
    enum Failure {
        /** A lane for reading refused a write, before anything happened. */
        READ_ONLY,
        /** Another process holds the database; nothing happened, and the statement may be repeated. */
        BUSY,
        /** The statement was interrupted. A transaction that had written is rolled back, or must be. */
        INTERRUPTED,
        /**
         * A constraint was violated. If a commit says so, the transaction stands, and only another commit keeps
         * something of it.
         */
        CONSTRAINT,
        /** The connection or the transaction may be damaged: the lane is discarded. */
        DOUBTFUL,
        /** The statement alone failed: syntax, type and the like. */
        ORDINARY
    }
}
