package dev.sqlitepool.internal.engine.sqlite;

import dev.sqlitepool.internal.engine.Prepared;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.sqlite.JDBC;
import org.sqlite.SQLiteConnection;

/**
 * Which statements run code that is neither SQLite's nor the driver's: functions, collations and virtual tables that a
 * hook or a connection factory has added. Such code may wait, sleep, or have effects outside the database. Owned by the
 * lane's owner.
 *
 * <p>Added is everything that a plain connection does not have. Whether a statement calls it, EXPLAIN tells, with its
 * triggers, foreign key actions, views, checks, generated columns and the expressions of indexes; the answer is kept
 * for each text until the schema changes. Where nothing was added, nothing is asked.
 */
final class ForeignCode {
    private static final int TEXTS = 1_000;
    /** EXPLAIN cuts the name of a collation, in bytes of UTF-8. */
    private static final int SHOWN_BYTES = 18;
    /** One row for each thing that can be called, with its kind, its name and what else is known of it. */
    private static final String CALLABLE =
            "SELECT 'f', name, type || enc || narg || flags FROM pragma_function_list WHERE NOT builtin"
                    + " UNION ALL SELECT 'c', name, '' FROM pragma_collation_list"
                    + " UNION ALL SELECT 'm', name, '' FROM pragma_module_list"
                    + " WHERE name NOT LIKE 'pragma_%' AND name NOT LIKE 'json_%'";

    /** The code that every connection of the driver has; null before the first one was asked. */
    private static volatile @Nullable Set<List<String>> plain;

    private final SqliteSchema schema;
    /** How the instructions of EXPLAIN begin their operand when they call an added function. */
    private final Set<String> functions = new LinkedHashSet<>();

    /** How their names begin in an operand. */
    private final Set<String> collations = new LinkedHashSet<>();

    private boolean modules;

    /** For each text, whether it calls any of these. */
    private final Map<String, Boolean> known = new HashMap<>();

    ForeignCode(SqliteSchema schema) {
        this.schema = schema;
    }

    /** Looks which code was added to the connection. */
    void look() throws SQLException {
        Set<List<String>> added = callable(schema);
        added.removeAll(plain());
        for (List<String> each : added) {
            String name = each.get(1).toLowerCase(Locale.ROOT);
            switch (each.get(0)) {
                case "f":
                    functions.add(name + "(");
                    break;
                case "c":
                    collations.add(shown(name));
                    break;
                default:
                    modules = true;
            }
        }
    }

    /** As much of a collation's name as EXPLAIN shows where two values are compared. */
    private static String shown(String collation) {
        int end = 0;
        for (int bytes = 0; end < collation.length(); end++) {
            char next = collation.charAt(end);
            bytes += next < 0x80 ? 1 : next < 0x800 ? 2 : 3; // not less than UTF-8 needs
            if (bytes > SHOWN_BYTES) {
                break;
            }
        }
        return collation.substring(0, end);
    }

    private static Set<List<String>> plain() throws SQLException {
        Set<List<String>> found = plain;
        if (found == null) {
            try (SQLiteConnection fresh = JDBC.createConnection("jdbc:sqlite::memory:", new Properties())) {
                found = callable(new SqliteSchema(fresh, new SqliteTransactions(fresh)));
                plain = found;
            }
        }
        return found;
    }

    private static Set<List<String>> callable(SqliteSchema schema) throws SQLException {
        Set<List<String>> found = new LinkedHashSet<>();
        schema.each(CALLABLE, row -> {
            List<String> each = new ArrayList<>();
            for (int column = 1; column <= 3; column++) {
                each.add(String.valueOf(row.getString(column)));
            }
            found.add(each);
        });
        return found;
    }

    private boolean isNone() {
        return functions.isEmpty() && collations.isEmpty() && !modules;
    }

    /** The schema has changed, and with it what statements call. */
    void forget() {
        known.clear();
    }

    /** Whether a statement calls any of it, asked of SQLite if it is not known yet. */
    boolean isCalledBy(String sql) throws SQLException {
        if (isNone()) {
            return false;
        }
        Boolean called = known.get(sql);
        if (called == null) {
            boolean[] any = new boolean[1];
            schema.each("EXPLAIN " + sql, row -> any[0] |= calls(row));
            called = any[0];
            if (known.size() >= TEXTS) {
                known.clear();
            }
            known.put(sql, called);
        }
        return called;
    }

    /** Whether it is known that a statement calls nothing of it. Asks SQLite nothing. */
    boolean isKnownNotToBeCalledBy(String sql) {
        return isNone() || Boolean.FALSE.equals(known.get(sql));
    }

    /** Whether one instruction does: the function, or the collation among others, is the text of its fourth operand. */
    private boolean calls(Prepared instruction) throws SQLException {
        String code = String.valueOf(instruction.getString(2));
        String operand = instruction.getString(6);
        if (modules && (code.equals("VOpen") || code.equals("VUpdate") || code.equals("VBegin"))) {
            return true;
        }
        if (operand == null || code.equals("String8") || code.equals("Explain") || code.equals("Init")) {
            return false;
        }
        String named = operand.toLowerCase(Locale.ROOT);
        return functions.stream().anyMatch(named::startsWith)
                || collations.stream().anyMatch(named::contains);
    }
}
