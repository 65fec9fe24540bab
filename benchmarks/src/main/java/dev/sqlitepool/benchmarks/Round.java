package dev.sqlitepool.benchmarks;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.ToDoubleFunction;
import org.HdrHistogram.Histogram;

/**
 * What one round measured, or the median of several, column by column. What could not be measured is {@code NaN}.
 *
 * @param operations how many were acknowledged, those that were not measured too
 * @param slowestShare what the slowest client got, of what each would have got if all had got the same
 * @param cpuMicros processor time of the process for each operation, the clients' included
 * @param allocatedBytes memory that was allocated for each operation, the clients' included
 * @param walBytes size of the log beside the database when the round had ended; see {@link #withWal}
 */
record Round(
        long operations,
        double perSecond,
        double p50Micros,
        double p99Micros,
        double p999Micros,
        double maxMicros,
        double slowestShare,
        double cpuMicros,
        double allocatedBytes,
        double walBytes) {

    /** From latencies in nanoseconds. */
    static Round of(
            long operations, Histogram latencies, double seconds, double slowestShare, double cpu, double allocated) {
        if (latencies.getTotalCount() == 0) {
            throw new IllegalStateException("nothing was measured");
        }
        return new Round(
                operations,
                latencies.getTotalCount() / seconds,
                latencies.getValueAtPercentile(50) / 1e3,
                latencies.getValueAtPercentile(99) / 1e3,
                latencies.getValueAtPercentile(99.9) / 1e3,
                latencies.getMaxValue() / 1e3,
                slowestShare,
                cpu,
                allocated,
                Double.NaN);
    }

    /** The same with the size of the log of this database, if it has one now. */
    Round withWal(Path database) throws IOException {
        Path wal = Path.of(database + "-wal");
        double bytes = Files.exists(wal) ? Files.size(wal) : Double.NaN;
        return new Round(
                operations,
                perSecond,
                p50Micros,
                p99Micros,
                p999Micros,
                maxMicros,
                slowestShare,
                cpuMicros,
                allocatedBytes,
                bytes);
    }

    static Round median(List<Round> rounds) {
        return new Round(
                rounds.stream().mapToLong(Round::operations).sum(),
                median(rounds, Round::perSecond),
                median(rounds, Round::p50Micros),
                median(rounds, Round::p99Micros),
                median(rounds, Round::p999Micros),
                median(rounds, Round::maxMicros),
                median(rounds, Round::slowestShare),
                median(rounds, Round::cpuMicros),
                median(rounds, Round::allocatedBytes),
                median(rounds, Round::walBytes));
    }

    private static double median(List<Round> rounds, ToDoubleFunction<Round> column) {
        return median(rounds.stream().mapToDouble(column).toArray());
    }

    static double median(double[] values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        int middle = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }

    /** Thrown by a way that takes no further part. */
    static final class LeftOut extends Exception {
        private static final long serialVersionUID = 1;
    }

    /**
     * Measures several ways of doing the same in alternating rounds, since machines are noisy, and prints the medians. A first round
     * of each warms up and does not count. A way that throws {@link LeftOut} has no median.
     *
     * @return the medians, in the order of the ways
     */
    static Map<String, Round> alternate(PrintStream out, String what, int rounds, Map<String, Callable<Round>> ways)
            throws Exception {
        out.printf("%n%s ", what);
        Map<String, Callable<Round>> left = new LinkedHashMap<>(ways);
        Map<String, List<Round>> measured = new LinkedHashMap<>();
        for (int round = -1; round < rounds; round++) {
            for (String way : List.copyOf(left.keySet())) {
                try {
                    Round result = left.get(way).call();
                    List<Round> mine = measured.computeIfAbsent(way, key -> new ArrayList<>());
                    if (round >= 0) {
                        mine.add(result);
                    }
                } catch (LeftOut e) {
                    left.remove(way);
                    measured.remove(way);
                }
            }
            out.print("."); // progress
            out.flush();
        }
        out.printf("%n%32s %12s %12s %12s %12s%n", "", "per second", "p50 µs", "p99 µs", "max µs");
        Map<String, Round> medians = new LinkedHashMap<>();
        measured.forEach((way, results) -> {
            Round median = median(results);
            medians.put(way, median);
            median.print(out, way);
        });
        return medians;
    }

    void print(PrintStream out, String name) {
        out.printf(
                Locale.ROOT,
                "  %-30s %,12.0f %,12.0f %,12.0f %,12.0f%n",
                name,
                perSecond,
                p50Micros,
                p99Micros,
                maxMicros);
    }

    /** Prints this round as a multiple of another, column by column. */
    void printRatio(PrintStream out, String name, Round other) {
        out.printf(
                Locale.ROOT,
                "  %-30s %10.2f × %10.2f × %10.3f × %10.3f ×%n",
                name,
                perSecond / other.perSecond,
                p50Micros / other.p50Micros,
                p99Micros / other.p99Micros,
                maxMicros / other.maxMicros);
    }
}
