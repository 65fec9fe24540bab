package dev.sqlitepool.r2dbc;

import dev.sqlitepool.internal.sql.Lexer;
import dev.sqlitepool.internal.sql.SqlText;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.NoSuchElementException;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * An SQL text, read without the database: its statements, what kind each is of, and its parameters with <a
 * href="https://www.sqlite.org/lang_expr.html#varparam">SQLite's own numbering</a>, where {@code ?} is one more than the largest number so
 * far, {@code ?NNN} is that number, and a name has the number of its first appearance. In a text of several statements the numbers
 * of each begin behind those of the one before, and a name means the same in all of them. Immutable.
 */
final class Script {
    private static final Set<Kind> CONTROL =
            EnumSet.of(Kind.BEGIN, Kind.SAVEPOINT, Kind.COMMIT, Kind.ROLLBACK, Kind.INSIDE);
    private static final int MOST_PARAMETERS = 32_766;
    private static final Set<String> MAIN_VERBS = Set.of("SELECT", "VALUES", "INSERT", "REPLACE", "UPDATE", "DELETE");

    /** What a statement is, for those who run it. */
    enum Kind {
        /** Reads rows. */
        ROWS,
        /** Has a count of changed rows. */
        CHANGE,
        /** Changes rows, and returns them. */
        RETURNING,
        /** Has rows or not, and no count: PRAGMA, CREATE, VACUUM. */
        OTHER,
        BEGIN,
        SAVEPOINT,
        COMMIT,
        ROLLBACK,
        /** RELEASE, ROLLBACK TO. */
        INSIDE
    }

    /**
     * One statement.
     *
     * @param sql without what follows its semicolon
     * @param first how many parameters the statements before it have
     * @param names the names of its parameters; null for those that have none
     */
    record Part(String sql, Kind kind, int first, List<@Nullable String> names) {
        /** Whether it begins, ends or moves in a transaction. */
        boolean isControl() {
            return CONTROL.contains(kind);
        }

        /** Whether the connection is not the same any more when it has run. */
        boolean changesConnection() {
            return kind == Kind.OTHER && SqlText.of(sql).changesConnection();
        }

        /** The same statement, which also returns what it has written. */
        Part returning(List<String> columns) {
            if (kind != Kind.CHANGE) {
                return this;
            }
            List<String> quoted = columns.stream().map(Script::column).toList();
            String list = quoted.isEmpty() ? "*" : String.join(", ", quoted);
            int end = sql.endsWith(";") ? sql.length() - 1 : sql.length();
            // On a line of its own: the text may end with a comment.
            return new Part(sql.substring(0, end) + "\nRETURNING " + list, Kind.RETURNING, first, names);
        }
    }

    private final String sql;
    private final List<Part> parts;
    private final List<@Nullable String> names;

    Script(String sql) {
        this.sql = sql;
        List<Part> found = new ArrayList<>();
        List<@Nullable String> all = new ArrayList<>();
        for (String statement : Lexer.split(sql)) {
            List<@Nullable String> own = Collections.unmodifiableList(parameters(statement));
            found.add(new Part(statement, kind(SqlText.of(statement)), all.size(), own));
            all.addAll(own);
        }
        this.parts = List.copyOf(found);
        this.names = all;
    }

    String sql() {
        return sql;
    }

    List<Part> parts() {
        return parts;
    }

    int parameters() {
        return names.size();
    }

    /** The 0-based indexes of all parameters of a name, which may be given without its first character. */
    List<Integer> indexes(String name) {
        List<Integer> found = new ArrayList<>();
        for (int i = 0; i < names.size(); i++) {
            String own = names.get(i);
            if (own != null
                    && (own.equals(name)
                            || own.charAt(0) != '?' && own.substring(1).equals(name))) {
                found.add(i);
            }
        }
        if (found.isEmpty()) {
            throw new NoSuchElementException("There is no parameter " + name + "; "
                    + (names.isEmpty() ? "the statement has none." : "the parameters are " + described() + "."));
        }
        return found;
    }

