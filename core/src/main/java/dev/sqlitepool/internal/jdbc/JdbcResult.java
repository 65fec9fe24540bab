package dev.sqlitepool.internal.jdbc;

import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.session.JdbcView;
import dev.sqlitepool.internal.session.Session;
import dev.sqlitepool.internal.sql.Verb;
import java.lang.reflect.Method;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A result of JDBC as the user sees it. Owned by the session's owner.
 *
 * <p><b>Invariant: it never answers that there are no more rows unless the statement has said so.</b> The driver answers {@code false} to
 * {@code next()} on a result that is closed, and has one and the same result for all runs of a statement. So what has closed a result is
 * noted here, and from then on every use fails and says why.
 */
final class JdbcResult {
    static final String RUN_AGAIN = "its statement was used again";
    static final String ENDED =
            "its statement writes, and since then a transaction has begun, or a savepoint or a transaction has ended";
    static final String FAILED = "reading it has failed";

    private final JdbcConnection view;
    private final Session session;
    private final @Nullable JdbcStatement statement;
    private final ResultSet driver;
    private final ResultSet proxy;
    /** The statement has no more rows. */
    private boolean finished;
    /** The driver has said so because of {@code setMaxRows}, and SQLite may know of more. */
    private boolean cutOff;

    private @Nullable String closedBy;

    /**
     * A result that is open.
     *
     * @param statement whose it is; null for one of metadata, which leads to no statement, as JDBC allows, since that would lead to the
     *     driver's connection
     */
    JdbcResult(JdbcConnection view, @Nullable JdbcStatement statement, ResultSet driver) {
        this.view = view;
        this.session = view.session();
        this.statement = statement;
        this.driver = driver;
        this.proxy = JdbcProxy.of(ResultSet.class, this::onResult);
    }

    ResultSet proxy() {
        return proxy;
    }

    /** Whether there may be more rows. */
    boolean isOpen() {
        return !finished && !isClosed();
    }

    /** Whether SQLite may stand on one of its rows. */
    boolean standsOnRow() {
        return (!finished || cutOff) && !isClosed();
    }

    boolean isClosed() {
        if (closedBy == null && isClosed(driver)) {
            closedBy = RUN_AGAIN; // the driver does so when its statement gets a batch, or is asked for more results
        }
        return closedBy != null;
    }

    private static boolean isClosed(ResultSet driver) {
        try {
            return driver.isClosed();
        } catch (SQLException e) {
            return true;
        }
    }

    /** Closes it. Later calls fail with the reason. */
    void end(String reason) {
        if (!isClosed()) {
            closedBy = reason;
            JdbcProxy.closeQuietly(driver);
        }
    }

    /** The driver has given the same result again, for another run. */
    void giveWay(ResultSet again) {
        if (driver == again && closedBy == null) {
            closedBy = RUN_AGAIN;
        }
    }

    /** The error of a call on a closed result. */
    static SQLException closed(String reason) {
        return new SQLException(
                "This result is closed: " + reason
                        + ". Its rows may not all have been read; read them to the end before.",
                "24000");
    }

    private @Nullable Object onResult(Method method, @Nullable Object[] arguments) throws Throwable {
        switch (method.getName()) {
            case "close":
                close();
                return null;
            case "isClosed":
                return isClosed();
            default:
        }
        session.requireAlive();
        if (isClosed()) {
            throw closed(Objects.requireNonNull(closedBy));
        }
        switch (method.getName()) {
            case "getStatement":
                return statement == null ? null : statement.proxy();
            case "next":
                return next(method, arguments);
            case "unwrap":
                session.handOut();
                break;
            default:
        }
        return view.answer(JdbcProxy.call(driver, method, arguments), method);
    }

    private void close() throws SQLException {
        if (isClosed()) {
            return;
        }
        closedBy = JdbcView.CLOSED;
        try {
            driver.close();
        } finally {
            view.closed(this, statement);
        }
    }

    private @Nullable Object next(Method method, @Nullable Object[] arguments) throws Throwable {
        Lane lane = Objects.requireNonNull(session.lane());
        if (statement != null) {
            statement.isExecuting(true);
        }
        lane.interrupts().beginStatement(statement == null ? 0 : statement.timeoutNanos());
        try {
            Object answer = JdbcProxy.call(driver, method, arguments);
            if (Objects.equals(answer, false)) {
                finished = true;
                cutOff = statement != null && driver.getStatement().getMaxRows() > 0;
                session.lookWhatIsOpen();
            }
            return answer;
        } catch (SQLException e) {
            SQLException explained = lane.interrupts().explained(e);
            end(FAILED); // the driver would begin again with the first row
            throw session.statements().failed(lane, explained, Verb.READ);
        } finally {
            if (statement != null) {
                statement.isExecuting(false);
            }
            lane.interrupts().endStatement();
        }
    }
}
