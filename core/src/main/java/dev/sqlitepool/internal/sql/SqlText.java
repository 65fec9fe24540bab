package dev.sqlitepool.internal.sql;

import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Finds words and ends of statements in SQL text as SQLite's tokenizer does (<a
 * href="https://www.sqlite.org/c3ref/complete.html">sqlite3_complete</a>): quoted text, identifiers, comments, and {@code
 * CREATE TRIGGER … END}. Stateless.
 */
public final class SqlText {
    private static final int LABEL_LENGTH = 60;
    private static final Set<String> LAST_CHANGE = Set.of("LAST_INSERT_ROWID", "CHANGES", "TOTAL_CHANGES");

    private SqlText() {}

    /** The first index from {@code at} on that is neither blank nor in a comment, nor, if so wanted, a semicolon. */
    public static int skipBlank(String sql, int at, boolean semicolons) {
        int i = at;
        while (i < sql.length()) {
            char c = sql.charAt(i);
            if (c <= ' ' || c == '\uFEFF' || (semicolons && c == ';')) {
                i++;
            } else if (c == '-' && sql.startsWith("--", i) || c == '/' && sql.startsWith("/*", i)) {
                i = tokenEnd(sql, i);
            } else {
                break;
            }
        }
        return i;
    }

    /** The word that begins at {@code at}, empty if none does. */
    public static String word(String sql, int at) {
        int end = at;
        while (end < sql.length() && isWordPart(sql.charAt(end))) {
            end++;
        }
        return sql.substring(at, end);
    }

    private static boolean isWordPart(char c) {
        return c >= 'a' && c <= 'z'
                || c >= 'A' && c <= 'Z'
                || c >= '0' && c <= '9'
                || c == '_'
                || c == '$'
                || c >= 0x80;
    }

    /** Whether the first statement from {@code at} on has the word outside quotes and comments. */
    public static boolean contains(String sql, int at, String word) {
        int i = skipBlank(sql, at, true);
        while (i < sql.length() && sql.charAt(i) != ';') {
            int end = tokenEnd(sql, i);
            if (end - i == word.length() && sql.regionMatches(true, i, word, 0, word.length())) {
                return true;
            }
            i = end;
        }
        return false;
    }

    /** Whether the statement asks for what SQLite remembers of a connection's last change. */
    public static boolean asksForLastChange(String sql) {
        if (!callsWithoutArguments(sql)) {
            return false; // hardly any does, and this is quick
        }
        int i = 0;
        while (i < sql.length()) {
            int end = tokenEnd(sql, i);
            if (LAST_CHANGE.contains(unquoted(sql.substring(i, end)).toUpperCase(Locale.ROOT))) {
                int open = skipBlank(sql, end, false);
                // Without arguments, unlike the columns of a table with such a name.
                if (sql.startsWith("(", open) && sql.startsWith(")", skipBlank(sql, open + 1, false))) {
                    return true;
                }
            }
            i = end;
        }
        return false;
    }

    private static boolean callsWithoutArguments(String sql) {
        for (int open = sql.indexOf('('); open >= 0; open = sql.indexOf('(', open + 1)) {
            if (sql.startsWith(")", skipBlank(sql, open + 1, false))) {
                return true;
            }
        }
        return false;
    }

    /** Whether a statement that begins with WITH changes rows. */
    public static boolean changesRows(String sql) {
        return contains(sql, 0, "INSERT")
                || contains(sql, 0, "UPDATE")
                || contains(sql, 0, "DELETE")
                || contains(sql, 0, "REPLACE");
    }

    /** The table into which an INSERT or REPLACE inserts, without its schema and quotes; null if the statement is none. */
    public static @Nullable String insertsInto(String sql) {
        int depth = 0;
        for (int i = skipBlank(sql, 0, true); i < sql.length(); ) {
            int end = tokenEnd(sql, i);
            char c = sql.charAt(i);
            depth += c == '(' ? 1 : c == ')' ? -1 : 0;
            int next = skipBlank(sql, end, false);
            if (depth == 0 && end - i == 4 && sql.regionMatches(true, i, "INTO", 0, 4)) {
                int nameEnd = next < sql.length() ? tokenEnd(sql, next) : next;
                int dot = skipBlank(sql, nameEnd, false);
                if (sql.startsWith(".", dot)) {
                    next = skipBlank(sql, dot + 1, false);
                    nameEnd = next < sql.length() ? tokenEnd(sql, next) : next;
                }
                return unquoted(sql.substring(next, nameEnd));
            }
            i = next;
        }
        return null;
    }

    private static String unquoted(String name) {
        char quote = name.isEmpty() ? ' ' : name.charAt(0);
        if (name.length() < 2 || "\"'`[".indexOf(quote) < 0) {
            return name;
        }
        String inside = name.substring(1, name.length() - 1);
        String one = String.valueOf(quote);
        return inside.replace(one + one, one);
    }

    /** The index behind the token at {@code at}: a word, a quoted text, a comment, or a single character. */
    public static int tokenEnd(String sql, int at) {
        char c = sql.charAt(at);
        switch (c) {
            case '\'':
            case '"':
            case '`':
                return quoteEnd(sql, at, c);
            case '[':
                return after(sql, sql.indexOf(']', at + 1), 1);
            case '-':
                return sql.startsWith("--", at) ? after(sql, sql.indexOf('\n', at), 1) : at + 1;
            case '/':
                return sql.startsWith("/*", at) ? after(sql, sql.indexOf("*/", at + 2), 2) : at + 1;
            default:
                return Math.max(at + 1, at + word(sql, at).length());
        }
    }

