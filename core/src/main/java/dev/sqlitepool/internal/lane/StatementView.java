package dev.sqlitepool.internal.lane;

import dev.sqlitepool.internal.lane.Lane.Ticket;
import dev.sqlitepool.internal.lane.Work.Form;
import java.lang.reflect.Method;
import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A JDBC statement of a {@link JdbcView}, made on the session's lane when it is first needed, and made again, with the same
 * parameters, when the session has moved. Owned by the session's owner.
 */
final class StatementView {
    private final JdbcView view;
    private final Session session;
    private final Method maker;
    private final @Nullable Object[] making;
    private final @Nullable String preparedSql;
    private final boolean answersFromSchema;
    private final boolean keys;
    private final Statement proxy;
    private final StatementCalls calls = new StatementCalls();
    /** Those of the last run that are not closed. */
    private final List<ResultView> results = new ArrayList<>(1);
    /** Stands on no table, so nothing waits for it. */
    private @Nullable ResultView keysResult;
    /** Of the row that the last run inserted; null if it inserted none. */
    private @Nullable Long key;
    /** The last run has a result that nobody has asked for yet. */
    private boolean unasked;
    /** What has closed it. */
    private @Nullable String unaskedClosedBy;
    /** The last run may have written. */
    private boolean writing;

    private boolean closesOnCompletion;

    /** It has run, and its result, its count or its keys may still be asked for. */
    private boolean mayBeAsked;

    private @Nullable Statement physical;
    private @Nullable Lane madeOn;
    private int timeoutSeconds;
    /** For whom this statement runs at this moment. */
    private volatile @Nullable Ticket executing;

    private boolean closed;

    StatementView(JdbcView view, Method maker, @Nullable Object[] making) throws Throwable {
        this.view = view;
        this.session = view.session();
        this.maker = maker;
        this.preparedSql =
                maker.getName().equals("createStatement") ? null : (String) Objects.requireNonNull(making[0]);
        this.making = preparedSql == null ? making : immediate(making, Verb.of(preparedSql));
        this.answersFromSchema = preparedSql != null && SqlText.answersFromSchema(preparedSql);
        this.keys = preparedSql != null && JdbcView.returnsKeys(making);
        Class<? extends Statement> type = maker.getName().equals("prepareCall")
                ? CallableStatement.class
                : preparedSql == null ? Statement.class : PreparedStatement.class;
        this.proxy = JdbcView.proxy(type, this::onStatement);
        if (preparedSql != null) {
            SqlText.requireSingle(preparedSql);
            // Errors in the text are found now, as JDBC users expect.
            session.statements().<Statement, Throwable>attempt(ready(), Verb.READ, null, this::physical);
        }
    }

    Statement proxy() {
        return proxy;
    }

    boolean hasOpenResults() {
        return results.stream().anyMatch(ResultView::isOpen);
    }

    /** Closes the physical statement; the next use makes another. */
    void release(String reason) {
        endResults(reason);
        mayBeAsked = false;
        if (physical != null) {
            JdbcView.closeQuietly(physical);
            physical = null;
        }
        session.lookWhatIsOpen();
    }

    private void endResults(String reason) {
        results.forEach(result -> result.end(reason));
        results.clear();
        if (keysResult != null) {
            keysResult.end(reason);
            keysResult = null;
        }
        if (unasked) {
            unasked = false;
            unaskedClosedBy = reason;
        }
    }

    /**
     * Closes a statement that writes and has not ended. It would keep SQLite from ending a savepoint or a transaction, and what it did in
     * autocommit mode would become part of a transaction that begins, and be undone with it.
     */
    void releaseWriting(String reason) {
        if (writing && (unasked || results.stream().anyMatch(ResultView::standsOnRow))) {
            release(reason);
        }
    }

    /** The user has closed a result. */
    void closed(ResultView result) {
        results.remove(result);
        if (closesOnCompletion && results.isEmpty() && result != keysResult) {
            close();
        }
    }

