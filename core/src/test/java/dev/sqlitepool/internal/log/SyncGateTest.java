package dev.sqlitepool.internal.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.Durability;
import dev.sqlitepool.Lease;
import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.PoolConnection;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.SqlAction;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.pool.LanePool;
import dev.sqlitepool.testing.Engines;
import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.TestClock;
import java.io.IOException;
import java.nio.file.Files;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Acknowledged is durable: with engines whose syncs the test watches, holds up, and makes fail. */
class SyncGateTest {
    @RegisterExtension
    final Pools pools = new Pools();

    private final TestClock clock = new TestClock();
    private final List<Thread> syncedOn = Collections.synchronizedList(new ArrayList<>());
    private final Engines engines = new Engines();
    private final AtomicInteger syncs = engines.calls("sync");
    /** What happens to the next syncs, one each. */
    private final Queue<Engines.Step> fates = new ConcurrentLinkedQueue<>();

    @BeforeEach
    void watch() {
        engines.before("sync", () -> {
            syncedOn.add(Thread.currentThread());
            Engines.Step fate = fates.poll();
            if (fate != null) {
                fate.run();
            }
        });
    }

    private LanePool open(Durability durability, String journal) {
        Settings settings = Pools.settings(SqlitePool.builder()
                .databasePath(pools.file())
                .poolSize(4)
                .durability(durability)
                .pragma("journal_mode", journal)
                .healthCheckInterval(Duration.ofDays(1))
                .closeGrace(Duration.ofSeconds(10)));
        LanePool pool = pools.track(new LanePool(settings, clock, engines), settings.name());
        pool.execute("CREATE TABLE t (x)").join();
        syncs.set(0);
        syncedOn.clear();
        return pool;
    }

    private static int count(SqlitePool pool) {
        return pool.queryOne("SELECT count(*) FROM t", row -> row.getInt(1))
                .join()
                .orElseThrow();
    }

    /**
     * <pre>
     *   writer                 gate                    reader
     *   COMMIT
     *                          sync …
     *                                                  sees the row: it is committed
     *   not acknowledged
     *                          … done
     *   acknowledged
     * </pre>
     */
    @Test
    void nothingIsAcknowledgedBeforeTheSync() {
        LanePool pool = open(Durability.FULL, "WAL");
        Gate sync = new Gate();
        fates.add(sync::pass);
        CompletableFuture<Long> write = pool.execute("INSERT INTO t VALUES (1)");
        sync.awaitReached();
        assertThat(count(pool)).isEqualTo(1);
        assertThat(write).isNotDone();
        assertThat(write.cancel(true)).isFalse();
        sync.open();
        assertThat(write.join()).isEqualTo(1);
    }

    @Test
    void hooksRunAfterTheSyncAndBeforeTheAcknowledgement() {
        LanePool pool = open(Durability.FULL, "WAL");
        Gate sync = new Gate();
        Gate hook = new Gate();
        fates.add(sync::pass);
        List<String> ran = Collections.synchronizedList(new ArrayList<>());
        CompletableFuture<Void> write = pool.useTransaction(tx -> {
            tx.execute("INSERT INTO t VALUES (1)");
            tx.afterCommit(() -> ran.add("first"));
            tx.afterCommit(hook::pass);
        });
        sync.awaitReached();
        assertThat(ran).isEmpty();
        sync.open();
        hook.awaitReached();
        assertThat(ran).containsExactly("first");
        assertThat(write).isNotDone();
        assertThat(write.cancel(true)).isFalse();
        pool.execute("INSERT INTO t VALUES (2)").join(); // it delays nobody else
        hook.open();
        write.join();
    }

    @Test
    void hooksDoNotRunIfNobodyKnowsWhetherTheCommitIsDurable() {
        LanePool pool = open(Durability.FULL, "WAL");
        fates.add(() -> {
            throw new IOException("the disk is on fire");
        });
        List<String> ran = Collections.synchronizedList(new ArrayList<>());
        CompletableFuture<Void> write = pool.useTransaction(tx -> {
            tx.execute("INSERT INTO t VALUES (1)");
            tx.afterCommit(() -> ran.add("it"));
        });
        assertThatThrownBy(write::join).hasCauseInstanceOf(OutcomeUnknownException.class);
        pool.close();
        assertThat(ran).isEmpty();
    }

