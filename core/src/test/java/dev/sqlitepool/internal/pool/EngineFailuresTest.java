package dev.sqlitepool.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.sqlitepool.Access;
import dev.sqlitepool.Lease;
import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.PoolConnection;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.SqlAction;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.Transaction;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.testing.Engines;
import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.Probe;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.sqlite.SQLiteErrorCode;
import org.sqlite.SQLiteException;

/** What an error of a begin, a statement, a savepoint, a commit or a rollback does to the connection, the transaction and the outcome. */
class EngineFailuresTest {
    private static final String INSERT = "INSERT INTO t VALUES (?)";

    @RegisterExtension
    final Pools pools = new Pools();

    /** The next call of a method, perhaps with a certain first argument, fails with this, once. */
    private final Map<String, SQLException> errors = new ConcurrentHashMap<>();
    /** These take effect before they fail. */
    private final Set<String> late = ConcurrentHashMap.newKeySet();

    private final Engines engines = new Engines().withStatements().around(this::failing);
    private LanePool pool;

    @BeforeEach
    void open() {
        Settings settings = Pools.settings(
                SqlitePool.builder().databasePath(pools.file()).poolSize(2).busyTimeout(Duration.ofSeconds(20)));
        pool = pools.track(new LanePool(settings, System::nanoTime, engines), settings.name());
        pool.execute("CREATE TABLE t (x)").join();
        Pools.awaitIdle(pool);
    }

    private @Nullable Object failing(Engines.Call call) throws Throwable {
        SQLException error = errors.remove(call.method());
        if (error == null) {
            error = errors.remove(call.text());
        }
        if (error != null && !late.contains(call.method())) {
            throw error;
        }
        Object answer = call.proceed();
        if (error != null) {
            throw error;
        }
        return answer;
    }

    private static SQLException error(SQLiteErrorCode code) {
        return new SQLiteException("injected " + code, code);
    }

    /** A statement, a begin … will fail. */
    private SQLException fail(String method, SQLiteErrorCode code) {
        SQLException error = error(code);
        errors.put(method, error);
        return error;
    }

    private static Throwable outcome(CompletableFuture<?> future) {
        Throwable thrown = catchThrowable(future::join);
        return thrown instanceof CompletionException ? thrown.getCause() : thrown;
    }

    private Throwable inTransaction(SqlAction<Transaction, ?> work) {
        return outcome(pool.useTransaction(work));
    }

    private Throwable onConnection(SqlAction<PoolConnection, ?> work) {
        return outcome(pool.useConnection(work));
    }

    /** The rows that there are, and that the pool can still write. */
    private void assertRows(Integer... rows) {
        assertThat(errors).as("has failed").isEmpty();
        assertThat(pool.query("SELECT x FROM t", row -> row.getInt(1)).join()).containsExactly(rows);
        pool.execute("DELETE FROM t").join();
    }

    private void assertDiscarded(long connections) {
        Pools.awaitIdle(pool);
        assertThat(pool.stats().closed().get(CloseReason.DISCARDED)).isEqualTo(connections);
    }

    // ---- begin

    @ParameterizedTest
    @EnumSource(names = {"SQLITE_IOERR", "SQLITE_INTERRUPT", "SQLITE_READONLY"})
    void aConnectionThatCouldNotBeginToWriteIsReplaced(SQLiteErrorCode code) {
        SQLException error = fail("begin", code);
        assertThat(inTransaction(tx -> tx.execute(INSERT, 1))).isSameAs(error);
        assertDiscarded(1);
        assertRows();
    }

    @ParameterizedTest
    @EnumSource(names = {"SQLITE_ERROR", "SQLITE_MISUSE"})
    void anOrdinaryErrorLeavesTheConnection(SQLiteErrorCode code) {
        SQLException error = fail("begin", code);
        assertThat(inTransaction(tx -> tx.execute(INSERT, 1))).isSameAs(error);
        assertDiscarded(0);
        assertRows();
    }