    private void close() {
        closed = true;
        release(ResultView.CLOSED);
        view.forget(this);
    }

    /** Whether {@code cancel} reaches what runs now. */
    void isExecuting(boolean runs) {
        executing = runs ? session.ticket() : null;
    }

    long timeoutNanos() {
        return TimeUnit.SECONDS.toNanos(timeoutSeconds);
    }

    /** For anything but a run. */
    private Lane ready() throws SQLException {
        if (preparedSql == null) {
            return session.ready("SELECT 1", Verb.READ);
        }
        Verb verb = Verb.of(preparedSql);
        // Where nothing may be written it is prepared all the same, and refused when it is run.
        boolean later = session.readOnly().isOn() && (verb == Verb.CHANGE || verb == Verb.SCHEMA);
        Lane lane = session.readyToPrepare(preparedSql, later ? Verb.READ : verb);
        session.commits().notBegun();
        return lane;
    }

    private Statement physical(Lane lane) throws Throwable {
        if (physical == null || madeOn != lane || physical.isClosed()) {
            release(madeOn == lane ? ResultView.FAILED : ResultView.MOVED);
            Connection connection = lane.engine().connection();
            if (answersFromSchema) {
                lane.engine().lookAtSchema();
            }
            Statement made = lane.engine().<Statement, Throwable>inCurrentSchema(() ->
                    (Statement) Objects.requireNonNull(JdbcView.call(connection, maker, making)));
            physical = made;
            madeOn = lane;
            calls.repeatOn(made);
        }
        return physical;
    }

    /** Made again, as it is in the schema of now, for a user who asks for its columns before it runs. */
    private Statement current(Lane lane) throws Throwable {
        lane.engine().lookAtSchema();
        return physical(lane);
    }

    private @Nullable Object onStatement(Method method, @Nullable Object[] arguments) throws Throwable {
        String name = method.getName();
        switch (name) {
            case "cancel":
                Ticket served = executing; // from any thread
                if (served != null) {
                    session.interrupt(served);
                }
                return null;
            case "close":
                close();
                return null;
            case "isClosed":
                return closed;
            default:
        }
        session.requireAlive();
        if (closed || view.isClosed()) {
            throw new SQLException("This statement is closed.", "HY010");
        }
        switch (name) {
            case "getMetaData":
                if (!mayBeAsked && results.isEmpty()) {
                    release(ResultView.RUN_AGAIN);
                    session.statements().<Statement, Throwable>attempt(ready(), Verb.READ, null, this::current);
                }
                break;
            case "getConnection":
                return view.connection();
            case "getQueryTimeout":
                return timeoutSeconds;
            case "setQueryTimeout":
                // The driver's own means patience with locks; ours interrupts.
                timeoutSeconds = (Integer) Objects.requireNonNull(arguments[0]);
                return null;
            case "closeOnCompletion": // the driver's would close its statement, which is not this one
                closesOnCompletion = true;
                return null;
            case "isCloseOnCompletion":
                return closesOnCompletion;
            case "getResultSet":
                if (unaskedClosedBy != null) {
                    throw ResultView.closed(unaskedClosedBy);
                }
                break;
            case "getMoreResults":
                unasked = false;
                break;
            case "getGeneratedKeys":
                Lane lane = session.ready("SELECT 1", Verb.READ);
                if (!lane.engine().driverTellsKeys()) {
                    return generatedKeys(lane);
                }
                break;
            case "unwrap":
                session.commits().handOut();
                break;
            default:
                if (name.startsWith("execute")) {
                    return execute(method, arguments);
                }
        }
        @Nullable Object[] given = StatementCalls.repeatable(method, arguments);
        Object answer = JdbcView.call(physical(ready()), method, given);
        calls.made(method, given);
        // The driver's own statement is the ResultSetMetaData too, and may be a ResultSet: go by what was asked for.
        boolean isResult = method.getReturnType() == ResultSet.class;
        if (isResult && answer instanceof ResultSet result) {
            unasked = false;
            return tracked(result).proxy();
        }
        return view.answer(answer, method);
    }

