package dev.sqlitepool.stress;

import dev.sqlitepool.Durability;
import dev.sqlitepool.PoolStats;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.programs.Trial;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;

/**
 * Everything at once for a long time: all forms of work, from threads and from futures, cancelled and timed out now and then, over
 * connections that live for seconds, in pools that are closed under their load and opened again. After each pool the file must say
 * what its users were told.
 */
final class Soak {
    /** What the other processes allow themselves too: where builds run beside, one of them may be kept from the processor for seconds. */
    private static final Duration BUSY_TIMEOUT = Duration.ofSeconds(60);

    /** How much load. */
    record Clients(int threads, int chains, int pauseMillis) {}

    private static final long SAMPLE_NANOS = TimeUnit.MILLISECONDS.toNanos(100);
    private static final long STILL_NANOS = TimeUnit.SECONDS.toNanos(30);
    private static final int END_SECONDS = 60;
    private static final int[] SIZES = {10, 4, 1, 2};
    private static final long[] WAL_LIMITS_MIB = {1, 64};
    private static final Duration[] GRACES = {Duration.ofSeconds(5), Duration.ZERO, Duration.ofMillis(50)};

    private final Trial trial;
    private final Path database;
    private final Clients clients;
    private final double seconds;
    private final Ledger ledger = new Ledger();
    private final Tally tally;
    private final ScheduledThreadPoolExecutor timer;
    private long start;

    private int pools;
    private long hanging;
    private long opened;
    private long closed;
    private long live;
    private long busyRetries;
    private final List<String> threadsLeft = new ArrayList<>();
    private long filesLeft;
    private long largestWal;
    private long stillNanos;
    private long longestCloseNanos;
    private String integrity = "ok";
    private long wrongTotals;

    Soak(Trial trial, Path database, Clients clients, double seconds) throws SQLException {
        this.trial = trial;
        this.database = database;
        this.clients = clients;
        this.seconds = seconds;
        this.tally = new Tally(trial.out());
        this.timer = new ScheduledThreadPoolExecutor(2, body -> {
            Thread thread = Executors.defaultThreadFactory().newThread(body);
            thread.setDaemon(true);
            return thread;
        });
        timer.setRemoveOnCancelPolicy(true);
        try (Connection connection = Bank.connect(database);
                Statement statement = connection.createStatement()) {
            statement.execute("PRAGMA journal_mode = WAL");
            for (String sql : Bank.SCHEMA) {
                statement.execute(sql);
            }
        }
    }

    static void run(Trial trial) throws Exception {
        double seconds = trial.number(0, 20, 0.05) * 60;
        Soak soak = new Soak(trial, trial.directory().resolve("soak.db"), new Clients(16, 48, 0), seconds);
        soak.run(true);
        soak.conclude(true);
    }

    /**
     * Runs pool after pool.
     *
     * @param alone whether nobody else has the file open, so that it must be alone after each pool
     */
    void run(boolean alone) throws Exception {
        start = System.nanoTime();
        double each = Math.min(60, seconds / 4);
        trial.out()
                .printf(
                        Locale.ROOT,
                        "%s, %.1f minutes, %d threads and %d chains of futures, a new pool each %.1f s%n",
                        Trial.machine(),
                        seconds / 60,
                        clients.threads(),
                        clients.chains(),
                        each);
        while (elapsed() < seconds) {
            runPool(Math.min(each, Math.max(seconds - elapsed(), 0.1)), alone);
            prove();
        }
        timer.shutdownNow();
    }

    private double elapsed() {
        return (System.nanoTime() - start) / 1e9;
    }

    private void runPool(double length, boolean alone) throws Exception {
        int number = pools++;
        String name = "soak-" + number + "-end";
        long nanos = (long) (length * 1e9);
        SqlitePool pool = SqlitePool.builder()
                .databasePath(database)
                .name(name)
                .poolSize(SIZES[number % SIZES.length])
                .durability(number % 5 == 4 ? Durability.NORMAL : Durability.FULL)
                .maxConnectionAge(Duration.ofNanos(Math.min(2_000_000_000, nanos / 3)))
                .maxIdleTime(Duration.ofMillis(50))
                .healthCheckInterval(Duration.ofMillis(100))
                .closeGrace(GRACES[number % GRACES.length])
                .walSizeLimit(WAL_LIMITS_MIB[number / 2 % WAL_LIMITS_MIB.length] << 20)
                .busyTimeout(BUSY_TIMEOUT)
                .build();
        long begun = System.nanoTime();
        Mix mix = new Mix(pool, ledger, tally, timer);
        Load load = new Load(mix, timer, () -> pauseNanos(begun, nanos), clients.threads(), clients.chains());
        watch(pool, begun + nanos);
        long closing = System.nanoTime();
        mix.close();
        longestCloseNanos = Math.max(longestCloseNanos, System.nanoTime() - closing);
        hanging += load.awaitEnd(END_SECONDS);
        PoolStats stats = pool.stats();
        opened += stats.opened();
        closed += stats.closed().values().stream().mapToLong(count -> count).sum();
        live += stats.live() + stats.waiting();
        busyRetries += stats.busyRetries();
        threadsLeft.addAll(threadsLeft(name));
        if (alone) {
            filesLeft += Files.exists(wal()) || Files.exists(Path.of(database + "-shm")) ? 1 : 0;
        }
    }

