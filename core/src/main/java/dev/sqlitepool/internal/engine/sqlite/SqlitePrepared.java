package dev.sqlitepool.internal.engine.sqlite;

import dev.sqlitepool.internal.engine.Prepared;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.sqlite.core.Codes;
import org.sqlite.core.CoreStatement;
import org.sqlite.core.DB;

/**
 * A statement through sqlite-jdbc's exported core classes, which take all values in one call and give columns without a
 * {@code ResultSet} between. Owned by the lane's owner.
 */
final class SqlitePrepared implements Prepared {
    private final PreparedStatement statement;
    private final CoreStatement core;
    private final DB db;
    private final int parameterCount;
    private final boolean returnsRows;
    /**
     * As many columns as there are in this execution; 0 if it has not been asked. The schema may change between two.
     */
    private int columns;
    /** The first row has been stepped to by {@link #start} and not yet been asked for. */
    private boolean firstRowWaits;
    /** Between a step that gave a row and the reset. */
    private boolean cursorOpen;
    /** Text or bytes may be bound. */
    private boolean boundText;

    SqlitePrepared(PreparedStatement statement) throws SQLException {
        this.statement = statement;
        this.core = (CoreStatement) statement;
        this.db = core.getDatabase();
        this.parameterCount = statement.getParameterMetaData().getParameterCount();
        this.returnsRows = core.pointer.safeRunInt(DB::column_count) > 0;
    }

    @Override
    public int parameterCount() {
        return parameterCount;
    }

    @Override
    public boolean returnsRows() {
        return returnsRows;
    }

    @Override
    public void start(@Nullable Object[] values) throws SQLException {
        columns = 0;
        for (Object value : values) {
            boundText |= value instanceof String || value instanceof byte[];
        }
        boolean done = false;
        try {
            cursorOpen = db.execute(core, values);
            firstRowWaits = cursorOpen;
            done = true;
        } finally {
            if (!done && !isClosed()) {
                core.pointer.safeRunInt(
                        DB::reset); // gives the error of the failed step again; it has been thrown already
            }
        }
    }

    @Override
    public boolean next() throws SQLException {
        if (firstRowWaits) {
            firstRowWaits = false;
            return true;
        }
        if (!cursorOpen) {
            return false;
        }
        int code = core.pointer.safeRunInt(DB::step);
        if (code == Codes.SQLITE_ROW) {
            return true;
        }
        if (code != Codes.SQLITE_DONE) {
            db.throwex(code);
        }
        reset();
        return false;
    }

    @Override
    public long changes() throws SQLException {
        return db.changes();
    }

    @Override
    public List<String> columnNames() throws SQLException {
        return List.of(core.pointer.safeRun(DB::column_names));
    }

    private int checked(int column) throws SQLException {
        if (column != 1 && columns == 0) { // there is always one
            columns = core.pointer.safeRunInt(DB::column_count);
        }
        if (column != 1 && (column < 1 || column > columns)) {
            throw new SQLException(
                    "There is no column " + column + "; the columns are 1 to " + columns + ": " + columnNames() + ".");
        }
        return column - 1;
    }

    @Override
    public @Nullable String declaredType(int column) throws SQLException {
        int index = checked(column);
        return core.pointer.safeRun((d, p) -> d.column_decltype(p, index));
    }

    @Override
    public boolean isNull(int column) throws SQLException {
        int index = checked(column);
        return core.pointer.safeRunInt((d, p) -> d.column_type(p, index)) == Codes.SQLITE_NULL;
    }

    @Override
    public long getLong(int column) throws SQLException {
        int index = checked(column);
        return core.pointer.safeRunLong((d, p) -> d.column_long(p, index));
    }

    @Override
    public double getDouble(int column) throws SQLException {
        int index = checked(column);
        return core.pointer.safeRunDouble((d, p) -> d.column_double(p, index));
    }

    @Override
    public @Nullable String getString(int column) throws SQLException {
        int index = checked(column);
        return core.pointer.safeRun((d, p) -> d.column_text(p, index));
    }

    @Override
    public byte @Nullable [] getBytes(int column) throws SQLException {
        int index = checked(column);
        return core.pointer.safeRun((d, p) -> {
            if (d.column_type(p, index) == Codes.SQLITE_TEXT) {
                // "The returned value … is UTF-8": in a database in UTF-16 this converts the text, whose bytes are then
                // in UTF-8 too.
                String unused = d.column_text(p, index);
            }
            return d.column_blob(p, index);
        });
    }

    @Override
    public @Nullable Object getObject(int column) throws SQLException {
        int index = checked(column);
        return core.pointer.safeRun((d, p) -> {
            switch (d.column_type(p, index)) {
                case Codes.SQLITE_INTEGER:
                    return d.column_long(p, index);
                case Codes.SQLITE_FLOAT:
                    return d.column_double(p, index);
                case Codes.SQLITE_TEXT:
                    return d.column_text(p, index);
                case Codes.SQLITE_BLOB:
                    byte[] bytes = d.column_blob(p, index);
                    return bytes == null ? new byte[0] : bytes;
                default:
                    return null;
            }
        });
    }

    @Override
    public void reset() throws SQLException {
        firstRowWaits = false;
        if (cursorOpen) {
            cursorOpen = false;
            if (!isClosed()) {
                core.pointer.safeRunInt(DB::reset);
            }
        }
    }

    /** Numbers stay: they take no memory of their own, and a read by a number does not pay for the call. */
    @Override
    public void forget() throws SQLException {
        if (boundText) {
            boundText = false;
            if (!isClosed()) {
                core.pointer.safeRunInt(DB::clear_bindings);
            }
        }
    }

    @Override
    public boolean isClosed() {
        return core.pointer.isClosed();
    }

    @Override
    public void close() throws SQLException {
        statement.close();
    }
}
