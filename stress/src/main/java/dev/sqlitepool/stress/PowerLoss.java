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
import java.util.Random;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * What is left when the power fails: a pool writes in a process whose system calls are recorded; then, for many moments of the recording,
 * disks are built as the failure may leave them, and SQLite opens what is there.
 */
final class PowerLoss {
    private static final int PATIENCE_SECONDS = 300;

    /** How it went with the disks of one recording. */
    private record Findings(Evidence evidence, int disks, int syncs) {}

    private final Trial trial;
    private final int transactions;
    private final int cuts;
    private final long seed;

    private PowerLoss(Trial trial, int transactions, int cuts, long seed) {
        this.trial = trial;
        this.transactions = transactions;
        this.cuts = cuts;
        this.seed = seed;
    }

    static void run(Trial trial) throws Exception {
        if (!isTraceable(trial, "the power failures")) {
            return;
        }
        int cuts = (int) trial.number(0, 500, 60);
        int transactions = trial.isShort() ? 80 : 800;
        long seed = trial.seed(1);
        PowerLoss loss = new PowerLoss(trial, transactions, cuts, seed);
        Findings full = loss.tried(Durability.FULL);
        full.evidence()
                .conclude(
                        trial,
                        String.format(Locale.ROOT, "FULL, %,d disks, between %,d syncs", full.disks(), full.syncs()));
        Evidence normal = loss.tried(Durability.NORMAL).evidence();
        trial.check(
                normal.lost() > 0,
                "acknowledged before the sync, they are lost: the trial can fail",
                String.format(Locale.ROOT, "%,d of %,d lost", normal.lost(), normal.lookedFor()));
        normal.concludeWhole(trial, "NORMAL");
    }

    /** Whether there is strace, and it may trace; else says what is left out. */
    static boolean isTraceable(Trial trial, String what) throws InterruptedException {
        String why = "it may not trace here";
        try {
            Process process = new ProcessBuilder("strace", "-o", "/dev/null", "true")
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start();
            if (process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS) && process.exitValue() == 0) {
                return true;
            }
        } catch (IOException e) {
            why = e.getMessage();
        }
        trial.out().println("Left out: " + what + ". They take strace (Debian: strace); " + why + ".");
        return false;
    }

    private Findings tried(Durability durability) throws Exception {
        Path directory = Files.createDirectory(trial.directory().toRealPath().resolve("disk-" + durability));
        Path acknowledgements = trial.directory().resolve(durability + "-acknowledgements");
        List<SystemCall> calls = SystemCall.read(record(durability, directory, acknowledgements));
        Random random = new Random(seed);
        int first = firstOf(calls, directory);
        int[] moments = random.ints(cuts, first, calls.size() + 1).sorted().toArray();
        Disk disk = new Disk(directory);
        Set<Integer> acknowledged = new HashSet<>();
        Evidence evidence = new Evidence();
        Path left = trial.directory().resolve("left");
        int next = 0;
        for (int moment : moments) {
            for (; next < moment; next++) {
                SystemCall call = calls.get(next);
                disk.happens(call);
                if (call.name().equals("write")
                        && call.path().equals(acknowledgements.toString())
                        && !call.returned()) {
                    acknowledged.addAll(numbers(call));
                }
            }
            Files.createDirectories(left);
            disk.fail(random, left);
            evidence.look(left.resolve("test.db"), acknowledged);
            clear(left);
        }
        return new Findings(evidence, moments.length, disk.syncs());
    }

    /** From the first call on that is about the database. */
    private static int firstOf(List<SystemCall> calls, Path directory) {
        for (int i = 0; i < calls.size(); i++) {
            if (calls.get(i).path().startsWith(directory + "/")) {
                return i;
            }
        }
        throw new IllegalStateException("the recording has nothing about " + directory);
    }

    private static List<Integer> numbers(SystemCall call) {
        return new String(call.bytes(), StandardCharsets.US_ASCII)
                .lines()
                .map(Integer::valueOf)
                .toList();
    }

    private Path record(Durability durability, Path directory, Path acknowledgements) throws Exception {
        Path recording = trial.directory().resolve(durability + "-calls");
        List<String> command = new ArrayList<>(List.of("strace", "-o", recording.toString()));
        command.addAll(SystemCall.OPTIONS);
        command.addAll(NumberWriter.command(directory.resolve("test.db"), durability, transactions));
        Process process = new ProcessBuilder(command)
                .redirectOutput(acknowledgements.toFile())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        try {
            if (!process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS) || process.exitValue() != 0) {
                throw new IllegalStateException("the process that writes has failed");
            }
        } finally {
            process.destroyForcibly();
        }
        return recording;
    }

    private static void clear(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
    }
}
