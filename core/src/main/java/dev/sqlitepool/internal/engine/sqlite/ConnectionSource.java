package dev.sqlitepool.internal.engine.sqlite;

import dev.sqlitepool.Access;
import dev.sqlitepool.internal.engine.Engine;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;

/** Where the connections of a database come from. Thread-safe. */
interface ConnectionSource {
    /** Opens a connection. */
    Connection open(Access access) throws SQLException;

    /** Fails if the pool cannot use the database that a connection has opened; it is in memory if no file was found. */
    default void require(@Nullable Path found) throws SQLException {}

    /**
     * During the turn, before the content of the file is looked at: fails if the file cannot be used as the access
     * wants it.
     */
    default void requireWritable(Path found, Access access) throws SQLException {}

    /** The engine, set up, of a connection that is not sqlite-jdbc's. */
    default Engine other(Connection connection, Access access) throws SQLException {
        throw new SQLException(
                "sqlite-jdbc has returned a " + connection.getClass().getName() + ".");
    }

    /** After the last connection of a pool that only reads: removes the empty log that it may have made. */
    default void tidy(Path database) throws SQLException {}

    /** A connection is closed. */
    default void closed(Connection connection) {}
}
