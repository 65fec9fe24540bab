package dev.sqlitepool.stress;

import dev.sqlitepool.PoolConnection;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.stress.Observed.Fate;
import dev.sqlitepool.stress.Observed.Step;
import java.io.BufferedWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A process, or a part of one, whose clients append to lists and read them through a pool, in every way in which one can, and write down
 * what they did and saw.
 */
final class ListWriter {
    static final List<String> SCHEMA = List.of(
            "CREATE TABLE list (key INTEGER, place INTEGER, value INTEGER, PRIMARY KEY (key, place)) WITHOUT ROWID");

    private static final int KEYS = 5;
    /** After so many transactions of this process the clients turn to other keys, so that no list grows long. */
    private static final int KEEPS = 400;

    private static final String APPEND =
            "INSERT INTO list SELECT ?1, coalesce(max(place), 0) + 1, ?2 FROM list WHERE key = ?1";
    private static final String READ = "SELECT value FROM list WHERE key = ? ORDER BY place";

    /** A rollback that was wanted. */
    private static final class Unwanted extends RuntimeException {
        private static final long serialVersionUID = 1;
    }

    private final SqlitePool pool;
    private final long firstValue;
    private final long end;
    private final AtomicLong count = new AtomicLong();
    private final Queue<Observed> history = new ConcurrentLinkedQueue<>();

    private ListWriter(SqlitePool pool, int process, long transactions) {
        this.pool = pool;
        this.firstValue = process * 1_000_000_000L;
        this.end = transactions;
    }

    /**
     * The process.
     *
     * @param arguments the database, the file for the history, the number of the process, how many clients and transactions, the seed
     */
    public static void main(String[] arguments) throws Exception {
        try (SqlitePool pool = SqlitePool.builder()
                        .databasePath(Path.of(arguments[0]))
                        .poolSize(4)
                        .build();
                BufferedWriter file = Files.newBufferedWriter(Path.of(arguments[1]), StandardCharsets.US_ASCII)) {
            for (Observed one : run(
                    pool,
                    Integer.parseInt(arguments[2]),
                    Integer.parseInt(arguments[3]),
                    Long.parseLong(arguments[4]),
                    Long.parseLong(arguments[5]))) {
                file.write(one.line());
                file.newLine();
            }
        }
    }

    /** Runs clients, numbered together with those of no other process, and returns what they have written down. */
    static List<Observed> run(SqlitePool pool, int process, int clients, long transactions, long seed) {
        ListWriter writer = new ListWriter(pool, process, transactions);
        List<CompletableFuture<Void>> all = new ArrayList<>();
        for (int i = 0; i < clients; i++) {
            all.add(writer.next(new Random(seed * 1_000 + process * 100L + i)));
        }
        all.forEach(CompletableFuture::join);
        return List.copyOf(writer.history);
    }

    private CompletableFuture<Void> next(Random random) {
        long number = count.incrementAndGet();
        if (number > end) {
            return CompletableFuture.completedFuture(null);
        }
        List<Step> steps = new ArrayList<>();
        long began = System.nanoTime();
        return begun(number, random, steps)
                .handle((nothing, error) -> {
                    history.add(observed(began, steps, error));
                    return null;
                })
                .thenComposeAsync(nothing -> next(random));
    }

    private static Observed observed(long began, List<Step> steps, Throwable error) {
        Throwable cause = error instanceof CompletionException ? error.getCause() : error;
        if (cause == null) {
            return new Observed(began, System.nanoTime(), Fate.COMMITTED, List.copyOf(steps));
        }
        Fate fate = cause instanceof Unwanted ? Fate.ROLLED_BACK : Fate.UNKNOWN;
        if (fate == Fate.UNKNOWN) {
            System.err.println("a transaction failed: " + cause);
        }
        return new Observed(began, Long.MAX_VALUE, fate, List.copyOf(steps));
    }

    private CompletableFuture<Void> begun(long number, Random random, List<Step> steps) {
        long value = firstValue + number;
        int key = (int) (number / KEEPS) * KEYS + random.nextInt(KEYS);
        switch (random.nextInt(8)) {
            case 0:
                return pool.query(READ, row -> row.getLong(1), key)
                        .thenAccept(values -> steps.add(new Step(false, key, values)));
            case 1:
                steps.add(new Step(true, key, List.of(value)));
                return pool.execute(APPEND, key, value).thenAccept(rows -> {});
            case 2:
                return pool.useRead(connection -> {
                    read(connection, key, steps);
                    read(connection, otherKey(key, random), steps);
                    read(connection, key, steps);
                });
            case 3:
                return pool.useConnection(connection -> {
                    connection.execute("BEGIN IMMEDIATE");
                    both(connection, key, value, random, steps);
                    connection.execute("COMMIT");
                });
            case 4:
                return CompletableFuture.runAsync(() -> blocking(key, value, random, steps));
            case 5:
                return pool.useTransaction(tx -> {
                    both(tx, key, value, random, steps);
                    throw new Unwanted();
                });
            default:
                return pool.useTransaction(tx -> both(tx, key, value, random, steps));
        }
    }

    private void blocking(int key, long value, Random random, List<Step> steps) {
        try {
            pool.blocking().useTransaction(tx -> both(tx, key, value, random, steps));
        } catch (SQLException e) {
            throw new CompletionException(e);
        }
    }

    private static int otherKey(int key, Random random) {
        return key / KEYS * KEYS + random.nextInt(KEYS);
    }

    private static void both(PoolConnection connection, int key, long value, Random random, List<Step> steps)
            throws SQLException {
        read(connection, otherKey(key, random), steps);
        connection.execute(APPEND, key, value);
        steps.add(new Step(true, key, List.of(value)));
        if (random.nextBoolean()) {
            read(connection, key, steps);
        }
    }

    private static void read(PoolConnection connection, int key, List<Step> steps) throws SQLException {
        steps.add(new Step(false, key, connection.query(READ, row -> row.getLong(1), key)));
    }
}
