package dev.sqlitepool.internal.engine.sqlite;

import java.sql.SQLException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.sqlite.SQLiteJDBCLoader;

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

    /** The first whose driver has what the engine calls. */
    private static final SqliteVersion LEAST = new SqliteVersion(3, 46, 0);

    /** Fails with the version of the driver that is needed, where a call would end in a {@code NoSuchMethodError}. */
    static void requireDriver() throws SQLException {
        requireDriver(SQLiteJDBCLoader.getVersion());
    }

    /** A driver that does not tell its version is taken for a new one. */
    static void requireDriver(String driver) throws SQLException {
        SqliteVersion found = SqliteVersion.of(driver);
        if (found.major() != 0 && found.isBefore(LEAST)) {
            throw new SQLException(
                    "The driver sqlite-jdbc " + driver + " is too old: sqlitepool needs " + LEAST
                            + ".0 or later. Update the dependency org.xerial:sqlite-jdbc, best to 3.51.3.0 or later, whose SQLite is without the"
                            + " WAL-reset bug.",
                    "08001");
        }
    }

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
