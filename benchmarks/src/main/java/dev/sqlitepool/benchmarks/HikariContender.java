package dev.sqlitepool.benchmarks;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.concurrent.CompletableFuture;

/** HikariCP with ten connections in WAL mode and {@code synchronous=FULL}, as its users set it up for SQLite. */
final class HikariContender implements Contender {
    private static final CompletableFuture<?> DONE = CompletableFuture.completedFuture(null);

    private final HikariDataSource pool;

    /** Over a new file. */
    HikariContender(Path database) throws SQLException {
        HikariConfig config = new HikariConfig();
        // BEGIN IMMEDIATE and a busy timeout: without them most transactions would fail with SQLITE_BUSY.
        config.setJdbcUrl("jdbc:sqlite:" + database
                + "?journal_mode=WAL&synchronous=FULL&busy_timeout=60000&transaction_mode=IMMEDIATE");
        config.setMaximumPoolSize(10);
        config.setConnectionTimeout(120_000);
        pool = new HikariDataSource(config);
        try (Connection connection = pool.getConnection();
                Statement statement = connection.createStatement()) {
            for (String sql : SCHEMA) {
                statement.execute(sql);
            }
        }
    }

    @Override
    public String name() {
        return "HikariCP (10 connections)";
    }

    @Override
    public CompletableFuture<?> transaction(int client) throws SQLException {
        try (Connection connection = pool.getConnection()) {
            connection.setAutoCommit(false);
            update(connection, TOUCH, client);
            update(connection, INSERT, client);
            connection.commit();
        }
        return DONE;
    }

    @Override
    public CompletableFuture<?> execute(int client) throws SQLException {
        try (Connection connection = pool.getConnection()) {
            update(connection, INSERT, client);
        }
        return DONE;
    }

    private static void update(Connection connection, String sql, int value) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            statement.setInt(1, value);
            statement.executeUpdate();
        }
    }

    @Override
    public CompletableFuture<?> query(int key) throws SQLException {
        blockingQuery(key);
        return DONE;
    }

    @Override
    public long blockingQuery(int key) throws SQLException {
        return read(READ, key);
    }

    @Override
    public long blockingCount(long to) throws SQLException {
        return read(COUNT, to);
    }

    private long read(String sql, long value) throws SQLException {
        try (Connection connection = pool.getConnection();
                PreparedStatement statement = connection.prepareStatement(sql)) {
            statement.setLong(1, value);
            try (ResultSet row = statement.executeQuery()) {
                row.next();
                return row.getLong(1);
            }
        }
    }

    @Override
    public boolean clientsAreThreads() {
        return true;
    }

    @Override
    public void close() {
        pool.close();
    }
}
