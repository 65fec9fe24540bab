package dev.sqlitepool.internal.session;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.Lease;
import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.PoolConnection;
import dev.sqlitepool.PoolStats;
import dev.sqlitepool.SqlAction;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.pool.LanePool;
import dev.sqlitepool.testing.Engines;
import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.Probe;
import java.io.IOException;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sqlite.SQLiteConnection;

/** Work that commits by itself goes on when the disk has it, and meanwhile others have the write lane. */
class OwnCommitsTest {
    private static final String INSERT = "INSERT INTO t VALUES (?)";

    @RegisterExtension
    final Pools pools = new Pools();

    private final Engines engines = new Engines();
    /** What happens before the next syncs, one each. */
    private final Queue<Engines.Step> fates = engines.next("sync");

    private final AtomicInteger syncs = engines.calls("sync");

    private LanePool pool;

    private void open(int poolSize) {
        Settings settings = Pools.settings(SqlitePool.builder()
                .databasePath(pools.file())
                .poolSize(poolSize)
                .closeGrace(Duration.ofSeconds(10)));
        pool = pools.track(new LanePool(settings, System::nanoTime, engines), settings.name());
        pool.execute("CREATE TABLE t (x)").join();
        syncs.set(0);
    }

    private static int number(PoolConnection c, String sql) throws SQLException {
        return c.queryOne(sql, row -> row.getInt(1)).orElseThrow();
    }

    private long count() {
        return pool.queryOne("SELECT count(*) FROM t", row -> row.getLong(1))
                .join()
                .orElseThrow();
    }

    private static void insert(PoolConnection c, int x) throws SQLException {
        c.execute("BEGIN");
        c.execute(INSERT, x);
        c.execute("COMMIT");
    }

    /**
     * <pre>
     *   connection             gate                    another
     *   BEGIN … COMMIT
     *                          sync …
     *   waits, without a lane                          BEGIN … COMMIT
     *                          … done, sync …
     *   goes on                                        waits
     * </pre>
     */
    @Test
    void othersCommitWhileItWaitsForTheSync() {
        open(3);
        Gate sync = new Gate();
        Gate after = new Gate();
        fates.add(sync::pass);
        CompletableFuture<Void> own = pool.useConnection(c -> {
            insert(c, 1);
            after.pass();
        });
        sync.awaitReached();
        CompletableFuture<Void> ran = new CompletableFuture<>();
        CompletableFuture<Void> other = pool.useTransaction(tx -> {
            tx.execute(INSERT, 2);
            ran.complete(null);
        });
        ran.join();
        assertThat(after.isReached()).isFalse();
        assertThat(own).isNotDone();
        sync.open();
        after.awaitReached();
        after.open();
        CompletableFuture.allOf(own, other).join();
        assertThat(count()).isEqualTo(2);
    }

    @Test
    void manyShareOneSync() {
        open(3);
        Gate sync = new Gate();
        fates.add(sync::pass);
        List<CompletableFuture<Void>> all = new ArrayList<>();
        all.add(pool.useConnection(c -> insert(c, 0)));
        sync.awaitReached();
        for (int i = 1; i < 20; i++) {
            int x = i;
            all.add(pool.useConnection(c -> insert(c, x)));
        }
        Pools.await("all committed", () -> count() == 20);
        sync.open();
        all.forEach(CompletableFuture::join);
        assertThat(syncs.get()).isLessThan(8);
    }

