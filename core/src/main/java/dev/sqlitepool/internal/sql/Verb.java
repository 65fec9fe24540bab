package dev.sqlitepool.internal.sql;

import java.util.Locale;
import java.util.Map;

/** What the first keyword of a statement tells about it; an EXPLAIN is taken for what it explains. */
public enum Verb {
    /** SELECT, VALUES, EXPLAIN, a PRAGMA that only asks: reads. */
    READ,
    /** WITH: reads or writes; SQLite will tell. */
    WITH,
    /** INSERT, UPDATE, DELETE, REPLACE: writes, and has a count of changed rows. */
    CHANGE,
    /** CREATE, DROP, ALTER, REINDEX, ANALYZE: writes, without a meaningful count; may stand in a transaction. */
    SCHEMA,
    /** A PRAGMA that sets or does something, VACUUM: reaches beyond a transaction, or cannot stand in one. */
    MAINTENANCE,
    /** ATTACH, DETACH, VACUUM INTO: as MAINTENANCE, but writes nothing into the database, so that an error leaves nothing in doubt. */
    OTHER_FILE,
    /** BEGIN: opens a transaction. */
    BEGIN,
    /** SAVEPOINT: opens a transaction where none is open. */
    SAVEPOINT,
    /** COMMIT, END: ends a transaction, and keeps what it did. */
    COMMIT,
    /** ROLLBACK, but not TO a savepoint: ends a transaction, and undoes what it did. */
    ROLLBACK,
    /** RELEASE and ROLLBACK TO: moves inside a transaction; RELEASE may end it. */
    RELEASE,
    /** No statement: nothing but spaces and comments. */
    EMPTY,
    /** Anything else: left to SQLite to refuse. */
    OTHER;

    private static final Map<String, Verb> KEYWORDS = Map.ofEntries(
            Map.entry("SELECT", READ),
            Map.entry("VALUES", READ),
            Map.entry("WITH", WITH),
            Map.entry("INSERT", CHANGE),
            Map.entry("UPDATE", CHANGE),
            Map.entry("DELETE", CHANGE),
            Map.entry("REPLACE", CHANGE),
            Map.entry("CREATE", SCHEMA),
            Map.entry("DROP", SCHEMA),
            Map.entry("ALTER", SCHEMA),
            Map.entry("REINDEX", SCHEMA),
            Map.entry("ANALYZE", SCHEMA),
            Map.entry("PRAGMA", MAINTENANCE),
            Map.entry("ATTACH", OTHER_FILE),
            Map.entry("DETACH", OTHER_FILE),
            Map.entry("VACUUM", MAINTENANCE),
            Map.entry("BEGIN", BEGIN),
            Map.entry("SAVEPOINT", SAVEPOINT),
            Map.entry("COMMIT", COMMIT),
            Map.entry("END", COMMIT),
            Map.entry("ROLLBACK", ROLLBACK),
            Map.entry("RELEASE", RELEASE));

    /** The verb of the first statement of the text. */
    public static Verb of(String sql) {
        if (sql.startsWith("SELECT ")) {
            return READ; // most are
        }
        int at = Lexer.skipBlank(sql, 0, true);
        String word = Lexer.word(sql, at);
        Verb verb = KEYWORDS.get(word);
        if (verb == null) {
            verb = KEYWORDS.get(word.toUpperCase(Locale.ROOT));
        }
        if (verb == null) {
            return word.equalsIgnoreCase("EXPLAIN")
                    ? explained(sql, at + word.length())
                    : at == sql.length() ? EMPTY : OTHER;
        }
        if (verb == MAINTENANCE && ConnectionChanges.onlyAsks(sql)) {
            return READ;
        }
        if (verb == MAINTENANCE && word.equalsIgnoreCase("VACUUM") && Lexer.contains(sql, at, "INTO")) {
            return OTHER_FILE;
        }
        return verb == ROLLBACK && Lexer.contains(sql, at, "TO") ? RELEASE : verb;
    }

    /** EXPLAIN runs nothing, but preparing a PRAGMA may already carry it out; everything else only reads. */
    private static Verb explained(String sql, int at) {
        int next = Lexer.skipBlank(sql, at, false);
        String word = Lexer.word(sql, next);
        if (word.equalsIgnoreCase("QUERY")) {
            next = Lexer.skipBlank(sql, next + word.length(), false);
            word = Lexer.word(sql, next); // PLAN
            word = Lexer.word(sql, Lexer.skipBlank(sql, next + word.length(), false));
        }
        return word.equalsIgnoreCase("PRAGMA") ? MAINTENANCE : READ;
    }

    /** Whether the statement opens, moves in or ends a transaction. */
    public boolean isControl() {
        return begins() || ends() || this == RELEASE;
    }

    /** Whether the statement opens a transaction, or a savepoint inside it. */
    public boolean begins() {
        return this == BEGIN || this == SAVEPOINT;
    }

    /** Whether the statement ends the transaction whatever is inside it. */
    public boolean ends() {
        return this == COMMIT || this == ROLLBACK;
    }

    /** Whether a form that promises one transaction or one snapshot refuses the statement. */
    public boolean isRefusedInside() {
        return isControl() || isMaintenance();
    }

    /** Whether the statement reaches beyond a transaction, or cannot stand in one. */
    public boolean isMaintenance() {
        return this == MAINTENANCE || this == OTHER_FILE;
    }

    /** Whether the text must be looked at for what it does to the connection. */
    public boolean mayChangeConnection() {
        return isMaintenance() || this == SCHEMA;
    }

    /** Whether only the write lane may run it, known without asking SQLite. */
    public boolean needsWriteLane() {
        return this != READ && this != WITH && this != EMPTY && this != OTHER;
    }
}
