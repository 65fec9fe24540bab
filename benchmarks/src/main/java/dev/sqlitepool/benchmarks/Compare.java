package dev.sqlitepool.benchmarks;

import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.LongAdder;

/**
 * sqlitepool beside its peers, every workload in one run, in alternating rounds on the same file system. Writes the results, the
 * charts and the tables into the documentation.
 */
final class Compare {
    /** One who takes part, his file, and what he has inserted there. */
    private record Opened(Contender contender, Path file, LongAdder inserted) {}

    private final Trial trial;
    private final List<Case> cases;
    private final double seconds;
    private final int rounds;
    private final Map<String, Opened> open = new LinkedHashMap<>();
    private final List<ExternalPeer> external = new ArrayList<>();

    private Compare(Trial trial, List<Case> cases, double seconds, int rounds) {
        this.trial = trial;
        this.cases = cases;
        this.seconds = seconds;
        this.rounds = rounds;
    }

    /** The short comparison: some minutes. */
    static void few(Trial trial) throws Exception {
        new Compare(trial, Case.FEW, trial.number(0, 0.7, 0.02), (int) trial.number(1, 3, 1)).run();
    }

    /** The whole comparison: about an hour. */
    static void all(Trial trial) throws Exception {
        new Compare(trial, Case.ALL, trial.number(0, 1.5, 0.02), (int) trial.number(1, 5, 1)).run();
    }

    private void run() throws Exception {
        PrintStream out = trial.out();
        Results results = new Results(seconds, rounds);
        out.println(results.machine());
        ExternalPeer.limit(trial.directory(), out).ifPresent(external::add);
        ExternalPeer.original(trial.directory(), out).ifPresent(external::add);
        try {
            for (Case one : cases) {
                compare(one).forEach((name, round) -> results.add(one, name, round));
            }
        } finally {
            for (Opened one : open.values()) {
                one.contender().close();
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
        Report report = new Report(results);
        report.print(out);
        Path documentation = trial.isShort() ? trial.directory() : Path.of("docs");
        if (Files.isDirectory(documentation)) {
            report.write(documentation);
            out.println("Written into " + documentation.toAbsolutePath());
        }
    }

    private Map<String, Round> compare(Case one) throws Exception {
        Map<String, Callable<Round>> ways = new LinkedHashMap<>();
        for (Entrant entrant : Entrant.ALL) {
            if (entrant.takes(one)) {
                Opened opened = opened(entrant, one.synchronous());
                ways.put(entrant.name(), () -> measure(one, opened));
            }
        }
        String operation = one.workload().operation();
        for (ExternalPeer peer : external) {
            if (peer.does(operation) && one.perSecond() == 0 && one.clients() <= Entrant.MOST_THREADS) {
                Path file = trial.directory().resolve("external-" + external.indexOf(peer) + ".db");
                ways.put(peer.name(), () -> peer.run(file, operation, one.clients(), seconds, one.synchronous()));
            }
        }
        return Round.alternate(trial.out(), one.words(), rounds, ways);
    }

    private Opened opened(Entrant entrant, String synchronous) throws Exception {
        String key = entrant.name() + ", " + synchronous;
        Opened opened = open.get(key);
        if (opened == null) {
            Path file = trial.directory().resolve("peer-" + open.size() + ".db");
            opened = new Opened(entrant.maker().make(file, synchronous), file, new LongAdder());
            open.put(key, opened);
        }
        return opened;
    }

    private Round measure(Case one, Opened opened) throws Exception {
        Contender contender = opened.contender();
        ClosedLoop.Operation operation = client -> one.workload().start(contender, client, opened.inserted());
        Round round = one.perSecond() > 0
                ? new OpenLoop(one.clients(), contender.clients(), one.perSecond(), seconds, operation).run()
                : new ClosedLoop(
                                one.clients(),
                                contender.clients(),
                                one.workload().unmeasured(),
                                seconds,
                                operation)
                        .run();
        return round.withWal(opened.file());
    }
}
