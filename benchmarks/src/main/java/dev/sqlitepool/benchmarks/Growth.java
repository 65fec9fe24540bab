package dev.sqlitepool.benchmarks;

import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.programs.Trial;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;

/** How the cost of an operation grows with the rows of a table, with those who wait, and with the lanes of a pool. */
final class Growth {
    private final Trial trial;
    private final double seconds;
    private final int rounds;
    private final List<String> csv = new ArrayList<>();
    private final Path charts;

    private Growth(Trial trial) throws IOException {
        this.trial = trial;
        this.seconds = trial.number(0, 1, 0.02);
        this.rounds = (int) trial.number(1, 3, 1);
        Path documentation = trial.isShort() ? trial.directory() : Path.of("docs");
        this.charts = Files.isDirectory(documentation)
                ? Files.createDirectories(documentation.resolve("benchmarks"))
                : trial.directory();
    }

    static void run(Trial trial) throws Exception {
        new Growth(trial).run();
    }

    private void run() throws Exception {
        trial.out().println(new Results(seconds, rounds).machine());
        csv.add("# " + new Results(seconds, rounds).machine());
        csv.add("grows,to,per second,p50 µs,p99 µs");
        rows();
        waiters();
        lanes();
        Files.write(charts.resolve("growth.csv"), csv, StandardCharsets.UTF_8);
        trial.out().println("Written into " + charts.toAbsolutePath());
    }

    private void show(String what, String key, Map<String, Callable<Round>> ways) throws Exception {
        Map<String, Round> medians = Round.alternate(trial.out(), what, rounds, ways);
        List<Charts.Bar> bars = new ArrayList<>();
        medians.forEach((to, round) -> {
            bars.add(new Charts.Bar(to, round.perSecond(), true));
            csv.add(String.format(
                    Locale.ROOT,
                    "%s,\"%s\",%.0f,%.1f,%.1f",
                    key,
                    to,
                    round.perSecond(),
                    round.p50Micros(),
                    round.p99Micros()));
        });
        Files.writeString(
                charts.resolve("growth-" + key + ".svg"),
                Charts.bars(what, "per second", bars),
                StandardCharsets.UTF_8);
    }

    /** Point reads of tables of growing size, 64 clients. */
    private void rows() throws Exception {
        List<SqlitePool> pools = new ArrayList<>();
        Map<String, Callable<Round>> ways = new LinkedHashMap<>();
        try {
            for (int rows = 1_000; rows <= (trial.isShort() ? 10_000 : 10_000_000); rows *= 10) {
                int most = rows;
                SqlitePool pool = SqlitePool.open(trial.directory().resolve("rows-" + rows + ".db"));
                pools.add(pool);
                pool.useTransaction(tx -> {
                            tx.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, value INTEGER, name TEXT)");
                            tx.execute(
                                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
                                            + " INSERT INTO item SELECT i, 0, 'item number ' || i FROM n",
                                    most);
                        })
                        .join();
                ways.put(String.format(Locale.ROOT, "%,d rows", rows), () -> new ClosedLoop(
                                VersusHikari.CLIENTS,
                                Clients.STAGES,
                                0,
                                seconds,
                                client -> pool.queryOne(
                                        Contender.READ,
                                        row -> row.getLong(1),
                                        ThreadLocalRandom.current().nextInt(1, most + 1)))
                        .run());
            }
            show("Point read of a table of so many rows, 64 clients", "rows", ways);
        } finally {
            pools.forEach(SqlitePool::close);
        }
    }

    /** So many transactions are submitted at once; the queue is never full. */
    private void waiters() throws Exception {
        Map<String, Callable<Round>> ways = new LinkedHashMap<>();
        try (PoolContender pool = new PoolContender(
                "waiters",
                Clients.STAGES,
                SqlitePool.builder()
                        .databasePath(trial.directory().resolve("waiters.db"))
                        .maxWaiters(200_000))) {
            for (int waiters = 1; waiters <= (trial.isShort() ? 100 : 100_000); waiters *= 10) {
                int all = waiters;
                ways.put(String.format(Locale.ROOT, "%,d at once", waiters), () -> atOnce(pool, all));
            }
            show("Transactions that are submitted at once", "waiters", ways);
        }
    }

    private static Round atOnce(Contender pool, int all) throws Exception {
        Meter meter = new Meter(1, 0);
        CountDownLatch done = new CountDownLatch(all);
        for (int i = 0; i < all; i++) {
            long begun = System.nanoTime();
            CompletableFuture<?> unused = pool.transaction(1).thenRun(() -> {
                meter.record(1, begun, System.nanoTime());
                done.countDown();
            });
        }
        if (!done.await(ClosedLoop.PATIENCE_SECONDS, TimeUnit.SECONDS)) {
            throw new IllegalStateException(done.getCount() + " transactions have failed, or do not end");
        }
        return meter.end();
    }

    /** Point reads with 64 clients on pools of growing size. */
    private void lanes() throws Exception {
        List<Contender> pools = new ArrayList<>();
        Map<String, Callable<Round>> ways = new LinkedHashMap<>();
        try {
            for (int lanes = 1; lanes <= (trial.isShort() ? 4 : 64); lanes *= 4) {
                Contender pool = new PoolContender(
                        lanes + (lanes == 1 ? " connection" : " connections"),
                        Clients.STAGES,
                        SqlitePool.builder()
                                .databasePath(trial.directory().resolve("lanes-" + lanes + ".db"))
                                .poolSize(lanes));
                pools.add(pool);
                ways.put(pool.name(), () -> new ClosedLoop(
                                VersusHikari.CLIENTS,
                                Clients.STAGES,
                                0,
                                seconds,
                                client -> pool.query(VersusHikari.key()))
                        .run());
            }
            show("Point read through a pool of so many connections, 64 clients", "lanes", ways);
        } finally {
            pools.forEach(Contender::close);
        }
    }
}
