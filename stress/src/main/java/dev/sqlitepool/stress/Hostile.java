package dev.sqlitepool.stress;

import dev.sqlitepool.PoolException;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.programs.Trial;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Database files from somebody who means harm, or from a broken disk: sound ones with bytes changed at random, in the header, in the
 * schema, in pages, in the log. The pool may refuse them, with an error; it must answer, and close, and nothing in them may run code.
 */
final class Hostile {
    private static final int PATIENCE_SECONDS = 60;
    private static final int HEADER = 100;
    private static final int PAGE = 512;
    /** One file in so many has another schema: some of these only end with the statement's timeout. */
    private static final int SCHEMA_PERIOD = 20;

    private static final List<String> SOUND = List.of(
            "PRAGMA page_size=" + PAGE,
            "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, filling BLOB)",
            "CREATE INDEX i ON t (name, length(filling))",
            "CREATE TABLE w (a, b, PRIMARY KEY (a, b)) WITHOUT ROWID",
            "CREATE VIEW v AS SELECT t.name, w.b FROM t JOIN w ON w.a = t.id",
            "CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO w VALUES (new.id, new.name); END",
            "CREATE VIRTUAL TABLE f USING fts5 (x)",
            "CREATE VIRTUAL TABLE g USING rtree (id, low, high)",
            "INSERT INTO f VALUES ('some words'), ('and some more')",
            "INSERT INTO g VALUES (1, 2, 3), (4, 5, 6)",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)"
                    + " INSERT INTO t SELECT i, 'name ' || i, zeroblob(i * 13 % 700) FROM n");

    /** What a schema would say that wants to run code, or to read and write other files. */
    private static final List<String> SCHEMAS = List.of(
            "CREATE VIEW v AS SELECT load_extension('/tmp/harm')",
            "CREATE VIEW v AS SELECT writefile('harmed', 'x')",
            "CREATE VIEW v AS SELECT fts3_tokenizer('simple', x'4141414141414141')",
            "CREATE VIEW v AS SELECT * FROM v",
            "CREATE VIEW v AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
            "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT load_extension('/tmp/harm'); END",
            "CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO t VALUES (NULL, 1, 1); END",
            "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT DEFAULT (load_extension('/tmp/harm')), filling)");

    private static final List<String> QUERIES = List.of(
            "SELECT count(*) FROM sqlite_schema",
            "SELECT name, length(filling) FROM t ORDER BY name",
            "SELECT * FROM v LIMIT 100",
            "SELECT * FROM w",
            "SELECT * FROM f WHERE f MATCH 'some'",
            "SELECT * FROM g WHERE low > 1");

    private static final List<String> WRITES = List.of(
            "INSERT INTO t (name) VALUES ('one more')",
            "UPDATE t SET name = name || '!' WHERE id < 5",
            "DELETE FROM w");

    private final Path directory;
    private final byte[] sound;
    private final byte[] log;
    private final Map<String, Integer> outcomes = new TreeMap<>();
    private int unanswered;
    private int lanes;

    private Hostile(Path directory, byte[] sound, byte[] log) {
        this.directory = directory;
        this.sound = sound;
        this.log = log;
    }

    static void run(Trial trial) throws Exception {
        int files = (int) trial.number(0, 10_000, 60);
        long seed = trial.seed(1);
        Hostile hostile = prepared(trial.directory());
        for (int i = 0; i < files; i++) {
            hostile.one(i, new Random(seed + i));
            if (i % 1_000 == 999) {
                trial.out().printf(Locale.ROOT, "  %,d files%n", i + 1);
            }
        }
        trial.check(hostile.unanswered == 0, "every statement is answered", hostile.unanswered + " not");
        trial.check(hostile.lanes == 0, "every connection is closed with its pool", hostile.lanes + " left");
        trial.check(
                !Files.exists(trial.directory().resolve("harmed")) && !Files.exists(Path.of("harmed")),
                "nothing in a file has run code",
                files + " files, and the Java virtual machine lives");
        hostile.outcomes.forEach((outcome, count) -> trial.out().printf(Locale.ROOT, "  %,8d  %s%n", count, outcome));
    }

    /** A sound file and a log beside it. */
    private static Hostile prepared(Path directory) throws SQLException, IOException {
        Path database = directory.resolve("sound.db");
        try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + database);
                Statement statement = connection.createStatement()) {
            for (String sql : SOUND) {
                statement.execute(sql);
            }
            byte[] bytes = Files.readAllBytes(database);
            statement.execute("PRAGMA journal_mode=WAL");
            statement.execute("INSERT INTO t (name) VALUES ('in the log')");
            byte[] log = Files.readAllBytes(Path.of(database + "-wal"));
            return new Hostile(directory, bytes, log);
        }
    }

    private void one(int number, Random random) throws IOException, SQLException {
        Path database = directory.resolve("hostile.db");
        for (String suffix : List.of("", "-wal", "-shm", "-journal")) {
            Files.deleteIfExists(Path.of(database + suffix));
        }
        Files.write(database, sound);
        int kind = 1 + number % 5;
        if (number % SCHEMA_PERIOD == 0) {
            rewriteSchema(database, random);
        } else {
            Files.write(database, changed(sound, kind, random));
        }
        if (random.nextInt(4) == 0) {
            byte[] garbage = log.clone();
            scatter(garbage, 0, garbage.length, 1 + random.nextInt(40), random);
            Files.write(Path.of(database + (random.nextBoolean() ? "-wal" : "-journal")), garbage);
        }
        use(database, random);
    }

    private static byte[] changed(byte[] sound, int kind, Random random) {
        byte[] bytes = sound.clone();
        switch (kind) {
            case 1 -> scatter(bytes, 0, HEADER, 1 + random.nextInt(8), random);
            case 2 -> scatter(bytes, HEADER, PAGE * 4, 1 + random.nextInt(30), random);
            case 3 -> scatter(bytes, HEADER, bytes.length, 1 + random.nextInt(200), random);
            case 4 -> bytes = Arrays.copyOf(bytes, random.nextInt(bytes.length * 2));
            default -> {
                int from = random.nextInt(bytes.length / PAGE) * PAGE;
                int to = random.nextInt(bytes.length / PAGE) * PAGE;
                System.arraycopy(sound, from, bytes, to, PAGE);
            }
        }
        return bytes;
    }

    private static void scatter(byte[] bytes, int from, int to, int count, Random random) {
        for (int i = 0; i < count; i++) {
            bytes[from + random.nextInt(Math.min(to, bytes.length) - from)] = (byte) random.nextInt(256);
        }
    }

    private static void rewriteSchema(Path database, Random random) throws SQLException {
        String schema = SCHEMAS.get(random.nextInt(SCHEMAS.size()));
        String name = schema.split(" ", -1)[2];
        try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + database);
                Statement statement = connection.createStatement()) {
            statement.execute("PRAGMA writable_schema=ON");
            statement.execute(
                    "UPDATE sqlite_schema SET sql = '" + schema.replace("'", "''") + "' WHERE name = '" + name + "'");
        }
    }

    private void use(Path database, Random random) {
        SqlitePool pool = SqlitePool.builder()
                .databasePath(database)
                .poolSize(1 + random.nextInt(3))
                .statementTimeout(Duration.ofMillis(300))
                .acquireTimeout(Duration.ofSeconds(20))
                .closeGrace(Duration.ofSeconds(5))
                .build();
        List<CompletableFuture<?>> answers = new ArrayList<>();
        for (String query : QUERIES) {
            answers.add(pool.query(query, row -> row.getString(1)));
        }
        for (String write : WRITES) {
            answers.add(pool.execute(write));
        }
        answers.forEach(this::note);
        pool.close();
        lanes += pool.stats().live();
    }

    private void note(CompletableFuture<?> answer) {
        String outcome;
        try {
            answer.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
            outcome = "answered";
        } catch (ExecutionException | CompletionException e) {
            Throwable cause = e.getCause();
            outcome = cause instanceof SQLException failure
                    ? "SQLException, code " + (failure.getErrorCode() & 0xff)
                    : cause.getClass().getSimpleName() + (cause instanceof PoolException ? "" : ": " + cause);
        } catch (InterruptedException | TimeoutException e) {
            unanswered++;
            outcome = "no answer";
        }
        outcomes.merge(outcome, 1, Integer::sum);
    }
}
