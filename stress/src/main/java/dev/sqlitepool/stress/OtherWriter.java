package dev.sqlitepool.stress;

import java.io.IOException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Another process at the file of a pool: plain sqlite-jdbc, one transaction after the other, each open for some milliseconds. It closes
 * its connection now and then, as the last one if the pool has none open at the moment, and resets the WAL. Ends when its standard input
 * ends, and so with the process that has started it; then says how many transactions were committed, how many found the database busy
 * for too long, and how many milliseconds the longest wait took.
 */
final class OtherWriter {
    /** The entries of a writer begin at its number times this. */
    static final long FIRST_ENTRY = 1_000_000_000_000L;

    private static final int LONGEST_HOLD_MILLIS = 30;
    private static final int LONGEST_PAUSE_MILLIS = 80;

    private final Random random = new Random();
    private final String database;
    private Connection connection;
    private long entry;
    private long committed;
    private long busy;
    private long longestWaitNanos;

    private OtherWriter(String database, long firstEntry) throws SQLException {
        this.database = database;
        this.connection = Bank.connect(database);
        this.entry = firstEntry;
    }

    /**
     * The process.
     *
     * @param arguments the database, and the number of this writer
     */
    public static void main(String[] arguments) throws Exception {
        AtomicBoolean ended = new AtomicBoolean();
        Thread input = new Thread(() -> awaitEndOfInput(ended), "input");
        input.setDaemon(true);
        input.start();
        OtherWriter writer = new OtherWriter(arguments[0], Long.parseLong(arguments[1]) * FIRST_ENTRY);
        System.out.println("ready");
        while (!ended.get()) {
            writer.write();
            writer.pause();
        }
        writer.connection.close();
        System.out.println(
                writer.committed + " " + writer.busy + " " + TimeUnit.NANOSECONDS.toMillis(writer.longestWaitNanos));
    }

    private static void awaitEndOfInput(AtomicBoolean ended) {
        try {
            while (System.in.read() >= 0) {
                // only the end matters
            }
        } catch (IOException e) {
            // as good as the end
        }
        ended.set(true);
    }

    private void write() throws Exception {
        long asked = System.nanoTime();
        try (Statement statement = connection.createStatement()) {
            statement.execute("BEGIN IMMEDIATE");
            longestWaitNanos = Math.max(longestWaitNanos, System.nanoTime() - asked);
            move(-1, 1);
            try (PreparedStatement enter = connection.prepareStatement(Bank.ENTER)) {
                enter.setLong(1, entry++);
                enter.executeUpdate();
            }
            TimeUnit.MILLISECONDS.sleep(2 + random.nextInt(LONGEST_HOLD_MILLIS - 2));
            move(1, 2);
            statement.execute("COMMIT");
            committed++;
        } catch (SQLException e) {
            if ((e.getErrorCode() & 0xff) != 5) {
                throw e;
            }
            busy++; // BEGIN has waited for a minute: the transaction has not begun
        }
    }

    private void pause() throws Exception {
        int dice = random.nextInt(12);
        if (dice == 0) {
            Bank.text(connection, "PRAGMA wal_checkpoint(TRUNCATE)"); // says that it was busy, if it was
        } else if (dice < 4) {
            connection.close();
        }
        TimeUnit.MILLISECONDS.sleep(random.nextInt(LONGEST_PAUSE_MILLIS));
        if (connection.isClosed()) {
            connection = Bank.connect(database);
        }
    }

    private void move(int amount, int account) throws SQLException {
        try (PreparedStatement move = connection.prepareStatement(Bank.MOVE)) {
            move.setInt(1, amount);
            move.setInt(2, account);
            move.executeUpdate();
        }
    }
}
