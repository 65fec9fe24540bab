package dev.sqlitepool.internal.dispatch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.Durability;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.pool.LanePool;
import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Pools;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Single reads that wait share a snapshot, and everybody still reads what was acknowledged to him. */
class SharedSnapshotTest {
    private static final String COUNT = "SELECT count(*) FROM t";

    @RegisterExtension
    final Pools pools = new Pools();

    private final AtomicLong clock = new AtomicLong(Duration.ofHours(1).toNanos());

    /** One read lane, and a clock that counts looks at it: no time passes, and no two moments are the same. */
    private LanePool openWithOneReader() {
        Settings settings = Pools.settings(SqlitePool.builder()
                .databasePath(pools.file())
                .poolSize(2)
                .durability(Durability.NORMAL)
                .healthCheckInterval(Duration.ofDays(1)));
        LanePool pool = pools.track(new LanePool(settings, clock::incrementAndGet, engine -> engine), settings.name());
        pool.execute("CREATE TABLE t (x)").join();
        return pool;
    }

    /**
     * <pre>
     *   read lane                               write lane
     *   (held; A and B wait)
     *   snapshot begins; A looks
     *                                           INSERT, acknowledged
     *   C is submitted
     *   B shares A's snapshot: 0 rows
     *   C has a snapshot of its own: 1 row
     * </pre>
     */
    @Test
    void aSnapshotIsSharedByReadsSubmittedBeforeItAndByNoneAfter() {
        LanePool pool = openWithOneReader();
        Gate gate = new Gate();
        CompletableFuture<Void> holder = pool.useRead(c -> gate.pass());
        gate.awaitReached();
        AtomicReference<CompletableFuture<List<Integer>>> later = new AtomicReference<>();
        CompletableFuture<List<Integer>> a = pool.query(COUNT, row -> {
            pool.execute("INSERT INTO t VALUES (1)").join();
            later.set(pool.query(COUNT, r -> r.getInt(1)));
            return row.getInt(1);
        });
        CompletableFuture<List<Integer>> b = pool.query(COUNT, row -> row.getInt(1));
        gate.open();
        holder.join();
        assertThat(a.join()).containsExactly(0);
        assertThat(b.join()).containsExactly(0);
        assertThat(later.get().join()).containsExactly(1);
    }

    @Test
    void anErrorEndsTheSharing() {
        LanePool pool = openWithOneReader();
        Gate gate = new Gate();
        CompletableFuture<Void> holder = pool.useRead(c -> gate.pass());
        gate.awaitReached();
        CompletableFuture<List<Integer>> a = pool.query(COUNT, row -> {
            pool.execute("INSERT INTO t VALUES (1)").join();
            throw new IllegalStateException("mapper's own");
        });
        CompletableFuture<List<Integer>> b = pool.query(COUNT, row -> row.getInt(1));
        CompletableFuture<List<Integer>> wrong = pool.query("SELECT x FROM nowhere", row -> row.getInt(1));
        CompletableFuture<List<Integer>> c = pool.query(COUNT, row -> row.getInt(1));
        gate.open();
        holder.join();
        assertThatThrownBy(a::join).hasMessageContaining("mapper's own");
        assertThat(b.join()).containsExactly(1);
        assertThatThrownBy(wrong::join).hasMessageContaining("no such table");
        assertThat(c.join()).containsExactly(1);
    }

    /** Reads that wait behind a holder, of which the first writes before it ends; how many have not seen that. */
    private long readsThatShare(LanePool pool, int reads, Runnable inFirst) {
        Gate gate = new Gate();
        CompletableFuture<Void> holder = pool.useRead(c -> gate.pass());
        gate.awaitReached();
        List<CompletableFuture<List<Integer>>> all = new ArrayList<>();
        all.add(pool.query(COUNT, row -> {
            pool.execute("INSERT INTO t VALUES (1)").join();
            inFirst.run();
            return row.getInt(1);
        }));
        for (int i = 1; i < reads; i++) {
            all.add(pool.query(COUNT, row -> row.getInt(1)));
        }
        gate.open();
        holder.join();
        return all.stream().filter(each -> each.join().equals(List.of(0))).count();
    }

