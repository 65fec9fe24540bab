package dev.sqlitepool.internal.lane;

import dev.sqlitepool.Row;
import dev.sqlitepool.RowCursor;
import dev.sqlitepool.RowMapper;
import dev.sqlitepool.SqlAction;
import dev.sqlitepool.SqlWork;
import dev.sqlitepool.Transaction;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.lane.Work.Form;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A session as the user's work sees it. Owned by the session's owner. */
final class SessionConnection implements Transaction {
    private final Session session;

    SessionConnection(Session session) {
        this.session = session;
    }

    long change(String sql, @Nullable Object[] values) throws SQLException {
        return session.statements().run(sql, values, null, false);
    }

    long[] runAll(String sql, @Nullable Object[][] rows) throws SQLException {
        long[] changes = new long[rows.length];
        for (int i = 0; i < rows.length; i++) {
            changes[i] = session.statements().run(sql, rows[i], null, false);
        }
        return changes;
    }

    <T> List<T> collect(String sql, RowMapper<? extends T> mapper, @Nullable Object[] values) throws SQLException {
        List<T> mapped = new ArrayList<>();
        session.statements().run(sql, values, row -> mapped.add(mapper.map(row)), true);
        return mapped;
    }

    <T> Optional<T> collectOne(String sql, RowMapper<? extends T> mapper, @Nullable Object[] values)
            throws SQLException {
        Single<T> single = new Single<>(mapper);
        session.statements().run(sql, values, single, true);
        return Optional.ofNullable(single.mapped);
    }

    /** Takes one row at most. */
    private static final class Single<T> implements SqlAction<Row, SQLException> {
        private final RowMapper<? extends T> mapper;
        private @Nullable T mapped;
        private boolean taken;

        Single(RowMapper<? extends T> mapper) {
            this.mapper = mapper;
        }

        @Override
        public void accept(Row row) throws SQLException {
            if (taken) {
                throw new SQLException("The statement returned a second row; queryOne takes one at most.", "21000");
            }
            taken = true;
            mapped = mapper.map(row);
        }
    }

    @Override
    public <T> List<T> query(String sql, RowMapper<? extends T> mapper, Object... parameters) throws SQLException {
        return collect(sql, Objects.requireNonNull(mapper, "mapper"), Values.encode(parameters));
    }

    @Override
    public <T> Optional<T> queryOne(String sql, RowMapper<? extends T> mapper, Object... parameters)
            throws SQLException {
        return collectOne(sql, Objects.requireNonNull(mapper, "mapper"), Values.encode(parameters));
    }

    @Override
    public <X extends Exception> void forEach(String sql, SqlAction<? super Row, X> action, Object... parameters)
            throws SQLException, X {
        session.statements().run(sql, Values.encode(parameters), Objects.requireNonNull(action, "action"), true);
    }

    @Override
    public <T> RowCursor<T> cursor(String sql, RowMapper<? extends T> mapper, Object... parameters)
            throws SQLException {
        session.requireAlive();
        return new WorkCursor<>(session, sql, Objects.requireNonNull(mapper, "mapper"), Values.encode(parameters));
    }

    @Override
    public void statementTimeout(Duration timeout) {
        if (timeout.isZero() || timeout.isNegative()) {
            throw new IllegalArgumentException("statementTimeout was " + timeout + "; it must be positive.");
        }
        session.statementTimeout(Settings.nanos(timeout));
    }

    @Override
    public long execute(String sql, Object... parameters) throws SQLException {
        return session.statements().run(sql, Values.encode(parameters), null, false);
    }

    @Override
    public void executeScript(String script) throws SQLException {
        session.requireAlive();
        for (String statement : SqlText.split(script)) {
            session.statements().run(statement, new Object[0], null, false);
        }
    }

    @Override
    public long[] executeBatch(String sql, Collection<? extends Object[]> rows) throws SQLException {
        @Nullable Object[][] values = Values.encodeRows(rows);
        session.readyToWrite(sql);
        return session.transaction().isOpen()
                ? session.forms().nested(() -> runAll(sql, values))
                : session.forms().atomically(() -> runAll(sql, values));
    }

    @Override
    public <T, X extends Exception> T savepoint(SqlWork<? super Transaction, ? extends T, X> work)
            throws SQLException, X {
        requireTransaction("savepoint");
        return session.forms().nested(() -> work.apply(this));
    }

    @Override
    public void rollbackOnly() {
        requireTransaction("rollbackOnly");
        session.transaction().rollbackOnly();
    }

    @Override
    public void afterCommit(Runnable hook) {
        Objects.requireNonNull(hook, "hook");
        requireTransaction("afterCommit");
        session.transaction().afterCommit(hook);
    }

    private void requireTransaction(String method) {
        session.requireAlive();
        if (session.form() != Form.TRANSACTION) {
            throw new IllegalStateException(method + " is for the function of transaction(…).");
        }
    }

    @Override
    public Connection jdbc() {
        return session.results().view().connection();
    }
}
