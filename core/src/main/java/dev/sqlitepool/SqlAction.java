package dev.sqlitepool;

import java.sql.SQLException;

/**
 * Code that uses a connection or a row and returns nothing. Same as {@link SqlWork}, without a result.
 *
 * @param <C> what the code is given
 * @param <X> what the code may throw besides {@link SQLException}
 */
@FunctionalInterface
public interface SqlAction<C, X extends Exception> {
    /**
     * Runs the code.
     *
     * @param subject a connection or a row, valid until this method returns
     * @throws SQLException what the database refuses
     * @throws X what the code itself fails with
     */
    void accept(C subject) throws SQLException, X;
}
