package dev.sqlitepool.stress;

import dev.sqlitepool.programs.Trial;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.concurrent.TimeUnit;

/**
 * An administrator at the file of a pool: SQLite's own shell, which backs up, checkpoints, vacuums and holds a snapshot now and then. A
 * thread of its own.
 */
final class Shell {
    private static final int PATIENCE_SECONDS = 90;
    private static final int LONGEST_PAUSE_MILLIS = 2_000;

    private final Path database;
    private final Path backup;
    private final List<List<String>> errands;
    private final Thread thread = new Thread(this::work, "shell");
    private final int[] done;
    private volatile boolean ended;
    private volatile String wrong = "";

    /** Whether there is a shell. */
    static boolean isThere() throws InterruptedException {
        try {
            Process process = new ProcessBuilder("sqlite3", "-version")
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start();
            Java.endAfter(process, PATIENCE_SECONDS);
            return process.waitFor() == 0;
        } catch (IOException e) {
            return false;
        }
    }

    Shell(Path database, Path backup) {
        this.database = database;
        this.backup = backup;
        this.errands = List.of(
                List.of("PRAGMA wal_checkpoint(PASSIVE)"),
                List.of("PRAGMA wal_checkpoint(TRUNCATE)"),
                List.of("VACUUM"),
                List.of(".backup '" + backup + "'"),
                List.of("BEGIN; SELECT count(*) FROM account; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL"
                        + " SELECT i + 1 FROM n WHERE i < 3000000) SELECT count(*) FROM n; COMMIT"));
        this.done = new int[errands.size()];
        thread.start();
    }

    private void work() {
        Random random = new Random();
        while (!ended && wrong.isEmpty()) {
            int errand = random.nextInt(errands.size());
            try {
                String said = run(database, errands.get(errand));
                if (said.contains("rror")) {
                    wrong = errands.get(errand) + ": " + said;
                } else {
                    done[errand]++;
                }
                if (errands.get(errand).get(0).startsWith(".backup")) {
                    String look = run(backup, List.of("PRAGMA integrity_check", Bank.SUM));
                    if (!look.equals("ok\n" + Bank.TOTAL)) {
                        wrong = "the backup says " + look;
                    }
                }
                TimeUnit.MILLISECONDS.sleep(random.nextInt(LONGEST_PAUSE_MILLIS));
            } catch (IOException | InterruptedException e) {
                wrong = e.toString();
            }
        }
    }

    /** Runs statements and returns what was printed. */
    private static String run(Path file, List<String> statements) throws IOException, InterruptedException {
        Process process = new ProcessBuilder("sqlite3", "-cmd", ".timeout 60000", file.toString())
                .redirectErrorStream(true)
                .start();
        Java.endAfter(process, PATIENCE_SECONDS);
        try {
            process.getOutputStream()
                    .write((String.join(";\n", statements) + (statements.get(0).startsWith(".") ? "\n" : ";\n"))
                            .getBytes(StandardCharsets.UTF_8));
            process.getOutputStream().close();
            String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
            return process.waitFor() == 0 ? said : "error, exit code " + process.exitValue() + ": " + said;
        } finally {
            process.destroyForcibly();
        }
    }

    /** Waits for its last errand. */
    void end() throws InterruptedException {
        ended = true;
        thread.join(TimeUnit.SECONDS.toMillis(2 * PATIENCE_SECONDS));
    }

    void conclude(Trial trial) {
        trial.check(
                wrong.isEmpty(),
                "the sqlite3 shell was never busy for too long, its backups are whole",
                wrong.isEmpty()
                        ? String.format(
                                Locale.ROOT,
                                "%d + %d checkpoints, %d VACUUMs, %d backups, %d snapshots held",
                                done[0],
                                done[1],
                                done[2],
                                done[3],
                                done[4])
                        : wrong);
    }
}
