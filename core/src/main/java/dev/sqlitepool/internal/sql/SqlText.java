package dev.sqlitepool.internal.sql;

import java.sql.SQLException;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The text of a statement, and what it says without the database. It is made once for each text that a user gives, and handed down
 * to all that must know it, so that nobody reads the text again. Immutable.
 */
public final class SqlText {
    /** No statement. */
    public static final SqlText EMPTY = of("");
    /** Stands for anything that only reads. */
    public static final SqlText READ = of("SELECT 1");
    /** Stands for whatever the user does through the driver's connection. */
    public static final SqlText PRAGMA = of("PRAGMA user_version");

    public static final SqlText BEGIN = of("BEGIN");
    public static final SqlText COMMIT = of("COMMIT");
    public static final SqlText ROLLBACK = of("ROLLBACK");
    private static final SqlText BEGIN_IMMEDIATE = of("BEGIN IMMEDIATE");

    private static final int LABEL_LENGTH = 60;
    private static final Set<String> LAST_CHANGE = Set.of("LAST_INSERT_ROWID", "CHANGES", "TOTAL_CHANGES");

    private final String text;
    private final Verb verb;
    /** Found when it is first asked for; null before. Threads that ask at the same time find the same. */
    private @Nullable Boolean asksForLastChange;

    private SqlText(String text) {
        this.text = Objects.requireNonNull(text, "sql");
        this.verb = Verb.of(text);
    }

    /** Reads a text. */
    public static SqlText of(String text) {
        return new SqlText(text);
    }

    public String text() {
        return text;
    }

    /** The verb of the first statement. */
    public Verb verb() {
        return verb;
    }

    /** Its label, since the text may hold values. */
    @Override
    public String toString() {
        return label();
    }

    // ---- which rows it concerns

    /** Whether a run of the statement has a count of changed rows. */
    public boolean counts(boolean returnsRows) {
        return verb == Verb.CHANGE || verb == Verb.WITH && (!returnsRows || returnsChanges());
    }

    /** Whether a statement that changes rows returns them. */
    public boolean returnsChanges() {
        return Lexer.contains(text, 0, "RETURNING");
    }

    /** Whether a statement that begins with WITH changes rows. */
    public boolean changesRows() {
        return Lexer.contains(text, 0, "INSERT")
                || Lexer.contains(text, 0, "UPDATE")
                || Lexer.contains(text, 0, "DELETE")
                || Lexer.contains(text, 0, "REPLACE");
    }

    /** The table into which an INSERT or REPLACE inserts, without its schema and quotes; null if the statement is none. */
    public @Nullable String insertsInto() {
        int depth = 0;
        for (int i = Lexer.skipBlank(text, 0, true); i < text.length(); ) {
            int end = Lexer.tokenEnd(text, i);
            char c = text.charAt(i);
            depth += c == '(' ? 1 : c == ')' ? -1 : 0;
            int next = Lexer.skipBlank(text, end, false);
            if (depth == 0 && end - i == 4 && text.regionMatches(true, i, "INTO", 0, 4)) {
                int nameEnd = next < text.length() ? Lexer.tokenEnd(text, next) : next;
                int dot = Lexer.skipBlank(text, nameEnd, false);
                if (text.startsWith(".", dot)) {
                    next = Lexer.skipBlank(text, dot + 1, false);
                    nameEnd = next < text.length() ? Lexer.tokenEnd(text, next) : next;
                }
                return Lexer.unquoted(text.substring(next, nameEnd));
            }
            i = next;
        }
        return null;
    }

    /** Whether the statement asks for what SQLite remembers of a connection's last change. */
    public boolean asksForLastChange() {
        Boolean known = asksForLastChange;
        if (known == null) {
            known = callsWithoutArguments() && callsLastChange();
            asksForLastChange = known;
        }
        return known;
    }

    private boolean callsLastChange() {
        int i = 0;
        while (i < text.length()) {
            int end = Lexer.tokenEnd(text, i);
            if (LAST_CHANGE.contains(Lexer.unquoted(text.substring(i, end)).toUpperCase(Locale.ROOT))) {
                int open = Lexer.skipBlank(text, end, false);
                // Without arguments, unlike the columns of a table with such a name.
                if (text.startsWith("(", open) && text.startsWith(")", Lexer.skipBlank(text, open + 1, false))) {
                    return true;
                }
            }
            i = end;
        }
        return false;
    }

