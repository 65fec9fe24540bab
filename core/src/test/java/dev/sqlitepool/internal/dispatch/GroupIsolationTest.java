package dev.sqlitepool.internal.dispatch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.Durability;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.pool.LanePool;
import dev.sqlitepool.testing.Engines;
import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Logged;
import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.TestClock;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.sqlite.SQLiteErrorCode;
import org.sqlite.SQLiteException;

class GroupIsolationTest {
    @RegisterExtension
    final Logged logged = new Logged("closed without waiting any longer");

    @RegisterExtension
    final Pools pools = new Pools();

    private final TestClock clock = new TestClock();
    private final Engines engines = new Engines();
    private final AtomicInteger commits = engines.calls("commit");

    /** The clock stands still, so groups end only for other reasons than time. */
    private LanePool open(UnaryOperator<SqlitePoolBuilder> more) {
        return open(more, true);
    }

    private LanePool open(UnaryOperator<SqlitePoolBuilder> more, boolean file) {
        SqlitePoolBuilder builder = file
                ? SqlitePool.builder().databasePath(pools.file()).poolSize(3)
                : SqlitePool.builder().inMemory();
        Settings settings = Pools.settings(
                more.apply(builder.healthCheckInterval(Duration.ofDays(1)).closeGrace(Duration.ofSeconds(5))));
        return pools.track(new LanePool(settings, clock, engines), settings.name());
    }

    /** Runs a text until it counts as quick: its effect is undone. */
    private static void warm(LanePool pool, String sql, Object... values) {
        for (int i = 0; i < 5; i++) {
            pool.useTransaction(tx -> {
                        try {
                            if (sql.contains("RETURNING")) {
                                tx.query(sql, row -> row.getInt(1), values);
                            } else {
                                tx.execute(sql, values);
                            }
                        } finally {
                            tx.rollbackOnly();
                        }
                    })
                    .join();
        }
    }

    /** Holds the write lane until the returned gate is opened. */
    private static Gate hold(LanePool pool) {
        Gate gate = new Gate();
        pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        return gate;
    }

    private static int one(LanePool pool, String sql) {
        return pool.queryOne(sql, row -> row.getInt(1)).join().orElseThrow();
    }

    // ---- 2: a failed statement leaves something behind

    @Test
    void aTypeErrorOfAStrictTableLeavesNothingBehind() {
        LanePool pool = open(b -> b);
        pool.execute("CREATE TABLE t (x)").join();
        pool.execute("CREATE TABLE s (x)").join();
        pool.execute("INSERT INTO s VALUES (1), (2), ('a')").join();
        pool.execute("CREATE TABLE u (y INT) STRICT").join();
        String bad = "INSERT INTO u SELECT x FROM s WHERE x <> ?";
        warm(pool, bad, "a");
        warm(pool, "INSERT INTO t VALUES (?)", 1);
        Gate gate = hold(pool);
        CompletableFuture<Long> a = pool.execute("INSERT INTO t VALUES (?)", 1);
        CompletableFuture<Long> b = pool.execute(bad, 99);
        gate.open();
        a.join();
        assertThatThrownBy(b::join).hasMessageContaining("STRICT");
        assertThat(one(pool, "SELECT count(*) FROM u")).isZero();
    }

    @Test
    void aMalformedJsonInTheMiddleLeavesNothingBehind() {
        LanePool pool = open(b -> b);
        pool.execute("CREATE TABLE t (x)").join();
        pool.execute("CREATE TABLE orders (doc)").join();
        pool.execute("INSERT INTO orders VALUES ('[1]'), ('[2]'), ('nope')").join();
        String bad = "INSERT INTO t SELECT e.value FROM orders o, json_each(o.doc) e WHERE ? > 0 AND o.rowid < ?";
        warm(pool, bad, 1, 3);
        warm(pool, "INSERT INTO t VALUES (?)", 1);
        Gate gate = hold(pool);
        CompletableFuture<Long> a = pool.execute("INSERT INTO t VALUES (?)", 100);
        CompletableFuture<Long> b = pool.execute(bad, 1, 99);
        gate.open();
        a.join();
        assertThatThrownBy(b::join).hasMessageContaining("malformed JSON");
        assertThat(one(pool, "SELECT count(*) FROM t")).isEqualTo(1);
    }

