package dev.sqlitepool.r2dbc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.r2dbc.spi.ConnectionFactories;
import io.r2dbc.spi.ConnectionFactory;
import io.r2dbc.spi.ConnectionFactoryOptions;
import io.r2dbc.spi.R2dbcBadGrammarException;
import io.r2dbc.spi.R2dbcDataIntegrityViolationException;
import io.r2dbc.spi.R2dbcException;
import io.r2dbc.spi.R2dbcNonTransientResourceException;
import io.r2dbc.spi.R2dbcTimeoutException;
import io.r2dbc.spi.R2dbcTransientResourceException;
import io.r2dbc.spi.Result;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** How a factory is found and set up, and what its errors are. */
class FactoryTest {
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    @RegisterExtension
    final Database database = new Database();

    @TempDir
    Path directory;

    private static List<Object> query(ConnectionFactory factory, String sql) {
        return Flux.usingWhen(
                        factory.create(),
                        connection -> Flux.<Result>from(
                                        connection.createStatement(sql).execute())
                                .concatMap(result -> result.map(row -> row.get(0))),
                        io.r2dbc.spi.Connection::close)
                .collectList()
                .block(PATIENCE);
    }

    private static void close(ConnectionFactory factory) {
        ((SqliteConnectionFactory) factory).close().block(PATIENCE);
    }

    @Test
    void theUrlOfAnAbsolutePathOpensThatFile() {
        Path file = directory.resolve("shop.db");
        ConnectionFactory factory =
                ConnectionFactories.get("r2dbc:sqlite://" + file + "?poolSize=3&acquireTimeout=2s&durability=normal"
                        + "&pragmas=cache_size:-1000,temp_store:MEMORY&maxIdleTime=PT1M&maxConnectionAge=0s&name=shop");
        assertThat(factory.getMetadata().getName()).isEqualTo("SQLite");
        assertThat(query(factory, "PRAGMA cache_size")).containsExactly(-1000);
        assertThat(query(factory, "SELECT file FROM pragma_database_list")).containsExactly(file.toString());
        assertThat(((SqliteConnectionFactory) factory).pool().stats().pool()).isEqualTo("shop");
        close(factory);
        assertThatThrownBy(() -> query(factory, "SELECT 1")).isInstanceOf(R2dbcNonTransientResourceException.class);
    }

    @Test
    void relativePathsAndMemoryAreOptions() {
        Path file = Path.of("").toAbsolutePath().relativize(directory.resolve("rel.db"));
        ConnectionFactory relative = ConnectionFactories.get("r2dbc:sqlite:///?path=" + file);
        query(relative, "SELECT 1");
        close(relative);
        assertThat(directory.resolve("rel.db")).exists();
        ConnectionFactory memory = ConnectionFactories.get("r2dbc:sqlite:///?inMemory=true");
        query(memory, "CREATE TABLE t (x)");
        assertThat(query(memory, "SELECT count(*) FROM t")).containsExactly(0);
        close(memory);
    }