    @Test
    void aReadThatCouldNotBeginLeavesTheConnection() {
        SQLException error = fail("begin", SQLiteErrorCode.SQLITE_READONLY);
        assertThat(outcome(pool.useRead(c -> c.query("SELECT x FROM t", row -> row.getInt(1)))))
                .isSameAs(error);
        assertDiscarded(0);
        assertRows();
    }

    @Test
    void whoIsBusyBeginsAgain() {
        fail("begin", SQLiteErrorCode.SQLITE_BUSY);
        assertThat(inTransaction(tx -> tx.execute(INSERT, 1))).isNull();
        assertDiscarded(0);
        assertRows(1);
    }

    // ---- statements

    @Test
    void aDoubtfulErrorEndsTheTransactionEvenIfItIsSwallowed() {
        List<Throwable> later = new CopyOnWriteArrayList<>();
        SQLException error = fail("start", SQLiteErrorCode.SQLITE_IOERR);
        Throwable outcome = inTransaction(tx -> {
            assertThatThrownBy(() -> tx.execute(INSERT, 1)).isSameAs(error);
            later.add(catchThrowable(() -> tx.execute(INSERT, 2)));
            later.add(catchThrowable(() -> tx.savepoint(inner -> inner.execute(INSERT, 3))));
        });
        assertThat(outcome).isInstanceOf(SQLException.class).hasMessageContaining("cannot go on");
        assertThat(later).hasSize(2).allSatisfy(refused -> {
            assertThat(refused).hasMessageContaining("was rolled back by SQLite after an error in it (injected");
            assertThat(((SQLException) refused).getSQLState()).isEqualTo("25P02");
        });
        assertDiscarded(1);
        assertRows();
    }

    @Test
    void aChangeByItselfThatFailsDoubtfullyMayHaveTakenEffect() {
        late.add("start");
        SQLException error = fail("start", SQLiteErrorCode.SQLITE_IOERR);
        Throwable outcome = onConnection(c -> c.execute("VACUUM"));
        assertThat(outcome).isInstanceOf(OutcomeUnknownException.class).hasCause(error);
        assertDiscarded(1);
        assertRows();
    }

    @Test
    void aReadThatFailsDoubtfullyHasAKnownOutcome() {
        SQLException error = fail("start", SQLiteErrorCode.SQLITE_IOERR);
        assertThat(onConnection(c -> c.query("SELECT x FROM t", row -> row.getInt(1))))
                .isSameAs(error);
        assertDiscarded(1);
        SQLException onWriteLane = error(SQLiteErrorCode.SQLITE_IOERR);
        Lease lease = pool.acquire(Access.WRITE).join();
        lease.run(c -> c.execute("BEGIN")).join();
        errors.put("start", onWriteLane);
        assertThat(outcome(lease.run(c -> c.query("SELECT x FROM t", row -> row.getInt(1)))))
                .isSameAs(onWriteLane);
        lease.release().join();
        assertDiscarded(2);
        assertRows();
    }

    @Test
    void anInterruptedWriteTakesTheTransactionWithIt() {
        SQLException error = fail("start", SQLiteErrorCode.SQLITE_INTERRUPT);
        Throwable outcome = inTransaction(
                tx -> assertThatThrownBy(() -> tx.execute(INSERT, 1)).isSameAs(error));
        assertThat(outcome).isInstanceOf(SQLException.class).hasMessageContaining("cannot go on");
        assertDiscarded(1);
        assertRows();
    }

    // ---- savepoints

    @Test
    void aSavepointThatCannotBeOpenedIsAnErrorOfTheWorkAlone() {
        SQLException error = fail("savepoint", SQLiteErrorCode.SQLITE_ERROR);
        Throwable outcome = inTransaction(tx -> {
            assertThatThrownBy(() -> tx.savepoint(inner -> inner.execute(INSERT, 1)))
                    .isSameAs(error);
            tx.execute(INSERT, 2);
            tx.savepoint(inner -> inner.execute(INSERT, 3));
        });
        assertThat(outcome).isNull();
        assertDiscarded(0);
        assertRows(2, 3);
    }

