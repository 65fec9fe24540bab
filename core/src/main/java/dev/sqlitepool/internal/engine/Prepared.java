package dev.sqlitepool.internal.engine;

import java.sql.SQLException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One prepared statement of one physical connection, with its cursor. Owned by the lane's owner. Columns are 1-based.
 *
 * <p>Life: {@code start}, then {@code next} until false, then {@code reset}; again and again; {@code close} at last.
 */
public interface Prepared extends AutoCloseable {
    /** How many values {@link #start} needs. */
    int parameterCount();

    /** Whether the statement returns rows at all. */
    boolean returnsRows();

    /**
     * Binds and begins to run. A statement that returns no rows has run when this returns.
     *
     * @param values exactly {@link #parameterCount()} of null, {@code Long}, {@code Double}, {@code String}, {@code
     *     byte[]}
     */
    void start(@Nullable Object[] values) throws SQLException;

    /** Moves to the next row. */
    boolean next() throws SQLException;

    /** The rows that the run changed; meaningful only after an INSERT, UPDATE, DELETE or REPLACE. */
    long changes() throws SQLException;

    /** The names of the columns, fetched again: another connection may have changed the schema since the last run. */
    List<String> columnNames() throws SQLException;

    /** The declared type of a column; null if there is none. */
    @Nullable
    String declaredType(int column) throws SQLException;

    boolean isNull(int column) throws SQLException;

    long getLong(int column) throws SQLException;

    double getDouble(int column) throws SQLException;

    @Nullable
    String getString(int column) throws SQLException;

    byte @Nullable [] getBytes(int column) throws SQLException;

    /** The value as {@code Long}, {@code Double}, {@code String}, {@code byte[]} or null. */
    @Nullable
    Object getObject(int column) throws SQLException;

    /** Closes the cursor, if one is open; the statement can be started again. */
    void reset() throws SQLException;

    /** Forgets the bound values, so that a statement that waits for its next run keeps neither their memory nor their secrets. */
    void forget() throws SQLException;

    /** Whether the statement can no longer be started: the driver closes it after most errors. */
    boolean isClosed();

    @Override
    void close() throws SQLException;
}
