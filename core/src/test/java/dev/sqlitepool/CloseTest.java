package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Logged;
import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.Sql;
import java.nio.file.Files;
import java.sql.DriverManager;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Closed means closed. */
class CloseTest {
    @RegisterExtension
    final Logged logged = new Logged("closed without waiting any longer");

    @RegisterExtension
    final Pools pools = new Pools();

    @Test
    void nothingIsLeftOfThePool() throws Exception {
        SqlitePool pool = pools.open();
        pool.execute("CREATE TABLE t (x)").join();
        for (int i = 0; i < 20; i++) {
            pool.execute("INSERT INTO t VALUES (1)");
            pool.query("SELECT * FROM t", row -> row.getInt(1));
        }
        pool.close();
        try (var files = Files.list(pools.directory())) {
            assertThat(files.map(file -> file.getFileName().toString())).containsExactly("test.db");
        }
        assertThat(Pools.threads(pool.stats().pool())).isEmpty();
        assertThat(pool.stats().live()).isZero();
        assertThat(pool.stats().closed().get(PoolStats.CloseReason.POOL_CLOSED))
                .isEqualTo(pool.stats().opened());
    }

    @Test
    void aPoolThatOnlyReadLeavesNothingEither() throws Exception {
        try (SqlitePool setUp = pools.open()) {
            setUp.execute("CREATE TABLE t (x)").join();
        }
        SqlitePool pool = pools.open();
        pool.query("SELECT * FROM t", row -> row.getInt(1)).join();
        pool.close();
        try (var files = Files.list(pools.directory())) {
            assertThat(files.map(file -> file.getFileName().toString())).containsExactly("test.db");
        }
    }

    @Test
    void anUnusedPoolClosesAtOnce() {
        SqlitePool pool = pools.open();
        pool.close();
        pool.close();
        assertThat(pool.closeAsync()).isDone();
        assertThat(pools.file()).doesNotExist();
    }

    @Test
    void afterCloseEverythingFailsWithPoolClosed() {
        SqlitePool pool = pools.open();
        pool.execute("CREATE TABLE t (x)").join();
        pool.close();
        List<CompletableFuture<?>> futures = List.of(
                pool.execute("SELECT 1"),
                pool.query("SELECT 1", row -> row.getInt(1)),
                pool.useTransaction(tx -> {}),
                pool.useRead(c -> {}),
                pool.useConnection(c -> {}),
                pool.acquire());
        for (CompletableFuture<?> future : futures) {
            assertThat(future).isCompletedExceptionally();
            assertThatThrownBy(future::join)
                    .hasCauseInstanceOf(PoolClosedException.class)
                    .hasMessageContaining("is closed");
        }
        assertThatThrownBy(() -> pool.blocking().execute("SELECT 1")).isInstanceOf(PoolClosedException.class);
    }

    @Test
    void waitersFailAtOnceAndRunningWorkFinishes() {
        SqlitePool pool = pools.open();
        Gate gate = new Gate();
        CompletableFuture<Long> running = pool.transaction(tx -> {
            tx.execute("CREATE TABLE t (x)");
            gate.pass();
            return tx.execute("INSERT INTO t VALUES (1)");
        });
        gate.awaitReached();
        List<CompletableFuture<Void>> waiting = IntStream.range(0, 1_000)
                .mapToObj(i -> pool.useTransaction(tx -> {}))
                .toList();
        CompletableFuture<Void> closed = pool.closeAsync();
        for (CompletableFuture<Void> future : waiting) {
            assertThatThrownBy(future::join).hasCauseInstanceOf(PoolClosedException.class);
        }
        assertThat(closed).isNotDone();
        gate.open();
        assertThat(running.join()).isEqualTo(1);
        closed.join();
    }