    private String described() {
        List<String> all = new ArrayList<>();
        for (int i = 0; i < names.size(); i++) {
            String own = names.get(i);
            all.add(own == null ? "index " + i : own);
        }
        return String.join(", ", all);
    }

    static String quoted(String identifier) {
        return '"' + identifier.replace("\"", "\"\"") + '"';
    }

    /** A column: in double quotes, SQLite would take a name that no column has for text. */
    private static String column(String name) {
        return '`' + name.replace("`", "``") + '`';
    }

    private static Kind kind(SqlText statement) {
        switch (statement.verb()) {
            case READ:
                return Kind.ROWS;
            case WITH:
                String verb = mainVerb(statement.text());
                return verb.equals("SELECT") || verb.equals("VALUES") ? Kind.ROWS : change(statement);
            case CHANGE:
                return change(statement);
            case BEGIN:
                return Kind.BEGIN;
            case SAVEPOINT:
                return Kind.SAVEPOINT;
            case COMMIT:
                return Kind.COMMIT;
            case ROLLBACK:
                return Kind.ROLLBACK;
            case RELEASE:
                return Kind.INSIDE;
            default:
                return Kind.OTHER;
        }
    }

    private static Kind change(SqlText statement) {
        return statement.returnsChanges() ? Kind.RETURNING : Kind.CHANGE;
    }

    /** The verb behind the common table expressions: the first outside their parentheses. */
    private static String mainVerb(String statement) {
        int depth = 0;
        boolean behind = false; // the end of a table expression, whose name may be a keyword
        int i = Lexer.skipBlank(statement, 0, true);
        while (i < statement.length()) {
            int end = Lexer.tokenEnd(statement, i);
            char c = statement.charAt(i);
            depth += c == '(' ? 1 : c == ')' ? -1 : 0;
            String word = statement.substring(i, end).toUpperCase(Locale.ROOT);
            if (depth == 0 && behind && MAIN_VERBS.contains(word)) {
                return word;
            }
            behind = c == ')';
            i = Lexer.skipBlank(statement, end, false);
        }
        return "";
    }

    /** The names of the parameters in the order of their numbers. */
    private static List<@Nullable String> parameters(String statement) {
        List<@Nullable String> names = new ArrayList<>();
        int i = 0;
        while (i < statement.length()) {
            int end = parameterEnd(statement, i);
            if (end == i) {
                i = Lexer.tokenEnd(statement, i);
                continue;
            }
            String name = statement.substring(i, end);
            if (name.equals("?")) {
                names.add(null);
            } else if (name.charAt(0) == '?') {
                number(names, name);
            } else if (!names.contains(name)) {
                names.add(name);
            }
            i = end;
        }
        return names;
    }

    private static void number(List<@Nullable String> names, String name) {
        String digits = name.substring(1).replaceFirst("^0+(?=.)", "");
        int number = digits.length() > 5 ? MOST_PARAMETERS + 1 : Integer.parseInt(digits);
        if (number < 1 || number > MOST_PARAMETERS) {
            throw new IllegalArgumentException(
                    "The parameter " + name + " is not one of ?1 to ?" + MOST_PARAMETERS + ".");
        }
        while (names.size() < number) {
            names.add(null);
        }
        if (names.get(number - 1) == null) {
            names.set(number - 1, name);
        }
    }

    /** The index behind the parameter at an index; that index if there is none. */
    private static int parameterEnd(String sql, int at) {
        char c = sql.charAt(at);
        if (c == '?') {
            int end = at + 1;
            while (end < sql.length() && sql.charAt(end) >= '0' && sql.charAt(end) <= '9') {
                end++;
            }
            return end;
        }
        if (c != ':' && c != '@' && c != '$') {
            return at;
        }
        int end = at + 1 + Lexer.word(sql, at + 1).length();
        while (c == '$' && end > at + 1 && sql.startsWith("::", end)) { // Tcl's namespaces
            end += 2 + Lexer.word(sql, end + 2).length();
        }
        return end == at + 1 ? at : end;
    }
}
