package dev.sqlitepool.benchmarks;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** A pool of JDBC connections in WAL mode, as its users set it up for SQLite; its clients are threads. */
final class JdbcContender implements Contender {
    /** Where its connections come from, and go when they are closed. */
    interface Source {
        Connection getConnection() throws SQLException;
    }

    private final String name;
    private final Clients clients;
    private final Source pool;
    private final AutoCloseable end;

    /**
     * Over a new file.
     *
     * @param pool of connections to {@link #url}
     * @param end closes it
     */
    JdbcContender(String name, Clients clients, Source pool, AutoCloseable end) throws SQLException {
        this.name = name;
        this.clients = clients;
        this.pool = pool;
        this.end = end;
        try (Connection connection = pool.getConnection();
                Statement statement = connection.createStatement()) {
            for (String sql : SCHEMA) {
                statement.execute(sql);
            }
        }
    }

    /**
     * How the driver opens the file: BEGIN IMMEDIATE and a busy timeout, since without them most transactions would fail with SQLITE_BUSY.
     *
     * @param synchronous {@code FULL} or {@code NORMAL}
     */
    static String url(Path database, String synchronous) {
        return "jdbc:sqlite:" + database + "?journal_mode=WAL&synchronous=" + synchronous
                + "&busy_timeout=60000&transaction_mode=IMMEDIATE";
    }

    /** HikariCP with ten connections, {@code synchronous=FULL}, on platform threads. */
    static Contender hikari(Path database) throws SQLException {
        return hikari(database, "FULL", 10, Clients.THREADS);
    }

    static Contender hikari(Path database, String synchronous, int connections, Clients clients) throws SQLException {
        HikariConfig config = new HikariConfig();
        config.setJdbcUrl(url(database, synchronous));
        config.setMaximumPoolSize(connections);
        config.setConnectionTimeout(120_000);
        HikariDataSource pool = new HikariDataSource(config);
        return new JdbcContender(
                "HikariCP (" + connections + (connections == 1 ? " connection)" : " connections)"),
                clients,
                pool::getConnection,
                pool);
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public Clients clients() {
        return clients;
    }

    @Override
    public CompletableFuture<?> acquire() throws SQLException {
        pool.getConnection().close();
        return DONE;
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
    public CompletableFuture<?> readModifyWrite(int client) throws SQLException {
        try (Connection connection = pool.getConnection()) {
            connection.setAutoCommit(false);
            long value = read(connection, READ, client);
            update(connection, SET, value + 1, client);
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

    @Override
    public CompletableFuture<?> batch(int client) throws SQLException {
        try (Connection connection = pool.getConnection()) {
            connection.setAutoCommit(false);
            try (PreparedStatement statement = connection.prepareStatement(INSERT)) {
                for (int i = 0; i < BATCH; i++) {
                    statement.setInt(1, client);
                    statement.addBatch();
                }
                statement.executeBatch();
            }
            connection.commit();
        }
        return DONE;
    }

    private static void update(Connection connection, String sql, long... values) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int i = 0; i < values.length; i++) {
                statement.setLong(i + 1, values[i]);
            }
            statement.executeUpdate();
        }
    }

    @Override
    public CompletableFuture<?> query(int key) throws SQLException {
        blockingQuery(key);
        return DONE;
    }

    @Override
    public CompletableFuture<?> scan(int from) throws SQLException {
        List<Item> items = new ArrayList<>();
        try (Connection connection = pool.getConnection();
                PreparedStatement statement = connection.prepareStatement(SCAN)) {
            statement.setInt(1, from);
            statement.setInt(2, from);
            try (ResultSet rows = statement.executeQuery()) {
                while (rows.next()) {
                    items.add(new Item(rows.getLong(1), rows.getLong(2), rows.getString(3)));
                }
            }
        }
        return CompletableFuture.completedFuture(items);
    }

    @Override
    public CompletableFuture<?> slowQuery(long to) throws SQLException {
        blockingCount(to);
        return DONE;
    }

    @Override
    public long blockingQuery(int key) throws SQLException {
        try (Connection connection = pool.getConnection()) {
            return read(connection, READ, key);
        }
    }

    @Override
    public long blockingCount(long to) throws SQLException {
        try (Connection connection = pool.getConnection()) {
            return read(connection, COUNT, to);
        }
    }

    private static long read(Connection connection, String sql, long value) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            statement.setLong(1, value);
            try (ResultSet row = statement.executeQuery()) {
                row.next();
                return row.getLong(1);
            }
        }
    }

    @Override
    public void close() {
        try {
            end.close();
        } catch (Exception e) {
            throw new IllegalStateException("the pool could not be closed", e);
        }
    }
}
