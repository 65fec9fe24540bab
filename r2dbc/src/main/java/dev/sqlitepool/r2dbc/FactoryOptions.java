package dev.sqlitepool.r2dbc;

import dev.sqlitepool.Durability;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import io.r2dbc.spi.ConnectionFactoryOptions;
import io.r2dbc.spi.Option;
import java.nio.file.Path;
import java.time.Duration;
import java.time.format.DateTimeParseException;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The options of a factory as the settings of its pool. Confined to one thread. */
final class FactoryOptions {
    private static final Pattern AMOUNT = Pattern.compile("(\\d+)(ms|s|m|h)");
    private static final Pattern DRIVE = Pattern.compile("[A-Za-z]:[/\\\\].*");

    private static final Set<String> OWN = Stream.of(
                    SqliteConnectionFactoryProvider.PATH,
                    SqliteConnectionFactoryProvider.IN_MEMORY,
                    SqliteConnectionFactoryProvider.CONNECTION_FACTORY,
                    SqliteConnectionFactoryProvider.POOL_SIZE,
                    SqliteConnectionFactoryProvider.ACQUIRE_TIMEOUT,
                    SqliteConnectionFactoryProvider.MAX_CONNECTION_AGE,
                    SqliteConnectionFactoryProvider.MAX_IDLE_TIME,
                    SqliteConnectionFactoryProvider.HEALTH_CHECK_INTERVAL,
                    SqliteConnectionFactoryProvider.DURABILITY,
                    SqliteConnectionFactoryProvider.MAX_WAITERS,
                    SqliteConnectionFactoryProvider.BUSY_TIMEOUT,
                    SqliteConnectionFactoryProvider.STATEMENT_CACHE_SIZE,
                    SqliteConnectionFactoryProvider.EXECUTOR,
                    SqliteConnectionFactoryProvider.LEAK_THRESHOLD,
                    SqliteConnectionFactoryProvider.NAME,
                    SqliteConnectionFactoryProvider.LISTENER,
                    SqliteConnectionFactoryProvider.CLOSE_GRACE,
                    SqliteConnectionFactoryProvider.WAL_SIZE_LIMIT,
                    SqliteConnectionFactoryProvider.MAX_READ_AGE,
                    SqliteConnectionFactoryProvider.EXTERNAL_CHECKPOINTER,
                    SqliteConnectionFactoryProvider.PRAGMAS,
                    SqliteConnectionFactoryProvider.BEFORE_PRAGMAS,
                    SqliteConnectionFactoryProvider.ON_CONNECT,
                    ConnectionFactoryOptions.CONNECT_TIMEOUT,
                    ConnectionFactoryOptions.STATEMENT_TIMEOUT,
                    ConnectionFactoryOptions.LOCK_WAIT_TIMEOUT)
            .map(Option::name)
            .collect(Collectors.toUnmodifiableSet());
    /**
     * Ours, those that R2DBC has for every driver, and those of r2dbc-pool and r2dbc-proxy, which hand theirs on to the driver below.
     */
    private static final Set<String> KNOWN = Stream.concat(
                    OWN.stream(),
                    Stream.of(
                            "driver",
                            "protocol",
                            "host",
                            "port",
                            "user",
                            "password",
                            "database",
                            "ssl",
                            "acquireRetry",
                            "backgroundEvictionInterval",
                            "initialSize",
                            "maxSize",
                            "minIdle",
                            "maxAcquireTime",
                            "maxCreateConnectionTime",
                            "maxLifeTime",
                            "maxValidationTime",
                            "poolName",
                            "registerJmx",
                            "postAllocate",
                            "preRelease",
                            "validationQuery",
                            "validationDepth",
                            "proxyListener"))
            .collect(Collectors.toUnmodifiableSet());

    private final ConnectionFactoryOptions options;
    private final SqlitePoolBuilder builder = SqlitePool.builder();

    FactoryOptions(ConnectionFactoryOptions options) {
        this.options = options;
    }

