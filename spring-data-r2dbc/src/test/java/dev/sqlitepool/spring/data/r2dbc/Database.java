package dev.sqlitepool.spring.data.r2dbc;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sqlitepool.PoolStats;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.r2dbc.SqliteConnectionFactory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.springframework.data.r2dbc.core.R2dbcEntityTemplate;
import org.springframework.r2dbc.core.DatabaseClient;

/** A database file with some tables for each test, and a factory over it; after the test no lane is on loan, and no file of the pool is left. */
final class Database implements BeforeEachCallback, AfterEachCallback {
    private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(60);

    private final String[] schema;
    private Path directory;
    private SqlitePool pool;
    private SqliteConnectionFactory factory;

    Database(String... schema) {
        this.schema = schema;
    }

    @Override
    public void beforeEach(ExtensionContext context) throws IOException {
        directory = Files.createTempDirectory("sqlitepool-spring").toRealPath();
        pool = SqlitePool.open(file());
        for (String statement : schema) {
            long unused = pool.execute(statement).join();
        }
        factory = SqliteConnectionFactory.of(pool);
    }

    Path file() {
        return directory.resolve("test.db");
    }

    SqlitePool pool() {
        return pool;
    }

    SqliteConnectionFactory factory() {
        return factory;
    }

    DatabaseClient client() {
        return DatabaseClient.create(factory);
    }

    R2dbcEntityTemplate template() {
        return new R2dbcEntityTemplate(factory);
    }

    /** A number that a query returns, past Spring. */
    long number(String sql) {
        return pool.queryOne(sql, row -> row.getLong(1)).join().orElseThrow();
    }

    /** Waits until no lane is on loan and nobody waits for one. */
    void awaitIdle() {
        long deadline = System.nanoTime() + PATIENCE_NANOS;
        while (!Stream.of(pool.stats().readConnections(), pool.stats().writeConnections())
                .allMatch(Database::isIdle)) {
            assertThat(System.nanoTime() - deadline)
                    .as("lanes on loan: %s", pool.stats())
                    .isNegative();
            LockSupport.parkNanos(200_000);
        }
    }

    private static boolean isIdle(PoolStats.Connections lanes) {
        return lanes.idle() == lanes.live() && lanes.waiting() == 0;
    }

    @Override
    public void afterEach(ExtensionContext context) throws IOException {
        boolean passed = context.getExecutionException().isEmpty();
        try {
            if (passed) {
                awaitIdle();
            }
            pool.close();
            if (passed) {
                try (Stream<Path> files = Files.list(directory)) {
                    assertThat(files.map(Path::toString))
                            .as("files after close")
                            .noneMatch(file -> file.endsWith("-wal") || file.endsWith("-shm"));
                }
            }
        } finally {
            try (Stream<Path> files = Files.walk(directory)) {
                files.sorted(Comparator.reverseOrder())
                        .forEach(file -> file.toFile().delete());
            }
        }
    }
}
