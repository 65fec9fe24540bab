package dev.sqlitepool.benchmarks;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.sqlitepool.SqlitePool;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.concurrent.CompletableFuture;

/** A pool that does the work of the benchmark, each in the way in which its users would. Closed at the end. */
interface Contender extends AutoCloseable {
    /** How many rows {@code item} has. */
    int ROWS = 10_000;

    String name();

    /** A transaction of two statements, acknowledged when it is durable; completes when it is done. */
    CompletableFuture<?> transaction(int client);

    /** A single statement that writes, acknowledged when it is durable. */
    CompletableFuture<?> execute(int client);

    /** Reads one row by its key. */
    CompletableFuture<?> query(int key);

    /** Reads one row by its key on the calling thread. */
    long blockingQuery(int key) throws SQLException;

    /** Whether a client is a thread that waits; else it chains its next operation to the one before. */
    boolean clientsAreThreads();

    @Override
    void close();

    /** sqlitepool with its default settings. */
    static Contender sqlitepool(Path database) {
        SqlitePool pool = SqlitePool.builder().databasePath(database).build();
        pool.useTransaction(tx -> {
                    tx.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, value INTEGER NOT NULL)");
                    tx.execute("CREATE TABLE event (id INTEGER PRIMARY KEY, client INTEGER NOT NULL)");
                    tx.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " + ROWS
                            + ") INSERT INTO item SELECT i, 0 FROM n");
                })
                .join();
        return new Contender() {
            @Override
            public String name() {
                return "sqlitepool";
            }

            @Override
            public CompletableFuture<?> transaction(int client) {
                return pool.useTransaction(tx -> {
                    tx.execute("UPDATE item SET value = value + 1 WHERE id = ?", client);
                    tx.execute("INSERT INTO event (client) VALUES (?)", client);
                });
            }

            @Override
            public CompletableFuture<?> execute(int client) {
                return pool.execute("INSERT INTO event (client) VALUES (?)", client);
            }

            @Override
            public CompletableFuture<?> query(int key) {
                return pool.queryOne("SELECT value FROM item WHERE id = ?", row -> row.getLong(1), key);
            }

            @Override
            public long blockingQuery(int key) throws SQLException {
                return pool.blocking()
                        .queryOne("SELECT value FROM item WHERE id = ?", row -> row.getLong(1), key)
                        .orElseThrow();
            }

            @Override
            public boolean clientsAreThreads() {
                return false;
            }

            @Override
            public void close() {
                pool.close();
            }
        };
    }

    /** HikariCP with ten connections in WAL mode and {@code synchronous=FULL}, as its users set it up for SQLite. */
    static Contender hikari(Path database) throws SQLException {
        HikariConfig config = new HikariConfig();
        // BEGIN IMMEDIATE and a busy timeout: without them most transactions would fail with SQLITE_BUSY.
        config.setJdbcUrl("jdbc:sqlite:" + database
                + "?journal_mode=WAL&synchronous=FULL&busy_timeout=60000&transaction_mode=IMMEDIATE");
        config.setMaximumPoolSize(10);
        config.setConnectionTimeout(120_000);
        HikariDataSource pool = new HikariDataSource(config);
        try (Connection connection = pool.getConnection();
                var statement = connection.createStatement()) {
            statement.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, value INTEGER NOT NULL)");
            statement.execute("CREATE TABLE event (id INTEGER PRIMARY KEY, client INTEGER NOT NULL)");
            statement.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " + ROWS
                    + ") INSERT INTO item SELECT i, 0 FROM n");
        }
        return new Contender() {
            @Override
            public String name() {
                return "HikariCP (10)";
            }

            private CompletableFuture<?> done(SqlCall call) {
                try {
                    call.run();
                    return CompletableFuture.completedFuture(null);
                } catch (SQLException e) {
                    return CompletableFuture.failedFuture(e);
                }
            }

            @Override
            public CompletableFuture<?> transaction(int client) {
                return done(() -> {
                    try (Connection connection = pool.getConnection()) {
                        connection.setAutoCommit(false);
                        update(connection, "UPDATE item SET value = value + 1 WHERE id = ?", client);
                        update(connection, "INSERT INTO event (client) VALUES (?)", client);
                        connection.commit();
                    }
                });
            }

            @Override
            public CompletableFuture<?> execute(int client) {
                return done(() -> {
                    try (Connection connection = pool.getConnection()) {
                        update(connection, "INSERT INTO event (client) VALUES (?)", client);
                    }
                });
            }

            private void update(Connection connection, String sql, int value) throws SQLException {
                try (PreparedStatement statement = connection.prepareStatement(sql)) {
                    statement.setInt(1, value);
                    statement.executeUpdate();
                }
            }

            @Override
            public CompletableFuture<?> query(int key) {
                return done(() -> blockingQuery(key));
            }

            @Override
            public long blockingQuery(int key) throws SQLException {
                try (Connection connection = pool.getConnection();
                        PreparedStatement statement =
                                connection.prepareStatement("SELECT value FROM item WHERE id = ?")) {
                    statement.setInt(1, key);
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
        };
    }

    /** A call of JDBC. */
    @FunctionalInterface
    interface SqlCall {
        /** Does it. */
        void run() throws SQLException;
    }
}
