package dev.sqlitepool.internal.upkeep;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.BackupProgress;
import dev.sqlitepool.PoolClosedException;
import dev.sqlitepool.PoolTimeoutException;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.engine.Database;
import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.engine.sqlite.SqliteDatabase;
import dev.sqlitepool.internal.file.BackupFile;
import dev.sqlitepool.internal.pool.LanePool;
import dev.sqlitepool.testing.Engines;
import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.TestClock;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.SQLFeatureNotSupportedException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sqlite.Function;

/** Backups: whole and consistent, or not there at all. */
class BackupTest {
    @RegisterExtension
    final Pools pools = new Pools();

    private final Engines engines = new Engines();
    /** What happens before the next copyings, one each. */
    private final Queue<Engines.Step> fates = engines.next("copyTo");

    private LanePool open(UnaryOperator<SqlitePoolBuilder> changes) {
        return build(changes.apply(SqlitePool.builder().databasePath(pools.file())));
    }

    private LanePool build(SqlitePoolBuilder builder) {
        Settings settings = Pools.settings(builder);
        return pools.track(new LanePool(settings, System::nanoTime, engines), settings.name());
    }

    private static void fill(SqlitePool pool, int megabytes) {
        pool.execute("CREATE TABLE filling (x BLOB)").join();
        pool.execute(
                        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
                                + " INSERT INTO filling SELECT randomblob(1000) FROM n",
                        megabytes * 1000)
                .join();
    }

    private Path target() {
        return pools.directory().resolve("copy of it's.db");
    }

