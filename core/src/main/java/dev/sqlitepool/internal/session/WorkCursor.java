package dev.sqlitepool.internal.session;

import dev.sqlitepool.RowCursor;
import dev.sqlitepool.RowMapper;
import dev.sqlitepool.internal.engine.Prepared;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.sql.SqlText;
import dev.sqlitepool.internal.sql.Verb;
import java.sql.SQLException;
import java.util.Objects;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A cursor that work reads. Owned by the session's owner.
 *
 * <p>From its first step on its statement is held by the cache of the lane, which closes it when it must: so it is open exactly if the
 * cache holds it for this cursor, whatever has happened to the lane and its statements.
 *
 * @param <T> what a row becomes
 */
final class WorkCursor<T> implements RowCursor<T> {
    private final Session session;
    private final SqlText sql;
    private final Cursor<T> cursor;
    /** Where it has begun. */
    private @Nullable Lane begun;

    private boolean over;

    WorkCursor(Session session, SqlText sql, RowMapper<? extends T> mapper, @Nullable Object[] values)
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
