package dev.sqlitepool.internal.engine.sqlite;

import static org.assertj.core.api.Assertions.assertThat;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

class BaselineTest {
    /** Written into the database file, so part of its content. */
    private static final Set<String> CONTENT = Set.of(
            "application_id",
            "auto_vacuum",
            "default_cache_size",
            "encoding",
            "page_size",
            "schema_version",
            "user_version");

    private static final Set<String> OF_THE_PROCESS =
            Set.of("hard_heap_limit", "soft_heap_limit", "temp_store_directory");

    private static final Set<String> SET_NOTHING = Set.of(
            "collation_list",
            "compile_options",
            "data_version",
            "database_list",
            "foreign_key_check",
            "foreign_key_list",
            "freelist_count",
            "function_list",
            "incremental_vacuum",
            "index_info",
            "index_list",
            "index_xinfo",
            "integrity_check",
            "module_list",
            "optimize",
            "page_count",
            "pragma_list",
            "quick_check",
            "shrink_memory",
            "table_info",
            "table_list",
            "table_xinfo",
            "wal_checkpoint");

    /** A new one, with an update of the driver, fails here until somebody has thought about whose it is. */
    @Test
    void everyPragmaOfThisSqliteIsKnown() throws SQLException {
        Set<String> known = new TreeSet<>(Baseline.OF_CONNECTION);
        known.addAll(Baseline.OF_EACH_DATABASE);
        known.add(Baseline.CASE_SENSITIVE_LIKE);
        List<String> others = new ArrayList<>(CONTENT);
        others.addAll(OF_THE_PROCESS);
        others.addAll(SET_NOTHING);
        assertThat(others).doesNotContainAnyElementsOf(known).doesNotHaveDuplicates();
        known.addAll(others);
        List<String> listed = new ArrayList<>();
        try (Connection connection = DriverManager.getConnection("jdbc:sqlite::memory:");
                Statement statement = connection.createStatement();
                ResultSet names = statement.executeQuery("PRAGMA pragma_list")) {
            while (names.next()) {
                listed.add(names.getString(1));
            }
        }
        assertThat(listed).hasSizeGreaterThan(50);
        assertThat(known).containsExactlyInAnyOrderElementsOf(listed);
    }
}
