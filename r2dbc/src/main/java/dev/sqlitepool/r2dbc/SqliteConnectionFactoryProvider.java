package dev.sqlitepool.r2dbc;

import dev.sqlitepool.ConnectionFactory;
import dev.sqlitepool.Durability;
import dev.sqlitepool.PoolListener;
import dev.sqlitepool.SqlitePoolBuilder;
import io.r2dbc.spi.ConnectionFactoryOptions;
import io.r2dbc.spi.ConnectionFactoryProvider;
import io.r2dbc.spi.Option;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.Executor;

/**
 * Finds the driver by its name {@code sqlite}: {@code r2dbc:sqlite:///absolute/path.db?poolSize=4}. Used through {@link
 * io.r2dbc.spi.ConnectionFactories}.
 *
 * <p>The database is one of
 *
 * <ul>
 *   <li>the path of the URL, {@link ConnectionFactoryOptions#DATABASE}, which is absolute: it begins behind {@code sqlite://};
 *   <li>{@link #PATH}, a path as {@link java.nio.file.Path} takes it, relative ones too: {@code r2dbc:sqlite:///?path=data/app.db};
 *   <li>{@link #IN_MEMORY}, a private database in memory: {@code r2dbc:sqlite:///?inMemory=true};
 *   <li>{@link #CONNECTION_FACTORY}, what opens connections instead.
 * </ul>
 *
 * <p>The other options are the settings of {@link SqlitePoolBuilder}, under the same names and with the same defaults; in a URL durations are
 * ISO-8601 ({@code PT5S}) or a number with {@code ms}, {@code s}, {@code m} or {@code h}.
 */
public final class SqliteConnectionFactoryProvider implements ConnectionFactoryProvider {
    /** The name of the driver. */
    public static final String SQLITE_DRIVER = "sqlite";

    /** The database file; a relative path is resolved when the factory is made. */
    public static final Option<String> PATH = Option.valueOf("path");

    /** A private database in memory, on a single connection. */
    public static final Option<Boolean> IN_MEMORY = Option.valueOf("inMemory");

    /** Opens connections in place of a path. */
    public static final Option<ConnectionFactory> CONNECTION_FACTORY = Option.valueOf("connectionFactory");

    /** {@link SqlitePoolBuilder#poolSize}. */
    public static final Option<Integer> POOL_SIZE = Option.valueOf("poolSize");

    /** {@link SqlitePoolBuilder#acquireTimeout}; {@link ConnectionFactoryOptions#CONNECT_TIMEOUT} means the same. */
    public static final Option<Duration> ACQUIRE_TIMEOUT = Option.valueOf("acquireTimeout");

    /** {@link SqlitePoolBuilder#maxConnectionAge}; zero for {@link SqlitePoolBuilder#withoutMaxConnectionAge}. */
    public static final Option<Duration> MAX_CONNECTION_AGE = Option.valueOf("maxConnectionAge");

    /** {@link SqlitePoolBuilder#maxIdleTime}; zero for {@link SqlitePoolBuilder#withoutMaxIdleTime}. */
    public static final Option<Duration> MAX_IDLE_TIME = Option.valueOf("maxIdleTime");

    /** {@link SqlitePoolBuilder#healthCheckInterval}. */
    public static final Option<Duration> HEALTH_CHECK_INTERVAL = Option.valueOf("healthCheckInterval");

    /** {@link SqlitePoolBuilder#durability}. */
    public static final Option<Durability> DURABILITY = Option.valueOf("durability");

    /** {@link SqlitePoolBuilder#maxWaiters}. */
    public static final Option<Integer> MAX_WAITERS = Option.valueOf("maxWaiters");

    /** {@link SqlitePoolBuilder#busyTimeout}. */
    public static final Option<Duration> BUSY_TIMEOUT = Option.valueOf("busyTimeout");

    /** {@link SqlitePoolBuilder#statementCacheSize}. */
    public static final Option<Integer> STATEMENT_CACHE_SIZE = Option.valueOf("statementCacheSize");

    /** {@link SqlitePoolBuilder#executor}. */
    public static final Option<Executor> EXECUTOR = Option.valueOf("executor");

    /** {@link SqlitePoolBuilder#leakThreshold}. */
    public static final Option<Duration> LEAK_THRESHOLD = Option.valueOf("leakThreshold");

    /** {@link SqlitePoolBuilder#name}. */
    public static final Option<String> NAME = Option.valueOf("name");

    /** {@link SqlitePoolBuilder#listener}. */
    public static final Option<PoolListener> LISTENER = Option.valueOf("listener");

    /** {@link SqlitePoolBuilder#closeGrace}. */
    public static final Option<Duration> CLOSE_GRACE = Option.valueOf("closeGrace");

    /** {@link SqlitePoolBuilder#walSizeLimit}, in bytes. */
    public static final Option<Long> WAL_SIZE_LIMIT = Option.valueOf("walSizeLimit");

    /** {@link SqlitePoolBuilder#maxReadAge}. */
    public static final Option<Duration> MAX_READ_AGE = Option.valueOf("maxReadAge");

    /** {@link SqlitePoolBuilder#externalCheckpointer}. */
    public static final Option<Boolean> EXTERNAL_CHECKPOINTER = Option.valueOf("externalCheckpointer");

    /** {@link SqlitePoolBuilder#pragma} for each; in a URL {@code pragmas=cache_size:-64000,temp_store:MEMORY}. */
    public static final Option<Map<String, Object>> PRAGMAS = Option.valueOf("pragmas");

    /** {@link SqlitePoolBuilder#beforePragmas}, as a {@link ConnectHook}: for the key of an encrypted file. */
    public static final Option<ConnectHook> BEFORE_PRAGMAS = Option.valueOf("beforePragmas");

    /** {@link SqlitePoolBuilder#onConnect}, as a {@link ConnectHook}. */
    public static final Option<ConnectHook> ON_CONNECT = Option.valueOf("onConnect");

    /** Made by the service loader. */
    public SqliteConnectionFactoryProvider() {}

    @Override
    public SqliteConnectionFactory create(ConnectionFactoryOptions options) {
        return new FactoryOptions(options).create();
    }

    @Override
    public boolean supports(ConnectionFactoryOptions options) {
        return SQLITE_DRIVER.equals(options.getValue(ConnectionFactoryOptions.DRIVER));
    }

    @Override
    public String getDriver() {
        return SQLITE_DRIVER;
    }

    /** Code for every new connection, see {@link SqlitePoolBuilder#beforePragmas} and {@link SqlitePoolBuilder#onConnect}. */
    @FunctionalInterface
    public interface ConnectHook extends dev.sqlitepool.SqlAction<java.sql.Connection, java.sql.SQLException> {}
}
