package dev.sqlitepool;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.reflect.Constructor;
import java.lang.reflect.RecordComponent;
import java.math.BigDecimal;
import java.sql.SQLException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZonedDateTime;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/** Fills a record by column names. Thread-safe: the columns found for one execution are replaced as one object. */
final class RecordMapper<R extends Record> implements RowMapper<R> {
    /** Where each component's column is. Valid for exactly the list of names it was made for: the schema may change. */
    private record Columns(List<String> names, int[] indexes) {}

    /** The types of {@link Row#get(int, Class)}; enums besides. */
    private static final Set<Class<?>> SUPPORTED = Set.of(
            long.class,
            Long.class,
            int.class,
            Integer.class,
            short.class,
            Short.class,
            byte.class,
            Byte.class,
            boolean.class,
            Boolean.class,
            double.class,
            Double.class,
            float.class,
            Float.class,
            String.class,
            byte[].class,
            BigDecimal.class,
            UUID.class,
            Instant.class,
            OffsetDateTime.class,
            ZonedDateTime.class,
            LocalDate.class,
            LocalTime.class,
            LocalDateTime.class,
            Object.class);

    private final Class<R> type;
    private final RecordComponent[] components;
    private final MethodHandle constructor;
    private volatile @Nullable Columns columns;

    RecordMapper(Class<R> type, MethodHandles.Lookup lookup) {
        this.type = Objects.requireNonNull(type, "type");
        RecordComponent[] found = type.getRecordComponents();
        if (found == null) {
            throw new IllegalArgumentException(type.getName() + " is not a record.");
        }
        for (RecordComponent component : found) {
            if (!SUPPORTED.contains(component.getType()) && !component.getType().isEnum()) {
                throw new IllegalArgumentException("The component " + component.getName() + " of " + type.getName()
                        + " is of the unsupported type " + component.getType().getName()
                        + "; write a RowMapper that reads it as a number, String or byte[] and converts it.");
            }
        }
        this.components = found;
        this.constructor = constructor(type, found, lookup).asSpreader(Object[].class, found.length);
    }

    private static MethodHandle constructor(Class<?> type, RecordComponent[] components, MethodHandles.Lookup lookup) {
        Class<?>[] types =
                Arrays.stream(components).map(RecordComponent::getType).toArray(Class<?>[]::new);
        try {
            Constructor<?> canonical = type.getDeclaredConstructor(types);
            try {
                return MethodHandles.publicLookup().unreflectConstructor(canonical);
            } catch (IllegalAccessException notPublic) {
                // For a package that is open to this module: reaching into another one needs to read it.
                RecordMapper.class.getModule().addReads(type.getModule());
                return MethodHandles.privateLookupIn(type, lookup).unreflectConstructor(canonical);
            }
        } catch (ReflectiveOperationException e) {
            throw new IllegalArgumentException(
                    type.getName() + " is not accessible to dev.sqlitepool; use RowMapper.of(type,"
                            + " MethodHandles.lookup()), or open its package.",
                    e);
        }
    }

    @Override
    public R map(Row row) throws SQLException {
        int[] indexes = indexes(row.columnNames());
        @Nullable Object[] values = new Object[components.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = row.get(indexes[i], components[i].getType());
        }
        try {
            return type.cast(constructor.invoke(values));
        } catch (RuntimeException | Error | SQLException e) {
            throw e;
        } catch (Throwable e) {
            throw new SQLException("The constructor of " + type.getName() + " failed.", e);
        }
    }

    private int[] indexes(List<String> names) throws SQLException {
        Columns known = columns;
        if (known == null || known.names() != names) {
            int[] indexes = new int[components.length];
            for (int i = 0; i < indexes.length; i++) {
                indexes[i] = index(components[i].getName(), names);
            }
            known = new Columns(names, indexes);
            columns = known;
        }
        return known.indexes();
    }

    private int index(String component, List<String> names) throws SQLException {
        int exact = names.indexOf(component);
        if (exact >= 0) {
            return exact + 1;
        }
        int found = find(component, names, false);
        found = found < 0 ? find(component, names, true) : found;
        if (found >= 0) {
            return found + 1;
        }
        throw new SQLException("No column for component " + component + " of " + type.getName() + "; the columns are "
                + ColumnLabel.of(names) + ". Give the column that name with AS.");
    }

    private static int find(String component, List<String> names, boolean withoutUnderscores) {
        String wanted = withoutUnderscores ? component.replace("_", "") : component;
        for (int i = 0; i < names.size(); i++) {
            String name = names.get(i);
            if (same(withoutUnderscores ? name.replace("_", "") : name, wanted)) {
                return i;
            }
        }
        return -1;
    }

    /** As SQLite compares names: without regard to case, in ASCII only. */
    private static boolean same(String one, String other) {
        if (one.length() != other.length()) {
            return false;
        }
        for (int i = 0; i < one.length(); i++) {
            if (one.charAt(i) != other.charAt(i) && lower(one.charAt(i)) != lower(other.charAt(i))) {
                return false;
            }
        }
        return true;
    }

    private static char lower(char c) {
        return c >= 'A' && c <= 'Z' ? (char) (c + ('a' - 'A')) : c;
    }
}