    /** The key of the last run, or an empty result, under the driver's name for it. */
    private ResultSet generatedKeys(Lane lane) throws SQLException {
        if (keysResult != null) {
            keysResult.end(ResultView.RUN_AGAIN);
        }
        Statement statement = lane.engine().connection().createStatement();
        String one = "SELECT " + (key == null ? 1 : key) + " AS \"last_insert_rowid()\"";
        ResultSet rows = statement.executeQuery(key == null ? one + " WHERE 0" : one);
        statement.closeOnCompletion();
        ResultView made = new ResultView(view, this, rows);
        keysResult = made;
        return made.proxy();
    }

    private @Nullable Object execute(Method method, @Nullable Object[] arguments) throws Throwable {
        List<String> texts = preparedSql != null
                ? List.of(preparedSql)
                : method.getName().endsWith("Batch")
                        ? calls.texts()
                        : List.of((String) Objects.requireNonNull(arguments[0]));
        boolean isBatch = method.getName().endsWith("Batch");
        boolean wantsKeys = keys || preparedSql == null && JdbcView.returnsKeys(arguments);
        if (writing && unasked) {
            release(ResultView.RUN_AGAIN); // before a transaction begins
        }
        endResults(ResultView.RUN_AGAIN); // as JDBC says, and before anything asks what is open
        session.lookWhatIsOpen();
        unaskedClosedBy = null;
        key = null;
        writing = texts.stream().anyMatch(StatementView::mayWrite);
        if (isBatch && !texts.isEmpty()) {
            session.readOnly().requireOff(texts.get(0));
        }
        Lane lane = texts.isEmpty() ? session.ready("SELECT 1", Verb.READ) : null;
        for (String text : texts) {
            SqlText.requireSingle(text);
            refuseDriverCommand(text);
            if (method.getName().equals("executeQuery") && session.form() == Form.CONNECTION) {
                refuseControl(text);
            }
            lane = session.ready(text, Verb.of(text));
        }
        if (isBatch && texts.stream().anyMatch(text -> Verb.of(text).isControl())) {
            session.commits().notBegun();
            throw new SQLException(
                    "Transaction control is refused in a batch; use the methods of Connection.", "25001");
        }
        if (texts.stream().noneMatch(text -> Verb.of(text).isControl())) {
            view.beginIfNeeded();
            lane = Objects.requireNonNull(session.lane());
        }
        Verb verb = texts.isEmpty() ? Verb.READ : Verb.of(texts.get(0));
        boolean mayReturnNothing = !method.getName().equals("executeQuery");
        if (verb == Verb.END && session.transaction().isLost() && mayReturnNothing) {
            session.transaction().endLost(lane, SqlText.startsWith(texts.get(0), "ROLLBACK"));
            return nothingDone(method.getReturnType());
        }
        @Nullable Object[] given = immediate(arguments, verb);
        Lane first = lane;
        boolean whole = isBatch && !texts.isEmpty() && !session.transaction().isOpen();
        Object answer;
        try {
            answer = whole && texts.stream().noneMatch(text -> Verb.of(text).isMaintenance())
                    ? atomically(texts, method, given)
                    : session.statements()
                            .attempt(first, verb, null, current -> attempt(current, texts, method, given, wantsKeys));
        } catch (Throwable e) {
            if (isBatch) {
                calls.forgetBatch(); // as the driver does, if it came so far
                release(ResultView.FAILED);
            }
            throw e;
        }
        Lane ran = session.lane();
        for (String text : ran == null ? List.<String>of() : texts) { // without a lane it has committed as a whole
            session.succeeded(ran, Verb.of(text));
        }
        if (isBatch) {
            calls.forgetBatch();
        }
        mayBeAsked = mayReturnNothing;
        unasked = Objects.equals(answer, true);
        return answer instanceof ResultSet result ? tracked(result).proxy() : answer;
    }

    private static boolean mayWrite(String text) {
        Verb verb = Verb.of(text);
        return verb == Verb.CHANGE || verb == Verb.WITH && SqlText.contains(text, 0, "RETURNING");
    }

