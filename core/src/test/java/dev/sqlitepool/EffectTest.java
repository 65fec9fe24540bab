package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Pools;
import java.sql.Connection;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** An exception of the pool says whether the task that it ended may have changed the database. */
class EffectTest {
    private static final String INSERT = "INSERT INTO t VALUES (1)";
    private static final String STAYS = "What the task has committed itself stays: look before you run it again.";
    private static final String NOTHING = "Nothing of the task took effect.";

    @RegisterExtension
    final Pools pools = new Pools();

    private SqlitePool pool;

    @BeforeEach
    void open() {
        pool = pools.open(b -> b.closeGrace(Duration.ofMillis(50)).acquireTimeout(Duration.ofSeconds(20)));
        pool.execute("CREATE TABLE t (x)").join();
    }

    private SqlitePool impatient() {
        pools.closeAll();
        return WaitingLimitsTest.opened(pools.open(b -> b.acquireTimeout(Duration.ofMillis(100))));
    }

    private static PoolException failure(CompletableFuture<?> future) {
        Throwable thrown = catchThrowable(future::join);
        assertThat(thrown).isInstanceOf(CompletionException.class).hasCauseInstanceOf(PoolException.class);
        return (PoolException) thrown.getCause();
    }

    private static void assertEffect(CompletableFuture<?> future, boolean effect) {
        PoolException error = failure(future);
        assertThat(error.mayHaveHadEffect()).as(error.getMessage()).isEqualTo(effect);
        assertThat(error).hasMessageEndingWith(effect ? STAYS : NOTHING);
    }

    private int rows(SqlitePool from) {
        return from.queryOne("SELECT count(*) FROM t", row -> row.getInt(1))
                .join()
                .orElseThrow();
    }

    // ---- timeouts

    /**
     * <pre>
     *   connection                         transaction
     *   BEGIN, INSERT, COMMIT
     *                                      has the write lane
     *   INSERT: waits, in vain
     * </pre>
     */
    @Test
    void aConnectionThatHadCommittedBeforeItTimedOutSaysSo() {
        SqlitePool impatient = impatient();
        Gate committed = new Gate();
        CompletableFuture<Void> work = impatient.useConnection(c -> {
            c.execute("BEGIN");
            c.execute(INSERT);
            c.execute("COMMIT");
            committed.pass();
            c.execute(INSERT);
        });
        assertTimesOut(impatient, committed, work, true);
        assertThat(rows(impatient)).isEqualTo(1);
    }

    @Test
    void aConnectionThatHadOnlyReadBeforeItTimedOutHadNoEffect() {
        SqlitePool impatient = impatient();
        Gate read = new Gate();
        CompletableFuture<Void> work = impatient.useConnection(c -> {
            c.query("SELECT * FROM t", row -> 1);
            read.pass();
            c.execute(INSERT);
        });
        assertTimesOut(impatient, read, work, false);
        assertThat(rows(impatient)).isZero();
    }

    @Test
    void aWorkOfALeaseAnswersForItselfAlone() {
        SqlitePool impatient = impatient();
        Lease lease = impatient.acquire().join();
        lease.run(c -> c.execute(INSERT)).join();
        Gate waits = new Gate();
        CompletableFuture<Long> second = lease.run(c -> {
            waits.pass();
            return c.execute(INSERT);
        });
        assertTimesOut(impatient, waits, second, false);
        Gate committed = new Gate();
        CompletableFuture<Long> third = lease.run(c -> {
            c.execute("BEGIN");
            c.execute(INSERT);
            c.execute("COMMIT");
            committed.pass();
            return c.execute(INSERT);
        });
        assertTimesOut(impatient, committed, third, true);
        lease.release().join();
        assertThat(rows(impatient)).isEqualTo(2);
    }

    @Test
    void aTransactionAndDataThatTimedOutHadNoEffect() {
        SqlitePool impatient = impatient();
        Gate gate = new Gate();
        CompletableFuture<Void> holder = impatient.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        assertEffect(impatient.execute(INSERT), false);
        assertEffect(impatient.useTransaction(tx -> tx.execute(INSERT)), false);
        assertEffect(impatient.acquire(Access.WRITE), false);
        gate.open();
        holder.join();
        assertThat(rows(impatient)).isZero();
    }

    private void assertTimesOut(SqlitePool impatient, Gate reached, CompletableFuture<?> work, boolean effect) {
        reached.awaitReached();
        Gate gate = new Gate();
        CompletableFuture<Void> holder = impatient.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        reached.open();
        assertEffect(work, effect);
        assertThat(failure(work)).isInstanceOf(PoolTimeoutException.class);
        gate.open();
        holder.join();
    }

