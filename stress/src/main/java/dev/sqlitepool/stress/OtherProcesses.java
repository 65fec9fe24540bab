package dev.sqlitepool.stress;

import dev.sqlitepool.programs.Trial;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;

/**
 * A pool under mixed load while other processes write to the same file, each holding it for milliseconds at a time; and pools beside a
 * process that holds a snapshot for minutes.
 */
final class OtherProcesses {
    private static final int PROCESSES = 3;
    private static final int END_SECONDS = 90;

    /** A process that runs {@link OtherWriter}. */
    private static final class Child implements AutoCloseable {
        private final Process process;
        private final BufferedReader output;

        Child(Path database, int number) throws IOException {
            process = new ProcessBuilder(Java.command(OtherWriter.class, database.toString(), "" + number))
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
            output = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        }

        void awaitReady() throws IOException {
            String line = output.readLine();
            if (!"ready".equals(line)) {
                throw new IllegalStateException("another process could not begin: " + line);
            }
        }

        /** Asks it to end, and returns what it has to say: committed, busy, longest wait in milliseconds. */
        long[] end() throws IOException, InterruptedException {
            process.getOutputStream().close();
            if (!process.waitFor(END_SECONDS, TimeUnit.SECONDS)) {
                throw new IllegalStateException("another process does not end");
            }
            String line = output.readLine();
            if (process.exitValue() != 0 || line == null) {
                throw new IllegalStateException("another process failed: " + process.exitValue());
            }
            String[] figures = line.split(" ", -1);
            return new long[] {Long.parseLong(figures[0]), Long.parseLong(figures[1]), Long.parseLong(figures[2])};
        }

        @Override
        public void close() {
            process.destroyForcibly();
        }
    }

    private OtherProcesses() {}

    static void run(Trial trial) throws Exception {
        double seconds = trial.number(0, 10, 0.05) * 60;
        Path database = trial.directory().resolve("shared.db");
        Soak soak = new Soak(trial, database, new Soak.Clients(6, 18, 20), seconds);
        List<Child> children = new ArrayList<>();
        List<long[]> figures = new ArrayList<>();
        try {
            for (int i = 1; i <= PROCESSES; i++) {
                children.add(new Child(database, i));
            }
            for (Child child : children) {
                child.awaitReady();
            }
            Shell shell =
                    Shell.isThere() ? new Shell(database, trial.directory().resolve("backup.db")) : null;
            if (shell == null) {
                trial.out().println("Left out: the sqlite3 shell. It is not there (Debian: sqlite3).");
            }
            soak.run(false);
            if (shell != null) {
                shell.end();
                shell.conclude(trial);
            }
            for (Child child : children) {
                figures.add(child.end());
            }
        } finally {
            children.forEach(Child::close);
        }
        soak.conclude(false);
        try (Connection connection = Bank.connect(database)) {
            for (int i = 1; i <= PROCESSES; i++) {
                long[] figure = figures.get(i - 1);
                long first = i * OtherWriter.FIRST_ENTRY;
                long found = Bank.number(
                        connection,
                        "SELECT count(*) FROM entry WHERE number BETWEEN " + first + " AND "
                                + (first + OtherWriter.FIRST_ENTRY - 1));
                trial.check(
                        found == figure[0] && found > 0,
                        "process " + i + ": every committed entry is there, once",
                        String.format(
                                Locale.ROOT,
                                "%,d committed, %,d there, longest wait %,d ms, gave up %,d times",
                                figure[0],
                                found,
                                figure[2],
                                figure[1]));
            }
            long sum = Bank.number(connection, Bank.SUM);
            trial.check(sum == Bank.TOTAL, "the accounts add up across the processes", sum + " of " + Bank.TOTAL);
        }
        trial.check(!Files.exists(Path.of(database + "-wal")), "no -wal is left when all have gone", "looked");
        HeldSnapshot.run(trial, seconds / 5);
    }
}