    @Tag("slow")
    @Test
    void everyWayToCommitPassesTheGate() {
        open(3);
        List<SqlAction<PoolConnection, SQLException>> ways = List.of(
                c -> insert(c, 1),
                c -> c.executeScript("BEGIN IMMEDIATE; INSERT INTO t VALUES (1); END TRANSACTION"),
                c -> c.executeBatch(INSERT, List.of(new Object[] {1}, new Object[] {2})),
                c -> {
                    Connection jdbc = c.jdbc();
                    jdbc.setAutoCommit(false);
                    c.execute(INSERT, 1);
                    jdbc.createStatement().executeUpdate("INSERT INTO t VALUES (1)");
                    jdbc.commit();
                },
                c -> {
                    Connection jdbc = c.jdbc();
                    jdbc.setAutoCommit(false);
                    jdbc.createStatement().executeUpdate("INSERT INTO t VALUES (1)");
                    jdbc.setAutoCommit(true);
                },
                c -> {
                    Statement statement = c.jdbc().createStatement();
                    statement.execute("BEGIN");
                    statement.executeUpdate("INSERT INTO t VALUES (1)");
                    statement.execute("COMMIT");
                },
                c -> {
                    Statement statement = c.jdbc().createStatement();
                    statement.addBatch("INSERT INTO t VALUES (1)");
                    statement.addBatch("INSERT INTO t VALUES (2)");
                    statement.executeBatch();
                });
        for (int i = 0; i < ways.size(); i++) {
            int before = syncs.get();
            int way = i;
            pool.useConnection(c -> {
                        ways.get(way).accept(c);
                        assertThat(syncs.get()).as("way %s", way).isEqualTo(before + 1);
                    })
                    .join();
        }
        for (int i = 0; i < ways.size(); i++) {
            int before = syncs.get();
            int way = i;
            Lease lease = pool.acquire().join();
            lease.run(c -> {
                        ways.get(way).accept(c);
                        assertThat(syncs.get()).as("way %s of a lease", way).isEqualTo(before + 1);
                        return null;
                    })
                    .join();
            lease.release().join();
        }
    }

    @Test
    void aRollbackWaitsForNothingAndLeavesNothingToSync() {
        open(3);
        pool.useConnection(c -> {
                    c.execute("BEGIN");
                    c.execute(INSERT, 1);
                    c.execute("ROLLBACK");
                    assertThat(number(c, "SELECT count(*) FROM t")).isZero();
                })
                .join();
        assertThat(syncs).hasValue(0);
    }

    @Test
    void outsideATransactionOfItsOwnSqliteSyncsEachCommitByItself() {
        open(3);
        pool.useConnection(c -> {
                    c.execute(INSERT, 1);
                    assertThat(number(c, "PRAGMA synchronous")).isEqualTo(2);
                })
                .join();
        pool.useConnection(c -> {
                    c.execute("BEGIN");
                    assertThat(number(c, "PRAGMA synchronous")).isEqualTo(1);
                    c.execute("ROLLBACK");
                    c.execute(INSERT, 1);
                    assertThat(number(c, "PRAGMA synchronous")).isEqualTo(2);
                    c.execute("PRAGMA recursive_triggers = ON"); // who knows what else is changed
                    insert(c, 2);
                    c.execute("SAVEPOINT s"); // its RELEASE is a commit, too
                    assertThat(number(c, "PRAGMA synchronous")).isEqualTo(2);
                    c.execute(INSERT, 3);
                    c.execute("RELEASE s");
                })
                .join();
        assertThat(syncs).hasValue(0);
        assertThat(count()).isEqualTo(4);
    }

    @Test
    void aTransactionUnderAResultIsSyncedBySqlite() {
        open(3);
        pool.useConnection(c -> {
                    c.execute("INSERT INTO t VALUES (1), (2)");
                    Statement statement = c.jdbc().createStatement();
                    ResultSet rows = statement.executeQuery("SELECT x FROM t");
                    assertThat(rows.next()).isTrue();
                    c.execute("BEGIN");
                    assertThat(number(c, "PRAGMA synchronous")).isEqualTo(2);
                    rows.close();
                    c.execute("COMMIT");
                })
                .join();
        assertThat(syncs).hasValue(0);
        assertThat(count()).isEqualTo(2);
    }

    @Test
    void aResultThatCommitsAtItsEndIsSyncedBySqliteAndEndsBeforeATransactionBegins() {
        open(3);
        pool.useConnection(c -> {
                    Statement statement = c.jdbc().createStatement();
                    ResultSet rows = statement.executeQuery("INSERT INTO t VALUES (1), (2) RETURNING x");
                    assertThat(rows.next()).isTrue();
                    assertThat(number(c, "PRAGMA synchronous")).isEqualTo(2);
                    assertThat(count()).isZero();
                    c.execute("BEGIN");
                    assertThat(count()).isEqualTo(2);
                    assertThat(syncs).hasValue(0);
                    c.execute("ROLLBACK");
                })
                .join();
        assertThat(count()).isEqualTo(2);
    }

