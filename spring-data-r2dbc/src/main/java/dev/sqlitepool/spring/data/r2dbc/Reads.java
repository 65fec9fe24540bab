package dev.sqlitepool.spring.data.r2dbc;

import dev.sqlitepool.internal.sql.Times;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZonedDateTime;
import java.util.List;
import org.springframework.data.convert.ConverterBuilder;

/**
 * Turns what a column holds into what a property is, where Spring cannot: it reads columns without saying which type it wants, and SQLite
 * has no times and no truth values. For writing nothing is needed, as the driver binds all these. Stateless.
 */
final class Reads {
    static final List<Object> CONVERTERS = List.of(
            ConverterBuilder.reading(Number.class, Boolean.class, Reads::truth),
            ConverterBuilder.reading(String.class, Instant.class, text -> time(text, Instant.class)),
            ConverterBuilder.reading(String.class, OffsetDateTime.class, text -> time(text, OffsetDateTime.class)),
            ConverterBuilder.reading(String.class, ZonedDateTime.class, text -> time(text, ZonedDateTime.class)),
            ConverterBuilder.reading(String.class, LocalDateTime.class, text -> time(text, LocalDateTime.class)),
            ConverterBuilder.reading(String.class, LocalDate.class, text -> time(text, LocalDate.class)),
            ConverterBuilder.reading(String.class, LocalTime.class, text -> time(text, LocalTime.class)));

    private Reads() {}

    private static Boolean truth(Number number) {
        if (number.doubleValue() != 0 && number.doubleValue() != 1) {
            throw new IllegalArgumentException("A column holds a number that is not a Boolean: neither 0 nor 1.");
        }
        return number.doubleValue() == 1;
    }

    private static <T> T time(String text, Class<T> type) {
        return type.cast(Times.parse(text, type));
    }
}
