package dev.sqlitepool.benchmarks;

import dev.sqlitepool.PoolConnection;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import dev.sqlitepool.programs.Trial;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.logging.Level;
import java.util.logging.Logger;

/**
 * How large the WAL becomes: clients write as fast as they can, while readers hold snapshots of up to a second that overlap, so that
 * one is open at any time. A checkpoint cannot pass an open snapshot, and the WAL cannot start over while one reads from it: only a
 * writer that waits keeps the file within a limit.
 */
final class WalSize {
    private static final int CLIENTS = 32;
    private static final int ROWS = 2_000;
    private static final int ROWS_WRITTEN = 8;
    /** A row has a page of its own, so a transaction writes its rows' pages and at most one more. */
    private static final int ROW_BYTES = 3_000;

    private static final long FRAME_BYTES = 4096 + 24;
    private static final long TRANSACTION_BYTES = (ROWS_WRITTEN + 1) * FRAME_BYTES;
    private static final long[] LIMITS_MIB = {4, 16, 64};
    private static final int WIDTH = 40;
    private static final String WRITE = "UPDATE page SET content = zeroblob(?), version = version + 1 WHERE id = ?";

    private final Trial trial;
    private final double seconds;
    private final long longestMillis;
    private final long limit;
    private final Path database;
    private final AtomicLong torn = new AtomicLong();
    private long largest;
    private long transactions;

    private WalSize(Trial trial, long limit) {
        this.trial = trial;
        this.seconds = trial.number(0, 30, 0.4);
        this.longestMillis = trial.isShort() ? 50 : 1_000;
        this.limit = limit;
        this.database = trial.directory().resolve("limit-" + (limit >> 20) + ".db");
    }

    static void run(Trial trial) throws Exception {
        trial.out()
                .println(Trial.machine() + "; " + CLIENTS + " clients write transactions of " + ROWS_WRITTEN
                        + " pages; a snapshot is open at any time");
        Logger log = Logger.getLogger("dev.sqlitepool"); // would warn of each wait that is shown here
        log.setLevel(Level.SEVERE);
        try {
            for (long mib : LIMITS_MIB) {
                new WalSize(trial, mib << 20).run();
            }
        } finally {
            log.setLevel(null);
        }
    }

