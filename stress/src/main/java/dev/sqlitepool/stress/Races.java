package dev.sqlitepool.stress;

import dev.sqlitepool.programs.Trial;
import dev.sqlitepool.stress.races.Ending;
import dev.sqlitepool.stress.races.Publishing;
import java.io.BufferedReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The pieces in which threads meet, each by itself, millions of times, most by <a href="https://github.com/openjdk/jcstress">jcstress</a>:
 * no outcome is seen that is not allowed.
 */
final class Races {
    private static final int RACES = 14;
    /** What a try of some seconds runs. */
    private static final String SOME =
            "ServedAgainstCancelled|AcknowledgedAgainst|CancelledAgainstReleased|Interrupted";

    private static final int COUNT_OF_SOME = 4;
    /** Java 17 has two ways of locking, and jcstress tries both. */
    private static final int RUNS = Runtime.version().feature() == 17 ? 2 : 1;
    /** To start the process of a run. */
    private static final double START_SECONDS = 1.5;

    private static final int PATIENCE_SECONDS = 120;

    private static final Pattern RACE = Pattern.compile("\\[([A-Z ]+)] +dev\\.sqlitepool\\.stress\\.races\\.(\\S+)$");
    private static final Pattern OUTCOME = Pattern.compile(" +(\\S.*?) +([0-9,]+) +[<>0-9.]+% +([A-Za-z]+)( .*)?");

    private Races() {}

    /** How often each outcome of a race was seen. */
    private static final class Seen {
        private boolean passed = true;
        private long samples;
        private final Map<String, Long> outcomes = new TreeMap<>();
    }

    static void run(Trial trial) throws Exception {
        double seconds = 60 * trial.number(0, 10, 0.3);
        int count = trial.isShort() ? COUNT_OF_SOME : RACES;
        long millis = Math.round(1e3 * Math.max(0.1, seconds * 0.8 / count / RUNS - START_SECONDS));
        Map<String, Seen> races = new TreeMap<>();
        List<String> printed = new ArrayList<>();
        int exitCode = jcstress(trial, count, millis, printed);
        parse(printed, races);
        races.forEach((name, seen) -> trial.check(
                seen.passed, name, String.format(Locale.ROOT, "%,d times: %s", seen.samples, seen.outcomes)));
        boolean well = exitCode == 0 && races.size() == count;
        trial.check(well, "every race was run to its end", races.size() + " races");
        if (!well) {
            printed.forEach(trial.out()::println);
        }
        publishing(trial, seconds * 0.1);
        ending(trial, seconds * 0.1);
    }

    private static int jcstress(Trial trial, int count, long millis, List<String> printed) throws Exception {
        List<String> command = Java.command(
                org.openjdk.jcstress.Main.class,
                ("-v -af NONE -sc false -f 1 -fsm 1 -iters 1 -jvmArgs -Xmx256m -time " + millis
                                + (trial.isShort() ? " -t " + SOME : ""))
                        .split(" ", -1));
        Process process = new ProcessBuilder(command)
                .directory(trial.directory().toFile())
                .redirectErrorStream(true)
                .start();
        Java.endAfter(
                process, count * (RUNS * (millis / 1_000 + 3 * (long) Math.ceil(START_SECONDS))) + PATIENCE_SECONDS);
        try (BufferedReader lines = process.inputReader(StandardCharsets.UTF_8)) {
            lines.lines().forEach(printed::add);
        }
        return process.waitFor();
    }

    private static void parse(List<String> printed, Map<String, Seen> races) {
        Seen seen = null;
        for (String line : printed) {
            Matcher race = RACE.matcher(line);
            Matcher outcome = OUTCOME.matcher(line);
            if (line.startsWith("RUN COMPLETE")) {
                return; // what has failed comes once more
            } else if (race.find()) {
                seen = races.computeIfAbsent(race.group(2), name -> new Seen());
                seen.passed &= race.group(1).equals("OK");
            } else if (seen != null && outcome.matches()) {
                long count = Long.parseLong(outcome.group(2).replace(",", ""));
                seen.samples += count;
                seen.outcomes.merge(outcome.group(1), count, Long::sum);
            }
        }
    }

    private static void ending(Trial trial, double seconds) throws InterruptedException {
        Ending.Seen seen = new Ending().race(Math.max(1, seconds), System.nanoTime());
        trial.check(
                seen.forbidden() == 0 && seen.outcomes().size() > 1,
                "served, cancelled and timed out at once: one wins",
                String.format(Locale.ROOT, "%,d times: %s", seen.samples(), seen.outcomes()));
    }

    private static void publishing(Trial trial, double seconds) throws InterruptedException {
        Publishing.Seen seen = new Publishing().race(Math.max(1, seconds), System.nanoTime());
        trial.check(
                seen.lost() == 0 && seen.twice() == 0 && seen.early() == 0 && seen.stolen() > 0,
                "what remains after a completion is done, once",
                String.format(
                        Locale.ROOT,
                        "%,d times, %,d by another thread; %d lost, %d twice, %d early",
                        seen.published(),
                        seen.stolen(),
                        seen.lost(),
                        seen.twice(),
                        seen.early()));
    }
}
