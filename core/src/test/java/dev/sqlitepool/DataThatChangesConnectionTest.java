package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.testing.Pools;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A single statement that would change the connection that runs it has no effect, and is refused; and the journal is the pool's. */
class DataThatChangesConnectionTest {
    @RegisterExtension
    final Pools pools = new Pools();

    private static final List<String> REFUSED = List.of(
            "PRAGMA foreign_keys=OFF",
            "PRAGMA foreign_keys(0)",
            "pragma \"foreign_keys\" = 0",
            "PRAGMA main.foreign_keys = OFF",
            "/* c */ PRAGMA /* c */ foreign_keys /* c */ = 0",
            "EXPLAIN PRAGMA foreign_keys = 0",
            "PRAGMA synchronous = OFF",
            "PRAGMA query_only = OFF",
            "PRAGMA cache_size = -5",
            "PRAGMA temp.user_version = 1",
            "PRAGMA locking_mode = EXCLUSIVE",
            "ATTACH ':memory:' AS other",
            "DETACH other",
            "CREATE TEMP TABLE u (x)",
            "CREATE TABLE temp.u (x)",
            "CREATE TEMP TRIGGER u AFTER INSERT ON t BEGIN SELECT 1; END",
            "DROP TABLE temp.u");

    private SqlitePool open(int size) throws SQLException {
        SqlitePool pool = pools.build(
                size == 0
                        ? SqlitePool.builder().inMemory()
                        : SqlitePool.builder().databasePath(pools.file()).poolSize(size));
        pool.blocking().execute("CREATE TABLE t (x)");
        return pool;
    }

    private static List<ThrowingCallable> asData(SqlitePool pool, String sql) {
        return List.of(
                () -> pool.blocking().execute(sql),
                () -> pool.blocking().query(sql, row -> 1),
                () -> pool.blocking().queryOne(sql, row -> 1),
                () -> pool.blocking().executeBatch(sql, List.of(new Object[0], new Object[0])));
    }