    @Test
    void aSnapshotIsSharedByALimitedNumberOfReads() {
        assertThat(readsThatShare(openWithOneReader(), 70, () -> {})).isEqualTo(64);
    }

    @Test
    void aSnapshotIsSharedForALimitedTime() {
        Runnable later = () -> clock.addAndGet(Duration.ofMillis(1).toNanos());
        assertThat(readsThatShare(openWithOneReader(), 3, later)).isEqualTo(1);
    }

    @Test
    void codeNeverShares() {
        LanePool pool = openWithOneReader();
        Gate gate = new Gate();
        CompletableFuture<Void> holder = pool.useRead(c -> gate.pass());
        gate.awaitReached();
        CompletableFuture<List<Integer>> a = pool.query(COUNT, row -> {
            pool.execute("INSERT INTO t VALUES (1)").join();
            return row.getInt(1);
        });
        CompletableFuture<Integer> code =
                pool.read(c -> c.queryOne(COUNT, row -> row.getInt(1)).orElseThrow());
        gate.open();
        holder.join();
        assertThat(a.join()).containsExactly(0);
        assertThat(code.join()).isEqualTo(1);
    }

    /** Read your writes: whatever lane reads, and however busy the lanes are. */
    @Tag("slow")
    @Test
    void whatWasAcknowledgedIsSeenByEveryReadSubmittedAfter() {
        SqlitePool pool = pools.open(b -> b.poolSize(3).durability(Durability.NORMAL));
        pool.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)").join();
        int clients = 16;
        pool.executeBatch(
                        "INSERT INTO t VALUES (?, 0)",
                        IntStream.range(0, clients)
                                .mapToObj(i -> new Object[] {i})
                                .toList())
                .join();
        AtomicBoolean done = new AtomicBoolean();
        List<CompletableFuture<?>> noise = new ArrayList<>();
        for (int i = 0; i < 32; i++) {
            noise.add(readOn(pool, done));
        }
        List<CompletableFuture<Void>> all = IntStream.range(0, clients)
                .mapToObj(id -> writeThenRead(pool, id, 1))
                .toList();
        all.forEach(CompletableFuture::join);
        done.set(true);
        noise.forEach(CompletableFuture::join);
    }

    private static CompletableFuture<?> readOn(SqlitePool pool, AtomicBoolean done) {
        return pool.query(COUNT, row -> row.getInt(1))
                .thenCompose(rows -> done.get() ? CompletableFuture.completedFuture(null) : readOn(pool, done));
    }

    private static CompletableFuture<Void> writeThenRead(SqlitePool pool, int id, int n) {
        return pool.execute("UPDATE t SET n = ? WHERE id = ?", n, id)
                .thenCompose(rows -> pool.queryOne("SELECT n FROM t WHERE id = ?", row -> row.getInt(1), id))
                .thenCompose(read -> {
                    assertThat(read).hasValue(n);
                    return n == 1_000 ? CompletableFuture.completedFuture(null) : writeThenRead(pool, id, n + 1);
                });
    }

    @Test
    void aSnapshotIsSharedByReadsOfTheMomentInWhichItWasBegun() {
        Settings settings = Pools.settings(SqlitePool.builder()
                .databasePath(pools.file())
                .poolSize(2)
                .durability(Durability.NORMAL)
                .healthCheckInterval(Duration.ofDays(1)));
        LanePool pool = pools.track(new LanePool(settings, () -> 0, engine -> engine), settings.name());
        pool.execute("CREATE TABLE t (x)").join();
        Gate gate = new Gate();
        CompletableFuture<Void> holder = pool.useRead(c -> gate.pass());
        gate.awaitReached();
        CompletableFuture<List<Integer>> a = pool.query(COUNT, row -> {
            pool.execute("INSERT INTO t VALUES (1)").join();
            return row.getInt(1);
        });
        CompletableFuture<List<Integer>> b = pool.query(COUNT, row -> row.getInt(1));
        gate.open();
        holder.join();
        assertThat(a.join()).containsExactly(0);
        assertThat(b.join()).containsExactly(0);
    }
}