    @Test
    void aSavepointThatCannotBeReleasedLosesTheTransaction() {
        SQLException error = fail("release", SQLiteErrorCode.SQLITE_ERROR);
        Throwable outcome =
                inTransaction(tx -> assertThatThrownBy(() -> tx.savepoint(inner -> inner.execute(INSERT, 1)))
                        .isSameAs(error));
        assertThat(outcome).isInstanceOf(SQLException.class).hasMessageContaining("cannot go on");
        assertDiscarded(0);
        assertRows();
    }

    @Test
    void aSavepointInWhichTheTransactionIsLostIsNotReleased() {
        SQLException error = fail("start", SQLiteErrorCode.SQLITE_IOERR);
        Throwable outcome = inTransaction(tx -> {
            assertThatThrownBy(() -> tx.savepoint(inner ->
                            assertThatThrownBy(() -> inner.execute(INSERT, 1)).isSameAs(error)))
                    .hasMessageContaining("cannot go on");
        });
        assertThat(outcome).hasMessageContaining("cannot go on");
        assertDiscarded(1);
        assertRows();
    }

    @Test
    void aSavepointThatCannotBeUndoneLosesTheTransaction() {
        SQLException error = fail("rollbackTo", SQLiteErrorCode.SQLITE_ERROR);
        IllegalStateException own = new IllegalStateException("of the work");
        Throwable outcome = inTransaction(tx -> {
            assertThatThrownBy(() -> tx.savepoint(inner -> {
                        inner.execute(INSERT, 1);
                        throw own;
                    }))
                    .isSameAs(own);
        });
        assertThat(own).hasSuppressedException(error);
        assertThat(outcome).hasMessageContaining("cannot go on");
        assertDiscarded(1);
        assertRows();
    }

    @Test
    void afterASavepointThatIsReleasedItsLevelIsFreeAgain() {
        List<Integer> done = new CopyOnWriteArrayList<>();
        pool.useTransaction(tx -> {
                    tx.savepoint(inner -> {
                        inner.afterCommit(() -> done.add(1));
                        return inner.execute(INSERT, 1);
                    });
                    assertThatThrownBy(() -> tx.savepoint(inner -> {
                                inner.afterCommit(() -> done.add(2));
                                throw new IllegalStateException("undo");
                            }))
                            .hasMessage("undo");
                })
                .join();
        assertThat(done).containsExactly(1);
        assertRows(1);
    }

    // ---- commit and rollback

    @Test
    void nobodyKnowsWhatBecameOfACommitThatFailsDoubtfully() {
        Probe<Set<String>> changes = new Probe<>(Long.MAX_VALUE);
        pool.changes("t").subscribe(changes);
        late.add("commit");
        SQLException error = fail("commit", SQLiteErrorCode.SQLITE_IOERR);
        Throwable outcome = inTransaction(tx -> tx.execute(INSERT, 1));
        assertThat(outcome).isInstanceOf(OutcomeUnknownException.class).hasCause(error);
        assertThat(changes.awaitRows(1)).containsExactly(Set.of("t"));
        assertDiscarded(1);
        assertRows(1);
    }

    @Test
    void aCommitThatIsRefusedIsRolledBack() {
        SQLException error = fail("commit", SQLiteErrorCode.SQLITE_CONSTRAINT);
        assertThat(inTransaction(tx -> tx.execute(INSERT, 1))).isSameAs(error);
        assertDiscarded(0);
        assertRows();
    }

    @Test
    void aRefusedCommitThatCannotBeRolledBackIsDoubtful() {
        SQLException error = fail("commit", SQLiteErrorCode.SQLITE_CONSTRAINT);
        SQLException second = fail("rollback", SQLiteErrorCode.SQLITE_IOERR);
        Throwable outcome = inTransaction(tx -> tx.execute(INSERT, 1));
        assertThat(outcome).isInstanceOf(OutcomeUnknownException.class).hasCause(error);
        assertThat(error.getSuppressed()).containsExactly(second);
        assertDiscarded(1);
        assertRows();
    }

