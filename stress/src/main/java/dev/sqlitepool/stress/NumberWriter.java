package dev.sqlitepool.stress;

import dev.sqlitepool.Durability;
import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.PoolConnection;
import dev.sqlitepool.SqlitePool;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A process that is killed, or whose disk fails: several clients write numbers through a pool, in every way in which one can, and say
 * what became of each, when they are told, in one system call: {@code 17} was acknowledged, {@code x17} has failed, of {@code ?17}
 * nobody knows. A number is in three tables, by the statements of its transaction or by a trigger.
 */
final class NumberWriter {
    private static final int CLIENTS = 8;
    private static final int MOST_TRIES = 100;
    private static final String INSERT = "INSERT INTO a (id, filling) VALUES (?, randomblob(200))";
    private static final String SECOND = "INSERT INTO c (id) VALUES (?)";

    private final FileOutputStream output = new FileOutputStream(FileDescriptor.out);
    private final SqlitePool pool;
    private final int last;
    private final AtomicInteger numbers;
    /** What was told last is not an acknowledgement. */
    private volatile boolean hasFailed;

    /** The command that starts it, without what it runs under. */
    static List<String> command(Path database, Durability durability, int transactions) {
        return Java.command(NumberWriter.class, database.toString(), durability.name(), Integer.toString(transactions));
    }

    private NumberWriter(SqlitePool pool, int before, int count) {
        this.pool = pool;
        this.numbers = new AtomicInteger(before);
        this.last = before + count;
    }

    /**
     * The process.
     *
     * @param arguments the database, made if it is not there; the durability; and how many transactions
     */
    public static void main(String[] arguments) throws Exception {
        try (SqlitePool pool = SqlitePool.builder()
                .databasePath(Path.of(arguments[0]))
                .durability(Durability.valueOf(arguments[1]))
                .walSizeLimit(1 << 18)
                .poolSize(3)
                .build()) {
            int before = prepare(pool);
            NumberWriter writer = new NumberWriter(pool, before, Integer.parseInt(arguments[2]));
            CompletableFuture<?>[] clients = new CompletableFuture<?>[CLIENTS];
            for (int i = 0; i < CLIENTS; i++) {
                clients[i] = writer.next();
            }
            CompletableFuture.allOf(clients).join();
            writer.recover();
        }
    }

    /** A fault can strike the last ones: the pool works again when one more is acknowledged. */
    private void recover() {
        for (int tries = 0; hasFailed && tries < MOST_TRIES; tries++) {
            int number = numbers.incrementAndGet();
            write(number).exceptionally(error -> failed(number, error)).join();
        }
    }

    /** Again and again, since a disk may fail here too. Returns the last number that is there. */
    private static int prepare(SqlitePool pool) {
        for (int tries = 1; ; tries++) {
            try {
                create(pool);
                return pool.queryOne("SELECT coalesce(max(id), 0) FROM a", row -> row.getInt(1))
                        .join()
                        .orElseThrow();
            } catch (CompletionException e) {
                if (tries == MOST_TRIES) {
                    throw e;
                }
            }
        }
    }

    private static void create(SqlitePool pool) {
        pool.useTransaction(tx -> {
                    tx.execute("CREATE TABLE IF NOT EXISTS a (id INTEGER PRIMARY KEY, filling BLOB)");
                    tx.execute("CREATE TABLE IF NOT EXISTS b (id INTEGER PRIMARY KEY)");
                    tx.execute("CREATE TABLE IF NOT EXISTS c (id INTEGER PRIMARY KEY)");
                    tx.execute(
                            "CREATE TRIGGER IF NOT EXISTS copy AFTER INSERT ON a BEGIN INSERT INTO b VALUES (new.id);"
                                    + " INSERT INTO c SELECT new.id WHERE new.id % 4 = 0; END");
                })
                .join();
    }

    private CompletableFuture<Void> next() {
        int number = numbers.incrementAndGet();
        return number > last
                ? CompletableFuture.completedFuture(null)
                : write(number).exceptionally(error -> failed(number, error)).thenComposeAsync(nothing -> next());
    }

    private CompletableFuture<Void> write(int number) {
        return switch (number % 4) {
            case 0 -> pool.execute(INSERT, number).thenAccept(count -> acknowledged(number));
            case 1 -> pool.useConnection(connection -> ownCommit(connection, number));
            case 2 -> pool.useConnection(connection -> jdbc(connection, number));
            default ->
                pool.useTransaction(tx -> {
                            tx.execute(INSERT, number);
                            tx.execute(SECOND, number);
                        })
                        .thenRun(() -> acknowledged(number));
        };
    }

    /** Acknowledged when COMMIT returns. */
    private void ownCommit(PoolConnection connection, int number) throws SQLException {
        connection.execute("BEGIN IMMEDIATE");
        connection.execute(INSERT, number);
        connection.execute(SECOND, number);
        connection.execute("COMMIT");
        acknowledged(number);
    }

    private void jdbc(PoolConnection connection, int number) throws SQLException {
        var jdbc = connection.jdbc();
        jdbc.setAutoCommit(false);
        for (String sql : new String[] {INSERT, SECOND}) {
            try (PreparedStatement statement = jdbc.prepareStatement(sql)) {
                statement.setInt(1, number);
                statement.executeUpdate();
            }
        }
        jdbc.commit();
        acknowledged(number);
        jdbc.setAutoCommit(true);
    }

    private Void failed(int number, Throwable error) {
        Throwable cause = error instanceof CompletionException ? error.getCause() : error;
        say((cause instanceof OutcomeUnknownException ? "?" : "x") + number, true);
        return null;
    }

    private void acknowledged(int number) {
        say(Integer.toString(number), false);
    }

    private synchronized void say(String line, boolean failure) {
        hasFailed = failure;
        try {
            output.write((line + "\n").getBytes(StandardCharsets.US_ASCII));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
