package dev.sqlitepool.internal.file;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sqlitepool.Access;
import dev.sqlitepool.Durability;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.testing.Pools;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What makes a file durable on macOS, tried here under its name: the calls are the same, only their effect on the drive is not. */
class SyncedFileTest {
    private static final String MAC = "Mac OS X";

    @RegisterExtension
    final Pools pools = new Pools();

    private final String system = System.getProperty("os.name");

    @BeforeEach
    void loadTheDriverForThisSystem() throws SQLException {
        pools.build(SqlitePool.builder().inMemory()).blocking().query("SELECT 1", row -> 1);
    }

    @AfterEach
    void backToThisSystem() {
        System.setProperty("os.name", system);
    }

    @Test
    void onlyMacOsNeedsAFullSync() {
        assertThat(SyncedFile.needsFullSync("Mac OS X")).isTrue();
        assertThat(SyncedFile.needsFullSync("macOS")).isTrue();
        for (String other : new String[] {"Linux", "Windows 11", "FreeBSD", ""}) {
            assertThat(SyncedFile.needsFullSync(other)).as(other).isFalse();
        }
        assertThat(SyncedFile.needsFullSync()).isEqualTo(system.startsWith("Mac"));
    }

    @ParameterizedTest
    @ValueSource(strings = {MAC, "Linux"})
    void anInterruptNeitherEndsASyncNorIsLost(String name) throws IOException {
        System.setProperty("os.name", name);
        Path path = Files.write(pools.directory().resolve("x"), new byte[32]);
        try (SyncedFile file = SyncedFile.open(path)) {
            assertThat(file).isInstanceOf(name.equals(MAC) ? SyncedFile.Full.class : SyncedFile.Plain.class);
            Thread.currentThread().interrupt();
            for (int i = 0; i < 3; i++) {
                file.sync();
                assertThat(file.length()).isEqualTo(32);
            }
            assertThat(Thread.interrupted()).isTrue();
        }
        SyncedFile closed = SyncedFile.open(path);
        closed.close();
        closed.close();
        assertThatThrownBy(closed::sync).isInstanceOf(IOException.class);
    }

    @Test
    void anInterruptedThreadSyncsADirectory() throws IOException {
        assumeTrue(!system.startsWith("Windows"), "a directory cannot be opened");
        Thread.currentThread().interrupt();
        try {
            SyncedFile.syncDirectory(pools.directory());
        } finally {
            assertThat(Thread.interrupted()).isTrue();
        }
        assertThatThrownBy(() -> SyncedFile.syncDirectory(pools.directory().resolve("none")))
                .isInstanceOf(IOException.class);
    }

    private static int pragma(SqlitePool pool, Access access, String name) throws SQLException {
        String sql = "PRAGMA " + name;
        return access == Access.READ
                ? pool.blocking().query(sql, row -> row.getInt(1)).get(0)
                : pool.blocking().connection(c -> {
                    c.execute("CREATE TABLE IF NOT EXISTS moves_to_the_write_lane (x)");
                    return c.query(sql, row -> row.getInt(1)).get(0);
                });
    }

    @ParameterizedTest
    @EnumSource(Durability.class)
    void onMacOsTheSyncsOfSqliteAreFullOnEveryConnectionAndTheGateSyncsTheLog(Durability durability)
            throws SQLException {
        System.setProperty("os.name", MAC);
        SqlitePool pool = pools.open(settings -> settings.poolSize(2).durability(durability));
        pool.blocking().execute("CREATE TABLE t (x)");
        for (Access access : Access.values()) {
            assertThat(pragma(pool, access, "fullfsync")).isEqualTo(1);
            assertThat(pragma(pool, access, "checkpoint_fullfsync")).isEqualTo(1);
        }
        int synchronous = pool.blocking()
                .transaction(tx -> tx.query("SELECT * FROM pragma_synchronous", row -> row.getInt(1))
                        .get(0));
        assertThat(synchronous).as("left to the gate, or not wanted").isEqualTo(1);
        for (int i = 0; i < 10; i++) {
            pool.execute("INSERT INTO t VALUES (1)").join();
        }
        Path copy = pools.directory().resolve("copy.db");
        pool.backup(copy).join();
        assertThat(copy).exists();
        pool.close();
        SqlitePool again = pools.open();
        assertThat(again.blocking().query("SELECT count(*) FROM t", row -> row.getInt(1)))
                .containsExactly(10);
    }

    @Test
    void elsewhereTheyAreNot() throws SQLException {
        assumeTrue(!system.startsWith("Mac"));
        SqlitePool pool = pools.open();
        assertThat(pragma(pool, Access.WRITE, "fullfsync")).isZero();
        assertThat(pragma(pool, Access.READ, "checkpoint_fullfsync")).isZero();
    }

    @Test
    void whatTheUserHasChosenStays() throws SQLException {
        System.setProperty("os.name", MAC);
        SqlitePool pool = pools.open(settings -> settings.pragma("checkpoint_fullfsync", "OFF"));
        assertThat(pragma(pool, Access.WRITE, "fullfsync")).isEqualTo(1);
        assertThat(pragma(pool, Access.WRITE, "checkpoint_fullfsync")).isZero();
    }
}
