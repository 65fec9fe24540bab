package dev.sqlitepool.benchmarks;

import dev.sqlitepool.BlockingPool;
import dev.sqlitepool.PoolConnection;
import dev.sqlitepool.SqlAction;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** sqlitepool: with futures, or through its blocking view if the clients are threads. */
final class PoolContender implements Contender {
    private final String name;
    private final Clients clients;
    private final SqlitePool pool;
    private final BlockingPool blocking;

    /** Over a new file, with the default settings, with futures. */
    PoolContender(Path database) {
        this("sqlitepool (10 connections)", Clients.STAGES, SqlitePool.builder().databasePath(database));
    }

    /** Over a new file, with settings of the caller's. */
    PoolContender(String name, Clients clients, SqlitePoolBuilder settings) {
        this.name = name;
        this.clients = clients;
        this.pool = settings.build();
        this.blocking = pool.blocking();
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
    public Clients clients() {
        return clients;
    }

    private boolean waits() {
        return clients != Clients.STAGES;
    }

    @Override
    public CompletableFuture<?> acquire() throws SQLException {
        if (waits()) {
            blocking.useConnection(c -> {});
            return DONE;
        }
        return pool.useConnection(c -> {});
    }

    @Override
    public CompletableFuture<?> transaction(int client) throws SQLException {
        if (waits()) {
            blocking.useTransaction(tx -> {
                tx.execute(TOUCH, client);
                tx.execute(INSERT, client);
            });
            return DONE;
        }
        return pool.useTransaction(tx -> {
            tx.execute(TOUCH, client);
            tx.execute(INSERT, client);
        });
    }

    @Override
    public CompletableFuture<?> ownCommit(int client) throws SQLException {
        return onConnection(c -> {
            c.execute("BEGIN IMMEDIATE");
            c.execute(TOUCH, client);
            c.execute(INSERT, client);
            c.execute("COMMIT");
        });
    }

    @Override
    public CompletableFuture<?> jdbcCommit(int client) throws SQLException {
        return onConnection(c -> {
            Connection connection = c.jdbc();
            connection.setAutoCommit(false);
            for (String sql : List.of(TOUCH, INSERT)) {
                try (PreparedStatement statement = connection.prepareStatement(sql)) {
                    statement.setInt(1, client);
                    statement.executeUpdate();
                }
            }
            connection.commit();
            connection.setAutoCommit(true);
        });
    }

    private CompletableFuture<?> onConnection(SqlAction<PoolConnection, RuntimeException> action) throws SQLException {
        if (waits()) {
            blocking.useConnection(action);
            return DONE;
        }
        return pool.useConnection(action);
    }

    @Override
    public CompletableFuture<?> readModifyWrite(int client) throws SQLException {
        if (waits()) {
            blocking.useTransaction(tx -> {
                long value = tx.queryOne(READ, row -> row.getLong(1), client).orElseThrow();
                tx.execute(SET, value + 1, client);
                tx.execute(INSERT, client);
            });
            return DONE;
        }
        return pool.useTransaction(tx -> {
            long value = tx.queryOne(READ, row -> row.getLong(1), client).orElseThrow();
            tx.execute(SET, value + 1, client);
            tx.execute(INSERT, client);
        });
    }

    @Override
    public CompletableFuture<?> execute(int client) throws SQLException {
        if (waits()) {
            blocking.execute(INSERT, client);
            return DONE;
        }
        return pool.execute(INSERT, client);
    }

    @Override
    public CompletableFuture<?> batch(int client) throws SQLException {
        Object[] row = {client};
        List<Object[]> rows = Collections.nCopies(BATCH, row);
        if (waits()) {
            blocking.executeBatch(INSERT, rows);
            return DONE;
        }
        return pool.executeBatch(INSERT, rows);
    }

    @Override
    public CompletableFuture<?> query(int key) throws SQLException {
        if (waits()) {
            blockingQuery(key);
            return DONE;
        }
        return pool.queryOne(READ, row -> row.getLong(1), key);
    }

    @Override
    public CompletableFuture<?> scan(int from) throws SQLException {
        if (waits()) {
            return CompletableFuture.completedFuture(blocking.query(
                    SCAN, row -> new Item(row.getLong(1), row.getLong(2), row.getString(3)), from, from));
        }
        return pool.query(SCAN, row -> new Item(row.getLong(1), row.getLong(2), row.getString(3)), from, from);
    }

    @Override
    public CompletableFuture<?> slowQuery(long to) throws SQLException {
        if (waits()) {
            blockingCount(to);
            return DONE;
        }
        return pool.queryOne(COUNT, row -> row.getLong(1), to);
    }

    @Override
    public long blockingQuery(int key) throws SQLException {
        return blocking.queryOne(READ, row -> row.getLong(1), key).orElseThrow();
    }

    @Override
    public long blockingCount(long to) throws SQLException {
        return blocking.queryOne(COUNT, row -> row.getLong(1), to).orElseThrow();
    }

    @Override
    public void close() {
        pool.close();
    }
}
