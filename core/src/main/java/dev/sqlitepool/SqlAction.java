package dev.sqlitepool;

import java.sql.SQLException;

/**
 * Code that uses something of the database and returns nothing: the void twin of {@link SqlWork}.
 *
 * @param <C> what the code is given
 * @param <X> what the code may throw besides {@link SQLException}
 */
@FunctionalInterface
public interface SqlAction<C, X extends Exception> {
    /**
     * Does the work.
     *
     * @param subject a connection or a row, valid until this method returns
     * @throws SQLException what the database refuses
     * @throws X what the code itself fails with
     */
    void accept(C subject) throws SQLException, X;
}
