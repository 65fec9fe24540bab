package dev.sqlitepool.benchmarks;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.sqlite.SQLiteConnection;

/**
 * The limit of the driver: no pool, one connection, every statement prepared once, for one client that is a thread. Not thread-safe.
 *
 * <p>Transactions begin and end by statements of their own, so the driver is told not to see to that: it would begin and commit after
 * each statement in vain.
 */
final class RawContender implements Contender {
    private final Connection connection;
    private final PreparedStatement begin;
    private final PreparedStatement commit;
    private final PreparedStatement touch;
    private final PreparedStatement insert;
    private final PreparedStatement read;
    private final PreparedStatement set;
    private final PreparedStatement scan;
    private final PreparedStatement count;

    /**
     * Over a new file.
     *
     * @param synchronous {@code FULL} or {@code NORMAL}
     */
    RawContender(Path database, String synchronous) throws SQLException {
        connection = DriverManager.getConnection(JdbcContender.url(database, synchronous));
        try (Statement statement = connection.createStatement()) {
            for (String sql : SCHEMA) {
                statement.execute(sql);
            }
        }
        connection.unwrap(SQLiteConnection.class).getConnectionConfig().setAutoCommit(false);
        begin = connection.prepareStatement("BEGIN IMMEDIATE");
        commit = connection.prepareStatement("COMMIT");
        touch = connection.prepareStatement(TOUCH);
        insert = connection.prepareStatement(INSERT);
        read = connection.prepareStatement(READ);
        set = connection.prepareStatement(SET);
        scan = connection.prepareStatement(SCAN);
        count = connection.prepareStatement(COUNT);
    }

    @Override
    public String name() {
        return "sqlite-jdbc alone (1)";
    }

    @Override
    public Clients clients() {
        return Clients.THREADS;
    }

    @Override
    public CompletableFuture<?> acquire() {
        return DONE;
    }

    @Override
    public CompletableFuture<?> transaction(int client) throws SQLException {
        begin.execute();
        update(touch, client);
        update(insert, client);
        commit.execute();
        return DONE;
    }

    @Override
    public CompletableFuture<?> readModifyWrite(int client) throws SQLException {
        begin.execute();
        long value = number(read, client);
        update(set, value + 1, client);
        update(insert, client);
        commit.execute();
        return DONE;
    }

    @Override
    public CompletableFuture<?> execute(int client) throws SQLException {
        update(insert, client);
        return DONE;
    }

    @Override
    public CompletableFuture<?> batch(int client) throws SQLException {
        begin.execute();
        for (int i = 0; i < BATCH; i++) {
            insert.setInt(1, client);
            insert.addBatch();
        }
        insert.executeBatch();
        commit.execute();
        return DONE;
    }

    @Override
    public CompletableFuture<?> query(int key) throws SQLException {
        number(read, key);
        return DONE;
    }

    @Override
    public CompletableFuture<?> scan(int from) throws SQLException {
        List<Item> items = new ArrayList<>();
        scan.setInt(1, from);
        scan.setInt(2, from);
        try (ResultSet rows = scan.executeQuery()) {
            while (rows.next()) {
                items.add(new Item(rows.getLong(1), rows.getLong(2), rows.getString(3)));
            }
        }
        return CompletableFuture.completedFuture(items);
    }

    @Override
    public CompletableFuture<?> slowQuery(long steps) throws SQLException {
        number(count, steps);
        return DONE;
    }

    @Override
    public long blockingQuery(int key) throws SQLException {
        return number(read, key);
    }

    @Override
    public long blockingCount(long to) throws SQLException {
        return number(count, to);
    }

    private static void update(PreparedStatement statement, long... values) throws SQLException {
        for (int i = 0; i < values.length; i++) {
            statement.setLong(i + 1, values[i]);
        }
        statement.executeUpdate();
    }

    private static long number(PreparedStatement statement, long value) throws SQLException {
        statement.setLong(1, value);
        try (ResultSet row = statement.executeQuery()) {
            row.next();
            return row.getLong(1);
        }
    }

    /** Closes the statements too. */
    @Override
    public void close() {
        try {
            connection.close();
        } catch (SQLException e) {
            throw new IllegalStateException("the connection could not be closed", e);
        }
    }
}
