package dev.sqlitepool.internal.engine;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A statement through plain JDBC. Owned by the lane's owner. */
class JdbcPrepared implements Prepared {
    private final PreparedStatement statement;
    private final int parameterCount;
    private @Nullable ResultSet rows;
    private boolean returnsRows;
    private long changes;

    JdbcPrepared(PreparedStatement statement) throws SQLException {
        this.statement = statement;
        this.parameterCount = statement.getParameterMetaData().getParameterCount();
        this.returnsRows =
                statement.getMetaData() != null && statement.getMetaData().getColumnCount() > 0;
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
        for (int i = 0; i < values.length; i++) {
            statement.setObject(i + 1, values[i]);
        }
        returnsRows = statement.execute();
        boolean known = false;
        try {
            rows = returnsRows ? statement.getResultSet() : null;
            changes = returnsRows ? 0 : Math.max(0, statement.getUpdateCount());
            known = true;
        } finally {
            if (!known) {
                statement.close(); // it may have rows that nobody can close
            }
        }
    }

    @Override
    public boolean next() throws SQLException {
        return rows != null && rows.next();
    }

    @Override
    public long changes() {
        return changes;
    }

    private ResultSet rows() throws SQLException {
        if (rows == null) {
            throw new SQLException("The statement returns no rows.");
        }
        return rows;
    }

    @Override
    public List<String> columnNames() throws SQLException {
        ResultSetMetaData columns = rows().getMetaData();
        List<String> names = new ArrayList<>(columns.getColumnCount());
        for (int i = 1; i <= columns.getColumnCount(); i++) {
            names.add(columns.getColumnLabel(i));
        }
        return Collections.unmodifiableList(names);
    }

    @Override
    public @Nullable String declaredType(int column) throws SQLException {
        return rows().getMetaData().getColumnTypeName(column);
    }

    @Override
    public boolean isNull(int column) throws SQLException {
        return rows().getObject(column) == null;
    }

    @Override
    public long getLong(int column) throws SQLException {
        return rows().getLong(column);
    }

    @Override
    public double getDouble(int column) throws SQLException {
        return rows().getDouble(column);
    }

    @Override
    public @Nullable String getString(int column) throws SQLException {
        return rows().getString(column);
    }

    @Override
    public byte @Nullable [] getBytes(int column) throws SQLException {
        return rows().getBytes(column);
    }

    @Override
    public @Nullable Object getObject(int column) throws SQLException {
        Object value = rows().getObject(column);
        if (value == null || value instanceof String || value instanceof byte[]) {
            return value;
        }
        if (value instanceof Boolean truth) {
            return truth ? 1L : 0L;
        }
        if (value instanceof Number number) {
            boolean floating = number instanceof Double || number instanceof Float;
            boolean decimal = number instanceof BigDecimal || number instanceof BigInteger;
            return floating ? number.doubleValue() : decimal ? (Object) number.toString() : (Object) number.longValue();
        }
        return rows().getString(column);
    }

    @Override
    public void reset() throws SQLException {
        if (rows != null) {
            ResultSet open = rows;
            rows = null;
            open.close();
        }
    }

    @Override
    public void forget() throws SQLException {
        if (parameterCount > 0) {
            statement.clearParameters();
        }
    }

    @Override
    public boolean isClosed() {
        try {
            return statement.isClosed();
        } catch (SQLException e) {
            return true;
        }
    }

    @Override
    public void close() throws SQLException {
        statement.close();
    }
}
