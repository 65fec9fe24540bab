package dev.sqlitepool.spring.data.r2dbc;

import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.r2dbc.SqliteConnectionFactory;
import dev.sqlitepool.testing.Pools;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.springframework.data.r2dbc.core.R2dbcEntityTemplate;
import org.springframework.r2dbc.core.DatabaseClient;

/** A database file with some tables for each test, and a factory over it; {@link Pools} asserts that nothing leaked. */
final class Database implements BeforeEachCallback, AfterEachCallback {
    private final Pools pools = new Pools();
    private final String[] schema;
    private SqlitePool pool;
    private SqliteConnectionFactory factory;

    Database(String... schema) {
        this.schema = schema;
    }

    @Override
    public void beforeEach(ExtensionContext context) throws IOException {
        pools.beforeEach(context);
        pool = pools.open();
        for (String statement : schema) {
            long unused = pool.execute(statement).join();
        }
        factory = SqliteConnectionFactory.of(pool);
    }

    Path file() {
        return pools.file();
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

    /** Waits until every connection is back. */
    void awaitIdle() {
        Pools.awaitIdle(pool);
    }

    @Override
    public void afterEach(ExtensionContext context) throws IOException {
        pools.afterEach(context);
    }
}
