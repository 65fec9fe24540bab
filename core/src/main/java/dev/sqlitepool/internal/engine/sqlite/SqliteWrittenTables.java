package dev.sqlitepool.internal.engine.sqlite;

import dev.sqlitepool.internal.engine.Prepared;
import dev.sqlitepool.internal.engine.Writes;
import dev.sqlitepool.internal.engine.WrittenTables;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Which tables a statement may write. EXPLAIN tells: it lists what the statement, its triggers and its foreign key
 * actions open for writing. The answer is kept for each text until the schema changes. Owned by the lane's owner.
 *
 * <p>Anything that is not understood here means every table.
 */
final class SqliteWrittenTables implements WrittenTables {
    private static final int TEXTS = 1_000;
    private static final int MAIN = 0;
    private static final int TEMP = 1;
    /** OPFLAG_P2ISREG: the root page is known only when the statement runs. */
    private static final int ROOT_IN_REGISTER = 0x10;

    private static final String SCHEMA = "SELECT type, tbl_name, rootpage, sql FROM sqlite_schema";
    private static final String ELSEWHERE =
            "SELECT EXISTS (SELECT 1 FROM sqlite_temp_schema WHERE sql LIKE 'CREATE VIRTUAL%')"
                    + " OR EXISTS (SELECT 1 FROM pragma_database_list WHERE name NOT IN ('main', 'temp'))";
    private static final Pattern MODULE =
            Pattern.compile("(?is)CREATE\\s+VIRTUAL\\s+TABLE\\s.*?\\sUSING\\s+[\"'`\\[]?(\\w+).*");
    private static final String UNKNOWN = "";
    /** The modules that write only tables whose names begin with that of the virtual table. */
    private static final Set<String> OWN_TABLES_ONLY = Set.of("fts3", "fts4", "fts5", "rtree", "rtree_i32", "geopoly");

    private final SqliteSchema schema;
    private final Map<String, Writes> known = new HashMap<>();
    /** The version of the schema in which all this was found; negative for none. */
    private long version = -1;

    private Map<Long, String> byRoot = Map.of();
    private Set<String> all = Set.of();
    /** The tables that a write to a virtual table may write; null for any. */
    private @Nullable Set<String> virtual;

    SqliteWrittenTables(SqliteSchema schema) {
        this.schema = schema;
    }

    @Override
    public void forget() {
        version = -1;
    }

    @Override
    public Writes anything() {
        try {
            refresh();
        } catch (SQLException | RuntimeException e) {
            version = -1;
        }
        return new Writes(all, true);
    }

    @Override
    public Writes of(String sql) {
        try {
            refresh();
            Writes found = known.get(sql);
            if (found == null) {
                found = explained(sql);
                if (known.size() >= TEXTS) {
                    known.clear();
                }
                known.put(sql, found);
            }
            return found;
        } catch (SQLException | RuntimeException e) {
            return new Writes(all, true); // the statement will say what is wrong with it
        }
    }

    private Writes explained(String sql) throws SQLException {
        Set<String> tables = new LinkedHashSet<>();
        boolean[] any = new boolean[1];
        schema.each("EXPLAIN " + sql, row -> {
            Set<String> written = written(row);
            if (written == null) {
                any[0] = true;
            } else {
                tables.addAll(written);
            }
        });
        return any[0] ? new Writes(all, true) : new Writes(Set.copyOf(tables), false);
    }

    /** The tables that one instruction may write; null for any. */
    private @Nullable Set<String> written(Prepared row) throws SQLException {
        switch (String.valueOf(row.getString(2))) {
            case "OpenWrite":
                boolean known = (row.getLong(7) & ROOT_IN_REGISTER) == 0;
                return known ? table(row.getLong(4), row.getLong(5)) : null;
            case "Clear":
                return table(row.getLong(3), row.getLong(4));
            case "VUpdate":
                return virtual;
            case "Destroy":
            case "ParseSchema":
            case "Vacuum":
            case "VCreate":
            case "VDestroy":
            case "VRename":
                return null;
            default:
                return Set.of();
        }
    }

    private @Nullable Set<String> table(long root, long database) {
        if (database == TEMP) {
            return Set.of(); // no other connection sees it
        }
        String name = database == MAIN ? byRoot.get(root) : null;
        return name == null ? null : Set.of(name);
    }

    private void refresh() throws SQLException {
        long now = schema.version();
        if (now == version) {
            return;
        }
        known.clear();
        Map<Long, String> roots = new HashMap<>();
        Set<String> tables = new LinkedHashSet<>();
        Map<String, String> modules = new HashMap<>();
        schema.each(SCHEMA, row -> {
            String name = row.getString(2);
            String sql = row.getString(4);
            if (name == null) {
                return;
            }
            boolean table = "table".equals(row.getString(1));
            if (row.getLong(3) != 0) {
                roots.put(row.getLong(3), name);
            } else if (table) {
                Matcher module = MODULE.matcher(sql == null ? "" : sql);
                modules.put(name, module.matches() ? module.group(1).toLowerCase(Locale.ROOT) : UNKNOWN);
            }
            if (table && !name.startsWith("sqlite_")) {
                tables.add(name);
            }
        });
        boolean[] elsewhere = new boolean[1];
        schema.each(ELSEWHERE, row -> elsewhere[0] = row.getLong(1) != 0);
        byRoot = roots;
        all = Set.copyOf(tables);
        virtual = elsewhere[0] || !OWN_TABLES_ONLY.containsAll(modules.values()) ? null : owned(modules.keySet());
        version = now;
    }

    /** The virtual tables, and the tables in which they keep their data. */
    private Set<String> owned(Set<String> virtualTables) {
        Set<String> owned = new LinkedHashSet<>(virtualTables);
        for (String name : virtualTables) {
            for (String table : all) {
                if (table.regionMatches(true, 0, name + "_", 0, name.length() + 1)) {
                    owned.add(table);
                }
            }
        }
        return owned;
    }
}
