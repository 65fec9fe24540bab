package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.internal.pool.TimedPools;
import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Logged;
import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.Sql;
import dev.sqlitepool.testing.TestClock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLTimeoutException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The write-ahead log stays small, whoever reads and however much is written. */
class CheckpointTest {
    private static final long LIMIT = 1 << 18;
    private static final byte[] PAGE = new byte[3_000];

    @RegisterExtension
    final Logged logged = new Logged("has read for", "writes wait because");

    @RegisterExtension
    final Pools pools = new Pools();

    private final Queue<String> events = new ConcurrentLinkedQueue<>();

    private SqlitePool open() {
        SqlitePool pool = pools.open(builder -> builder.walSizeLimit(LIMIT)
                .acquireTimeout(Duration.ofMinutes(5))
                .listener(new PoolListener() {
                    @Override
                    public void walLimitReached(long walSize, String reader, Duration held) {
                        events.add(reader);
                        assertThat(walSize).isGreaterThan(LIMIT);
                    }
                }));
        pool.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x)").join();
        return pool;
    }

    private long walSize() throws Exception {
        Path wal = pools.file().resolveSibling("test.db-wal");
        return Files.exists(wal) ? Files.size(wal) : 0;
    }

    private static CompletableFuture<Long> write(SqlitePool pool) {
        return pool.execute("INSERT INTO t (x) VALUES (?)", (Object) PAGE);
    }

    private static long count(SqlitePool pool) {
        return pool.queryOne("SELECT count(*) FROM t", row -> row.getLong(1))
                .join()
                .orElseThrow();
    }

    @Tag("slow")
    @Test
    void theLogStaysWithinItsLimitWhileMuchIsWritten() throws Exception {
        SqlitePool pool = open();
        long largest = 0;
        for (int round = 0; round < 40; round++) {
            List<CompletableFuture<Long>> writes =
                    IntStream.range(0, 100).mapToObj(i -> write(pool)).toList();
            writes.forEach(CompletableFuture::join);
            largest = Math.max(largest, walSize());
        }
        assertThat(count(pool)).isEqualTo(4_000);
        // a group is the one transaction that may pass the limit
        assertThat(largest).isLessThan(LIMIT + 512 * 3 * 4_096);
        assertThat(pool.stats().checkpoints()).isPositive();
    }

    /**
     * <pre>
     *   reader                         writers
     *   snapshot begins
     *                                  write up to the limit
     *                                  wait: the log cannot shrink past the snapshot
     *   a new reader is not held up
     *   ends
     *                                  the log is emptied; they go on
     * </pre>
     */
    @Tag("slow")
    @Test
    void atTheLimitWritersWaitForTheReaderAndReadersDoNot() throws Exception {
        SqlitePool pool = open();
        Gate gate = new Gate();
        write(pool).join();
        CompletableFuture<Void> reader = pool.useRead(conn -> {
            conn.queryOne("SELECT count(*) FROM t", row -> row.getLong(1));
            gate.pass();
        });
        gate.awaitReached();
        List<CompletableFuture<Long>> writes = new ArrayList<>();
        for (int i = 0; i < 500; i++) {
            writes.add(pool.transaction(tx -> tx.execute("INSERT INTO t (x) VALUES (?)", (Object) PAGE)));
        }
        Pools.await("the writers wait", () -> !events.isEmpty());
        assertThat(events).containsExactly("dev.sqlitepool.CheckpointTest".substring("dev.sqlitepool.".length()));
        assertThat(walSize()).isBetween(LIMIT, LIMIT + 40_000);
        long before = count(pool); // new reads are served
        assertThat(before).isLessThan(500);
        assertThat(count(pool)).isEqualTo(before);
        assertThat(pool.stats().writeConnections().holder()).isNotEmpty();
        gate.open();
        reader.join();
        writes.forEach(CompletableFuture::join);
        assertThat(count(pool)).isEqualTo(501);
        assertThat(walSize()).isLessThan(LIMIT + 40_000);
    }

    @Tag("slow")
    @Test
    void whoKeepsTheWriteLaneIsBoundTooAndCanBeCancelled() throws Exception {
        SqlitePool pool = open();
        Gate gate = new Gate();
        write(pool).join();
        CompletableFuture<Void> reader = pool.useRead(conn -> {
            conn.queryOne("SELECT count(*) FROM t", row -> row.getLong(1));
            gate.pass();
        });
        gate.awaitReached();
        CompletableFuture<Void> endless = pool.useConnection(conn -> {
            while (true) {
                conn.execute("INSERT INTO t (x) VALUES (?)", (Object) PAGE);
            }
        });
        Pools.await("it waits", () -> !events.isEmpty());
        assertThat(walSize()).isBetween(LIMIT, LIMIT + 40_000);
        assertThat(endless.cancel(true)).isTrue();
        gate.open();
        reader.join();
        assertThat(write(pool).join()).isEqualTo(1);
        Lease lease = pool.acquire().join();
        lease.run(conn -> {
                    for (int i = 0; i < 300; i++) {
                        conn.execute("BEGIN");
                        conn.execute("INSERT INTO t (x) VALUES (?)", (Object) PAGE);
                        conn.execute("COMMIT");
                    }
                    return null;
                })
                .join();
        lease.release().join();
        assertThat(walSize()).isLessThan(LIMIT + 40_000);
    }

    @Tag("slow")
    @Test
    void aReadOlderThanItsAgeIsEndedAndTheWritersGoOn() {
        Queue<String> told = new ConcurrentLinkedQueue<>();
        TestClock clock = new TestClock();
        SqlitePool pool = pools.open(clock, builder -> builder.walSizeLimit(LIMIT)
                .maxReadAge(Duration.ofMillis(400))
                .listener(new PoolListener() {
                    @Override
                    public void readTooOld(String reader, Duration held, boolean ended) {
                        told.add(reader + " " + ended);
                    }
                }));
        pool.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x)").join();
        CompletableFuture<?> reader = pool.query("SELECT * FROM (" + Sql.ENDLESS + "), t", row -> 1);
        CompletableFuture<Long> other =
                pool.query("SELECT count(*) FROM t", row -> row.getLong(1)).thenApply(rows -> rows.get(0));
        other.join();
        Pools.await(
                "only the endless one reads",
                () -> pool.stats().readConnections().borrowed() == 1);
        List<CompletableFuture<Long>> writes =
                IntStream.range(0, 500).mapToObj(i -> write(pool)).toList();
        clock.pass(Duration.ofMillis(300));
        Pools.await("it was warned of", () -> told.size() == 1);
        clock.pass(Duration.ofMillis(300));
        writes.forEach(CompletableFuture::join);
        assertThatThrownBy(reader::join)
                .hasCauseInstanceOf(SQLTimeoutException.class)
                .hasMessageContaining("maxReadAge");
        Pools.await("it was told", () -> told.size() >= 2);
        assertThat(told).anyMatch(event -> event.endsWith("false")).anyMatch(event -> event.endsWith("true"));
    }

    @Tag("slow")
    @Test
    void aConnectionThatDoesNotReadHasNoAge() throws Exception {
        TestClock clock = new TestClock();
        SqlitePool pool = pools.open(clock, builder -> builder.maxReadAge(Duration.ofMillis(200)));
        pool.execute("CREATE TABLE t (x)").join();
        Lease idle = pool.acquire().join();
        Gate gate = new Gate();
        CompletableFuture<Long> busy = pool.connection(conn -> {
            conn.queryOne("SELECT count(*) FROM t", row -> row.getLong(1));
            gate.pass();
            return conn.queryOne("SELECT count(*) FROM t", row -> row.getLong(1))
                    .orElseThrow();
        });
        gate.awaitReached();
        Lease reading = pool.acquire().join();
        reading.run(conn -> conn.execute("BEGIN")).join();
        clock.pass(Duration.ofSeconds(1));
        TimedPools.sweep(pool);
        gate.open();
        assertThat(busy.join()).isZero();
        assertThat(idle.run(conn -> 1).join()).isEqualTo(1);
        idle.release().join();
        reading.release().join();
    }

    @Tag("slow")
    @Test
    void externalCheckpointerMeansThatThePoolMakesNone() throws Exception {
        SqlitePool pool = pools.open(builder -> builder.walSizeLimit(LIMIT).externalCheckpointer());
        pool.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x)").join();
        IntStream.range(0, 2_000).mapToObj(i -> write(pool)).toList().forEach(CompletableFuture::join);
        assertThat(walSize()).isGreaterThan(2_000 * 3_000);
        assertThat(pool.stats().checkpoints()).isZero();
        assertThat(pool.connection(conn -> conn.queryOne("PRAGMA wal_autocheckpoint", row -> row.getInt(1)))
                        .join())
                .hasValue(0);
    }

    @Tag("slow")
    @Test
    void aLogThatWasLeftBehindIsCopiedAndShrinks() throws Exception {
        SqlitePool first = pools.open(builder -> builder.externalCheckpointer());
        first.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x)").join();
        IntStream.range(0, 2_000).mapToObj(i -> write(first)).toList().forEach(CompletableFuture::join);
        assertThat(walSize()).isGreaterThan(4 * LIMIT);
        Path copy = pools.directory().resolve("copy.db");
        Files.copy(pools.file(), copy);
        Files.copy(pools.file().resolveSibling("test.db-wal"), copy.resolveSibling("copy.db-wal"));
        SqlitePool second = pools.build(SqlitePool.builder().databasePath(copy).walSizeLimit(LIMIT));
        write(second).join();
        Pools.await("it is small", () -> {
            try {
                return Files.size(copy.resolveSibling("copy.db-wal")) <= LIMIT;
            } catch (java.io.IOException e) {
                return false;
            }
        });
        assertThat(count(second)).isEqualTo(2_001);
    }
}
