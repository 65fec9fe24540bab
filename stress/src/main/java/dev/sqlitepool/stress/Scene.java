package dev.sqlitepool.stress;

import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import dev.sqlitepool.programs.Trial;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/** One pool over a database that exists and holds some numbers, and its users, while something around it breaks. Owned by one thread. */
final class Scene {
    private static final int PATIENCE_SECONDS = 120;

    private final Trial trial;
    private final Path database;
    private final SqlitePool pool;
    private final Users users;

    Scene(Trial trial, Path directory, SqlitePoolBuilder settings) throws Exception {
        this.trial = trial;
        database = directory.resolve("test.db");
        Users.prepare(database);
        pool = settings.databasePath(database)
                .poolSize(3)
                .walSizeLimit(1 << 18)
                .acquireTimeout(Duration.ofSeconds(10))
                .healthCheckInterval(Duration.ofMillis(50))
                .build();
        users = new Users(pool);
        users.work(numbers(trial));
        if (users.anyTrouble()) {
            throw new IllegalStateException("There is trouble before there is a fault.");
        }
    }

    /** How many numbers are written at once. */
    static int numbers(Trial trial) {
        return trial.isShort() ? 40 : 400;
    }

    Path database() {
        return database;
    }

    SqlitePool pool() {
        return pool;
    }

    Users users() {
        return users;
    }

    /** All is in the database file, and a copy of it is kept. Returns the number that comes next. */
    int copy() throws Exception {
        pool.query("PRAGMA wal_checkpoint(TRUNCATE)", row -> row.getInt(1)).join();
        Bash.run("cp '" + database + "' '" + database + ".copy'");
        return users.next();
    }

    /** Puts the copy in the place of what is there. */
    void restore() throws Exception {
        Bash.run("rm -f '" + database + "-wal' '" + database + "-shm'; mv '" + database + ".copy' '" + database + "'");
    }

    /** The cause is gone; somebody must have felt the fault, or the trial has shown nothing. */
    void conclude(String fault) throws Exception {
        if (!users.anyTrouble()) {
            trial.check(false, fault, "but nobody has felt it");
        }
        concludeUnfelt(fault);
    }

    /** The cause is gone, and nobody need have felt it. */
    void concludeUnfelt(String fault) throws Exception {
        int tries = users.triesUntilWorking();
        users.work(numbers(trial) / 4);
        Users.Verdict verdict = users.close(database);
        report(trial, fault, verdict, tries);
    }

    /** Says what the users saw, and asserts that it was true and that the pool works again. */
    static void report(Trial trial, String fault, Users.Verdict verdict, int tries) {
        verdict.seen().forEach((words, count) -> trial.out().printf("  %,7d  %s%n", count, words));
        trial.check(
                verdict.isTrue() && tries > 0,
                fault,
                verdict.words()
                        + (tries == 0 ? ", and it NEVER works again" : tries == 1 ? "" : ", works at try " + tries));
    }

    /** Waits until all connections of the pool are closed. */
    void awaitNoConnection() throws InterruptedException {
        await(() -> pool.stats().live() == 0, "no connection is open");
    }

    static void await(BooleanSupplier fact, String words) throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
        while (!fact.getAsBoolean()) {
            if (System.nanoTime() - deadline > 0) {
                throw new IllegalStateException("It did not happen: " + words);
            }
            TimeUnit.MILLISECONDS.sleep(5);
        }
    }
}
