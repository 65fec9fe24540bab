package dev.sqlitepool.r2dbc;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sqlitepool.PoolStats;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.Queue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import reactor.core.publisher.Hooks;
import reactor.core.publisher.Mono;

/**
 * A database file for each test, and a pool over it; after the test nothing may be left: no lane on loan, no file of the pool. Reactor drops
 * an error that nobody waits for any more, and would print it: it may only tell that its subscriber has left.
 */
final class Files implements BeforeEachCallback, AfterEachCallback {
    private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(60);

    private final UnaryOperator<SqlitePoolBuilder> settings;
    private final Queue<Throwable> dropped = new ConcurrentLinkedQueue<>();
    private Path directory;
    private SqliteConnectionFactory factory;
    private SqlitePool pool;

    Files() {
        this(builder -> builder);
    }

    Files(UnaryOperator<SqlitePoolBuilder> settings) {
        this.settings = settings;
    }

    @Override
    public void beforeEach(ExtensionContext context) throws IOException {
        dropped.clear();
        Hooks.onErrorDropped(dropped::add);
        directory = java.nio.file.Files.createTempDirectory("sqlitepool-r2dbc").toRealPath();
        pool = settings.apply(SqlitePool.builder().databasePath(file())).build();
        factory = SqliteConnectionFactory.of(pool);
    }

    Path directory() {
        return directory;
    }

    Path file() {
        return directory.resolve("test.db");
    }

    SqliteConnectionFactory factory() {
        return factory;
    }

    /** A connection, to be closed by the test. */
    SqliteConnection connection() {
        return connections().block();
    }

    Mono<SqliteConnection> connections() {
        return factory.create().cast(SqliteConnection.class);
    }

    SqlitePool pool() {
        return pool;
    }

    /** Waits until no lane is on loan and nobody waits for one. */
    static void awaitIdle(SqlitePool pool) {
        long deadline = System.nanoTime() + PATIENCE_NANOS;
        while (!isIdle(pool.stats())) {
            assertThat(System.nanoTime() - deadline)
                    .as("lanes on loan: %s", pool.stats())
                    .isNegative();
            LockSupport.parkNanos(200_000);
        }
    }

    private static boolean isIdle(PoolStats stats) {
        return Stream.of(stats.readConnections(), stats.writeConnections())
                .allMatch(lanes -> lanes.idle() == lanes.live() && lanes.waiting() == 0);
    }

    @Override
    public void afterEach(ExtensionContext context) throws IOException {
        boolean passed = context.getExecutionException().isEmpty();
        try {
            if (passed) {
                awaitIdle(pool);
            }
            pool.close();
            if (passed) {
                assertThat(dropped)
                        .allMatch(error -> error instanceof CancellationException || error instanceof TimeoutException);
                try (Stream<Path> files = java.nio.file.Files.list(directory)) {
                    assertThat(files.map(Path::toString))
                            .as("files after close")
                            .noneMatch(file -> file.endsWith("-wal") || file.endsWith("-shm"));
                }
            }
        } finally {
            Hooks.resetOnErrorDropped();
            try (Stream<Path> files = java.nio.file.Files.walk(directory)) {
                files.sorted(Comparator.reverseOrder())
                        .forEach(file -> file.toFile().delete());
            }
        }
    }
}