    @Test
    void aTriggerThatFailsWithOrFailLeavesNothingBehind() {
        LanePool pool = open(b -> b);
        pool.execute("CREATE TABLE t (x)").join();
        pool.execute("CREATE TABLE l (y UNIQUE)").join();
        pool.execute("INSERT INTO l VALUES (3)").join();
        pool.execute("CREATE TABLE w (x)").join();
        pool.execute("CREATE TRIGGER g BEFORE INSERT ON w BEGIN INSERT OR FAIL INTO l VALUES (1), (2), (new.x); END")
                .join();
        warm(pool, "INSERT INTO w VALUES (?)", 7);
        warm(pool, "INSERT INTO t VALUES (?)", 1);
        Gate gate = hold(pool);
        CompletableFuture<Long> a = pool.execute("INSERT INTO t VALUES (?)", 1);
        CompletableFuture<Long> b = pool.execute("INSERT INTO w VALUES (?)", 3);
        gate.open();
        a.join();
        assertThatThrownBy(b::join).hasMessageContaining("UNIQUE");
        assertThat(one(pool, "SELECT count(*) FROM l")).isEqualTo(1);
    }

    @Test
    void aBatchWhoseSavepointCannotBeReleasedLeavesNothingBehind() {
        LanePool pool = open(b -> b);
        pool.execute("CREATE TABLE t (x)").join();
        warm(pool, "INSERT INTO t VALUES (?)", 1);
        engines.next("release").add(() -> {
            throw new SQLiteException("no memory", SQLiteErrorCode.SQLITE_NOMEM); // as FTS5 may in xRelease
        });
        Gate gate = hold(pool);
        CompletableFuture<Long> a = pool.execute("INSERT INTO t VALUES (?)", 1);
        CompletableFuture<long[]> b =
                pool.executeBatch("INSERT INTO t VALUES (?)", List.<Object[]>of(new Object[] {2}));
        gate.open();
        a.join();
        assertThatThrownBy(b::join).hasMessageContaining("no memory");
        assertThat(one(pool, "SELECT count(*) FROM t WHERE x = 2")).isZero();
    }

    // ---- 1: twice

    /** SQLite rolls the transaction back when SAVEPOINT fails with IOERR, FULL, NOMEM (a virtual table flushes then). */
    @Test
    void afterASavepointThatFailedNothingTakesEffectTwice() {
        LanePool pool = open(b -> b);
        pool.execute("CREATE TABLE t (x)").join();
        pool.execute("CREATE TABLE k (x UNIQUE)").join();
        pool.execute("INSERT INTO k VALUES (1)").join();
        warm(pool, "INSERT INTO t VALUES (?)", 1);
        warm(pool, "INSERT OR ROLLBACK INTO k VALUES (?)", 2);
        AtomicBoolean once = new AtomicBoolean();
        engines.around("savepoint", call -> {
            if (once.compareAndSet(false, true)) {
                call.engine().rollback();
                throw new SQLiteException("disk I/O error", SQLiteErrorCode.SQLITE_IOERR_WRITE);
            }
            return call.proceed();
        });
        Gate gate = hold(pool);
        CompletableFuture<Long> a = pool.execute("INSERT INTO t VALUES (?)", 1);
        CompletableFuture<long[]> b =
                pool.executeBatch("INSERT INTO t VALUES (?)", List.<Object[]>of(new Object[] {2}));
        CompletableFuture<Long> c = pool.execute("INSERT INTO t VALUES (?)", 3);
        CompletableFuture<Long> d = pool.execute("INSERT OR ROLLBACK INTO k VALUES (?)", 1);
        gate.open();
        CompletableFuture.allOf(a, b, c, d).exceptionally(e -> null).join();
        System.err.println("a=" + a + " b=" + b + " c=" + c + " d=" + d);
        assertThat(one(pool, "SELECT count(*) FROM t WHERE x = 3")).isEqualTo(1);
        assertThat(one(pool, "SELECT count(*) FROM t WHERE x = 1")).isEqualTo(1);
    }

    // ---- 4: futures that stay open

    @Test
    void aMapperOfAnotherTaskHoldsUpNobodyWhoIsDone() throws Exception {
        LanePool pool = open(b -> b);
        pool.execute("CREATE TABLE t (x)").join();
        warm(pool, "INSERT INTO t VALUES (?)", 1);
        warm(pool, "INSERT INTO t VALUES (?) RETURNING x", 1);
        Gate gate = hold(pool);
        Gate mapper = new Gate();
        CompletableFuture<Long> a = pool.execute("INSERT INTO t VALUES (?)", 1);
        CompletableFuture<List<Integer>> b = pool.query(
                "INSERT INTO t VALUES (?) RETURNING x",
                row -> {
                    mapper.pass();
                    return row.getInt(1);
                },
                2);
        gate.open();
        mapper.awaitReached();
        try {
            assertThat(a).succeedsWithin(Pools.PATIENCE).isEqualTo(1L);
        } finally {
            mapper.open();
            b.join();
        }
    }

