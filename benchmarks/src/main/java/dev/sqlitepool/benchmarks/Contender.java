package dev.sqlitepool.benchmarks;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** A pool that does the work of the benchmarks, each in the way in which its users would. Closed at the end. */
interface Contender extends AutoCloseable {
    /** How many rows {@code item} has. */
    int ROWS = 10_000;

    /** What every contender begins with. */
    List<String> SCHEMA = List.of(
            "CREATE TABLE item (id INTEGER PRIMARY KEY, value INTEGER NOT NULL)",
            "CREATE TABLE event (id INTEGER PRIMARY KEY, client INTEGER NOT NULL)",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " + ROWS
                    + ") INSERT INTO item SELECT i, 0 FROM n");

    String TOUCH = "UPDATE item SET value = value + 1 WHERE id = ?";
    String INSERT = "INSERT INTO event (client) VALUES (?)";
    String READ = "SELECT value FROM item WHERE id = ?";
    /** A slow query: counts in SQL. */
    String COUNT = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT count(*) FROM n";

    String name();

    /** A transaction of two statements, acknowledged when it is durable; completes when it is done. */
    CompletableFuture<?> transaction(int client) throws SQLException;

    /** A single statement that writes, acknowledged when it is durable. */
    CompletableFuture<?> execute(int client) throws SQLException;

    /** Reads one row by its key. */
    CompletableFuture<?> query(int key) throws SQLException;

    /** Reads one row by its key for a thread that waits. */
    long blockingQuery(int key) throws SQLException;

    /** Counts in SQL for a thread that waits. */
    long blockingCount(long to) throws SQLException;

    /** Whether a client is a thread that waits; else it chains its next operation to the one before. */
    boolean clientsAreThreads();

    @Override
    void close();

    /** The rows in {@code event}, one for each transaction and each single insert, as the file has them. */
    static long events(Path database) throws SQLException {
        try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + database);
                Statement statement = connection.createStatement();
                ResultSet count = statement.executeQuery("SELECT count(*) FROM event")) {
            return count.getLong(1);
        }
    }
}
