package dev.sqlitepool.r2dbc;

import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/** The texts that were used lately, each read once. Forgets all when there are too many. Thread-safe. */
final class Scripts {
    private static final int MOST = 500;
    /** In characters. A longer text takes more memory than its reading is worth. */
    private static final int LONGEST = 4_000;

    private final ConcurrentHashMap<String, Script> known = new ConcurrentHashMap<>();

    Script of(String sql) {
        Script script = known.get(sql);
        return script == null ? read(sql) : script;
    }

    private Script read(String sql) {
        Script script = new Script(sql);
        if (sql.length() > LONGEST) {
            return script;
        }
        if (known.size() >= MOST) {
            known.clear();
        }
        @Nullable Script other = known.putIfAbsent(sql, script);
        return other == null ? script : other;
    }
}
