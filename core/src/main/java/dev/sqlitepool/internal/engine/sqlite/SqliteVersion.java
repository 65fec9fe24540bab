package dev.sqlitepool.internal.engine.sqlite;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A version of SQLite, and whether it has a known bug. Immutable.
 *
 * <p>The WAL-reset bug: until 3.51.2 a connection that begins to write the WAL from its start, while another is about
 * to checkpoint it, can lead to a checkpoint that leaves pages out, and so to a damaged database (<a
 * href="https://www.sqlite.org/wal.html#walresetbug">Write-Ahead Logging</a>).
 */
record SqliteVersion(int major, int minor, int patch) {
    private static final Pattern TEXT =
            Pattern.compile("(\\d{1,4})\\.(\\d{1,4})(?:\\.(\\d{1,4}))?\\b.*", Pattern.DOTALL);

    /** Reads the answer of {@code sqlite_version()}; any other text is taken for the oldest version. */
    static SqliteVersion of(String text) {
        Matcher matcher = TEXT.matcher(text);
        if (!matcher.matches()) {
            return new SqliteVersion(0, 0, 0);
        }
        String patch = matcher.group(3);
        return new SqliteVersion(
                Integer.parseInt(matcher.group(1)),
                Integer.parseInt(matcher.group(2)),
                patch == null ? 0 : Integer.parseInt(patch));
    }

    /** Fixed in 3.51.3, and in later releases of two older lines. */
    boolean hasWalResetBug() {
        if (major != 3) {
            return major < 3;
        }
        switch (minor) {
            case 44:
                return patch < 6;
            case 50:
                return patch < 7;
            case 51:
                return patch < 3;
            default:
                return minor < 51;
        }
    }

    boolean isBefore(SqliteVersion other) {
        return major != other.major
                ? major < other.major
                : minor != other.minor ? minor < other.minor : patch < other.patch;
    }

    @Override
    public String toString() {
        return major + "." + minor + "." + patch;
    }
}