    @Test
    void aProgramGivesObjects() {
        List<String> hooks = new CopyOnWriteArrayList<>();
        ConnectionFactoryOptions options = ConnectionFactoryOptions.builder()
                .option(ConnectionFactoryOptions.DRIVER, "sqlite")
                .option(
                        ConnectionFactoryOptions.DATABASE,
                        directory.resolve("a.db").toString())
                .option(SqliteConnectionFactoryProvider.POOL_SIZE, 2)
                .option(SqliteConnectionFactoryProvider.PRAGMAS, Map.of("cache_size", -500))
                .option(SqliteConnectionFactoryProvider.BEFORE_PRAGMAS, connection -> hooks.add("first"))
                .option(SqliteConnectionFactoryProvider.ON_CONNECT, connection -> {
                    hooks.add("last");
                    try (Statement statement = connection.createStatement()) {
                        statement.execute("PRAGMA case_sensitive_like = ON");
                    }
                })
                .build();
        ConnectionFactory factory = ConnectionFactories.get(options);
        assertThat(query(factory, "SELECT 'a' LIKE 'A'")).containsExactly(0);
        assertThat(hooks).startsWith("first", "last");
        close(factory);
        ConnectionFactory impatient = ConnectionFactories.get(options.mutate()
                .option(ConnectionFactoryOptions.STATEMENT_TIMEOUT, Duration.ofMillis(50))
                .build());
        assertThatThrownBy(() -> query(
                        impatient,
                        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"))
                .isInstanceOf(R2dbcTimeoutException.class);
        close(impatient);
        ConnectionFactory own = ConnectionFactories.get(ConnectionFactoryOptions.builder()
                .option(ConnectionFactoryOptions.DRIVER, "sqlite")
                .option(
                        SqliteConnectionFactoryProvider.CONNECTION_FACTORY,
                        access -> DriverManager.getConnection("jdbc:sqlite:" + directory.resolve("b.db")))
                .build());
        assertThat(query(own, "SELECT 1")).containsExactly(1);
        close(own);
    }

    @Test
    void mistakesInOptionsAreTold() {
        assertThatThrownBy(() -> ConnectionFactories.get("r2dbc:sqlite://my.db"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("SQLite has none")
                .hasMessageContaining("r2dbc:sqlite:///?path=my.db");
        assertThatThrownBy(() -> ConnectionFactories.get("r2dbc:sqlite:///?poolSize=3"))
                .hasMessageContaining("databasePath");
        assertThatThrownBy(() -> ConnectionFactories.get("r2dbc:sqlite:///a.db?poolSize=0"))
                .hasMessageContaining("poolSize was 0; it must be at least 1");
        assertThatThrownBy(() -> ConnectionFactories.get("r2dbc:sqlite:///a.db?poolSize=many"))
                .hasMessageContaining("The option poolSize was \"many\"");
        assertThatThrownBy(() -> ConnectionFactories.get("r2dbc:sqlite:///a.db?acquireTimeout=soon"))
                .hasMessageContaining("The option acquireTimeout was \"soon\"");
        assertThatThrownBy(() -> ConnectionFactories.get("r2dbc:sqlite:///a.db?executor=mine"))
                .hasMessageContaining("only a program can give");
        assertThatThrownBy(() -> ConnectionFactories.get("r2dbc:sqlite:///a.db?inMemory=true"))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void aFactoryOverAPoolLeavesItOpen() {
        database.factory().close().block(PATIENCE);
        assertThat(query(database.factory(), "SELECT 1")).containsExactly(1);
    }

    @Test
    void errorsHaveTheirClassAndState() {
        database.pool()
                .execute(
                        "CREATE TABLE t (a INTEGER PRIMARY KEY, b NOT NULL, c CHECK (c > 0), d UNIQUE, e REFERENCES t) STRICT"
                                .replace(" STRICT", ""))
                .join();
        query(database.factory(), "INSERT INTO t VALUES (1, 1, 1, 1, NULL)");
        assertError("SELEC 1", R2dbcBadGrammarException.class, "42000");
        assertError("SELECT * FROM missing", R2dbcBadGrammarException.class, "42000");
        assertError("INSERT INTO t VALUES (1, 1, 1, 2, NULL)", R2dbcDataIntegrityViolationException.class, "23505");
        assertError("INSERT INTO t VALUES (2, NULL, 1, 2, NULL)", R2dbcDataIntegrityViolationException.class, "23502");
        assertError("INSERT INTO t VALUES (2, 1, -1, 2, NULL)", R2dbcDataIntegrityViolationException.class, "23514");
        assertError("INSERT INTO t VALUES (2, 1, 1, 1, NULL)", R2dbcDataIntegrityViolationException.class, "23505");
        assertError("INSERT INTO t VALUES (2, 1, 1, 2, 99)", R2dbcDataIntegrityViolationException.class, "23503");
        assertError("INSERT INTO t VALUES ('x', 1, 1, 2, NULL)", R2dbcDataIntegrityViolationException.class, "22000");
    }

    private void assertError(String sql, Class<? extends R2dbcException> type, String state) {
        assertThatThrownBy(() -> query(database.factory(), sql)).as(sql).isInstanceOfSatisfying(type, error -> {
            assertThat(error.getSqlState()).isEqualTo(state);
            assertThat(error.getErrorCode()).isNotZero();
            assertThat(error.getSql()).isEqualTo(sql);
        });
    }

    @Test
    void aBusyDatabaseIsATransientError() throws Exception {
        ConnectionFactory factory =
                ConnectionFactories.get("r2dbc:sqlite://" + directory.resolve("busy.db") + "?busyTimeout=50ms");
        query(factory, "CREATE TABLE t (x)");
        try (Connection other = DriverManager.getConnection("jdbc:sqlite:" + directory.resolve("busy.db"));
                Statement statement = other.createStatement()) {
            statement.execute("BEGIN IMMEDIATE");
            assertThatThrownBy(() -> query(factory, "INSERT INTO t VALUES (1)"))
                    .isInstanceOf(R2dbcTransientResourceException.class);
            statement.execute("ROLLBACK");
        }
        assertThat(query(factory, "INSERT INTO t VALUES (1) RETURNING x")).containsExactly(1);
        close(factory);
    }

    @Test
    void twoThousandConnectionsNeedNoMoreThanThePool() {
        List<Integer> all = Flux.range(0, 2000)
                .flatMap(
                        i -> Mono.usingWhen(
                                database.factory().create(),
                                c -> Mono.from(c.createStatement("SELECT ?")
                                                .bind(0, i)
                                                .execute())
                                        .flatMap(result -> Mono.from(result.map(row -> row.get(0, Integer.class)))),
                                io.r2dbc.spi.Connection::close),
                        2000)
                .collectList()
                .block(PATIENCE);
        assertThat(all).hasSize(2000).doesNotHaveDuplicates();
        assertThat(database.pool().stats().live()).isLessThanOrEqualTo(10);
    }
}
