package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.testing.Pools;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Pragmas where a transaction or a snapshot is promised: what only asks or is rolled back is allowed, the rest is refused with the reason. */
class PragmaTest {
    @RegisterExtension
    final Pools pools = new Pools();

    private static final List<String> ASKING = List.of(
            "PRAGMA user_version",
            "PRAGMA application_id",
            "PRAGMA schema_version",
            "PRAGMA main.page_count",
            "PRAGMA journal_mode",
            "PRAGMA foreign_keys",
            "PRAGMA synchronous",
            "PRAGMA cache_size",
            "PRAGMA encoding",
            "PRAGMA table_info(t)",
            "PRAGMA table_info = t",
            "PRAGMA table_xinfo('t')",
            "PRAGMA table_list",
            "PRAGMA index_list(t)",
            "PRAGMA index_info(i)",
            "PRAGMA index_xinfo(i)",
            "PRAGMA foreign_key_list(t)",
            "PRAGMA foreign_key_check",
            "PRAGMA foreign_key_check(t)",
            "PRAGMA integrity_check",
            "PRAGMA quick_check(t)",
            "PRAGMA database_list",
            "PRAGMA collation_list",
            "PRAGMA function_list",
            "PRAGMA compile_options",
            "/* asks */ pragma USER_VERSION;");

    private SqlitePool filled() {
        SqlitePool pool = pools.open();
        pool.useTransaction(
                        tx -> tx.executeScript(
                                "CREATE TABLE t (id INTEGER PRIMARY KEY, p REFERENCES t DEFERRABLE); CREATE INDEX i ON t (p); INSERT INTO t VALUES (1, NULL)"))
                .join();
        return pool;
    }

    private static long number(PoolConnection connection, String sql) throws SQLException {
        return connection.queryOne(sql, row -> row.getLong(1)).orElseThrow();
    }

    @Test
    void whatOnlyAsksIsAllowedEverywhere() {
        SqlitePool pool = filled();
        for (String sql : ASKING) {
            List<Object> inTransaction = pool.<List<Object>>transaction(tx -> tx.query(sql, row -> row.getObject(1)))
                    .join();
            assertThat(pool.<List<Object>>read(tx -> tx.query(sql, row -> row.getObject(1)))
                            .join())
                    .as(sql)
                    .hasSameSizeAs(inTransaction);
            assertThat(pool.<Object>query(sql, row -> row.getObject(1)).join())
                    .as(sql)
                    .hasSameSizeAs(inTransaction);
            assertThat(pool.<List<Object>>connection(tx -> tx.query(sql, row -> row.getObject(1)))
                            .join())
                    .as(sql)
                    .hasSameSizeAs(inTransaction);
        }
        assertThat(pool.stats().closed().getOrDefault(PoolStats.CloseReason.CHANGED, 0L))
                .isZero();
    }

    @Test
    void aPragmaThatOnlyAsksNeedsNoConnectionThatWrites() {
        SqlitePool pool = pools.open(builder -> builder.readOnly());
        SqlitePool maker = filled();
        for (String sql : ASKING) {
            pool.query(sql, row -> row.getObject(1)).join();
            pool.read(connection -> connection.query(sql, row -> row.getObject(1)))
                    .join();
            pool.connection(connection -> connection.query(sql, row -> row.getObject(1)))
                    .join();
        }
        pool.close();
        maker.close();
    }

    @Test
    void versionsAreCommittedAndRolledBackWithTheTransaction() {
        SqlitePool pool = filled();
        pool.useTransaction(tx -> {
                    tx.execute("PRAGMA user_version = 7");
                    tx.executeScript("PRAGMA application_id = 8; CREATE TABLE u (x)");
                    assertThat(number(tx, "PRAGMA user_version")).isEqualTo(7);
                })
                .join();
        assertThatThrownBy(() -> pool.useTransaction(tx -> {
                            tx.execute("PRAGMA user_version = 9");
                            tx.execute("PRAGMA application_id(9)");
                            throw new IllegalStateException("stop");
                        })
                        .join())
                .hasRootCauseMessage("stop");
        pool.useTransaction(tx -> {
                    tx.execute("PRAGMA user_version = 10");
                    assertThatThrownBy(() -> tx.savepoint(part -> {
                                part.execute("PRAGMA user_version = 11");
                                throw new IllegalStateException("stop");
                            }))
                            .hasMessage("stop");
                    assertThat(number(tx, "PRAGMA user_version")).isEqualTo(10);
                    tx.rollbackOnly();
                })
                .join();
        pool.useRead(read -> {
                    assertThat(number(read, "PRAGMA user_version")).isEqualTo(7);
                    assertThat(number(read, "PRAGMA application_id")).isEqualTo(8);
                })
                .join();
    }