    @Test
    void aCommitThatIsBusyIsTriedAgain() {
        fail("commit", SQLiteErrorCode.SQLITE_BUSY);
        assertThat(inTransaction(tx -> tx.execute(INSERT, 1))).isNull();
        assertDiscarded(0);
        assertRows(1);
    }

    @Test
    void aRollbackThatFailsIsToldBesideTheErrorOfTheWork() {
        SQLException error = fail("rollback", SQLiteErrorCode.SQLITE_IOERR);
        IllegalStateException own = new IllegalStateException("of the work");
        Throwable outcome = inTransaction(tx -> {
            tx.execute(INSERT, 1);
            throw own;
        });
        assertThat(outcome).isSameAs(own).hasSuppressedException(error);
        assertDiscarded(1);
        assertRows();
    }

    @Test
    void aSnapshotThatCannotBeEndedCostsTheConnection() {
        pool.execute(INSERT, 1).join();
        fail("rollback", SQLiteErrorCode.SQLITE_IOERR);
        Throwable outcome = outcome(pool.useRead(c ->
                assertThat(c.query("SELECT x FROM t", row -> row.getInt(1))).containsExactly(1)));
        assertThat(outcome).isNull();
        assertDiscarded(1);
        assertRows(1);
    }

    // ---- statements that are busy

    @Test
    void aStatementThatIsBusyRunsAgain() {
        fail("start", SQLiteErrorCode.SQLITE_BUSY);
        assertThat(onConnection(c -> assertThat(c.execute(INSERT, 1)).isEqualTo(1)))
                .isNull();
        assertThat(pool.stats().busyRetries()).isEqualTo(1);
        assertDiscarded(0);
        assertRows(1);
    }

    @Test
    void aStatementThatHasGivenARowDoesNotRunAgain() {
        pool.execute("INSERT INTO t VALUES (1), (2)").join();
        List<Integer> rows = new CopyOnWriteArrayList<>();
        SQLException error = error(SQLiteErrorCode.SQLITE_BUSY);
        assertThat(onConnection(c -> c.forEach("SELECT x FROM t", row -> {
                    rows.add(row.getInt(1));
                    errors.put("next", error);
                })))
                .isSameAs(error);
        assertThat(rows).containsExactly(1);
        assertRows(1, 2);
    }

    @Test
    void ofATransactionOnlyTheEndRunsAgain() {
        Throwable outcome = onConnection(c -> {
            c.execute("BEGIN");
            SQLException error = fail("start", SQLiteErrorCode.SQLITE_BUSY);
            assertThatThrownBy(() -> c.execute(INSERT, 1)).isSameAs(error);
            c.execute(INSERT, 2);
            fail("start", SQLiteErrorCode.SQLITE_BUSY);
            c.execute("COMMIT");
        });
        assertThat(outcome).isNull();
        assertThat(pool.stats().busyRetries()).isEqualTo(1);
        assertDiscarded(0);
        assertRows(2);
    }

    // ---- handing over

    @Test
    void aConnectionThatCannotBeHandedOverCleanIsReplaced() {
        Throwable outcome = onConnection(c -> {
            c.execute(INSERT, 1);
            fail("syncByItself", SQLiteErrorCode.SQLITE_IOERR);
        });
        assertThat(outcome).isNull();
        assertDiscarded(1);
        assertRows(1);
    }

    @Test
    void aConnectionThatDoesNotSyncByItselfAgainIsReplaced() {
        Throwable outcome = onConnection(c -> {
            fail("syncByItself(true)", SQLiteErrorCode.SQLITE_IOERR);
            assertThatThrownBy(() -> c.execute("BEGIN IMMEDIATE nonsense")).hasMessageContaining("syntax error");
        });
        assertThat(outcome).isNull();
        assertDiscarded(1);
        assertRows();
    }

