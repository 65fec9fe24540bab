package dev.sqlitepool.internal.jdbc;

import dev.sqlitepool.internal.engine.InsertedKeys;
import dev.sqlitepool.internal.lane.Lane;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import org.jspecify.annotations.Nullable;

/** The key of the row that the last run of a JDBC statement has inserted. Owned by the session's owner. */
final class JdbcKeys {
    /** Null if the last run inserted none. */
    private @Nullable Long key;
    /** Stands on no table, so nothing waits for it. */
    private @Nullable JdbcResult result;

    /** Whether a statement is prepared, or run, with the wish for keys. */
    static boolean areWanted(@Nullable Object[] arguments) {
        if (arguments.length < 2) {
            return false;
        }
        Object wish = arguments[arguments.length - 1];
        return arguments.length == 2
                && (wish instanceof Integer number ? number == Statement.RETURN_GENERATED_KEYS : true);
    }

    void forget() {
        key = null;
    }

    /** The statement has run, whatever becomes of the question; an interrupt may strike it. */
    void look(InsertedKeys inserted) {
        try {
            key = inserted.key();
        } catch (SQLException e) {
            key = null;
        }
    }

    /** The key, or an empty result, under the driver's name for it. */
    ResultSet result(JdbcConnection view, JdbcStatement of, Lane lane) throws SQLException {
        if (result != null) {
            result.end(JdbcResult.RUN_AGAIN);
        }
        Statement statement = lane.engine().connection().createStatement();
        String one = "SELECT " + (key == null ? 1 : key) + " AS \"last_insert_rowid()\"";
        ResultSet rows = statement.executeQuery(key == null ? one + " WHERE 0" : one);
        statement.closeOnCompletion();
        JdbcResult made = new JdbcResult(view, of, rows);
        result = made;
        return made.proxy();
    }

    boolean areIn(JdbcResult given) {
        return given == result;
    }

    void close(String reason) {
        if (result != null) {
            result.end(reason);
            result = null;
        }
    }
}
