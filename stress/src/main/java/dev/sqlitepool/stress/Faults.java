package dev.sqlitepool.stress;

import dev.sqlitepool.Durability;
import dev.sqlitepool.programs.Trial;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * System calls about the database that fail: a process writes through a pool, and each kind of call fails for it, once, several times in a row, or
 * now and then. Whatever it was told must be true, and when the fault is gone it must work again.
 */
final class Faults {
    private static final int PATIENCE_SECONDS = 120;
    private static final int TRANSACTIONS = 240;

    /** What fails, and with what error. */
    private static final List<String> CALLS = List.of(
            "fsync:error=EIO",
            "pwrite64:error=EIO",
            "pwrite64:error=ENOSPC",
            "ftruncate:error=EIO",
            "pread64:error=EIO",
            "openat:error=EMFILE");

    /** Which calls of a thread fail: one, some in a row, every so many. */
    private static final List<String> MOMENTS = List.of("1", "2", "5", "17", "40", "60..70", "9+23", "150+7");

    private final Trial trial;
    private final Evidence evidence = new Evidence();
    private int runs;
    private int struck;
    private int stuck;
    private long acknowledgements;
    private long failures;
    private long unknown;

    private Faults(Trial trial) {
        this.trial = trial;
    }

    static void run(Trial trial) throws Exception {
        if (!PowerLoss.isTraceable(trial, "the failing system calls")) {
            return;
        }
        Faults faults = new Faults(trial);
        for (String call : CALLS) {
            for (String moment : trial.isShort() ? List.of("17") : MOMENTS) {
                faults.one(call, moment);
            }
        }
        faults.conclude();
    }

    private void one(String call, String moment) throws Exception {
        Path directory = Files.createDirectory(trial.directory().toRealPath().resolve("fault-" + runs++));
        Path database = directory.resolve("test.db");
        Path told = trial.directory().resolve("told");
        List<String> command = new ArrayList<>(List.of("strace", "-f", "-o", "/dev/null"));
        for (String suffix : List.of("", "-wal", "-shm")) {
            command.addAll(List.of("-P", database + suffix));
        }
        command.addAll(List.of("-e", "inject=" + call + ":when=" + moment));
        command.addAll(NumberWriter.command(database, Durability.FULL, TRANSACTIONS));
        Process process = new ProcessBuilder(command)
                .redirectOutput(told.toFile())
                .redirectError(trial.directory().resolve("said").toFile())
                .start();
        boolean ended;
        try {
            ended = process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS) && process.exitValue() == 0;
        } finally {
            process.destroyForcibly();
        }
        judge(call + ":when=" + moment, ended, database, Files.readAllLines(told, StandardCharsets.US_ASCII));
    }

    private void judge(String fault, boolean ended, Path database, List<String> told) throws IOException {
        Set<Integer> acknowledged = new HashSet<>();
        Set<Integer> failed = new HashSet<>();
        int doubts = 0;
        boolean recovered = true;
        for (String line : told) {
            char first = line.charAt(0);
            if (first == 'x') {
                failed.add(Integer.valueOf(line.substring(1)));
            } else if (first == '?') {
                doubts++;
            } else {
                acknowledged.add(Integer.valueOf(line));
            }
            recovered = first != 'x' && first != '?';
        }
        boolean all = ended && acknowledged.size() + failed.size() + doubts >= TRANSACTIONS;
        boolean over = !fault.contains("+") && !fault.contains(".."); // else it may last to the end
        if (!all || over && !recovered) {
            stuck++;
        }
        struck += failed.size() + doubts > 0 ? 1 : 0;
        acknowledgements += acknowledged.size();
        failures += failed.size();
        unknown += doubts;
        trial.out()
                .printf(
                        Locale.ROOT,
                        "  %-34s %4d acknowledged, %3d failed, %3d unknown%s%n",
                        fault,
                        acknowledged.size(),
                        failed.size(),
                        doubts,
                        all ? "" : " – " + (ended ? "and the others?" : "the process has failed"));
        evidence.look(database, acknowledged, failed);
    }

    private void conclude() {
        String words = String.format(Locale.ROOT, "%,d faults", runs);
        evidence.conclude(trial, words);
        evidence.concludeFailed(trial, words);
        trial.check(
                stuck == 0,
                "everybody is told, and when the fault is gone the pool works again",
                String.format(
                        Locale.ROOT,
                        "%,d acknowledged, %,d failed, %,d unknown, %d stuck",
                        acknowledgements,
                        failures,
                        unknown,
                        stuck));
        trial.check(struck > runs / 4, "the faults were felt", struck + " of " + runs);
    }
}
