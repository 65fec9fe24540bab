package dev.sqlitepool.benchmarks;

import dev.sqlitepool.programs.Trial;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Four slow queries from virtual threads, while another virtual thread sleeps ten milliseconds at a time and looks how late it is. A
 * native call holds the carrier of the virtual thread that makes it, and there are as many carriers as processors: a pool whose SQL runs
 * on its caller freezes all virtual threads.
 */
final class VirtualThreads {
    private static final int JDK = 21;
    private static final double[] QUERY_SECONDS = {0.3, 0.5, 0.75, 1.0};
    private static final long SLEEP_MILLIS = 10;
    private static final long LIMIT_MILLIS = 50;

    private final Trial trial;
    private final Map<String, List<Double>> lateMillis = new LinkedHashMap<>();
    /** How far SQL counts in a second when it is alone. */
    private double countedPerSecond;

    private VirtualThreads(Trial trial) {
        this.trial = trial;
    }

    static void run(Trial trial) throws Exception {
        if (Runtime.version().feature() < JDK) {
            trial.out()
                    .println("Java " + Runtime.version().feature() + " has no virtual threads; start this with JDK "
                            + JDK + " or later.");
            return;
        }
        new VirtualThreads(trial).run((int) trial.number(0, 7, 1));
    }

    private void run(int rounds) throws Exception {
        try (Contender pool = new PoolContender(trial.directory().resolve("ours.db"));
                Contender hikari = JdbcContender.hikari(trial.directory().resolve("theirs.db"))) {
            calibrate(hikari);
            trial.out()
                    .printf("%s; %d queries of 0.3 to 1 s, %d rounds%n", Trial.machine(), QUERY_SECONDS.length, rounds);
            Map<String, Callable<Double>> ways = new LinkedHashMap<>();
            ways.put("no query", () -> worstLateness(List.of()));
            for (Contender contender : List.of(pool, hikari)) {
                ways.put(contender.name(), () -> worstLateness(queries(contender)));
            }
            for (int round = 0; round < rounds; round++) {
                for (Map.Entry<String, Callable<Double>> way : ways.entrySet()) {
                    lateMillis
                            .computeIfAbsent(way.getKey(), key -> new ArrayList<>())
                            .add(way.getValue().call());
                }
                trial.out().print("."); // progress
                trial.out().flush();
            }
            print();
            if (!trial.isShort()) {
                double median = median(lateMillis.get(pool.name()));
                trial.check(
                        median < LIMIT_MILLIS,
                        "sqlitepool holds no carrier: less than " + LIMIT_MILLIS + " ms",
                        String.format(Locale.ROOT, "%.1f ms late", median));
            }
        }
    }

    private void calibrate(Contender contender) throws Exception {
        long steps = 200_000;
        contender.blockingCount(steps);
        long start = System.nanoTime();
        contender.blockingCount(steps);
        double seconds = (System.nanoTime() - start) / 1e9;
        countedPerSecond = steps / seconds * (trial.isShort() ? 0.1 : 1);
    }

    private List<Callable<Boolean>> queries(Contender contender) {
        List<Callable<Boolean>> queries = new ArrayList<>();
        for (double seconds : QUERY_SECONDS) {
            long steps = (long) (seconds * countedPerSecond);
            queries.add(() -> contender.blockingCount(steps) == steps);
        }
        return queries;
    }

    /** Runs queries, and returns by how many milliseconds the sleeper was late at worst meanwhile. */
    private double worstLateness(List<Callable<Boolean>> queries) throws Exception {
        AtomicBoolean ended = new AtomicBoolean();
        CompletableFuture<Void> slept = new CompletableFuture<>();
        CompletableFuture<Double> sleeper = inVirtualThread(() -> sleep(slept, ended));
        slept.join();
        List<CompletableFuture<Boolean>> running = new ArrayList<>();
        for (Callable<Boolean> query : queries) {
            running.add(inVirtualThread(query));
        }
        boolean right = true;
        for (CompletableFuture<Boolean> query : running) {
            right &= query.get(60, TimeUnit.SECONDS);
        }
        if (queries.isEmpty()) {
            TimeUnit.MILLISECONDS.sleep(trial.isShort() ? 50 : 1_000);
        }
        ended.set(true);
        if (!right) {
            throw new IllegalStateException("a query counted wrong");
        }
        return sleeper.get(60, TimeUnit.SECONDS);
    }

    private static double sleep(CompletableFuture<Void> slept, AtomicBoolean ended) throws InterruptedException {
        long worst = 0;
        while (!ended.get()) {
            long due = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(SLEEP_MILLIS);
            TimeUnit.MILLISECONDS.sleep(SLEEP_MILLIS);
            if (slept.isDone()) {
                worst = Math.max(worst, System.nanoTime() - due);
            }
            slept.complete(null);
        }
        return worst / 1e6;
    }

    /** {@code Thread.startVirtualThread}, which JDK 17 does not have. */
    private static <T> CompletableFuture<T> inVirtualThread(Callable<T> body) throws ReflectiveOperationException {
        CompletableFuture<T> result = new CompletableFuture<>();
        Runnable whole = () -> {
            try {
                result.complete(body.call());
            } catch (Throwable e) {
                result.completeExceptionally(e);
            }
        };
        Thread.class.getMethod("startVirtualThread", Runnable.class).invoke(null, whole);
        return result;
    }

    private static double median(List<Double> values) {
        return Round.median(values.stream().mapToDouble(value -> value).toArray());
    }

    private void print() {
        trial.out().printf("%nA virtual thread that sleeps %d ms at a time was late by, ms:%n", SLEEP_MILLIS);
        trial.out().printf("%32s %12s %12s%n", "", "median", "worst");
        lateMillis.forEach((way, late) -> trial.out()
                .printf(
                        Locale.ROOT,
                        "  %-30s %,12.1f %,12.1f%n",
                        way,
                        median(late),
                        late.stream().mapToDouble(value -> value).max().orElse(0)));
    }
}
