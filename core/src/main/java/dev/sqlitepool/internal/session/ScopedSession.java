package dev.sqlitepool.internal.session;

import dev.sqlitepool.Access;
import dev.sqlitepool.SqlWork;
import dev.sqlitepool.Transaction;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.lane.ReadClock;
import dev.sqlitepool.internal.lane.Ticket;
import dev.sqlitepool.internal.sql.SqlText;
import dev.sqlitepool.internal.sql.Verb;
import dev.sqlitepool.internal.telemetry.Telemetry;
import java.sql.SQLException;
import java.util.Objects;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A session whose transaction the pool begins and ends: for {@code transaction(…)}, {@code read(…)}, data, groups of data, and leases that
 * only read. It stays on the lane that it was given. Owned by the session's owner.
 *
 * <p>The order at the end of a transaction: the ticket's point of no return, so that nobody can end the task any more; leaving the
 * lane, so that no interrupt can reach the commit; the commit. If the ticket has been ended before, the same with a rollback.
 */
public final class ScopedSession extends Session {
    /** Null for data, to which the pool sends only what it may run. */
    private final @Nullable Form form;

    private final SessionConnection connection = new SessionConnection(this);
    /** Something was committed, or is about to be, that the end of the task acknowledges. */
    private boolean committed;

    private boolean unsynced;
    /** The last statement in a group ran without a savepoint. */
    private boolean bare;

    /**
     * A session that has not begun.
     *
     * @param form what the user's functions are promised; null for data
     */
    public ScopedSession(
            @Nullable Form form,
            Host host,
            Settings settings,
            Telemetry telemetry,
            Ticket ticket,
            Function<? super Session, ? extends JdbcView> views) {
        super(host, settings, telemetry, ticket, views, form == Form.READ ? new ReadClock(telemetry) : null);
        this.form = form;
    }

    private interface Body<T> {
        T run() throws Exception;
    }

    @Override
    public Form form() {
        return Objects.requireNonNull(form);
    }

    @Override
    public <T> T perform(Work<T> work) throws Exception {
        if (work instanceof Work.Data<T> data) {
            return perform(data);
        }
        SqlWork<? super Transaction, ? extends T, ?> function = ((Work.Code<T>) work).function();
        return form == Form.TRANSACTION
                ? inTransaction(() -> function.apply(connection))
                : inSnapshot(() -> function.apply(connection));
    }

    @Override
    public <T> T performInLease(Work.Code<T> work) throws Exception {
        if (!transaction.isOpen()) {
            openSnapshot(ready(SqlText.EMPTY));
        }
        T result = work.function().apply(connection);
        ticket.beginCommit();
        return result;
    }

    // ---- data

    private <T> T perform(Work.Data<T> data) throws Exception {
        Verb verb = data.verb();
        if (verb.mayChangeConnection()) {
            requireSameJournal(data.text());
            if (data.text().changesConnection() && !namesJournalOfFile(data.text())) {
                throw Misuse.asData(data.text());
            }
        }
        boolean writer = own().access() == Access.WRITE;
        boolean reads = verb == Verb.READ && data.shape().mayRead();
        if (!writer || reads && !host.hasReadLanes()) { // else a function in it has turned out to write
            T result = data.run(statements);
            ticket.beginCommit();
            return result;
        }
        if (verb.isMaintenance()) {
            // Cannot stand in a transaction, so there is no moment at which it could still be called off.
            if (!ticket.beginCommit()) {
                requireTicket();
            }
            beforeTransaction();
            committedForTask();
            return data.run(statements);
        }
        return inTransaction(() -> data.run(statements));
    }

    // ---- transactions

    private <T> T inTransaction(Body<T> body) throws Exception {
        beginTransaction(true);
        T result;
        try {
            result = body.run();
            transaction.requireStanding();
        } catch (Throwable e) {
            results.close(lane, JdbcView.CLOSED);
            Lane current = own();
            current.leave();
            transaction.rollback(current, e); // now, so that its error is told with this one
            throw e;
        }
        if (ticket.beginCommit() && !connection.isRollbackOnly()) {
            results.close(lane, JdbcView.CLOSED);
            commit();
        } // else the session's end rolls back
        return result;
    }

    /** Commits at the end of all work: nothing of it runs any more. */
    private void commit() throws SQLException {
        Lane current = own();
        current.leave();
        transaction.commit(current, true);
        committedForTask();
    }