    SqliteConnectionFactory create() {
        refuseUnknown();
        database();
        set(SqliteConnectionFactoryProvider.POOL_SIZE, FactoryOptions::integer, builder::poolSize);
        set(ConnectionFactoryOptions.CONNECT_TIMEOUT, FactoryOptions::duration, builder::acquireTimeout);
        set(SqliteConnectionFactoryProvider.ACQUIRE_TIMEOUT, FactoryOptions::duration, builder::acquireTimeout);
        set(SqliteConnectionFactoryProvider.MAX_CONNECTION_AGE, FactoryOptions::duration, age -> {
            SqlitePoolBuilder unused = age.isZero() ? builder.withoutMaxConnectionAge() : builder.maxConnectionAge(age);
        });
        set(SqliteConnectionFactoryProvider.MAX_IDLE_TIME, FactoryOptions::duration, time -> {
            SqlitePoolBuilder unused = time.isZero() ? builder.withoutMaxIdleTime() : builder.maxIdleTime(time);
        });
        set(
                SqliteConnectionFactoryProvider.HEALTH_CHECK_INTERVAL,
                FactoryOptions::duration,
                builder::healthCheckInterval);
        set(
                SqliteConnectionFactoryProvider.DURABILITY,
                text -> Durability.valueOf(text.toUpperCase(Locale.ROOT)),
                builder::durability);
        set(SqliteConnectionFactoryProvider.MAX_WAITERS, FactoryOptions::integer, builder::maxWaiters);
        set(SqliteConnectionFactoryProvider.BUSY_TIMEOUT, FactoryOptions::duration, builder::busyTimeout);
        set(SqliteConnectionFactoryProvider.STATEMENT_CACHE_SIZE, FactoryOptions::integer, builder::statementCacheSize);
        set(SqliteConnectionFactoryProvider.EXECUTOR, null, builder::executor);
        set(SqliteConnectionFactoryProvider.LEAK_THRESHOLD, FactoryOptions::duration, builder::leakThreshold);
        set(SqliteConnectionFactoryProvider.NAME, text -> text, builder::name);
        set(SqliteConnectionFactoryProvider.LISTENER, null, builder::listener);
        set(SqliteConnectionFactoryProvider.CLOSE_GRACE, FactoryOptions::duration, builder::closeGrace);
        set(SqliteConnectionFactoryProvider.WAL_SIZE_LIMIT, Long::parseLong, builder::walSizeLimit);
        set(SqliteConnectionFactoryProvider.MAX_READ_AGE, FactoryOptions::duration, builder::maxReadAge);
        set(SqliteConnectionFactoryProvider.BEFORE_PRAGMAS, null, builder::beforePragmas);
        set(SqliteConnectionFactoryProvider.ON_CONNECT, null, builder::onConnect);
        set(SqliteConnectionFactoryProvider.EXTERNAL_CHECKPOINTER, FactoryOptions::truth, external -> {
            if (external) {
                builder.externalCheckpointer();
            }
        });
        set(SqliteConnectionFactoryProvider.PRAGMAS, FactoryOptions::pragmas, all -> all.forEach(builder::pragma));
        return new SqliteConnectionFactory(
                builder.build(),
                true,
                limit(ConnectionFactoryOptions.STATEMENT_TIMEOUT),
                limit(ConnectionFactoryOptions.LOCK_WAIT_TIMEOUT));
    }

    /** An option that nobody reads would be believed to hold: {@code mode=ro} above all. */
    private void refuseUnknown() {
        Set<String> unknown = new TreeSet<>();
        ConnectionFactoryOptions.Builder unused = ConnectionFactoryOptions.builder()
                .from(options, option -> {
                    if (!KNOWN.contains(option.name())) {
                        unknown.add(option.name());
                    }
                    return false;
                });
        if (unknown.contains("mode")) {
            throw new IllegalArgumentException(
                    "The option mode is not supported, and the database would be opened for reading and writing; begin transactions that"
                            + " are read-only, or take the file's write permission away.");
        }
        if (!unknown.isEmpty()) {
            throw new IllegalArgumentException(
                    "The options " + unknown + " are not known; the options of sqlitepool are " + new TreeSet<>(OWN)
                            + ". A pragma is pragmas=name:value.");
        }
    }

