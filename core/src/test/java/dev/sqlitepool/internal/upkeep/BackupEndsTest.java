package dev.sqlitepool.internal.upkeep;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.sqlitepool.Access;
import dev.sqlitepool.BackupProgress;
import dev.sqlitepool.PoolExhaustedException;
import dev.sqlitepool.PoolListener;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.dispatch.Held;
import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.engine.sqlite.SqliteDatabase;
import dev.sqlitepool.internal.file.BackupFile;
import dev.sqlitepool.internal.pool.LanePool;
import dev.sqlitepool.testing.Engines;
import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Logged;
import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.TestClock;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Delayed;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.sqlite.SQLiteErrorCode;
import org.sqlite.SQLiteException;

/** Backups that are ended, refused, busy or late, with engines that do what the test says. */
class BackupEndsTest {
    @RegisterExtension
    final Pools pools = new Pools();

    @RegisterExtension
    final Logged logged = new Logged();

    /** The next copyings leave a file that is not whole, and fail with these. */
    private final ConcurrentLinkedQueue<SQLException> errors = new ConcurrentLinkedQueue<>();

    private final TestClock clock = TestClock.running();
    private volatile boolean dead;
    private volatile boolean closeFails;

    /** Runs before each copying. */
    private volatile Runnable beforeCopying = () -> {};

    private final Engines engines = new Engines()
            .around("copyTo", call -> {
                beforeCopying.run();
                SQLException error = errors.poll();
                if (error != null) {
                    Files.writeString((Path) call.argument(0), "a part", StandardOpenOption.CREATE_NEW);
                    throw error;
                }
                return call.proceed();
            })
            .around("probe", call -> {
                if (dead) {
                    dead = false;
                    return false;
                }
                return call.proceed();
            })
            .around("close", call -> {
                Object answer = call.proceed();
                if (closeFails) {
                    throw new SQLException("the close failed");
                }
                return answer;
            });

    private LanePool build(SqlitePoolBuilder builder) {
        Settings settings = Pools.settings(builder);
        return pools.track(new LanePool(settings, clock, engines), settings.name());
    }

    private SqlitePoolBuilder onFile() {
        return SqlitePool.builder().databasePath(pools.file());
    }

    private LanePool openWithTable() {
        LanePool pool = build(onFile().busyTimeout(Duration.ofSeconds(5)));
        pool.execute("CREATE TABLE t (x)").join();
        return pool;
    }

    private Path target() {
        return target("copy");
    }

    private Path target(String name) {
        return pools.directory().resolve(name);
    }

    /** The names in the directory, without those of the database itself. */
    private List<String> others() {
        try (Stream<Path> files = Files.list(pools.directory())) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> !name.startsWith("test.db"))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static Throwable failure(CompletableFuture<?> future) {
        Pools.await("the end", future::isDone);
        Throwable thrown = catchThrowable(future::join);
        return thrown instanceof CompletionException ? thrown.getCause() : thrown;
    }

    private Gate gateIn(String method) {
        Gate gate = new Gate();
        engines.next(method).add(gate::pass);
        return gate;
    }

    // ---- ended from outside

    @Test
    void theFutureOfABackupCanBeEndedUntilItIsDone() {
        LanePool pool = openWithTable();
        Gate gate = gateIn("copyTo");
        CompletableFuture<Void> running = pool.backup(target());
        gate.awaitReached();
        CompletableFuture<Void> waiting = pool.backup(target("waiting"));
        assertThat(waiting.complete(null)).isTrue();
        assertThat(running.complete(null)).isTrue();
        assertThat(running.complete(null)).isFalse();
        assertThat(pool.parts().backups().endByForce()).isNull(); // nothing is left to be ended
        gate.open();
        Pools.await("nothing is left", () -> others().isEmpty());
        CompletableFuture<Void> done = pool.backup(target("done"));
        done.join();
        assertThat(done.complete(null)).isFalse();
        assertThat(others()).containsExactly("done");
    }

