package dev.sqlitepool.internal.dispatch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.sqlitepool.Access;
import dev.sqlitepool.Lease;
import dev.sqlitepool.PoolClosedException;
import dev.sqlitepool.PoolTimeoutException;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Logged;
import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.TestClock;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Work that moves to the write lane: how it waits for it, and what it is told if it does not get it. */
class ClaimTest {
    @RegisterExtension
    final Logged logged = new Logged("is open in the pool");

    @RegisterExtension
    final Pools pools = new Pools();

    private final AtomicReference<Throwable> refusal = new AtomicReference<>();
    private final Gate writing = new Gate();
    private CompletableFuture<Void> writer;

    private SqlitePool openWithWriter(SqlitePool pool) {
        pool.execute("CREATE TABLE t (x)").join();
        pool.query("SELECT 1", row -> row.getInt(1)).join();
        Pools.awaitIdle(pool);
        writer = pool.useTransaction(tx -> writing.pass());
        writing.awaitReached();
        return pool;
    }

    private void endWriter() {
        writing.open();
        writer.join();
    }

    /** Begins on a read lane, and keeps what it is told when it wants to write. */
    private CompletableFuture<Void> move(SqlitePool pool, AtomicReference<Thread> thread) {
        return pool.useConnection(c -> {
            c.query("SELECT 1", row -> row.getInt(1));
            thread.set(Thread.currentThread());
            try {
                c.execute("INSERT INTO t VALUES (1)");
            } catch (SQLException | RuntimeException | Error e) {
                refusal.set(e);
            }
            if (Thread.currentThread().isInterrupted()) {
                throw new SQLException("still interrupted");
            }
        });
    }

    private CompletableFuture<Void> move(SqlitePool pool) {
        return move(pool, new AtomicReference<>());
    }

    private static Throwable outcome(CompletableFuture<?> future) {
        Throwable thrown = catchThrowable(future::join);
        return thrown instanceof CompletionException ? thrown.getCause() : thrown;
    }

    private static void awaitMoving(SqlitePool pool) {
        Pools.await("it moves", () -> pool.stats().writeConnections().waiting() == 1);
    }

    @Test
    void workThatWaitsTooLongIsToldWhoHoldsTheLaneAndGoesOn() {
        TestClock clock = new TestClock();
        SqlitePool pool = openWithWriter(pools.open(clock, b -> b.acquireTimeout(Duration.ofMillis(20))));
        CompletableFuture<Void> work = move(pool);
        awaitMoving(pool);
        clock.pass(Duration.ofMillis(20));
        Pools.await("it goes on", work::isDone);
        assertThat(outcome(work)).isNull();
        assertThat(refusal.get())
                .isInstanceOf(PoolTimeoutException.class)
                .hasMessageContaining("for \"ClaimTest\"")
                .hasMessageContaining("write connection busy");
        endWriter();
        assertThat(pool.execute("INSERT INTO t VALUES (2)").join()).isEqualTo(1);
    }

    @Test
    void anInterruptEndsTheWaitAndIsKept() {
        SqlitePool pool = openWithWriter(pools.open());
        AtomicReference<Thread> thread = new AtomicReference<>();
        CompletableFuture<Void> work = move(pool, thread);
        awaitMoving(pool);
        thread.get().interrupt();
        assertThat(outcome(work)).hasMessage("still interrupted");
        assertThat(refusal.get()).isInstanceOf(SQLException.class).hasCauseInstanceOf(InterruptedException.class);
        assertThat(pool.stats().waiting()).isZero();
        endWriter();
    }

    @Test
    void whoCancelsTheWorkEndsItsWait() {
        SqlitePool pool = openWithWriter(pools.open());
        CompletableFuture<Void> work = move(pool);
        awaitMoving(pool);
        assertThat(work.cancel(true)).isTrue();
        Pools.await("it is told", () -> refusal.get() != null);
        assertThat(refusal.get()).isInstanceOf(CancellationException.class);
        assertThat(pool.stats().waiting()).isZero();
        endWriter();
    }

    /** Thrown by a factory, whatever it declares. */
    @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"})
    private static <X extends Throwable> X sneaky(Throwable error) throws X {
        throw (X) error;
    }

