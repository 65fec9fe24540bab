package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.sqlitepool.internal.telemetry.Words;
import dev.sqlitepool.testing.Pools;
import java.math.BigInteger;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.sqlite.SQLiteErrorCode;
import org.sqlite.SQLiteException;

/** What errors say: enough to act on, in whole sentences, and never a value of the SQL. */
class MessagesTest {
    @RegisterExtension
    final Pools pools = new Pools();

    record Named(String name) {}

    /** A column without a name of its own is called after its expression. */
    @Test
    void aLiteralOfTheSqlIsInNoMessageAboutAColumn() {
        SqlitePool pool = pools.open();
        List<RowMapper<?>> readings = List.of(
                row -> row.get(1, Long.class),
                row -> row.get(1, Instant.class),
                row -> row.get(1, Thread.class),
                row -> row.getLong("other"),
                row -> row.columnIndex("other"),
                RowMapper.of(Named.class));
        for (String sql : List.of(
                "SELECT coalesce(NULL, 'secret')",
                "SELECT 'secret'",
                "SELECT coalesce(NULL, 'secret'), 1",
                "SELECT coalesce(NULL, /* a */ \"secret\")")) {
            for (RowMapper<?> reading : readings) {
                Throwable error = catchThrowable(() -> pool.query(sql, reading).join());
                assertThat(error).as(sql).isNotNull().hasMessageNotContaining("secret");
            }
        }
        assertThatThrownBy(() -> pool.query("SELECT coalesce(NULL, 'secret')", row -> row.get(1, Long.class))
                        .join())
                .cause()
                .hasMessage("Column 1 (coalesce(NULL, ?)) holds a value that is not a Long.");
        assertThatThrownBy(() -> pool.query("SELECT 1e300 + 98765432101", row -> row.getInt(1))
                        .join())
                .satisfies(
                        error -> assertThat(String.valueOf(error.getMessage())).doesNotContain("98765432101"));
        assertThatThrownBy(() ->
                        pool.query("SELECT 98765432101", row -> row.getInt(1)).join())
                .cause()
                .hasMessage("Column 1 (?) holds an integer that does not fit an int; use getLong.");
        assertThatThrownBy(() -> pool.query("SELECT 98765432101 AS big", row -> row.getInt(1))
                        .join())
                .cause()
                .hasMessageStartingWith("Column 1 (big) holds");
    }

    @Test
    void articlesAndPluralsFit() {
        SqlitePool pool = pools.open();
        assertThatThrownBy(() -> pool.query("SELECT 'x' AS a", row -> row.get(1, Instant.class))
                        .join())
                .cause()
                .hasMessage("Column 1 (a) holds a value that is not an Instant.");
        assertThatThrownBy(() -> pool.query("SELECT ?", row -> row.getLong(1)).join())
                .cause()
                .hasMessage("The statement has 1 parameter, but 0 values were given.");
        assertThatThrownBy(() ->
                        pool.query("SELECT ?, ?", row -> row.getLong(1), 1).join())
                .cause()
                .hasMessage("The statement has 2 parameters, but 1 value was given.");
    }

    @Test
    void timesAreInSecondsAndShortOnesInMilliseconds() {
        assertThatThrownBy(() -> SqlitePool.builder().busyTimeout(Duration.ofMillis(-200)))
                .hasMessage("busyTimeout was -0.2 s; it must not be negative.");
        assertThat(Words.time(Duration.ZERO)).isEqualTo("0 s");
        assertThat(Words.time(Duration.ofNanos(1))).isEqualTo("under 0.01 ms");
        assertThat(Words.time(Duration.ofNanos(473_707))).isEqualTo("0.47 ms");
        assertThat(Words.time(Duration.ofMillis(20))).isEqualTo("20 ms");
        assertThat(Words.time(Duration.ofMillis(200))).isEqualTo("0.2 s");
        assertThat(Words.time(Duration.ofHours(2))).isEqualTo("7200.0 s");
    }

