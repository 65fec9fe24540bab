package dev.sqlitepool.internal.session;

import dev.sqlitepool.Access;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.lane.Ticket;
import dev.sqlitepool.internal.sql.SqlText;
import dev.sqlitepool.internal.sql.Verb;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;

/**
 * The reason why a session cannot write: its form, or its JDBC view that the user has made read-only. Owned by the session's owner.
 *
 * <p>While it is on, the session does not go to the write lane. A lane that could write refuses to, until the session gives it up.
 */
public final class ReadOnly {
    /** The whole pool is read-only. */
    private final boolean always;
    /** The user has made the JDBC view read-only. */
    private boolean on;
    /** The lane could write, and refuses to. */
    private boolean refusing;

    /** Off, unless the whole pool is read-only. */
    ReadOnly(boolean always) {
        this.always = always;
    }

    /** Whether the pool, or the user's JDBC view, is read-only. */
    public boolean isOn() {
        return on || always;
    }

    /** Whether the pool is read-only, so that nobody can switch this off. */
    public boolean isForAll() {
        return always;
    }

    /** The user's JDBC view becomes read-only, or is so no more, on the lane that the session has. Outside a transaction only. */
    public void set(boolean wanted, @Nullable Lane own) {
        boolean before = on;
        on = wanted;
        if (before && !wanted) {
            end(own);
        }
    }

    /** What a statement is where nothing may be written; fails if it cannot but write. */
    Verb check(SqlText sql, Verb verb, boolean inTransaction) throws SQLException {
        if (!isOn()) {
            return verb;
        }
        boolean asks = verb == Verb.MAINTENANCE && sql.onlyAsks();
        boolean writes = verb == Verb.CHANGE
                || verb == Verb.SCHEMA
                || verb.isMaintenance() && !asks
                || verb.begins() && !inTransaction;
        if (writes) {
            requireOff(sql);
        }
        return asks ? Verb.READ : verb;
    }

    /** Fails if nothing may be written. */
    public void requireOff(SqlText sql) throws SQLException {
        if (isOn()) {
            throw error(sql.label(), null);
        }
    }

    /** The error of a statement that would write. */
    SQLException error(String what, @Nullable SQLException cause) {
        return always ? Misuse.readOnlyPool(what, cause) : Misuse.readOnly(what, cause);
    }

    /** Before a statement runs on a lane. */
    void keep(Lane own) throws SQLException {
        if (isOn() && !refusing && own.access() == Access.WRITE) {
            refuse(own);
        }
    }

    /** Makes a lane that could write refuse to, until the session ends or gives it up. */
    void refuse(Lane own) throws SQLException {
        refusing = true;
        switchWrites(own, true);
    }

    /** The session gives its lane up, or may write again. A lane that cannot be switched back is not trusted. */
    void end(@Nullable Lane own) {
        boolean was = refusing;
        refusing = false;
        if (!was || own == null) {
            return;
        }
        try {
            switchWrites(own, false);
        } catch (SQLException | RuntimeException e) {
            own.doubt(CloseReason.DISCARDED);
        }
    }

    /** Not interruptible: an interrupted switch may have switched. */
    private static void switchWrites(Lane own, boolean refuse) throws SQLException {
        Ticket served = own.interrupts().shield();
        try {
            own.engine().refuseWrites(refuse);
        } finally {
            own.interrupts().unshield(served);
        }
    }
}
