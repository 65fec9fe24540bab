package dev.sqlitepool.stress;

import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import dev.sqlitepool.programs.Trial;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.TimeUnit;

/**
 * Another process holds a snapshot for minutes while a pool writes, as a program does that copies the log elsewhere: no checkpoint gets past
 * it. The log grows to its limit, and then who wants to write waits; or with a checkpointer outside the pool it grows on. When the snapshot
 * is let go, all goes on, and the log shrinks.
 */
final class HeldSnapshot {
    private static final long LIMIT = 1 << 20;
    private static final long SLACK = LIMIT / 4;
    private static final int NUMBERS = 40;
    private static final int PATIENCE_SECONDS = 120;
    private static final String QUERY = "SELECT count(*) || ' rows, the last ' || coalesce(max(rowid), 0) FROM n";

    private final Trial trial;
    private final Path database;
    private final Path log;
    private final SqlitePool pool;
    private final Users users;
    private final long holdNanos;
    private final long pauseMillis;
    private long largest;

    private HeldSnapshot(Trial trial, String name, SqlitePoolBuilder settings, double seconds) throws Exception {
        this.trial = trial;
        database = trial.directory().resolve(name);
        log = Path.of(database + "-wal");
        Users.prepare(database);
        pool = settings.databasePath(database).poolSize(3).build();
        users = new Users(pool);
        holdNanos = (long) (seconds * 1e9);
        pauseMillis = (long) (seconds * 1e3 / 500);
    }

    static void run(Trial trial, double seconds) throws Exception {
        new HeldSnapshot(
                        trial,
                        "limit.db",
                        SqlitePool.builder().walSizeLimit(LIMIT).acquireTimeout(Duration.ofMillis(500)),
                        seconds)
                .atTheLimit();
        new HeldSnapshot(trial, "external.db", SqlitePool.builder().externalCheckpointer(), seconds).withoutLimit();
    }

    private void atTheLimit() throws Exception {
        OtherReader.Seen seen = held(false);
        boolean waited = users.anyTrouble();
        trial.check(
                largest >= LIMIT && largest <= LIMIT + SLACK,
                "the log grows to its limit, and no further",
                String.format(Locale.ROOT, "%,d bytes at most, the limit is %,d", largest, LIMIT));
        int tries = users.triesUntilWorking();
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
        while (size() > LIMIT / 4 && System.nanoTime() - deadline < 0) {
            users.work(NUMBERS);
        }
        trial.check(size() <= LIMIT / 4, "then the log shrinks", String.format(Locale.ROOT, "to %,d bytes", size()));
        Users.Verdict verdict = conclude(seen, tries);
        trial.check(
                waited
                        && verdict.seen().keySet().stream().allMatch(words -> words.startsWith("PoolTimeoutException"))
                        && verdict.seen().keySet().stream().anyMatch(words -> words.contains("write-ahead log")),
                "who wants to write waits for room in the log, and is told",
                verdict.seen().values().stream().mapToInt(count -> count).sum() + " timed out");
    }

    private void withoutLimit() throws Exception {
        OtherReader.Seen seen = held(true);
        trial.check(
                largest > 2 * LIMIT,
                "with a checkpointer outside the pool the log grows",
                String.format(Locale.ROOT, "to %,d bytes", largest));
        trial.check(
                seen.checkpoint().equals("0") && size() == 0,
                "which makes its checkpoint, and the log is empty",
                seen.checkpoint() + ", " + size() + " bytes");
        int tries = users.triesUntilWorking();
        users.work(NUMBERS);
        Users.Verdict verdict = conclude(seen, tries);
        trial.check(verdict.seen().isEmpty(), "and nobody has waited in vain", verdict.failed() + " failed");
    }

    /** Users work while the snapshot is held, for so long, and until the log has grown. */
    private OtherReader.Seen held(boolean checkpoint) throws Exception {
        users.work(NUMBERS);
        try (OtherReader other = new OtherReader(database, QUERY, checkpoint)) {
            long began = System.nanoTime();
            boolean grown = false;
            while (System.nanoTime() - began < holdNanos
                    || !grown && System.nanoTime() - began < TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS)) {
                users.work(NUMBERS);
                largest = Math.max(largest, size());
                grown = checkpoint ? largest > 2 * LIMIT : largest >= LIMIT && users.anyTrouble();
                TimeUnit.MILLISECONDS.sleep(pauseMillis);
            }
            trial.out()
                    .printf(
                            Locale.ROOT,
                            "  another process has held a snapshot for %.1f s%n",
                            (System.nanoTime() - began) / 1e9);
            return other.end();
        }
    }

    private Users.Verdict conclude(OtherReader.Seen seen, int tries) throws Exception {
        trial.check(
                seen.first().equals(seen.last()),
                "the other process saw one snapshot",
                seen.first() + (seen.first().equals(seen.last()) ? "" : ", then " + seen.last()));
        Users.Verdict verdict = users.close(database);
        Scene.report(trial, "when it lets go, all goes on", verdict, tries);
        trial.check(!Files.exists(log), "no -wal is left", "looked");
        return verdict;
    }

    private long size() throws IOException {
        return Files.exists(log) ? Files.size(log) : 0;
    }
}
