package dev.sqlitepool.internal.lane;

import dev.sqlitepool.Access;
import dev.sqlitepool.SqlWork;
import dev.sqlitepool.Transaction;
import dev.sqlitepool.internal.engine.Engine.Failure;
import dev.sqlitepool.internal.Patience;
import dev.sqlitepool.internal.lane.Lane.Ticket;
import dev.sqlitepool.internal.lane.Session.Nested;
import java.sql.SQLException;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * How each form of work begins and ends. Owned by the session's owner.
 *
 * <p>The order at the end of a transaction: the ticket's point of no return, so that nobody can end the task any more; leaving the
 * lane, so that no interrupt can reach the commit; the commit. If the ticket has been ended before, the same with a rollback.
 */
final class Forms {
    private final Session session;

    /** The last statement in a group ran without a savepoint. */
    private boolean bare;
    /** What the lane reads between transactions was begun by this session's commit. */
    private boolean stays;

    Forms(Session session) {
        this.session = session;
    }

    /** Whether the last statement in a group, if it failed, may have left something behind. */
    boolean ranBare() {
        return bare;
    }

    private Lane lane() {
        return Objects.requireNonNull(session.lane());
    }

    <T> T perform(Work<T> work, Form form) throws Exception {
        if (work instanceof Work.Data<T> data) {
            return perform(data);
        }
        SqlWork<? super Transaction, ? extends T, ?> function = ((Work.Code<T>) work).function();
        switch (form) {
            case TRANSACTION:
                return inTransaction(() -> function.apply(session.connection()));
            case READ:
                return inSnapshot(() -> function.apply(session.connection()));
            default:
                T result = function.apply(session.connection());
                session.commits().requireInPlaceAtEnd();
                session.ticket().beginCommit();
                return result;
        }
    }

    private <T> T perform(Work.Data<T> data) throws Exception {
        if (data.verb().mayChangeConnection()) {
            session.commits().requireJournal(data.sql());
            if (SqlText.changesConnection(data.sql()) && !session.commits().keepsJournal(data.sql())) {
                throw Misuse.asData(data.sql());
            }
        }
        boolean writer = lane().access() == Access.WRITE;
        boolean reads = data.verb() == Verb.READ && data.shape().mayRead();
        if (!writer || reads && !session.hasReadLanes()) { // else a function in it has turned out to write
            T result = data.run(session.connection());
            session.ticket().beginCommit();
            return result;
        }
        if (data.verb().isMaintenance()) {
            // Cannot stand in a transaction, so there is no moment at which it could still be called off.
            if (!session.ticket().beginCommit()) {
                session.requireTicket();
            }
            session.beforeTransaction();
            session.commits().committedForTask();
            return data.run(session.connection());
        }
        return inTransaction(() -> data.run(session.connection()));
    }

    private interface Body<T> {
        T run() throws Exception;
    }

    private <T> T inTransaction(Body<T> body) throws Exception {
        begin(true);
        T result;
        try {
            result = body.run();
            session.transaction().requireStanding();
        } catch (Throwable e) {
            session.results().close(JdbcView.CLOSED);
            Lane current = lane();
            current.leave();
            session.transaction().rollback(current, e); // now, so that its error is told with this one
            throw e;
        }
        if (session.ticket().beginCommit() && !session.transaction().isRollbackOnly()) {
            session.results().close(JdbcView.CLOSED);
            commit();
        } // else the session's end rolls back
        return result;
    }

    /** Begins a snapshot, in which nothing can write. */
    void openSnapshot(Lane own) throws SQLException {
        if (own.access() == Access.WRITE) {
            session.readOnly().refuse(own);
        }
        begin(false);
    }

    /** The session's end closes it. */
    private <T> T inSnapshot(Body<T> body) throws Exception {
        openSnapshot(lane());
        T result = body.run();
        session.ticket().beginCommit();
        return result;
    }

    /** Begins, repeating while another process holds the database, as long as it is wanted. */
    void begin(boolean write) throws SQLException {
        try {
            repeatBegin(write);
        } catch (Throwable e) {
            session.commits().notBegun();
            throw e;
        }
    }

