package dev.sqlitepool.internal.log;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sqlitepool.Lease;
import dev.sqlitepool.PoolListener;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.pool.LanePool;
import dev.sqlitepool.testing.Engines;
import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Logged;
import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.Sql;
import dev.sqlitepool.testing.TestClock;
import java.io.SyncFailedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class WalLimitTest {
    private static final long LIMIT = 1 << 18;
    private static final byte[] PAGE = new byte[3_000];

    @RegisterExtension
    final Logged logged = new Logged("has read for", "a checkpoint failed", "writes wait because", "has been replaced");

    @RegisterExtension
    final Pools pools = new Pools();

    private interface Fate {
        void strike(boolean truncate) throws Exception;
    }

    private volatile Fate fate = truncate -> {};
    private final Queue<String> events = new ConcurrentLinkedQueue<>();

    private final Engines engines = new Engines().around("checkpoint", call -> {
        fate.strike((Boolean) call.argument(0));
        return call.proceed();
    });

    private final AtomicInteger passes = engines.calls("checkpoint");
    private final AtomicInteger opened = engines.opened();

    private LanePool open(UnaryOperator<SqlitePoolBuilder> more) {
        Settings settings = Pools.settings(more.apply(SqlitePool.builder()
                .databasePath(pools.file())
                .poolSize(4)
                .walSizeLimit(LIMIT)
                .acquireTimeout(Pools.PATIENCE)
                .closeGrace(Duration.ofSeconds(3))
                .listener(new PoolListener() {
                    @Override
                    public void walLimitReached(long walSize, String reader, Duration held) {
                        events.add(reader);
                    }
                })));
        LanePool pool = pools.track(new LanePool(settings, clock, engines), settings.name());
        pool.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, x)").join();
        return pool;
    }

    private long walSize() {
        try {
            Path wal = pools.file().resolveSibling("test.db-wal");
            return Files.exists(wal) ? Files.size(wal) : 0;
        } catch (java.io.IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private static CompletableFuture<Long> write(SqlitePool pool) {
        return pool.execute("INSERT INTO t (x) VALUES (?)", (Object) PAGE);
    }

    private static long count(SqlitePool pool) {
        return pool.queryOne("SELECT count(*) FROM t", row -> row.getLong(1))
                .join()
                .orElseThrow();
    }

    private static CompletableFuture<Void> reader(SqlitePool pool, Gate gate) {
        CompletableFuture<Void> reader = pool.useRead(conn -> {
            conn.queryOne("SELECT count(*) FROM t", row -> row.getLong(1));
            gate.pass();
        });
        gate.awaitReached();
        return reader;
    }

    private final TestClock clock = TestClock.running();

    private static void pause(long millis) {
        long until = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(millis);
        Pools.await("time has passed", () -> System.nanoTime() - until > 0);
    }

    @Tag("slow")
    @Test
    void aStatementCancelledWhileItWaitsAtTheLimitDoesNotRun() {
        LanePool pool = open(b -> b);
        Gate gate = new Gate();
        CompletableFuture<Void> reader = reader(pool, gate);
        AtomicInteger done = new AtomicInteger();
        CompletableFuture<Void> writer = pool.useConnection(conn -> {
            while (true) {
                conn.execute("INSERT INTO t (x) VALUES (?)", (Object) PAGE);
                done.incrementAndGet();
            }
        });
        Pools.await("waits", () -> !events.isEmpty());
        int before = done.get();
        assertThat(writer.cancel(true)).isTrue();
        gate.open();
        reader.join();
        Pools.awaitIdle(pool);
        assertThat(count(pool)).isEqualTo(before);
    }

    @Tag("slow")
    @Test
    void aConnectionThatWaitsAtTheLimitHasADeadline() {
        LanePool pool = open(b -> b.acquireTimeout(Duration.ofMillis(500)).statementTimeout(Pools.PATIENCE));
        Gate gate = new Gate();
        CompletableFuture<Void> reader = reader(pool, gate);
        CompletableFuture<Void> writer = pool.useConnection(conn -> {
            for (int i = 0; i < 500; i++) {
                conn.execute("INSERT INTO t (x) VALUES (?)", (Object) PAGE);
            }
        });
        Pools.await("waits", () -> !events.isEmpty());
        Pools.await("it has ended, though the reader reads", writer::isDone);
        gate.open();
        reader.join();
        assertThat(writer).isCompletedExceptionally();
    }

    @Tag("slow")
    // 2b ---- deaf to interrupts
    @Test
    void aBlockedCallerThatWaitsAtTheLimitCanBeInterrupted() throws Exception {
        LanePool pool = open(b -> b);
        Gate gate = new Gate();
        CompletableFuture<Void> reader = reader(pool, gate);
        AtomicBoolean ended = new AtomicBoolean();
        Thread caller = new Thread(() -> {
            try {
                pool.blocking().useConnection(conn -> {
                    for (int i = 0; i < 500; i++) {
                        conn.execute("INSERT INTO t (x) VALUES (?)", (Object) PAGE);
                    }
                });
            } catch (SQLException | RuntimeException e) {
                // expected
            }
            ended.set(true);
        });
        caller.start();
        Pools.await("waits", () -> !events.isEmpty());
        caller.interrupt();
        Pools.await("it has ended, though the reader reads", ended::get);
        gate.open();
        reader.join();
        caller.join();
    }

    @Tag("slow")
    @Test
    void transactionsThatUseTemporaryTablesRespectTheLimit() {
        LanePool pool = open(b -> b.acquireTimeout(Duration.ofMillis(500)));
        Gate gate = new Gate();
        CompletableFuture<Void> reader = reader(pool, gate);
        for (int i = 0; i < 300; i++) {
            CompletableFuture<Void> one = pool.useTransaction(tx -> {
                tx.execute("CREATE TEMP TABLE staging (x)");
                tx.execute("INSERT INTO t (x) VALUES (?)", (Object) PAGE);
            });
            if (one.exceptionally(e -> null)
                    .thenApply(v -> one.isCompletedExceptionally())
                    .join()) {
                break;
            }
        }
        long size = walSize();
        gate.open();
        reader.join();
        assertThat(size).isLessThan(LIMIT + 60_000);
    }

    @Tag("slow")
    @Test
    void aConnectionThatWritesWithCommonTableExpressionsRespectsTheLimit() {
        LanePool pool = open(b -> b);
        Gate gate = new Gate();
        CompletableFuture<Void> reader = reader(pool, gate);
        CompletableFuture<Void> writer = pool.useConnection(conn -> {
            for (int i = 0; i < 500; i++) {
                conn.execute("WITH v(x) AS (SELECT ?) INSERT INTO t (x) SELECT x FROM v", (Object) PAGE);
            }
        });
        Pools.await("waits or done", () -> !events.isEmpty() || writer.isDone());
        long size = walSize();
        gate.open();
        reader.join();
        writer.join();
        assertThat(size).isLessThan(LIMIT + 60_000);
    }

    @Tag("slow")
    @Test
    void aConnectionWhoseJdbcStatementIsClosedDoesNotRead() {
        LanePool pool = open(b -> b.maxReadAge(Duration.ofHours(1)));
        Gate gate = new Gate();
        CompletableFuture<Long> work = pool.connection(conn -> {
            Statement statement = conn.jdbc().createStatement();
            ResultSet result = statement.executeQuery("SELECT count(*) FROM t");
            result.next();
            statement.close(); // closes its results, says JDBC
            gate.pass();
            return 1L;
        });
        gate.awaitReached();
        clock.pass(Duration.ofHours(2));
        pool.parts().housekeeper().sweep();
        assertThat(work).isNotDone();
        gate.open();
        assertThat(work.join()).isEqualTo(1);
    }

    @Tag("slow")
    @Test
    void aConnectionThatHasReadAResultToItsEndDoesNotRead() {
        LanePool pool = open(b -> b.maxReadAge(Duration.ofHours(1)));
        Gate gate = new Gate();
        CompletableFuture<Long> work = pool.connection(conn -> {
            Statement statement = conn.jdbc().createStatement();
            ResultSet result = statement.executeQuery("SELECT count(*) FROM t");
            while (result.next()) {}
            gate.pass();
            return 1L;
        });
        gate.awaitReached();
        clock.pass(Duration.ofHours(2));
        pool.parts().housekeeper().sweep();
        assertThat(work).isNotDone();
        gate.open();
        assertThat(work.join()).isEqualTo(1);
    }

    @Tag("slow")
    @Test
    void aPassThatFailsIsNotRepeatedWithEachCommit() {
        LanePool pool = open(b -> b.walSizeLimit(64L << 20));
        fate = truncate -> {
            if (!truncate) {
                throw new SQLException("disk I/O error");
            }
        };
        opened.set(0);
        for (int i = 0; i < 1_000; i++) { // 4 MiB
            pool.transaction(tx -> tx.execute("INSERT INTO t (x) VALUES (?)", (Object) PAGE))
                    .join();
        }
        passes.set(0);
        for (int i = 0; i < 1_000; i++) {
            pool.transaction(tx -> tx.execute("INSERT INTO t (x) VALUES (?)", (Object) PAGE))
                    .join();
        }
        assertThat(passes.get()).isLessThan(10);
    }

    @Test
    void aHoldThatFailsUnexpectedlyDoesNotLoseTheLane() {
        LanePool pool = open(b -> b);
        AtomicBoolean once = new AtomicBoolean();
        fate = truncate -> {
            if (truncate && once.compareAndSet(false, true)) {
                throw new IllegalStateException("a logger, a driver, a wrapper");
            }
        };
        pool.executeBatch(
                        "INSERT INTO t (x) VALUES (?)",
                        IntStream.range(0, 200)
                                .mapToObj(i -> new Object[] {PAGE})
                                .toList())
                .join();
        assertThat(write(pool).exceptionally(e -> -1L).join()).isEqualTo(-1);
        assertThat(write(pool).join()).isEqualTo(1);
    }

    @Test
    void aConnectionWhoseCheckpointCouldNotSyncAcknowledgesNothing() {
        LanePool pool = open(b -> b);
        AtomicInteger after = new AtomicInteger();
        AtomicBoolean failed = new AtomicBoolean();
        fate = truncate -> {
            if (failed.compareAndSet(false, true)) {
                throw new SyncFailedException("EIO");
            }
        };
        pool.useConnection(conn -> {
                    for (int i = 0; i < 300; i++) {
                        conn.execute("INSERT INTO t (x) VALUES (?)", (Object) PAGE);
                        if (failed.get()) {
                            after.incrementAndGet();
                        }
                    }
                })
                .exceptionally(e -> null)
                .join();
        assertThat(failed).isTrue();
        assertThat(after.get()).as("acknowledged after the failed sync").isZero();
    }

    @Tag("slow")
    @Test
    void withAnExternalCheckpointerTheLogStaysWhenLanesAreIdle() {
        LanePool pool = open(b -> b.externalCheckpointer().maxIdleTime(Duration.ofMillis(200)));
        IntStream.range(0, 100).mapToObj(i -> write(pool)).toList().forEach(CompletableFuture::join);
        count(pool);
        long before = walSize();
        Pools.await("all lanes closed", () -> pool.stats().live() == 0);
        assertThat(walSize()).as("the pool is open").isGreaterThanOrEqualTo(before);
    }

    @Tag("slow")
    @Test
    void aReaderOfAnAttachedDatabaseDoesNotHoldUpTheMainOne() throws Exception {
        LanePool pool = open(b -> b);
        Path other = pools.directory().resolve("other.db");
        try (Connection foreign = DriverManager.getConnection("jdbc:sqlite:" + other);
                Statement s = foreign.createStatement()) {
            s.execute("PRAGMA journal_mode=WAL");
            s.execute("CREATE TABLE o (x)");
            foreign.setAutoCommit(false);
            s.executeQuery("SELECT count(*) FROM o").close();
            try (Connection w = DriverManager.getConnection("jdbc:sqlite:" + other);
                    Statement ws = w.createStatement()) {
                ws.execute("INSERT INTO o VALUES (1)");
            }
            CompletableFuture<Void> work = pool.useConnection(conn -> {
                conn.execute("ATTACH '" + other + "' AS other");
                for (int i = 0; i < 300; i++) {
                    conn.execute("INSERT INTO t (x) VALUES (?)", (Object) PAGE);
                }
            });
            boolean done;
            try {
                work.get(Pools.PATIENCE.toMillis(), TimeUnit.MILLISECONDS);
                done = true;
            } catch (java.util.concurrent.TimeoutException e) {
                done = false;
                work.cancel(true);
            }
            foreign.rollback();
            assertThat(done).isTrue();
            pool.close(); // two connections that close at once both take themselves for not the last, and the WAL stays
        }
    }

    @Test
    void readsOfAPoolOfOneAreServedAtTheLimit() throws Exception {
        LanePool pool = open(b -> b.poolSize(1));
        try (Connection foreign = DriverManager.getConnection("jdbc:sqlite:" + pools.file());
                Statement s = foreign.createStatement()) {
            foreign.setAutoCommit(false);
            s.executeQuery("SELECT count(*) FROM t").close();
            pool.executeBatch(
                            "INSERT INTO t (x) VALUES (?)",
                            IntStream.range(0, 200)
                                    .mapToObj(i -> new Object[] {PAGE})
                                    .toList())
                    .join();
            CompletableFuture<Long> read = pool.queryOne("SELECT count(*) FROM t", row -> row.getLong(1))
                    .thenApply(o -> o.orElseThrow());
            boolean failed = read.handle((v, e) -> e != null).join();
            foreign.rollback();
            assertThat(failed).isFalse();
        }
    }

    @Tag("slow")
    @Test
    void theReaderThatIsNamedReads() {
        LanePool pool = open(b -> b);
        Lease idle = pool.acquire().join();
        Gate gate = new Gate();
        CompletableFuture<Void> reader = reader(pool, gate);
        pool.executeBatch(
                        "INSERT INTO t (x) VALUES (?)",
                        IntStream.range(0, 200)
                                .mapToObj(i -> new Object[] {PAGE})
                                .toList())
                .join();
        CompletableFuture<Long> writer = write(pool);
        Pools.await("told", () -> !events.isEmpty());
        gate.open();
        reader.join();
        writer.join();
        idle.release().join();
        assertThat(events).doesNotContain("lease");
    }

    @Test
    void whoKeepsTheWriteLaneAcknowledgesNothingAfterAFailedSync() {
        LanePool pool = open(b -> b.walSizeLimit(1 << 20));
        AtomicBoolean failed = new AtomicBoolean();
        fate = truncate -> {
            if (!truncate && failed.compareAndSet(false, true)) {
                throw new SyncFailedException("EIO");
            }
        };
        AtomicInteger after = new AtomicInteger();
        pool.useConnection(conn -> {
                    for (int i = 0; i < 200; i++) {
                        conn.execute("INSERT INTO t (x) VALUES (?)", (Object) PAGE);
                        if (pool.parts().gate().isBroken()) {
                            after.incrementAndGet();
                        }
                    }
                })
                .exceptionally(e -> null)
                .join();
        assertThat(failed).isTrue();
        assertThat(after.get()).isLessThan(3);
    }

    @Tag("slow")
    @Test
    void aPoolCanBeClosedAtAnyMoment() {
        for (int round = 0; round < 60; round++) {
            LanePool pool = open(b -> b.closeGrace(Duration.ofHours(1))); // which would be too long for the test
            List<CompletableFuture<?>> all = new ArrayList<>();
            for (int i = 0; i < 40 + round * 5; i++) {
                all.add(write(pool));
                if (i % 10 == 0) {
                    all.add(pool.query("SELECT count(*) FROM t", row -> row.getLong(1)));
                }
            }
            if (round % 2 == 0) {
                pause(round % 20);
            }
            pool.close();
            assertThat(all).allMatch(CompletableFuture::isDone);
            assertThat(pool.stats().live()).isZero();
        }
    }

    @Tag("slow")
    @Test
    void aConnectionThatChangedAPragmaRespectsTheLimit() {
        LanePool pool = open(b -> b);
        Gate gate = new Gate();
        CompletableFuture<Void> reader = reader(pool, gate);
        CompletableFuture<Void> writer = pool.useConnection(conn -> {
            conn.execute("PRAGMA cache_size=-4000");
            for (int i = 0; i < 500; i++) {
                conn.execute("INSERT INTO t (x) VALUES (?)", (Object) PAGE);
            }
        });
        Pools.await("waits or done", () -> !events.isEmpty() || writer.isDone());
        long size = walSize();
        gate.open();
        reader.join();
        writer.join();
        assertThat(size).isLessThan(LIMIT + 60_000);
    }

    @Tag("slow")
    @Test
    void aReadTooOldDoesNotEndItsLease() {
        LanePool pool = open(b -> b.maxReadAge(Duration.ofMillis(300)));
        Lease lease = pool.acquire().join();
        assertThat(lease.run(conn -> conn.queryOne(Sql.ENDLESS, row -> 1))
                        .handle((v, e) -> e)
                        .join())
                .isNotNull();
        CompletableFuture<Integer> next = lease.run(conn -> 1);
        Throwable error = next.handle((v, e) -> e).join();
        lease.release().join();
        assertThat(error).isNull();
    }

    // 19
    @Test
    void aPoolThatHasTheFileForItselfWritesAfterAPass() {
        LanePool pool =
                open(b -> b.poolSize(1).pragma("locking_mode", "EXCLUSIVE").busyTimeout(Duration.ofMillis(300)));
        for (int i = 0; i < 300; i++) {
            pool.transaction(tx -> tx.execute("INSERT INTO t (x) VALUES (?)", (Object) PAGE))
                    .join();
        }
        assertThat(count(pool)).isEqualTo(300);
    }

    @Test
    void aCloseWhoseOptimizeFailsClosesAllTheSame() {
        Settings settings =
                Pools.settings(SqlitePool.builder().databasePath(pools.file()).poolSize(2));
        LanePool pool = pools.track(
                new LanePool(settings, System::nanoTime, new Engines().before("optimize", () -> {
                            throw new IllegalStateException("a driver's bug");
                        })),
                settings.name());
        pool.execute("CREATE TABLE t (x)").join();
        pool.close(); // the extension looks for open files
    }

    @Tag("slow")
    @Test
    void afterTheDatabaseWasReplacedTheCheckpointerOpensTheNewOne() throws Exception {
        LanePool pool = open(b -> b.healthCheckInterval(Duration.ofMillis(100)).walSizeLimit(1 << 20));
        for (int i = 0; i < 150; i++) {
            write(pool).join();
        }
        Pools.await("a pass", () -> passes.get() > 0);
        Path fresh = pools.directory().resolve("fresh.db");
        try (Connection c = DriverManager.getConnection("jdbc:sqlite:" + fresh);
                Statement st = c.createStatement()) {
            st.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x)");
        }
        for (String end : List.of("-wal", "-shm")) {
            Files.deleteIfExists(pools.file().resolveSibling("test.db" + end));
        }
        Files.move(fresh, pools.file(), java.nio.file.StandardCopyOption.REPLACE_EXISTING);
        Pools.await("nothing of the old one is open", () -> {
            write(pool).exceptionally(e -> null).join();
            return deletedAndOpen().isEmpty();
        });
        int before = passes.get();
        Pools.await("a pass over the new one", () -> {
            write(pool).join();
            return passes.get() > before;
        });
        assertThat(deletedAndOpen()).isEmpty();
    }

    private List<String> deletedAndOpen() {
        List<String> deleted = new ArrayList<>();
        try (var all = Files.list(Path.of("/proc/self/fd"))) {
            for (Path d : all.toList()) {
                try {
                    String f = Files.readSymbolicLink(d).toString();
                    if (f.startsWith(pools.directory().toString()) && f.contains("deleted")) {
                        deleted.add(f);
                    }
                } catch (java.io.IOException e) {
                    // gone
                }
            }
        } catch (java.io.IOException e) {
            throw new IllegalStateException(e);
        }
        return deleted;
    }

    @Tag("slow")
    @Test
    void aConnectionWhoseReadIsTooOldIsEnded() {
        LanePool pool = open(b -> b.maxReadAge(Duration.ofMillis(300)));
        CompletableFuture<Void> jdbc = pool.useConnection(conn -> {
            try (Statement st = conn.jdbc().createStatement()) {
                st.executeQuery(Sql.ENDLESS);
            }
        });
        assertThat(jdbc.handle((v, e) -> e).join()).isNotNull();
    }
}
