package dev.sqlitepool.spring.data.r2dbc;

import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.time.temporal.TemporalAccessor;
import java.time.temporal.TemporalQueries;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.springframework.data.convert.ConverterBuilder;

/**
 * Turns what a column holds into what a property is, where Spring cannot: it reads columns without saying which type it wants, and SQLite
 * has no times and no truth values. For writing nothing is needed, as the driver binds all these. Stateless.
 */
final class Reads {
    /** ISO-8601, as the driver writes, and as SQLite's functions write: with a space, and in UTC without saying so. */
    private static final DateTimeFormatter TEXT = new DateTimeFormatterBuilder()
            .append(DateTimeFormatter.ISO_LOCAL_DATE)
            .optionalStart()
            .appendPattern("['T'][' ']")
            .append(DateTimeFormatter.ISO_LOCAL_TIME)
            .optionalEnd()
            .optionalStart()
            .appendOffsetId()
            .toFormatter();

    static final List<Object> CONVERTERS = List.of(
            ConverterBuilder.reading(Number.class, Boolean.class, Reads::truth),
            ConverterBuilder.reading(
                    String.class, Instant.class, text -> utc(text).toInstant()),
            ConverterBuilder.reading(String.class, OffsetDateTime.class, Reads::utc),
            ConverterBuilder.reading(
                    String.class, ZonedDateTime.class, text -> utc(text).toZonedDateTime()),
            ConverterBuilder.reading(
                    String.class, LocalDateTime.class, text -> utc(text).toLocalDateTime()),
            ConverterBuilder.reading(
                    String.class, LocalDate.class, text -> utc(text).toLocalDate()),
            ConverterBuilder.reading(String.class, LocalTime.class, LocalTime::parse));

    private Reads() {}

    private static Boolean truth(Number number) {
        if (number.doubleValue() != 0 && number.doubleValue() != 1) {
            throw new IllegalArgumentException("A column holds a number that is not a Boolean: neither 0 nor 1.");
        }
        return number.doubleValue() == 1;
    }

    private static OffsetDateTime utc(String text) {
        TemporalAccessor read = TEXT.parse(text);
        LocalTime time = read.query(TemporalQueries.localTime());
        @Nullable ZoneOffset offset = read.query(TemporalQueries.offset());
        return LocalDate.from(read)
                .atTime(time == null ? LocalTime.MIDNIGHT : time)
                .atOffset(offset == null ? ZoneOffset.UTC : offset)
                .withOffsetSameInstant(ZoneOffset.UTC);
    }
}
