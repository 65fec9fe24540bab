package dev.sqlitepool.internal.session;

import dev.sqlitepool.Access;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.RowCursor;
import dev.sqlitepool.RowMapper;
import dev.sqlitepool.internal.engine.Engine.Failure;
import dev.sqlitepool.internal.engine.Prepared;
import dev.sqlitepool.internal.lane.CurrentRow;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.lane.StatementCache;
import dev.sqlitepool.internal.lane.Ticket;
import dev.sqlitepool.internal.sql.SqlText;
import dev.sqlitepool.internal.sql.Verb;
import java.sql.SQLException;
import java.util.Objects;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A statement that is read a few rows at a time, without a thread between. Not thread-safe: one thread after the other may go on, if
 * it sees what the one before has done.
 *
 * <p>It stays on its row between two reads, and in its snapshot: an open SELECT in autocommit mode is a transaction of its own, which
 * SQLite begins at the first step and ends with the cursor. The lane is entered only while a read lasts, so an interrupt hits this
 * statement or nothing.
 *
 * @param <T> what a row becomes
 */
public final class Cursor<T> {
    private final Session session;
    private final SqlText sql;
    private final RowMapper<? extends T> mapper;
    private final @Nullable Object[] values;
    private final boolean held;
    /** Taken from its lane while it runs. */
    private @Nullable Prepared statement;

    private @Nullable CurrentRow row;
    private @Nullable SQLException late;

    /**
     * A cursor that has not begun.
     *
     * @param session keeps the lane from before the first read on
     * @param values encoded
     */
    public Cursor(Session session, SqlText sql, RowMapper<? extends T> mapper, @Nullable Object[] values) {
        this(session, sql, mapper, values, false);
    }

    /** A cursor that work reads on its own thread, and that works may leave open. */
    static <T> RowCursor<T> ofWork(
            Session session, SqlText sql, RowMapper<? extends T> mapper, @Nullable Object[] values)
            throws SQLException {
        return new OfWork<>(session, sql, mapper, values);
    }

    /** As the other; {@code held} if the cache of the lane is to hold its statement for it, since works come and go meanwhile. */
    Cursor(Session session, SqlText sql, RowMapper<? extends T> mapper, @Nullable Object[] values, boolean held) {
        this.session = session;
        this.held = held;
        this.sql = sql;
        this.mapper = mapper;
        this.values = values;
    }

    /** Its name in messages; never contains values. */
    public String label() {
        return sql.label();
    }

    /**
     * Maps the next rows: fewer than wanted if the statement or its ticket has ended, or if it takes long.
     *
     * @param most how many rows at most; at least 1
     * @param nanos after this time no further row is begun
     * @param into is given the rows, also those before an error
     * @return false if the statement has no more rows
     * @throws SQLException the statement's or the mapper's; the cursor cannot be read any more, only ended
     */
    public boolean read(Ticket ticket, long most, long nanos, Consumer<? super T> into) throws SQLException {
        Lane own = session.lane();
        if (own == null) {
            throw new IllegalStateException("a cursor without a connection");
        }
        session.begin(own, ticket);
        boolean well = false;
        try {
            if (statement == null && own.access() == Access.WRITE) {
                session.readOnly().refuse(own);
            }
            boolean more = read(own, most, System.nanoTime() + nanos, into);
            well = true;
            return more;
        } finally {
            if (!well) {
                statement = null; // not given back to the lane, so the lane closes it
            }
            own.enter(null);
        }
    }

    /** The statement, once it has begun. */
    @Nullable
    Prepared statement() {
        return statement;
    }

    /** As the other, for a session that has begun already, and goes on. */
    boolean read(Lane own, long most, long until, Consumer<? super T> into) throws SQLException {
        for (long left = most; left > 0 && !session.ticket().isEnded(); left--) {
            if (!step(own)) {
                return false;
            }
            into.accept(mapped());
            if (left > 1 && System.nanoTime() - until >= 0) {
                break;
            }
        }
        return true;
    }

    private boolean step(Lane own) throws SQLException {
        if (late != null) {
            throw late;
        }
        Prepared current = statement;
        if (current == null) {
            current = start(own);
        } else if (held && !own.statements().isHeld(current, this)) {
            throw closed();
        }
        own.interrupts().beginStatement(0);
        boolean stands;
        try {
            stands = current.next();
        } catch (SQLException e) {
            throw session.transaction().failed(own, own.interrupts().explained(e), Verb.READ);
        } finally {
            own.interrupts().endStatement();
        }
        lookWhetherLate(own);
        return stands;
    }

    /** A timeout that has struck behind a row is told with the next one, unless the statement is closed already. */
    private void lookWhetherLate(Lane own) throws SQLException {
        late = late == null ? own.interrupts().late() : late;
        if (held && late != null) {
            throw late;
        }
    }

