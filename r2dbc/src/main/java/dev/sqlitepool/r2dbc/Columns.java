package dev.sqlitepool.r2dbc;

import dev.sqlitepool.Row;
import dev.sqlitepool.internal.sql.Names;
import io.r2dbc.spi.ColumnMetadata;
import io.r2dbc.spi.R2dbcType;
import io.r2dbc.spi.RowMetadata;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.NoSuchElementException;
import org.jspecify.annotations.Nullable;

/** The columns of a result. Immutable. */
final class Columns implements RowMetadata {
    /** One of them. */
    record Column(String name, @Nullable String declared, R2dbcType type) implements ColumnMetadata {
        @Override
        public R2dbcType getType() {
            return type;
        }

        @Override
        public String getName() {
            return name;
        }

        @Override
        public Class<?> getJavaType() {
            return Types.naturalClass(type);
        }

        /** The declared type as it stands in the schema; null if there is none. */
        @Override
        public @Nullable Object getNativeTypeMetadata() {
            return declared;
        }
    }

    private final List<Column> columns;

    private Columns(List<Column> columns) {
        this.columns = List.copyOf(columns);
    }

    /** Those of a row on which a statement stands. */
    static Columns of(Row row) throws SQLException {
        List<Column> found = new ArrayList<>();
        List<String> names = row.columnNames();
        for (int i = 1; i <= names.size(); i++) {
            String declared = row.declaredType(i);
            found.add(new Column(names.get(i - 1), declared, Types.type(declared, row.getObject(i))));
        }
        return new Columns(found);
    }

    /** Those of a row on which a result of JDBC stands. */
    static Columns of(ResultSet row) throws SQLException {
        List<Column> found = new ArrayList<>();
        for (int i = 1; i <= row.getMetaData().getColumnCount(); i++) {
            found.add(new Column(row.getMetaData().getColumnLabel(i), null, Types.type(null, value(row, i))));
        }
        return new Columns(found);
    }

    /** A value of a result of JDBC as SQLite stores it. */
    static @Nullable Object value(ResultSet row, int column) throws SQLException {
        Object value = row.getObject(column);
        return value instanceof Integer number ? (Object) number.longValue() : value;
    }

    Column get(int index) {
        if (index < 0 || index >= columns.size()) {
            throw new IndexOutOfBoundsException("There is no column with the index " + index + "; there are "
                    + columns.size() + ", and the first has the index 0.");
        }
        return columns.get(index);
    }

    /** The 0-based index of the first column of a name. */
    int index(String name) {
        for (int i = 0; i < columns.size(); i++) {
            if (Names.same(columns.get(i).name(), name)) {
                return i;
            }
        }
        throw new NoSuchElementException("There is no column " + name + "; the columns are " + names() + ".");
    }

    List<String> names() {
        return columns.stream().map(Column::name).toList();
    }

    @Override
    public ColumnMetadata getColumnMetadata(int index) {
        return get(index);
    }

    @Override
    public ColumnMetadata getColumnMetadata(String name) {
        return get(index(name));
    }

    @Override
    public List<? extends ColumnMetadata> getColumnMetadatas() {
        return columns;
    }

    @Override
    public boolean contains(String columnName) {
        return columns.stream().anyMatch(column -> Names.same(column.name(), columnName));
    }
}
