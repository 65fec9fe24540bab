package dev.sqlitepool.internal.session;

import dev.sqlitepool.Row;
import dev.sqlitepool.RowMapper;
import dev.sqlitepool.SqlAction;
import dev.sqlitepool.internal.Patience;
import dev.sqlitepool.internal.engine.Engine.Failure;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.sql.SqlText;
import dev.sqlitepool.internal.sql.Verb;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Runs the statements of a session: repeats, moves, and draws the conclusions from errors. Owned by the session's owner. */
public final class Statements {
    private final Session session;
    private final TransactionScope transaction;
    /** The error of a read lane that refused the statement because it writes, before anything of it had happened. */
    private @Nullable SQLException refused;

    Statements(Session session, TransactionScope transaction) {
        this.session = session;
        this.transaction = transaction;
    }

    /** A work begins. */
    void begin() {
        refused = null;
    }

    /** Whether that is the error with which a read lane has refused a statement of the function. */
    boolean wasRefused(Throwable error) {
        return error == refused;
    }

    /** Hands rows on, and remembers whether an error came from the sink or from the statement. */
    private static final class Delivery<X extends Exception> implements SqlAction<Row, X> {
        private final SqlAction<? super Row, X> sink;
        private boolean begun;
        private boolean inside;

        Delivery(SqlAction<? super Row, X> sink) {
            this.sink = sink;
        }

        @Override
        public void accept(Row row) throws SQLException, X {
            begun = true;
            inside = true;
            sink.accept(row);
            inside = false;
        }
    }

    /** One attempt to run a statement on a lane. */
    public interface Attempt<T, X extends Throwable> {
        T on(Lane lane) throws SQLException, X;
    }

    /** Runs a statement whose rows nobody is given as long as it runs; see the other. */
    public <T, X extends Throwable> T attempt(Lane first, Verb verb, Attempt<? extends T, X> statement)
            throws SQLException, X {
        return attempt(first, verb, null, statement);
    }

    /**
     * Runs a statement that has passed {@link Session#ready}: repeats it while another process holds the database and nothing has
     * happened yet, moves it to the write lane if SQLite refuses it on a read lane before it has given a row, and draws the conclusions
     * from any other error. What the sink throws, which may come from another database, is no error of the statement.
     */
    private <T, X extends Throwable> T attempt(
            Lane first, Verb verb, @Nullable Delivery<?> delivery, Attempt<? extends T, X> statement)
            throws SQLException, X {
        try {
            return repeated(first, verb, delivery, statement);
        } catch (Throwable e) {
            if (verb.begins()) {
                session.notBegun();
            }
            throw e;
        }
    }

    private <T, X extends Throwable> T repeated(
            Lane first, Verb verb, @Nullable Delivery<?> delivery, Attempt<? extends T, X> statement)
            throws SQLException, X {
        Lane current = first;
        Patience patience = transaction.patience();
        while (true) {
            SQLException error;
            session.running(1);
            try {
                return statement.on(current);
            } catch (SQLException e) {
                if (delivery != null && delivery.inside) {
                    throw e;
                }
                error = e;
            } catch (RuntimeException | Error e) {
                if (delivery == null || !delivery.inside) {
                    transaction.broke(current, e, verb);
                }
                throw e;
            } finally {
                session.running(-1);
            }
            Failure failure = current.failure(error);
            boolean unread = delivery == null || !delivery.begun;
            boolean repeatable = unread && (!transaction.isOpen() || transaction.takesLocksAsItGoes() || ends(verb));
            if (failure == Failure.BUSY && repeatable && patience.isLeft()) {
                session.requireTicket();
                patience.park();
                continue;
            }
            Lane moved = failure == Failure.READ_ONLY && unread ? session.moveToWrite(current) : null;
            if (moved == null) {
                throw conclusion(current, error, verb, failure == Failure.READ_ONLY, unread);
            }
            current = moved;
        }
    }

    private SQLException conclusion(Lane current, SQLException error, Verb verb, boolean writes, boolean unread) {
        if (writes && unread) {
            refused = error;
        }
        SQLException failed = withHint(current, failed(current, error, verb));
        return writes && session.readOnly.isOn() ? session.readOnly.error("This statement", failed) : failed;
    }

    /** SQLite says only that something is unsafe, and not what decides on it. */
    private static SQLException withHint(Lane lane, SQLException error) {
        String message = String.valueOf(error.getMessage());
        return message.contains("unsafe use of ")
                ? lane.engine()
                        .said(
                                error,
                                message
                                        + ". With trusted_schema=OFF, which the pool sets, a view, trigger, index, default or check of the schema"
                                        + " may not use a function or virtual table that might do harm. If nobody else can change the schema, set"
                                        + " pragma(\"trusted_schema\", \"ON\") of the builder.")
                : error;
    }

    /** Whether the statement leaves the transaction open when somebody holds the database, so that it may be ended again. */
    private static boolean ends(Verb verb) {
        return verb.ends() || verb == Verb.RELEASE;
    }

    /** Draws the conclusions from an error; an interrupt stays with the connection as long as anything is open, results of JDBC too. */
    public SQLException failed(Lane lane, SQLException error, Verb verb) {
        if (lane.failure(error) == Failure.INTERRUPTED) {
            session.results.closeThoseOfJdbc(JdbcView.INTERRUPTED);
        }
        return transaction.failed(lane, error, verb);
    }

    /** Runs a statement to its end; see {@link Lane#run}. */
    public <X extends Exception> long run(
            SqlText sql, @Nullable Object[] values, @Nullable SqlAction<? super Row, X> sink, boolean needsRows)
            throws SQLException, X {
        Verb verb = sql.verb();
        Lane first = session.ready(sql, verb);
        if (verb.ends() && transaction.isLost()) {
            transaction.endLost(first, verb == Verb.ROLLBACK);
            return 0;
        }
        SqlText text = sql.immediate();
        Delivery<X> delivery = sink == null ? null : new Delivery<>(sink);
        long changes = this.<Long, X>attempt(first, verb, delivery, current -> {
            transaction.willRun(current, text, verb);
            return current.run(text, values, delivery, needsRows);
        });
        session.succeeded(Objects.requireNonNull(session.lane), verb);
        return changes;
    }

    // ---- the shapes of data

    long change(SqlText sql, @Nullable Object[] values) throws SQLException {
        return run(sql, values, null, false);
    }

    long[] runAll(SqlText sql, @Nullable Object[][] rows) throws SQLException {
        long[] changes = new long[rows.length];
        for (int i = 0; i < rows.length; i++) {
            try {
                changes[i] = run(sql, rows[i], null, false);
            } catch (SQLException e) {
                throw inBatch(e, i + 1, rows.length);
            }
        }
        return changes;
    }

    /** The error of one row, which the message names. The pool itself needs one with which a read lane has refused the statement unchanged. */
    private SQLException inBatch(SQLException error, int row, int rows) {
        Lane lane = session.lane;
        return lane == null || rows == 1 || wasRefused(error)
                ? error
                : lane.engine().said(error, error.getMessage() + " (row " + row + " of " + rows + " of the batch)");
    }

    <T> List<T> collect(SqlText sql, RowMapper<? extends T> mapper, @Nullable Object[] values) throws SQLException {
        List<T> mapped = new ArrayList<>();
        run(sql, values, row -> mapped.add(mapper.map(row)), true);
        return mapped;
    }

    <T> Optional<T> collectOne(SqlText sql, RowMapper<? extends T> mapper, @Nullable Object[] values)
            throws SQLException {
        Single<T> single = new Single<>(mapper);
        run(sql, values, single, true);
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
}
