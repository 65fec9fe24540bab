package dev.sqlitepool.internal.engine.sqlite;

import dev.sqlitepool.Access;
import dev.sqlitepool.Durability;
import dev.sqlitepool.internal.Patience;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.file.PathText;
import dev.sqlitepool.internal.file.SyncedFile;
import java.net.URI;
import java.nio.file.Path;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.sqlite.JDBC;
import org.sqlite.SQLiteConnection;

/**
 * Sets up a new SQLite connection: pragmas in a fixed order, each read back, since SQLite ignores in silence what it
 * does not know or cannot do. Owned by the thread that opens.
 */
final class SqliteSetup {
    /**
     * How long SQLite itself waits for a lock. Short, because a native wait ignores interrupts; patience is Java's,
     * which repeats until the busy timeout has passed.
     */
    static final int NATIVE_BUSY_MILLIS = 5;

    /**
     * The pragmas that come first: they can only be chosen while the file is empty, and the switch to WAL writes its
     * header.
     */
    private static final List<String> ORDERED = List.of("page_size", "auto_vacuum", "journal_mode");

    private final Settings settings;
    private final SQLiteConnection connection;
    /** The journal mode before the hooks, if there are any. */
    private @Nullable String journalMode;

    SqliteSetup(Settings settings, SQLiteConnection connection) {
        this.settings = settings;
        this.connection = connection;
    }

    /** Before the hooks of {@code onConnect}, so that their writes are as durable as those of users. */
    void apply() throws SQLException {
        connection.setBusyTimeout(NATIVE_BUSY_MILLIS);
        for (String pragma : ORDERED) {
            if (settings.pragmas().containsKey(pragma)) {
                set(pragma, settings.pragmas().get(pragma));
            }
        }
        for (Map.Entry<String, String> pragma : settings.pragmas().entrySet()) {
            if (!ORDERED.contains(pragma.getKey())) {
                set(pragma.getKey(), pragma.getValue());
            }
        }
        if (SyncedFile.needsFullSync()) { // for the syncs that SQLite makes
            setUnlessChosen("fullfsync", 1);
            setUnlessChosen("checkpoint_fullfsync", 1);
        }
        setOwn();
        journalMode = settings.onConnect().isEmpty() ? null : read("journal_mode");
    }

    /** After the hooks, which may have changed what the pool relies on. */
    void finish(Access access) throws SQLException {
        if (!settings.onConnect().isEmpty()) {
            connection.setBusyTimeout(NATIVE_BUSY_MILLIS);
            setOwn();
            String journal = read("journal_mode");
            if (!Objects.equals(journal, journalMode)) {
                throw new SQLException("A hook of onConnect changed journal_mode from " + journalMode + " to " + journal
                        + "; choose it with pragma(\"journal_mode\", …), for all connections.");
            }
        }
        if (settings.poolSize() > 1 && isExclusive()) {
            throw new SQLException("A hook or the connection factory has set locking_mode to EXCLUSIVE with poolSize "
                    + settings.poolSize() + "; an exclusive connection locks the others out: use poolSize(1).");
        }
        // Last: from here on this connection cannot even switch to WAL.
        set("query_only", access == Access.READ ? "ON" : "OFF");
    }

    /** Sets the pragmas that the pool itself relies on. */
    private void setOwn() throws SQLException {
        if (settings.externalCheckpointer()) {
            set("wal_autocheckpoint", "0");
        }
        set("synchronous", settings.durability() == Durability.FULL ? "FULL" : "NORMAL");
    }

    boolean isExclusive() throws SQLException {
        return "exclusive".equalsIgnoreCase(read("locking_mode"));
    }

    /** Whether the database has a write-ahead log, and it exists. */
    boolean isWal() throws SQLException {
        return databaseFile() != null
                && "wal".equalsIgnoreCase(read("journal_mode"))
                && read("schema_version") != null; // a first look at the database: it makes the WAL
    }

    /**
     * Whether the commits of a connection that writes to a WAL are synced by the pool: COMMIT appends frames that are
     * chained by checksums, so a sync of the file afterwards makes durable what SQLite's own FULL makes durable inside
     * COMMIT.
     */
    boolean isGated() {
        return settings.durability() == Durability.FULL && settings.uses(Settings.Part.GATE);
    }

