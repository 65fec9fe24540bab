package dev.sqlitepool;

import java.sql.SQLException;
import java.util.function.Consumer;

/**
 * The rows of one statement, read a few at a time. Made by {@link PoolConnection#cursor}. Use it only inside a function that runs on
 * that connection.
 * <pre>{@code
 * lease.run(conn -> {
 *     try (RowCursor<String> names = conn.cursor("SELECT name FROM users", row -> row.getString(1))) {
 *         names.read(100, export); // at most 100 rows
 *     }
 *     return null;
 * });
 * }</pre>
 *
 * <p>The cursors of a function are closed when it returns. On a {@link Lease} a cursor stays open from one function to the next: on its row, and in its
 * snapshot, which keeps the write-ahead log from shrinking past it. There it is closed, if it was not before,
 *
 * <ul>
 *   <li>by {@code COMMIT} and {@code ROLLBACK};
 *   <li>when a function of the lease is cancelled, or a statement of it runs into its timeout: SQLite's interrupt reaches all statements of a
 *       connection;
 *   <li>when the lease is released.
 * </ul>
 *
 * As long as it is open, the lease cannot switch to the write connection. So begin a transaction before you open a cursor, or acquire the lease with
 * {@link Access#WRITE}.
 *
 * @param <T> what a row becomes
 */
public interface RowCursor<T> extends AutoCloseable {
    /**
     * Maps the next rows.
     *
     * @param most how many rows at most; at least 1
     * @param into is given the rows in order, also those before an error; must not use the connection
     * @return whether there may be more. If not, the cursor has closed itself, and further reads give nothing
     * @throws SQLException if the statement or the mapper fails, which closes the cursor, or the cursor was closed before its end; so does
     *     every further read
     * @throws IllegalArgumentException if {@code most} is less than 1
     */
    boolean read(int most, Consumer<? super T> into) throws SQLException;

    /** Closes it, and ends its snapshot unless a transaction keeps it. Idempotent. */
    @Override
    void close();
}
