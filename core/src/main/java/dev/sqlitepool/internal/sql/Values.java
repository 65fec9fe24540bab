package dev.sqlitepool.internal.sql;

import dev.sqlitepool.Row;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.sql.SQLException;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.Period;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.time.temporal.ChronoField;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * Turns Java values into what SQLite stores, and back. Times are ISO-8601 text of fixed width (nine digits of a second,
 * instants in UTC), so that the order of the text is the order in time: {@code Instant.toString} varies in width, and
 * {@code …00Z} sorts after {@code …00.500Z}. Stateless.
 */
public final class Values {
    private static final DateTimeFormatter DATE = DateTimeFormatter.ISO_LOCAL_DATE;
    private static final DateTimeFormatter TIME = new DateTimeFormatterBuilder()
            .appendPattern("HH:mm:ss")
            .appendFraction(ChronoField.NANO_OF_SECOND, 9, 9, true)
            .toFormatter();
    private static final DateTimeFormatter DATE_TIME = new DateTimeFormatterBuilder()
            .append(DATE)
            .appendLiteral('T')
            .append(TIME)
            .toFormatter();

    private Values() {}

    /**
     * Copies parameters into values that a statement can bind: null, {@code Long}, {@code Double}, {@code String}, {@code
     * byte[]}. A null array is one NULL.
     */
    public static @Nullable Object[] encode(@Nullable Object @Nullable [] parameters) {
        if (parameters == null) {
            return new Object[1];
        }
        @Nullable Object[] values = new Object[parameters.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = encode(parameters[i], i + 1);
        }
        return values;
    }

    /** As {@link #encode(Object[])} for the rows of a batch. */
    public static @Nullable Object[][] encodeRows(Collection<? extends Object[]> rows) {
        Objects.requireNonNull(rows, "rows");
        List<@Nullable Object[]> encoded = new ArrayList<>(rows.size());
        for (Object[] row : rows) {
            try {
                encoded.add(encode(row));
            } catch (IllegalArgumentException e) {
                throw new IllegalArgumentException(
                        "Row " + (encoded.size() + 1) + " of the batch: " + e.getMessage(), e);
            }
        }
        return encoded.toArray(Object[][]::new);
    }

    /** As {@link #encode(Object[])} for one value whose position is not known. */
    public static @Nullable Object encodeOne(@Nullable Object value) {
        return encode(value, 0);
    }

    private static @Nullable Object encode(@Nullable Object value, int position) {
        if (value == null || value instanceof Long) {
            return value;
        }
        if (value instanceof String text) {
            return whole(text, position);
        }
        if (value instanceof Double number) {
            return notNan(number, position);
        }
        if (value instanceof Integer || value instanceof Short || value instanceof Byte) {
            return ((Number) value).longValue();
        }
        if (value instanceof Boolean truth) {
            return truth ? 1L : 0L;
        }
        if (value instanceof byte[] bytes) {
            return bytes.clone();
        }
        if (value instanceof Float number) {
            return notNan(number.doubleValue(), position);
        }
        if (value instanceof BigDecimal number) {
            return number.toPlainString();
        }
        if (value instanceof UUID) {
            return value.toString();
        }
        if (value instanceof Enum<?> constant) {
            return constant.name();
        }
        if (value instanceof Instant instant) {
            return utc(instant, position);
        }
        if (value instanceof OffsetDateTime time) {
            return utc(time.toInstant(), position);
        }
        if (value instanceof ZonedDateTime time) {
            return utc(time.toInstant(), position);
        }
        if (value instanceof LocalDateTime time) {
            return dateTime(time, position);
        }
        if (value instanceof LocalDate date) {
            return inRange(date, position).format(DATE);
        }
        if (value instanceof LocalTime time) {
            return time.format(TIME);
        }
        throw new IllegalArgumentException(subject(position) + " is of the unsupported type "
                + value.getClass().getName() + "; " + advice(value) + ".");
    }

    private static String advice(Object value) {
        if (value instanceof Iterable || value.getClass().isArray() || value instanceof Map) {
            return "a parameter is one value. For IN write IN (SELECT value FROM json_each(?)) and give the values as the text of a JSON"
                    + " array; for many rows use executeBatch";
        }
        if (value instanceof Optional) {
            return "give orElse(null)";
        }
        if (value instanceof Duration || value instanceof Period) {
            return "give a number, such as toMillis(), or toString() as text";
        }
        if (value instanceof BigInteger) {
            return "give longValueExact(), or toString() as text if it may be larger than a long";
        }
        if (value instanceof Date) {
            return "give an Instant, or another type of java.time";
        }
        if (value instanceof Character || value instanceof CharSequence) {
            return "give toString()";
        }
        if (value instanceof Number) {
            return "give longValue(), doubleValue() or toString()";
        }
        return "convert it to a number, String, byte[] or a type of java.time";
    }