    @Test
    void aCursorThatIsOpenOverTheCommitKeepsTheLane() {
        open(3);
        pool.execute("INSERT INTO t VALUES (1), (2), (3)").join();
        int before = syncs.get();
        pool.useConnection(c -> {
                    c.execute("BEGIN");
                    c.execute(INSERT, 4);
                    ResultSet rows = c.jdbc().createStatement().executeQuery("SELECT x FROM t ORDER BY x");
                    assertThat(rows.next()).isTrue();
                    c.execute("COMMIT");
                    assertThat(syncs).hasValue(before + 1);
                    assertThat(pool.stats().writeConnections().borrowed()).isEqualTo(1);
                    int sum = rows.getInt(1);
                    while (rows.next()) {
                        sum += rows.getInt(1);
                    }
                    assertThat(sum).isEqualTo(10);
                })
                .join();
    }

    @Test
    void theOnlyLaneIsKept() {
        open(1);
        pool.useConnection(c -> {
                    insert(c, 1);
                    assertThat(syncs).hasValue(1);
                    assertThat(number(c, "SELECT last_insert_rowid()")).isEqualTo(1);
                })
                .join();
    }

    @Tag("slow")
    @Test
    void aTransactionOverSeveralWorksOfALeaseIsDurableAfterItsCommit() {
        open(3);
        Lease lease = pool.acquire().join();
        lease.run(c -> c.execute("BEGIN")).join();
        lease.run(c -> c.execute(INSERT, 1)).join();
        assertThat(pool.stats().writeConnections().borrowed()).isEqualTo(1);
        lease.run(c -> c.execute("COMMIT")).join();
        assertThat(syncs).hasValue(1);
        assertThat(pool.stats().writeConnections().borrowed()).isZero();
        assertThat(lease.run(c -> number(c, "SELECT count(*) FROM t")).join()).isEqualTo(1);
        lease.run(c -> {
                    insert(c, 2);
                    insert(c, 3);
                    return null;
                })
                .join();
        lease.release().join();
        assertThat(syncs).hasValue(3);
        assertThat(count()).isEqualTo(3);
    }

    @Tag("slow")
    @Test
    void ofTheLastChangeNobodyIsToldWrongly() {
        open(3);
        pool.useConnection(c -> {
                    c.execute("BEGIN");
                    c.execute(INSERT, 1);
                    assertThat(number(c, "SELECT last_insert_rowid()")).isEqualTo(1);
                    c.execute("COMMIT");
                    for (String asks : List.of("last_insert_rowid()", "changes ()", "1 + TOTAL_CHANGES(\n)")) {
                        assertThatThrownBy(() -> number(c, "SELECT " + asks))
                                .isInstanceOf(SQLException.class)
                                .hasMessageContaining("Ask before COMMIT");
                    }
                    assertThat(number(c, "SELECT count(*) AS changes FROM t")).isEqualTo(1);
                    c.execute(INSERT, 2);
                    assertThat(number(c, "SELECT last_insert_rowid()")).isEqualTo(2);
                })
                .join();
        Lease lease = pool.acquire().join();
        lease.run(c -> c.execute(INSERT, 3)).join();
        assertThatThrownBy(() ->
                        lease.run(c -> number(c, "SELECT last_insert_rowid()")).join())
                .hasMessageContaining("RETURNING");
        lease.release().join();
    }

