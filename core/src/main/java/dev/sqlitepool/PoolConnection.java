package dev.sqlitepool;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Optional;

/**
 * A connection of the pool while a function uses it. Owned by the thread that runs the function, and dead once the function has
 * returned: using it then is an {@link IllegalStateException}.
 *
 * <p>Parameters are bound by position, from {@code ?} number one on. Supported are null, the integer and floating types,
 * {@code boolean}, {@code String}, {@code byte[]}, {@code BigDecimal} (as plain text), {@code UUID} (canonical text), enums
 * (by name), and {@code java.time}'s {@code Instant}, {@code OffsetDateTime} (both as UTC), {@code LocalDate}, {@code
 * LocalTime} and {@code LocalDateTime} as ISO-8601 text of fixed width, so that text order is time order. Any other type is
 * an {@link IllegalArgumentException} that names position and type. A null array means one NULL.
 *
 * <p>Every method takes one statement; text after its end is refused with an {@link SQLException} ({@link #executeScript}
 * takes several). Statements are prepared once for each physical connection and kept in a cache, so SQL text should be
 * constant and values should be parameters. SQLite's refusals are the driver's own {@link SQLException}; a statement that
 * ran longer than {@link SqlitePoolBuilder#statementTimeout} is an {@link java.sql.SQLTimeoutException}.
 */
public interface PoolConnection {
    /**
     * Runs a statement that returns rows and collects them.
     *
     * @param <T> what a row becomes
     * @param sql one statement, {@code SELECT} or {@code … RETURNING}
     * @param mapper called for each row
     * @param parameters the values to bind
     * @return the mapped rows in order; may contain nulls if the mapper returns them
     * @throws SQLException if the statement fails or returns no columns, or the mapper fails
     */
    <T> List<T> query(String sql, RowMapper<? extends T> mapper, Object... parameters) throws SQLException;

    /**
     * Runs a statement that returns at most one row.
     *
     * @param <T> what the row becomes
     * @param sql one statement, {@code SELECT} or {@code … RETURNING}
     * @param mapper called for the row
     * @param parameters the values to bind
     * @return the mapped row; empty if there is none, or the mapper returns null
     * @throws SQLException if the statement fails, or there is a second row
     */
    <T> Optional<T> queryOne(String sql, RowMapper<? extends T> mapper, Object... parameters) throws SQLException;

    /**
     * Runs a statement and hands over its rows one by one, without collecting them. The cursor stays open until then; it is
     * closed when the last row has been handed over or the action throws.
     *
     * @param <X> what the action may throw
     * @param sql one statement that returns rows
     * @param action called for each row
     * @param parameters the values to bind
     * @throws SQLException if the statement fails
     * @throws X what the action throws
     */
    <X extends Exception> void forEach(String sql, SqlAction<? super Row, X> action, Object... parameters)
            throws SQLException, X;

    /**
     * Opens a cursor over a query; the caller fetches rows on demand. Useful on a {@link Lease}, where several functions can share the
     * cursor. The statement begins with the first read.
     *
     * @param <T> what a row becomes
     * @param sql one statement that returns rows and only reads; use {@link #query} for {@code … RETURNING} and {@code PRAGMA}
     * @param mapper called for each row
     * @param parameters the values to bind; copied now
     * @return the cursor, to be closed
     * @throws SQLException if the statement does not only read, as far as its keywords tell
     */
    <T> RowCursor<T> cursor(String sql, RowMapper<? extends T> mapper, Object... parameters) throws SQLException;

    /**
     * Limits the time of each statement that this function runs from now on, if that is shorter than {@link
     * SqlitePoolBuilder#statementTimeout}. The next function of a lease begins without it.
     *
     * @param timeout after this a statement is interrupted, with a {@link java.sql.SQLTimeoutException}; positive
     * @throws IllegalArgumentException if it is not positive
     */
    void statementTimeout(Duration timeout);

    /**
     * Runs a statement for its effect. Rows that it returns are ignored.
     *
     * @param sql one statement
     * @param parameters the values to bind
     * @return the rows that this {@code INSERT}, {@code UPDATE}, {@code DELETE} or {@code REPLACE} changed itself, without
     *     triggers and foreign key actions; 0 for any other statement
     * @throws SQLException if the statement fails
     */
    long execute(String sql, Object... parameters) throws SQLException;

    /**
     * Runs one statement for each row of parameters, all or nothing: when one fails, what the others did is undone, and
     * the surrounding transaction, if any, stands.
     *
     * @param sql one statement that returns no rows
     * @param rows the values to bind, a row for each run
     * @return the rows changed by each run, in order
     * @throws SQLException if a run fails
     */
    long[] executeBatch(String sql, Collection<? extends Object[]> rows) throws SQLException;

    /**
     * Runs several statements, separated by semicolons, in order. Stops at the first that fails; what ran before it stays,
     * unless a transaction around it is rolled back.
     *
     * @param script SQL text without parameters; may contain comments and {@code CREATE TRIGGER}
     * @throws SQLException if a statement fails
     */
    void executeScript(String script) throws SQLException;

    /**
     * This connection as JDBC, for libraries that want one: jOOQ, Jdbi, Spring's {@code JdbcTemplate}. It obeys the same
     * rules, is dead when the function has returned, and its {@code close()} closes only this view. What is opened through it
     * is closed when the function returns. {@code unwrap} to the driver's class gives the physical connection and makes the
     * pool discard it afterwards, or in memory undo what it can see.
     *
     * <p>A result whose statement only reads stays open when a savepoint or a transaction ends. A commit that gives the connection back to
     * the pool closes it, and so does an interrupt; from then on every use of the result throws an {@code SQLException} with SQLState 24000,
     * since {@code next()} would otherwise seem to have come to the end. {@code setReadOnly(true)} makes the connection refuse whatever
     * writes, with SQLState 25006. {@code getGeneratedKeys()} gives the row id of the last row that this run inserted, or nothing.
     *
     * @return the same object on every call
     */
    Connection jdbc();
}