    /** A batch in autocommit mode, all or nothing. Besides, one that met another process half-way could not be repeated. */
    private @Nullable Object atomically(List<String> texts, Method method, @Nullable Object[] arguments)
            throws SQLException {
        String text = texts.get(0);
        session.readyToWrite(text);
        return session.forms().<@Nullable Object>atomically(() -> {
            try {
                Lane current = Objects.requireNonNull(session.lane());
                return session.statements()
                        .attempt(current, Verb.of(text), null, lane -> attempt(lane, texts, method, arguments, false));
            } catch (SQLException | RuntimeException | Error e) {
                throw e;
            } catch (Throwable e) {
                throw new SQLException("The batch failed.", e);
            }
        });
    }

    /** sqlite-jdbc takes these for commands of its own, behind SQLite's back, and a restore writes over the database. */
    private static void refuseDriverCommand(String text) throws SQLException {
        if (SqlText.startsWith(text, "BACKUP") || SqlText.startsWith(text, "RESTORE")) {
            throw new SQLException(
                    "The driver's backup and restore commands are refused: they bypass the pool's rules."
                            + " Use SqlitePool.backup, or unwrap the driver's connection.");
        }
    }

    /** The driver would run it, and then fail because there are no rows: nobody would know of the transaction. */
    private static void refuseControl(String text) throws SQLException {
        if (Verb.of(text).isControl()) {
            throw new SQLException(SqlText.label(text) + " returns no rows, and was not run; use execute.", "07005");
        }
    }

    /** What execute… answers for a statement that returns no rows and changes none. */
    private static Object nothingDone(Class<?> type) {
        return type == boolean.class ? (Object) false : type == int.class ? (Object) 0 : (Object) 0L;
    }

    private @Nullable Object attempt(
            Lane current, List<String> texts, Method method, @Nullable Object[] arguments, boolean wantsKeys)
            throws Throwable {
        for (String text : texts) {
            session.transaction().written().before(current, text, Verb.of(text));
        }
        boolean ends = texts.stream().anyMatch(text -> Verb.of(text).isControl()); // not to fail because of a look
        if (preparedSql == null && !ends) {
            current.engine().lookAtSchema(); // the driver prepares it and runs it at once
        } else if (answersFromSchema) {
            release(ResultView.RUN_AGAIN); // as in StatementCache
        }
        Statement target = physical(current);
        String inserts = wantsKeys && texts.size() == 1 && !method.getName().endsWith("Batch")
                ? SqlText.insertsInto(texts.get(0))
                : null;
        if (inserts != null) {
            current.engine().watchInserts(inserts);
        }
        isExecuting(true);
        current.beginStatement(timeoutNanos());
        try {
            Object answer = JdbcView.call(target, method, arguments);
            key = inserts == null ? null : insertedKey(current);
            return answer;
        } catch (SQLException e) {
            throw current.explained(e);
        } finally {
            isExecuting(false);
            current.endStatement();
            if (inserts != null) {
                current.engine().watchInserts(null);
            }
        }
    }

    /** The statement has run, whatever becomes of the question; an interrupt may strike it. */
    private static @Nullable Long insertedKey(Lane lane) {
        try {
            return lane.engine().insertedKey();
        } catch (SQLException e) {
            return null;
        }
    }

    /** Plain BEGIN becomes BEGIN IMMEDIATE here too. */
    private static @Nullable Object[] immediate(@Nullable Object[] arguments, Verb verb) {
        if (verb != Verb.BEGIN || arguments.length == 0 || !(arguments[0] instanceof String sql)) {
            return arguments;
        }
        @Nullable Object[] changed = arguments.clone();
        changed[0] = SqlText.immediate(sql, verb);
        return changed;
    }

    private ResultView tracked(ResultSet result) {
        ResultView tracked = new ResultView(view, this, result);
        results.add(tracked);
        session.lookWhatIsOpen();
        return tracked;
    }
}
