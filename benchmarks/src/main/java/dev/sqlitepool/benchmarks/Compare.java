package dev.sqlitepool.benchmarks;

import dev.sqlitepool.programs.Trial;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;

/**
 * sqlitepool beside its peers, every workload in one run, in alternating rounds on the same file system. Writes the results, the
 * charts and the tables into the documentation.
 */
final class Compare {
    /** How one who takes part is measured. */
    private interface Way {
        Round measure(Case one) throws Exception;
    }

    /** One who takes part: his file, how many rows he has inserted there, and what closes him. */
    private record Opened(Path file, LongAdder inserted, Way way, AutoCloseable end) {}

    private final Trial trial;
    private final List<Case> cases;
    private final double seconds;
    private final int rounds;
    private final Results results;
    private int files;
    private final Map<String, Opened> open = new LinkedHashMap<>();
    private final List<ExternalPeer> external = new ArrayList<>();

    private Compare(Trial trial, List<Case> cases, double seconds, int rounds) {
        this.trial = trial;
        this.cases = cases;
        this.seconds = seconds;
        this.rounds = rounds;
        this.results = new Results(seconds, rounds);
    }

    /** The short comparison: some minutes. */
    static void few(Trial trial) throws Exception {
        new Compare(trial, Case.FEW, trial.number(0, 0.7, 0.02), (int) trial.number(1, 3, 1)).run();
    }

    /** The whole comparison: about half an hour. */
    static void all(Trial trial) throws Exception {
        new Compare(trial, Case.ALL, trial.number(0, 1.0, 0.02), (int) trial.number(1, 3, 1)).run();
    }

    private void run() throws Exception {
        PrintStream out = trial.out();
        out.println(results.machine());
        ExternalPeer.limit(trial.directory(), out).ifPresent(external::add);
        ExternalPeer.original(trial.directory(), out).ifPresent(external::add);
        out.printf("%d cases, at least %.0f minutes%n", cases.size(), leastMinutes());
        Report report = new Report(results);
        Path documentation = trial.isShort() ? trial.directory() : Path.of("docs");
        boolean written = Files.isDirectory(documentation);
        long start = System.nanoTime();
        try {
            for (Case one : cases) {
                compare(one, progress(one, start)).forEach((name, round) -> results.add(one, name, round));
                if (written) {
                    report.write(documentation); // each time, so that a crash leaves what was measured before
                }
            }
        } finally {
            for (Opened one : open.values()) {
                one.end().close();
            }
        }
        out.println();
        for (Map.Entry<String, Opened> one : open.entrySet()) {
            long rows = Contender.events(one.getValue().file());
            long acknowledged = one.getValue().inserted().sum();
            trial.check(
                    rows == acknowledged,
                    one.getKey() + ": every acknowledged row is there",
                    acknowledged + " acknowledged, " + rows + " there");
        }
        out.println();
        report.print(out);
        if (written) {
            out.println("Written into " + documentation.toAbsolutePath());
        }
    }

    /** Of the rounds alone; a round lasts until the last operation that was begun in it has ended. */
    private double leastMinutes() {
        long ways = 0;
        for (Case one : cases) {
            ways += Entrant.ALL.stream().filter(entrant -> entrant.takes(one)).count();
            ways += external.stream().filter(peer -> takes(peer, one)).count();
        }
        return ways * (rounds + 1) * seconds / 60;
    }

    private String progress(Case one, long start) {
        long passed = TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - start);
        return String.format(
                Locale.ROOT,
                "%d of %d, after %d:%02d. %s",
                cases.indexOf(one) + 1,
                cases.size(),
                passed / 60,
                passed % 60,
                one.words());
    }

    private Map<String, Round> compare(Case one, String title) throws Exception {
        Map<String, Callable<Round>> ways = new LinkedHashMap<>();
        for (Entrant entrant : Entrant.ALL) {
            if (entrant.takes(one)) {
                Opened opened = opened(entrant, one.synchronous());
                ways.put(entrant.name(), way(one, entrant.name(), opened));
            }
        }
        for (ExternalPeer peer : external) {
            if (takes(peer, one)) {
                Opened opened = opened(peer);
                ways.put(peer.name(), way(one, peer.name(), opened));
            }
        }
        return Round.alternate(trial.out(), title, rounds, ways);
    }

    private Callable<Round> way(Case one, String name, Opened opened) {
        long before = opened.inserted().sum();
        return () -> {
            try {
                return opened.way().measure(one);
            } catch (IllegalStateException | IOException e) {
                leaveOut(one, name, opened, e);
                long rows = Contender.events(opened.file());
                trial.check(
                        rows >= before,
                        name + ": no row from before is lost",
                        before + " were acknowledged, " + rows + " there");
                throw new Round.LeftOut();
            }
        };
    }

    /** He begins anew with another file, since of what failed nobody knows whether it is in this one. We ourselves must not fail. */
    private void leaveOut(Case one, String name, Opened opened, Exception failure) throws Exception {
        Throwable cause = failure;
        while (cause.getCause() != null) {
            cause = cause.getCause();
        }
        String why = cause.toString().lines().findFirst().orElse("");
        trial.out().println("\n  Left out: " + name + "; " + why);
        if (Report.isOurs(name)) {
            trial.check(false, name + ": no operation fails", one.words());
        }
        results.leaveOut(one, name, why);
        open.values().remove(opened);
        opened.end().close();
    }

    private static boolean takes(ExternalPeer peer, Case one) {
        return peer.does(one.workload().operation()) && one.perSecond() == 0 && one.clients() <= Entrant.MOST_THREADS;
    }

    private Opened opened(Entrant entrant, String synchronous) throws Exception {
        String key = entrant.name() + ", " + synchronous;
        Opened opened = open.get(key);
        if (opened == null) {
            Path file = newFile();
            LongAdder inserted = new LongAdder();
            Contender contender = entrant.maker().make(file, synchronous);
            opened = new Opened(
                    file, inserted, one -> measure(one, contender, inserted).withWal(file), contender);
            open.put(key, opened);
        }
        return opened;
    }

    /** Its log is gone when the program has ended. */
    private Opened opened(ExternalPeer peer) {
        return open.computeIfAbsent(peer.name(), name -> {
            Path file = newFile();
            LongAdder inserted = new LongAdder();
            return new Opened(
                    file,
                    inserted,
                    one -> {
                        Round round =
                                peer.run(file, one.workload().operation(), one.clients(), seconds, one.synchronous());
                        inserted.add(round.operations() * one.workload().rowsOfOne());
                        return round;
                    },
                    () -> {});
        });
    }

    private Path newFile() {
        return trial.directory().resolve("peer-" + ++files + ".db");
    }

    private Round measure(Case one, Contender contender, LongAdder inserted) throws Exception {
        ClosedLoop.Operation operation = client -> one.workload().start(contender, client, inserted);
        return one.perSecond() > 0
                ? new OpenLoop(one.clients(), contender.clients(), one.perSecond(), seconds, operation).run()
                : new ClosedLoop(
                                one.clients(),
                                contender.clients(),
                                one.workload().unmeasured(),
                                seconds,
                                operation)
                        .run();
    }
}
