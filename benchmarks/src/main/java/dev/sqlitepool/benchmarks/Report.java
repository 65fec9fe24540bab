package dev.sqlitepool.benchmarks;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.ToDoubleFunction;

/** Tells what a comparison has shown: ratios, targets, and where a peer wins. */
final class Report {
    private static final String BEGIN = "<!-- results: written by the benchmark, do not edit -->";
    private static final String END = "<!-- end of results -->";

    private final Results results;

    Report(Results results) {
        this.results = results;
    }

    /** A target, as a ratio of one column of two lines; or of one line alone, if there is no peer. */
    private record Target(
            String words, Case one, String ours, String peer, ToDoubleFunction<Round> column, double least) {}

    private static final String NOBODY = "–";
    /** An {@code Optional} of a {@code Long}. */
    private static final int RESULT_BYTES = 40;

    /** Who gets less of his share than this is treated unfairly. */
    private static final double FAIR = 0.5;

    private static final List<Target> TARGETS = List.of(
            throughput(Case.of(Workload.TRANSACTION, 64), Results.OURS, Results.HIKARI, 15),
            throughput(Case.of(Workload.EXECUTE, 64), Results.OURS, Results.HIKARI, 50),
            latency(Case.of(Workload.TRANSACTION, 64), 30),
            latency(Case.of(Workload.EXECUTE, 64), 30),
            throughput(Case.of(Workload.READ, 64), Results.OURS, Results.HIKARI, 3),
            latency(Case.of(Workload.READ, 64), 10),
            throughput(Case.of(Workload.READ, 1), Results.OURS_BLOCKING, Results.HIKARI, 1.8),
            throughput(Case.of(Workload.READ, 1), Results.OURS_BLOCKING, Results.DRIVER, 0.85),
            throughput(Case.of(Workload.SCAN, 1), Results.OURS_BLOCKING, Results.DRIVER, 0.95),
            throughput(Case.of(Workload.MIXED, 64), Results.OURS, Results.HIKARI, 10),
            share(Case.of(Workload.READ, 64)),
            share(Case.of(Workload.TRANSACTION, 64)),
            share(Case.of(Workload.EXECUTE, 64)),
            share(Case.of(Workload.MIXED, 64)),
            new Target(
                    "Point read, 1 client: bytes beyond the result, 300 over them",
                    Case.of(Workload.READ, 1),
                    Results.OURS_BLOCKING,
                    NOBODY,
                    round -> 300 / (round.allocatedBytes() - RESULT_BYTES),
                    1));

    private static Target share(Case one) {
        return new Target(
                one.words() + ": slowest client's share", one, Results.OURS, NOBODY, Round::slowestShare, FAIR);
    }

    private static Target throughput(Case one, String ours, String peer, double least) {
        return new Target(one.words() + ": throughput", one, ours, peer, Round::perSecond, least);
    }

    private static Target latency(Case one, double least) {
        return new Target(
                one.words() + ": p99, inverse",
                one,
                Results.OURS,
                Results.HIKARI,
                round -> 1 / round.p99Micros(),
                least);
    }

    void print(PrintStream out) {
        targets().forEach(out::println);
        out.println();
        peersThatWin().forEach(out::println);
    }

    /** The targets that this run can tell of, as a table. */
    List<String> targets() {
        List<String> lines = new ArrayList<>();
        lines.add("| target | of | to | wanted | measured | |");
        lines.add("|---|---|---|---|---|---|");
        for (Target target : TARGETS) {
            results.of(target.one(), target.ours())
                    .flatMap(ours -> ratio(target, ours))
                    .ifPresent(ratio -> lines.add(String.format(
                            Locale.ROOT,
                            "| %s | %s | %s | %s × | **%.2f ×** | %s |",
                            target.words(),
                            target.ours(),
                            target.peer(),
                            Charts.figure(target.least()),
                            ratio,
                            ratio >= target.least() ? "reached" : "not reached")));
        }
        return lines;
    }

    private Optional<Double> ratio(Target target, Round ours) {
        double own = target.column().applyAsDouble(ours);
        return target.peer().equals(NOBODY)
                ? Optional.of(own)
                : results.of(target.one(), target.peer())
                        .map(peer -> own / target.column().applyAsDouble(peer));
    }

    /** Where somebody does more than we, or has a better p99. */
    List<String> peersThatWin() {
        List<String> lines = new ArrayList<>();
        results.cases().forEach((one, peers) -> {
            double most = ours(peers, Round::perSecond).max().orElse(0);
            double least = ours(peers, Round::p99Micros).min().orElse(Double.MAX_VALUE);
            peers.forEach((peer, round) -> {
                if (!isOurs(peer) && round.perSecond() > most) {
                    lines.add(won(one, peer, round, "throughput", round.perSecond() / most));
                }
                if (!isOurs(peer) && round.p99Micros() < least) {
                    lines.add(won(one, peer, round, "p99", least / round.p99Micros()));
                }
            });
        });
        return lines.isEmpty() ? List.of("- nowhere in this run") : lines;
    }

