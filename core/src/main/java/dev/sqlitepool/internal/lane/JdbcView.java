package dev.sqlitepool.internal.lane;

import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.internal.lane.TransactionScope.Mark;
import dev.sqlitepool.internal.lane.Work.Form;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.ParameterMetaData;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.SQLFeatureNotSupportedException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Wrapper;
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
final class JdbcView {
    private final Session session;
    private final Connection proxy;
    private final List<StatementView> statements = new ArrayList<>();
    private final List<ResultView> metadataResults = new ArrayList<>();
    private boolean autoCommit;
    private boolean readOnly;
    private boolean closed;

    JdbcView(Session session) {
        this.session = session;
        this.autoCommit = session.form() == Form.CONNECTION;
        this.readOnly = session.form() == Form.READ;
        this.proxy = proxy(Connection.class, this::onConnection);
    }

    Connection connection() {
        return proxy;
    }

    Session session() {
        return session;
    }

    boolean isClosed() {
        return closed;
    }

    // ---- what the session asks

    boolean hasOpenResults() {
        return statements.stream().anyMatch(StatementView::hasOpenResults)
                || metadataResults.stream().anyMatch(ResultView::isOpen);
    }

    static boolean isOpen(ResultSet result) {
        try {
            return !result.isClosed();
        } catch (SQLException e) {
            return false;
        }
    }

    /** Closes what is open on the lane; statements are prepared again when they are used again. */
    void closeStatements(String reason) {
        statements.forEach(statement -> statement.release(reason));
        metadataResults.forEach(result -> result.end(reason));
        metadataResults.clear();
        session.lookWhatIsOpen();
    }

    /**
     * Closes the results of statements that write: with one of them SQLite ends neither savepoint nor transaction, and what they did before a
     * transaction would belong to it.
     */
    void closeWriting() {
        statements.forEach(statement -> statement.releaseWriting(ResultView.ENDED));
    }

    void end() {
        closeStatements(ResultView.CLOSED);
        statements.clear();
        closed = true;
        session.readOnly().set(false);
    }

    /** The user has closed a result. */
    void closed(ResultView result, @Nullable StatementView statement) {
        if (statement == null) {
            metadataResults.remove(result);
        } else {
            statement.closed(result);
        }
        session.lookWhatIsOpen();
    }

    static void closeQuietly(AutoCloseable resource) {
        try {
            resource.close();
        } catch (Exception e) {
            // It is the driver's to forget; what stays open is closed with the connection.
        }
    }

    void forget(StatementView statement) {
        statements.remove(statement);
    }

    // ---- proxies

    /** An invocation handler that may throw what it likes. */
    interface Calls {
        @Nullable
        Object invoke(Method method, @Nullable Object[] arguments) throws Throwable;
    }

    static <T> T proxy(Class<T> type, Calls calls) {
        return type.cast(Proxy.newProxyInstance(
                JdbcView.class.getClassLoader(), new Class<?>[] {type}, (self, method, given) -> {
                    @Nullable Object[] arguments = given == null ? new Object[0] : given;
                    if (method.getDeclaringClass() == Object.class) {
                        switch (method.getName()) {
                            case "equals":
                                return self == arguments[0];
                            case "hashCode":
                                return System.identityHashCode(self);
                            default:
                                return "sqlitepool " + type.getSimpleName() + "@"
                                        + Integer.toHexString(System.identityHashCode(self));
                        }
                    }
                    boolean wraps = method.getDeclaringClass() == Wrapper.class
                            && ((Class<?>) Objects.requireNonNull(arguments[0])).isInstance(self);
                    if (wraps) {
                        return method.getName().equals("unwrap") ? self : (Object) true;
                    }
                    return calls.invoke(method, arguments);
                }));
    }

