package dev.sqlitepool.internal.sql;

/** Goes over the tokens of the first statement of a text; blanks and comments do not count. Confined to one thread. */
final class Tokens {
    private final String sql;
    private int at;
    private int end;

    /** Stands on the first token. */
    Tokens(String sql) {
        this.sql = sql;
        this.end = Lexer.skipBlank(sql, 0, true);
        next();
    }

    /** Whether there is no token any more. */
    boolean isEnd() {
        return at >= sql.length() || sql.charAt(at) == ';';
    }

    void next() {
        at = Lexer.skipBlank(sql, end, false);
        end = at < sql.length() ? Lexer.tokenEnd(sql, at) : at;
    }

    /** Whether the token is this keyword or character; in quotes a keyword is a name. */
    boolean is(String text) {
        return end - at == text.length() && sql.regionMatches(true, at, text, 0, text.length());
    }

    /** Goes on if the token is this keyword or character. */
    boolean skip(String text) {
        boolean found = is(text);
        if (found) {
            next();
        }
        return found;
    }

    /** The token as a name: without its quotes, in lower case as SQLite folds it. */
    String name() {
        String name = sql.substring(at, end);
        boolean quoted = end - at > 1 && "\"'`[".indexOf(name.charAt(0)) >= 0;
        return Names.folded(quoted ? name.substring(1, name.length() - 1) : name);
    }
}