    /**
     * How long a client pauses now. There are lulls, in which all clients are silent at the same time for long enough that the pool closes
     * all its connections.
     */
    private long pauseNanos(long begun, long length) {
        ThreadLocalRandom random = ThreadLocalRandom.current();
        long period = Math.min(4_000_000_000L, length / 2);
        boolean lull = (System.nanoTime() - begun) % period < period / 4;
        return lull
                ? random.nextLong(period / 12, period / 5)
                : TimeUnit.MILLISECONDS.toNanos(random.nextInt(clients.pauseMillis() + 1));
    }

    /** The threads of a closed pool: one that has done its last may need a moment to go. */
    private static List<String> threadsLeft(String pool) throws InterruptedException {
        List<String> left = List.of(pool);
        for (int i = 0; i < 100 && !left.isEmpty(); i++) {
            left = Thread.getAllStackTraces().entrySet().stream()
                    .filter(thread -> thread.getKey().getName().startsWith(pool)
                            && thread.getKey().isAlive())
                    .map(thread -> thread.getKey().getName() + " in " + Arrays.toString(thread.getValue()))
                    .toList();
            TimeUnit.MILLISECONDS.sleep(left.isEmpty() ? 0 : 10);
        }
        return left;
    }

    private Path wal() {
        return Path.of(database + "-wal");
    }

    /** Prints a line now and then until the time has come, and looks whether anything still moves. */
    private void watch(SqlitePool pool, long until) throws InterruptedException {
        long print = trial.isShort() ? 500_000_000 : 5_000_000_000L;
        long printed = System.nanoTime();
        long before = tally.operations();
        long moved = before;
        long movedAt = printed;
        for (long now = printed; now - until < 0; now = System.nanoTime()) {
            TimeUnit.NANOSECONDS.sleep(Math.min(SAMPLE_NANOS, Math.max(1, until - now)));
            long wal = size(wal());
            largestWal = Math.max(largestWal, wal);
            long operations = tally.operations();
            if (operations != moved) {
                moved = operations;
                movedAt = now;
            } else if (now - movedAt > stillNanos) {
                stillNanos = now - movedAt;
                if (stillNanos > STILL_NANOS) {
                    trial.out().println("  STILL " + pool.stats());
                }
            }
            if (now - printed >= print) {
                PoolStats stats = pool.stats();
                trial.out()
                        .printf(
                                Locale.ROOT,
                                "%6.0f s  pool %3d  %,8.0f/s  WAL %,6.1f MiB  lanes %2d of %2d, %,5d opened, %,4d waiting  %s%n",
                                elapsed(),
                                pools,
                                (operations - before) * 1e9 / (now - printed),
                                wal / 1048576.0,
                                stats.live(),
                                SIZES[(pools - 1) % SIZES.length],
                                stats.opened(),
                                stats.waiting(),
                                tally.troubles());
                printed = now;
                before = operations;
            }
        }
    }

    private static long size(Path file) {
        try {
            return Files.size(file);
        } catch (IOException e) {
            return 0; // not there at the moment
        }
    }

    /** The pool is closed, and its users were told everything: now the file must agree. */
    private void prove() throws SQLException {
        try (Connection connection = Bank.connect(database)) {
            String found = Bank.text(connection, "PRAGMA integrity_check");
            integrity = integrity.equals("ok") ? found : integrity;
            wrongTotals += Bank.number(connection, Bank.SUM) == Bank.TOTAL ? 0 : 1;
            ledger.prove(connection);
        }
    }

    void conclude(boolean alone) {
        trial.out().println();
        tally.print();
        trial.out().println();
        tally.conclude(trial);
        ledger.conclude(trial);
        trial.check(
                wrongTotals == 0, "after each pool the accounts add up", pools + " pools, " + wrongTotals + " wrong");
        trial.check(integrity.equals("ok"), "PRAGMA integrity_check after each pool", integrity);
        trial.check(hanging == 0, "every operation ended", hanging + " hang");
        trial.check(
                stillNanos < STILL_NANOS,
                "there was always progress",
                String.format(Locale.ROOT, "longest standstill %.1f s", stillNanos / 1e9));
        trial.check(
                opened == closed && live == 0,
                "every connection was closed",
                opened + " opened, " + closed + " closed");
        trial.check(threadsLeft.isEmpty(), "no thread is left after a close", threadsLeft.size() + " left");
        threadsLeft.forEach(thread -> trial.out().println("          " + thread));
        if (alone) {
            trial.check(filesLeft == 0, "no -wal and no -shm is left after a close", filesLeft + " times");
        } else {
            trial.check(busyRetries > 0, "the pool did wait for other processes", busyRetries + " looks at the lock");
        }
        trial.out()
                .printf(
                        Locale.ROOT,
                        "  note    the WAL had %.1f MiB at most; a close took %.1f s at most%n",
                        largestWal / 1048576.0,
                        longestCloseNanos / 1e9);
    }
}