    @Test
    void theCopyingIsInterruptedUntilItHasEnded() {
        LanePool pool = openWithTable();
        Gate gate = gateIn("copyTo");
        CompletableFuture<Void> backup = pool.backup(target());
        gate.awaitReached();
        assertThat(pool.parts().backups().isCopying()).isTrue();
        assertThat(engines.calls("interrupt")).hasValue(0);
        assertThat(backup.cancel(true)).isTrue();
        assertThat(engines.calls("interrupt")).hasPositiveValue();
        Pools.await("again and again", () -> engines.calls("interrupt").get() > 2);
        gate.open();
        Pools.await("it has ended", () -> !pool.parts().backups().isCopying());
    }

    @Test
    void aBackupThatIsCancelledBeforeItCopiesDoesNotCopy() {
        LanePool pool = openWithTable();
        Gate gate = gateIn("copySize");
        CompletableFuture<Void> backup = pool.backup(target());
        gate.awaitReached();
        assertThat(backup.cancel(true)).isTrue();
        gate.open();
        pool.backup(target("next")).join();
        assertThat(engines.calls("copyTo")).hasValue(1);
        assertThat(others()).containsExactly("next");
    }

    private static Thread noThread(Runnable body) {
        throw new OutOfMemoryError("unable to create native thread, says the test");
    }

    /** Its turn has come, but there is no thread for it yet. */
    @Test
    void aBackupInMemoryThatIsCancelledBeforeItWaitsForTheConnectionGivesItsTurnAway() {
        LanePool pool = build(SqlitePool.builder().inMemory());
        ThreadFactory threads = pool.parts().means().workers().threads().getThreadFactory();
        pool.parts().means().workers().threads().setThreadFactory(BackupEndsTest::noThread);
        CompletableFuture<Void> backup = pool.backup(target());
        assertThat(backup.cancel(true)).isTrue();
        CompletableFuture<Void> next = pool.backup(target("next"));
        pool.parts().means().workers().threads().setThreadFactory(threads);
        Pools.await("the next is done", next::isDone);
        assertThat(others()).containsExactly("next");
    }

    @Test
    void oneBackupInMemoryWaitsForTheConnectionAtATime() {
        LanePool pool = build(SqlitePool.builder().inMemory());
        Gate lane = new Gate();
        CompletableFuture<Void> work = pool.useTransaction(tx -> lane.pass());
        lane.awaitReached();
        CompletableFuture<Void> first = pool.backup(target("first"));
        Pools.await("the first waits", () -> pool.stats().waiting() == 1);
        CompletableFuture<Void> second = pool.backup(target("second"));
        assertThat(first.cancel(true)).isTrue();
        Pools.await("the second waits", () -> pool.stats().waiting() == 1);
        lane.open();
        work.join();
        second.join();
        assertThat(others()).containsExactly("second");
    }

    // ---- on a connection that does not answer

    private LanePool openRested() {
        LanePool pool = build(SqlitePool.builder()
                .poolSize(1)
                .healthCheckInterval(Duration.ofDays(1))
                .pragma("journal_mode", "MEMORY")
                .connectionFactory(access -> DriverManager.getConnection("jdbc:sqlite::memory:")));
        pool.query("SELECT 1", row -> row.getInt(1)).join();
        Pools.awaitIdle(pool);
        clock.pass(Duration.ofDays(2));
        dead = true;
        return pool;
    }

    @Test
    void aBackupWhoseConnectionDoesNotAnswerGetsAnother() {
        LanePool pool = openRested();
        CompletableFuture<Void> backup = pool.backup(target());
        Pools.await("it is done", backup::isDone);
        backup.join();
        Pools.awaitIdle(pool);
        assertThat(pool.stats().opened()).isEqualTo(2);
        assertThat(others()).containsExactly("copy");
    }

    @Test
    void aBackupThatIsCancelledWhileItsConnectionDoesNotAnswerGivesItsTurnAway() {
        LanePool pool = openRested();
        Gate gate = gateIn("probe");
        CompletableFuture<Void> backup = pool.backup(target());
        gate.awaitReached();
        assertThat(backup.cancel(true)).isTrue();
        gate.open();
        CompletableFuture<Void> next = pool.backup(target("next"));
        Pools.await("the next is done", next::isDone);
        assertThat(others()).containsExactly("next");
    }

