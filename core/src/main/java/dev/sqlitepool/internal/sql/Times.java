package dev.sqlitepool.internal.sql;

import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.time.format.ResolverStyle;
import java.time.temporal.TemporalAccessor;
import java.time.temporal.TemporalQueries;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Reads times from text: ISO-8601, as the pool writes it, and the <a href="https://www.sqlite.org/lang_datefunc.html#time_values">forms that
 * SQLite's functions write</a>, with a space and without seconds or a zone. Text without a zone is in UTC, as it is for SQLite; a date alone
 * is its midnight. Stateless.
 */
public final class Times {
    private static final Set<Class<?>> TYPES = Set.of(
            Instant.class,
            OffsetDateTime.class,
            ZonedDateTime.class,
            LocalDateTime.class,
            LocalDate.class,
            LocalTime.class);

    private static final DateTimeFormatter ZONED_TIME = new DateTimeFormatterBuilder()
            .parseCaseInsensitive()
            .append(DateTimeFormatter.ISO_LOCAL_TIME)
            .optionalStart()
            .appendPattern("[ ]")
            .appendOffsetId()
            .optionalEnd()
            .toFormatter()
            .withResolverStyle(ResolverStyle.STRICT);
    /** Strict: else the 30th of February is read as the 28th. */
    private static final DateTimeFormatter DATE_TIME = new DateTimeFormatterBuilder()
            .parseCaseInsensitive()
            .append(DateTimeFormatter.ISO_LOCAL_DATE)
            .optionalStart()
            .appendLiteral('T')
            .append(ZONED_TIME)
            .optionalEnd()
            .toFormatter()
            .withResolverStyle(ResolverStyle.STRICT);

    private static final int DATE_LENGTH = "2026-01-31".length();

    private Times() {}

    /** Whether this is a type that {@link #parse} returns. */
    public static boolean isTime(Class<?> type) {
        return TYPES.contains(type);
    }

    /**
     * Text as a time.
     *
     * @param type one for which {@link #isTime} is true
     * @throws DateTimeException if the text is no time, or has no date or no time of day where the type needs one
     * @throws ZonedException if the text has a zone other than UTC and the type has none: the time in UTC may be on another day
     */
    public static Object parse(String text, Class<?> type) {
        boolean timeAlone = text.length() > 2 && text.charAt(2) == ':';
        if (timeAlone && type != LocalTime.class) {
            throw new DateTimeException("no date");
        }
        TemporalAccessor read = timeAlone ? ZONED_TIME.parse(text) : DATE_TIME.parse(iso(text));
        @Nullable ZoneOffset zone = read.query(TemporalQueries.offset());
        @Nullable LocalTime time = read.query(TemporalQueries.localTime());
        boolean zoned = type == Instant.class || type == OffsetDateTime.class || type == ZonedDateTime.class;
        if (!zoned && zone != null && zone.getTotalSeconds() != 0) {
            throw new ZonedException();
        }
        if (type == LocalTime.class) {
            if (time == null) {
                throw new DateTimeException("no time of day");
            }
            return time;
        }
        LocalDate date = LocalDate.from(read);
        if (type == LocalDate.class) {
            return date;
        }
        LocalDateTime local = date.atTime(time == null ? LocalTime.MIDNIGHT : time);
        if (type == LocalDateTime.class) {
            return local;
        }
        OffsetDateTime moment = local.atOffset(zone == null ? ZoneOffset.UTC : zone);
        if (type == OffsetDateTime.class) {
            return moment;
        }
        return type == Instant.class ? moment.toInstant() : moment.toZonedDateTime();
    }

    /** SQLite writes a space where ISO-8601 has a T. */
    private static String iso(String text) {
        return text.length() > DATE_LENGTH && text.charAt(DATE_LENGTH) == ' '
                ? text.substring(0, DATE_LENGTH) + 'T' + text.substring(DATE_LENGTH + 1)
                : text;
    }

    /** A time with a zone that the type would lose. */
    public static final class ZonedException extends DateTimeException {
        private static final long serialVersionUID = 1L;

        ZonedException() {
            super("the text has a time zone other than UTC, which would be lost; read it as OffsetDateTime or Instant");
        }
    }
}