    @Test
    void aReadRunsByItselfIfItsSnapshotCannotBeShared() {
        Gate gate = new Gate();
        CompletableFuture<Void> holder = pool.useRead(c -> {
            gate.pass();
            fail("begin", SQLiteErrorCode.SQLITE_ERROR);
        });
        gate.awaitReached();
        CompletableFuture<List<Integer>> one = pool.query("SELECT 1", row -> row.getInt(1));
        CompletableFuture<List<Integer>> two = pool.query("SELECT 2", row -> row.getInt(1));
        gate.open();
        holder.join();
        assertThat(one.join()).containsExactly(1);
        assertThat(two.join()).containsExactly(2);
        assertDiscarded(0);
        assertRows();
    }

    @Test
    void aSharedSnapshotThatCannotBeEndedCostsTheConnection() {
        Gate gate = new Gate();
        CompletableFuture<Void> holder = pool.useRead(c -> gate.pass());
        gate.awaitReached();
        CompletableFuture<List<Integer>> one = pool.query("SELECT 1", row -> {
            fail("rollback", SQLiteErrorCode.SQLITE_IOERR);
            return row.getInt(1);
        });
        CompletableFuture<List<Integer>> two = pool.query("SELECT 2", row -> row.getInt(1));
        gate.open();
        holder.join();
        assertThat(one.join()).containsExactly(1);
        assertThat(two.join()).containsExactly(2);
        assertDiscarded(1);
        assertRows();
    }

    @Test
    void aThreadThatIsInterruptedWhileAStatementIsBusyStaysInterrupted() {
        Throwable outcome = onConnection(c -> {
            fail("start", SQLiteErrorCode.SQLITE_BUSY);
            Thread.currentThread().interrupt();
            c.execute(INSERT, 1);
            assertThat(Thread.interrupted()).isTrue();
            fail("start", SQLiteErrorCode.SQLITE_BUSY);
            c.execute(INSERT, 2);
            assertThat(Thread.interrupted()).isFalse();
        });
        assertThat(outcome).isNull();
        assertRows(1, 2);
    }

    @Test
    void aTransactionOfWhichNobodyKnowsWhetherItStandsIsLost() {
        Throwable outcome = inTransaction(tx -> {
            tx.execute(INSERT, 1);
            SQLException error = fail("start", SQLiteErrorCode.SQLITE_INTERRUPT);
            fail("inTransaction", SQLiteErrorCode.SQLITE_IOERR);
            assertThatThrownBy(() -> tx.query("SELECT x FROM t", row -> row.getInt(1)))
                    .isSameAs(error);
            assertThatThrownBy(() -> tx.execute(INSERT, 2)).hasMessageContaining("cannot go on");
        });
        assertThat(outcome).isInstanceOf(SQLException.class).hasMessageContaining("cannot go on");
        assertDiscarded(1);
        assertRows();
    }

    @Test
    void aReadThatIsInterruptedLeavesTheTransactionStanding() {
        Throwable outcome = inTransaction(tx -> {
            tx.execute(INSERT, 1);
            SQLException error = fail("start", SQLiteErrorCode.SQLITE_INTERRUPT);
            assertThatThrownBy(() -> tx.query("SELECT x FROM t", row -> row.getInt(1)))
                    .isSameAs(error);
            tx.execute(INSERT, 2);
        });
        assertThat(outcome).isNull();
        assertDiscarded(0);
        assertRows(1, 2);
    }

    @Test
    void aBatchThatCouldNotBeginIsForgotten() {
        Throwable outcome = onConnection(c -> {
            try (PreparedStatement insert = c.jdbc().prepareStatement(INSERT)) {
                insert.setInt(1, 1);
                insert.addBatch();
                SQLException error = fail("begin", SQLiteErrorCode.SQLITE_ERROR);
                assertThatThrownBy(insert::executeBatch).isSameAs(error);
                insert.setInt(1, 2);
                insert.addBatch();
                assertThat(insert.executeBatch()).containsExactly(1);
            }
        });
        assertThat(outcome).isNull();
        assertRows(2);
    }
}