    private Throwable refusalAfter(Throwable error) {
        SqlitePool pool = pools.build(SqlitePool.builder().poolSize(2).connectionFactory(access -> {
            if (access == Access.WRITE) {
                throw ClaimTest.<RuntimeException>sneaky(error);
            }
            return DriverManager.getConnection("jdbc:sqlite:" + pools.file());
        }));
        refusal.set(null);
        CompletableFuture<Void> work = move(pool);
        Pools.await("it goes on", work::isDone);
        return refusal.get();
    }

    @Test
    void workIsToldWhyTheConnectionCouldNotBeOpened() {
        for (Throwable error : List.of(
                new SQLException("no luck"), new IllegalStateException("no luck"), new AssertionError("no luck"))) {
            assertThat(refusalAfter(error)).isSameAs(error);
        }
        Throwable checked = new InstantiationException("no luck");
        assertThat(refusalAfter(checked))
                .isInstanceOf(IllegalStateException.class)
                .hasCause(checked);
    }

    // ---- in a lease

    private static CompletableFuture<Void> beginIn(Lease lease, Gate gate) {
        CompletableFuture<Void> work = lease.run(c -> {
            c.execute("BEGIN");
            gate.pass();
            return null;
        });
        gate.awaitReached();
        return work;
    }

    @Test
    void theHolderOfTheLaneIsNamedAfterTheWorkThatHasMoved() {
        SqlitePool pool = pools.open();
        Lease lease = pool.acquire().join();
        assertThat(pool.stats().readConnections().holder()).isEqualTo("lease");
        Gate gate = new Gate();
        CompletableFuture<Void> work = beginIn(lease, gate);
        assertThat(pool.stats().writeConnections().holder()).isEqualTo("ClaimTest");
        gate.open();
        work.join();
        lease.release().join();
    }

    @Test
    void theCloseEndsTheWorkOfALeaseThatHasMoved() {
        SqlitePool pool = pools.open(b -> b.closeGrace(Duration.ofMillis(1)));
        Lease lease = pool.acquire().join();
        Gate gate = new Gate();
        CompletableFuture<Void> work = beginIn(lease, gate);
        CompletableFuture<Void> closed = pool.closeAsync();
        Pools.await("it is ended", work::isDone);
        assertThat(outcome(work)).isInstanceOf(PoolClosedException.class);
        assertThat(pool.stats().cancelled()).isEqualTo(1);
        gate.open();
        closed.join();
    }

    @Test
    void theCloseEndsATaskThatHasMoved() {
        SqlitePool pool = pools.open(b -> b.closeGrace(Duration.ofMillis(1)));
        Gate gate = new Gate();
        CompletableFuture<Void> work = pool.useConnection(c -> {
            c.query("SELECT 1", row -> row.getInt(1));
            c.execute("BEGIN");
            gate.pass();
        });
        gate.awaitReached();
        CompletableFuture<Void> closed = pool.closeAsync();
        Pools.await("it is ended", work::isDone);
        assertThat(outcome(work)).isInstanceOf(PoolClosedException.class);
        gate.open();
        closed.join();
    }

    /** Two read lanes, of which leases may have one. */
    @Test
    void aLeaseThatComesBackToReadWaitsUntilLeasesMayHaveALane() {
        SqlitePool pool = pools.open(b -> b.poolSize(3));
        pool.execute("CREATE TABLE t (x)").join();
        Lease first = pool.acquire().join();
        first.run(c -> c.execute("BEGIN")).join();
        Lease second = pool.acquire().join();
        first.run(c -> c.execute("COMMIT")).join();
        CompletableFuture<List<Integer>> back = first.run(c -> c.query("SELECT 1", row -> row.getInt(1)));
        Pools.await("it waits", () -> pool.stats().readConnections().waiting() == 1);
        assertThat(pool.query("SELECT 2", row -> row.getInt(1)).join()).containsExactly(2);
        assertThat(back).isNotDone();
        second.release().join();
        assertThat(back.join()).containsExactly(1);
        first.release().join();
    }
}