    static @Nullable Object call(Object target, Method method, @Nullable Object[] arguments) throws Throwable {
        try {
            return method.invoke(target, arguments);
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }

    // ---- Connection

    private @Nullable Object onConnection(Method method, @Nullable Object[] arguments) throws Throwable {
        switch (method.getName()) {
            case "close":
                closed = true;
                closeStatements(ResultView.CLOSED);
                session.readOnly().set(false); // the work goes on without this view
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
                StatementView statement = new StatementView(this, method, arguments);
                statements.add(statement);
                return statement.proxy();
            case "getAutoCommit":
                return autoCommit;
            case "setAutoCommit":
                setAutoCommit((Boolean) Objects.requireNonNull(arguments[0]));
                return null;
            case "commit":
                finish("COMMIT");
                return null;
            case "rollback":
                if (arguments.length == 0) {
                    finish("ROLLBACK");
                } else {
                    rollbackTo(savepoint(arguments[0]));
                }
                return null;
            case "setSavepoint":
                return setSavepoint(arguments.length == 0 ? null : (String) arguments[0]);
            case "releaseSavepoint":
                releaseSavepoint(savepoint(arguments[0]));
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
        return call(lane().engine().connection(), method, arguments);
    }

    private Lane lane() throws SQLException {
        return session.ready("SELECT 1", Verb.READ);
    }

    private @Nullable Object unwrap(Class<?> type) throws SQLException {
        Connection driver = session.commits().handOut().engine().unwrapped();
        return type.isInstance(driver) ? driver : driver.unwrap(type);
    }

    /** Asks the lane that the session has at that moment. */
    private DatabaseMetaData metadata(Method maker) throws Throwable {
        delegate(maker, new Object[0]); // errors are found now
        return proxy(DatabaseMetaData.class, (method, arguments) -> {
            requireOpen();
            session.requireAlive();
            if (method.getName().equals("getConnection")) {
                return proxy;
            }
            if (method.getName().equals("unwrap")) {
                session.commits().handOut();
            }
            Object answer = method.getReturnType() == ResultSet.class
                    ? session.statements()
                            .<Object, Throwable>attempt(
                                    lane(), Verb.READ, null, lane -> ofSchema(lane, maker, method, arguments))
                    : call(Objects.requireNonNull(delegate(maker, new Object[0])), method, arguments);
            if (answer instanceof ResultSet result) {
                metadataResults.forEach(other -> other.giveWay(result));
                metadataResults.removeIf(ResultView::isClosed);
                ResultView made = new ResultView(this, null, result);
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
        Object driver = call(lane.engine().connection(), maker, new Object[0]);
        return Objects.requireNonNull(call(Objects.requireNonNull(driver), method, arguments));
    }

    /** The driver answers with its own statement or result: as what was asked for, since that would lead to its connection. */
    @Nullable
    Object answer(@Nullable Object given, Method method) {
        Class<?> type = method.getReturnType();
        boolean itself = type == ResultSetMetaData.class || type == ParameterMetaData.class;
        if (given == null || !itself) {
            return given;
        }
        return proxy(type, (called, arguments) -> {
            if (called.getName().equals("unwrap")) {
                session.commits().handOut();
            }
            return call(given, called, arguments);
        });
    }

    // ---- transactions

    /** Called before a statement runs: JDBC begins a transaction with it when autocommit is off. */
    void beginIfNeeded() throws SQLException {
        if (!autoCommit
                && session.form() == Form.CONNECTION
                && !session.transaction().isOpen()) {
            closeWriting();
            session.ready(readOnly ? "SELECT 1" : "BEGIN", readOnly ? Verb.READ : Verb.BEGIN);
            session.forms().begin(!readOnly);
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
            finish("COMMIT");
        }
        autoCommit = wanted;
    }

    private void finish(String sql) throws SQLException {
        String method = sql.toLowerCase(Locale.ROOT) + "()";
        refuseInside(method);
        if (autoCommit) {
            throw new SQLException(method + " needs setAutoCommit(false) before.", "25000");
        }
        if (session.transaction().isOpen()) {
            Lane own = Objects.requireNonNull(session.lane());
            if (sql.equals("COMMIT") && session.commits().givesBack(own)) {
                closeStatements(ResultView.COMMITTED);
            }
            session.statements().run(sql, new Object[0], null, false);
        }
    }

    private void setReadOnly(boolean wanted) throws SQLException {
        if (wanted == readOnly) {
            return;
        }
        refuseInside("setReadOnly(" + wanted + ")");
        if (session.transaction().isOpen()) {
            throw new SQLException("setReadOnly is refused inside a transaction; end it first.", "25001");
        }
        readOnly = wanted;
        session.readOnly().set(wanted);
    }

    /** A savepoint of this view. */
    private static final class View implements Savepoint {
        private final Mark mark;
        private final @Nullable String name;

        View(Mark mark, @Nullable String name) {
            this.mark = mark;
            this.name = name;
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

    private static Mark savepoint(@Nullable Object given) throws SQLException {
        if (given instanceof View view) {
            return view.mark;
        }
        throw new SQLException("This savepoint was not set on this connection.", "3B001");
    }

    private Savepoint setSavepoint(@Nullable String name) throws SQLException {
        if (autoCommit) {
            throw new SQLException("setSavepoint() needs setAutoCommit(false) before.", "25000");
        }
        beginIfNeeded();
        return new View(session.transaction().savepoint(lane(), false), name);
    }

    private void releaseSavepoint(Mark savepoint) throws SQLException {
        Lane lane = lane();
        session.transaction().requireOpen(savepoint);
        closeWriting();
        session.transaction().userReleases(lane, savepoint);
    }

    private void rollbackTo(Mark savepoint) throws SQLException {
        Lane lane = lane();
        session.transaction().requireOpen(savepoint);
        closeWriting();
        session.transaction().userRollsBackTo(lane, savepoint);
    }

    static boolean returnsKeys(@Nullable Object[] arguments) {
        if (arguments.length < 2) {
            return false;
        }
        Object wish = arguments[arguments.length - 1];
        return arguments.length == 2
                && (wish instanceof Integer number ? number == Statement.RETURN_GENERATED_KEYS : true);
    }
}
