package dev.sqlitepool.benchmarks;

import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.concurrent.CompletableFuture;

/** sqlitepool, with futures. */
final class PoolContender implements Contender {
    private final String name;
    private final SqlitePool pool;

    /** Over a new file, with the default settings. */
    PoolContender(Path database) {
        this("sqlitepool (10 connections)", SqlitePool.builder().databasePath(database));
    }

    /** Over a new file, with settings of the caller's. */
    PoolContender(String name, SqlitePoolBuilder settings) {
        this.name = name;
        this.pool = settings.build();
        pool.useTransaction(tx -> {
                    for (String statement : SCHEMA) {
                        tx.execute(statement);
                    }
                })
                .join();
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public CompletableFuture<?> transaction(int client) {
        return pool.useTransaction(tx -> {
            tx.execute(TOUCH, client);
            tx.execute(INSERT, client);
        });
    }

    @Override
    public CompletableFuture<?> execute(int client) {
        return pool.execute(INSERT, client);
    }

    @Override
    public CompletableFuture<?> query(int key) {
        return pool.queryOne(READ, row -> row.getLong(1), key);
    }

    @Override
    public long blockingQuery(int key) throws SQLException {
        return pool.blocking().queryOne(READ, row -> row.getLong(1), key).orElseThrow();
    }

    @Override
    public long blockingCount(long to) throws SQLException {
        return pool.blocking().queryOne(COUNT, row -> row.getLong(1), to).orElseThrow();
    }

    @Override
    public boolean clientsAreThreads() {
        return false;
    }

    @Override
    public void close() {
        pool.close();
    }
}
