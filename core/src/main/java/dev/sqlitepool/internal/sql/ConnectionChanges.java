package dev.sqlitepool.internal.sql;

import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Finds in the text of a statement whether it changes the connection that runs it: by its grammar, since {@code temp} is a good name for a
 * column. What is not understood is taken for a change: then a connection is replaced for nothing, and nothing worse happens. Stateless.
 */
final class ConnectionChanges {
    private static final String TEMPORARY = "temp";

    /** Pragmas that set or do something about the database, not about the connection. */
    private static final Set<String> OF_DATABASE = Set.of(
            "application_id",
            "data_version",
            "foreign_key_check",
            "freelist_count",
            "incremental_vacuum",
            "integrity_check",
            "optimize",
            "page_count",
            "quick_check",
            "schema_version",
            "user_version",
            "wal_checkpoint");

    /** Pragmas that do something without being given a value. */
    private static final Set<String> ACTING =
            Set.of("cipher_migrate", "incremental_vacuum", "optimize", "shrink_memory", "wal_checkpoint");

    /** Pragmas that look for errors; their argument is a table. */
    private static final Set<String> CHECKS = Set.of("foreign_key_check", "integrity_check", "quick_check");

    /** Pragmas whose effect SQLite undoes with the transaction in which they run: it is in the file, or ends with the transaction. */
    private static final Set<String> TRANSACTIONAL = Set.of(
            "application_id", "defer_foreign_keys", "incremental_vacuum", "optimize", "schema_version", "user_version");

    private ConnectionChanges() {}

    /** Whether a statement that is neither data nor transaction control changes the connection. */
    static boolean areMadeBy(String sql) {
        Tokens tokens = behindExplain(sql);
        if (tokens.is("ATTACH") || tokens.is("DETACH")) {
            return true;
        }
        if (tokens.skip("PRAGMA")) {
            return Pragma.of(tokens).changesConnection();
        }
        if (tokens.skip("CREATE")) {
            return isTemporaryCreated(tokens);
        }
        if (tokens.skip("DROP") || tokens.skip("ALTER")) {
            tokens.next(); // TABLE, INDEX, VIEW, TRIGGER
            return isTemporary(behindCondition(tokens));
        }
        // Of a database or a table; what ANALYZE finds it writes into that database.
        return (tokens.skip("ANALYZE") || tokens.skip("REINDEX"))
                && tokens.name().equals(TEMPORARY);
    }

    /** The journal mode that a statement sets for the pool's database; null if it sets none. */
    static @Nullable String journalMode(String sql) {
        Tokens tokens = behindExplain(sql);
        return tokens.skip("PRAGMA") ? Pragma.of(tokens).journalMode() : null;
    }

    /** Whether a statement is a pragma that tells something and does nothing. */
    static boolean onlyAsks(String sql) {
        Tokens tokens = new Tokens(sql);
        return tokens.skip("PRAGMA") && Pragma.of(tokens).onlyAsks();
    }

    /** The name of a pragma; empty for any other statement. */
    static String pragma(String sql) {
        Tokens tokens = behindExplain(sql);
        return tokens.skip("PRAGMA") ? Pragma.of(tokens).name : "";
    }

    /** Whether a statement is a pragma whose effect belongs to the transaction in which it runs. */
    static boolean isTransactional(String sql) {
        Tokens tokens = new Tokens(sql);
        return tokens.skip("PRAGMA") && TRANSACTIONAL.contains(Pragma.of(tokens).name);
    }

    private static Tokens behindExplain(String sql) {
        Tokens tokens = new Tokens(sql);
        if (tokens.skip("EXPLAIN") && tokens.skip("QUERY")) {
            tokens.skip("PLAN");
        }
        return tokens;
    }

    private static boolean isTemporaryCreated(Tokens tokens) {
        if (tokens.is("TEMP") || tokens.is("TEMPORARY")) {
            return true;
        }
        if (!tokens.skip("UNIQUE")) {
            tokens.skip("VIRTUAL");
        }
        boolean trigger = tokens.is("TRIGGER");
        tokens.next(); // TABLE, INDEX, VIEW, TRIGGER
        if (isTemporary(behindCondition(tokens))) {
            return true;
        }
        while (trigger && !tokens.isEnd()) {
            if (tokens.skip("ON")) {
                return isTemporary(tokens); // a trigger of a temporary table is temporary
            }
            tokens.next();
        }
        return false;
    }

    private static Tokens behindCondition(Tokens tokens) {
        if (tokens.skip("IF")) {
            tokens.skip("NOT");
            tokens.skip("EXISTS");
        }
        return tokens;
    }

    /** Whether a name begins here that is qualified with the temporary schema. */
    private static boolean isTemporary(Tokens tokens) {
        boolean named = tokens.name().equals(TEMPORARY);
        tokens.next();
        return named && tokens.is(".");
    }

    /**
     * A pragma.
     *
     * @param schema of which database; empty for none
     * @param value what it is set to, or its argument; null for none
     */
    private record Pragma(
            String schema, String name, @Nullable String value) {
        static Pragma of(Tokens tokens) {
            String schema = "";
            String name = tokens.name();
            tokens.next();
            if (tokens.skip(".")) {
                schema = name;
                name = tokens.name();
                tokens.next();
            }
            boolean assigns = tokens.skip("=") || tokens.skip("(");
            return new Pragma(schema, name, assigns ? tokens.name() : null);
        }

        private boolean lists() {
            return name.endsWith("_list") || name.endsWith("_info") || name.endsWith("_xinfo");
        }

        boolean onlyAsks() {
            return lists() || CHECKS.contains(name) || value == null && !ACTING.contains(name);
        }

        boolean changesConnection() {
            boolean ofDatabase = OF_DATABASE.contains(name) && !schema.equals(TEMPORARY);
            return value != null && !lists() && !ofDatabase;
        }

        @Nullable
        String journalMode() {
            return name.equals("journal_mode") && (schema.isEmpty() || schema.equals("main")) ? value : null;
        }
    }
}