    private void run() throws Exception {
        SqlitePoolBuilder settings = SqlitePool.builder()
                .databasePath(database)
                .pragma("page_size", FRAME_BYTES - 24)
                .walSizeLimit(limit);
        try (SqlitePool pool = settings.build()) { // its one transaction is larger than those that are measured
            pool.useTransaction(tx -> {
                        tx.execute("CREATE TABLE page (id INTEGER PRIMARY KEY, version INTEGER, content BLOB)");
                        tx.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " + ROWS
                                + ") INSERT INTO page SELECT i, 0, zeroblob(" + ROW_BYTES + ") FROM n");
                    })
                    .join();
        }
        Round alone;
        Round read;
        try (SqlitePool pool = settings.build()) {
            heading("without readers");
            alone = measure(pool, seconds / 3);
            heading("with readers");
            AtomicBoolean ended = new AtomicBoolean();
            AtomicInteger snapshots = new AtomicInteger();
            CompletableFuture<Void> readers = hold(pool, new CountDownLatch(1), ended, snapshots);
            read = measure(pool, seconds);
            ended.set(true);
            readers.get(60, TimeUnit.SECONDS);
            trial.out().printf("  %d snapshots, one after the other and overlapping%n", snapshots.get());
            long versions = pool.queryOne("SELECT sum(version) FROM page", row -> row.getLong(1))
                    .join()
                    .orElseThrow();
            trial.out()
                    .printf(
                            Locale.ROOT,
                            "%n%32s %12s %12s %12s %12s%n",
                            "",
                            "per second",
                            "p50 µs",
                            "p99 µs",
                            "max µs");
            alone.print(trial.out(), "without readers");
            read.print(trial.out(), "with readers");
            trial.out().println();
            trial.check(
                    versions == transactions * ROWS_WRITTEN,
                    "every acknowledged transaction is there",
                    String.format(Locale.ROOT, "%,d transactions", transactions));
        }
        trial.check(torn.get() == 0, "no snapshot changed while it was open", torn + " changed");
        String size = String.format(Locale.ROOT, "%.2f MiB at most", largest / 1048576.0);
        trial.check(largest <= limit + TRANSACTION_BYTES, "the WAL stays below its limit and one transaction", size);
        trial.check(!Files.exists(wal()), "no -wal is left after the close", "looked");
    }

    private void heading(String what) {
        trial.out()
                .printf(
                        "%nLimit %d MiB, %s: size of the WAL (full width: twice the limit), transactions per second%n",
                        limit >> 20, what);
    }

    private Path wal() {
        return Path.of(database + "-wal");
    }

    /** Writes with all clients, and draws the size of the WAL meanwhile. */
    private Round measure(SqlitePool pool, double length) throws Exception {
        AtomicLong count = new AtomicLong();
        AtomicBoolean ended = new AtomicBoolean();
        Thread chart = new Thread(() -> draw(length, count, ended), "chart");
        chart.start();
        try {
            Round round = new ClosedLoop(
                            CLIENTS,
                            Clients.STAGES,
                            0,
                            length,
                            client -> pool.useTransaction(tx -> {
                                for (int i = 0; i < ROWS_WRITTEN; i++) {
                                    tx.execute(
                                            WRITE,
                                            ROW_BYTES,
                                            ThreadLocalRandom.current().nextInt(ROWS) + 1);
                                }
                                count.incrementAndGet();
                            }))
                    .run();
            transactions += round.operations();
            return round;
        } finally {
            ended.set(true);
            chart.join();
        }
    }

    private void draw(double length, AtomicLong count, AtomicBoolean ended) {
        double step = Math.max(length / 15, 0.1);
        long start = System.nanoTime();
        long before = 0;
        long peak = 0;
        for (int row = 1; !ended.get(); ) {
            try {
                TimeUnit.MILLISECONDS.sleep(2);
                peak = Math.max(peak, Files.size(wal()));
            } catch (IOException e) {
                continue; // not there yet
            } catch (InterruptedException e) {
                return;
            }
            double elapsed = (System.nanoTime() - start) / 1e9;
            if (elapsed >= row * step) {
                long now = count.get();
                int bar = (int) Math.min(WIDTH, peak * WIDTH / (2 * limit));
                trial.out()
                        .printf(
                                Locale.ROOT,
                                "%7.1f s |%-" + WIDTH + "s| %7.1f MiB %,10.0f/s%n",
                                elapsed,
                                "#".repeat(bar),
                                peak / 1048576.0,
                                (now - before) / step);
                largest = Math.max(largest, peak);
                before = now;
                peak = 0;
                row++;
            }
        }
        largest = Math.max(largest, peak);
    }

    /**
     * Holds a snapshot, and lets it go only when its successor has one, or a second has passed.
     *
     * @param open counted down when this snapshot is open
     * @return completes when this snapshot and all that follow are closed
     */
    private CompletableFuture<Void> hold(
            SqlitePool pool, CountDownLatch open, AtomicBoolean ended, AtomicInteger snapshots) {
        CountDownLatch next = new CountDownLatch(1);
        CompletableFuture<CompletableFuture<Void>> successor = new CompletableFuture<>();
        CompletableFuture<Boolean> same = pool.read(conn -> {
            long first = look(conn);
            open.countDown();
            snapshots.incrementAndGet();
            long millis = ThreadLocalRandom.current().nextLong(longestMillis * 4 / 10, longestMillis * 9 / 10);
            TimeUnit.MILLISECONDS.sleep(millis);
            successor.complete(
                    ended.get() ? CompletableFuture.completedFuture(null) : hold(pool, next, ended, snapshots));
            if (!ended.get()) {
                boolean unused = next.await(longestMillis / 10, TimeUnit.MILLISECONDS);
            }
            return look(conn) == first;
        });
        return same.thenCombine(successor.thenCompose(rest -> rest), (unchanged, rest) -> {
            torn.addAndGet(unchanged ? 0 : 1);
            return null;
        });
    }

    private static long look(PoolConnection connection) throws SQLException {
        return connection
                .queryOne("SELECT sum(version) FROM page", row -> row.getLong(1))
                .orElseThrow();
    }
}
