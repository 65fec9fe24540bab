package dev.sqlitepool.internal.lane;

import dev.sqlitepool.Row;
import dev.sqlitepool.internal.engine.Prepared;
import dev.sqlitepool.internal.sql.Names;
import dev.sqlitepool.internal.sql.SqlText;
import dev.sqlitepool.internal.sql.Values;
import java.sql.SQLException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The row on which a running statement stands; alive only while the mapper is called. Owned by the lane's owner. The column
 * names are fetched once for each execution: another connection may change the schema between two.
 */
public final class CurrentRow implements Row {
    private final Prepared prepared;
    private @Nullable List<String> names;
    private boolean alive;

    /** The row of a statement; not alive yet. */
    public CurrentRow(Prepared prepared) {
        this.prepared = prepared;
    }

    /** Whether the row may be read from here on. */
    public void alive(boolean alive) {
        this.alive = alive;
    }

    private Prepared row() {
        if (!alive) {
            throw new IllegalStateException(
                    "A row is valid until its mapper returns; copy what you need inside the mapper.");
        }
        return prepared;
    }

    @Override
    public List<String> columnNames() {
        Prepared current = row();
        if (names == null) {
            try {
                names = current.columnNames();
            } catch (SQLException e) {
                throw new IllegalStateException("The statement was closed while it ran.", e);
            }
        }
        return names;
    }

    @Override
    public int columnIndex(String column) throws SQLException {
        List<String> all = columnNames();
        int exact = all.indexOf(column);
        if (exact >= 0) {
            return exact + 1;
        }
        for (int i = 0; i < all.size(); i++) {
            if (Names.same(all.get(i), column)) {
                return i + 1;
            }
        }
        throw new SQLException("There is no column " + column + "; the columns are "
                + all.stream().map(SqlText::columnLabel).toList() + ".");
    }

    @Override
    public @Nullable String declaredType(int column) throws SQLException {
        return row().declaredType(column);
    }

    @Override
    public boolean isNull(int column) throws SQLException {
        return row().isNull(column);
    }

    @Override
    public long getLong(int column) throws SQLException {
        return row().getLong(column);
    }

    @Override
    public double getDouble(int column) throws SQLException {
        return row().getDouble(column);
    }

    @Override
    public @Nullable String getString(int column) throws SQLException {
        return row().getString(column);
    }

    @Override
    public byte @Nullable [] getBytes(int column) throws SQLException {
        return row().getBytes(column);
    }

    @Override
    public @Nullable Object getObject(int column) throws SQLException {
        return row().getObject(column);
    }

    @Override
    public <T> @Nullable T get(int column, Class<T> type) throws SQLException {
        return Values.decode(this, column, type);
    }
}