    @Test
    void changesAreToldWithTheAcknowledgementAndAlsoIfNobodyKnows() {
        LanePool pool = open(Durability.FULL, "WAL");
        List<Set<String>> told = Collections.synchronizedList(new ArrayList<>());
        pool.changes("t").subscribe(new Flow.Subscriber<>() {
            @Override
            public void onSubscribe(Flow.Subscription subscription) {
                subscription.request(Long.MAX_VALUE);
            }

            @Override
            public void onNext(Set<String> tables) {
                told.add(tables);
            }

            @Override
            public void onError(Throwable error) {}

            @Override
            public void onComplete() {}
        });
        Gate sync = new Gate();
        fates.add(sync::pass);
        CompletableFuture<Long> write = pool.execute("INSERT INTO t VALUES (1)");
        sync.awaitReached();
        assertThat(count(pool)).isEqualTo(1);
        assertThat(told).isEmpty();
        sync.open();
        write.join();
        Pools.await("it is told", () -> told.size() == 1);
        fates.add(() -> {
            throw new IOException("the disk is on fire");
        });
        CompletableFuture<Void> unknown = pool.useTransaction(tx -> tx.execute("INSERT INTO t VALUES (2)"));
        assertThatThrownBy(unknown::join).hasCauseInstanceOf(OutcomeUnknownException.class);
        Pools.await("it is told too", () -> told.size() == 2);
    }

    @Test
    void changesOfAConnectionAreNotToldBeforeTheSyncEither() {
        LanePool pool = open(Durability.FULL, "WAL");
        List<Set<String>> told = Collections.synchronizedList(new ArrayList<>());
        pool.changes("t").subscribe(new Flow.Subscriber<>() {
            @Override
            public void onSubscribe(Flow.Subscription subscription) {
                subscription.request(Long.MAX_VALUE);
            }

            @Override
            public void onNext(Set<String> tables) {
                told.add(tables);
            }

            @Override
            public void onError(Throwable error) {}

            @Override
            public void onComplete() {}
        });
        for (SqlAction<PoolConnection, SQLException> work : List.<SqlAction<PoolConnection, SQLException>>of(
                c -> c.executeScript("BEGIN; INSERT INTO t VALUES (1); COMMIT"),
                c -> c.executeBatch("INSERT INTO t VALUES (?)", List.<Object[]>of(new Object[] {1})))) {
            Gate sync = new Gate();
            fates.add(sync::pass);
            CompletableFuture<Void> write = pool.useConnection(work);
            sync.awaitReached();
            pool.query("SELECT 1", row -> 1).join();
            boolean early = !told.isEmpty();
            sync.open();
            write.join();
            assertThat(early).isFalse();
            Pools.await("told", () -> !told.isEmpty());
            told.clear();
        }
    }

    @Test
    void manyCommitsShareASync() {
        LanePool pool = open(Durability.FULL, "WAL");
        Gate sync = new Gate();
        fates.add(sync::pass);
        List<CompletableFuture<Long>> writes = new ArrayList<>();
        writes.add(pool.execute("INSERT INTO t VALUES (1)"));
        sync.awaitReached();
        List<Integer> tooEarly = Collections.synchronizedList(new ArrayList<>());
        IntStream.range(0, 100).forEach(i -> {
            CompletableFuture<Long> before = writes.get(i);
            CompletableFuture<Long> write = pool.transaction(tx -> tx.execute("INSERT INTO t VALUES (1)"));
            write.thenRun(() -> {
                if (!before.isDone()) {
                    tooEarly.add(i);
                }
            });
            writes.add(write);
        });
        Pools.await("all are committed", () -> count(pool) == 101);
        assertThat(writes).noneMatch(CompletableFuture::isDone);
        sync.open();
        writes.forEach(CompletableFuture::join);
        assertThat(syncs.get()).isLessThanOrEqualTo(3);
        assertThat(tooEarly).isEmpty();
    }

    @Test
    void statementsOfAGroupAreAcknowledgedAfterTheirSyncToo() {
        LanePool pool = open(Durability.FULL, "WAL");
        String insert = "INSERT INTO t VALUES (?)";
        pool.execute(insert, 0).join(); // known to be quick from now on
        Gate lane = new Gate();
        CompletableFuture<Void> before = pool.useConnection(c -> {
            c.execute("BEGIN");
            lane.pass();
            c.execute("ROLLBACK");
        });
        lane.awaitReached();
        List<CompletableFuture<Long>> group = List.of(pool.execute(insert, 1), pool.execute(insert, 2));
        Gate sync = new Gate();
        fates.add(sync::pass);
        lane.open();
        before.join();
        sync.awaitReached();
        assertThat(count(pool)).isEqualTo(3);
        assertThat(group).noneMatch(CompletableFuture::isDone);
        sync.open();
        group.forEach(CompletableFuture::join);
    }

