package dev.sqlitepool.internal.jdbc;

import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.sql.SqlText;
import java.lang.reflect.Method;
import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The driver's statement behind a JDBC statement: made on the session's lane when it is first needed, and made again, with the same
 * parameters, when the session has moved. Owned by the session's owner.
 */
final class JdbcPhysical {
    private final Method maker;
    private final @Nullable Object[] making;
    private final @Nullable SqlText preparedSql;
    private final boolean answersFromSchema;
    private final JdbcReplay calls = new JdbcReplay();
    private @Nullable Statement made;
    private @Nullable Lane madeOn;

    /**
     * Nothing is made yet.
     *
     * @param maker the method of {@link Connection} that the user has called, with its arguments
     */
    JdbcPhysical(Method maker, @Nullable Object[] making) {
        this.maker = maker;
        this.preparedSql = maker.getName().equals("createStatement")
                ? null
                : SqlText.of((String) Objects.requireNonNull(making[0]));
        this.making = preparedSql == null ? making : JdbcTexts.immediate(making, preparedSql);
        this.answersFromSchema = preparedSql != null && preparedSql.answersFromSchema();
    }

    /** The text that is prepared; null if each run has its own. */
    @Nullable
    SqlText preparedSql() {
        return preparedSql;
    }

    boolean answersFromSchema() {
        return answersFromSchema;
    }

    /** The statement that the user sees. */
    Class<? extends Statement> type() {
        return maker.getName().equals("prepareCall")
                ? CallableStatement.class
                : preparedSql == null ? Statement.class : PreparedStatement.class;
    }

    /** The calls on it, to be repeated. */
    JdbcReplay calls() {
        return calls;
    }

    /** The statement, if it can be used on the lane. */
    @Nullable
    Statement on(Lane lane) throws SQLException {
        return made == null || madeOn != lane || made.isClosed() ? null : made;
    }

    boolean wasMadeOn(Lane lane) {
        return madeOn == lane;
    }

    Statement make(Lane lane) throws Throwable {
        Connection connection = lane.engine().connection();
        if (answersFromSchema) {
            lane.engine().lookAtSchema();
        }
        Statement now = lane.engine().<Statement, Throwable>inCurrentSchema(() ->
                (Statement) Objects.requireNonNull(JdbcProxy.call(connection, maker, making)));
        made = now;
        madeOn = lane;
        calls.repeatOn(now);
        return now;
    }

    /** The next use makes another. */
    void close() {
        if (made != null) {
            JdbcProxy.closeQuietly(made);
            made = null;
        }
    }
}
