package dev.sqlitepool.internal.engine.sqlite;

import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.sqlite.SQLiteConnection;

/**
 * The state of a connection when its set-up had ended, and the way back to it: for a connection that cannot be
 * replaced, since it is the database. Owned by the connection's owner; for use outside transactions.
 *
 * <p>Goes back: pragmas of the connection, temporary objects, attached databases, what JDBC's setters change. Pragmas
 * that are written into a database are its content and stay. An object of a hook that a task has removed cannot be made
 * again. Changes through the driver alone (functions, collations, limits, statements left open) cannot be found.
 */
final class Baseline {
    /** The pragmas that a connection has, and not its databases. First the one that would refuse the way back. */
    static final List<String> OF_CONNECTION = List.of(
            "query_only",
            "analysis_limit",
            "automatic_index",
            "busy_timeout",
            "cell_size_check",
            "checkpoint_fullfsync",
            "count_changes",
            "defer_foreign_keys",
            "empty_result_callbacks",
            "foreign_keys",
            "full_column_names",
            "fullfsync",
            "ignore_check_constraints",
            "legacy_alter_table",
            "locking_mode",
            "read_uncommitted",
            "recursive_triggers",
            "reverse_unordered_selects",
            "short_column_names",
            "temp_store",
            "threads",
            "trusted_schema",
            "wal_autocheckpoint",
            "writable_schema");

    /** The pragmas that each database of a connection has, and that are not written into it. */
    static final List<String> OF_EACH_DATABASE = List.of(
            "cache_size",
            "cache_spill",
            "journal_mode",
            "journal_size_limit",
            "locking_mode",
            "max_page_count",
            "mmap_size",
            "secure_delete",
            "synchronous");

    /** This pragma has no value to read, but an effect to see. */
    static final String CASE_SENSITIVE_LIKE = "case_sensitive_like";

    private final SqliteEngine engine;
    private final SQLiteConnection connection;
    private final int isolation;
    private final Set<Item> databases;
    private final Set<Item> temporary;
    private final Map<String, String> pragmas = new LinkedHashMap<>();

    /**
     * An attached database or a temporary object.
     *
     * @param text the database's file, or the object's SQL; two items are the same if it is the same too
     */
    private record Item(String kind, String name, @Nullable String text) {
        @Override
        public String toString() {
            return kind + " " + name;
        }
    }

    /** Takes note of the connection as it is now. */
    Baseline(SqliteEngine engine) throws SQLException {
        this.engine = engine;
        this.connection = engine.driver();
        this.isolation = connection.getTransactionIsolation();
        this.databases = databases();
        this.temporary = temporary();
        List<String> names = new ArrayList<>(OF_CONNECTION);
        names.add(CASE_SENSITIVE_LIKE);
        for (Item database : databases) {
            OF_EACH_DATABASE.forEach(pragma -> names.add(quoted(database.name) + "." + pragma));
        }
        OF_EACH_DATABASE.forEach(pragma -> names.add("temp." + pragma));
        for (String pragma : names) {
            String value = value(pragma);
            if (value != null) {
                pragmas.put(pragma, value);
            }
        }
    }

    /** Puts everything back. Goes as far as it can, and then fails if something is not as it was. */
    void restore() throws SQLException {
        SQLException failed = new SQLException("Not all changes of a function to this connection could be undone.");
        engine.takeOver();
        engine.writtenTables().forget(); // found under other pragmas
        connection.getConnectionConfig().setTransactionIsolation(isolation);
        connection.setTypeMap(null);
        putBackPragmas(failed);
        attempt("PRAGMA foreign_keys=OFF", failed); // a DROP deletes the rows first
        dropTemporary(failed);
        attempt("PRAGMA foreign_keys=" + pragmas.get("foreign_keys"), failed);
        detachDatabases(failed);
        missing(temporary, temporary(), failed);
        missing(databases, databases(), failed);
        if (failed.getSuppressed().length > 0) {
            throw failed;
        }
    }

    private void putBackPragmas(SQLException failed) {
        for (Map.Entry<String, String> pragma : pragmas.entrySet()) {
            try {
                String found = value(pragma.getKey());
                if (!pragma.getValue().equals(found)) {
                    run("PRAGMA " + pragma.getKey() + "=" + pragma.getValue());
                    found = value(pragma.getKey());
                }
                if (!pragma.getValue().equals(found)) {
                    failed.addSuppressed(new SQLException(
                            "pragma " + pragma.getKey() + " was " + pragma.getValue() + " and is " + found));
                }
            } catch (SQLException e) {
                failed.addSuppressed(e);
            }
        }
    }

    private void dropTemporary(SQLException failed) throws SQLException {
        for (Item item : temporary()) {
            boolean mine =
                    temporary.stream().noneMatch(kept -> kept.kind.equals(item.kind) && kept.name.equals(item.name));
            if (mine) {
                attempt("DROP " + item.kind + " IF EXISTS temp." + quoted(item.name), failed);
            }
        }
    }

    private void detachDatabases(SQLException failed) throws SQLException {
        for (Item database : databases()) {
            if (!databases.contains(database)) {
                attempt("DETACH " + quoted(database.name), failed);
            }
        }
    }

    private static void missing(Set<Item> wanted, Set<Item> found, SQLException failed) {
        for (Item item : wanted) {
            if (!found.contains(item)) {
                failed.addSuppressed(
                        new SQLException(item + ", which was there from the beginning, is gone or changed"));
            }
        }
    }

    private Set<Item> databases() throws SQLException {
        return items("PRAGMA database_list", rows -> {
            String name = rows.getString("name");
            return name.equals("temp") ? null : new Item("database", name, rows.getString("file"));
        });
    }

    /** In the order in which they can be dropped: virtual tables take tables of theirs along. */
    private Set<Item> temporary() throws SQLException {
        return items(
                "SELECT type, name, sql FROM sqlite_temp_master ORDER BY type = 'trigger' DESC, type = 'view' DESC,"
                        + " type = 'index' DESC, substr(sql, 1, 14) = 'CREATE VIRTUAL' DESC",
                rows -> {
                    String name = rows.getString("name");
                    // SQLite's own objects go with what they belong to, except statistics.
                    boolean droppable = !name.startsWith("sqlite_") || name.startsWith("sqlite_stat");
                    return droppable ? new Item(rows.getString("type"), name, rows.getString("sql")) : null;
                });
    }

    private interface Read {
        @Nullable
        Item item(ResultSet row) throws SQLException;
    }

    private Set<Item> items(String sql, Read read) throws SQLException {
        Set<Item> found = new LinkedHashSet<>();
        try (Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery(sql)) {
            while (rows.next()) {
                Item item = read.item(rows);
                if (item != null) {
                    found.add(item);
                }
            }
        }
        return found;
    }

    /** The value of a pragma; null where it has none, as {@code mmap_size} in memory. */
    private @Nullable String value(String pragma) throws SQLException {
        String sql = pragma.equals(CASE_SENSITIVE_LIKE) ? "SELECT 'a' NOT LIKE 'A'" : "PRAGMA " + pragma;
        try (Statement statement = connection.createStatement()) {
            if (!statement.execute(sql)) {
                return null;
            }
            try (ResultSet value = statement.getResultSet()) {
                return value.next() ? value.getString(1) : null;
            }
        }
    }

    private void run(String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    private void attempt(String sql, SQLException failed) {
        try {
            run(sql);
        } catch (SQLException e) {
            failed.addSuppressed(e);
        }
    }

    private static String quoted(String name) {
        return '"' + name.replace("\"", "\"\"") + '"';
    }
}