    private static int quoteEnd(String sql, int at, char quote) {
        int end = at + 1;
        while (true) {
            end = sql.indexOf(quote, end);
            if (end < 0) {
                return sql.length();
            }
            if (end + 1 >= sql.length() || sql.charAt(end + 1) != quote) {
                return end + 1;
            }
            end += 2;
        }
    }

    private static int after(String sql, int found, int length) {
        return found < 0 ? sql.length() : found + length;
    }

    /** The index behind the first statement and its semicolon, from {@code at} on. */
    private static int statementEnd(String sql, int at) {
        boolean trigger = isTrigger(sql, at);
        // A trigger ends with ";", "END", ";" in a row; comments and blanks between do not count.
        boolean afterSemicolon = false;
        boolean afterEnd = false;
        int i = at;
        while (true) {
            i = skipBlank(sql, i, false);
            if (i >= sql.length()) {
                return i;
            }
            int end = tokenEnd(sql, i);
            if (sql.charAt(i) == ';') {
                if (!trigger || afterEnd) {
                    return end;
                }
                afterSemicolon = true;
            } else {
                afterEnd = afterSemicolon && end - i == 3 && sql.regionMatches(true, i, "END", 0, 3);
                afterSemicolon = false;
            }
            i = end;
        }
    }

    private static boolean isTrigger(String sql, int at) {
        int i = at;
        while (true) {
            i = skipBlank(sql, i, false);
            String word = word(sql, i).toUpperCase(Locale.ROOT);
            switch (word) {
                case "TRIGGER":
                    return true;
                case "CREATE":
                case "TEMP":
                case "TEMPORARY":
                case "EXPLAIN":
                case "QUERY":
                case "PLAN":
                    i += word.length();
                    break;
                default:
                    return false;
            }
        }
    }

    /** Refuses text that is not exactly one statement: SQLite would prepare the first, and drop the rest in silence. */
    public static void requireSingle(String sql) throws SQLException {
        if (sql.indexOf('\0') >= 0) {
            throw new SQLException(
                    "The SQL text holds a NUL character, and SQLite would read nothing behind it; give such"
                            + " a value as a parameter.");
        }
        int start = skipBlank(sql, 0, true);
        if (start == sql.length()) {
            throw new SQLException("The SQL text holds no statement.");
        }
        if (skipBlank(sql, statementEnd(sql, start), true) < sql.length()) {
            throw new SQLException("The SQL text holds more than one statement (it begins with " + label(sql)
                    + "); give one at a time, or use executeScript.");
        }
    }

    /** The statements of a script, without blanks and comments before them. */
    public static List<String> split(String script) {
        List<String> statements = new ArrayList<>();
        int start = skipBlank(script, 0, true);
        while (start < script.length()) {
            int end = statementEnd(script, start);
            statements.add(script.substring(start, end));
            start = skipBlank(script, end, true);
        }
        return statements;
    }

    /** The beginning of a statement on one line for messages, every literal replaced by a question mark. */
    public static String label(String sql) {
        StringBuilder label = new StringBuilder();
        int i = skipBlank(sql, 0, true);
        while (i < sql.length() && label.length() < LABEL_LENGTH) {
            int blank = skipBlank(sql, i, false);
            if (blank > i) {
                label.append(' ');
                i = blank;
                continue;
            }
            int end = tokenEnd(sql, i);
            char c = sql.charAt(i);
            boolean literal = c == '\'' || c == '"' || c >= '0' && c <= '9';
            boolean blob = (c == 'x' || c == 'X') && end < sql.length() && sql.charAt(end) == '\'';
            label.append(literal || blob ? "?" : sql.substring(i, end));
            i = blob ? tokenEnd(sql, end) : end;
        }
        boolean cut = label.length() > LABEL_LENGTH || i < sql.length();
        String text = label.substring(0, Math.min(LABEL_LENGTH, label.length())).strip();
        return cut ? text + "…" : text;
    }

    /** Whether the first statement begins with the word. */
    public static boolean startsWith(String sql, String word) {
        return word(sql, skipBlank(sql, 0, true)).equalsIgnoreCase(word);
    }

    /**
     * Whether a statement that is neither data nor transaction control leaves the connection different for its next user: ATTACH,
     * DETACH, a temporary table, a PRAGMA that sets something of the connection.
     */
    public static boolean changesConnection(String sql) {
        return ConnectionChanges.areMadeBy(sql);
    }

    /**
     * Whether a statement answers from the schema that its connection remembers, when it is prepared: a later run looks at no table, and does
     * not notice that the schema has changed.
     */
    public static boolean answersFromSchema(String sql) {
        return startsWith(sql, "EXPLAIN") || startsWith(sql, "PRAGMA") && !changesConnection(sql);
    }

    /** A plain BEGIN would be deferred, and fail when it first writes behind another process's back. */
    public static String immediate(String sql, Verb verb) {
        if (verb != Verb.BEGIN) {
            return sql;
        }
        int at = skipBlank(sql, 0, true);
        return contains(sql, at, "IMMEDIATE") || contains(sql, at, "EXCLUSIVE") ? sql : "BEGIN IMMEDIATE";
    }
}
