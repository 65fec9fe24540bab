package dev.sqlitepool.internal.lane;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.sqlitepool.BlockingPool;
import dev.sqlitepool.Row;
import dev.sqlitepool.RowMapper;
import dev.sqlitepool.testing.Pools;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.time.DayOfWeek;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicReference;
import org.assertj.core.api.AbstractObjectAssert;
import org.assertj.core.api.AbstractThrowableAssert;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RowTest {
    @RegisterExtension
    final Pools pools = new Pools();

    private BlockingPool db;

    @BeforeEach
    void open() {
        db = pools.open().blocking();
    }

    /** Maps the one row of a SELECT. */
    private <T> T one(String columns, RowMapper<T> mapper, Object... parameters) throws SQLException {
        return db.query("SELECT " + columns, mapper, parameters).get(0);
    }

    private AbstractObjectAssert<?, Object> assertThatOne(String columns, RowMapper<?> mapper) throws SQLException {
        return assertThat((Object) one(columns, mapper));
    }

    private AbstractThrowableAssert<?, ? extends Throwable> assertRefused(String columns, RowMapper<?> mapper) {
        return assertThatThrownBy(() -> one(columns, mapper)).isInstanceOf(SQLException.class);
    }

    @Test
    void gettersConvertAsSqliteDoes() throws SQLException {
        one("42 AS i, 1.9 AS d, '17abc' AS s, 'abc' AS t, x'6869' AS b", row -> {
            assertThat(row.getLong("i")).isEqualTo(42);
            assertThat(row.getInt("i")).isEqualTo(42);
            assertThat(row.getDouble("i")).isEqualTo(42.0);
            assertThat(row.getString("i")).isEqualTo("42");
            assertThat(row.getBytes("i")).isEqualTo("42".getBytes(StandardCharsets.UTF_8));
            assertThat(row.getLong("d")).isEqualTo(1);
            assertThat(row.getDouble("d")).isEqualTo(1.9);
            assertThat(row.getString("d")).isEqualTo("1.9");
            assertThat(row.getLong("s")).isEqualTo(17);
            assertThat(row.getDouble("s")).isCloseTo(17, within(1e-9));
            assertThat(row.getLong("t")).isZero();
            assertThat(row.getBytes("t")).isEqualTo("abc".getBytes(StandardCharsets.UTF_8));
            assertThat(row.getString("b")).isEqualTo("hi");
            return 1;
        });
    }

    @Test
    void objectsAreOfTheTypeThatIsStored() throws SQLException {
        one("1, 1.5, 'text', x'01', NULL, x'', ''", row -> {
            assertThat(row.getObject(1)).isEqualTo(1L);
            assertThat(row.getObject(2)).isEqualTo(1.5);
            assertThat(row.getObject(3)).isEqualTo("text");
            assertThat(row.getObject(4)).isEqualTo(new byte[] {1});
            assertThat(row.getObject(5)).isNull();
            assertThat(row.getObject(6)).isEqualTo(new byte[0]);
            assertThat(row.getObject(7)).isEqualTo("");
            assertThat(row.<Object>get(3, Object.class)).isEqualTo("text");
            return 1;
        });
    }

    @Test
    void emptyTextAndBytesAreNotNull() throws SQLException {
        one("x'', ''", row -> {
            assertThat(row.isNull(1)).isFalse();
            assertThat(row.getBytes(1)).isNotNull().isEmpty();
            assertThat(row.get(1, byte[].class)).isNotNull().isEmpty();
            assertThat(row.getBytes(2)).isNotNull().isEmpty();
            assertThat(row.getString(1)).isNotNull().isEmpty();
            assertThat(row.getString(2)).isNotNull().isEmpty();
            return 1;
        });
    }

    @Test
    void nullIsZeroFalseOrNull() throws SQLException {
        one("NULL AS n, 0 AS z", row -> {
            assertThat(row.isNull("n")).isTrue();
            assertThat(row.isNull("z")).isFalse();
            assertThat(row.getLong("n")).isZero();
            assertThat(row.getInt("n")).isZero();
            assertThat(row.getDouble("n")).isZero();
            assertThat(row.getBoolean("n")).isFalse();
            assertThat(row.getString("n")).isNull();
            assertThat(row.getBytes("n")).isNull();
            assertThat(row.getObject("n")).isNull();
            assertThat(row.get("n", Long.class)).isNull();
            assertThat(row.get("n", Instant.class)).isNull();
            assertThat(row.get("n", DayOfWeek.class)).isNull();
            return 1;
        });
    }

    @Test
    void aPrimitiveTypeCannotBeNull() {
        for (Class<?> type : List.of(long.class, int.class, short.class, byte.class, boolean.class, double.class)) {
            assertRefused("NULL AS n", row -> row.get("n", type))
                    .hasMessageContaining("1 (n)")
                    .hasMessageContaining("NULL")
                    .hasMessageContaining(type.getName());
        }
    }

    @Test
    void truthIsAnyIntegerButZero() throws SQLException {
        assertThatOne("0", row -> row.getBoolean(1)).isEqualTo(false);
        assertThatOne("1", row -> row.getBoolean(1)).isEqualTo(true);
        assertThatOne("-2", row -> row.getBoolean(1)).isEqualTo(true);
    }

    // ---- columns

    @Test
    void namesAreFoundInAnyCase() throws SQLException {
        assertThatOne("1 AS userName", row -> row.getInt("USERNAME") + row.getInt("username") + row.getInt("userName"))
                .isEqualTo(3);
    }

    @Test
    void theFirstOfTwoColumnsWithOneNameIsMeant() throws SQLException {
        one("1 AS a, 2 AS A, 3 AS a", row -> {
            assertThat(row.columnNames()).containsExactly("a", "A", "a");
            assertThat(row.columnIndex("a")).isEqualTo(1);
            assertThat(row.columnIndex("A")).isEqualTo(2);
            assertThat(row.getInt("A")).isEqualTo(2);
            assertThat(row.getInt(2)).isEqualTo(2);
            return 1;
        });
    }

    @Test
    void columnNamesAreOneUnmodifiableListThroughoutAnExecution() throws SQLException {
        List<List<String>> lists = db.query("VALUES (1), (2)", Row::columnNames);
        assertThat(lists.get(0)).isSameAs(lists.get(1));
        assertThatThrownBy(() -> lists.get(0).set(0, "x")).isInstanceOf(UnsupportedOperationException.class);
    }

    @Test
    void aMissingNameIsAnErrorWithTheColumns() {
        assertRefused("1 AS id, 2 AS name", row -> row.getInt("nme"))
                .hasMessageContaining("nme")
                .hasMessageContaining("[id, name]");
        assertRefused("1 AS id", row -> row.columnIndex("x")).hasMessageContaining("[id]");
    }

    @ParameterizedTest
    @ValueSource(ints = {0, -1, 3, Integer.MIN_VALUE, Integer.MAX_VALUE})
    void anIndexOutsideIsAnErrorWithTheColumns(int index) {
        List<RowMapper<Object>> getters = List.of(
                row -> row.isNull(index),
                row -> row.getLong(index),
                row -> row.getInt(index),
                row -> row.getDouble(index),
                row -> row.getBoolean(index),
                row -> row.getString(index),
                row -> row.getBytes(index),
                row -> row.getObject(index),
                row -> row.get(index, Integer.class));
        for (RowMapper<Object> getter : getters) {
            assertRefused("1 AS id, 2 AS name", getter)
                    .hasMessageContaining("no column " + index)
                    .hasMessageContaining("[id, name]");
        }
    }

    // ---- range and form

    @Test
    void anIntegerThatDoesNotFitAnIntIsAnError() throws SQLException {
        assertThatOne("2147483647 AS n", row -> row.getInt("n")).isEqualTo(Integer.MAX_VALUE);
        assertRefused("2147483648 AS n", row -> row.getInt("n"))
                .hasMessageContaining("1 (n)")
                .hasMessageContaining("getLong")
                .hasMessageNotContaining("2147483648");
        assertRefused("-2147483649 AS n", row -> row.get("n", int.class)).hasMessageContaining("not an int");
        assertRefused("32768", row -> row.get(1, Short.class)).hasMessageContaining("not a Short");
        assertRefused("128", row -> row.get(1, byte.class)).hasMessageContaining("not a byte");
    }

    @Test
    void getIsStrict() {
        assertRefused("'12x' AS n", row -> row.get("n", Long.class))
                .hasMessageContaining("1 (n)")
                .hasMessageContaining("not a Long")
                .hasMessageNotContaining("12x");
        assertRefused("'12'", row -> row.get(1, int.class));
        assertRefused("1.5", row -> row.get(1, long.class));
        assertRefused("1.0", row -> row.get(1, long.class));
        assertRefused("2", row -> row.get(1, boolean.class));
        assertRefused("'true'", row -> row.get(1, Boolean.class));
        assertRefused("'1.5'", row -> row.get(1, double.class));
        assertRefused("x'01'", row -> row.get(1, Float.class));
        assertRefused("'abc'", row -> row.get(1, BigDecimal.class));
        assertRefused("'2026-02-30'", row -> row.get(1, LocalDate.class));
        assertRefused("1767225600", row -> row.get(1, Instant.class));
        assertRefused("'25:00'", row -> row.get(1, LocalTime.class));
        assertRefused("'2026-01-01T00:00:00+01:00'", row -> row.get(1, LocalDateTime.class));
        assertRefused("'12:00'", row -> row.get(1, OffsetDateTime.class));
        assertRefused("'not-a-uuid'", row -> row.get(1, UUID.class));
        assertRefused("'1-2-3-4-5'", row -> row.get(1, UUID.class));
        assertRefused("''", row -> row.get(1, UUID.class));
        assertRefused("'monday' AS d", row -> row.get("d", DayOfWeek.class))
                .hasMessageContaining("1 (d)")
                .hasMessageContaining("DayOfWeek")
                .hasMessageContaining("MONDAY, TUESDAY")
                .hasMessageNotContaining("monday");
    }

    @Test
    void getReadsWhatHasTheForm() throws SQLException {
        assertThatOne("5", row -> row.get(1, BigDecimal.class)).isEqualTo(new BigDecimal("5"));
        assertThatOne("1.25", row -> row.get(1, BigDecimal.class)).isEqualTo(new BigDecimal("1.25"));
        assertThatOne("3", row -> row.get(1, double.class)).isEqualTo(3.0);
        assertThatOne("3", row -> row.get(1, Float.class)).isEqualTo(3.0f);
        assertThatOne("3", row -> row.get(1, String.class)).isEqualTo("3");
        assertThatOne("'2026-01-01T00:00:00Z'", row -> row.get(1, Instant.class))
                .isEqualTo(Instant.parse("2026-01-01T00:00:00Z"));
        assertThatOne("'2026-01-01T02:00:00+02:00'", row -> row.get(1, OffsetDateTime.class))
                .isEqualTo(OffsetDateTime.parse("2026-01-01T02:00:00+02:00"));
        assertThatOne("'123E4567-E89B-12D3-A456-426614174000'", row -> row.get(1, UUID.class))
                .isEqualTo(UUID.fromString("123e4567-e89b-12d3-a456-426614174000"));
        assertThatOne("'FRIDAY'", row -> row.get(1, DayOfWeek.class)).isEqualTo(DayOfWeek.FRIDAY);
    }

    @Test
    void anUnsupportedTypeIsAMistakeOfTheCaller() {
        for (Class<?> type : List.of(char.class, Character.class, Thread.class, List.class, int[].class)) {
            assertThatThrownBy(() -> one("'x' AS c", row -> row.get("c", type)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("1 (c)")
                    .hasMessageContaining(type.getName());
        }
    }

    // ---- life

    @Test
    void aRowIsDeadAfterItsMapper() throws SQLException {
        List<Row> rows = db.query("VALUES (1), (2)", row -> row);
        List<Row> named = db.query("SELECT 1 AS a", row -> {
            assertThat(row.columnNames()).hasSize(1);
            return row;
        });
        List<Row> all = new ArrayList<>(rows);
        all.addAll(named);
        for (Row row : all) {
            assertThatThrownBy(() -> row.getLong(1))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("until its mapper returns");
            assertThatThrownBy(() -> row.isNull(1)).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(() -> row.getString("a")).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(() -> row.getDouble(1)).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(() -> row.getBytes(1)).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(() -> row.getObject(1)).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(() -> row.get(1, Long.class)).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(row::columnNames).isInstanceOf(IllegalStateException.class);
        }
    }

    @Test
    void aRowOfForEachIsDeadBetweenRowsAndAfterAnError() throws SQLException {
        AtomicReference<Row> kept = new AtomicReference<>();
        db.useRead(read -> {
            assertThatThrownBy(() -> read.forEach("VALUES (1), (2)", row -> {
                        kept.set(row);
                        throw new IllegalArgumentException("stop");
                    }))
                    .isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> kept.get().getLong(1)).isInstanceOf(IllegalStateException.class);
        });
    }

    @Test
    void theRowOfAnOuterStatementStaysAliveWhileAnInnerOneRuns() throws SQLException {
        db.useRead(read -> read.forEach("VALUES (1), (2)", outer -> {
            long before = outer.getLong(1);
            assertThat(read.query("VALUES (7)", inner -> inner.getLong(1))).containsExactly(7L);
            assertThat(outer.getLong(1)).isEqualTo(before);
        }));
    }
}