    @Test
    void deferredForeignKeysAreCheckedAtTheCommitAndAreImmediateInTheNextTransaction() {
        SqlitePool pool = pools.open();
        pool.useTransaction(tx ->
                        tx.executeScript("CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p)"))
                .join();
        pool.useTransaction(tx -> {
                    tx.execute("PRAGMA defer_foreign_keys = ON");
                    tx.execute("INSERT INTO c VALUES (1)");
                    tx.execute("INSERT INTO p VALUES (1)");
                })
                .join();
        assertThatThrownBy(() -> pool.transaction(tx -> tx.execute("INSERT INTO c VALUES (2)"))
                        .join())
                .hasMessageContaining("FOREIGN KEY");
        assertThatThrownBy(() -> pool.useTransaction(tx -> {
                            tx.execute("PRAGMA defer_foreign_keys = ON");
                            tx.execute("INSERT INTO c VALUES (3)");
                        })
                        .join())
                .hasMessageContaining("FOREIGN KEY");
        pool.useTransaction(tx -> {
                    tx.execute("PRAGMA defer_foreign_keys = ON");
                    tx.rollbackOnly();
                })
                .join();
        assertThatThrownBy(() -> pool.execute("INSERT INTO c VALUES (4)").join())
                .hasMessageContaining("FOREIGN KEY");
        assertThat(pool.stats().closed().getOrDefault(PoolStats.CloseReason.CHANGED, 0L))
                .isZero();
    }

    @Test
    void othersAreRefusedWithTheReason() {
        SqlitePool pool = filled();
        Map<String, String> reasons = Map.ofEntries(
                Map.entry("PRAGMA foreign_keys = OFF", "SQLite ignores it inside a transaction"),
                Map.entry("PRAGMA journal_mode = DELETE", "SQLite does not change it inside a transaction"),
                Map.entry("PRAGMA synchronous = OFF", "SQLite does not change it inside a transaction"),
                Map.entry("PRAGMA wal_checkpoint", "SQLite makes no checkpoint inside a transaction"),
                Map.entry("PRAGMA cache_size = 5", "no rollback undoes that"),
                Map.entry("PRAGMA cell_size_check = ON", "no rollback undoes that"),
                Map.entry("PRAGMA writable_schema = ON", "no rollback undoes that"),
                Map.entry("ATTACH ':memory:' AS m", "no rollback undoes that"),
                Map.entry("VACUUM", "SQLite cannot run it inside a transaction"),
                Map.entry("COMMIT", "begins and ends"),
                Map.entry("BEGIN", "begins and ends"));
        reasons.forEach((sql, reason) -> {
            assertThatThrownBy(() -> pool.transaction(tx -> tx.execute(sql)).join())
                    .cause()
                    .isInstanceOf(SQLException.class)
                    .hasMessageContaining("is refused inside transaction(…): ")
                    .hasMessageContaining(reason);
            assertThatThrownBy(() -> pool.read(tx -> tx.execute(sql)).join())
                    .cause()
                    .hasMessageContaining("is refused inside read(…): ")
                    .hasMessageContaining(reason);
        });
        for (String sql : List.of("PRAGMA user_version = 3", "PRAGMA defer_foreign_keys = ON", "PRAGMA optimize")) {
            assertThatThrownBy(() -> pool.read(tx -> tx.execute(sql)).join())
                    .cause()
                    .hasMessageContaining("everything here only reads. Use transaction(…)");
        }
        assertThat(pool.read(read -> number(read, "PRAGMA cell_size_check")).join())
                .isZero();
    }

    @Test
    void incrementalVacuumAndOptimizeRunInATransaction() {
        SqlitePool pool = pools.open(builder -> builder.pragma("auto_vacuum", "incremental"));
        pool.useTransaction(tx -> {
                    tx.execute("CREATE TABLE t (x)");
                    tx.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)"
                            + " INSERT INTO t SELECT randomblob(4000) FROM n");
                })
                .join();
        pool.execute("DELETE FROM t").join();
        long before = pool.read(read -> number(read, "PRAGMA page_count")).join();
        pool.useTransaction(tx -> {
                    tx.execute("PRAGMA incremental_vacuum(50)");
                    tx.execute("PRAGMA optimize");
                    tx.rollbackOnly();
                })
                .join();
        assertThat(pool.read(read -> number(read, "PRAGMA page_count")).join()).isEqualTo(before);
        pool.useTransaction(tx -> tx.execute("PRAGMA incremental_vacuum")).join();
        assertThat(pool.read(read -> number(read, "PRAGMA page_count")).join()).isLessThan(before);
    }
}
