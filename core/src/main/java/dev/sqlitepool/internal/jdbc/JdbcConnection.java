package dev.sqlitepool.internal.jdbc;

import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.session.Form;
import dev.sqlitepool.internal.session.JdbcView;
import dev.sqlitepool.internal.session.Savepoints.Mark;
import dev.sqlitepool.internal.session.Session;
import dev.sqlitepool.internal.sql.SqlText;
import dev.sqlitepool.internal.sql.Verb;
import java.lang.reflect.Method;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.ParameterMetaData;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.SQLFeatureNotSupportedException;
import java.sql.Savepoint;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A session as a {@link Connection}: one proxy, under the rules of the session. Owned by the session's owner.
 *
 * <p>In {@code connection(…)} it has JDBC's autocommit mode; a transaction begins with the first statement, on the write lane
 * unless the connection was set to read only before. In the other forms the pool commits, and {@code commit} and {@code
 * rollback} are refused.
 */
public final class JdbcConnection implements JdbcView {
    private final Session session;
    private final Connection proxy;
    private final List<JdbcStatement> statements = new ArrayList<>();
    private final List<JdbcResult> metadataResults = new ArrayList<>();
    private boolean autoCommit;
    private boolean readOnly;
    private boolean closed;

    /** A view of the session for one work, with which it ends. */
    public JdbcConnection(Session session) {
        this.session = session;
        this.autoCommit = session.form() == Form.CONNECTION;
        this.readOnly = session.form() == Form.READ || session.readOnly().isForAll();
        this.proxy = JdbcProxy.of(Connection.class, this::onConnection);
    }

    @Override
    public Connection connection() {
        return proxy;
    }

    Session session() {
        return session;
    }

    boolean isClosed() {
        return closed;
    }

    // ---- what the session asks

    @Override
    public boolean hasOpenResults() {
        return statements.stream().anyMatch(JdbcStatement::hasOpenResults)
                || metadataResults.stream().anyMatch(JdbcResult::isOpen);
    }

    @Override
    public void closeStatements(String reason) {
        statements.forEach(statement -> statement.release(reason));
        metadataResults.forEach(result -> result.end(reason));
        metadataResults.clear();
        session.lookWhatIsOpen();
    }

    /** Changes that they made before a transaction would belong to it. */
    @Override
    public void closeWriting() {
        statements.forEach(statement -> statement.releaseWriting(JdbcResult.ENDED));
    }

    @Override
    public boolean endsWithWork() {
        closeStatements(CLOSED);
        statements.clear();
        closed = true;
        session.readOnly().set(false, session.lane());
        return true;
    }

    /** The user has closed a result. */
    void closed(JdbcResult result, @Nullable JdbcStatement statement) {
        if (statement == null) {
            metadataResults.remove(result);
        } else {
            statement.closed(result);
        }
        session.lookWhatIsOpen();
    }

    void forget(JdbcStatement statement) {
        statements.remove(statement);
    }

    // ---- Connection

    private @Nullable Object onConnection(Method method, @Nullable Object[] arguments) throws Throwable {
        switch (method.getName()) {
            case "close":
                closed = true;
                closeStatements(CLOSED);
                session.readOnly().set(false, session.lane()); // the function continues without this view
                return null;
            case "isClosed":
                return closed;
            case "abort":
            case "setNetworkTimeout":
                throw new SQLFeatureNotSupportedException(method.getName()
                        + " would break the pool's connection; cancel the future, or set statementTimeout.");
            case "getNetworkTimeout":
                return 0;
            default:
        }
        if (closed && method.getName().equals("isValid")) {
            return false;
        }
        requireOpen();
        session.requireAlive();
        return openConnection(method, arguments);
    }

    private void requireOpen() throws SQLException {
        if (closed) {
            throw new SQLException("This view of the connection is closed, or its function has returned.", "08003");
        }
    }

    private @Nullable Object openConnection(Method method, @Nullable Object[] arguments) throws Throwable {
        switch (method.getName()) {
            case "createStatement":
            case "prepareStatement":
            case "prepareCall":
                JdbcStatement statement = new JdbcStatement(this, method, arguments);
                statements.add(statement);
                return statement.proxy();
            case "getAutoCommit":
                return autoCommit;
            case "setAutoCommit":
                setAutoCommit((Boolean) Objects.requireNonNull(arguments[0]));
                return null;
            case "commit":
                finish(SqlText.COMMIT);
                return null;
            case "rollback":
                if (arguments.length == 0) {
                    finish(SqlText.ROLLBACK);
                } else {
                    rollbackTo(JdbcSavepoint.mark(arguments[0]));
                }
                return null;
            case "setSavepoint":
                return setSavepoint(arguments.length == 0 ? null : (String) arguments[0]);
            case "releaseSavepoint":
                releaseSavepoint(JdbcSavepoint.mark(arguments[0]));
                return null;
            case "isReadOnly":
                return readOnly;
            case "setReadOnly":
                setReadOnly((Boolean) Objects.requireNonNull(arguments[0]));
                return null;
            case "getMetaData":
                return metadata(method);
            case "isValid":
                return lane().engine().probe();
            case "isWrapperFor":
                return delegate(method, arguments);
            case "unwrap":
                return unwrap((Class<?>) Objects.requireNonNull(arguments[0]));
            default:
                if (method.getName().startsWith("set")) {
                    lane().doubt(CloseReason.CHANGED); // the driver's connection is not the same any more
                }
                return delegate(method, arguments);
        }
    }

    private @Nullable Object delegate(Method method, @Nullable Object[] arguments) throws Throwable {
        return JdbcProxy.call(lane().engine().connection(), method, arguments);
    }

