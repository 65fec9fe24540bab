package dev.sqlitepool.r2dbc;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import dev.sqlitepool.testing.Pools;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Queue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeoutException;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import reactor.core.publisher.Hooks;
import reactor.core.publisher.Mono;

/**
 * A database file for each test, and a pool and a factory over it; {@link Pools} asserts that nothing leaked. Reactor drops an error for which
 * no subscriber is left, and would print it: only errors that say that the subscriber has left may be dropped.
 */
final class Database implements BeforeEachCallback, AfterEachCallback {
    private final Pools pools = new Pools();
    private final UnaryOperator<SqlitePoolBuilder> settings;
    private final Queue<Throwable> dropped = new ConcurrentLinkedQueue<>();
    private SqliteConnectionFactory factory;
    private SqlitePool pool;

    Database() {
        this(builder -> builder);
    }

    Database(UnaryOperator<SqlitePoolBuilder> settings) {
        this.settings = settings;
    }

    @Override
    public void beforeEach(ExtensionContext context) throws IOException {
        dropped.clear();
        Hooks.onErrorDropped(dropped::add);
        pools.beforeEach(context);
        pool = pools.open(settings);
        factory = SqliteConnectionFactory.of(pool);
    }

    Path directory() {
        return pools.directory();
    }

    Path file() {
        return pools.file();
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

    @Override
    public void afterEach(ExtensionContext context) throws IOException {
        try {
            pools.afterEach(context);
            if (context.getExecutionException().isEmpty()) {
                assertThat(dropped)
                        .allMatch(error -> error instanceof CancellationException || error instanceof TimeoutException);
            }
        } finally {
            Hooks.resetOnErrorDropped();
        }
    }
}