    @Test
    void afterAFailedSyncTheOutcomeIsUnknownAndThePoolRecovers() {
        LanePool pool = open(Durability.FULL, "WAL");
        Gate sync = new Gate();
        fates.add(() -> {
            sync.pass();
            throw new IOException("the disk is on fire");
        });
        CompletableFuture<Long> covered = pool.execute("INSERT INTO t VALUES (1)");
        sync.awaitReached();
        CompletableFuture<Long> behind = pool.execute("INSERT INTO t VALUES (2)");
        Pools.await("both are committed", () -> count(pool) == 2);
        sync.open();
        for (CompletableFuture<Long> write : List.of(covered, behind)) {
            assertThatThrownBy(write::join)
                    .hasCauseInstanceOf(OutcomeUnknownException.class)
                    .hasMessageContaining("could not be synced");
        }
        assertThat(pool.execute("INSERT INTO t VALUES (3)").join()).isEqualTo(1);
        assertThat(pool.stats().closed().get(CloseReason.DISCARDED)).isEqualTo(1);
        assertThat(count(pool)).isEqualTo(3); // they had been committed, though nobody could promise it
        assertThat(pools.file().resolveSibling("test.db-wal")).exists();
    }

    /** What is in the log then nobody knows to be on disk; in the database file it is, for SQLite has synced that. */
    @Test
    void afterAFailedSyncTheLogIsEmptiedBeforeAnythingIsWritten() throws Exception {
        LanePool pool = open(Durability.FULL, "WAL");
        pool.query("SELECT 1", row -> row.getInt(1)).join(); // a lane that keeps the log when the writer's is closed
        pool.execute("INSERT INTO t VALUES (zeroblob(200000))").join();
        fates.add(() -> {
            throw new IOException("the disk is gone");
        });
        CompletableFuture<Long> unknown = pool.execute("INSERT INTO t VALUES (2)");
        assertThatThrownBy(unknown::join).hasCauseInstanceOf(OutcomeUnknownException.class);
        pool.execute("INSERT INTO t VALUES (3)").join();
        assertThat(Files.size(pools.directory().resolve("test.db-wal"))).isLessThan(50_000);
        assertThat(count(pool)).isEqualTo(3);
    }

    /** It may commit in ways that the pool does not see, and go on as if the commit were durable. */
    @Test
    void inConnectionsAndLeasesSqliteSyncsTheCommitOfASingleStatementByItself() {
        LanePool pool = open(Durability.FULL, "WAL");
        pool.useConnection(c -> {
                    c.execute("INSERT INTO t VALUES (1)");
                    assertThat(c.queryOne("PRAGMA synchronous", row -> row.getInt(1)))
                            .hasValue(2);
                    c.execute(
                            "ATTACH ? AS other",
                            pools.directory().resolve("other.db").toString());
                    assertThat(c.queryOne("PRAGMA other.synchronous", row -> row.getInt(1)))
                            .hasValue(2);
                })
                .join();
        Lease lease = pool.acquire().join();
        lease.run(c -> c.execute("INSERT INTO t VALUES (2)")).join();
        lease.release().join();
        assertThat(syncs).hasValue(0);
        assertThat(pool.execute("INSERT INTO t VALUES (3)").join()).isEqualTo(1);
        assertThat(syncs).hasValue(1); // and then the gate does again
    }

    @Test
    void everythingThatWritesAsDataPassesTheGate() {
        LanePool pool = open(Durability.FULL, "WAL");
        String with = "WITH n(i) AS (VALUES (1)) INSERT INTO t SELECT i FROM n RETURNING x";
        pool.execute("CREATE VIRTUAL TABLE f USING fts4 (x)").join();
        pool.execute("INSERT INTO f VALUES ('a')").join();
        pool.execute("INSERT INTO f VALUES ('b')").join();
        List<Runnable> ways = List.of(
                () -> pool.query("SELECT optimize(f) FROM f LIMIT 1", row -> row.getString(1))
                        .join(),
                () -> pool.query(with, row -> row.getInt(1)).join(),
                () -> pool.query(with, row -> row.getInt(1)).join(), // its text is known now
                () -> pool.queryOne("INSERT INTO t VALUES (1) RETURNING x", row -> row.getInt(1))
                        .join(),
                () -> pool.execute(with).join(),
                () -> pool.executeBatch("INSERT INTO t VALUES (?)", List.of(new Object[] {1}, new Object[] {2}))
                        .join(),
                () -> pool.execute("PRAGMA user_version = 7").join(),
                () -> pool.execute("VACUUM").join(),
                () -> pool.execute("CREATE TABLE u (x)").join(),
                () -> pool.useTransaction(tx -> tx.execute("INSERT INTO t VALUES (1)"))
                        .join());
        for (int i = 0; i < ways.size(); i++) {
            int before = syncs.get();
            ways.get(i).run();
            assertThat(syncs.get()).as("way %s", i).isEqualTo(before + 1);
        }
        int before = syncs.get();
        pool.useTransaction(tx -> {
                    tx.execute("INSERT INTO t VALUES (1)");
                    tx.rollbackOnly();
                })
                .join();
        assertThatThrownBy(() -> pool.execute("INSERT INTO nowhere VALUES (1)").join())
                .hasMessageContaining("no such table");
        assertThat(syncs).hasValue(before); // nothing was committed
    }