    private Lane lane() throws SQLException {
        return session.ready(SqlText.READ);
    }

    private @Nullable Object unwrap(Class<?> type) throws SQLException {
        Connection driver = session.handOut().engine().unwrapped();
        return type.isInstance(driver) ? driver : driver.unwrap(type);
    }

    /** Asks the lane that the session has at that moment. */
    private DatabaseMetaData metadata(Method maker) throws Throwable {
        delegate(maker, new Object[0]); // errors are found now
        return JdbcProxy.of(DatabaseMetaData.class, (method, arguments) -> {
            requireOpen();
            session.requireAlive();
            if (method.getName().equals("getConnection")) {
                return proxy;
            }
            if (method.getName().equals("unwrap")) {
                session.handOut();
            }
            Object answer = method.getReturnType() == ResultSet.class
                    ? session.statements()
                            .<Object, Throwable>attempt(
                                    lane(), Verb.READ, lane -> ofSchema(lane, maker, method, arguments))
                    : JdbcProxy.call(Objects.requireNonNull(delegate(maker, new Object[0])), method, arguments);
            if (answer instanceof ResultSet result) {
                metadataResults.forEach(other -> other.giveWay(result));
                metadataResults.removeIf(JdbcResult::isClosed);
                JdbcResult made = new JdbcResult(this, null, result);
                metadataResults.add(made);
                session.lookWhatIsOpen();
                return made.proxy();
            }
            return answer;
        });
    }

    /** The driver finds much of it by pragmas, which answer from the schema that the connection remembers. */
    private static Object ofSchema(Lane lane, Method maker, Method method, @Nullable Object[] arguments)
            throws Throwable {
        lane.engine().lookAtSchema();
        Object driver = JdbcProxy.call(lane.engine().connection(), maker, new Object[0]);
        return Objects.requireNonNull(JdbcProxy.call(Objects.requireNonNull(driver), method, arguments));
    }

    /** The driver answers with its own statement or result: as what was asked for, since that would lead to its connection. */
    @Nullable
    Object answer(@Nullable Object given, Method method) {
        Class<?> type = method.getReturnType();
        boolean itself = type == ResultSetMetaData.class || type == ParameterMetaData.class;
        if (given == null || !itself) {
            return given;
        }
        return JdbcProxy.of(type, (called, arguments) -> {
            if (called.getName().equals("unwrap")) {
                session.handOut();
            }
            return JdbcProxy.call(given, called, arguments);
        });
    }

    // ---- transactions

    /** Called before a statement runs: JDBC begins a transaction with it when autocommit is off. */
    void beginIfNeeded() throws SQLException {
        if (!autoCommit
                && session.form() == Form.CONNECTION
                && !session.transaction().isOpen()) {
            closeWriting();
            session.ready(readOnly ? SqlText.READ : SqlText.BEGIN);
            session.beginTransaction(!readOnly);
        }
    }

    private void refuseInside(String method) throws SQLException {
        if (session.form() != Form.CONNECTION) {
            throw new SQLException(
                    method + " is refused inside " + session.form().name().toLowerCase(Locale.ROOT)
                            + "(…): the pool ends the transaction when the function returns. Use connection(…) to do it yourself.",
                    "25001");
        }
    }

    private void setAutoCommit(boolean wanted) throws SQLException {
        if (wanted == autoCommit) {
            return;
        }
        refuseInside("setAutoCommit(" + wanted + ")");
        if (wanted && session.transaction().isOpen()) {
            finish(SqlText.COMMIT);
        }
        autoCommit = wanted;
    }

    private void finish(SqlText sql) throws SQLException {
        String method = sql.text().toLowerCase(Locale.ROOT) + "()";
        refuseInside(method);
        if (autoCommit) {
            throw new SQLException(method + " needs setAutoCommit(false) before.", "25000");
        }
        if (session.transaction().isOpen()) {
            Lane own = Objects.requireNonNull(session.lane());
            if (sql == SqlText.COMMIT && session.givesBack(own)) {
                closeStatements(COMMITTED);
            }
            session.statements().run(sql, new Object[0], null, false);
        }
    }

    private void setReadOnly(boolean wanted) throws SQLException {
        if (wanted == readOnly) {
            return;
        }
        if (session.readOnly().isForAll()) {
            throw new SQLException(
                    "setReadOnly(false) is refused: the pool is read-only; build it without readOnly().", "25006");
        }
        refuseInside("setReadOnly(" + wanted + ")");
        if (session.transaction().isOpen()) {
            throw new SQLException("setReadOnly is refused inside a transaction; end it first.", "25001");
        }
        readOnly = wanted;
        session.readOnly().set(wanted, session.lane());
    }

    private Savepoint setSavepoint(@Nullable String name) throws SQLException {
        if (autoCommit) {
            throw new SQLException("setSavepoint() needs setAutoCommit(false) before.", "25000");
        }
        beginIfNeeded();
        return new JdbcSavepoint(session.transaction().savepoints().savepoint(lane(), false), name);
    }

    private void releaseSavepoint(Mark savepoint) throws SQLException {
        Lane lane = lane();
        session.transaction().savepoints().requireOpen(savepoint);
        closeWriting();
        session.transaction().savepoints().userReleases(lane, savepoint);
    }

    private void rollbackTo(Mark savepoint) throws SQLException {
        Lane lane = lane();
        session.transaction().savepoints().requireOpen(savepoint);
        closeWriting();
        session.transaction().savepoints().userRollsBackTo(lane, savepoint);
    }
}