    /** Hardly any statement does, and this is quick. */
    private boolean callsWithoutArguments() {
        for (int open = text.indexOf('('); open >= 0; open = text.indexOf('(', open + 1)) {
            if (text.startsWith(")", Lexer.skipBlank(text, open + 1, false))) {
                return true;
            }
        }
        return false;
    }

    // ---- what it does

    /**
     * Whether a statement that is neither data nor transaction control leaves the connection different for its next user: ATTACH,
     * DETACH, a temporary table, a PRAGMA that sets something of the connection.
     */
    public boolean changesConnection() {
        return ConnectionChanges.areMadeBy(text);
    }

    /**
     * Whether a statement answers from the schema that its connection remembers, when it is prepared: a later run looks at no table, and does
     * not notice that the schema has changed.
     */
    public boolean answersFromSchema() {
        return startsWith("EXPLAIN") || startsWith("PRAGMA") && !changesConnection();
    }

    /** The journal mode that the statement sets for the pool's database; null if it sets none. */
    public @Nullable String journalMode() {
        return ConnectionChanges.journalMode(text);
    }

    /** Whether the statement is a pragma that tells something and does nothing. */
    public boolean onlyAsks() {
        return ConnectionChanges.onlyAsks(text);
    }

    /** Whether the statement is a pragma whose effect belongs to the transaction in which it runs: committed and rolled back with it. */
    public boolean isTransactionalPragma() {
        return ConnectionChanges.isTransactional(text);
    }

    /** The name of the pragma in lower case; empty if the statement is none. */
    public String pragma() {
        return ConnectionChanges.pragma(text);
    }

    /** Whether the first statement begins with the word. */
    public boolean startsWith(String word) {
        return Lexer.startsWith(text, word);
    }

    /** The text that runs for it: a plain BEGIN would be deferred, and fail when it first writes behind another process's back. */
    public SqlText immediate() {
        boolean deferred =
                verb == Verb.BEGIN && !Lexer.contains(text, 0, "IMMEDIATE") && !Lexer.contains(text, 0, "EXCLUSIVE");
        return deferred ? BEGIN_IMMEDIATE : this;
    }

    // ---- as a whole

    /** Refuses text that is not exactly one statement: SQLite would prepare the first, and drop the rest in silence. */
    public void requireSingle() throws SQLException {
        if (text.indexOf('\0') >= 0) {
            throw new SQLException(
                    "The SQL text holds a NUL character, and SQLite would read nothing behind it; give such"
                            + " a value as a parameter.");
        }
        int start = Lexer.skipBlank(text, 0, true);
        if (start == text.length()) {
            throw new SQLException("The SQL text holds no statement.");
        }
        if (Lexer.skipBlank(text, Lexer.statementEnd(text, start), true) < text.length()) {
            throw new SQLException("The SQL text holds more than one statement (it begins with " + label()
                    + "); give one at a time, or use executeScript.");
        }
    }

    /** A column's name for messages: one that SQLite has made is the text of an expression, and may hold literals. */
    public static String columnLabel(String name) {
        return of(name).label();
    }

    /** The beginning of the statement on one line for messages, every literal replaced by a question mark. */
    public String label() {
        StringBuilder label = new StringBuilder();
        int i = Lexer.skipBlank(text, 0, true);
        while (i < text.length() && label.length() < LABEL_LENGTH) {
            int blank = Lexer.skipBlank(text, i, false);
            if (blank > i) {
                label.append(' ');
                i = blank;
                continue;
            }
            int end = Lexer.tokenEnd(text, i);
            char c = text.charAt(i);
            boolean literal = c == '\'' || c == '"' || c >= '0' && c <= '9';
            boolean blob = (c == 'x' || c == 'X') && end < text.length() && text.charAt(end) == '\'';
            label.append(literal || blob ? "?" : text.substring(i, end));
            i = blob ? Lexer.tokenEnd(text, end) : end;
        }
        boolean cut = label.length() > LABEL_LENGTH || i < text.length();
        String line = label.substring(0, Math.min(LABEL_LENGTH, label.length())).strip();
        return cut ? line + "…" : line;
    }
}