    // ---- files and errors

    @Test
    void ifTheNameIsTakenNothingIsOpenedOrCopied() throws IOException {
        LanePool pool = openWithTable();
        Files.writeString(target(), "precious");
        int before = engines.opened().get();
        assertThat(failure(pool.backup(target()))).isInstanceOf(FileAlreadyExistsException.class);
        assertThat(engines.opened()).hasValue(before);
        LanePool memory = build(SqlitePool.builder().inMemory());
        assertThat(failure(memory.backup(target()))).isInstanceOf(FileAlreadyExistsException.class);
        assertThat(engines.calls("copySize")).hasValue(0);
        assertThat(engines.calls("copyTo")).hasValue(0);
    }

    private static SQLException error(SQLiteErrorCode code) {
        return new SQLiteException("injected", code);
    }

    @Test
    void whileTheDatabaseIsBusyACopyIsBegunAnew() {
        LanePool pool = openWithTable();
        errors.add(error(SQLiteErrorCode.SQLITE_BUSY));
        errors.add(error(SQLiteErrorCode.SQLITE_BUSY));
        assertThat(failure(pool.backup(target()))).isNull();
        assertThat(pool.stats().busyRetries()).isEqualTo(2);
        assertThat(pool.parts().backups().isCopying()).isFalse();
        assertThat(others()).containsExactly("copy");
    }

    @Test
    void aDatabaseThatIsBusyForLongerThanTheBusyTimeoutIsNotCopied() {
        LanePool pool = build(onFile().busyTimeout(Duration.ofMillis(5)));
        pool.execute("CREATE TABLE t (x)").join();
        SQLException busy = error(SQLiteErrorCode.SQLITE_BUSY);
        beforeCopying = () -> errors.add(busy);
        assertThat(failure(pool.backup(target()))).isSameAs(busy);
        assertThat(others()).isEmpty();
    }

    @Test
    void otherErrorsEndTheCopyingAtOnce() {
        LanePool pool = openWithTable();
        SQLException error = error(SQLiteErrorCode.SQLITE_FULL);
        errors.add(error);
        assertThat(failure(pool.backup(target()))).isSameAs(error);
        assertThat(pool.stats().busyRetries()).isZero();
        assertThat(others()).isEmpty();
    }

    @Test
    void aBackupIsDoneEvenIfItsConnectionCannotBeClosed() {
        LanePool pool = openWithTable();
        closeFails = true;
        assertThat(failure(pool.backup(target()))).isNull();
        closeFails = false;
        assertThat(logged.warnings())
                .singleElement()
                .asString()
                .endsWith("the connection of a backup could not be closed");
    }

    // ---- counted and told

    @Test
    void asManyBackupsWaitAsMaxWaitersAllows() {
        LanePool pool = build(onFile().maxWaiters(1));
        Gate gate = gateIn("copyTo");
        CompletableFuture<Void> running = pool.backup(target("running"));
        gate.awaitReached();
        CompletableFuture<Void> waiting = pool.backup(target("waiting"));
        assertThat(failure(pool.backup(target("refused")))).isInstanceOf(PoolExhaustedException.class);
        gate.open();
        CompletableFuture.allOf(running, waiting).join();
    }

    @Test
    void aClosedPoolHasItsBackupUntilItHasLeft() {
        LanePool pool = openWithTable();
        Gate gate = gateIn("copyTo");
        CompletableFuture<Void> running = pool.backup(target());
        gate.awaitReached();
        CompletableFuture<Void> waiting = pool.backup(target("waiting"));
        CompletableFuture<Void> closed = pool.closeAsync();
        assertThat(failure(waiting)).hasMessageContaining("closed");
        assertThat(pool.stats().failed()).isEqualTo(1);
        assertThat(pool.parts().backups().isTerminated()).isFalse();
        gate.open();
        running.join();
        closed.join();
        assertThat(pool.parts().backups().isTerminated()).isTrue();
    }