    @Test
    void theDriversConnectionIsNotHandedOutInATransaction() {
        open(3);
        pool.useConnection(c -> {
                    c.execute("BEGIN");
                    c.execute(INSERT, 1);
                    assertThatThrownBy(() -> c.jdbc().unwrap(SQLiteConnection.class))
                            .hasMessageContaining("before the transaction begins");
                    assertThatThrownBy(() -> c.jdbc().createStatement().unwrap(org.sqlite.jdbc4.JDBC4Statement.class))
                            .hasMessageContaining("before the transaction begins");
                    c.execute("ROLLBACK");
                    SQLiteConnection driver = c.jdbc().unwrap(SQLiteConnection.class);
                    c.execute("BEGIN"); // whoever has it may commit: SQLite syncs
                    assertThat(number(c, "PRAGMA synchronous")).isEqualTo(2);
                    c.execute(INSERT, 2);
                    try (Statement statement = driver.createStatement()) {
                        statement.execute("COMMIT");
                    }
                })
                .join();
        assertThat(count()).isEqualTo(1);
    }

    @Test
    void aSyncThatFailsIsAnUnknownOutcomeAndEndsTheWritesOfTheWork() {
        open(3);
        fates.add(() -> {
            throw new IOException("the disk is gone");
        });
        pool.useConnection(c -> assertThatThrownBy(() -> insert(c, 1))
                        .isInstanceOf(OutcomeUnknownException.class)
                        .hasMessageContaining("the disk is gone"))
                .join();
        pool.useConnection(c -> insert(c, 2)).join(); // on a new connection, after a checkpoint
        assertThat(pool.stats().closed().get(PoolStats.CloseReason.DISCARDED)).isEqualTo(1);
        assertThat(count()).isEqualTo(2);
    }

    @Test
    void aSyncThatFailsWhileTheLaneIsKeptIsAnUnknownOutcomeToo() {
        open(1);
        fates.add(() -> {
            throw new IOException("the disk is gone");
        });
        pool.useConnection(c -> {
                    assertThatThrownBy(() -> insert(c, 1)).isInstanceOf(OutcomeUnknownException.class);
                    for (String sql : List.of(
                            "BEGIN",
                            "INSERT INTO t VALUES (3)",
                            "WITH w AS (SELECT 3) INSERT INTO t SELECT * FROM w")) {
                        assertThatThrownBy(() -> c.execute(sql)).as(sql).hasMessageContaining("no longer writes");
                    }
                    assertThat(number(c, "SELECT count(*) FROM t")).isEqualTo(1);
                })
                .join();
        pool.useConnection(c -> insert(c, 2)).join();
        assertThat(pool.stats().closed().get(PoolStats.CloseReason.DISCARDED)).isEqualTo(1);
    }

    /**
     * <pre>
     *   one                    another
     *   BEGIN … COMMIT
     *   waits for the sync     BEGIN, INSERT
     *   … which fails          may neither write nor commit
     *                          ROLLBACK
     * </pre>
     */
    @Test
    void aSyncThatFailsLeavesOthersOnlyTheirRollback() {
        open(3);
        Gate sync = new Gate();
        fates.add(() -> {
            sync.pass();
            throw new IOException("the disk is gone");
        });
        CompletableFuture<Void> one = pool.useConnection(c -> insert(c, 1));
        sync.awaitReached();
        pool.useConnection(c -> {
                    c.execute("BEGIN");
                    c.execute(INSERT, 2);
                    sync.open();
                    assertThatThrownBy(one::join).hasCauseInstanceOf(OutcomeUnknownException.class);
                    for (String sql : List.of("INSERT INTO t VALUES (3)", "COMMIT")) {
                        assertThatThrownBy(() -> c.execute(sql)).as(sql).hasMessageContaining("no longer writes");
                    }
                    c.execute("ROLLBACK");
                })
                .join();
        assertThat(count()).isEqualTo(1);
    }

    @Test
    void changesAreToldAfterTheSyncAndBeforeTheWorkGoesOn() {
        open(3);
        Probe<Set<String>> told = Probe.of(pool.changes("t"), 10);
        List<SqlAction<PoolConnection, SQLException>> ways =
                List.of(c -> insert(c, 1), c -> c.executeBatch(INSERT, List.of(new Object[] {2}, new Object[] {3})));
        for (int i = 0; i < ways.size(); i++) {
            SqlAction<PoolConnection, SQLException> way = ways.get(i);
            int before = i;
            Gate sync = new Gate();
            fates.add(sync::pass);
            CompletableFuture<Void> own = pool.useConnection(c -> {
                way.accept(c);
                told.awaitRows(before + 1);
            });
            sync.awaitReached();
            assertThat(told.count()).isEqualTo(before);
            sync.open();
            own.join();
        }
        assertThat(told.rows()).containsOnly(Set.of("t"));
    }