    @ParameterizedTest
    @ValueSource(ints = {3, 1, 0})
    void itIsRefusedWithASentenceAndCostsNoConnection(int size) throws SQLException {
        SqlitePool pool = open(size);
        for (String sql : REFUSED) {
            for (ThrowingCallable way : asData(pool, sql)) {
                assertThatThrownBy(way)
                        .as(sql)
                        .isInstanceOf(SQLException.class)
                        .isNotInstanceOf(OutcomeUnknownException.class)
                        .hasMessageContaining("was not run")
                        .hasMessageContaining("connection(…)")
                        .hasMessageContaining("pragma(…)");
            }
        }
        assertThat(pool.blocking().query("PRAGMA foreign_keys", row -> row.getInt(1)))
                .containsExactly(1);
        assertThat(pool.stats().closed().getOrDefault(CloseReason.CHANGED, 0L)).isZero();
        assertThat(pool.stats().closed().getOrDefault(CloseReason.DISCARDED, 0L))
                .isZero();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "PRAGMA user_version = 7",
                "PRAGMA \"main\".user_version(7)",
                "PRAGMA application_id = 7",
                "PRAGMA foreign_keys",
                "PRAGMA foreign_keys /* = 0 */",
                "PRAGMA journal_mode",
                "PRAGMA table_info(t)",
                "PRAGMA integrity_check(1)",
                "PRAGMA foreign_key_check(t)",
                "PRAGMA optimize",
                "PRAGMA optimize(0x10002)",
                "PRAGMA incremental_vacuum(5)",
                "PRAGMA wal_checkpoint(PASSIVE)",
                "PRAGMA shrink_memory",
                "VACUUM",
                "REINDEX",
                "ANALYZE",
                "CREATE TABLE temperature (temp)",
                "ALTER TABLE t ADD temporary"
            })
    void whatReadsOrIsWrittenIntoTheDatabaseRuns(String sql) throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().execute(sql);
        assertThat(pool.stats().closed().getOrDefault(CloseReason.CHANGED, 0L)).isZero();
    }

    @Test
    void whatIsWrittenIntoTheDatabaseIsThere() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().execute("PRAGMA user_version = 7");
        assertThat(pool.blocking().query("PRAGMA user_version", row -> row.getInt(1)))
                .containsExactly(7);
    }

    // ---- the journal

    static Stream<Arguments> journals() {
        return Stream.of("WAL", "DELETE", "MEMORY")
                .flatMap(journal -> Stream.of(1, 3).flatMap(size -> Stream.of(
                                "PRAGMA journal_mode=%s",
                                "PRAGMA journal_mode(%s)",
                                "PRAGMA journal_mode = '%s'",
                                "PRAGMA main.journal_mode=%s",
                                "pragma \"MAIN\" . [journal_mode] = \"%s\"",
                                "/* c */ PRAGMA journal_mode /* c */ = /* c */ %s",
                                "EXPLAIN PRAGMA journal_mode=%s")
                        .map(sql -> Arguments.of(journal, size, sql))));
    }

    /** Whoever changes it, and however: what is told is never unknown, and the journal is still the same. */
    @ParameterizedTest
    @MethodSource("journals")
    void theJournalModeCannotBeChangedWhileThePoolRuns(String journal, int size, String pattern) throws SQLException {
        SqlitePool pool = pools.open(settings -> settings.poolSize(size).pragma("journal_mode", journal));
        pool.blocking().execute("CREATE TABLE t (x)");
        for (String other : List.of("DELETE", "truncate", "WAL", "OFF", "d", "walrus")) {
            if (other.equalsIgnoreCase(journal)) {
                continue;
            }
            String sql = String.format(pattern, other);
            Lease lease = pool.acquire().join();
            List<ThrowingCallable> ways = List.of(
                    () -> pool.blocking().execute(sql),
                    () -> pool.blocking().query(sql, row -> 1),
                    () -> pool.blocking().useConnection(c -> c.execute(sql)),
                    () -> pool.blocking().useConnection(c -> c.executeScript("SELECT 1; " + sql)),
                    () -> pool.blocking().useConnection(c -> {
                        try (Statement statement = c.jdbc().createStatement()) {
                            statement.execute(sql);
                        }
                    }),
                    () -> pool.blocking().useConnection(c -> {
                        try (Statement statement = c.jdbc().createStatement()) {
                            statement.addBatch("INSERT INTO t VALUES (1)");
                            statement.addBatch(sql);
                            statement.executeBatch();
                        }
                    }),
                    () -> pool.blocking().useConnection(c -> c.jdbc().prepareStatement(sql)));
            if (size > 1) {
                assertThatThrownBy(() -> lease.run(c -> c.execute(sql)).join())
                        .hasRootCauseInstanceOf(SQLException.class)
                        .rootCause()
                        .hasMessageContaining("journal mode");
            }
            lease.release().join();
            for (ThrowingCallable way : ways) {
                assertThatThrownBy(way)
                        .isInstanceOf(SQLException.class)
                        .isNotInstanceOf(OutcomeUnknownException.class)
                        .hasMessageContaining("journal mode of the file")
                        .hasMessageContaining("builder");
            }
        }
        assertThat(pool.blocking().query("PRAGMA journal_mode", row -> row.getString(1)))
                .containsExactly(journal.toLowerCase(java.util.Locale.ROOT));
        assertThat(pool.blocking().execute("INSERT INTO t VALUES (1)")).isEqualTo(1);
        pool.close();
    }

    @Test
    void aScriptMayNameTheJournalModeThatThereIs() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking()
                .useConnection(c -> c.executeScript("PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON;"
                        + " CREATE TABLE u (x); INSERT INTO u VALUES (1)"));
        assertThat(pool.blocking().query("SELECT x FROM u", row -> row.getInt(1)))
                .containsExactly(1);
    }

    @Test
    void dataMayNameTheJournalModeThatThereIs() throws SQLException {
        SqlitePool pool = open(3);
        assertThat(pool.blocking().query("PRAGMA journal_mode=WAL", row -> row.getString(1)))
                .containsExactly("wal");
        assertThat(pool.blocking().execute("PRAGMA main.journal_mode('wal')")).isZero();
    }

    /** What is done past the pool cannot be refused; but nothing is unknown because of it, and the next connection has the journal again. */
    @Test
    void aJournalThatTheDriverHasChangedIsChangedBack() throws SQLException {
        SqlitePool pool = open(1); // with more connections SQLite refuses it
        pool.blocking().useConnection(c -> {
            try (Statement statement =
                    c.jdbc().unwrap(org.sqlite.SQLiteConnection.class).createStatement()) {
                statement.execute("PRAGMA journal_mode = DELETE");
                statement.execute("INSERT INTO t VALUES (1)");
            }
            c.execute("INSERT INTO t VALUES (2)");
        });
        assertThat(pool.blocking().execute("INSERT INTO t VALUES (3)")).isEqualTo(1);
        assertThat(pool.blocking().query("SELECT x FROM t", row -> row.getInt(1)))
                .containsExactly(1, 2, 3);
        assertThat(pool.blocking().query("PRAGMA journal_mode", row -> row.getString(1)))
                .containsExactly("wal");
    }

    @Test
    void theJournalOfAnAttachedDatabaseIsTheUsers() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useConnection(c -> {
            c.execute("ATTACH ? AS other", pools.directory().resolve("other.db").toString());
            c.execute("PRAGMA other.journal_mode = DELETE");
            c.execute("PRAGMA temp.journal_mode = OFF");
            c.execute("CREATE TABLE other.u (x)");
        });
    }

    // ---- leases

    @ParameterizedTest
    @ValueSource(
            strings = {
                "CREATE TABLE weather (temp REAL)",
                "CREATE TABLE u (x DEFAULT 'temp' CHECK (x IN ('temp')))",
                "CREATE TRIGGER r AFTER UPDATE ON t BEGIN SELECT new.temp; END",
                "ALTER TABLE t ADD temporary",
                "CREATE TABLE temp (x)",
                "PRAGMA foreign_keys /* (on) */"
            })
    void aLeaseKeepsTheWritingConnectionOnlyIfItHasChangedIt(String sql) throws SQLException {
        SqlitePool pool = pools.open(settings -> settings.poolSize(3).acquireTimeout(Duration.ofSeconds(20)));
        pool.blocking().execute("CREATE TABLE t (x, temp)");
        Lease lease = pool.acquire().join();
        lease.run(c -> c.execute(sql)).join();
        assertThat(pool.stats().writeConnections().borrowed()).isZero();
        assertThat(pool.blocking().execute("INSERT INTO t (x) VALUES (1)")).isEqualTo(1);
        lease.run(c -> c.execute("CREATE TEMP TABLE mine (x)")).join();
        assertThat(pool.stats().writeConnections().borrowed()).isEqualTo(1);
        lease.release().join();
        Pools.awaitIdle(pool);
    }
}