    @Test
    void aMapperMayWaitForAStatementSubmittedBefore() throws Exception {
        LanePool pool = open(b -> b);
        pool.execute("CREATE TABLE t (x)").join();
        warm(pool, "INSERT INTO t VALUES (?)", 1);
        warm(pool, "INSERT INTO t VALUES (?) RETURNING x", 1);
        Gate gate = hold(pool);
        AtomicReference<Exception> stuck = new AtomicReference<>();
        CompletableFuture<Long> a = pool.execute("INSERT INTO t VALUES (?)", 1);
        CompletableFuture<List<Integer>> b = pool.query(
                "INSERT INTO t VALUES (?) RETURNING x",
                row -> {
                    try {
                        a.get(Pools.PATIENCE.toMillis(), TimeUnit.MILLISECONDS); // join() would wait for ever
                    } catch (Exception e) {
                        stuck.set(e);
                    }
                    return row.getInt(1);
                },
                2);
        gate.open();
        b.join();
        assertThat(stuck.get()).isNull();
    }

    @Tag("slow")
    @Test
    void closeByForceLeavesNoFutureOpen() {
        pools.filesMayStay();
        LanePool pool = open(b -> b.closeGrace(Duration.ofMillis(100)));
        pool.execute("CREATE TABLE t (x)").join();
        warm(pool, "INSERT INTO t VALUES (?)", 1);
        warm(pool, "INSERT INTO t VALUES (?) RETURNING x", 1);
        Gate gate = hold(pool);
        Gate mapper = new Gate();
        CompletableFuture<Long> a = pool.execute("INSERT INTO t VALUES (?)", 1);
        CompletableFuture<List<Integer>> b = pool.query(
                "INSERT INTO t VALUES (?) RETURNING x",
                row -> {
                    mapper.pass();
                    return row.getInt(1);
                },
                2);
        gate.open();
        mapper.awaitReached();
        pool.closeAsync().join(); // grace, and the last resort after it
        boolean aDone = a.isDone();
        boolean bDone = b.isDone();
        mapper.open();
        assertThat(bDone).isTrue();
        assertThat(aDone).as("A has ended when the pool is closed").isTrue();
    }

    @Test
    void aMapperRunsOncePerRow() {
        LanePool pool = open(b -> b);
        pool.execute("CREATE TABLE t (x)").join();
        pool.execute("CREATE TABLE k (x UNIQUE)").join();
        pool.execute("INSERT INTO k VALUES (1)").join();
        warm(pool, "INSERT INTO t VALUES (?) RETURNING x", 1);
        warm(pool, "INSERT OR ROLLBACK INTO k VALUES (?)", 2);
        Gate gate = hold(pool);
        AtomicInteger calls = new AtomicInteger();
        CompletableFuture<List<Integer>> a =
                pool.query("INSERT INTO t VALUES (?) RETURNING x", row -> calls.incrementAndGet(), 1);
        CompletableFuture<Long> b = pool.execute("INSERT OR ROLLBACK INTO k VALUES (?)", 1);
        gate.open();
        a.join();
        assertThatThrownBy(b::join).hasMessageContaining("UNIQUE");
        assertThat(one(pool, "SELECT count(*) FROM t")).isEqualTo(1);
        assertThat(calls).hasValue(1);
    }

    @Test
    void anInterruptLeftByAMapperIsNotTheNextOnes() {
        LanePool pool = open(b -> b);
        pool.execute("CREATE TABLE t (x)").join();
        warm(pool, "INSERT INTO t VALUES (?) RETURNING x", 1);
        Gate gate = hold(pool);
        pool.query(
                "INSERT INTO t VALUES (?) RETURNING x",
                row -> {
                    Thread.currentThread().interrupt();
                    return 1;
                },
                1);
        CompletableFuture<List<Boolean>> b = pool.query(
                "INSERT INTO t VALUES (?) RETURNING x",
                row -> Thread.currentThread().isInterrupted(),
                1);
        gate.open();
        assertThat(b.join()).containsExactly(false);
    }

    // ---- 5: not as alone

