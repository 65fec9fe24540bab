package dev.sqlitepool.r2dbc;

import dev.sqlitepool.RowMapper;
import dev.sqlitepool.internal.sql.Values;
import io.r2dbc.spi.Row;
import io.r2dbc.spi.RowMetadata;
import java.nio.charset.StandardCharsets;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A row with its values, which does not need its statement any more. Immutable. */
final class StoredRow implements Row {
    private final Columns columns;
    private final @Nullable Object[] values;

    private StoredRow(Columns columns, @Nullable Object[] values) {
        this.columns = columns;
        this.values = values;
    }

    /** Makes stored rows of those of one execution. */
    static RowMapper<StoredRow> mapper() {
        return new RowMapper<>() {
            private @Nullable Columns columns;

            @Override
            public StoredRow map(dev.sqlitepool.Row row) throws SQLException {
                if (columns == null) {
                    columns = Columns.of(row);
                }
                @Nullable
                Object[] values = new Object[columns.getColumnMetadatas().size()];
                for (int i = 0; i < values.length; i++) {
                    values[i] = row.getObject(i + 1);
                }
                return new StoredRow(columns, values);
            }
        };
    }

    /** Of the row on which a result of JDBC stands. */
    static StoredRow of(Columns columns, ResultSet result) throws SQLException {
        @Nullable Object[] values = new Object[columns.getColumnMetadatas().size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = Columns.value(result, i + 1);
        }
        return new StoredRow(columns, values);
    }

    @Override
    public RowMetadata getMetadata() {
        return columns;
    }

    @Override
    public @Nullable Object get(int index) {
        Columns.Column column = columns.get(index);
        return Types.natural(values[index], column.type());
    }

    @Override
    public <T> @Nullable T get(int index, Class<T> type) {
        if (type == null) {
            throw new IllegalArgumentException("type must not be null");
        }
        Columns.Column column = columns.get(index);
        try {
            return Types.as(new Stored(), index + 1, type, column.type());
        } catch (SQLException | ArithmeticException e) {
            throw new IllegalArgumentException(
                    "The value cannot be read as " + type.getName() + ": " + e.getMessage(), e);
        }
    }

    @Override
    public @Nullable Object get(String name) {
        return get(columns.index(named(name)));
    }

    @Override
    public <T> @Nullable T get(String name, Class<T> type) {
        return get(columns.index(named(name)), type);
    }

    private static String named(@Nullable String name) {
        if (name == null) {
            throw new IllegalArgumentException("name must not be null");
        }
        return name;
    }

    /** The same row as the pool's mappers see rows. */
    private final class Stored implements dev.sqlitepool.Row {
        @Override
        public List<String> columnNames() {
            return columns.names();
        }

        @Override
        public int columnIndex(String column) {
            return columns.index(column) + 1;
        }

        @Override
        public @Nullable String declaredType(int column) {
            return columns.get(column - 1).declared();
        }

        @Override
        public boolean isNull(int column) {
            return getObject(column) == null;
        }

        @Override
        public long getLong(int column) throws SQLException {
            Long value = get(column, Long.class);
            return value == null ? 0 : value;
        }

        @Override
        public double getDouble(int column) {
            return getObject(column) instanceof Number number ? number.doubleValue() : 0;
        }

        @Override
        public @Nullable String getString(int column) {
            Object value = getObject(column);
            return value instanceof byte[] bytes
                    ? new String(bytes, StandardCharsets.UTF_8)
                    : value == null ? null : value.toString();
        }

        @Override
        public byte @Nullable [] getBytes(int column) {
            Object value = getObject(column);
            if (value instanceof byte[] bytes) {
                return bytes.clone();
            }
            return value == null ? null : value.toString().getBytes(StandardCharsets.UTF_8);
        }

        @Override
        public @Nullable Object getObject(int column) {
            return values[column - 1];
        }

        @Override
        public <T> @Nullable T get(int column, Class<T> type) throws SQLException {
            return Values.decode(this, column, type);
        }
    }
}
