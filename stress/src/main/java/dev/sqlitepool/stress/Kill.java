package dev.sqlitepool.stress;

import dev.sqlitepool.Durability;
import dev.sqlitepool.programs.Trial;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Locale;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * A process that writes through a pool is killed at a random moment, again and again, over the same file. Nothing that it said to be
 * acknowledged may be lost, with {@code Durability.NORMAL} either: the operating system has it.
 */
final class Kill {
    private static final int PATIENCE_SECONDS = 60;
    private static final int LONGEST_MILLIS = 300;
    private static final int IN_A_FILE = 10;

    private Kill() {}

    static void run(Trial trial) throws Exception {
        int kills = (int) trial.number(0, 200, 3);
        long seed = trial.seed(1);
        Random random = new Random(seed);
        Evidence evidence = new Evidence();
        Set<Integer> acknowledged = new HashSet<>();
        long said = 0;
        int inTheMiddle = 0;
        for (int i = 0; i < kills; i++) {
            if (i % IN_A_FILE == 0) {
                said += acknowledged.size();
                acknowledged.clear();
            }
            Path database = trial.directory().resolve("killed-" + i / IN_A_FILE + ".db");
            Durability durability = random.nextInt(3) == 0 ? Durability.NORMAL : Durability.FULL;
            int before = acknowledged.size();
            killed(database, durability, random, acknowledged);
            inTheMiddle += acknowledged.size() > before ? 1 : 0;
            if (random.nextBoolean() || i % IN_A_FILE == IN_A_FILE - 1) { // else the next process recovers the file
                evidence.look(database, acknowledged);
            }
            if (i % 20 == 19) {
                trial.out().printf(Locale.ROOT, "  %,d killed%n", i + 1);
            }
        }
        said += acknowledged.size();
        evidence.conclude(trial, String.format(Locale.ROOT, "%,d kills", kills));
        trial.check(
                inTheMiddle > kills / 2,
                "most were killed while they wrote",
                String.format(Locale.ROOT, "%,d of %,d, after %,d acknowledgements", inTheMiddle, kills, said));
    }

    private static void killed(Path database, Durability durability, Random random, Set<Integer> acknowledged)
            throws IOException, InterruptedException {
        Process child = new ProcessBuilder(NumberWriter.command(database, durability, Integer.MAX_VALUE / 2))
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        Java.endAfter(child, PATIENCE_SECONDS);
        try (BufferedReader lines =
                new BufferedReader(new InputStreamReader(child.getInputStream(), StandardCharsets.US_ASCII))) {
            String line = random.nextInt(10) == 0 ? null : lines.readLine(); // else it is killed while it begins
            if (line != null) {
                acknowledged.add(Integer.valueOf(line));
            }
            long moment = System.nanoTime() + TimeUnit.MICROSECONDS.toNanos(random.nextInt(LONGEST_MILLIS * 1_000));
            Thread killer = new Thread(() -> {
                while (System.nanoTime() - moment < 0) {
                    Thread.onSpinWait();
                }
                child.toHandle().destroyForcibly(); // which leaves the pipe, and what is in it
            });
            killer.start();
            for (line = lines.readLine(); line != null; line = lines.readLine()) {
                acknowledged.add(Integer.valueOf(line));
            }
            killer.join();
        } finally {
            child.destroyForcibly();
        }
        if (!child.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
            throw new IllegalStateException("a killed process does not end");
        }
    }
}
