package dev.sqlitepool.internal.jdbc;

import dev.sqlitepool.internal.engine.InsertedKeys;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.lane.Ticket;
import dev.sqlitepool.internal.session.Form;
import dev.sqlitepool.internal.session.JdbcView;
import dev.sqlitepool.internal.session.Session;
import dev.sqlitepool.internal.sql.SqlText;
import dev.sqlitepool.internal.sql.Verb;
import java.lang.reflect.Method;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A JDBC statement of a {@link JdbcConnection}, under the rules of its session. It outlives the driver's statements that run it. Owned by
 * the session's owner.
 */
final class JdbcStatement {
    private final JdbcConnection view;
    private final Session session;
    private final @Nullable SqlText preparedSql;
    private final boolean wantsKeys;
    private final Statement proxy;
    private final JdbcPhysical physical;
    private final JdbcKeys keys = new JdbcKeys();
    /** Those of the last run that are not closed. */
    private final List<JdbcResult> results = new ArrayList<>(1);
    /** The last run has a result that nobody has asked for yet. */
    private boolean unasked;
    /** The reason why it is closed. */
    private @Nullable String unaskedClosedBy;
    /** The last run may have written. */
    private boolean writing;

    /** It has run, and its result, its count or its keys may still be asked for. */
    private boolean mayBeAsked;

    private int timeoutSeconds;
    /** For whom this statement runs at this moment. */
    private volatile @Nullable Ticket executing;

    private boolean closesOnCompletion;
    private boolean closed;

    JdbcStatement(JdbcConnection view, Method maker, @Nullable Object[] making) throws Throwable {
        this.view = view;
        this.session = view.session();
        this.physical = new JdbcPhysical(maker, making);
        this.preparedSql = physical.preparedSql();
        this.wantsKeys = preparedSql != null && JdbcKeys.areWanted(making);
        this.proxy = JdbcProxy.of(physical.type(), this::onStatement);
        if (preparedSql != null) {
            preparedSql.requireSingle();
            // Errors in the text are found now, as JDBC users expect.
            session.statements().<Statement, Throwable>attempt(ready(), Verb.READ, this::physical);
        }
    }

    Statement proxy() {
        return proxy;
    }

    boolean hasOpenResults() {
        return results.stream().anyMatch(JdbcResult::isOpen);
    }

    /** Closes the physical statement; the next use makes another. */
    void release(String reason) {
        endResults(reason);
        mayBeAsked = false;
        physical.close();
        session.lookWhatIsOpen();
    }

    private void endResults(String reason) {
        results.forEach(result -> result.end(reason));
        results.clear();
        keys.close(reason);
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
        if (writing && (unasked || results.stream().anyMatch(JdbcResult::standsOnRow))) {
            release(reason);
        }
    }

    /** The user has closed a result. */
    void closed(JdbcResult result) {
        results.remove(result);
        if (closesOnCompletion && results.isEmpty() && !keys.areIn(result)) {
            close();
        }
    }