    /** The pool has committed, or is about to; perhaps so that the gate must sync it. */
    private void committedForTask() {
        Lane own = lane;
        committed = true;
        unsynced |= own != null && own.engine().needsSync();
    }

    @Override
    public boolean isCommitted() {
        return committed;
    }

    @Override
    public boolean isUnsynced() {
        return unsynced;
    }

    /** Begins a snapshot, in which nothing can write; the session's end closes it. */
    private void openSnapshot(Lane own) throws SQLException {
        if (own.access() == Access.WRITE) {
            readOnly.refuse(own);
        }
        beginTransaction(false);
    }

    private <T> T inSnapshot(Body<T> body) throws Exception {
        openSnapshot(own());
        T result = body.run();
        ticket.beginCommit();
        return result;
    }

    /** The pool's transaction is around it. */
    @Override
    public <T> T atomically(Savepoints.Nested<T, RuntimeException> body) throws SQLException {
        return transaction.savepoints().nested(own(), body);
    }

    // ---- in a group: one session opens and ends the transaction, others join it for one statement each

    /** Opens the transaction of a group, as its first. The session must have begun. */
    public void openGroup() throws SQLException {
        beginTransaction(true);
    }

    /** Joins the transaction of a group, in place of {@link #begin}. */
    public void joinGroup(Lane shared, Ticket next) {
        begin(shared, next);
        shared.interrupts().hurry();
        transaction.began();
    }

    /** Runs data in the transaction of a group: what fails leaves nothing behind, if the transaction still stands then. */
    public <T> T performInGroup(Work.Data<T> data) throws SQLException {
        Lane own = own();
        // Inside a transaction SQLite keeps the first rows of some statements that fail, and does not even count them:
        // OR
        // FAIL, the types of STRICT tables, errors of table-valued functions. So the first failure of a text undoes the
        // group, and from then on it has a savepoint.
        bare = data.isAtomic() && !own.texts().isFallible(data.sql());
        T result;
        try {
            result = bare
                    ? data.run(statements)
                    : transaction.savepoints().<T, RuntimeException>nested(own, () -> data.run(statements));
        } catch (Throwable e) {
            if (bare) {
                own.texts().failed(data.sql());
            }
            throw e;
        }
        transaction.requireStanding();
        return result;
    }

    /** Whether all that the group has done is still there, and of a statement that failed just now nothing. */
    public boolean groupStands() {
        Lane own = lane;
        return own != null && own.doubt() == null && !transaction.isLost() && !ticket.isEnded() && !bare;
    }

    /** Its statement is over: nothing can interrupt the lane for this session any more. */
    public void leaveGroup(boolean first) {
        leave(lane);
        if (!first) {
            transaction.ended();
            loseLane();
        }
    }

    /** Commits the transaction of a group; for the session that opened it, before its {@link #end}. */
    public void commitGroup() throws SQLException {
        commit();
    }

    /** The group in which its statement ran is committed, or perhaps. */
    public void groupCommitted(Lane shared) {
        transaction.written().committed(shared, false);
    }

    // ---- rules

    @Override
    void requireAllowed(SqlText sql, Verb verb) throws SQLException {
        if (form != null && verb.isRefusedInside() && !isTransactional(sql, verb)) {
            throw Misuse.inside(form, sql);
        }
    }

    private boolean isTransactional(SqlText sql, Verb verb) {
        return form == Form.TRANSACTION && verb == Verb.MAINTENANCE && sql.isTransactionalPragma();
    }

    /** SQLite itself ends {@code defer_foreign_keys} with the transaction; it writes nothing. */
    @Override
    Verb inForm(SqlText sql, Verb verb) {
        return !isTransactional(sql, verb) ? verb : sql.pragma().equals("defer_foreign_keys") ? Verb.READ : Verb.SCHEMA;
    }

    /** A snapshot that has not begun yet is one of the file of now. */
    @Override
    Lane laneFor(Verb verb, Lane current) throws SQLException {
        return form == Form.READ && !current.engine().isCurrent() ? leaveOldFile(current) : current;
    }

    @Override
    boolean onlyEverReads() {
        return form == Form.READ;
    }

    @Override
    Lane readyToHandOut() throws SQLException {
        return ready(SqlText.PRAGMA, Verb.READ);
    }
}