    /** UTF-8 has no half of a pair: the driver would store a question mark in its place. */
    private static String whole(String text, int position) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (Character.isSurrogate(c)) {
                boolean pair = Character.isHighSurrogate(c)
                        && i + 1 < text.length()
                        && Character.isLowSurrogate(text.charAt(i + 1));
                if (!pair) {
                    throw new IllegalArgumentException(
                            subject(position) + " has an unpaired surrogate at index " + i
                                    + ", which UTF-8 cannot hold; was the text cut inside a character? Bind a byte[] to store any bytes.");
                }
                i++;
            }
        }
        return text;
    }

    private static Double notNan(Double number, int position) {
        if (number.isNaN()) {
            throw new IllegalArgumentException(
                    subject(position) + " is NaN, which SQLite would store as NULL; bind null if that is meant.");
        }
        return number;
    }

    private static String subject(int position) {
        return position == 0 ? "A parameter" : "Parameter " + position;
    }

    private static String utc(Instant instant, int position) {
        LocalDateTime time;
        try {
            time = LocalDateTime.ofInstant(instant, ZoneOffset.UTC);
        } catch (DateTimeException e) { // the ends of Instant lie beyond those of LocalDateTime
            throw outOfRange(position);
        }
        return dateTime(time, position) + 'Z';
    }

    private static String dateTime(LocalDateTime time, int position) {
        inRange(time.toLocalDate(), position);
        return time.format(DATE_TIME);
    }

    private static LocalDate inRange(LocalDate date, int position) {
        if (date.getYear() < 0 || date.getYear() > 9999) {
            throw outOfRange(position);
        }
        return date;
    }

    private static IllegalArgumentException outOfRange(int position) {
        return new IllegalArgumentException(subject(position)
                + " is a time outside the years 0000 to 9999, which text of fixed width cannot hold in order.");
    }

    /** The inverse of encoding; {@link Row#get(int, Class)} is its contract. */
    public static <T> @Nullable T decode(Row row, int column, Class<T> type) throws SQLException {
        if (row.isNull(column)) {
            if (type.isPrimitive()) {
                throw new SQLException("Column " + name(row, column) + " is NULL, which " + type.getName()
                        + " cannot hold; use its wrapper.");
            }
            return null;
        }
        try {
            @SuppressWarnings("unchecked") // value(…) returns an instance of the type, or of its wrapper
            T value = (T) value(row, column, type);
            return value;
        } catch (Times.ZonedException e) {
            throw new SQLException("Column " + name(row, column) + " cannot be read as " + type.getSimpleName() + ": "
                    + e.getMessage() + ".");
        } catch (DateTimeException | NumberFormatException | ArithmeticException e) {
            throw unfit(row, column, type);
        }
    }

    private static @Nullable Object value(Row row, int column, Class<?> type) throws SQLException {
        if (type == long.class || type == Long.class) {
            return integer(row, column, Long.MIN_VALUE, Long.MAX_VALUE, type);
        } else if (type == int.class || type == Integer.class) {
            return (int) integer(row, column, Integer.MIN_VALUE, Integer.MAX_VALUE, type);
        } else if (type == String.class) {
            return row.getString(column);
        } else if (type == double.class || type == Double.class) {
            return number(row, column, type);
        } else if (type == boolean.class || type == Boolean.class) {
            return integer(row, column, 0, 1, type) == 1;
        } else if (type == byte[].class) {
            return row.getBytes(column);
        } else if (type == Object.class) {
            return row.getObject(column);
        } else if (type == float.class || type == Float.class) {
            double number = number(row, column, type);
            float near = (float) number;
            if (Float.isInfinite(near) && !Double.isInfinite(number) || near == 0 && number != 0) {
                throw unfit(row, column, type);
            }
            return near;
        } else if (type == short.class || type == Short.class) {
            return (short) integer(row, column, Short.MIN_VALUE, Short.MAX_VALUE, type);
        } else if (type == byte.class || type == Byte.class) {
            return (byte) integer(row, column, Byte.MIN_VALUE, Byte.MAX_VALUE, type);
        }
        String text = row.getString(column);
        return text == null ? null : parsed(row, column, type, text);
    }

    private static Object parsed(Row row, int column, Class<?> type, String text) throws SQLException {
        if (type == BigDecimal.class) {
            return new BigDecimal(text);
        } else if (Times.isTime(type)) {
            return Times.parse(text, type);
        } else if (type == UUID.class) {
            try {
                UUID uuid = UUID.fromString(text);
                if (uuid.toString().equalsIgnoreCase(text)) { // Java's parser takes 1-2-3-4-5 too
                    return uuid;
                }
            } catch (IllegalArgumentException e) {
                // below
            }
            throw unfit(row, column, type);
        } else if (type.isEnum()) {
            for (Object constant : type.getEnumConstants()) {
                if (((Enum<?>) constant).name().equals(text)) {
                    return constant;
                }
            }
            throw unfit(row, column, type);
        }
        throw new IllegalArgumentException("Column " + name(row, column) + " cannot be read as the unsupported type "
                + type.getName() + "; read it as a number, String or byte[] and convert it.");
    }

    private static long integer(Row row, int column, long least, long most, Class<?> type) throws SQLException {
        if (!(row.getObject(column) instanceof Long value) || value < least || value > most) {
            throw unfit(row, column, type);
        }
        return value;
    }

    private static double number(Row row, int column, Class<?> type) throws SQLException {
        if (!(row.getObject(column) instanceof Number)) {
            throw unfit(row, column, type);
        }
        return row.getDouble(column);
    }

    private static SQLException unfit(Row row, int column, Class<?> type) {
        String kinds = type.isEnum() ? ", one of " + Arrays.toString(type.getEnumConstants()) : "";
        return new SQLException("Column " + name(row, column) + " holds a value that is not " + article(type)
                + type.getSimpleName() + kinds + ".");
    }

    private static String article(Class<?> type) {
        return "aeiouAEIOU".indexOf(type.getSimpleName().charAt(0)) >= 0 && type != UUID.class ? "an " : "a ";
    }

    private static String name(Row row, int column) {
        return column + " (" + SqlText.columnLabel(row.columnNames().get(column - 1)) + ")";
    }
}