    private void close() {
        closed = true;
        release(JdbcView.CLOSED);
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
            return session.ready(SqlText.READ);
        }
        Verb verb = preparedSql.verb();
        // Where nothing may be written it is prepared all the same, and refused when it is run.
        boolean later = session.readOnly().isOn() && (verb == Verb.CHANGE || verb == Verb.SCHEMA);
        Lane lane = session.readyToPrepare(preparedSql, later ? Verb.READ : verb);
        session.notBegun();
        return lane;
    }

    private Statement physical(Lane lane) throws Throwable {
        Statement usable = physical.on(lane);
        if (usable == null) {
            release(physical.wasMadeOn(lane) ? JdbcResult.FAILED : JdbcView.MOVED);
            usable = physical.make(lane);
        }
        return usable;
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
                    release(JdbcResult.RUN_AGAIN);
                    session.statements().<Statement, Throwable>attempt(ready(), Verb.READ, this::current);
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
                    throw JdbcResult.closed(unaskedClosedBy);
                }
                break;
            case "getMoreResults":
                unasked = false;
                break;
            case "getGeneratedKeys":
                Lane lane = session.ready(SqlText.READ);
                if (lane.engine().insertedKeys() != null) {
                    return keys.result(view, this, lane);
                }
                break;
            case "unwrap":
                session.handOut();
                break;
            default:
                if (name.startsWith("execute")) {
                    return execute(method, arguments);
                }
        }
        @Nullable Object[] given = JdbcReplay.repeatable(method, arguments);
        Object answer = JdbcProxy.call(physical(ready()), method, given);
        physical.calls().made(method, given);
        // The driver's own statement is the ResultSetMetaData too, and may be a ResultSet: go by what was asked for.
        boolean isResult = method.getReturnType() == ResultSet.class;
        if (isResult && answer instanceof ResultSet result) {
            unasked = false;
            return tracked(result).proxy();
        }
        return view.answer(answer, method);
    }

    private @Nullable Object execute(Method method, @Nullable Object[] arguments) throws Throwable {
        JdbcRun run = JdbcRun.of(preparedSql, physical.calls(), method, arguments);
        boolean asksForKeys = wantsKeys || preparedSql == null && JdbcKeys.areWanted(arguments);
        if (writing && unasked) {
            release(JdbcResult.RUN_AGAIN); // before a transaction begins
        }
        endResults(JdbcResult.RUN_AGAIN); // as JDBC says, and before anything asks what is open
        session.lookWhatIsOpen();
        unaskedClosedBy = null;
        keys.forget();
        writing = run.mayWrite();
        Lane lane = ready(run);
        if (run.verb().ends() && session.transaction().isLost() && run.mayReturnNothing()) {
            session.transaction().endLost(lane, run.verb() == Verb.ROLLBACK);
            return JdbcTexts.nothingDone(method.getReturnType());
        }
        boolean whole = run.mayBeWhole() && !session.transaction().isOpen();
        Object answer;
        try {
            answer = whole
                    ? atomically(run)
                    : session.statements().attempt(lane, run.verb(), current -> attempt(current, run, asksForKeys));
        } catch (Throwable e) {
            if (run.isBatch()) {
                physical.calls().forgetBatch(); // as the driver does, if it came so far
                release(JdbcResult.FAILED);
            }
            throw e;
        }
        Lane ran = session.lane();
        // Without a lane it has committed as a whole.
        for (SqlText text : ran == null ? List.<SqlText>of() : run.texts()) {
            session.succeeded(ran, text.verb());
        }
        if (run.isBatch()) {
            physical.calls().forgetBatch();
        }
        mayBeAsked = run.mayReturnNothing();
        unasked = Objects.equals(answer, true);
        return answer instanceof ResultSet result ? tracked(result).proxy() : answer;
    }

    /** For a run: fails if one of its texts may not run here. */
    private Lane ready(JdbcRun run) throws SQLException {
        List<SqlText> texts = run.texts();
        if (run.isBatch() && !texts.isEmpty()) {
            session.readOnly().requireOff(texts.get(0));
        }
        Lane lane = texts.isEmpty() ? session.ready(SqlText.READ) : null;
        for (SqlText text : texts) {
            text.requireSingle();
            JdbcTexts.refuseDriverCommand(text);
            if (!run.mayReturnNothing() && session.form() == Form.CONNECTION) {
                JdbcTexts.refuseControl(text);
            }
            lane = session.ready(text);
        }
        if (run.isBatch() && run.isControl()) {
            session.notBegun();
            throw JdbcTexts.controlInBatch();
        }
        if (!run.isControl()) {
            view.beginIfNeeded();
            lane = session.lane();
        }
        return Objects.requireNonNull(lane);
    }

    /** A batch in autocommit mode, all or nothing. Besides, one that met another process half-way could not be repeated. */
    private @Nullable Object atomically(JdbcRun run) throws SQLException {
        session.readyToWrite(run.texts().get(0));
        return session.<@Nullable Object>atomically(() -> {
            try {
                Lane current = Objects.requireNonNull(session.lane());
                return session.statements().attempt(current, run.verb(), lane -> attempt(lane, run, false));
            } catch (SQLException | RuntimeException | Error e) {
                throw e;
            } catch (Throwable e) {
                throw new SQLException("The batch failed.", e);
            }
        });
    }

    private @Nullable Object attempt(Lane current, JdbcRun run, boolean asksForKeys) throws Throwable {
        for (SqlText text : run.texts()) {
            session.transaction().willRun(current, text, text.verb());
        }
        if (preparedSql == null && !run.isControl()) { // which is not to fail because of a look
            current.engine().lookAtSchema(); // the driver prepares it and runs it at once
        } else if (physical.answersFromSchema()) {
            release(JdbcResult.RUN_AGAIN); // as in StatementCache
        }
        Statement target = physical(current);
        String inserts = asksForKeys ? run.insertsInto() : null;
        InsertedKeys inserted = inserts == null ? null : current.engine().insertedKeys();
        if (inserted != null) {
            inserted.begin(inserts);
        }
        isExecuting(true);
        current.interrupts().beginStatement(timeoutNanos());
        try {
            Object answer = JdbcProxy.call(target, run.method(), run.arguments());
            if (inserted != null) {
                keys.look(inserted);
            }
            return answer;
        } catch (SQLException e) {
            throw current.interrupts().explained(e);
        } finally {
            isExecuting(false);
            current.interrupts().endStatement();
            if (inserted != null) {
                inserted.end();
            }
        }
    }

    private JdbcResult tracked(ResultSet result) {
        JdbcResult tracked = new JdbcResult(view, this, result);
        results.add(tracked);
        session.lookWhatIsOpen();
        return tracked;
    }
}