    @Test
    void aBackupThatHoldsTheConnectionForLongIsReported() {
        List<String> told = new CopyOnWriteArrayList<>();
        LanePool pool = build(SqlitePool.builder()
                .inMemory()
                .leakThreshold(Duration.ofMillis(5))
                .listener(new PoolListener() {
                    @Override
                    public void leakSuspected(Access access, String holder, Duration held, Throwable acquiredAt) {
                        told.add(holder);
                    }
                }));
        Gate gate = gateIn("copyTo");
        CompletableFuture<Void> backup = pool.backup(target());
        gate.awaitReached();
        Pools.await("told", () -> told.contains("backup"));
        gate.open();
        backup.join();
    }

    @Test
    void reportsAreMadeWhileItCopiesOneAfterTheOther() {
        LanePool pool = openWithTable();
        Gate gate = gateIn("copyTo");
        List<BackupProgress> reports = new CopyOnWriteArrayList<>();
        CompletableFuture<Void> backup = pool.backup(target(), reports::add);
        gate.awaitReached();
        Pools.await("the first", () -> !reports.isEmpty());
        long soon = TimeUnit.MILLISECONDS.toNanos(100);
        Pools.await("the second", () -> {
            for (Runnable planned : pool.parts().means().workers().timer().getQueue()) {
                if (((Delayed) planned).getDelay(TimeUnit.NANOSECONDS) <= soon) {
                    planned.run(); // as if its time had come
                }
            }
            return reports.size() > 1;
        });
        gate.open();
        backup.join();
        assertThat(reports.get(0).copiedPages()).isZero();
        assertThat(reports.get(reports.size() - 1).fraction()).isEqualTo(1);
    }

    @Test
    void aCallbackThatThrowsInterruptsTheCopying() {
        LanePool pool = openWithTable();
        Gate gate = gateIn("copyTo");
        IllegalStateException refusal = new IllegalStateException("no more");
        CompletableFuture<Void> backup = pool.backup(target(), progress -> {
            gate.awaitReached();
            throw refusal;
        });
        Pools.await("interrupted", () -> engines.calls("interrupt").get() > 0);
        gate.open();
        assertThat(failure(backup)).isSameAs(refusal);
        assertThat(others()).isEmpty();
    }

    @Test
    void aThreadThatHasReportedWorksForTheBackupNoMore() {
        LanePool pool = openWithTable();
        Backup backup = new Backup(
                pool.parts().routes(),
                pool.parts().backups(),
                new SqliteDatabase(
                        pool.parts().means().settings(), pool.parts().means().telemetry()),
                target(),
                null);
        AtomicBoolean inside = new AtomicBoolean();
        BackupReports reports = new BackupReports(
                pool.parts().means(),
                backup,
                new BackupFile(target(), pool.parts().means().telemetry()),
                progress -> inside.set(Held.by(backup)));
        reports.look();
        reports.end(() -> false);
        assertThat(inside).isTrue();
        assertThat(Held.top()).isNull();
    }

    @Test
    void whoWaitsForAReportKeepsAnInterrupt() {
        LanePool pool = openWithTable();
        Backup backup = new Backup(
                pool.parts().routes(),
                pool.parts().backups(),
                new SqliteDatabase(
                        pool.parts().means().settings(), pool.parts().means().telemetry()),
                target(),
                null);
        Gate gate = new Gate();
        BackupReports reports = new BackupReports(
                pool.parts().means(),
                backup,
                new BackupFile(target(), pool.parts().means().telemetry()),
                progress -> gate.pass());
        reports.begin(new Engine.CopySize(1, 512));
        gate.awaitReached();
        AtomicInteger waits = new AtomicInteger();
        Thread.currentThread().interrupt();
        reports.end(() -> {
            if (waits.incrementAndGet() > 1) {
                gate.open();
            }
            return false;
        });
        assertThat(Thread.interrupted()).isTrue();
        assertThat(waits.get()).isGreaterThan(1);
    }
}