    /**
     * SQLite's automatic checkpoint becomes a backstop at the limit. And when SQLite begins the log from its start, the
     * file shrinks, so that its size tells how long the log is. A value that the user has chosen stays.
     *
     * @param bySqlite SQLite makes the checkpoints, as it does by default
     */
    void boundLog(boolean bySqlite) throws SQLException {
        if (settings.checkpoints()) {
            String page = read("page_size");
            long pageSize = page == null ? 4096 : Long.parseLong(page);
            if (!bySqlite) {
                setUnlessChosen(
                        "wal_autocheckpoint", Math.min(Integer.MAX_VALUE, settings.walSizeLimit() / pageSize + 1));
            }
            setUnlessChosen("journal_size_limit", settings.checkpointSize());
        }
    }

    private void setUnlessChosen(String pragma, long value) throws SQLException {
        if (!settings.pragmas().containsKey(pragma)) {
            set(pragma, Long.toString(value));
        }
    }

    /** Checkpoints all of the WAL into the synced database file, waiting for readers up to the busy timeout. */
    void truncateWal() throws SQLException {
        Patience patience = new Patience(Settings.nanos(settings.busyTimeout()));
        while (!"0".equals(read("wal_checkpoint(TRUNCATE)"))) {
            if (!patience.isLeft()) {
                throw new SQLException(
                        "A sync of the WAL has failed before, and the checkpoint that would put things right waits"
                                + " for readers; end the long reads.");
            }
            patience.park();
        }
    }

    private @Nullable String read(String pragma) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet value = statement.executeQuery("PRAGMA " + pragma)) {
            return value.next() ? value.getString(1) : null;
        }
    }

    /** The file of the main database as SQLite sees it, symbolic links resolved; null in memory. */
    @Nullable
    Path databaseFile() throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet databases = statement.executeQuery("PRAGMA database_list")) {
            while (databases.next()) {
                if (databases.getString("name").equals("main")) {
                    String file = databases.getString("file");
                    return file == null || file.isEmpty() ? null : PathText.found(file, settings.database());
                }
            }
            return null;
        }
    }

    /** The name that the driver was given, with the links that SQLite has resolved in the file that it found. */
    Path named(Path found) {
        String url = connection.getUrl();
        String name = url.startsWith(JDBC.PREFIX) ? url.substring(JDBC.PREFIX.length()) : url;
        int options = name.indexOf('?');
        name = options < 0 ? name : name.substring(0, options);
        try {
            return (name.startsWith("file:/") ? Path.of(URI.create(name)) : PathText.found(name, null))
                    .toAbsolutePath();
        } catch (IllegalArgumentException e) {
            return found;
        }
    }

    private void set(String pragma, String value) throws SQLException {
        String found = patiently("PRAGMA " + pragma + "=" + value, pragma);
        if (found == null) {
            throw new SQLException("pragma " + pragma + " is unknown to this SQLite, or cannot be read back; check its"
                    + " spelling, or set it in onConnect(…).");
        }
        String wanted = canonical(pragma, value);
        // Switched on, this one answers with its number of pages.
        boolean spills = pragma.equals("cache_spill") && wanted.equals("1") && !found.equals("0");
        if (!spills && !canonical(pragma, found).equals(wanted)) {
            throw new SQLException("pragma " + pragma + " was set to " + value + " but SQLite answers " + found
                    + "; this database or file system does not allow it.");
        }
    }

    /** Sets and reads back, repeating while another process holds the database. */
    private @Nullable String patiently(String assignment, String pragma) throws SQLException {
        Patience patience = new Patience(Settings.nanos(settings.busyTimeout()));
        try (Statement statement = connection.createStatement()) {
            while (true) {
                try {
                    statement.execute(assignment);
                    if (!statement.execute("PRAGMA " + pragma)) {
                        return null; // no rows at all: unknown
                    }
                    try (ResultSet value = statement.getResultSet()) {
                        return value.next() ? value.getString(1) : null;
                    }
                } catch (SQLException e) {
                    boolean busy = (SqliteErrors.code(e) & 0xff) == 5;
                    if (!busy || !patience.isLeft()) {
                        throw e;
                    }
                    patience.park();
                }
            }
        }
    }

    /** The form in which SQLite reads a value back. */
    private static String canonical(String pragma, String value) {
        String text = value.toLowerCase(Locale.ROOT);
        switch (text) {
            case "on", "true", "yes":
                return "1";
            case "off", "false", "no":
                return pragma.equals("journal_mode") ? "off" : "0";
            case "none", "default":
                return "0";
            case "normal":
                return pragma.equals("locking_mode") ? text : "1";
            case "full":
                return pragma.equals("synchronous") ? "2" : "1";
            case "file":
                return "1";
            case "incremental", "fast":
                return "2";
            case "memory":
                return pragma.equals("temp_store") ? "2" : text;
            default:
                return text.startsWith("+") ? text.substring(1) : text;
        }
    }
}