    /** A percentile counts operations, not clients: it is best when most clients get nothing. So that is said, too. */
    private static String won(Case one, String peer, Round round, String what, double times) {
        String share = round.slowestShare() < FAIR
                ? String.format(Locale.ROOT, "; its slowest client got %.2f of a fair share", round.slowestShare())
                : "";
        return String.format(
                Locale.ROOT, "- %s: %s has the better %s, %.2f ×%s", one.words(), peer, what, times, share);
    }

    private static java.util.stream.DoubleStream ours(Map<String, Round> peers, ToDoubleFunction<Round> column) {
        return peers.entrySet().stream()
                .filter(peer -> isOurs(peer.getKey()))
                .mapToDouble(peer -> column.applyAsDouble(peer.getValue()));
    }

    static boolean isOurs(String peer) {
        return peer.startsWith(Results.OURS);
    }

    /** Writes the file of results, the charts, and the tables into {@code benchmarks.md}, if it has a place for them. */
    void write(Path documentation) throws IOException {
        Path directory = Files.createDirectories(documentation.resolve("benchmarks"));
        Files.write(directory.resolve("results.csv"), results.csv(), StandardCharsets.UTF_8);
        List<String> text = new ArrayList<>();
        text.add(BEGIN);
        text.add("");
        text.add("Measured on: " + results.machine() + ". All figures: [results.csv](benchmarks/results.csv).");
        text.add("");
        text.addAll(targets());
        text.add("");
        text.add("Where a peer wins:");
        text.add("");
        text.addAll(peersThatWin());
        for (Map.Entry<Case, Map<String, Round>> one : results.cases().entrySet()) {
            text.add("");
            text.addAll(section(directory, one.getKey(), one.getValue()));
        }
        text.add("");
        text.add(END);
        Path page = documentation.resolve("benchmarks.md");
        if (Files.exists(page)) {
            replace(page, text);
        }
    }

    private static void replace(Path page, List<String> text) throws IOException {
        List<String> lines = new ArrayList<>(Files.readAllLines(page, StandardCharsets.UTF_8));
        int begin = lines.indexOf(BEGIN);
        int end = lines.indexOf(END);
        if (begin >= 0 && end > begin) {
            lines.subList(begin, end + 1).clear();
            lines.addAll(begin, text);
            Files.write(page, lines, StandardCharsets.UTF_8);
        }
    }

    /** Writes a chart of one column; returns what shows it in the text. */
    private static String chart(
            Path directory,
            String key,
            String words,
            String unit,
            Map<String, Round> peers,
            ToDoubleFunction<Round> column)
            throws IOException {
        List<Charts.Bar> bars = new ArrayList<>();
        peers.forEach((peer, round) -> bars.add(new Charts.Bar(peer, column.applyAsDouble(round), isOurs(peer))));
        Files.writeString(directory.resolve(key + ".svg"), Charts.bars(words, unit, bars), StandardCharsets.UTF_8);
        return "![" + words + ", " + unit + "](benchmarks/" + key + ".svg)";
    }

    private static String mebibytes(double bytes) {
        return Double.isNaN(bytes) ? "–" : String.format(Locale.ROOT, "%.1f", bytes / (1 << 20));
    }

    private List<String> section(Path directory, Case one, Map<String, Round> peers) throws IOException {
        List<String> text = new ArrayList<>();
        text.add("### " + one.words());
        text.add("");
        text.add(chart(directory, one.key(), one.words(), "per second", peers, Round::perSecond));
        text.add("");
        text.add(chart(directory, one.key() + "-p99", one.words(), "p99 µs", peers, Round::p99Micros));
        text.add("");
        text.add("| | per second | p50 µs | p99 µs | p99.9 µs | max µs | slowest client's share"
                + " | processor µs | bytes allocated | WAL MiB |");
        text.add("|---|---|---|---|---|---|---|---|---|---|");
        peers.forEach((peer, round) -> text.add(String.format(
                Locale.ROOT,
                "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |",
                isOurs(peer) ? "**" + peer + "**" : peer,
                Charts.figure(round.perSecond()),
                Charts.figure(round.p50Micros()),
                Charts.figure(round.p99Micros()),
                Charts.figure(round.p999Micros()),
                Charts.figure(round.maxMicros()),
                Charts.figure(round.slowestShare()),
                Charts.figure(round.cpuMicros()),
                Charts.figure(round.allocatedBytes()),
                mebibytes(round.walBytes()))));
        results.leftOut(one).forEach((peer, why) -> {
            text.add("");
            text.add("Left out: " + peer + ", `" + why + "`");
        });
        return text;
    }
}
