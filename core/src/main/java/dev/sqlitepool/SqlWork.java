package dev.sqlitepool;

import java.sql.SQLException;

/**
 * Code that uses a connection and returns a result. Runs at most once, on one thread.
 *
 * @param <C> the kind of connection that the code is given
 * @param <T> the result
 * @param <X> what the code may throw besides {@link SQLException}
 */
@FunctionalInterface
public interface SqlWork<C, T, X extends Exception> {
    /**
     * Runs the code.
     *
     * @param connection the connection, valid until this method returns
     * @return the result, may be null
     * @throws SQLException what the database refuses
     * @throws X what the code itself fails with
     */
    T apply(C connection) throws SQLException, X;
}