    @Test
    void anInterruptedCallerSyncsAllTheSame() throws Exception {
        LanePool pool = open(Durability.FULL, "WAL");
        pool.blocking().useTransaction(tx -> {
            tx.execute("INSERT INTO t VALUES (1)");
            Thread.currentThread().interrupt();
        });
        assertThat(Thread.interrupted()).isTrue();
        assertThat(count(pool)).isEqualTo(1);
    }

    /** With the last connection the WAL goes, and the sync would not find it. */
    @Test
    void whatWaitsAtTheGateIsOnDiskBeforeAWorkCanCloseTheConnection() {
        LanePool pool = pools.track(
                new LanePool(
                        Pools.settings(SqlitePool.builder()
                                .databasePath(pools.file())
                                .poolSize(1)
                                .closeGrace(Duration.ofSeconds(10))),
                        System::nanoTime,
                        engines),
                "unwrap");
        pool.execute("CREATE TABLE t (x)").join();
        Gate sync = new Gate();
        fates.add(sync::pass);
        CompletableFuture<Long> write = pool.execute("INSERT INTO t VALUES (1)");
        sync.awaitReached();
        CompletableFuture<Void> close = pool.useConnection(
                conn -> conn.jdbc().unwrap(org.sqlite.SQLiteConnection.class).close());
        sync.open();
        assertThat(write.join()).isEqualTo(1);
        close.exceptionally(e -> null).join();
        assertThat(count(pool)).isEqualTo(1);
    }

    /** Stages may be slow; only the disk may hang. */
    @Test
    void slowStagesHoldUpNeitherTheNextSyncNorAnOutcome() {
        LanePool pool = open(Durability.FULL, "WAL");
        Gate stage = new Gate();
        Gate sync = new Gate();
        fates.add(sync::pass);
        CompletableFuture<Void> slow = pool.execute("INSERT INTO t VALUES (1)").thenRun(stage::pass);
        sync.open(); // not before the stage is there, or it would run here
        stage.awaitReached();
        List<CompletableFuture<Long>> others = IntStream.range(0, 50)
                .mapToObj(i -> pool.execute("INSERT INTO t VALUES (2)"))
                .toList();
        others.forEach(CompletableFuture::join);
        assertThat(slow).isNotDone();
        stage.open();
        slow.join();
    }

