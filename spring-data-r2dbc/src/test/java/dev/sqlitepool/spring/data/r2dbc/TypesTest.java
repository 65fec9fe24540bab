package dev.sqlitepool.spring.data.r2dbc;

import static org.assertj.core.api.Assertions.assertThat;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.springframework.data.annotation.Id;
import org.springframework.data.relational.core.mapping.Table;
import org.springframework.data.relational.core.query.Criteria;
import org.springframework.data.relational.core.query.Query;
import reactor.test.StepVerifier;

/** Properties of entities of all types, through a file and back. */
class TypesTest {
    private static final String COLUMNS = """
            id INTEGER PRIMARY KEY, truth BOOLEAN, flag INTEGER NOT NULL, small INTEGER, large BIGINT, ratio REAL, single REAL,
            text TEXT, letter TEXT, color TEXT, bytes BLOB, uuid TEXT, price TEXT, huge TEXT,
            instant TIMESTAMP, day DATE, local DATETIME, clock TIME, offset_time TEXT, zoned_time TEXT
            """;

    @RegisterExtension
    final Database database = new Database("CREATE TABLE sample (" + COLUMNS + ")");

    enum Color {
        RED,
        GREEN
    }

    @Table("sample")
    record Sample(
            @Id Long id,
            Boolean truth,
            boolean flag,
            Short small,
            Long large,
            Double ratio,
            Float single,
            String text,
            Character letter,
            Color color,
            byte[] bytes,
            UUID uuid,
            BigDecimal price,
            BigInteger huge,
            Instant instant,
            LocalDate day,
            LocalDateTime local,
            LocalTime clock,
            OffsetDateTime offsetTime,
            ZonedDateTime zonedTime) {}

    private static final Sample FULL = new Sample(
            null,
            true,
            true,
            (short) -7,
            Long.MAX_VALUE,
            0.1,
            0.5f,
            "größer",
            'x',
            Color.GREEN,
            new byte[] {0, 1, -1},
            UUID.fromString("6f0c2f0e-0a63-4f3e-9d7c-2f1a4f1f2b3c"),
            new BigDecimal("12345678901234567890.10"),
            new BigInteger("123456789012345678901234567890"),
            Instant.parse("2026-01-31T12:00:00.000000001Z"),
            LocalDate.parse("2026-01-31"),
            LocalDateTime.parse("2026-01-31T12:00:00.5"),
            LocalTime.parse("23:59:59.999999999"),
            OffsetDateTime.parse("2026-01-31T12:00Z"),
            ZonedDateTime.parse("2026-01-31T12:00Z"));

    @Test
    void everyTypeComesBackAsItWas() {
        database.template()
                .insert(FULL)
                .flatMap(saved -> database.template().selectOne(Query.empty(), Sample.class))
                .as(StepVerifier::create)
                .assertNext(read -> assertThat(read)
                        .usingRecursiveComparison()
                        .ignoringFields("id")
                        .isEqualTo(FULL))
                .verifyComplete();
    }

    @Test
    void nullComesBackAsNull() {
        Sample empty = new Sample(
                null, null, false, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
                null, null, null);
        database.template()
                .insert(empty)
                .flatMap(saved -> database.template().selectOne(Query.empty(), Sample.class))
                .as(StepVerifier::create)
                .assertNext(read -> assertThat(read)
                        .usingRecursiveComparison()
                        .ignoringFields("id")
                        .isEqualTo(empty))
                .verifyComplete();
    }

    @Test
    void timesAreTextOfFixedWidthWhoseOrderIsThatOfTime() {
        database.template()
                .insert(FULL)
                .as(StepVerifier::create)
                .expectNextCount(1)
                .verifyComplete();
        assertThat(text("instant")).isEqualTo("2026-01-31T12:00:00.000000001Z");
        assertThat(text("local")).isEqualTo("2026-01-31T12:00:00.500000000");
        assertThat(text("day")).isEqualTo("2026-01-31");
        assertThat(text("color")).isEqualTo("GREEN");
        assertThat(text("truth")).isEqualTo("1");
    }

    private String text(String column) {
        return database.pool()
                .queryOne("SELECT CAST(" + column + " AS TEXT) FROM sample", row -> row.getString(1))
                .join()
                .orElseThrow();
    }

    @Test
    void criteriaCompareByTimesEnumsAndTruth() {
        Criteria criteria = Criteria.where("instant")
                .greaterThan(Instant.parse("2026-01-31T11:59:59.999999999Z"))
                .and("instant")
                .lessThan(Instant.parse("2026-01-31T12:00:00.1Z"))
                .and("color")
                .is(Color.GREEN)
                .and("truth")
                .isTrue()
                .and("uuid")
                .is(FULL.uuid());
        database.template()
                .insert(FULL)
                .then(database.template().count(Query.query(criteria), Sample.class))
                .as(StepVerifier::create)
                .expectNext(1L)
                .verifyComplete();
    }

    @Test
    void timesThatSqliteHasWrittenAreRead() {
        database.client()
                .sql("INSERT INTO sample (flag, instant, local, day, offset_time) VALUES (0, '2026-01-31 12:00:00', "
                        + "datetime('2026-01-31 12:00:00'), '2026-01-31 12:00:00', '2026-01-31T14:00:00+02:00')")
                .then()
                .then(database.template().selectOne(Query.empty(), Sample.class))
                .as(StepVerifier::create)
                .assertNext(read -> {
                    assertThat(read.instant()).isEqualTo("2026-01-31T12:00:00Z");
                    assertThat(read.local()).isEqualTo("2026-01-31T12:00:00");
                    assertThat(read.day()).isEqualTo("2026-01-31");
                    assertThat(read.offsetTime())
                            .isEqualTo(OffsetDateTime.of(2026, 1, 31, 12, 0, 0, 0, ZoneOffset.UTC));
                })
                .verifyComplete();
    }

    @Test
    void aNumberThatIsNoBooleanIsRefused() {
        database.client()
                .sql("INSERT INTO sample (flag) VALUES (2)")
                .then()
                .then(database.template().selectOne(Query.empty(), Sample.class))
                .as(StepVerifier::create)
                .verifyErrorSatisfies(error -> assertThat(error)
                        .hasRootCauseMessage("A column holds a number that is not a Boolean: neither 0 nor 1."));
    }
}
