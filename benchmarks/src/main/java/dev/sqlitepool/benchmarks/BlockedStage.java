package dev.sqlitepool.benchmarks;

import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.programs.Trial;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
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
        AtomicLong workerWrote = new AtomicLong();
        AtomicLong executorWrote = new AtomicLong();
        ExecutorService elastic = Executors.newCachedThreadPool();
        trial.out()
                .println(Trial.machine() + ", medians of " + rounds + " rounds of " + seconds + " s each; "
                        + VersusHikari.CLIENTS + " clients, single INSERT; the one whose stage blocks is not measured");
        Map<String, Round> medians;
        try (Contender worker = new PoolContender(
                        "on the worker", Clients.STAGES, SqlitePool.builder().databasePath(onWorker));
                Contender executor = new PoolContender(
                        "elastic executor",
                        Clients.STAGES,
                        SqlitePool.builder().databasePath(onExecutor).executor(elastic))) {
            Map<String, Callable<Round>> ways = new LinkedHashMap<>();
            for (boolean blocks : new boolean[] {false, true}) {
                String stage = blocks ? ", one blocks" : ", short stages";
                ways.put(worker.name() + stage, () -> measure(worker, blocks, workerWrote));
                ways.put(executor.name() + stage, () -> measure(executor, blocks, executorWrote));
            }
            medians = Round.alternate(
                    trial.out(), "Futures completed; a stage that blocks takes " + blockedMillis + " ms", rounds, ways);
            trial.out().println();
            for (Contender contender : List.of(worker, executor)) {
                medians.get(contender.name() + ", one blocks")
                        .printRatio(
                                trial.out(),
                                contender.name() + ", ratio",
                                medians.get(contender.name() + ", short stages"));
            }
        } finally {
            elastic.shutdown();
        }
        trial.out().println();
        checkRows(onWorker, workerWrote);
        checkRows(onExecutor, executorWrote);
        if (!trial.isShort()) {
            medians.forEach((way, round) -> trial.check(
                    round.maxMicros() < blockedMillis * 1_000 / 2.0,
                    way + ": nobody waited for a stage",
                    String.format(Locale.ROOT, "at most %.0f ms", round.maxMicros() / 1e3)));
        }
    }

    private void checkRows(Path database, AtomicLong acknowledged) throws SQLException {
        long rows = Contender.events(database);
        trial.check(
                rows == acknowledged.get(),
                "every acknowledged write is there",
                acknowledged + " acknowledged, " + rows + " rows in " + database.getFileName());
    }

    private Round measure(Contender contender, boolean blocks, AtomicLong wrote) throws Exception {
        Round round = new ClosedLoop(VersusHikari.CLIENTS, Clients.STAGES, 1, seconds, client -> {
                    CompletableFuture<?> write = contender.execute(client);
                    return blocks && client == 1 ? write.thenApply(this::block) : write;
                })
                .run();
        wrote.addAndGet(round.operations());
        return round;
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