    @Test
    void oneThatIsCancelledAtTheGateHasCommittedAndGoesNoFurther() {
        open(3);
        Gate sync = new Gate();
        Gate after = new Gate();
        fates.add(sync::pass);
        CompletableFuture<Throwable> end = new CompletableFuture<>();
        CompletableFuture<Void> own = pool.useConnection(c -> {
            insert(c, 1);
            after.pass();
            try {
                c.execute(INSERT, 2);
                end.complete(null);
            } catch (RuntimeException e) {
                end.complete(e);
            }
        });
        sync.awaitReached();
        assertThat(own.cancel(true)).isTrue();
        sync.open();
        after.awaitReached();
        after.open();
        assertThat(end.join()).isInstanceOf(java.util.concurrent.CancellationException.class);
        assertThat(count()).isEqualTo(1);
    }

    @Test
    void aPoolThatClosesWaitsForTheSync() {
        open(3);
        Gate sync = new Gate();
        fates.add(sync::pass);
        CompletableFuture<Void> own = pool.useConnection(c -> insert(c, 1));
        sync.awaitReached();
        CompletableFuture<Void> closed = pool.closeAsync();
        assertThat(closed).isNotDone();
        sync.open();
        own.join();
        closed.join();
    }

    // ---- a lease's commit

    /** A lease with a transaction that has inserted a row. */
    private Lease inserted(int x) {
        Lease lease = pool.acquire().join();
        lease.run(c -> {
                    c.execute("BEGIN");
                    return c.execute(INSERT, x);
                })
                .join();
        return lease;
    }

    @Test
    void leasesThatCommitNeedNoThreadUntilTheDiskHasIt() {
        open(3);
        Gate sync = new Gate();
        fates.add(sync::pass);
        List<CompletableFuture<Void>> commits = new ArrayList<>();
        List<CompletableFuture<Void>> returned = new ArrayList<>();
        for (int x = 0; x < 60; x++) {
            Lease lease = inserted(x);
            commits.add(lease.commit());
            returned.add(lease.release());
        }
        sync.awaitReached();
        Pools.await("all committed", () -> count() == 60);
        assertThat(commits).noneMatch(CompletableFuture::isDone);
        assertThat(returned).noneMatch(CompletableFuture::isDone);
        assertThat(Pools.threads(pool.parts().means().settings().name())).hasSizeLessThan(20);
        sync.open();
        commits.forEach(CompletableFuture::join);
        returned.forEach(CompletableFuture::join);
        assertThat(syncs.get()).isLessThan(20);
    }

    @Test
    void whatIsSubmittedBehindALeasesCommitRunsWhenItIsDurable() {
        open(3);
        Gate sync = new Gate();
        fates.add(sync::pass);
        Lease lease = inserted(1);
        CompletableFuture<Void> commit = lease.commit();
        CompletableFuture<Integer> behind = lease.run(c -> number(c, "SELECT count(*) FROM t"));
        sync.awaitReached();
        assertThat(count()).isEqualTo(1);
        assertThat(commit.cancel(true)).as("too late").isFalse();
        assertThat(commit).isNotDone();
        assertThat(behind).isNotDone();
        sync.open();
        commit.join();
        assertThat(behind.join()).isEqualTo(1);
        lease.release().join();
    }

    @Test
    void aLeasesCommitIsAcknowledgedBeforeWhatIsBehindIt() {
        open(3);
        for (int i = 0; i < 100; i++) {
            Lease lease = inserted(i);
            CompletableFuture<Void> commit = lease.commit();
            assertThat(lease.run(c -> 1).thenApply(behind -> commit.isDone()).join())
                    .isTrue();
            lease.release().join();
        }
    }

