package dev.sqlitepool;

import java.lang.invoke.MethodHandles;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;

/**
 * Turns a row into an object: what aiosqlite calls a row factory. Called on the thread that runs the statement, while it
 * holds the connection, so it should be short; an instance may be used by several statements at once and must then be
 * thread-safe.
 * <pre>{@code
 * RowMapper<String> byHand = row -> row.getString("name");
 * RowMapper<User> toRecord = RowMapper.of(User.class); // record User(long id, String name)
 * }</pre>
 *
 * <p><b>Exceptions.</b> A mapper may throw an {@link SQLException} or an unchecked exception. Both fail the query and arrive unchanged, as those of a
 * function do. A function may throw checked exceptions of other types too, a mapper may not: the type would be a second type parameter of each
 * method that takes a mapper and of {@link RowCursor}, for code that should only convert. Where a row leads to more, such as a file to write, map
 * it to data and go on with the result, or use {@link PoolConnection#forEach}, whose action may throw anything.
 *
 * @param <T> what a row becomes
 */
@FunctionalInterface
public interface RowMapper<T> {
    /**
     * Maps the current row.
     *
     * @param row the row, valid until this method returns
     * @return the object; null is allowed, but {@code queryOne} takes it for no row, and a stream fails
     * @throws SQLException if a column is missing or cannot be converted; it fails the query
     */
    @Nullable
    T map(Row row) throws SQLException;

    /**
     * Maps columns to the components of a record by name, without regard to case (of ASCII letters, as in SQLite) and
     * underscores: a column {@code user_name} fills the component {@code userName}. Where several columns fit, an exact match comes first,
     * then one that differs in case only, then the first. Every component needs a column; other columns are ignored.
     * Components have the types of {@link Row#get(int, Class)}. The mapper is thread-safe.
     *
     * @param <R> the record
     * @param type a record that is public in an exported package, or in a package that is open to {@code dev.sqlitepool}
     * @return the mapper
     * @throws IllegalArgumentException if the record is not accessible, or a component has an unsupported type
     */
    static <R extends Record> RowMapper<R> of(Class<R> type) {
        return new RecordMapper<>(type, MethodHandles.lookup());
    }

    /**
     * As {@link #of(Class)}, for a record that only its own module can reach.
     *
     * @param <R> the record
     * @param type the record
     * @param lookup the caller's {@code MethodHandles.lookup()}
     * @return the mapper
     * @throws IllegalArgumentException if the lookup cannot reach the record, or a component has an unsupported type
     */
    static <R extends Record> RowMapper<R> of(Class<R> type, MethodHandles.Lookup lookup) {
        return new RecordMapper<>(type, lookup);
    }
}
