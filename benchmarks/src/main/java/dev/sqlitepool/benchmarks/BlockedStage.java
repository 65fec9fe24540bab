package dev.sqlitepool.benchmarks;

import dev.sqlitepool.SqlitePool;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * 64 clients write through futures, and the dependent stage of one of them blocks, again and again. Whether the others notice, and what
 * it costs to make sure that they do not: a future completed on the worker, with what the worker has still to do left for others to
 * take, beside every future completed on an elastic executor.
 */
final class BlockedStage {
    private static final long BLOCKED_MILLIS = 1_000;

    private final Trial trial;
    private final double seconds;
    private final long blockedMillis;
    private final Map<String, AtomicLong> written = new LinkedHashMap<>();

    private BlockedStage(Trial trial) {
        this.trial = trial;
        this.seconds = trial.number(0, 3, 0.3);
        this.blockedMillis = trial.isShort() ? 100 : BLOCKED_MILLIS;
    }

    static void run(Trial trial) throws Exception {
        new BlockedStage(trial).run((int) trial.number(1, 5, 1));
    }

    private void run(int rounds) throws Exception {
        Path onWorker = trial.directory().resolve("worker.db");
        Path onExecutor = trial.directory().resolve("executor.db");
        ExecutorService elastic = Executors.newCachedThreadPool();
        trial.out()
                .println(VersusHikari.machine() + ", medians of " + rounds + " rounds of " + seconds + " s each; "
                        + VersusHikari.CLIENTS + " clients, single INSERT");
        Map<String, Round> free;
        Map<String, Round> blocked;
        try (Contender worker = new PoolContender(
                        "completed on the worker", SqlitePool.builder().databasePath(onWorker));
                Contender executor = new PoolContender(
                        "completed on an elastic executor",
                        SqlitePool.builder().databasePath(onExecutor).executor(elastic))) {
            List<Contender> both = List.of(worker, executor);
            free = compare("Every stage is short", both, rounds, false);
            blocked = compare(
                    "The stage of one client blocks for " + blockedMillis + " ms; the other "
                            + (VersusHikari.CLIENTS - 1),
                    both,
                    rounds,
                    true);
        } finally {
            elastic.shutdown();
        }
        trial.out().println();
        free.forEach((way, round) -> blocked.get(way).printRatio(trial.out(), way, round));
        trial.out().println("  (the second table as a multiple of the first)");
        trial.out().println();
        for (Path file : List.of(onWorker, onExecutor)) {
            long rows = Contender.events(file);
            long acknowledged = written.get(file.getFileName().toString().replace(".db", ""))
                    .get();
            trial.check(
                    rows == acknowledged, "every acknowledged write is there", rows + " rows in " + file.getFileName());
        }
        if (!trial.isShort()) {
            blocked.forEach((way, round) -> trial.check(
                    round.maxMicros() < blockedMillis * 1_000 / 2.0,
                    way + ": nobody waited for the stage",
                    String.format("at most %.0f ms", round.maxMicros() / 1e3)));
        }
    }

    private Map<String, Round> compare(String what, List<Contender> contenders, int rounds, boolean blocks)
            throws Exception {
        Map<String, Callable<Round>> ways = new LinkedHashMap<>();
        for (Contender contender : contenders) {
            AtomicLong count = written.computeIfAbsent(
                    contender.name().endsWith("worker") ? "worker" : "executor", key -> new AtomicLong());
            ways.put(contender.name(), () -> {
                Round round = new ClosedLoop(VersusHikari.CLIENTS, false, blocks ? 1 : 0, seconds, client -> {
                            CompletableFuture<?> write = contender.execute(client);
                            return blocks && client == 1 ? write.thenApply(this::block) : write;
                        })
                        .run();
                count.addAndGet(round.operations());
                return round;
            });
        }
        return Round.alternate(trial.out(), what, rounds, ways);
    }

    /** What a dependent stage should not do. */
    private Object block(Object value) {
        try {
            TimeUnit.MILLISECONDS.sleep(blockedMillis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return value;
    }
}
