package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.testing.Pools;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Times as SQLite writes them, and the values that SQLite or a Java type cannot hold. */
class ValuesAtTheirEndsTest {
    @RegisterExtension
    final Pools pools = new Pools();

    private static <T> T read(SqlitePool pool, String text, Class<T> type) {
        return pool.<T>queryOne("SELECT ?", row -> row.get(1, type), text)
                .join()
                .orElseThrow();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "2026-01-31 11:12",
                "2026-01-31T11:12",
                "2026-01-31 11:12:00",
                "2026-01-31 11:12:00.000",
                "2026-01-31 11:12Z",
                "2026-01-31 11:12:00.0+00:00",
                "2026-01-31T11:12:00 Z"
            })
    void timesAsSqliteWritesThemAreReadAsEveryType(String text) {
        SqlitePool pool = pools.open();
        LocalDateTime local = LocalDateTime.of(2026, 1, 31, 11, 12);
        assertThat(read(pool, text, LocalDateTime.class)).isEqualTo(local);
        assertThat(read(pool, text, Instant.class)).isEqualTo(local.toInstant(ZoneOffset.UTC));
        assertThat(read(pool, text, OffsetDateTime.class)).isEqualTo(local.atOffset(ZoneOffset.UTC));
        assertThat(read(pool, text, ZonedDateTime.class)).isEqualTo(local.atZone(ZoneOffset.UTC));
        assertThat(read(pool, text, LocalDate.class)).isEqualTo(local.toLocalDate());
        assertThat(read(pool, text, LocalTime.class)).isEqualTo(local.toLocalTime());
    }

    @Test
    void currentTimestampIsReadAsAnInstantInUtc() {
        SqlitePool pool = pools.open();
        Instant now = pool.<Instant>queryOne("SELECT CURRENT_TIMESTAMP", row -> row.get(1, Instant.class))
                .join()
                .orElseThrow();
        assertThat(now).isBetween(Instant.now().minusSeconds(60), Instant.now().plusSeconds(60));
        LocalDate today = pool.<LocalDate>queryOne("SELECT CURRENT_DATE", row -> row.get(1, LocalDate.class))
                .join()
                .orElseThrow();
        assertThat(today).isBetween(LocalDate.now(ZoneOffset.UTC).minusDays(1), LocalDate.now(ZoneOffset.UTC));
    }

    @Test
    void zoneIsNeverDroppedIntoAnotherDay() {
        SqlitePool pool = pools.open();
        String text = "2026-01-31 23:30:00.5-05:00";
        assertThat(read(pool, text, Instant.class)).isEqualTo(Instant.parse("2026-02-01T04:30:00.5Z"));
        assertThat(read(pool, text, OffsetDateTime.class).getOffset()).isEqualTo(ZoneOffset.ofHours(-5));
        assertThat(read(pool, text, ZonedDateTime.class).getOffset()).isEqualTo(ZoneOffset.ofHours(-5));
        for (Class<?> type : List.of(LocalDate.class, LocalDateTime.class, LocalTime.class)) {
            assertThatThrownBy(() -> read(pool, text, type))
                    .hasCauseInstanceOf(SQLException.class)
                    .hasMessageContaining("time zone")
                    .hasMessageContaining("OffsetDateTime")
                    .hasMessageNotContaining("23:30");
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "2026-02-30 11:12",
                "11:12",
                "noon",
                "",
                "2026-01-31 ",
                "2026-01-31 25:00",
                "2026-01-3111:12",
                "2026-01-31T 11:12",
                "2026-01-31  11:12"
            })
    void textThatIsNoMomentIsRefused(String text) {
        SqlitePool pool = pools.open();
        assertThatThrownBy(() -> read(pool, text, Instant.class)).hasCauseInstanceOf(SQLException.class);
    }

    @Test
    void zonedTimeIsBoundAsItsInstant() {
        SqlitePool pool = pools.open();
        ZonedDateTime time = ZonedDateTime.parse("2026-01-31T23:30:00-05:00[America/New_York]");
        assertThat(pool.<Instant>queryOne("SELECT ?", row -> row.get(1, Instant.class), time)
                        .join())
                .contains(time.toInstant());
    }

    @ParameterizedTest
    @ValueSource(strings = {"a\uD83D", "\uDE00", "\uDE00\uD83D", "\uD83D\uD83D\uDE00"})
    void textThatWasCutInsideACharacterIsRefused(String text) {
        SqlitePool pool = pools.open();
        pool.execute("CREATE TABLE t (x)").join();
        assertThatThrownBy(() -> pool.execute("INSERT INTO t VALUES (?)", text).join())
                .hasStackTraceContaining("Parameter 1 has an unpaired surrogate");
        assertThat(read(pool, "a\uD83D\uDE00\0b", String.class)).isEqualTo("a\uD83D\uDE00\0b");
    }

    @Test
    void notANumberIsRefusedAndInfinityIsStored() {
        SqlitePool pool = pools.open();
        assertThatThrownBy(() -> pool.execute("SELECT ?, ?", 1, Double.NaN).join())
                .hasStackTraceContaining("Parameter 2 is NaN");
        assertThatThrownBy(() -> pool.execute("SELECT ?", Float.NaN).join())
                .hasStackTraceContaining("Parameter 1 is NaN");
        assertThat(pool.<Double>queryOne("SELECT ?", row -> row.getDouble(1), Double.NEGATIVE_INFINITY)
                        .join())
                .contains(Double.NEGATIVE_INFINITY);
    }

    @ParameterizedTest
    @ValueSource(doubles = {1e300, -1e300, 1e-300})
    void numberOutsideAFloatIsRefused(double number) {
        SqlitePool pool = pools.open();
        assertThatThrownBy(() -> pool.queryOne("SELECT ?", row -> row.get(1, Float.class), number)
                        .join())
                .hasCauseInstanceOf(SQLException.class)
                .hasMessageContaining("not a Float");
        assertThat(pool.<Float>queryOne("SELECT 0.1", row -> row.get(1, Float.class))
                        .join())
                .contains(0.1f);
    }

    @Test
    void bytesOfTextAreUtf8InADatabaseInUtf16() throws SQLException {
        try (Connection raw = DriverManager.getConnection("jdbc:sqlite:" + pools.file());
                Statement statement = raw.createStatement()) {
            statement.execute("PRAGMA encoding = 'UTF-16le'");
            statement.execute("CREATE TABLE t (x TEXT)");
        }
        SqlitePool pool = pools.open();
        pool.execute("INSERT INTO t VALUES (?)", "aé€").join();
        byte[] utf8 = "aé€".getBytes(StandardCharsets.UTF_8);
        assertThat(pool.<String>queryOne("PRAGMA encoding", row -> row.getString(1))
                        .join())
                .contains("UTF-16le");
        assertThat(pool.<byte[]>queryOne("SELECT x FROM t", row -> row.getBytes(1))
                        .join())
                .contains(utf8);
        assertThat(pool.<byte[]>queryOne("SELECT x FROM t", row -> row.get(1, byte[].class))
                        .join())
                .contains(utf8);
        assertThat(pool.<byte[]>queryOne("SELECT x'00ff'", row -> row.getBytes(1))
                        .join())
                .contains(new byte[] {0, (byte) 0xff});
    }

    @Test
    void decimalComparesAsANumberOnlyWithACast() {
        SqlitePool pool = pools.open();
        java.math.BigDecimal ten = java.math.BigDecimal.TEN;
        assertThat(pool.<Boolean>queryOne("SELECT 9 + 0 < ?", row -> row.getBoolean(1), ten)
                        .join())
                .contains(true);
        assertThat(pool.<Boolean>queryOne("SELECT 11 + 0 > ?", row -> row.getBoolean(1), ten)
                        .join())
                .contains(false);
        assertThat(pool.<Boolean>queryOne("SELECT 11 + 0 > CAST(? AS NUMERIC)", row -> row.getBoolean(1), ten)
                        .join())
                .contains(true);
    }
}