    @Test
    void aLeasesCommitThatHasBegunCannotBeCancelled() {
        open(3);
        Gate committed = new Gate();
        Lease lease = inserted(1);
        engines.next("needsSync").add(committed::pass); // whether the commit must be synced
        CompletableFuture<Void> commit = lease.commit();
        committed.awaitReached();
        assertThat(commit.cancel(true)).isFalse();
        committed.open();
        commit.join();
        lease.release().join();
        assertThat(count()).isEqualTo(1);
    }

    /** The stage runs on the thread that has settled the commit, or here, if that was quick. */
    @Test
    void aStageOfALeasesCommitMayWaitForTheLease() {
        open(3);
        for (int i = 0; i < 50; i++) {
            Lease lease = inserted(i);
            CompletableFuture<Void> commit = lease.commit();
            CompletableFuture<Integer> behind = lease.run(c -> number(c, "SELECT 2"));
            CompletableFuture<Integer> sum = commit.thenApply(
                    done -> lease.run(c -> number(c, "SELECT 1")).join() + behind.join());
            assertThat(sum.join()).isEqualTo(3);
            lease.release().join();
        }
    }

    @Test
    void aLeaseGoesOnAfterACommitOfWhichNobodyKnows() {
        open(3);
        fates.add(() -> {
            throw new IOException("the disk is gone");
        });
        Lease lease = inserted(1);
        CompletableFuture<Void> commit = lease.commit();
        assertThatThrownBy(commit::join)
                .hasCauseInstanceOf(OutcomeUnknownException.class)
                .hasMessageContaining("the disk is gone");
        lease.run(c -> {
                    insert(c, 2);
                    return null;
                })
                .join();
        lease.release().join();
        assertThat(count()).isEqualTo(2);
    }

    @Test
    void changesAreToldWithTheAcknowledgementOfALeasesCommit() {
        open(3);
        Probe<Set<String>> changes = Probe.of(pool.changes("t"), Long.MAX_VALUE);
        Gate sync = new Gate();
        fates.add(sync::pass);
        Lease lease = inserted(1);
        CompletableFuture<Void> commit = lease.commit();
        sync.awaitReached();
        Pools.await("committed", () -> count() == 1);
        assertThat(changes.count()).isZero();
        sync.open();
        commit.join();
        assertThat(changes.awaitRows(1)).containsExactly(Set.of("t"));
        lease.run(c -> c.execute("SELECT 1")).join();
        lease.release().join();
        assertThat(changes.count()).as("told once").isEqualTo(1);
    }

    @Test
    void aPoolThatClosesWaitsForTheSyncOfALeasesCommit() {
        open(3);
        Gate sync = new Gate();
        fates.add(sync::pass);
        Lease lease = inserted(1);
        CompletableFuture<Void> commit = lease.commit();
        CompletableFuture<Void> returned = lease.release();
        sync.awaitReached();
        CompletableFuture<Void> closed = pool.closeAsync();
        assertThat(closed).isNotDone();
        sync.open();
        closed.join();
        commit.join();
        returned.join();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void aCommitOfNothingFailsAndOneThatIsRefusedLeavesTheTransactionOpen(int poolSize) {
        open(poolSize);
        pool.useConnection(c -> {
                    c.execute("CREATE TABLE child (x REFERENCES parent DEFERRABLE INITIALLY DEFERRED)");
                    c.execute("CREATE TABLE parent (x INTEGER PRIMARY KEY)");
                })
                .join();
        Lease lease = pool.acquire().join();
        assertThatThrownBy(lease.commit()::join).hasMessageContaining("no transaction is active");
        lease.run(c -> {
                    c.execute("BEGIN");
                    return c.execute("INSERT INTO child VALUES (1)");
                })
                .join();
        assertThatThrownBy(lease.commit()::join).hasMessageContaining("FOREIGN KEY");
        lease.run(c -> c.execute("INSERT INTO parent VALUES (1)")).join();
        lease.commit().join();
        lease.release().join();
        assertThat(pool.queryOne("SELECT count(*) FROM child", row -> row.getInt(1))
                        .join())
                .contains(1);
        assertThatThrownBy(lease.commit()::join).hasMessageContaining("has been released");
    }
}
