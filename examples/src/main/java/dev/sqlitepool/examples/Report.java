package dev.sqlitepool.examples;

import dev.sqlitepool.PoolStats;
import java.io.PrintStream;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/** Prints how a run went. */
final class Report {
    private final PrintStream out;

    Report(PrintStream out) {
        this.out = out;
    }

    void orders(Answers answers, Duration took) {
        double seconds = took.toNanos() / 1e9;
        out.println("Orders");
        line("paid", "%,d", answers.count(Shop.State.PAID));
        line("sold out", "%,d (recorded as refused)", answers.count(Shop.State.SOLD_OUT));
        line("payment declined", "%,d (rolled back)", answers.count(Shop.State.DECLINED));
        line("throughput", "%,.0f orders/s, in %.1f s", answers.count() / seconds, seconds);
        long[] latencies = answers.latencies();
        line(
                "latency",
                "p50 %.1f ms, p99 %.1f ms, max %.1f ms",
                percentile(latencies, 50) / 1e6,
                percentile(latencies, 99) / 1e6,
                percentile(latencies, 100) / 1e6);
    }

    /** The value that this share of the sorted values does not exceed. */
    private static long percentile(long[] sorted, int percent) {
        int rank = (int) Math.ceil(sorted.length * (percent / 100.0));
        return sorted[Math.max(rank, 1) - 1];
    }

    void summaries(Auditors auditors) {
        long taken = auditors.taken();
        line("summaries", taken == 0 ? "none, without readers" : "%,d, each in one snapshot", taken);
    }

    void pool(PoolStats stats) {
        long tasks = Math.max(1, stats.completed() + stats.failed());
        long statements = Math.max(1, stats.statementHits() + stats.statementMisses());
        out.println("Pool " + stats.pool());
        line("tasks", "%,d done, %,d failed (the declined orders)", stats.completed(), stats.failed());
        line(
                "not served",
                "%,d timed out, %,d turned away, %,d cancelled",
                stats.timeouts(),
                stats.refused(),
                stats.cancelled());
        line("connections", "%,d opened, %,d closed%s", stats.opened(), closed(stats), reasons(stats));
        line(
                "per task",
                "%.2f ms waiting for a connection, %.2f ms holding it",
                stats.waitTime().toNanos() / 1e6 / tasks,
                stats.holdTime().toNanos() / 1e6 / tasks);
        line(
                "statements",
                "%,d, %.1f %% of them found prepared",
                statements,
                100.0 * stats.statementHits() / statements);
        line("busy retries", "%,d", stats.busyRetries());
    }

    private static long closed(PoolStats stats) {
        return stats.closed().values().stream().mapToLong(Long::longValue).sum();
    }

    private static String reasons(PoolStats stats) {
        String reasons = stats.closed().entrySet().stream()
                .filter(reason -> reason.getValue() > 0)
                .sorted(Map.Entry.comparingByKey())
                .map(reason -> reason.getValue() + " "
                        + reason.getKey().name().toLowerCase(Locale.ROOT).replace('_', ' '))
                .collect(Collectors.joining(", "));
        return reasons.isEmpty() ? "" : " (" + reasons + ")";
    }

    /** Prints the proof and says whether all of it holds. */
    boolean proof(List<Proof.Line> lines) {
        out.println("Proof");
        for (Proof.Line line : lines) {
            out.printf(
                    Locale.ROOT, "  %-6s  %-37s  %s%n", line.holds() ? "ok" : "FAILED", line.claim(), line.finding());
        }
        long failed = lines.stream().filter(line -> !line.holds()).count();
        out.println(
                failed == 0
                        ? "The proof holds."
                        : "THE PROOF FAILED: " + failed + " of " + lines.size() + " claims are not true.");
        return failed == 0;
    }

    private void line(String title, String format, Object... values) {
        out.printf(Locale.ROOT, "  %-18s", title);
        out.printf(Locale.ROOT, format, values);
        out.println();
    }
}
