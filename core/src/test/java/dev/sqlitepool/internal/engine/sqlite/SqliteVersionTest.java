package dev.sqlitepool.internal.engine.sqlite;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.internal.telemetry.Telemetry;
import dev.sqlitepool.testing.Logged;
import dev.sqlitepool.testing.Pools;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SqliteVersionTest {
    @RegisterExtension
    final Pools pools = new Pools();

    @RegisterExtension
    final Logged logged = new Logged();

    @ParameterizedTest
    @CsvSource({
        "3.7.0, true",
        "3.8.11.1, true",
        "3.40.1, true",
        "3.43.9, true",
        "3.44.0, true",
        "3.44.5, true",
        "3.44.6, false",
        "3.44.10, false",
        "3.45.0, true",
        "3.49.2, true",
        "3.50.0, true",
        "3.50.6, true",
        "3.50.7, false",
        "3.50.8, false",
        "3.51.0, true",
        "3.51.2, true",
        "3.51.3, false",
        "3.51.10, false",
        "3.52.0, false",
        "3.54.1, false",
        "3.100.0, false",
        "4.0.0, false",
        "2.8.17, true",
        "3.54, false",
        "3.51, true",
        "3.45.1-libsql-0.2, true",
        "3.53.0 2026-01-01 00:00:00 abc, false",
        "'', true",
        "unknown, true",
        "99999.1.1, true"
    })
    void theWalResetBugIsKnownByTheVersion(String version, boolean has) {
        assertThat(SqliteVersion.of(version).hasWalResetBug()).isEqualTo(has);
    }

    @Test
    void anOldSqliteIsNamedOnceForEachPoolAndSaysWhatToDo() {
        Telemetry telemetry = new Telemetry("test", System::nanoTime, null, Runnable::run);
        SqliteDatabase opener =
                new SqliteDatabase(Pools.settings(SqlitePool.builder().databasePath(pools.file())), telemetry);
        assertThat(opener.checkpointsOnlyOnWriteLane()).isFalse();
        for (int i = 0; i < 3; i++) {
            opener.look(SqliteVersion.of("3.50.4"));
        }
        assertThat(opener.checkpointsOnlyOnWriteLane()).isTrue();
        assertThat(logged.warnings())
                .singleElement()
                .asString()
                .contains("SQLite 3.50.4 has the WAL-reset bug")
                .contains("Update sqlite-jdbc");
    }

    @Test
    void theSqliteOfThisDriverIsSound() {
        SqlitePool pool = pools.open();
        assertThat(pool.query("SELECT sqlite_version()", row -> row.getString(1))
                        .join())
                .singleElement()
                .satisfies(version -> assertThat(SqliteVersion.of(version)).hasToString(version))
                .satisfies(version ->
                        assertThat(SqliteVersion.of(version).hasWalResetBug()).isFalse());
        assertThat(logged.warnings()).isEmpty();
    }
}
