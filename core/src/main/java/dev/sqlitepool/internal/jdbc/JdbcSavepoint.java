package dev.sqlitepool.internal.jdbc;

import dev.sqlitepool.internal.session.Savepoints.Mark;
import java.sql.SQLException;
import java.sql.Savepoint;
import org.jspecify.annotations.Nullable;

/** A savepoint as the user sees it: it has a name or a number. Immutable. */
record JdbcSavepoint(Mark mark, @Nullable String name) implements Savepoint {
    /** The mark behind a savepoint that the user gives back. */
    static Mark mark(@Nullable Object given) throws SQLException {
        if (given instanceof JdbcSavepoint savepoint) {
            return savepoint.mark;
        }
        throw new SQLException("This savepoint was not set on this connection.", "3B001");
    }

    @Override
    public int getSavepointId() throws SQLException {
        if (name != null) {
            throw new SQLException("This savepoint has a name, and no number.");
        }
        return mark.number();
    }

    @Override
    public String getSavepointName() throws SQLException {
        if (name == null) {
            throw new SQLException("This savepoint has a number, and no name.");
        }
        return name;
    }
}
