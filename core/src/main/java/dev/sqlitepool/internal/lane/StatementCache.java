package dev.sqlitepool.internal.lane;

import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.engine.Prepared;
import dev.sqlitepool.internal.sql.SqlText;
import dev.sqlitepool.internal.telemetry.Telemetry;
import dev.sqlitepool.internal.telemetry.Words;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The prepared statements of one lane by SQL text, the least recently used evicted first. Owned by the lane's owner.
 *
 * <p>A statement that runs is given to nobody else: running the same text inside its own cursor prepares a second one, which is closed
 * when it is given back. One that answers from the schema is never kept: SQLite has put the answer into it when it was prepared.
 */
public final class StatementCache {
    private final Engine engine;
    private final int capacity;
    private final Telemetry telemetry;
    /** Taken and not given back yet; as many as run inside each other. */
    private final List<Prepared> running = new ArrayList<>(1);

    /** On whose row somebody stands from one work to the next. */
    private final IdentityHashMap<Prepared, Held> held = new IdentityHashMap<>(2);

    private record Held(SqlText sql, Object holder) {}

    /** In the order of use. */
    private final LinkedHashMap<String, Prepared> kept = new LinkedHashMap<>(16, 0.75f, true);

    StatementCache(Engine engine, int capacity, Telemetry telemetry) {
        this.engine = engine;
        this.capacity = capacity;
        this.telemetry = telemetry;
    }

    /** A statement that nobody else runs; to be given back. */
    public Prepared take(SqlText sql) throws SQLException {
        Prepared taken = find(sql);
        running.add(taken);
        return taken;
    }

    /**
     * Closes what was taken and not given back: it can only be that the stack overflowed, or memory ran out, on the way back. A
     * statement that stays on a row would keep its snapshot open for the next user.
     *
     * @return whether there was anything
     */
    boolean closeRunning() {
        if (running.isEmpty()) {
            return false;
        }
        running.forEach(StatementCache::closeQuietly);
        running.clear();
        return true;
    }

    private static void closeQuietly(Prepared prepared) {
        try {
            prepared.close();
        } catch (Exception e) {
            // A statement that stays open is closed with the connection.
        }
    }

    /** A statement that was taken stays on its row beyond the function that runs, until it is given back. */
    public void hold(SqlText sql, Prepared prepared, Object holder) {
        running.remove(prepared);
        held.put(prepared, new Held(sql, holder));
    }

    /** Whether the statement stays on its row for the holder. */
    public boolean isHeld(Prepared prepared, Object holder) {
        Held by = held.get(prepared);
        return by != null && by.holder() == holder;
    }

    /** Whether any statement stays on its row. */
    public boolean hasHeld() {
        return !held.isEmpty();
    }

    /** Ends what stays on a row. An interrupt reaches every statement of a connection, and is over only when none is open. */
    public void closeHeld() {
        if (!held.isEmpty()) {
            IdentityHashMap<Prepared, Held> open = new IdentityHashMap<>(held);
            open.forEach((prepared, by) -> give(by.sql(), prepared));
        }
    }

    boolean isRunning() {
        return !running.isEmpty();
    }

    private boolean isTaken(Prepared prepared) {
        return held.containsKey(prepared) || running.contains(prepared);
    }

    /** Fails if the statement cannot be run as is wanted, before it runs. */
    public static void check(Prepared prepared, @Nullable Object[] values, boolean needsRows) throws SQLException {
        if (values.length != prepared.parameterCount()) {
            throw new SQLException("The statement has "
                    + Words.count(prepared.parameterCount(), "parameter", "parameters") + ", but "
                    + Words.count(values.length, "value was given.", "values were given."));
        }
        if (needsRows && !prepared.returnsRows()) {
            throw new SQLException("The statement returns no rows and was not run; use execute, or add RETURNING.");
        }
    }

    private Prepared find(SqlText sql) throws SQLException {
        String text = sql.text();
        Prepared cached = kept.get(text);
        if (cached != null && !isTaken(cached) && !cached.isClosed()) {
            telemetry.statementHit();
            return cached;
        }
        telemetry.statementMiss();
        sql.requireSingle();
        if (sql.answersFromSchema()) {
            engine.lookAtSchema();
        }
        return engine.prepare(text);
    }

    /** Takes a statement back. One that the driver has closed, as it does after most errors, is dropped. */
    public void give(SqlText sql, Prepared prepared) {
        running.remove(prepared);
        held.remove(prepared);
        try {
            String text = sql.text();
            boolean keptAlready = kept.get(text) == prepared;
            if (prepared.isClosed()) {
                if (keptAlready) {
                    kept.remove(text);
                }
                return;
            }
            prepared.reset();
            prepared.forget();
            if (!keptAlready) {
                keep(sql, prepared);
            }
        } catch (SQLException e) {
            telemetry.debug("closing a statement failed", e);
        }
    }

    /** Keeps one that is new, unless there is another, and gives up the one that has not been used for longest. */
    private void keep(SqlText sql, Prepared prepared) throws SQLException {
        Prepared other = kept.get(sql.text());
        if (capacity == 0 || other != null && !other.isClosed() || sql.answersFromSchema()) {
            prepared.close();
            return;
        }
        kept.put(sql.text(), prepared);
        Iterator<Prepared> oldest = kept.values().iterator();
        while (kept.size() > capacity) {
            Prepared evicted = oldest.next();
            if (!isTaken(evicted)) {
                oldest.remove();
                evicted.close();
            }
        }
    }
}