    @Test
    void aMoveThatIsRefusedBecauseTooManyWaitSaysSoToo() {
        pools.closeAll();
        SqlitePool crowded = pools.open(b -> b.maxWaiters(1));
        Gate committed = new Gate();
        CompletableFuture<Void> work = crowded.useConnection(c -> {
            c.execute("BEGIN");
            c.execute(INSERT);
            c.execute("COMMIT");
            committed.pass();
            c.execute(INSERT);
        });
        committed.awaitReached();
        Gate gate = new Gate();
        CompletableFuture<Void> holder = crowded.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        CompletableFuture<Long> waits = crowded.execute(INSERT);
        assertEffect(crowded.execute(INSERT), false);
        committed.open();
        assertEffect(work, true);
        assertThat(failure(work)).isInstanceOf(PoolExhaustedException.class);
        gate.open();
        holder.join();
        waits.join();
    }

    // ---- the close

    /** Runs the work up to the gate, and closes the pool by force there. */
    private void assertClosed(SqlAction<PoolConnection, ?> work, boolean effect) {
        Gate gate = new Gate();
        CompletableFuture<Void> running = pool.useConnection(c -> {
            work.accept(c);
            gate.pass();
        });
        gate.awaitReached();
        CompletableFuture<Void> closed = pool.closeAsync();
        assertEffect(running, effect);
        assertThat(failure(running)).isInstanceOf(PoolClosedException.class);
        gate.open();
        closed.join();
        SqlitePool again = pools.open();
        assertThat(rows(again)).isEqualTo(effect ? 1 : 0);
    }

    @Test
    void aConnectionThatHadWrittenSaysSo() {
        assertClosed(c -> c.execute(INSERT), true);
    }

    @Test
    void aConnectionThatHadWrittenInManyRowsSaysSo() {
        assertClosed(c -> c.executeBatch("INSERT INTO t VALUES (?)", List.<Object[]>of(new Object[] {1})), true);
    }

    @Test
    void aConnectionThatHadCommittedSaysSo() {
        assertClosed(
                c -> {
                    c.execute("BEGIN");
                    c.execute(INSERT);
                    c.execute("COMMIT");
                },
                true);
    }

    @Test
    void aConnectionThatHadWrittenThroughJdbcSaysSo() {
        assertClosed(c -> c.jdbc().createStatement().executeUpdate(INSERT), true);
    }

    @Test
    void aConnectionThatHadCommittedThroughJdbcSaysSo() {
        assertClosed(
                c -> {
                    Connection jdbc = c.jdbc();
                    jdbc.setAutoCommit(false);
                    jdbc.createStatement().executeUpdate(INSERT);
                    jdbc.commit();
                },
                true);
    }

    @Test
    void aConnectionThatHadWrittenPastThePoolSaysSo() {
        assertClosed(
                c -> c.jdbc()
                        .unwrap(org.sqlite.SQLiteConnection.class)
                        .createStatement()
                        .executeUpdate(INSERT),
                true);
    }

    @Test
    void aConnectionThatHadOnlyReadHadNoEffect() {
        assertClosed(c -> c.query("SELECT * FROM t", row -> 1), false);
    }

    @Test
    void aConnectionWhoseTransactionWasOpenHadNoEffect() {
        assertClosed(
                c -> {
                    c.execute("BEGIN");
                    c.execute(INSERT);
                },
                false);
    }

    @Test
    void aConnectionThatHadRolledBackHadNoEffect() {
        assertClosed(
                c -> {
                    c.execute("BEGIN");
                    c.execute(INSERT);
                    c.execute("ROLLBACK");
                },
                false);
    }

    @Test
    void transactionsAndWhatWaitedHadNoEffect() {
        Gate gate = new Gate();
        CompletableFuture<Void> transaction = pool.useTransaction(tx -> {
            tx.execute(INSERT);
            gate.pass();
        });
        gate.awaitReached();
        Map<String, CompletableFuture<?>> waiting = Map.of(
                "data", pool.execute(INSERT),
                "code", pool.useTransaction(tx -> tx.execute(INSERT)),
                "lease", pool.acquire(Access.WRITE));
        CompletableFuture<Void> closed = pool.closeAsync();
        waiting.values().forEach(future -> assertEffect(future, false));
        assertEffect(transaction, false);
        assertEffect(pool.execute(INSERT), false);
        gate.open();
        closed.join();
        assertThat(rows(pools.open())).isZero();
    }

    @Test
    void anUnknownOutcomeMayHaveHadAnEffect() {
        assertThat(new OutcomeUnknownException("unknown", pool.stats(), new IllegalStateException()).mayHaveHadEffect())
                .isTrue();
    }
}
