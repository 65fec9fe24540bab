package dev.sqlitepool.stress;

import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.PoolException;
import dev.sqlitepool.PoolStats;
import dev.sqlitepool.SqlitePool;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Users who write numbers through a pool, in every way in which one can, while its database breaks; what each was told, and whether
 * it was true. Owned by one thread.
 */
final class Users {
    private static final int PATIENCE_SECONDS = 120;
    private static final int WORDS = 150;
    private static final String INSERT = "INSERT INTO n VALUES (?, randomblob(300))";

    private final SqlitePool pool;
    private final boolean ownBegin;
    private final Set<Integer> acknowledged = new HashSet<>();
    private final Set<Integer> failed = new HashSet<>();
    private final Set<Integer> unknown = new HashSet<>();
    private final Map<String, Integer> seen = new TreeMap<>();
    private int next;
    private int destroyed;
    private int stuck;
    private int unclear;

    /** What was asked for; a read has no number. */
    private record Asked(int number, CompletableFuture<?> answer) {}

    /** Breaks something while users work. */
    interface Act {
        void run() throws Exception;
    }

    Users(SqlitePool pool) {
        this(pool, true);
    }

    /** With {@code ownBegin}, some say BEGIN and COMMIT in SQL; plain JDBC does not see such a transaction. */
    Users(SqlitePool pool, boolean ownBegin) {
        this.pool = pool;
        this.ownBegin = ownBegin;
    }