    private void repeatBegin(boolean write) throws SQLException {
        Lane current = lane();
        if (write) {
            session.beforeTransaction();
        }
        Patience patience = session.patience();
        while (true) {
            session.requireTicket();
            try {
                session.transaction().begin(current, write);
                return;
            } catch (SQLException e) {
                if (TransactionScope.failure(current, e) != Failure.BUSY || !patience.isLeft()) {
                    throw e;
                }
                patience.park();
            }
        }
    }

    /** Data in the transaction of a group: what fails leaves nothing behind, if the transaction still stands then. */
    <T> T inGroup(Work.Data<T> data) throws SQLException {
        Lane own = lane();
        // Inside a transaction SQLite keeps the first rows of some statements that fail, and does not even count them:
        // OR FAIL, the types
        // of STRICT tables, errors of table-valued functions. So the first failure of a text undoes the group, and from
        // then on it has
        // a savepoint.
        bare = data.isAtomic() && !own.texts().isFallible(data.sql());
        T result;
        try {
            result = bare
                    ? data.run(session.connection())
                    : this.<T, RuntimeException>nested(() -> data.run(session.connection()));
        } catch (Throwable e) {
            if (bare) {
                own.texts().failed(data.sql());
            }
            throw e;
        }
        session.transaction().requireStanding();
        return result;
    }

    /** Commits at the end of all work: nothing of it runs any more. */
    void commit() throws SQLException {
        lane().leave();
        commitUninterrupted();
    }

    private void commitUninterrupted() throws SQLException {
        Lane current = lane();
        Patience patience = session.patience();
        while (true) {
            try {
                session.transaction().commit(current, session.isFollowed(current));
                stays = true;
                session.commits().committedForTask();
                return;
            } catch (SQLException e) {
                if (TransactionScope.failure(current, e) != Failure.BUSY) {
                    throw e;
                }
                if (!patience.isLeft()) {
                    session.transaction().rollback(current, e);
                    throw e;
                }
                patience.park();
            }
        }
    }

    /**
     * The session ends. A lane that has gone on reading for a transaction that this session then did not begin reads no more: an
     * interrupt that was meant for this session would stay with it.
     */
    void end(@Nullable Lane last) {
        if (last != null && !stays) {
            last.engine().endRead();
        }
        stays = false;
    }

    /** Runs work in a savepoint: when it throws, what it did is undone. */
    <T, X extends Exception> T nested(Nested<T, X> body) throws SQLException, X {
        Lane current = lane();
        TransactionScope.Mark mark = session.transaction().savepoint(current, true);
        T result;
        try {
            result = body.run();
        } catch (Throwable e) {
            session.results().closeWriting();
            session.transaction().rollbackTo(current, mark, e);
            throw e;
        }
        session.results().closeWriting();
        session.transaction().release(current, mark);
        return result;
    }

    /** Runs work in a transaction inside a connection in autocommit mode. Statements that only read may be open around it, and go on. */
    <T> T atomically(Nested<T, RuntimeException> body) throws SQLException {
        Lane current = lane();
        session.results().closeWriting(); // they commit now, and would keep this from it
        session.commits().before(current, "BEGIN", Verb.BEGIN);
        begin(true);
        T result;
        try {
            result = body.run();
            session.transaction().requireStanding();
        } catch (Throwable e) {
            Ticket served = current.shield();
            undo(current, e);
            current.unshield(served);
            session.lookWhatIsOpen();
            throw e;
        }
        Written written = session.transaction().written();
        written.atOnce(false); // but after the sync
        try {
            Ticket served = current.shield();
            try {
                requireUnstruck(current);
                commitUninterrupted();
            } finally {
                current.unshield(served);
                session.lookWhatIsOpen();
            }
            session.commits().committed(current);
        } finally {
            written.atOnce(true);
            written.tell();
        }
        return result;
    }

    /** The connection is shielded; but what has struck before stays as long as a statement around is open. */
    private void requireUnstruck(Lane current) throws SQLException {
        try {
            session.takesEffect();
            current.requireInTime();
        } catch (SQLException | RuntimeException e) {
            undo(current, e);
            throw e;
        }
    }

    /** Rolls back; where that is impossible while a statement around is open, everything but the end of the transaction is refused. */
    private void undo(Lane current, Throwable reason) {
        if (!session.transaction().rollback(current, reason)) {
            session.transaction().remains(reason);
        }
    }
}
