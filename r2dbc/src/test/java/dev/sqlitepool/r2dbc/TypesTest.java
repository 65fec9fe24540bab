package dev.sqlitepool.r2dbc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.r2dbc.spi.ColumnMetadata;
import io.r2dbc.spi.Parameters;
import io.r2dbc.spi.R2dbcType;
import io.r2dbc.spi.Row;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.time.DayOfWeek;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.List;
import java.util.UUID;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** How values come and go: the table of docs/r2dbc.md. */
class TypesTest {
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    @RegisterExtension
    final Database database = new Database();

    private SqliteConnection connection;

    @BeforeEach
    void open() {
        connection = database.connection();
    }

    @AfterEach
    void close() {
        connection.close().block(PATIENCE);
    }

    private <T> T one(SqliteStatement statement, Function<Row, T> mapping) {
        return statement
                .execute()
                .concatMap(result -> result.map((row, columns) -> mapping.apply(row)))
                .blockLast(PATIENCE);
    }

    static Stream<Arguments> aValueComesBackAsItsType() {
        OffsetDateTime time = OffsetDateTime.of(2026, 1, 31, 12, 0, 0, 500_000_000, ZoneOffset.UTC);
        return Stream.of(
                arguments(7, "integer", Integer.class),
                arguments((short) 7, "integer", Short.class),
                arguments((byte) 7, "integer", Byte.class),
                arguments(Long.MIN_VALUE, "integer", Long.class),
                arguments(true, "integer", Boolean.class),
                arguments(2.5, "real", Double.class),
                arguments(2.5f, "real", Float.class),
                arguments("text", "text", String.class),
                arguments('c', "text", Character.class),
                arguments(new BigDecimal("12345678901234567890.12"), "text", BigDecimal.class),
                arguments(new BigInteger("12345678901234567890"), "text", BigInteger.class),
                arguments(UUID.fromString("0d9ae1a4-6dd1-4e0d-9a7c-0c3f1f1c2d3e"), "text", UUID.class),
                arguments(DayOfWeek.FRIDAY, "text", DayOfWeek.class),
                arguments(time.toInstant(), "text", Instant.class),
                arguments(time, "text", OffsetDateTime.class),
                arguments(time.toZonedDateTime(), "text", ZonedDateTime.class),
                arguments(time.toLocalDateTime(), "text", LocalDateTime.class),
                arguments(time.toLocalDate(), "text", LocalDate.class),
                arguments(time.toLocalTime(), "text", LocalTime.class),
                arguments(ByteBuffer.wrap(new byte[] {1, 2}), "blob", ByteBuffer.class),
                arguments(new byte[] {1, 2}, "blob", byte[].class));
    }

