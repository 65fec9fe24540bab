package dev.sqlitepool.internal.lane;

import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.engine.Prepared;
import dev.sqlitepool.internal.telemetry.Telemetry;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;

/**
 * The prepared statements of one lane by SQL text, the least recently used evicted first. Owned by the lane's owner.
 *
 * <p>A statement that runs is not in the cache: running the same text inside its own cursor prepares a second one.
 */
final class StatementCache {
    private final Engine engine;
    private final int capacity;
    private final Telemetry telemetry;
    /** Taken and not given back yet; as many as run inside each other. */
    private final List<Prepared> running = new ArrayList<>(1);

    private final LinkedHashMap<String, Prepared> idle = new LinkedHashMap<>(16, 0.75f);

    StatementCache(Engine engine, int capacity, Telemetry telemetry) {
        this.engine = engine;
        this.capacity = capacity;
        this.telemetry = telemetry;
    }

    /** A statement that nobody else runs; to be given back. */
    Prepared take(String sql) throws SQLException {
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
        running.forEach(JdbcView::closeQuietly);
        running.clear();
        return true;
    }

    /** Fails if the statement cannot be run as is wanted, before it runs. */
    static void check(Prepared prepared, @Nullable Object[] values, boolean needsRows) throws SQLException {
        if (values.length != prepared.parameterCount()) {
            throw new SQLException("The statement has " + prepared.parameterCount() + " parameters, but "
                    + values.length + " values were given.");
        }
        if (needsRows && !prepared.returnsRows()) {
            throw new SQLException("The statement returns no rows and was not run; use execute, or add RETURNING.");
        }
    }

    private Prepared find(String sql) throws SQLException {
        Prepared cached = idle.remove(sql);
        LongAdder counter = cached != null ? telemetry.statementHits : telemetry.statementMisses;
        counter.increment();
        if (cached != null) {
            return cached;
        }
        SqlText.requireSingle(sql);
        return engine.prepare(sql);
    }

    /** Takes a statement back. One that the driver has closed, as it does after most errors, is dropped. */
    void give(String sql, Prepared prepared) {
        running.remove(prepared);
        try {
            if (prepared.isClosed()) {
                return;
            }
            prepared.reset();
            if (capacity == 0) {
                prepared.close();
                return;
            }
            Prepared twin = idle.put(sql, prepared);
            if (twin != null) {
                twin.close();
            }
            if (idle.size() > capacity) {
                Iterator<Map.Entry<String, Prepared>> oldest = idle.entrySet().iterator();
                Prepared evicted = oldest.next().getValue();
                oldest.remove();
                evicted.close();
            }
        } catch (SQLException e) {
            telemetry.debug("closing a statement failed", e);
        }
    }
}
