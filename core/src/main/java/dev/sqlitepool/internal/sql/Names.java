package dev.sqlitepool.internal.sql;

/**
 * Compares names as SQLite does: without regard to case in ASCII only, so {@code é} and {@code É} are two columns. Java folds all of
 * Unicode, and would take them for one. Stateless.
 */
public final class Names {
    private Names() {}

    /** The name with the ASCII letters in lower case. */
    public static String folded(String name) {
        for (int i = 0; i < name.length(); i++) {
            if (isUpper(name.charAt(i))) {
                StringBuilder lower = new StringBuilder(name);
                for (int j = i; j < name.length(); j++) {
                    lower.setCharAt(j, lower(name.charAt(j)));
                }
                return lower.toString();
            }
        }
        return name;
    }

    /** Whether SQLite takes both for the same name. */
    public static boolean same(String one, String other) {
        if (one.length() != other.length()) {
            return false;
        }
        for (int i = 0; i < one.length(); i++) {
            if (one.charAt(i) != other.charAt(i) && lower(one.charAt(i)) != lower(other.charAt(i))) {
                return false;
            }
        }
        return true;
    }

    private static boolean isUpper(char c) {
        return c >= 'A' && c <= 'Z';
    }

    private static char lower(char c) {
        return isUpper(c) ? (char) (c + ('a' - 'A')) : c;
    }
}
