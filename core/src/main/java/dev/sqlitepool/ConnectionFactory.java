package dev.sqlitepool;

import java.sql.Connection;
import java.sql.SQLException;

/**
 * Opens the pool's physical connections in place of a database path. Called on the pool's own threads, by several of
 * them at once, never under a lock of the pool.
 *
 * <p>Each call must return a new, open connection to the same database; the pool owns it from then on and closes it.
 * Null, a closed connection, a connection that was returned before and connections to different database files are
 * refused with an {@link SQLException} that says so. An exception of the factory reaches the caller whose need caused the
 * opening, unchanged; the next need calls the factory again. A factory that hangs holds one place of the pool until it
 * returns; until then callers wait no longer than {@link SqlitePoolBuilder#acquireTimeout}.
 *
 * <p>A connection that unwraps to sqlite-jdbc's {@code SQLiteConnection} gets everything that a path gets: WAL, the
 * pragmas, interruption. Any other driver is used through plain JDBC: then {@link Access#READ} connections should refuse writes on their own.
 */
@FunctionalInterface
public interface ConnectionFactory {
    /**
     * Opens a connection.
     *
     * @param access what the connection will be used for, never null
     * @return a new connection in autocommit mode, never null
     * @throws SQLException if the connection cannot be opened; handed to the caller unchanged
     */
    Connection open(Access access) throws SQLException;
}