    private void database() {
        Object host = options.getValue(ConnectionFactoryOptions.HOST);
        if (host != null && !host.toString().isEmpty()) {
            throw new IllegalArgumentException("The host was \"" + host
                    + "\", and SQLite has none; an absolute path has three slashes, r2dbc:sqlite:///path/to.db, and a relative one"
                    + " is an option, r2dbc:sqlite:///?path=" + host + ".");
        }
        Object database = options.getValue(ConnectionFactoryOptions.DATABASE);
        if (database != null && !database.toString().isEmpty()) {
            String path = database.toString();
            boolean absolute = path.startsWith("/") || DRIVE.matcher(path).matches();
            builder.databasePath(Path.of(absolute ? path : "/" + path));
        }
        set(SqliteConnectionFactoryProvider.PATH, text -> text, path -> builder.databasePath(Path.of(path)));
        set(SqliteConnectionFactoryProvider.CONNECTION_FACTORY, null, builder::connectionFactory);
        set(SqliteConnectionFactoryProvider.IN_MEMORY, FactoryOptions::truth, memory -> {
            if (memory) {
                builder.inMemory();
            }
        });
    }

    /** Hands an option on, which is text if it comes from a URL. */
    private <T> void set(
            Option<T> option, @Nullable Function<String, ? extends T> parser, Consumer<? super T> setting) {
        T value = value(option, parser);
        if (value != null) {
            setting.accept(value);
        }
    }

    private <T> @Nullable T value(Option<T> option, @Nullable Function<String, ? extends T> parser) {
        Object value = options.getValue(option);
        if (value instanceof CharSequence text) {
            try {
                if (parser == null) {
                    throw new IllegalArgumentException("it is an object, which only a program can give");
                }
                return parser.apply(text.toString());
            } catch (IllegalArgumentException | DateTimeParseException e) {
                throw new IllegalArgumentException(
                        "The option " + option.name() + " was \"" + text + "\", which is not understood: "
                                + e.getMessage(),
                        e);
            }
        }
        @SuppressWarnings("unchecked") // whoever gives an object gives one of the option's type
        T given = (T) value;
        return given;
    }

    private @Nullable Duration limit(Option<Duration> option) {
        Duration limit = value(option, FactoryOptions::duration);
        return limit == null ? null : SqliteConnection.limit(option.name(), limit);
    }

    /** {@code name:value,name:value}. */
    private static Map<String, Object> pragmas(String text) {
        Map<String, Object> pragmas = new LinkedHashMap<>();
        for (String pragma : text.split(",", -1)) {
            int colon = pragma.indexOf(':');
            if (colon < 1) {
                throw new IllegalArgumentException("it must be name:value,name:value");
            }
            pragmas.put(pragma.substring(0, colon), pragma.substring(colon + 1));
        }
        return pragmas;
    }

    private static Integer integer(String text) {
        return Integer.valueOf(text);
    }

    private static Boolean truth(String text) {
        if (!text.equals("true") && !text.equals("false")) {
            throw new IllegalArgumentException("it must be true or false");
        }
        return Boolean.valueOf(text);
    }

    private static Duration duration(String text) {
        Matcher amount = AMOUNT.matcher(text);
        if (!amount.matches()) {
            return Duration.parse(text);
        }
        String unit = amount.group(2).equals("ms")
                ? "PT0.001S"
                : "PT1" + amount.group(2).toUpperCase(Locale.ROOT);
        return Duration.parse(unit).multipliedBy(Long.parseLong(amount.group(1)));
    }
}