    @Test
    void afterTheGraceRunningSqlIsInterruptedAndRolledBack() throws Exception {
        SqlitePool pool = pools.open(b -> b.closeGrace(Duration.ofMillis(20)));
        pool.execute("CREATE TABLE t (x)").join();
        Gate gate = new Gate();
        CompletableFuture<Void> running = pool.useTransaction(tx -> {
            tx.execute("INSERT INTO t VALUES (1)");
            gate.pass();
            tx.query(Sql.ENDLESS, row -> row.getLong(1));
        });
        gate.awaitReached();
        gate.open();
        pool.close();
        assertThatThrownBy(running::join).hasCauseInstanceOf(PoolClosedException.class);
        try (var connection = DriverManager.getConnection("jdbc:sqlite:" + pools.file());
                var count = connection.createStatement().executeQuery("SELECT count(*) FROM t")) {
            assertThat(count.getInt(1)).isZero();
        }
    }

    @Test
    void openLeasesAreEndedAfterTheGrace() {
        SqlitePool pool = pools.open(b -> b.closeGrace(Duration.ofMillis(20)));
        pool.execute("CREATE TABLE t (x)").join();
        Lease idle = pool.acquire().join();
        Lease writing = pool.acquire().join();
        writing.run(c -> c.execute("BEGIN")).join();
        Lease running = pool.acquire().join();
        CompletableFuture<?> endless = running.run(c -> c.query(Sql.ENDLESS, row -> row.getLong(1)));
        CompletableFuture<?> next = running.run(c -> 1);
        pool.close();
        assertThatThrownBy(endless::join).hasCauseInstanceOf(PoolClosedException.class);
        assertThatThrownBy(next::join).hasCauseInstanceOf(PoolClosedException.class);
        assertThatThrownBy(() -> idle.run(c -> 1).join()).hasMessageContaining("released");
        idle.release().join();
    }

    @Test
    void everyCallerOfCloseWaitsForTheEnd() throws Exception {
        SqlitePool pool = pools.open();
        Gate gate = new Gate();
        CompletableFuture<Void> running = pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        AtomicInteger returned = new AtomicInteger();
        List<Thread> closers = IntStream.range(0, 4)
                .mapToObj(i -> new Thread(() -> {
                    pool.close();
                    returned.addAndGet(pool.stats().live() == 0 ? 1 : 100);
                }))
                .toList();
        closers.forEach(Thread::start);
        Pools.await("closing", () -> pool.execute("SELECT 1").isCompletedExceptionally());
        assertThat(returned).hasValue(0);
        gate.open();
        running.join();
        for (Thread closer : closers) {
            closer.join();
        }
        assertThat(returned).hasValue(4);
    }

    @Tag("slow")
    @Test
    void anOpeningThatHangsDoesNotHangTheClose() {
        pools.filesMayStay();
        Gate gate = new Gate();
        SqlitePool pool = pools.build(
                SqlitePool.builder().poolSize(2).closeGrace(Duration.ZERO).connectionFactory(access -> {
                    gate.pass();
                    return DriverManager.getConnection("jdbc:sqlite:" + pools.file());
                }));
        CompletableFuture<Long> waiting = pool.execute("SELECT 1");
        gate.awaitReached();
        CompletableFuture<Void> closed = pool.closeAsync();
        assertThatThrownBy(waiting::join).hasCauseInstanceOf(PoolClosedException.class);
        closed.join(); // the last resort
        gate.open();
        Pools.await("the late connection is closed", () -> pool.stats().live() == 0);
        assertThat(pool.stats().closed().get(PoolStats.CloseReason.POOL_CLOSED)).isEqualTo(1);
    }

    @Test
    void theFutureOfCloseCannotBeCompletedFromOutside() {
        SqlitePool pool = pools.open();
        Gate gate = new Gate();
        CompletableFuture<Void> running = pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        CompletableFuture<Void> closed = pool.closeAsync();
        assertThat(closed.cancel(true)).isFalse();
        assertThat(closed.complete(null)).isFalse();
        assertThat(pool.closeAsync()).isSameAs(closed);
        gate.open();
        running.join();
        closed.join();
    }

    @Test
    void anInterruptDoesNotShortenTheCloseAndIsKept() {
        SqlitePool pool = pools.open();
        pool.execute("CREATE TABLE t (x)").join();
        Thread.currentThread().interrupt();
        pool.close();
        assertThat(Thread.interrupted()).isTrue();
        assertThat(pool.stats().live()).isZero();
    }
}
