package dev.sqlitepool.internal.engine;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.SQLTimeoutException;
import java.sql.Savepoint;
import java.util.ArrayDeque;
import java.util.Deque;
import org.jspecify.annotations.Nullable;

/**
 * Any JDBC driver, through nothing but JDBC. Errors are told apart by SQLSTATE. Owned by the lane's owner; {@link
 * #interrupt} by any thread.
 */
public final class JdbcEngine implements Engine {
    private final Connection connection;
    private final Deque<Savepoint> savepoints = new ArrayDeque<>();
    /** The statement that {@link #interrupt} cancels. */
    private volatile @Nullable PreparedStatement running;

    /** Over an open connection. */
    public JdbcEngine(Connection connection) {
        this.connection = connection;
    }

    @Override
    public Connection connection() {
        return connection;
    }

    @Override
    public Connection opened() {
        return connection;
    }

    @Override
    public Prepared prepare(String sql) throws SQLException {
        PreparedStatement statement = connection.prepareStatement(sql);
        running = statement;
        return new JdbcPrepared(statement) {
            @Override
            public void start(@Nullable Object[] values) throws SQLException {
                running = statement;
                super.start(values);
            }
        };
    }

    @Override
    public void begin(boolean write) throws SQLException {
        connection.setAutoCommit(false);
    }

    @Override
    public void commit(boolean stay) throws SQLException {
        connection.commit();
        connection.setAutoCommit(true);
    }

    @Override
    public void rollback() throws SQLException {
        savepoints.clear();
        if (!connection.getAutoCommit()) {
            connection.rollback();
            connection.setAutoCommit(true);
        }
    }

    @Override
    public void savepoint(int level) throws SQLException {
        while (savepoints.size() >= level) {
            savepoints.pop(); // of a transaction that has ended
        }
        savepoints.push(connection.setSavepoint());
    }

    /** The savepoint of the level; those inside it end. */
    private static Savepoint savepoint(int level, Deque<Savepoint> open) throws SQLException {
        if (open.size() < level) {
            throw new SQLException("This savepoint has ended already.", "3B001");
        }
        while (open.size() > level) {
            open.pop();
        }
        return open.element();
    }

    @Override
    public void rollbackTo(int level) throws SQLException {
        connection.rollback(savepoint(level, savepoints));
    }

    @Override
    public void release(int level) throws SQLException {
        Savepoint released = savepoint(level, savepoints);
        savepoints.pop();
        connection.releaseSavepoint(released);
    }

    @Override
    public boolean inTransaction() throws SQLException {
        return !connection.getAutoCommit();
    }

    @Override
    public void refuseWrites(boolean refuse) throws SQLException {
        connection.setReadOnly(refuse);
    }

    @Override
    public void interrupt() {
        PreparedStatement target = running;
        if (target != null) {
            try {
                target.cancel();
            } catch (SQLException e) {
                // Not cancellable now; the caller repeats until the owner has left.
            }
        }
    }

    @Override
    public Failure failure(SQLException error) {
        String state = error.getSQLState() == null ? "" : error.getSQLState();
        if (error instanceof SQLTimeoutException || state.equals("57014")) {
            return Failure.INTERRUPTED;
        }
        if (state.equals("25006")) {
            return Failure.READ_ONLY;
        }
        if (state.startsWith("23")
                || state.startsWith("40") && !state.equals("40003")) { // integrity; the engine has rolled back
            return Failure.CONSTRAINT;
        }
        boolean broken = state.equals("40003") // completion unknown
                || state.startsWith("08")
                || state.startsWith("53")
                || state.startsWith("58")
                || isClosed();
        return broken ? Failure.DOUBTFUL : Failure.ORDINARY;
    }

    @Override
    public boolean probe() {
        try {
            return connection.isValid(5);
        } catch (SQLException e) {
            return false;
        }
    }

    @Override
    public boolean isClosed() {
        try {
            return connection.isClosed();
        } catch (SQLException e) {
            return true;
        }
    }

    @Override
    public Connection unwrapped() {
        return connection;
    }

    @Override
    public void close() throws SQLException {
        connection.close();
    }
}