    private static long number(Path database, String sql) throws SQLException {
        try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + database);
                var row = connection.createStatement().executeQuery(sql)) {
            return row.getLong(1);
        }
    }

    private static String text(Path database, String sql) throws SQLException {
        try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + database);
                var row = connection.createStatement().executeQuery(sql)) {
            return row.getString(1);
        }
    }

    /** The names in the directory, without those of the database itself. */
    private List<String> others() throws IOException {
        try (Stream<Path> files = Files.list(pools.directory())) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> !name.startsWith("test.db"))
                    .sorted()
                    .toList();
        }
    }

    private static Throwable failure(CompletableFuture<?> future) {
        try {
            future.join();
            throw new AssertionError("it did not fail");
        } catch (CompletionException e) {
            return e.getCause();
        }
    }

    @Tag("slow")
    @Test
    void aCopyIsOneSnapshotWithAllThatWasAcknowledgedBefore() throws Exception {
        LanePool pool = open(b -> b);
        pool.useTransaction(tx -> tx.executeScript(
                        "CREATE TABLE account (id INTEGER PRIMARY KEY, money INTEGER); CREATE TABLE transfer (id INTEGER"
                                + " PRIMARY KEY); INSERT INTO account VALUES (1, 1000), (2, 0)"))
                .join();
        fill(pool, 20);
        AtomicBoolean stop = new AtomicBoolean();
        AtomicLong acknowledged = new AtomicLong();
        Thread writer = new Thread(() -> {
            while (!stop.get()) {
                pool.useTransaction(tx -> {
                            tx.execute("UPDATE account SET money = money - 1 WHERE id = 1");
                            tx.execute("INSERT INTO transfer DEFAULT VALUES");
                            tx.execute("UPDATE account SET money = money + 1 WHERE id = 2");
                        })
                        .join();
                acknowledged.incrementAndGet();
            }
        });
        writer.start();
        for (int i = 0; i < 5; i++) {
            Path target = pools.directory().resolve("copy" + i);
            long before = acknowledged.get();
            pool.backup(target).join();
            assertThat(text(target, "PRAGMA integrity_check")).isEqualTo("ok");
            assertThat(number(target, "SELECT sum(money) FROM account")).isEqualTo(1000);
            assertThat(number(target, "SELECT money FROM account WHERE id = 2"))
                    .isEqualTo(number(target, "SELECT count(*) FROM transfer"))
                    .isGreaterThanOrEqualTo(before);
            assertThat(number(target, "SELECT count(*) FROM filling")).isEqualTo(20_000);
        }
        stop.set(true);
        writer.join();
        assertThat(acknowledged.get()).isPositive();
        assertThat(others()).containsExactly("copy0", "copy1", "copy2", "copy3", "copy4");
    }

    @Tag("slow")
    @Test
    void progressRisesToItsEndOnThreadsOfThePoolOneCallAtATime() {
        LanePool pool = open(b -> b);
        fill(pool, 60);
        List<BackupProgress> reports = Collections.synchronizedList(new ArrayList<>());
        AtomicInteger inside = new AtomicInteger();
        pool.backup(target(), progress -> {
                    assertThat(inside.incrementAndGet()).isEqualTo(1);
                    assertThat(Thread.currentThread().getName())
                            .startsWith(pool.parts().means().settings().name());
                    reports.add(progress);
                    inside.decrementAndGet();
                })
                .join();
        assertThat(reports).hasSizeGreaterThanOrEqualTo(2);
        assertThat(reports).extracting(BackupProgress::copiedPages).isSorted();
        assertThat(reports).allMatch(report -> report.copiedPages() <= report.totalPages());
        BackupProgress last = reports.get(reports.size() - 1);
        assertThat(last.copiedPages()).isEqualTo(last.totalPages()).isGreaterThan(15_000);
        assertThat(last.fraction()).isEqualTo(1);
    }

    @Test
    void whatThereIsIsNeverOverwritten() throws Exception {
        LanePool pool = open(b -> b);
        pool.execute("CREATE TABLE t (x)").join();
        Files.writeString(target(), "precious");
        assertThat(failure(pool.backup(target())))
                .isInstanceOf(FileAlreadyExistsException.class)
                .hasMessageContaining("overwrites nothing");
        assertThat(target()).hasContent("precious");
        assertThat(failure(pool.backup(pools.file()))).isInstanceOf(FileAlreadyExistsException.class);
        assertThat(failure(pool.backup(pools.directory()))).isInstanceOf(FileAlreadyExistsException.class);
        Path dangling = pools.directory().resolve("dangling");
        Files.createSymbolicLink(dangling, pools.directory().resolve("nowhere"));
        assertThat(failure(pool.backup(dangling))).isInstanceOf(FileAlreadyExistsException.class);
        for (String suffix : List.of("-wal", "-journal")) {
            Path leftover = Files.writeString(pools.directory().resolve("new" + suffix), "old");
            assertThat(failure(pool.backup(pools.directory().resolve("new"))))
                    .isInstanceOf(FileAlreadyExistsException.class)
                    .hasMessageContaining(leftover.toString())
                    .hasMessageContaining("a part of the backup");
            Files.delete(leftover);
        }
        assertThat(failure(pool.backup(pools.directory().resolve("no/where"))))
                .isInstanceOf(NoSuchFileException.class)
                .hasMessageContaining("create it first");
        assertThat(others()).containsExactly("copy of it's.db", "dangling");
    }

    @Test
    void aNameThatIsTakenMeanwhileStaysWhatItIs() throws Exception {
        LanePool pool = open(b -> b);
        pool.execute("CREATE TABLE t (x)").join();
        fates.add(() -> {
            try {
                Files.writeString(target(), "precious");
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        });
        assertThat(failure(pool.backup(target()))).isInstanceOf(FileAlreadyExistsException.class);
        assertThat(target()).hasContent("precious");
        assertThat(others()).containsExactly("copy of it's.db");
    }

    @Tag("slow")
    @Test
    void cancellingEndsTheCopyingAndLeavesNothing() throws Exception {
        LanePool pool = open(b -> b);
        fill(pool, 60);
        Gate gate = new Gate();
        fates.add(gate::pass);
        CompletableFuture<Void> backup = pool.backup(target());
        gate.awaitReached();
        Thread partial = new Thread(() -> {
            Pools.await("something is written", () -> !names().isEmpty());
            backup.cancel(true);
        });
        partial.start();
        gate.open();
        partial.join();
        assertThatThrownBy(backup::join).isInstanceOf(CancellationException.class);
        Pools.await("nothing is left", () -> names().isEmpty());
        assertThat(pool.stats().cancelled()).isEqualTo(1);
        pool.backup(target()).join(); // the turn was passed on
        assertThat(number(target(), "SELECT count(*) FROM filling")).isEqualTo(60_000);
    }

    private List<String> names() {
        try {
            return others();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void aBackupThatIsCancelledBeforeItsTurnDoesNothing() throws Exception {
        LanePool pool = open(b -> b);
        pool.execute("CREATE TABLE t (x)").join();
        Gate gate = new Gate();
        fates.add(gate::pass);
        CompletableFuture<Void> first = pool.backup(pools.directory().resolve("first"));
        gate.awaitReached();
        CompletableFuture<Void> second = pool.backup(pools.directory().resolve("second"));
        CompletableFuture<Void> third = pool.backup(pools.directory().resolve("third"));
        assertThat(second.cancel(false)).isTrue();
        assertThat(third).isNotDone();
        gate.open();
        CompletableFuture.allOf(first, third).join();
        assertThat(others()).containsExactly("first", "third");
    }

    @Tag("slow")
    @Test
    void aCallbackThatThrowsEndsTheBackup() throws Exception {
        LanePool pool = open(b -> b);
        fill(pool, 20);
        Gate gate = new Gate();
        fates.add(gate::pass);
        IllegalStateException refusal = new IllegalStateException("no more");
        CompletableFuture<Void> backup = pool.backup(target(), progress -> {
            gate.awaitReached();
            gate.open();
            throw refusal;
        });
        assertThat(failure(backup)).isSameAs(refusal);
        AtomicInteger calls = new AtomicInteger();
        CompletableFuture<Void> atTheEnd = pool.backup(target(), progress -> {
            if (progress.fraction() == 1) {
                calls.incrementAndGet();
                throw refusal;
            }
        });
        assertThat(failure(atTheEnd)).isSameAs(refusal);
        assertThat(calls).hasValue(1);
        Pools.await("nothing is left", () -> names().isEmpty());
    }

    @Test
    void aCallbackMayUseThePoolButNotWaitForItsOwnBackup() {
        LanePool pool = open(b -> b.poolSize(1));
        pool.execute("CREATE TABLE t (x)").join();
        CompletableFuture<CompletableFuture<Void>> self = new CompletableFuture<>();
        CompletableFuture<Void> backup = pool.backup(target(), progress -> {
            pool.execute("INSERT INTO t VALUES (1)").join();
            assertThatThrownBy(pool::close).hasMessageContaining("would wait for the pool to close");
            self.join().join();
        });
        self.complete(backup);
        assertThat(failure(backup))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("would wait for the backup");
    }

    @Test
    void aCallbackThatBlocksHoldsUpNobodyElse() {
        LanePool pool = open(b -> b);
        pool.execute("CREATE TABLE t (x)").join();
        Gate gate = new Gate();
        CompletableFuture<Void> backup = pool.backup(target(), progress -> gate.pass());
        gate.awaitReached();
        pool.execute("INSERT INTO t VALUES (1)").join();
        assertThat(backup).isNotDone();
        assertThat(backup.cancel(true)).isTrue();
        gate.open();
        Pools.await("nothing is left", () -> names().isEmpty());
    }

    @Test
    void aBackupThatIsCancelledWhileItsLastCallbackHangsGivesItsTurnAway() {
        LanePool pool = open(b -> b);
        pool.execute("CREATE TABLE t (x)").join();
        Gate gate = new Gate();
        CompletableFuture<Void> backup = pool.backup(target(), progress -> {
            if (progress.fraction() == 1) {
                gate.pass();
            }
        });
        gate.awaitReached();
        CompletableFuture<Void> next = pool.backup(pools.directory().resolve("next"));
        assertThat(backup.cancel(true)).isTrue();
        next.join();
        assertThat(names()).containsExactly("next");
        gate.open();
    }

    @Test
    void aReportTellsThePagesThatAreThereAndTheLastOneThatAllAre() throws IOException {
        LanePool pool = open(b -> b);
        Backup backup = new Backup(
                pool.parts().routes(),
                pool.parts().backups(),
                new SqliteDatabase(
                        pool.parts().means().settings(), pool.parts().means().telemetry()),
                target(),
                null);
        BackupFile file = new BackupFile(target(), pool.parts().means().telemetry());
        Files.write(file.partial(), new byte[3 * 512]);
        List<BackupProgress> told = Collections.synchronizedList(new ArrayList<>());
        Gate gate = new Gate();
        BackupReports reports = new BackupReports(pool.parts().means(), backup, file, progress -> {
            told.add(progress);
            gate.pass();
        });
        reports.begin(new Engine.CopySize(10, 512));
        gate.awaitReached();
        AtomicInteger waits = new AtomicInteger();
        CompletableFuture<Void> end = CompletableFuture.runAsync(() -> reports.end(() -> waits.incrementAndGet() < 0));
        Pools.await("it waits for the callback", () -> waits.get() > 0);
        assertThat(end).isNotDone();
        gate.open();
        end.join();
        reports.complete(() -> false);
        reports.complete(() -> true); // nobody wants it any more
        assertThat(told).containsExactly(new BackupProgress(3, 10), new BackupProgress(3, 3));
        file.delete();
    }

    /**
     * Many small backups, few processors:
     *
     * <pre>
     *   the worker that copies                     the worker that looks
     *   copies, and ends the looks
     *   waits for the last report
     *                                              looks for the first time
     *   still waits
     * </pre>
     */
    @Test
    void aLookThatComesLateDoesNotEndTheWaitForTheLastReport() {
        LanePool pool = open(b -> b);
        Database opener = new SqliteDatabase(
                pool.parts().means().settings(), pool.parts().means().telemetry());
        Backup backup = new Backup(pool.parts().routes(), pool.parts().backups(), opener, target(), null);
        Gate gate = new Gate();
        AtomicInteger waits = new AtomicInteger();
        BackupReports reports = new BackupReports(
                pool.parts().means(),
                backup,
                new BackupFile(target(), pool.parts().means().telemetry()),
                progress -> gate.pass());
        reports.end(() -> false);
        CompletableFuture<Void> last =
                CompletableFuture.runAsync(() -> reports.complete(() -> waits.incrementAndGet() < 0));
        gate.awaitReached();
        reports.look();
        int before = waits.get();
        Pools.await("the wait has been looked at again", () -> {
            reports.wake();
            return last.isDone() || waits.get() > before + 1;
        });
        assertThat(last).isNotDone();
        gate.open();
        last.join();
    }

    /** A copying pins the log as the read here does, but comes to an end. */
    @Test
    void whileABackupCopiesWritersPassTheLimitOfTheLog() {
        LanePool pool = open(b -> b.walSizeLimit(300_000));
        pool.execute("CREATE TABLE t (x)").join();
        Gate reader = new Gate();
        CompletableFuture<Void> read = pool.useRead(c -> {
            c.query("SELECT * FROM t", row -> row.getString(1));
            reader.pass();
        });
        reader.awaitReached();
        Gate copying = new Gate();
        fates.add(copying::pass);
        CompletableFuture<Void> backup = pool.backup(target());
        copying.awaitReached();
        for (int i = 0; i < 10; i++) {
            pool.execute("INSERT INTO t VALUES (zeroblob(100000))").join();
        }
        assertThat(pool.stats().walSize()).isGreaterThan(300_000);
        copying.open();
        backup.join();
        reader.open();
        read.join();
        Pools.await("the log is small again", () -> {
            pool.execute("INSERT INTO t VALUES (1)").join();
            return pool.stats().walSize() < 300_000;
        });
    }

    // ---- databases in memory, and others

    @Test
    void aDatabaseInMemoryIsCopiedOnItsOnlyConnection() throws Exception {
        LanePool pool = build(SqlitePool.builder().inMemory());
        fill(pool, 5);
        Gate gate = new Gate();
        fates.add(gate::pass);
        List<BackupProgress> reports = Collections.synchronizedList(new ArrayList<>());
        CompletableFuture<Void> backup = pool.backup(target(), reports::add);
        gate.awaitReached();
        CompletableFuture<Long> write = pool.execute("INSERT INTO filling VALUES (1)");
        assertThat(write).isNotDone();
        gate.open();
        backup.join();
        write.join();
        assertThat(number(target(), "SELECT count(*) FROM filling")).isEqualTo(5_000);
        assertThat(reports.get(reports.size() - 1).fraction()).isEqualTo(1);
        assertThat(others()).containsExactly("copy of it's.db");
    }

    @Tag("slow")
    @Test
    void cancellingTheBackupOfADatabaseInMemoryLeavesTheDatabase() throws Exception {
        LanePool pool = build(SqlitePool.builder().inMemory());
        fill(pool, 60);
        Gate lane = new Gate();
        CompletableFuture<Void> work = pool.useTransaction(tx -> lane.pass());
        lane.awaitReached();
        CompletableFuture<Void> waiting = pool.backup(target());
        Pools.await("it waits for the lane", () -> pool.stats().waiting() == 1);
        assertThat(waiting.cancel(true)).isTrue();
        CompletableFuture<Void> running = pool.backup(target());
        lane.open();
        work.join();
        Pools.await("something is written", () -> !names().isEmpty());
        running.cancel(true);
        Pools.await("nothing is left", () -> names().isEmpty());
        pool.execute("INSERT INTO filling VALUES (1)").join();
        pool.backup(target()).join();
        assertThat(number(target(), "SELECT count(*) FROM filling")).isEqualTo(60_001);
    }

    @Test
    void inMemoryABackupWaitsForTheConnectionNoLongerThanOthers() {
        TestClock clock = new TestClock();
        SqlitePool pool = pools.build(clock, SqlitePool.builder().inMemory().acquireTimeout(Duration.ofMillis(20)));
        Gate lane = new Gate();
        CompletableFuture<Void> work = pool.useTransaction(tx -> lane.pass());
        lane.awaitReached();
        CompletableFuture<Void> late = pool.backup(target());
        Pools.await("it waits", () -> pool.stats().waiting() == 1);
        clock.pass(Duration.ofMillis(20));
        assertThat(failure(late)).isInstanceOf(PoolTimeoutException.class).hasMessageContaining("backup");
        lane.open();
        work.join();
        pool.backup(target()).join();
    }

    @Test
    void waitingInsideWorkForABackupOfTheDatabaseInMemoryFailsAtOnce() {
        LanePool pool = build(SqlitePool.builder().inMemory());
        CompletableFuture<Void> work = pool.useTransaction(tx -> {
            CompletableFuture<Void> backup = pool.backup(target());
            Pools.await("it waits for the lane", () -> pool.stats().waiting() == 1);
            assertThatThrownBy(backup::join).isInstanceOf(IllegalStateException.class);
            backup.cancel(true);
        });
        work.join();
    }

    @Test
    void whatAFactoryOpensInMemoryIsCopiedToo() throws Exception {
        LanePool pool = build(SqlitePool.builder()
                .poolSize(1)
                .pragma("journal_mode", "MEMORY")
                .connectionFactory(access -> DriverManager.getConnection("jdbc:sqlite::memory:")));
        pool.execute("CREATE TABLE t (x)").join();
        pool.execute("INSERT INTO t VALUES (1)").join();
        pool.backup(target()).join();
        assertThat(number(target(), "SELECT count(*) FROM t")).isEqualTo(1);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void theFileThatAFactoryOpensIsCopiedWithAConnectionOfTheFactory(int size) throws Exception {
        AtomicInteger opened = new AtomicInteger();
        LanePool pool = build(SqlitePool.builder().poolSize(size).connectionFactory(access -> {
            opened.incrementAndGet();
            return DriverManager.getConnection("jdbc:sqlite:" + pools.file());
        }));
        pool.backup(target()).join();
        pool.execute("CREATE TABLE t (x)").join();
        int before = opened.get();
        pool.backup(pools.directory().resolve("second")).join();
        assertThat(opened).hasValue(before + 1);
        assertThat(number(pools.directory().resolve("second"), "SELECT count(*) FROM t"))
                .isZero();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void otherDriversHaveMeansOfTheirOwn(int size) {
        LanePool pool = build(SqlitePool.builder()
                .poolSize(size)
                .connectionFactory(access -> DriverManager.getConnection("jdbc:h2:mem:")));
        assertThat(failure(pool.backup(target())))
                .isInstanceOf(SQLFeatureNotSupportedException.class)
                .hasMessageContaining("sqlite-jdbc");
        assertThat(target()).doesNotExist();
    }

    @Test
    void theConnectionIsSetUpAsTheOthers() throws Exception {
        LanePool pool = open(b -> b.pragma("trusted_schema", "ON").onConnect(connection -> {
            Function.create(
                    connection,
                    "twice",
                    new Function() {
                        @Override
                        protected void xFunc() throws SQLException {
                            result(2 * value_int(0));
                        }
                    },
                    1,
                    Function.FLAG_DETERMINISTIC);
        }));
        pool.execute("CREATE TABLE t (x)").join();
        pool.execute("CREATE INDEX i ON t (twice(x))").join();
        pool.execute("INSERT INTO t VALUES (1)").join();
        pool.backup(target()).join();
        assertThat(number(target(), "SELECT count(*) FROM t NOT INDEXED")).isEqualTo(1);
    }

    @Test
    void aDatabaseInRollbackModeIsCopiedToo() throws Exception {
        LanePool pool = open(b -> b.pragma("journal_mode", "DELETE"));
        pool.execute("CREATE TABLE t (x)").join();
        pool.backup(target()).join();
        assertThat(number(target(), "SELECT count(*) FROM t")).isZero();
    }

    @Test
    void aFailedOpeningFailsTheBackup() {
        AtomicBoolean broken = new AtomicBoolean();
        LanePool pool = build(SqlitePool.builder().connectionFactory(access -> {
            if (broken.get()) {
                throw new SQLException("no connection today");
            }
            return DriverManager.getConnection("jdbc:sqlite:" + pools.file());
        }));
        pool.execute("CREATE TABLE t (x)").join();
        broken.set(true);
        assertThat(failure(pool.backup(target()))).hasMessage("no connection today");
    }

    @Test
    void aTargetMustNameAFile() {
        LanePool pool = open(b -> b);
        assertThatThrownBy(() -> pool.backup(Path.of(""))).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> pool.backup(Path.of("/"))).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> pool.backup(target(), null)).isInstanceOf(NullPointerException.class);
    }

    // ---- closing

    @Test
    void closingWaitsForTheBackupThatRunsAndRefusesTheOthers() throws Exception {
        LanePool pool = open(b -> b);
        pool.execute("CREATE TABLE t (x)").join();
        Gate gate = new Gate();
        fates.add(gate::pass);
        CompletableFuture<Void> running = pool.backup(target());
        gate.awaitReached();
        CompletableFuture<Void> waiting = pool.backup(pools.directory().resolve("second"));
        CompletableFuture<Void> closed = pool.closeAsync();
        assertThat(failure(waiting)).isInstanceOf(PoolClosedException.class);
        assertThat(failure(pool.backup(target()))).isInstanceOf(PoolClosedException.class);
        assertThat(closed).isNotDone();
        gate.open();
        running.join();
        closed.join();
        assertThat(others()).containsExactly("copy of it's.db");
    }

    @Tag("slow")
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void afterTheGraceTheBackupIsEndedAndNothingIsLeft(boolean inMemory) throws Exception {
        UnaryOperator<SqlitePoolBuilder> grace = b -> b.closeGrace(Duration.ofMillis(1));
        LanePool pool = inMemory ? build(grace.apply(SqlitePool.builder().inMemory())) : open(grace);
        fill(pool, 100);
        Gate gate = new Gate();
        fates.add(gate::pass);
        CompletableFuture<Void> running = pool.backup(target());
        gate.awaitReached();
        CompletableFuture<Void> closed = pool.closeAsync();
        gate.open();
        closed.join();
        assertThat(failure(running)).isInstanceOf(PoolClosedException.class);
        assertThat(others()).isEmpty();
    }

    @Test
    void aBackupThatIsEndedByTheCloseWhileItsCallbackHangsLeavesNothing() throws Exception {
        LanePool pool = open(b -> b.closeGrace(Duration.ofMillis(1)));
        pool.execute("CREATE TABLE t (x)").join();
        Gate gate = new Gate();
        CompletableFuture<Void> running = pool.backup(target(), progress -> gate.pass());
        gate.awaitReached();
        CompletableFuture<Void> closed = pool.closeAsync();
        assertThat(failure(running)).isInstanceOf(PoolClosedException.class);
        closed.join();
        assertThat(others()).isEmpty();
        gate.open();
    }
}
