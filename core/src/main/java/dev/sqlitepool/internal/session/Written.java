package dev.sqlitepool.internal.session;

import dev.sqlitepool.Access;
import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.engine.Writes;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.sql.SqlText;
import dev.sqlitepool.internal.sql.Verb;
import org.jspecify.annotations.Nullable;

/**
 * The tables that a session may have written and that are not published yet. Owned by the session's owner. As long as nobody watches it notes only
 * that something was written.
 *
 * <p><b>Why nothing is missed.</b> What a statement may write is noted before it runs, and told after whatever may have committed it, a
 * failed statement too: too much may be told, never too little. Whether anybody watches is asked after the commit, so whoever comes
 * later finds it in the database; and if somebody has come since the statement ran unseen, everything is said to have been written.
 */
final class Written {
    private final Host host;
    private Writes pending = Writes.NONE;
    /** Something was written while nobody watched. */
    private boolean unseen;
    /** The user has the driver's connection, through which anything may be written and committed at any time. */
    private boolean handedOut;
    /** A commit is acknowledged when the function continues; else when its task says so. */
    private boolean atOnce;
    /** Where the schema was changed: if that is undone, the next schema has the same version. */
    private @Nullable Engine reshaped;
    /** Committed, and for the task to tell. */
    private Writes due = Writes.NONE;

    Written(Host host) {
        this.host = host;
    }

    void atOnce(boolean wanted) {
        atOnce = wanted;
    }

    /** A statement is about to run on the lane. */
    void before(Lane lane, SqlText sql, Verb verb) {
        if (lane.access() != Access.WRITE || verb == Verb.READ || verb == Verb.EMPTY || verb.isControl()) {
            return;
        }
        if (host.isWatched()) {
            note(lane.engine(), sql, verb, lane.doubt() != null);
        } else {
            unseen = true;
        }
        if (verb.mayChangeConnection()) {
            lane.engine().writtenTables().forget();
            reshaped = lane.engine();
        }
    }

    private void note(Engine engine, SqlText sql, Verb verb, boolean changed) {
        switch (verb) {
            case SCHEMA:
                pending = pending.and(engine.writtenTables().anything()); // now, for the names that will be gone
                break;
            case MAINTENANCE: // preparing it could carry it out; only VACUUM touches tables, and may change row ids
                if (sql.startsWith("VACUUM")) {
                    pending = pending.and(engine.writtenTables().anything());
                }
                break;
            case OTHER_FILE:
                break;
            default:
                if (changed) {
                    engine.writtenTables().forget(); // pragmas and temporary triggers decide on it too
                }
                pending = pending.and(engine.writtenTables().of(sql.text()));
        }
    }

    /** From here on nobody knows what the session writes. */
    void handedOut() {
        handedOut = true;
    }

    boolean isHandedOut() {
        return handedOut;
    }

    /**
     * The noted changes are committed, or perhaps they are.
     *
     * @param perhapsNotAll a cursor may be open whose statement commits when it ends, so this is to be told again
     */
    void committed(Lane lane, boolean perhapsNotAll) {
        if (pending.isNothing() && !unseen && !handedOut) {
            return;
        }
        if (host.isWatched()) {
            boolean anything = pending.any() || unseen || handedOut;
            Writes told = anything ? pending.and(lane.engine().writtenTables().anything()) : pending;
            if (atOnce || handedOut) {
                host.tell(told);
            } else {
                due = due.and(told);
            }
        }
        if (!perhapsNotAll) {
            rolledBack();
        }
    }

    /** The noted changes are undone. */
    void rolledBack() {
        pending = Writes.NONE;
        unseen = false;
        if (reshaped != null) {
            reshaped.writtenTables().forget();
            reshaped = null;
        }
    }

    /** The changes to publish, once. */
    Writes due() {
        Writes told = due;
        due = Writes.NONE;
        return told;
    }

    void tell() {
        Writes told = due();
        if (!told.isNothing()) {
            host.tell(told);
        }
    }
}
