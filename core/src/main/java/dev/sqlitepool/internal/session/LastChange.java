package dev.sqlitepool.internal.session;

import dev.sqlitepool.internal.sql.SqlText;
import dev.sqlitepool.internal.sql.Verb;
import java.sql.SQLException;

/**
 * Whether SQLite's {@code changes()}, {@code total_changes()} and {@code last_insert_rowid()} tell of a change by this work. Owned by the
 * session's owner.
 */
final class LastChange {
    /** The function has changed nothing yet, or has given the write lane back. */
    private boolean elsewhere = true;

    /** The function has given the write lane back after a change. */
    void isElsewhere() {
        elsewhere = true;
    }

    /** The function may change anything from here on, without being seen. */
    void isHere() {
        elsewhere = false;
    }

    /**
     * Before a statement runs: refuses one that asks for the last change of somebody else. To prepare it asks for nothing.
     *
     * @param onlyReads whether the function cannot change anything; with a single lane another's change would be told
     */
    void follow(SqlText sql, Verb verb, boolean onlyReads) throws SQLException {
        // A trigger or a view calls such a function when it runs.
        if (verb != Verb.SCHEMA && (elsewhere || onlyReads) && sql.asksForLastChange()) {
            throw onlyReads ? Misuse.alone() : Misuse.elsewhere();
        }
        elsewhere = elsewhere && verb != Verb.CHANGE && !(verb == Verb.WITH && sql.changesRows());
    }
}
