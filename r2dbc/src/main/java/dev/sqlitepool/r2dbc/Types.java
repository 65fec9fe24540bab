package dev.sqlitepool.r2dbc;

import dev.sqlitepool.Row;
import dev.sqlitepool.internal.sql.Values;
import io.r2dbc.spi.Blob;
import io.r2dbc.spi.Clob;
import io.r2dbc.spi.Parameter;
import io.r2dbc.spi.R2dbcType;
import java.io.ByteArrayOutputStream;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.sql.SQLException;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/**
 * How values of Java become those of SQLite, and back. SQLite has five kinds of values (integers, floating point numbers, text, bytes,
 * NULL), in any column; what a column is declared as decides only what it is when nobody says which type is wanted. Stateless.
 */
final class Types {
    private Types() {}

    // ---- parameters

    /**
     * What is bound for a value; {@code Blob} and {@code Clob} as they are, to be collected later.
     *
     * @throws IllegalArgumentException if the type is not supported
     */
    static @Nullable Object encode(@Nullable Object given) {
        Object value = given;
        if (value instanceof Parameter parameter) {
            if (parameter instanceof Parameter.Out) {
                throw new IllegalArgumentException("SQLite has no OUT parameters.");
            }
            value = parameter.getValue();
        }
        if (value == null || value instanceof Blob || value instanceof Clob) {
            return value;
        } else if (value instanceof ByteBuffer buffer) {
            byte[] bytes = new byte[buffer.remaining()];
            buffer.duplicate().get(bytes);
            return bytes;
        } else if (value instanceof CharSequence || value instanceof Character) {
            return Values.encodeOne(value.toString());
        } else if (value instanceof BigInteger number) {
            return new BigDecimal(number).toPlainString();
        } else if (value instanceof Double || value instanceof Float) {
            return Values.encodeOne(value);
        }
        try {
            return Values.encodeOne(value);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    "A parameter is of the type " + value.getClass().getName()
                            + ", or has a value, that SQLite cannot hold; convert it to a number, String, byte[], ByteBuffer, Blob, Clob"
                            + " or a type of java.time in the years 0000 to 9999.",
                    e);
        }
    }

    static Mono<byte[]> bytes(Flux<ByteBuffer> buffers) {
        return buffers.collect(ByteArrayOutputStream::new, (all, buffer) -> {
                    byte[] bytes = new byte[buffer.remaining()];
                    buffer.get(bytes);
                    all.writeBytes(bytes);
                })
                .map(ByteArrayOutputStream::toByteArray);
    }

    // ---- columns

    /**
     * The type of a column, by how it is declared, with the <a
     * href="https://www.sqlite.org/datatype3.html#determination_of_column_affinity">rules of affinity</a>.
     *
     * @param declared what {@code CREATE TABLE} says; null if nothing
     * @param value one of its values, which decides if nothing is declared
     */
    static R2dbcType type(@Nullable String declared, @Nullable Object value) {
        String type = declared == null ? "" : declared.toUpperCase(Locale.ROOT);
        if (type.isBlank()) {
            return value instanceof Long
                    ? R2dbcType.INTEGER
                    : value instanceof Double
                            ? R2dbcType.DOUBLE
                            : value instanceof byte[] ? R2dbcType.BLOB : R2dbcType.VARCHAR;
        } else if (type.contains("BOOL")) {
            return R2dbcType.BOOLEAN;
        } else if (type.contains("BIGINT") || type.contains("INT8") || type.contains("BIG INT")) {
            return R2dbcType.BIGINT;
        } else if (type.contains("INT")) {
            return R2dbcType.INTEGER;
        } else if (type.contains("CLOB")) {
            return R2dbcType.CLOB;
        } else if (type.contains("CHAR") || type.contains("TEXT")) {
            return R2dbcType.VARCHAR;
        } else if (type.contains("BLOB") || type.contains("BINARY")) {
            return R2dbcType.BLOB;
        } else if (type.contains("REAL") || type.contains("FLOA") || type.contains("DOUB")) {
            return R2dbcType.DOUBLE;
        } else if (type.contains("TIMESTAMP") || type.contains("DATETIME")) {
            return R2dbcType.TIMESTAMP;
        } else if (type.contains("DATE")) {
            return R2dbcType.DATE;
        } else if (type.contains("TIME")) {
            return R2dbcType.TIME;
        }
        return R2dbcType.NUMERIC;
    }

    /** A value of a column when nobody says which type is wanted. */
    static @Nullable Object natural(@Nullable Object stored, R2dbcType type) {
        if (stored instanceof Long number) {
            if (type == R2dbcType.BOOLEAN && (number == 0 || number == 1)) {
                return number == 1;
            }
            boolean small = type != R2dbcType.BIGINT && number.intValue() == number;
            return small ? (Object) number.intValue() : number;
        }
        return stored instanceof byte[] bytes ? ByteBuffer.wrap(bytes.clone()) : stored;
    }

    /** The class of what {@link #natural} returns, as far as a column has one. */
    static Class<?> naturalClass(R2dbcType type) {
        switch (type) {
            case BOOLEAN:
                return Boolean.class;
            case BIGINT:
                return Long.class;
            case INTEGER:
                return Integer.class;
            case DOUBLE:
                return Double.class;
            case BLOB:
                return ByteBuffer.class;
            case NUMERIC:
                return Object.class;
            default:
                return String.class;
        }
    }

    /**
     * A value as a type.
     *
     * @throws SQLException if it cannot be read as the type
     * @throws IllegalArgumentException if the type is not supported
     */
    static <T> @Nullable T as(Row row, int column, Class<T> type, R2dbcType declared) throws SQLException {
        @SuppressWarnings("unchecked") // value(…) returns an instance of the type, or of its wrapper
        T value = (T) value(row, column, type, declared);
        return value;
    }

    private static @Nullable Object value(Row row, int column, Class<?> type, R2dbcType declared) throws SQLException {
        if (row.isNull(column)) {
            return null;
        } else if (type == Object.class) {
            return natural(row.getObject(column), declared);
        } else if (type == ByteBuffer.class) {
            return ByteBuffer.wrap(row.get(column, byte[].class));
        } else if (type == Blob.class) {
            byte[] bytes = row.get(column, byte[].class);
            return Blob.from(Mono.fromSupplier(() -> writable(bytes)));
        } else if (type == Clob.class) {
            return Clob.from(Mono.just(row.get(column, String.class)));
        } else if (type == CharSequence.class) {
            return row.get(column, String.class);
        } else if (type == BigInteger.class) {
            return row.get(column, BigDecimal.class).toBigIntegerExact();
        } else if (type == Number.class) {
            Object number = natural(row.getObject(column), declared);
            return number instanceof Number ? number : row.get(column, BigDecimal.class);
        } else if (type == Character.class) {
            String text = row.get(column, String.class);
            if (text.length() != 1) {
                throw new SQLException("The column holds more than one character, or none.");
            }
            return text.charAt(0);
        }
        return row.get(column, type);
    }

    /** A buffer with its own copy: who reads a Blob may write into it. */
    private static ByteBuffer writable(byte[] bytes) {
        return ByteBuffer.wrap(bytes.clone());
    }
}
