package dev.sqlitepool.stress;

import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.programs.Trial;
import dev.sqlitepool.stress.Observed.Fate;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Whether what clients saw, of one process and of several, could have happened one after the other, in the order of time. */
final class Isolation {
    private static final int CLIENTS = 12;
    private static final int PROCESSES = 3;
    private static final int PATIENCE_SECONDS = 900;

    private Isolation() {}

    static void run(Trial trial) throws Exception {
        long transactions = (long) trial.number(0, 100_000, 2_000);
        long seed = trial.seed(1);
        Path database = trial.directory().resolve("one.db");
        create(database);
        List<Observed> history;
        try (SqlitePool pool =
                SqlitePool.builder().databasePath(database).poolSize(5).build()) {
            history = ListWriter.run(pool, 1, CLIENTS, transactions, seed);
        }
        judge(trial, "one process", history, ends(database));
        Path shared = trial.directory().resolve("shared.db");
        create(shared);
        judge(trial, PROCESSES + " processes", processes(trial, shared, transactions / PROCESSES, seed), ends(shared));
    }

    private static void judge(Trial trial, String who, List<Observed> history, Map<Integer, List<Long>> ends) {
        long steps = history.stream().mapToLong(one -> one.steps().size()).sum();
        long rolledBack =
                history.stream().filter(one -> one.fate() == Fate.ROLLED_BACK).count();
        long unknown =
                history.stream().filter(one -> one.fate() == Fate.UNKNOWN).count();
        List<String> wrongs = Serializability.wrongs(history, ends);
        wrongs.stream().limit(10).forEach(trial.out()::println);
        trial.check(
                wrongs.isEmpty(),
                who + ": strictly serializable",
                String.format(
                        Locale.ROOT,
                        "%,d transactions, %,d reads and appends, %,d rolled back",
                        history.size(),
                        steps,
                        rolledBack));
        trial.check(unknown == 0, who + ": none failed", unknown + " failed");
    }

    private static List<Observed> processes(Trial trial, Path database, long transactions, long seed) throws Exception {
        List<Process> children = new ArrayList<>();
        List<Path> files = new ArrayList<>();
        try {
            for (int i = 1; i <= PROCESSES; i++) {
                Path file = trial.directory().resolve("history-" + i);
                files.add(file);
                children.add(Java.start(
                        ListWriter.class,
                        database.toString(),
                        file.toString(),
                        Integer.toString(i),
                        Integer.toString(CLIENTS / PROCESSES),
                        Long.toString(transactions),
                        Long.toString(seed)));
            }
            for (Process child : children) {
                if (!child.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS) || child.exitValue() != 0) {
                    throw new IllegalStateException("a process that writes has failed");
                }
            }
        } finally {
            children.forEach(Process::destroyForcibly);
        }
        List<Observed> history = new ArrayList<>();
        for (Path file : files) {
            Files.readAllLines(file, StandardCharsets.US_ASCII).forEach(line -> history.add(Observed.of(line)));
        }
        return history;
    }

    private static void create(Path database) throws SQLException {
        try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + database);
                Statement statement = connection.createStatement()) {
            for (String sql : ListWriter.SCHEMA) {
                statement.execute(sql);
            }
        }
    }

    private static Map<Integer, List<Long>> ends(Path database) throws SQLException {
        Map<Integer, List<Long>> ends = new HashMap<>();
        try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + database);
                Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery("SELECT key, value FROM list ORDER BY key, place")) {
            while (rows.next()) {
                ends.computeIfAbsent(rows.getInt(1), key -> new ArrayList<>()).add(rows.getLong(2));
            }
        }
        return ends;
    }
}