    @Test
    void noSqlIsSaidToBeNoSql() {
        SqlitePool pool = pools.open();
        assertThatThrownBy(() -> pool.query(null, row -> 1))
                .isInstanceOf(NullPointerException.class)
                .hasMessage("sql");
        assertThatThrownBy(() -> pool.execute(null))
                .isInstanceOf(NullPointerException.class)
                .hasMessage("sql");
        assertThatThrownBy(() -> pool.executeBatch("SELECT 1", null))
                .isInstanceOf(NullPointerException.class)
                .hasMessage("rows");
        assertThatThrownBy(() -> pool.transaction(tx -> tx.execute(null)).join())
                .cause()
                .hasMessage("sql");
    }

    @Test
    void anUnsupportedParameterComesWithAdviceThatFits() {
        SqlitePool pool = pools.open();
        Map.<Object, String>of(
                        Duration.ofSeconds(1),
                        "toMillis()",
                        BigInteger.TEN,
                        "longValueExact()",
                        List.of(1, 2),
                        "json_each(?)",
                        new int[] {1},
                        "json_each(?)",
                        Optional.of(1),
                        "orElse(null)",
                        new java.util.Date(0),
                        "Instant",
                        'c',
                        "toString()",
                        new StringBuilder("secret"),
                        "toString()",
                        new java.util.concurrent.atomic.AtomicLong(),
                        "longValue()")
                .forEach((value, advice) -> assertThatThrownBy(() -> pool.execute("SELECT ?", value))
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessageStartingWith("Parameter 1 is of the unsupported type "
                                + value.getClass().getName())
                        .hasMessageContaining(advice)
                        .hasMessageNotContaining("secret"));
    }

    @Test
    void aBatchNamesTheRowThatFailed() {
        SqlitePool pool = pools.open();
        pool.execute("CREATE TABLE t (x INTEGER PRIMARY KEY)").join();
        List<Object[]> rows = List.of(new Object[] {1}, new Object[] {2}, new Object[] {1});
        String insert = "INSERT INTO t VALUES (?)";
        for (Throwable error : List.of(
                catchThrowable(() -> pool.executeBatch(insert, rows).join()),
                catchThrowable(() ->
                        pool.transaction(tx -> tx.executeBatch(insert, rows)).join()),
                catchThrowable(() ->
                        pool.connection(tx -> tx.executeBatch(insert, rows)).join()))) {
            assertThat(error).isInstanceOf(CompletionException.class);
            assertThat(error.getCause())
                    .isInstanceOf(SQLiteException.class)
                    .hasMessageContaining("UNIQUE constraint failed: t.x")
                    .hasMessageEndingWith("(row 3 of 3 of the batch)");
            assertThat(((SQLiteException) error.getCause()).getResultCode())
                    .isEqualTo(SQLiteErrorCode.SQLITE_CONSTRAINT_PRIMARYKEY);
        }
        assertThatThrownBy(() -> pool.executeBatch(insert, List.of(new Object[] {5}, new Object[] {6, 7}))
                        .join())
                .cause()
                .hasMessage("The statement has 1 parameter, but 2 values were given. (row 2 of 2 of the batch)");
        assertThatThrownBy(() -> pool.executeBatch(insert, List.of(new Object[] {5}, new Object[] {Duration.ZERO})))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith(
                        "Row 2 of the batch: Parameter 1 is of the unsupported type java.time.Duration");
        assertThat(pool.queryOne("SELECT count(*) FROM t", row -> row.getLong(1))
                        .join())
                .contains(0L);
    }

    @Test
    void anUnsafeUseOfAFunctionNamesTheSettingThatDecides() {
        SqlitePool pool = pools.open();
        pool.execute("CREATE VIEW v AS SELECT load_extension('x')").join();
        assertThatThrownBy(() -> pool.query("SELECT * FROM v", row -> 1).join())
                .cause()
                .isInstanceOf(SQLException.class)
                .hasMessageContaining("unsafe use of load_extension()")
                .hasMessageContaining("pragma(\"trusted_schema\", \"ON\")");
    }
}
