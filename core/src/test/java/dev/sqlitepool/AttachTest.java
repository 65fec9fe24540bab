package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.testing.Pools;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** ATTACH in work: the same result whatever the pool has done before, and never an unknown one. */
class AttachTest {
    @RegisterExtension
    final Pools pools = new Pools();

    /** What has happened before. */
    enum Before {
        NOTHING,
        READ,
        WRITE,
        READ_AND_WRITE,
        FILE_IS_THERE,
        ONE_LANE,
        ONE_LANE_USED,
        MEMORY
    }

    private SqlitePool open(Before before) throws SQLException {
        if (before == Before.FILE_IS_THERE) {
            try (SqlitePool made = SqlitePool.open(pools.file())) {
                made.blocking().execute("CREATE TABLE t (x)");
            }
        }
        boolean one = before == Before.ONE_LANE || before == Before.ONE_LANE_USED;
        SqlitePool pool = pools.build(
                before == Before.MEMORY
                        ? SqlitePool.builder().inMemory()
                        : SqlitePool.builder().databasePath(pools.file()).poolSize(one ? 1 : 3));
        if (before == Before.WRITE || before == Before.READ_AND_WRITE || before == Before.MEMORY) {
            pool.blocking().execute("CREATE TABLE IF NOT EXISTS t (x)");
        }
        if (before == Before.READ || before == Before.READ_AND_WRITE || before == Before.ONE_LANE_USED) {
            pool.blocking().query("SELECT 1", row -> 1);
        }
        return pool;
    }

    @ParameterizedTest
    @EnumSource
    void aFileThatIsNotThereIsMade(Before before) throws SQLException {
        SqlitePool pool = open(before);
        Path other = pools.directory().resolve("it's other.db");
        for (int i = 1; i <= 2; i++) {
            pool.blocking().useConnection(c -> {
                c.execute("ATTACH ? AS other", other.toString());
                c.execute("CREATE TABLE IF NOT EXISTS other.u (x)");
                c.execute("INSERT INTO other.u VALUES (1)");
                c.execute(
                        "ATTACH ? AS uri",
                        pools.directory().resolve("uri.db").toUri().toString());
                c.execute("CREATE TABLE IF NOT EXISTS uri.u (x)");
                c.execute("ATTACH ':memory:' AS memory");
                c.execute("ATTACH '' AS temporary");
                c.execute("CREATE TABLE temporary.u (x)");
            });
            int rows = i;
            pool.blocking().useConnection(c -> {
                c.execute("ATTACH ? AS other", other.toString());
                assertThat(c.query("SELECT x FROM other.u", row -> 1)).hasSize(rows);
            });
        }
        pool.blocking().execute("CREATE TABLE IF NOT EXISTS t (x)");
        assertThat(pool.blocking().execute("INSERT INTO t VALUES (1)")).isEqualTo(1);
    }

    @ParameterizedTest
    @EnumSource
    void whatCannotBeAttachedIsAPlainErrorAndCostsNothing(Before before) throws SQLException, IOException {
        SqlitePool pool = open(before);
        pool.blocking().execute("CREATE TABLE IF NOT EXISTS t (x)");
        pool.blocking().execute("INSERT INTO t VALUES (1)");
        Path text = Files.writeString(pools.directory().resolve("text.db"), "no database at all ".repeat(500));
        List<String> files = List.of(
                pools.directory().resolve("no/such/directory.db").toString(),
                pools.directory().toString(),
                text.toString(),
                pools.directory().resolve("missing.db").toUri() + "?mode=rw",
                pools.file().toUri() + "?mode=nonsense");
        for (String file : files) {
            assertPlain(() -> pool.blocking().useConnection(c -> c.execute("ATTACH ? AS other", file)));
            assertPlain(() -> pool.blocking().useConnection(c -> {
                try (var statement = c.jdbc().prepareStatement("ATTACH ? AS other")) {
                    statement.setString(1, file);
                    statement.execute();
                }
            }));
            pool.blocking().useConnection(c -> {
                assertPlain(() -> c.execute("ATTACH ? AS other", file));
                c.execute("INSERT INTO t VALUES (2)"); // the work goes on
                c.execute("DELETE FROM t WHERE x = 2");
                assertPlain(() -> c.execute("DETACH other"));
            });
            pool.blocking().useConnection(c -> {
                c.execute("BEGIN");
                c.execute("INSERT INTO t VALUES (3)");
                assertPlain(() -> c.execute("ATTACH ? AS other", file));
                c.execute("DELETE FROM t WHERE x = 3");
                c.execute("COMMIT"); // the transaction stands
            });
            assertThat(pool.blocking().query("SELECT x FROM t", row -> row.getInt(1)))
                    .as(file)
                    .containsExactly(1);
        }
        assertThat(pools.directory().resolve("missing.db")).doesNotExist();
    }

    @ParameterizedTest
    @EnumSource
    void aCopyThatCannotBeMadeIsAPlainErrorToo(Before before) throws SQLException, IOException {
        SqlitePool pool = open(before);
        pool.blocking().execute("CREATE TABLE IF NOT EXISTS t (x)");
        pool.blocking().execute("INSERT INTO t VALUES (1)");
        Path there = Files.writeString(pools.directory().resolve("there.db"), "no database at all ".repeat(500));
        for (Path file : List.of(pools.directory().resolve("no/such/directory.db"), pools.directory(), there)) {
            assertPlain(() -> pool.blocking().execute("VACUUM INTO ?", file.toString()));
            assertPlain(() -> pool.blocking().useConnection(c -> c.execute("VACUUM INTO ?", file.toString())));
            assertThat(pool.blocking().query("SELECT x FROM t", row -> row.getInt(1)))
                    .containsExactly(1);
        }
        Path copy = pools.directory().resolve("copy.db");
        pool.blocking().execute("VACUUM INTO ?", copy.toString());
        assertThat(copy).exists();
    }

    private static void assertPlain(org.assertj.core.api.ThrowableAssert.ThrowingCallable code) {
        assertThatThrownBy(code).isInstanceOf(SQLException.class).isNotInstanceOf(OutcomeUnknownException.class);
    }

    @Test
    void aDatabaseThatHasVanishedIsNotMadeAgainBecauseOthersMayBe() throws SQLException, IOException {
        SqlitePool pool = pools.open(settings -> settings.poolSize(2));
        pool.blocking().execute("CREATE TABLE t (x)");
        pools.filesMayStay();
        for (String end : List.of("", "-wal", "-shm")) {
            Files.deleteIfExists(Path.of(pools.file() + end));
        }
        assertThatThrownBy(() -> pool.blocking().useConnection(c -> {
                    c.execute(
                            "ATTACH ? AS other",
                            pools.directory().resolve("other.db").toString());
                    c.query("SELECT * FROM t", row -> 1);
                    throw new SQLException("of the work");
                }))
                .isInstanceOf(SQLException.class);
        assertThatThrownBy(() -> {
                    for (int i = 0; i < 3; i++) {
                        pool.blocking().useConnection(c -> c.execute("PRAGMA foreign_keys = OFF")); // replaced
                    }
                })
                .isInstanceOf(SQLException.class)
                .hasMessageContaining("vanished");
        assertThat(pools.file()).doesNotExist();
    }
}