    @ParameterizedTest
    @MethodSource
    void aValueComesBackAsItsType(Object value, String stored, Class<?> type) {
        SqliteStatement statement =
                connection.createStatement("SELECT ?1 AS v, typeof(?1) AS t").bind(0, value);
        one(statement, row -> {
            assertThat(row.get("t")).isEqualTo(stored);
            assertThat((Object) row.get("v", type)).isEqualTo(value);
            return 0;
        });
        SqliteStatement parameter =
                connection.createStatement("SELECT ?").bind(0, Parameters.in(R2dbcType.VARCHAR, value));
        Object again = one(parameter, row -> row.get(0, type));
        assertThat(again).isEqualTo(value);
        SqliteStatement none = connection.createStatement("SELECT ?").bindNull(0, type);
        boolean isNull = one(none, row -> row.get(0, type) == null && row.get(0) == null);
        assertThat(isNull).isTrue();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            value = {
                "INTEGER          | 7          | java.lang.Integer | INTEGER",
                "INTEGER          | 3000000000 | java.lang.Long    | INTEGER",
                "INT              | 7          | java.lang.Integer | INTEGER",
                "BIGINT           | 7          | java.lang.Long    | BIGINT",
                "UNSIGNED BIG INT | 7          | java.lang.Long    | BIGINT",
                "BOOLEAN          | 1          | java.lang.Boolean | BOOLEAN",
                "BOOLEAN          | 2          | java.lang.Integer | BOOLEAN",
                "DOUBLE PRECISION | 7          | java.lang.Double  | DOUBLE",
                "VARCHAR(20)      | 7          | java.lang.String  | VARCHAR",
                "CLOB             | 'x'        | java.lang.String  | CLOB",
                "BLOB             | x'00'      | java.nio.HeapByteBuffer | BLOB",
                "TIMESTAMP        | '2026'     | java.lang.Integer | TIMESTAMP",
                "TIMESTAMP        | 'today'    | java.lang.String  | TIMESTAMP",
                "DATE             | 'today'    | java.lang.String  | DATE",
                "TIME             | 'today'    | java.lang.String  | TIME",
                "DECIMAL(10,2)    | 1.5        | java.lang.Double  | NUMERIC",
                "''               | 7          | java.lang.Integer | INTEGER",
                "''               | 'x'        | java.lang.String  | VARCHAR"
            })
    void withoutAWishTheDeclaredTypeDecides(String declared, String value, String type, String expected) {
        database.pool()
                .execute("CREATE TABLE d (v " + declared.replace("''", "") + ")")
                .join();
        database.pool().execute("INSERT INTO d VALUES (" + value + ")").join();
        one(connection.createStatement("SELECT v FROM d"), row -> {
            assertThat(row.get(0).getClass().getName()).isEqualTo(type);
            ColumnMetadata column = row.getMetadata().getColumnMetadata("V");
            assertThat(column.getType()).isEqualTo(R2dbcType.valueOf(expected));
            assertThat(column.getName()).isEqualTo("v");
            assertThat(column.getNativeTypeMetadata()).isEqualTo(declared.equals("''") ? null : declared);
            return 0;
        });
    }

    @Test
    void whatSqliteWritesAsATimeIsUnderstood() {
        one(
                connection.createStatement(
                        "SELECT '2026-01-31 12:00:00', '2026-01-31 12:00:00.250', '2026-01-31T12:00:00Z'"),
                row -> {
                    assertThat(row.get(0, LocalDateTime.class)).isEqualTo("2026-01-31T12:00:00");
                    assertThat(row.get(0, Instant.class)).isEqualTo("2026-01-31T12:00:00Z");
                    assertThat(row.get(1, OffsetDateTime.class)).isEqualTo("2026-01-31T12:00:00.250Z");
                    assertThat(row.get(1, LocalDate.class)).isEqualTo("2026-01-31");
                    assertThat(row.get(1, LocalTime.class)).isEqualTo("12:00:00.250");
                    assertThat(row.get(2, LocalDateTime.class)).isEqualTo("2026-01-31T12:00:00");
                    return 0;
                });
    }

    @Test
    void aValueThatDoesNotFitIsAnErrorWithoutTheValue() {
        one(connection.createStatement("SELECT 'secret' AS a, 3000000000 AS b, 2.5 AS c"), row -> {
            for (Class<?> type : List.of(Integer.class, UUID.class, Instant.class, BigInteger.class, DayOfWeek.class)) {
                assertThatThrownBy(() -> row.get("a", type))
                        .as(type.getName())
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessageNotContaining("secret");
            }
            assertThatThrownBy(() -> row.get("b", Integer.class)).isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> row.get("c", Long.class)).isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> row.get("c", StringBuilder.class)).isInstanceOf(IllegalArgumentException.class);
            assertThat(row.get("b", Number.class)).isEqualTo(3_000_000_000L);
            assertThat(row.get("b", long.class)).isEqualTo(3_000_000_000L);
            assertThat(row.get("b", Object.class)).isEqualTo(3_000_000_000L);
            assertThat(row.get("c", String.class)).isEqualTo("2.5");
            return 0;
        });
    }

    @Test
    void whatCannotBeBoundIsRefusedAtOnce() {
        SqliteStatement statement = connection.createStatement("SELECT ?");
        for (Object value : List.of(new StringBuilder[0], new Object(), Parameters.out(R2dbcType.INTEGER))) {
            assertThatThrownBy(() -> statement.bind(0, value)).isInstanceOf(IllegalArgumentException.class);
        }
    }
}