    /** The table of the numbers; without a key, so that a number can be there twice. */
    static void prepare(Path database) throws SQLException {
        try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + database);
                Statement statement = connection.createStatement()) {
            statement.execute("PRAGMA journal_mode=WAL");
            statement.execute("CREATE TABLE n (id INTEGER, filling BLOB)");
        }
    }

    /** Writes some numbers, all at once, and reads beside it. Returns when everybody was told. */
    void work(int count) throws Exception {
        work(count, () -> {});
    }

    /** As {@link #work(int)}, and something happens in the middle. */
    void work(int count, Act middle) throws Exception {
        List<Asked> all = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            if (i == count / 2) {
                middle.run();
            }
            all.add(write(next++));
            if (i % 4 == 0) {
                all.add(new Asked(-1, pool.query("SELECT count(*) FROM n", row -> row.getInt(1))));
            }
        }
        for (Asked asked : all) {
            told(asked);
        }
    }

    /** Each number by itself, one after the other. */
    void workInTurn(int count) throws InterruptedException {
        for (int i = 0; i < count; i++) {
            told(write(next++));
            told(new Asked(-1, pool.query("SELECT count(*) FROM n", row -> row.getInt(1))));
        }
    }

    private Asked write(int number) {
        CompletableFuture<?> answer =
                switch (number % 5 == 3 && !ownBegin ? 1 : number % 5) {
                    case 0 -> pool.execute(INSERT, number);
                    case 1 -> pool.transaction(tx -> tx.execute(INSERT, number));
                    case 2 -> pool.executeBatch(INSERT, List.of(new Object[] {number}, new Object[] {-number}));
                    case 3 ->
                        pool.useConnection(connection -> {
                            connection.execute("BEGIN IMMEDIATE");
                            connection.execute(INSERT, number);
                            connection.execute("COMMIT");
                        });
                    default ->
                        pool.useConnection(connection -> {
                            try (var statement = connection.jdbc().prepareStatement(INSERT)) {
                                statement.setInt(1, number);
                                statement.executeUpdate();
                            }
                        });
                };
        return new Asked(number, answer);
    }

    /** Waits for an answer and notes it. Returns whether it is a good one. */
    private boolean told(Asked asked) throws InterruptedException {
        Throwable error;
        try {
            asked.answer().get(PATIENCE_SECONDS, TimeUnit.SECONDS);
            error = null;
        } catch (ExecutionException e) {
            error = e.getCause();
        } catch (TimeoutException e) {
            stuck++;
            seen.merge("no answer", 1, Integer::sum);
            return false;
        }
        if (error != null) {
            note(error);
        }
        if (asked.number() >= 0) {
            (error == null ? acknowledged : error instanceof OutcomeUnknownException ? unknown : failed)
                    .add(asked.number());
        }
        return error == null;
    }

    /** An error is clear if it is one of the database or the pool, and says something. */
    private void note(Throwable error) {
        String message = String.valueOf(error.getMessage());
        boolean clear = (error instanceof SQLException || error instanceof PoolException) && message.length() > 10;
        unclear += clear ? 0 : 1;
        String words = error.getClass().getSimpleName() + ": " + message.replaceAll("/[^ :,]*/", "");
        seen.merge(words.substring(0, Math.min(WORDS, words.length())), 1, Integer::sum);
    }

    /** Notes the answer to a query of which nobody knows whether it works. */
    boolean works(String query) throws InterruptedException {
        return told(new Asked(-1, pool.query(query, row -> row.getString(1))));
    }

    /** The number that comes next. */
    int next() {
        return next;
    }

    /** The database is an older one, or another: what was acknowledged from a number on went with the one before. */
    void lose(int from) {
        destroyed +=
                (int) acknowledged.stream().filter(number -> number >= from).count();
        acknowledged.removeIf(number -> number >= from);
        unknown.removeIf(number -> number >= from);
    }

    boolean anyTrouble() {
        return !failed.isEmpty() || !unknown.isEmpty() || !seen.isEmpty();
    }

    /** Whether a write and a read succeed, at the first try, or within some seconds. Returns the number of tries, 0 if not. */
    int triesUntilWorking() throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS / 2);
        for (int tries = 1; System.nanoTime() - deadline < 0; tries++) {
            int number = next++;
            if (told(write(number))) {
                CompletableFuture<List<Integer>> found =
                        pool.query("SELECT id FROM n WHERE id = ?", row -> row.getInt(1), number);
                if (told(new Asked(-1, found)) && found.join().equals(List.of(number))) {
                    return tries;
                }
            }
            TimeUnit.MILLISECONDS.sleep(20);
        }
        return 0;
    }

    /** What became of the users of one database, or of several one after the other. */
    record Verdict(
            int acknowledged,
            int failed,
            int unknown,
            int destroyed,
            int lost,
            int unwanted,
            int doubled,
            int stuck,
            int unclear,
            int lanes,
            boolean whole,
            Map<String, Integer> seen) {
        boolean isTrue() {
            return lost + unwanted + doubled + stuck + unclear + lanes == 0 && whole;
        }

        /** As words, what was told and what was found. */
        String words() {
            return String.format(
                    Locale.ROOT,
                    "%,d acknowledged, %,d failed, %,d unknown%s%s",
                    acknowledged,
                    failed,
                    unknown,
                    destroyed > 0 ? ", " + destroyed + " gone with the file" : "",
                    isTrue()
                            ? ""
                            : "; " + lost + " lost, " + unwanted + " failed and there, " + doubled + " doubled, "
                                    + stuck
                                    + " without answer, " + unclear + " unclear, " + lanes + " connections left, "
                                    + (whole ? "whole" : "DAMAGED"));
        }

        Verdict and(Verdict other) {
            Map<String, Integer> both = new TreeMap<>(seen);
            other.seen.forEach((words, count) -> both.merge(words, count, Integer::sum));
            return new Verdict(
                    acknowledged + other.acknowledged,
                    failed + other.failed,
                    unknown + other.unknown,
                    destroyed + other.destroyed,
                    lost + other.lost,
                    unwanted + other.unwanted,
                    doubled + other.doubled,
                    stuck + other.stuck,
                    unclear + other.unclear,
                    lanes + other.lanes,
                    whole && other.whole,
                    both);
        }
    }

    /** Lanes that nobody gives back. */
    private int stillHeld() throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS / 4);
        int held;
        do {
            PoolStats stats = pool.stats();
            held = stats.readConnections().borrowed() + stats.writeConnections().borrowed();
            TimeUnit.MILLISECONDS.sleep(1);
        } while (held > 0 && System.nanoTime() - deadline < 0);
        return held;
    }

    /** Closes the pool and looks for what it has told in the database. */
    Verdict close(Path database) throws Exception {
        int held = stillHeld();
        pool.close();
        Map<Integer, Integer> times = new HashMap<>();
        boolean whole;
        try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + database);
                Statement statement = connection.createStatement()) {
            try (ResultSet rows = statement.executeQuery("SELECT id FROM n")) {
                while (rows.next()) {
                    times.merge(rows.getInt(1), 1, Integer::sum);
                }
            }
            try (ResultSet rows = statement.executeQuery("PRAGMA integrity_check")) {
                whole = rows.next() && rows.getString(1).equals("ok");
            }
        }
        for (int number : List.copyOf(times.keySet())) { // both rows of a batch, or none
            whole &= Math.floorMod(number, 5) != 2 && number >= 0
                    || number < 0
                    || times.getOrDefault(-number, 0).equals(times.get(number));
        }
        return new Verdict(
                acknowledged.size(),
                failed.size(),
                unknown.size(),
                destroyed,
                (int) acknowledged.stream().filter(n -> !times.containsKey(n)).count(),
                (int) failed.stream().filter(times::containsKey).count(),
                (int) times.values().stream().filter(count -> count > 1).count(),
                stuck,
                unclear,
                held + pool.stats().live(),
                whole,
                seen);
    }
}
