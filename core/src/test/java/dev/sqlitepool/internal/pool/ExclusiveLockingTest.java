package dev.sqlitepool.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Pools;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A pool of one connection that locks everybody else out, its own further connections too. */
class ExclusiveLockingTest {
    @RegisterExtension
    final Pools pools = new Pools();

    /** How the connection comes to its lock. */
    enum Way {
        PRAGMA(settings -> settings.pragma("locking_mode", "EXCLUSIVE")),
        ROLLBACK_JOURNAL(
                settings -> settings.pragma("locking_mode", "EXCLUSIVE").pragma("journal_mode", "DELETE")),
        HOOK(settings -> settings.onConnect(Way::lock)),
        FIRST_HOOK(settings -> settings.beforePragmas(Way::lock));

        private final UnaryOperator<SqlitePoolBuilder> settings;

        Way(UnaryOperator<SqlitePoolBuilder> settings) {
            this.settings = settings;
        }

        private static void lock(Connection connection) throws SQLException {
            try (Statement statement = connection.createStatement()) {
                statement.execute("PRAGMA locking_mode=EXCLUSIVE");
            }
        }
    }

    private SqlitePool open(Way way) {
        return pools.open(builder -> way.settings.apply(builder.poolSize(1).busyTimeout(Duration.ofSeconds(1))));
    }

    private int rowsOf(Path copy) throws SQLException {
        try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + copy);
                Statement statement = connection.createStatement()) {
            return statement.executeQuery("SELECT count(*) FROM t").getInt(1);
        }
    }

    @ParameterizedTest
    @EnumSource(Way.class)
    void aBackupCopiesOnTheOneConnectionAndThePoolGoesOn(Way way) throws SQLException {
        SqlitePool pool = open(way);
        pool.execute("CREATE TABLE t (x)").join();
        for (int i = 0; i < 3; i++) {
            pool.execute("INSERT INTO t VALUES (?)", i).join();
            Path copy = pools.directory().resolve("copy" + i + ".db");
            pool.backup(copy).join();
            assertThat(rowsOf(copy)).isEqualTo(i + 1);
        }
        assertThat(pool.query("SELECT count(*) FROM t", row -> row.getInt(1)).join())
                .containsExactly(3);
        assertThat(pool.stats().opened()).isEqualTo(1);
    }

    @ParameterizedTest
    @EnumSource(Way.class)
    void soDoesOneThatComesBeforeAnythingElse(Way way) throws SQLException {
        SqlitePool first = pools.open();
        first.execute("CREATE TABLE t (x)").join();
        first.close();
        SqlitePool pool = open(way);
        Path copy = pools.directory().resolve("copy.db");
        pool.backup(copy).join();
        assertThat(rowsOf(copy)).isZero();
        assertThat(pool.execute("INSERT INTO t VALUES (1)").join()).isEqualTo(1);
    }

    @Test
    void aBackupWaitsForTheConnectionAsATaskDoes() throws SQLException {
        SqlitePool pool = open(Way.PRAGMA);
        pool.execute("CREATE TABLE t (x)").join();
        Gate gate = new Gate();
        CompletableFuture<Void> holder = pool.useTransaction(tx -> {
            tx.execute("INSERT INTO t VALUES (1)");
            gate.pass();
        });
        gate.awaitReached();
        Path copy = pools.directory().resolve("copy.db");
        CompletableFuture<Void> backup = pool.backup(copy);
        Pools.await("it waits", () -> pool.stats().writeConnections().waiting() == 1);
        assertThat(backup).isNotDone();
        gate.open();
        holder.join();
        backup.join();
        assertThat(rowsOf(copy)).isEqualTo(1);
    }

    @Test
    void aConnectionOfAnyOtherKindIsNotNeededForABackupOfAPoolOfOne() {
        SqlitePool pool = pools.open(settings -> settings.poolSize(1));
        pool.execute("CREATE TABLE t (x)").join();
        Gate gate = new Gate();
        CompletableFuture<Void> holder = pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        pool.backup(pools.directory().resolve("copy.db")).join();
        gate.open();
        holder.join();
    }

    /** Only the one connection can copy the log into the database. */
    @Test
    void noOtherConnectionIsOpenedWhenItIsQuiet() throws SQLException {
        LanePool pool = (LanePool) open(Way.HOOK);
        pool.execute("CREATE TABLE t (x)").join();
        pool.execute("INSERT INTO t VALUES (zeroblob(1000000))").join();
        pool.parts().quietPass().look();
        assertThat(pool.parts().quietPass().isRunning()).isFalse();
        assertThat(pool.execute("INSERT INTO t VALUES (1)").join()).isEqualTo(1);
    }

    @Test
    void anExternalCheckpointerWouldBeLockedOut() {
        assertThatThrownBy(() -> SqlitePool.builder()
                        .databasePath(pools.file())
                        .poolSize(1)
                        .pragma("locking_mode", "exclusive")
                        .externalCheckpointer()
                        .build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("locking_mode was EXCLUSIVE")
                .hasMessageContaining("externalCheckpointer()");
    }
}
