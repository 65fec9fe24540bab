package dev.sqlitepool.internal.session;

import dev.sqlitepool.Row;
import dev.sqlitepool.RowCursor;
import dev.sqlitepool.RowMapper;
import dev.sqlitepool.SqlAction;
import dev.sqlitepool.SqlWork;
import dev.sqlitepool.Transaction;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.sql.Lexer;
import dev.sqlitepool.internal.sql.SqlText;
import dev.sqlitepool.internal.sql.Values;
import dev.sqlitepool.internal.telemetry.Words;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A session as the user's work sees it. Owned by the session's owner. */
final class SessionConnection implements Transaction {
    private final Session session;
    private boolean rollbackOnly;

    SessionConnection(Session session) {
        this.session = session;
    }

    @Override
    public <T> List<T> query(String sql, RowMapper<? extends T> mapper, Object... parameters) throws SQLException {
        return session.statements.collect(
                SqlText.of(sql), Objects.requireNonNull(mapper, "mapper"), Values.encode(parameters));
    }

    @Override
    public <T> Optional<T> queryOne(String sql, RowMapper<? extends T> mapper, Object... parameters)
            throws SQLException {
        return session.statements.collectOne(
                SqlText.of(sql), Objects.requireNonNull(mapper, "mapper"), Values.encode(parameters));
    }

    @Override
    public <X extends Exception> void forEach(String sql, SqlAction<? super Row, X> action, Object... parameters)
            throws SQLException, X {
        session.statements.run(
                SqlText.of(sql), Values.encode(parameters), Objects.requireNonNull(action, "action"), true);
    }

    @Override
    public <T> RowCursor<T> cursor(String sql, RowMapper<? extends T> mapper, Object... parameters)
            throws SQLException {
        session.requireAlive();
        return Cursor.ofWork(
                session, SqlText.of(sql), Objects.requireNonNull(mapper, "mapper"), Values.encode(parameters));
    }

    @Override
    public void statementTimeout(Duration timeout) {
        if (timeout.isZero() || timeout.isNegative()) {
            throw new IllegalArgumentException(
                    "statementTimeout was " + Words.time(timeout) + "; it must be positive.");
        }
        session.statementTimeout(Settings.nanos(timeout));
    }

    @Override
    public long execute(String sql, Object... parameters) throws SQLException {
        return session.statements.run(SqlText.of(sql), Values.encode(parameters), null, false);
    }

    @Override
    public void executeScript(String script) throws SQLException {
        session.requireAlive();
        for (String statement : Lexer.split(script)) {
            session.statements.run(SqlText.of(statement), new Object[0], null, false);
        }
    }

    @Override
    public long[] executeBatch(String sql, Collection<? extends Object[]> rows) throws SQLException {
        @Nullable Object[][] values = Values.encodeRows(rows);
        SqlText text = SqlText.of(sql);
        session.readyToWrite(text);
        return session.transaction.isOpen()
                ? session.transaction.savepoints().nested(session.own(), () -> session.statements.runAll(text, values))
                : session.atomically(() -> session.statements.runAll(text, values));
    }

    @Override
    public <T, X extends Exception> T savepoint(SqlWork<? super Transaction, ? extends T, X> work)
            throws SQLException, X {
        requireTransaction("savepoint");
        return session.transaction.savepoints().nested(session.own(), () -> work.apply(this));
    }

    @Override
    public void rollbackOnly() {
        requireTransaction("rollbackOnly");
        rollbackOnly = true;
    }

    /** Whether the work wants its transaction rolled back. */
    boolean isRollbackOnly() {
        return rollbackOnly;
    }

    @Override
    public void afterCommit(Runnable hook) {
        Objects.requireNonNull(hook, "hook");
        requireTransaction("afterCommit");
        session.transaction.hooks().add(hook);
    }

    private void requireTransaction(String method) {
        session.requireAlive();
        if (session.form() != Form.TRANSACTION) {
            throw new IllegalStateException(method + " is for the function of transaction(…).");
        }
    }

    /** The commit of a lease, whose next work goes on with the same session. */
    void commit() throws SQLException {
        session.userCommits();
    }

    @Override
    public Connection jdbc() {
        return session.jdbc();
    }
}