    /** What needs no sync is settled by the thread that has the lane, and it must not take the lane along into a stage. */
    @Test
    void withoutASyncASlowStageHoldsUpNeitherTheLaneNorAnOutcome() {
        LanePool pool = open(Durability.NORMAL, "WAL");
        Gate lane = new Gate();
        CompletableFuture<Void> holder = pool.useTransaction(tx -> lane.pass());
        lane.awaitReached();
        Gate stage = new Gate();
        CompletableFuture<Void> slow = pool.useTransaction(tx -> tx.execute("INSERT INTO t VALUES (1)"))
                .whenComplete((nothing, error) -> stage.pass());
        List<CompletableFuture<Void>> behind = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            behind.add(pool.useTransaction(tx -> tx.execute("INSERT INTO t VALUES (2)")));
        }
        lane.open();
        stage.awaitReached();
        behind.forEach(CompletableFuture::join);
        assertThat(slow).isNotDone();
        stage.open();
        slow.join();
        assertThat(holder).isDone();
        assertThat(syncs).hasValue(0);
    }

    /** Threads take the lane from each other here, since some stages take longer than a tick of the timer. */
    @Tag("slow")
    @ParameterizedTest
    @EnumSource
    void outcomesAreAcknowledgedInTheOrderOfTheCommits(Durability durability) {
        LanePool pool = open(durability, "WAL");
        Gate lane = new Gate();
        CompletableFuture<Void> holder = pool.useTransaction(tx -> lane.pass());
        lane.awaitReached();
        List<CompletableFuture<Boolean>> inOrder = new ArrayList<>();
        CompletableFuture<Void> before = holder;
        for (int i = 0; i < 600; i++) {
            long pause = i % 40 == 0 ? 4_000_000 : 0;
            CompletableFuture<Void> previous = before;
            CompletableFuture<Void> write = pool.useTransaction(tx -> tx.execute("INSERT INTO t VALUES (1)"));
            inOrder.add(write.thenApply(nothing -> {
                boolean done = previous.isDone();
                LockSupport.parkNanos(pause);
                return done;
            }));
            before = write;
        }
        lane.open();
        assertThat(inOrder).allMatch(CompletableFuture::join);
        assertThat(count(pool)).isEqualTo(600);
    }

    @Test
    void closingWhileTheDiskHangsLeavesNoFutureOpen() {
        pools.filesMayStay();
        LanePool pool = open(Durability.FULL, "WAL");
        Gate sync = new Gate();
        fates.add(sync::pass);
        CompletableFuture<Long> write = pool.execute("INSERT INTO t VALUES (1)");
        sync.awaitReached();
        pool.parts().gate().abandon("the test says so");
        assertThatThrownBy(write::join).hasCauseInstanceOf(OutcomeUnknownException.class);
        sync.open();
        assertThat(pool.execute("INSERT INTO t VALUES (2)").join()).isEqualTo(1);
    }

    @Test
    void whatWaitsForADiskThatDoesNotAnswerIsToldSoAfterHalfAMinute() {
        LanePool pool = open(Durability.FULL, "WAL");
        Gate sync = new Gate();
        fates.add(sync::pass);
        CompletableFuture<Long> write = pool.execute("INSERT INTO t VALUES (1)");
        sync.awaitReached();
        CompletableFuture<Long> behind = pool.execute("INSERT INTO t VALUES (2)");
        Pools.await("committed", () -> count(pool) == 2);
        clock.pass(Duration.ofSeconds(29));
        pool.parts().gate().watch();
        assertThat(write).isNotDone();
        clock.pass(Duration.ofSeconds(2));
        pool.parts().gate().watch();
        for (CompletableFuture<Long> unknown : List.of(write, behind)) {
            assertThatThrownBy(unknown::join)
                    .hasCauseInstanceOf(OutcomeUnknownException.class)
                    .hasMessageContaining("the disk has not answered for 30 s");
        }
        sync.open();
        assertThat(pool.execute("INSERT INTO t VALUES (3)").join()).isEqualTo(1);
        pool.parts().gate().watch();
        assertThat(count(pool)).isEqualTo(3);
    }

    @Test
    void aDiskThatIsIdleDoesNotHang() {
        LanePool pool = open(Durability.FULL, "WAL");
        pool.execute("INSERT INTO t VALUES (1)").join();
        pool.parts().gate().drain(); // who has driven has left
        clock.pass(Duration.ofMinutes(1));
        pool.parts().gate().watch();
        assertThat(pool.parts().gate().isBroken()).isFalse();
        assertThat(pool.execute("INSERT INTO t VALUES (2)").join()).isEqualTo(1);
    }

    @Test
    void aLoneBlockingWriterSyncsOnItsOwnThread() throws Exception {
        LanePool pool = open(Durability.FULL, "WAL");
        while (!syncedOn.contains(Thread.currentThread())) {
            pool.blocking().execute("INSERT INTO t VALUES (1)"); // the driver of the set-up may not have left yet
        }
        syncedOn.clear();
        for (int i = 0; i < 10; i++) {
            pool.blocking().execute("INSERT INTO t VALUES (1)");
        }
        assertThat(syncedOn).hasSize(10).containsOnly(Thread.currentThread());
    }

    @Test
    void withoutWalOrWithNormalDurabilitySqliteSyncsByItself() {
        for (LanePool pool : List.of(open(Durability.NORMAL, "WAL"))) {
            pool.execute("INSERT INTO t VALUES (1)").join();
            assertThat(syncs).hasValue(0);
            pool.close();
        }
        pools.file().toFile().delete();
        LanePool pool = open(Durability.FULL, "DELETE");
        pool.execute("INSERT INTO t VALUES (1)").join();
        assertThat(syncs).hasValue(0);
        assertThat(pool.connection(c -> c.queryOne("PRAGMA synchronous", row -> row.getInt(1)))
                        .join())
                .hasValue(2);
    }
}