    @Test
    void inMemoryADeferredKeyOfATemporaryTableIsJudgedAlone() {
        LanePool pool = open(
                b -> b.onConnect(c -> {
                    try (java.sql.Statement s = c.createStatement()) {
                        s.execute("CREATE TEMP TABLE p (id INTEGER PRIMARY KEY)");
                        s.execute("CREATE TEMP TABLE c (p REFERENCES p DEFERRABLE INITIALLY DEFERRED)");
                    }
                }),
                false);
        warm(pool, "INSERT INTO p VALUES (?)", 1);
        pool.execute("INSERT INTO p VALUES (?)", 1).join();
        warm(pool, "INSERT INTO c VALUES (?)", 1);
        Gate second = hold(pool);
        CompletableFuture<Long> child = pool.execute("INSERT INTO c VALUES (?)", 5);
        CompletableFuture<Long> parent = pool.execute("INSERT INTO p VALUES (?)", 5);
        second.open();
        parent.join();
        assertThatThrownBy(child::join).hasMessageContaining("FOREIGN KEY");
    }

    @Test
    void withCaseSensitiveLikeADeferredKeyIsJudgedAlone() {
        LanePool pool = open(b -> b.onConnect(c -> {
            try (java.sql.Statement s = c.createStatement()) {
                s.execute("PRAGMA case_sensitive_like=ON");
            }
        }));
        pool.execute("create table p (id integer primary key)").join();
        pool.execute("create table c (p references p deferrable initially deferred)")
                .join();
        pool.execute("INSERT INTO p VALUES (?)", 1).join();
        warm(pool, "INSERT INTO p VALUES (?)", 2);
        warm(pool, "INSERT INTO c VALUES (?)", 1);
        Gate gate = hold(pool);
        CompletableFuture<Long> child = pool.execute("INSERT INTO c VALUES (?)", 5);
        CompletableFuture<Long> parent = pool.execute("INSERT INTO p VALUES (?)", 5);
        gate.open();
        parent.join();
        assertThatThrownBy(child::join).hasMessageContaining("FOREIGN KEY");
    }

    /** A was done long before its deadline; that B is cancelled later must not make A time out. */
    @Test
    void whoIsRepeatedDoesNotTimeOutBecauseOfTheOther() {
        LanePool pool = open(b -> b.acquireTimeout(Duration.ofSeconds(10)));
        pool.execute("CREATE TABLE t (x)").join();
        String slow = "INSERT INTO t WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
                + " SELECT max(i) FROM n";
        warm(pool, slow, 3);
        warm(pool, "INSERT INTO t VALUES (?)", 1);
        Gate gate = hold(pool);
        CompletableFuture<Long> a = pool.execute("INSERT INTO t VALUES (?)", 1);
        CompletableFuture<Long> b = pool.execute(slow, Long.MAX_VALUE);
        gate.open();
        Pools.await(
                "b runs",
                () -> pool.stats().writeConnections().waiting() == 0
                        && pool.stats().writeConnections().holder().contains("RECURSIVE"));
        clock.pass(Duration.ofSeconds(11)); // b takes 11 s
        assertThat(b.cancel(true)).isTrue();
        assertThat(a.join()).isEqualTo(1);
    }

    // ---- 3: order of acknowledgement

    @Tag("slow")
    @Test
    void withoutAGateAcknowledgementsAreInOrderToo() {
        LanePool pool = open(b -> b.durability(Durability.NORMAL));
        pool.execute("CREATE TABLE t (x)").join();
        warm(pool, "INSERT INTO t VALUES (?)", 1);
        for (int round = 0; round < 200; round++) {
            Gate gate = hold(pool);
            List<CompletableFuture<Boolean>> inOrder = new ArrayList<>();
            CompletableFuture<?> before = CompletableFuture.completedFuture(null);
            for (int i = 0; i < 20; i++) {
                CompletableFuture<?> previous = before;
                CompletableFuture<?> write = i % 5 == 4
                        ? pool.useTransaction(tx -> tx.execute("INSERT INTO t VALUES (1)"))
                        : pool.execute("INSERT INTO t VALUES (?)", 1);
                inOrder.add(write.thenApply(done -> previous.isDone()));
                before = write;
            }
            gate.open();
            assertThat(inOrder).as("round %s", round).allMatch(CompletableFuture::join);
        }
    }

    // ---- robustness

    @Test
    void anExceptionOfTheDriverLosesNoLane() {
        LanePool pool = open(b -> b);
        pool.execute("CREATE TABLE t (x)").join();
        warm(pool, "INSERT INTO t VALUES (?)", 1);
        engines.next("mayGroup").add(() -> {
            throw new IllegalStateException("driver bug");
        });
        Gate gate = hold(pool);
        CompletableFuture<Long> a = pool.execute("INSERT INTO t VALUES (?)", 1);
        CompletableFuture<Long> b = pool.execute("INSERT INTO t VALUES (?)", 2);
        gate.open();
        assertThat(a).succeedsWithin(Pools.PATIENCE);
        b.join();
    }

    private static SQLException unused() {
        return new SQLException();
    }
}