    /** The error when the statement has been closed under the cursor. */
    SQLException closed() {
        return new SQLException(
                "The cursor of " + label()
                        + " was closed before its end, by the end of its transaction, by an interrupt or by an error.",
                "24000");
    }

    private Prepared start(Lane own) throws SQLException {
        Prepared started = session.statements().<Prepared, RuntimeException>attempt(own, Verb.READ, this::startOnce);
        statement = started;
        if (held) {
            own.statements().hold(sql, started, this);
        }
        row = new CurrentRow(started);
        return started;
    }

    private Prepared startOnce(Lane own) throws SQLException {
        if (!held && sql.asksForLastChange()) {
            throw Misuse.alone();
        }
        Prepared prepared = own.statements().take(sql);
        boolean started = false;
        try {
            own.interrupts().beginStatement(0);
            try {
                StatementCache.check(prepared, values, true);
                prepared.start(values);
            } catch (SQLException e) {
                // Not as SQLite's error, for which the session would move to the write lane, and leave the statement
                // behind.
                throw own.failure(e) == Failure.READ_ONLY
                        ? writes(e)
                        : own.interrupts().explained(e);
            } finally {
                own.interrupts().endStatement();
            }
            lookWhetherLate(own);
            started = true;
            return prepared;
        } finally {
            if (!started) {
                own.statements().give(sql, prepared);
            }
        }
    }

    private SQLException writes(SQLException refused) {
        return new SQLException(
                label() + " writes, and a " + (held ? "cursor" : "stream")
                        + " only reads; use query(…) for it, which collects its rows.",
                "25006",
                0,
                refused);
    }

    private T mapped() throws SQLException {
        CurrentRow current = row;
        if (current == null) {
            throw new IllegalStateException("a row without a statement");
        }
        current.alive(true);
        try {
            T mapped = mapper.map(current);
            if (mapped == null) {
                throw new NullPointerException(
                        "The mapper returned null, which a stream cannot carry; use an Optional.");
            }
            return mapped;
        } finally {
            current.alive(false);
        }
    }

    /** Closes the cursor, and with it the snapshot, and hands the lane over as {@link Session#end}. Never throws. */
    public @Nullable Lane end() {
        Lane own = session.lane();
        Prepared open = statement;
        statement = null;
        try {
            if (own != null && open != null) {
                own.statements().give(sql, open);
            }
        } catch (Throwable e) { // memory may run out here, too
            own.doubt(CloseReason.DISCARDED);
        }
        return session.end();
    }

    /**
     * A cursor that work reads. Owned by the session's owner.
     *
     * <p>From its first step on its statement is held by the cache of the lane, which closes it when it must: so it is open exactly if the
     * cache holds it for this cursor, whatever has become of the lane and its statements meanwhile.
     *
     * @param <T> what a row becomes
     */
    private static final class OfWork<T> implements RowCursor<T> {
        private final Session session;
        private final SqlText sql;
        private final Cursor<T> cursor;
        /** Where it has begun. */
        private @Nullable Lane begun;

        private boolean over;

        OfWork(Session session, SqlText sql, RowMapper<? extends T> mapper, @Nullable Object[] values)
                throws SQLException {
            this.session = session;
            this.sql = sql;
            this.cursor = new Cursor<>(session, sql, mapper, values, true);
            if (sql.verb().needsWriteLane() || sql.verb() == Verb.WITH && sql.returnsChanges()) {
                throw new SQLException(cursor.label() + " does not only read; use query(…) for it.", "25006");
            }
        }

        @Override
        public boolean read(int most, Consumer<? super T> into) throws SQLException {
            if (most < 1) {
                throw new IllegalArgumentException("most was " + most + "; it must be at least 1.");
            }
            session.requireAlive();
            if (over) {
                return false;
            }
            Lane own = session.ready(sql, Verb.READ);
            if (begun != null && !isOpen(own)) {
                throw cursor.closed(); // each time: it must not seem to have ended
            }
            boolean more = false;
            try {
                more = cursor.read(own, most, System.nanoTime() + Long.MAX_VALUE / 2, into);
                over = !more;
            } finally {
                Prepared statement = cursor.statement();
                Lane now = session.lane();
                if (statement != null && now != null) {
                    settle(now, statement, more);
                }
                session.lookWhatIsOpen();
            }
            return more;
        }

        private boolean isOpen(Lane own) {
            Prepared statement = cursor.statement();
            return own == begun && statement != null && own.statements().isHeld(statement, cursor);
        }

        /** After a read: the cache holds the statement, or has it back. */
        private void settle(Lane now, Prepared statement, boolean more) {
            begun = now;
            if (!more) {
                now.statements().give(sql, statement);
            }
        }

        @Override
        public void close() {
            Lane own = session.lane();
            if (!over && own != null && isOpen(own)) {
                session.requireAlive();
                own.statements().give(sql, Objects.requireNonNull(cursor.statement()));
                session.lookWhatIsOpen();
            }
            over = true;
        }
    }
}
