package dev.sqlitepool;

import java.sql.SQLException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The current row of a result: columns by 1-based index, as in JDBC, or by name without regard to case, which in SQLite is that
 * of ASCII letters only: {@code é} and {@code É} are two columns. Owned by the
 * thread that runs the {@link RowMapper}; valid until the mapper returns, using it later is an {@link
 * IllegalStateException}.
 *
 * <p>SQLite stores integers, floating point numbers, text, bytes and NULL, whatever type the column declares. The getters
 * convert as SQLite does ({@code getLong} of the text {@code 'abc'} is 0); a NULL is 0, {@code false} or null. {@link
 * #get(int, Class)} is strict instead: a value that cannot be read as the type is an {@link SQLException}.
 *
 * <p>An index outside the columns, or a name that no column has, is an {@link SQLException} that names the columns. Where
 * several columns fit a name, an exact match comes first, then the first.
 */
public interface Row {
    /**
     * The column names in order. The same list object throughout one execution of a statement.
     *
     * @return an unmodifiable list, never empty
     */
    List<String> columnNames();

    /**
     * The 1-based index of a column.
     *
     * @param column a column's name, in any case
     * @return the index of the column of exactly that name, else of the first that differs in case only
     * @throws SQLException if there is none
     */
    int columnIndex(String column) throws SQLException;

    /**
     * The type that the column was declared with, as the text says in {@code CREATE TABLE}. SQLite does not hold values to it, see
     * <a href="https://www.sqlite.org/datatype3.html">its types</a>.
     *
     * @param column 1-based index
     * @return for instance {@code VARCHAR(20)}; null if none was declared, or the column is an expression and not a table's
     * @throws SQLException if there is no such column
     */
    @Nullable
    String declaredType(int column) throws SQLException;

    /**
     * Whether the column is NULL in this row.
     *
     * @param column 1-based index
     * @return true for NULL
     * @throws SQLException if there is no such column
     */
    boolean isNull(int column) throws SQLException;

    /**
     * The column as a 64-bit integer.
     *
     * @param column 1-based index
     * @return the value, 0 for NULL
     * @throws SQLException if there is no such column
     */
    long getLong(int column) throws SQLException;

    /**
     * The column as a floating point number.
     *
     * @param column 1-based index
     * @return the value, 0 for NULL
     * @throws SQLException if there is no such column
     */
    double getDouble(int column) throws SQLException;

    /**
     * The column as text.
     *
     * @param column 1-based index
     * @return the value, null for NULL
     * @throws SQLException if there is no such column
     */
    @Nullable
    String getString(int column) throws SQLException;

    /**
     * The column as bytes; text gives its UTF-8 bytes.
     *
     * @param column 1-based index
     * @return a new array, null for NULL
     * @throws SQLException if there is no such column
     */
    byte @Nullable [] getBytes(int column) throws SQLException;

    /**
     * The column in the type in which SQLite stores it.
     *
     * @param column 1-based index
     * @return a {@code Long}, {@code Double}, {@code String} or {@code byte[]}, null for NULL
     * @throws SQLException if there is no such column
     */
    @Nullable
    Object getObject(int column) throws SQLException;

    /**
     * The column as a Java type: the inverse of binding a parameter. Supported are the primitive types except {@code char}
     * and their wrappers, {@code String}, {@code byte[]}, {@code BigDecimal}, {@code UUID}, enums (by name), {@code Instant},
     * {@code OffsetDateTime}, {@code ZonedDateTime}, {@code LocalDate}, {@code LocalTime}, {@code LocalDateTime} and {@code Object}.
     *
     * <p>Times are read as the pool binds them and as SQLite writes them, {@code 2026-01-31 11:12}: with {@code T} or a space, with or
     * without seconds, a fraction and a zone. Without a zone the time is in UTC, and a date alone is its midnight. A zone other than UTC is an
     * error for the local types, since the zone would be lost. A {@code BigDecimal} is bound as text, which SQLite compares with numbers
     * only where the column has a numeric type: write {@code CAST(? AS NUMERIC)} to compare it with an expression.
     *
     * @param <T> the Java type
     * @param column 1-based index
     * @param type the Java type
     * @return the value, null for NULL
     * @throws SQLException if there is no such column, the value cannot be read as the type, it is out of the
     *     type's range, or it is NULL and the type is primitive
     * @throws IllegalArgumentException if the type is not supported
     */
    <T> @Nullable T get(int column, Class<T> type) throws SQLException;

    /**
     * The column as a 32-bit integer.
     *
     * @param column 1-based index
     * @return the value, 0 for NULL
     * @throws SQLException if there is no such column, or the value does not fit
     */
    default int getInt(int column) throws SQLException {
        long value = getLong(column);
        if ((int) value != value) {
            throw new SQLException(
                    "Column " + column + " (" + ColumnLabel.of(columnNames().get(column - 1))
                            + ") holds an integer that does not fit an int; use getLong.");
        }
        return (int) value;
    }

    /**
     * The column as a truth value.
     *
     * @param column 1-based index
     * @return true for any integer but 0, false for NULL
     * @throws SQLException if there is no such column
     */
    default boolean getBoolean(int column) throws SQLException {
        return getLong(column) != 0;
    }

    /**
     * {@link #isNull(int)} by name.
     *
     * @param column name in any case
     * @return true for NULL
     * @throws SQLException if there is no such column
     */
    default boolean isNull(String column) throws SQLException {
        return isNull(columnIndex(column));
    }

    /**
     * {@link #getInt(int)} by name.
     *
     * @param column name in any case
     * @return the value, 0 for NULL
     * @throws SQLException if there is no such column, or the value does not fit
     */
    default int getInt(String column) throws SQLException {
        return getInt(columnIndex(column));
    }

    /**
     * {@link #getLong(int)} by name.
     *
     * @param column name in any case
     * @return the value, 0 for NULL
     * @throws SQLException if there is no such column
     */
    default long getLong(String column) throws SQLException {
        return getLong(columnIndex(column));
    }

    /**
     * {@link #getDouble(int)} by name.
     *
     * @param column name in any case
     * @return the value, 0 for NULL
     * @throws SQLException if there is no such column
     */
    default double getDouble(String column) throws SQLException {
        return getDouble(columnIndex(column));
    }

    /**
     * {@link #getBoolean(int)} by name.
     *
     * @param column name in any case
     * @return true for any integer but 0, false for NULL
     * @throws SQLException if there is no such column
     */
    default boolean getBoolean(String column) throws SQLException {
        return getBoolean(columnIndex(column));
    }

    /**
     * {@link #getString(int)} by name.
     *
     * @param column name in any case
     * @return the value, null for NULL
     * @throws SQLException if there is no such column
     */
    default @Nullable String getString(String column) throws SQLException {
        return getString(columnIndex(column));
    }

    /**
     * {@link #getBytes(int)} by name.
     *
     * @param column name in any case
     * @return a new array, null for NULL
     * @throws SQLException if there is no such column
     */
    default byte @Nullable [] getBytes(String column) throws SQLException {
        return getBytes(columnIndex(column));
    }

    /**
     * {@link #getObject(int)} by name.
     *
     * @param column name in any case
     * @return a {@code Long}, {@code Double}, {@code String} or {@code byte[]}, null for NULL
     * @throws SQLException if there is no such column
     */
    default @Nullable Object getObject(String column) throws SQLException {
        return getObject(columnIndex(column));
    }

    /**
     * {@link #get(int, Class)} by name.
     *
     * @param <T> the Java type
     * @param column name in any case
     * @param type the Java type
     * @return the value, null for NULL
     * @throws SQLException as {@link #get(int, Class)}
     * @throws IllegalArgumentException if the type is not supported
     */
    default <T> @Nullable T get(String column, Class<T> type) throws SQLException {
        return get(columnIndex(column), type);
    }
}
