package dev.sqlitepool.benchmarks;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/**
 * A pool that does the work of the benchmarks, each in the way in which its users would, over a file of its own. What an operation
 * returns is complete when the operation is acknowledged; a contender whose clients are threads does it all before it returns {@link
 * #DONE}. Closed at the end.
 */
interface Contender extends AutoCloseable {
    /** How many rows {@code item} has. */
    int ROWS = 10_000;

    /** How many rows a scan reads. */
    int SCANNED = 1_000;

    /** How many rows a batch inserts. */
    int BATCH = 100;

    CompletableFuture<?> DONE = CompletableFuture.completedFuture(null);

    /** What every contender begins with. */
    List<String> SCHEMA = List.of(
            "CREATE TABLE item (id INTEGER PRIMARY KEY, value INTEGER NOT NULL, name TEXT NOT NULL)",
            "CREATE TABLE event (id INTEGER PRIMARY KEY, client INTEGER NOT NULL)",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " + ROWS
                    + ") INSERT INTO item SELECT i, 0, 'item number ' || i FROM n");

    String TOUCH = "UPDATE item SET value = value + 1 WHERE id = ?";
    String INSERT = "INSERT INTO event (client) VALUES (?)";
    String READ = "SELECT value FROM item WHERE id = ?";
    /** Of a read–modify–write: what was read, and one more. */
    String SET = "UPDATE item SET value = ? WHERE id = ?";

    String SCAN = "SELECT id, value, name FROM item WHERE id BETWEEN ? AND ? + " + (SCANNED - 1);
    /** A slow query: counts in SQL. */
    String COUNT = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT count(*) FROM n";

    String name();

    Clients clients();

    /** Takes a connection and gives it back, without a statement. */
    CompletableFuture<?> acquire() throws SQLException;

    /** {@link #TOUCH} and {@link #INSERT} in a transaction, acknowledged when it is durable. */
    CompletableFuture<?> transaction(int client) throws SQLException;

    /** The same, with {@code BEGIN} and {@code COMMIT} as statements on a connection, if that is another way than its usual one. */
    default CompletableFuture<?> ownCommit(int client) throws SQLException {
        return transaction(client);
    }

    /** The same, through a JDBC connection without autocommit, if that is another way than its usual one. */
    default CompletableFuture<?> jdbcCommit(int client) throws SQLException {
        return transaction(client);
    }

    /** In a transaction: {@link #READ} the client's item, {@link #SET} it to one more, {@link #INSERT}. */
    CompletableFuture<?> readModifyWrite(int client) throws SQLException;

    /** A single {@link #INSERT}, acknowledged when it is durable. */
    CompletableFuture<?> execute(int client) throws SQLException;

    /** {@link #BATCH} times {@link #INSERT}, all or nothing, acknowledged when it is durable. */
    CompletableFuture<?> batch(int client) throws SQLException;

    /** Reads one row by its key. */
    CompletableFuture<?> query(int key) throws SQLException;

    /** Reads {@link #SCANNED} rows of three columns, and makes an {@link Item} of each; from this key on. */
    CompletableFuture<?> scan(int from) throws SQLException;

    /** Counts in SQL: keeps a connection busy for some time. */
    CompletableFuture<?> slowQuery(long to) throws SQLException;

    /** Reads one row by its key for a thread that waits. */
    long blockingQuery(int key) throws SQLException;

    /** Counts in SQL for a thread that waits. */
    long blockingCount(long to) throws SQLException;

    @Override
    void close();

    /** A row of a scan. */
    record Item(long id, long value, String name) {}

    /** The rows in {@code event}, one for each transaction and each single insert, as the file has them. */
    static long events(Path database) throws SQLException {
        try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + database);
                Statement statement = connection.createStatement();
                ResultSet count = statement.executeQuery("SELECT count(*) FROM event")) {
            return count.getLong(1);
        }
    }
}
