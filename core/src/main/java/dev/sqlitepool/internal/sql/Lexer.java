package dev.sqlitepool.internal.sql;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Finds words and ends of statements in SQL text as SQLite's tokenizer does (<a
 * href="https://www.sqlite.org/c3ref/complete.html">sqlite3_complete</a>): quoted text, identifiers, comments, and {@code
 * CREATE TRIGGER … END}. Stateless.
 */
public final class Lexer {
    private Lexer() {}

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

    /** Whether the first statement begins with the word. */
    public static boolean startsWith(String sql, String word) {
        return word(sql, skipBlank(sql, 0, true)).equalsIgnoreCase(word);
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

    static String unquoted(String name) {
        char quote = name.isEmpty() ? ' ' : name.charAt(0);
        if (name.length() < 2 || "\"'`[".indexOf(quote) < 0) {
            return name;
        }
        String inside = name.substring(1, name.length() - 1);
        String one = String.valueOf(quote);
        return inside.replace(one + one, one);
    }

    /** The index behind the first statement and its semicolon, from {@code at} on. */
    static int statementEnd(String sql, int at) {
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
}
