package dev.sqlitepool.stress;

import dev.sqlitepool.Access;
import dev.sqlitepool.ConnectionFactory;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Properties;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;

/** A driver that is plain JDBC, of which the n-th call fails, once. Thread-safe. */
final class Failing implements ConnectionFactory {
    private static final String OUTCOME_UNKNOWN = "08007";
    private static final String GENERAL = "HY000";

    private static final Set<Class<?>> WRAPPED =
            Set.of(Connection.class, PreparedStatement.class, Statement.class, ResultSet.class);

    private final Path database;
    private final int nth;
    private final boolean after;
    private final AtomicInteger calls = new AtomicInteger();
    private final Queue<Connection> opened = new ConcurrentLinkedQueue<>();
    private volatile String struck;

    /**
     * Nothing has failed yet.
     *
     * @param after whether the call that fails does what it should, and says by its SQLSTATE that nobody knows
     */
    Failing(Path database, int nth, boolean after) {
        this.database = database;
        this.nth = nth;
        this.after = after;
    }

    /** The call that has failed, null if there were not so many. */
    String struck() {
        return struck;
    }

    /** How many connections nobody has closed. */
    int stillOpen() throws SQLException {
        int open = 0;
        for (Connection connection : opened) {
            open += connection.isClosed() ? 0 : 1;
        }
        return open;
    }

    @Override
    public Connection open(Access access) throws SQLException {
        if (isTurn()) {
            throw failure("open");
        }
        Properties properties = new Properties();
        properties.setProperty("open_mode", access == Access.READ ? "1" : "2");
        Connection connection = DriverManager.getConnection("jdbc:sqlite:" + database, properties);
        opened.add(connection);
        return (Connection) wrapped(Connection.class, connection);
    }

    private boolean isTurn() {
        return calls.incrementAndGet() == nth;
    }

    private SQLException failure(String call) {
        struck = call;
        return new SQLException("The call of " + call + " fails on purpose.", after ? OUTCOME_UNKNOWN : GENERAL);
    }

    /** By the declared type: the objects of the driver are of several. */
    private Object wrapped(Class<?> type, Object result) {
        return result == null || !WRAPPED.contains(type)
                ? result
                : Proxy.newProxyInstance(
                        Failing.class.getClassLoader(),
                        new Class<?>[] {type},
                        (proxy, method, arguments) -> called(proxy, result, method, arguments));
    }

    /** What closes does close, even if it fails. */
    private Object called(Object proxy, Object target, Method method, Object[] arguments) throws Throwable {
        String name = method.getName();
        if (method.getDeclaringClass() == Object.class) {
            return switch (name) {
                case "equals" -> proxy == arguments[0];
                case "hashCode" -> System.identityHashCode(proxy);
                default -> "failing " + target;
            };
        }
        boolean fails = method.getExceptionTypes().length > 0 && isTurn();
        if (fails && !after && !name.equals("close")) {
            throw failure(name);
        }
        Object result;
        try {
            result = name.equals("isWrapperFor") ? (Object) false : method.invoke(target, arguments);
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
        if (fails) {
            if (result instanceof Statement lost) {
                lost.close();
            }
            throw failure(name);
        }
        if (result instanceof ResultSetMetaData columns
                && target instanceof PreparedStatement
                && !hasColumns(columns)) {
            return null; // as JDBC has it
        }
        return wrapped(method.getReturnType(), result);
    }

    /** Of a statement without columns sqlite-jdbc refuses to tell how many there are. */
    private static boolean hasColumns(ResultSetMetaData columns) {
        try {
            return columns.getColumnCount() > 0;
        } catch (SQLException e) {
            return false;
        }
    }
}
