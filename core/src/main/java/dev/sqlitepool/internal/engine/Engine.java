package dev.sqlitepool.internal.engine;

import java.sql.Connection;
import java.sql.SQLException;

/**
 * One physical connection, as its database engine knows it. Owned by the lane's owner, except {@link #interrupt}, which any
 * thread may call while the owner cannot close the connection.
 */
public interface Engine {
    /** The driver's connection. */
    Connection connection();

    Prepared prepare(String sql) throws SQLException;

    /** Begins a transaction; one that may write takes the write lock now. Leaves nothing behind if it fails. */
    void begin(boolean write) throws SQLException;

    void commit() throws SQLException;

    void rollback() throws SQLException;

    /** Opens a savepoint inside a transaction; {@code level} distinguishes nested ones. */
    void savepoint(int level) throws SQLException;

    /** Undoes what happened since the savepoint, and closes it. */
    void rollbackTo(int level) throws SQLException;

    /** Closes the savepoint and keeps what happened since. */
    void release(int level) throws SQLException;

    /** Asks the engine itself whether a transaction is open. Costs statements; for use after errors. */
    boolean inTransaction() throws SQLException;

    /** Makes a connection that can write refuse to, or write again. */
    void refuseWrites(boolean refuse) throws SQLException;

    /** Whether the driver records generated keys; only users of JDBC need them, at a price. */
    void generatedKeys(boolean wanted);

    /** Interrupts the statement that runs now, if any. Does not block. */
    void interrupt();

    /** What an error of this connection means. */
    Failure failure(SQLException error);

    /** Whether the connection is open and can read its database. Never throws. */
    boolean probe();

    /** Whether the connection is known to be closed; costs nothing. */
    boolean isClosed();

    /** Hands the driver's connection to a user in the state in which the driver would have opened it. */
    Connection unwrapped() throws SQLException;

    void close() throws SQLException;
}
