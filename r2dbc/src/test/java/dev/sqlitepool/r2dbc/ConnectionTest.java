package dev.sqlitepool.r2dbc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.testing.Pools;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.IsolationLevel;
import io.r2dbc.spi.Option;
import io.r2dbc.spi.R2dbcException;
import io.r2dbc.spi.R2dbcNonTransientResourceException;
import io.r2dbc.spi.R2dbcPermissionDeniedException;
import io.r2dbc.spi.R2dbcRollbackException;
import io.r2dbc.spi.R2dbcTimeoutException;
import io.r2dbc.spi.Result;
import io.r2dbc.spi.TransactionDefinition;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.test.StepVerifier;

/** What a logical connection promises: its transactions, its timeouts, and when it has a lane. */
class ConnectionTest {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final String ENDLESS =
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

    @RegisterExtension
    final Database database = new Database(builder -> builder.poolSize(4));

    @BeforeEach
    void makeTable() {
        database.pool().execute("CREATE TABLE t (x INTEGER PRIMARY KEY)").join();
    }

    private static long run(Connection connection, String sql) {
        return Flux.from(connection.createStatement(sql).execute())
                .concatMap(Result::getRowsUpdated)
                .reduce(0L, Long::sum)
                .block(PATIENCE);
    }

    private static List<Integer> read(Connection connection, String sql) {
        return Flux.from(connection.createStatement(sql).execute())
                .concatMap(result -> result.map(row -> row.get(0, Integer.class)))
                .collectList()
                .block(PATIENCE);
    }

    private static void done(Publisher<Void> action) {
        Mono.from(action).block(PATIENCE);
    }

    private List<Integer> rows() {
        return database.pool()
                .query("SELECT x FROM t ORDER BY x", row -> row.getInt(1))
                .join();
    }

    private int borrowed() {
        return database.pool().stats().readConnections().borrowed()
                + database.pool().stats().writeConnections().borrowed();
    }

    @Test
    void aConnectionHasALaneOnlyWhenItNeedsOne() {
        Connection connection = database.connection();
        assertThat(database.pool().stats().live()).isLessThanOrEqualTo(1);
        assertThat(borrowed()).isZero();
        run(connection, "INSERT INTO t VALUES (1)");
        Pools.awaitIdle(database.pool());
        done(connection.beginTransaction());
        assertThat(database.pool().stats().writeConnections().borrowed()).isEqualTo(1);
        assertThat(database.pool().stats().readConnections().borrowed()).isZero();
        done(connection.commitTransaction());
        Pools.awaitIdle(database.pool());
        done(connection.beginTransaction(SqliteTransactionDefinition.READ_ONLY));
        assertThat(database.pool().stats().readConnections().borrowed()).isEqualTo(1);
        done(connection.rollbackTransaction());
        Pools.awaitIdle(database.pool());
        done(connection.close());
    }

    @Test
    void aReadOnlyTransactionSeesOneSnapshotAndRefusesWrites() {
        Connection connection = database.connection();
        done(connection.beginTransaction(SqliteTransactionDefinition.READ_ONLY));
        assertThat(read(connection, "SELECT count(*) FROM t")).containsExactly(0);
        database.pool().execute("INSERT INTO t VALUES (1)").join();
        assertThat(read(connection, "SELECT count(*) FROM t")).containsExactly(0);
        assertThatThrownBy(() -> run(connection, "INSERT INTO t VALUES (2)"))
                .isInstanceOf(R2dbcPermissionDeniedException.class);
        done(connection.createSavepoint("s"));
        done(connection.rollbackTransactionToSavepoint("s"));
        done(connection.commitTransaction());
        assertThat(read(connection, "SELECT count(*) FROM t")).containsExactly(1);
        assertThat(run(connection, "INSERT INTO t VALUES (2)")).isEqualTo(1);
        done(connection.close());
    }

    @Test
    void manyTransactionsWaitWithoutAThreadEach() {
        Connection holder = database.connection();
        done(holder.beginTransaction());
        int before = Thread.activeCount();
        CompletableFuture<List<Integer>> all = Flux.range(1, 500)
                .flatMap(
                        i -> Flux.usingWhen(
                                database.connections(),
                                c -> c.beginTransaction()
                                        .thenMany(c.createStatement("INSERT INTO t VALUES (?)")
                                                .bind(0, i)
                                                .execute()
                                                .concatMap(Result::getRowsUpdated))
                                        .then(c.commitTransaction())
                                        .thenReturn(i)
                                        .flux(),
                                SqliteConnection::close),
                        500)
                .collectList()
                .toFuture();
        assertThat(database.pool().stats().writeConnections().waiting()).isEqualTo(500);
        assertThat(Thread.activeCount()).isLessThan(before + 10);
        done(holder.commitTransaction());
        assertThat(all.join()).hasSize(500);
        assertThat(rows()).hasSize(500);
        done(holder.close());
    }

    @Test
    void savepointsUndoWhatCameAfterThem() {
        Connection connection = database.connection();
        done(connection.createSavepoint("a\"b"));
        assertThat(connection.isAutoCommit()).isFalse();
        run(connection, "INSERT INTO t VALUES (1)");
        done(connection.createSavepoint("inner"));
        run(connection, "INSERT INTO t VALUES (2)");
        done(connection.rollbackTransactionToSavepoint("inner"));
        run(connection, "INSERT INTO t VALUES (3)");
        done(connection.releaseSavepoint("inner"));
        done(connection.releaseSavepoint("a\"b"));
        assertThat(rows())
                .as("not committed by the release of the first savepoint")
                .isEmpty();
        done(connection.commitTransaction());
        assertThat(connection.isAutoCommit()).isTrue();
        assertThat(rows()).containsExactly(1, 3);
        StepVerifier.create(connection.releaseSavepoint("none")).verifyError(IllegalStateException.class);
        done(connection.close());
    }

    @Test
    void withoutAutoCommitAStatementBeginsATransaction() {
        Connection connection = database.connection();
        done(connection.setAutoCommit(false));
        run(connection, "INSERT INTO t VALUES (1)");
        assertThat(rows()).isEmpty();
        done(connection.commitTransaction());
        assertThat(rows()).containsExactly(1);
        assertThat(connection.isAutoCommit()).isFalse();
        run(connection, "INSERT INTO t VALUES (2)");
        done(connection.rollbackTransaction());
        run(connection, "INSERT INTO t VALUES (3)");
        done(connection.setAutoCommit(true));
        assertThat(rows()).containsExactly(1, 3);
        run(connection, "INSERT INTO t VALUES (4)");
        assertThat(rows()).containsExactly(1, 3, 4);
        done(connection.close());
    }

    @Test
    void closingRollsBack() {
        Connection connection = database.connection();
        done(connection.beginTransaction());
        run(connection, "INSERT INTO t VALUES (1)");
        done(connection.close());
        done(connection.close());
        Pools.awaitIdle(database.pool());
        assertThat(rows()).isEmpty();
        assertThatThrownBy(() -> run(connection, "INSERT INTO t VALUES (1)"))
                .isInstanceOf(R2dbcNonTransientResourceException.class)
                .hasMessageContaining("closed");
        StepVerifier.create(connection.beginTransaction()).verifyError(R2dbcNonTransientResourceException.class);
        StepVerifier.create(Flux.from(connection.createStatement("SELECT 1").execute())
                        .concatMap(result -> result.map(row -> row.get(0))))
                .verifyError(R2dbcNonTransientResourceException.class);
    }

    @Test
    void transactionControlAsTextIsTheSame() {
        Connection connection = database.connection();
        run(connection, "BEGIN; INSERT INTO t VALUES (1); SAVEPOINT s; INSERT INTO t VALUES (2); ROLLBACK TO s");
        assertThat(connection.isAutoCommit()).isFalse();
        run(connection, "COMMIT");
        assertThat(connection.isAutoCommit()).isTrue();
        assertThat(rows()).containsExactly(1);
        run(connection, "BEGIN EXCLUSIVE; INSERT INTO t VALUES (3); ROLLBACK");
        assertThat(rows()).containsExactly(1);
        done(connection.close());
    }

    @Test
    void whatChangesTheConnectionStaysUntilItsClose() {
        Connection connection = database.connection();
        run(connection, "CREATE TEMP TABLE mine (x)");
        assertThat(run(connection, "INSERT INTO mine VALUES (7)")).isEqualTo(1);
        assertThat(read(connection, "SELECT x FROM mine")).containsExactly(7);
        done(connection.beginTransaction());
        run(connection, "INSERT INTO t SELECT x FROM mine");
        done(connection.commitTransaction());
        assertThat(read(connection, "SELECT x FROM mine")).containsExactly(7);
        run(connection, "PRAGMA foreign_keys = OFF");
        assertThat(read(connection, "PRAGMA foreign_keys")).containsExactly(0);
        done(connection.close());
        Connection next = database.connection();
        assertThat(read(next, "PRAGMA foreign_keys")).containsExactly(1);
        assertThatThrownBy(() -> read(next, "SELECT x FROM mine")).hasMessageContaining("no such table");
        assertThat(rows()).containsExactly(7);
        done(next.close());
    }

    @Test
    void aColumnCalledTempKeepsTheConnectionOfNobody() {
        Connection one = database.connection();
        Connection two = database.connection();
        run(one, "CREATE TABLE weather (temp INTEGER DEFAULT 'temp')");
        run(one, "CREATE TRIGGER r AFTER UPDATE OF temp ON weather BEGIN SELECT new.temp; END");
        run(one, "PRAGMA foreign_keys /* (on) */");
        assertThat(run(two, "INSERT INTO weather VALUES (7)")).isEqualTo(1);
        assertThat(read(one, "SELECT temp FROM weather")).containsExactly(7);
        done(one.close());
        done(two.close());
    }

    @Test
    void aTextIsReadInTheSchemaThatAnotherConnectionHasMade() {
        Connection one = database.connection();
        Connection two = database.connection();
        for (int i = 0; i < 3; i++) {
            read(one, "SELECT * FROM t");
            read(one, "EXPLAIN SELECT * FROM t");
            run(two, "ALTER TABLE t ADD COLUMN y");
            assertThat(read(one, "SELECT 5, 6 UNION ALL SELECT * FROM t WHERE false"))
                    .containsExactly(5);
            assertThat(read(one, "WITH n(a, b) AS (SELECT 7, 8 UNION ALL SELECT * FROM t WHERE false) SELECT b FROM n"))
                    .containsExactly(8);
            run(two, "ALTER TABLE t DROP COLUMN y");
        }
        done(one.close());
        done(two.close());
    }

    @Test
    void aStatementThatTakesTooLongIsInterrupted() {
        Connection connection = database.connection();
        done(connection.setStatementTimeout(Duration.ofMillis(50)));
        assertThatThrownBy(() -> read(connection, ENDLESS))
                .isInstanceOf(R2dbcTimeoutException.class)
                .hasMessageContaining("0.05 s");
        assertThatThrownBy(() -> run(connection, "INSERT INTO t " + ENDLESS)).isInstanceOf(R2dbcTimeoutException.class);
        done(connection.setStatementTimeout(Duration.ZERO));
        done(connection.beginTransaction());
        run(connection, "INSERT INTO t VALUES (1)");
        done(connection.setStatementTimeout(Duration.ofMillis(50)));
        assertThatThrownBy(() -> read(connection, "SELECT * FROM (" + ENDLESS + ")"))
                .isInstanceOf(R2dbcTimeoutException.class);
        done(connection.setStatementTimeout(Duration.ZERO));
        done(connection.commitTransaction());
        assertThat(rows()).containsExactly(1);
        done(connection.beginTransaction());
        run(connection, "INSERT INTO t VALUES (2)");
        done(connection.setStatementTimeout(Duration.ofMillis(50)));
        assertThatThrownBy(() -> run(connection, "INSERT INTO t " + ENDLESS)).isInstanceOf(R2dbcTimeoutException.class);
        assertThatThrownBy(() -> run(connection, "INSERT INTO t VALUES (3)"))
                .as("SQLite rolls the transaction of an interrupted write back")
                .isInstanceOf(R2dbcRollbackException.class);
        StepVerifier.create(connection.commitTransaction()).verifyError(R2dbcRollbackException.class);
        done(connection.setStatementTimeout(Duration.ZERO));
        assertThat(run(connection, "INSERT INTO t VALUES (4)")).isEqualTo(1);
        assertThat(rows()).containsExactly(1, 4);
        done(connection.close());
    }

    @Test
    void whoWaitsForALockWaitsNoLongerThanAllowed() {
        Connection holder = database.connection();
        done(holder.beginTransaction());
        Connection waiter = database.connection();
        StepVerifier.create(waiter.beginTransaction(
                        SqliteTransactionDefinition.IMMEDIATE.lockWaitTimeout(Duration.ofMillis(50))))
                .verifyError(R2dbcTimeoutException.class);
        done(waiter.setLockWaitTimeout(Duration.ofMillis(50)));
        assertThatThrownBy(() -> run(waiter, "INSERT INTO t VALUES (1)")).isInstanceOf(R2dbcTimeoutException.class);
        StepVerifier.create(waiter.beginTransaction()).verifyError(R2dbcTimeoutException.class);
        done(waiter.setLockWaitTimeout(PATIENCE));
        done(holder.commitTransaction());
        assertThat(run(waiter, "INSERT INTO t VALUES (1)")).isEqualTo(1);
        done(waiter.beginTransaction());
        done(waiter.rollbackTransaction());
        done(holder.close());
        done(waiter.close());
        assertThat(rows()).containsExactly(1);
    }

    @Test
    void aDefinitionHasWhatItWasGiven() {
        Duration limit = Duration.ofSeconds(2);
        SqliteTransactionDefinition definition = SqliteTransactionDefinition.READ_ONLY.lockWaitTimeout(limit);
        assertThat(definition.getAttribute(TransactionDefinition.LOCK_WAIT_TIMEOUT))
                .isEqualTo(limit);
        assertThat(definition.getAttribute(TransactionDefinition.READ_ONLY)).isTrue();
        assertThat(definition.getAttribute(SqliteTransactionDefinition.MODE)).isNull();
        assertThat(SqliteTransactionDefinition.READ_ONLY.getAttribute(TransactionDefinition.LOCK_WAIT_TIMEOUT))
                .isNull();
        assertThat(definition).asString().contains("lockWaitTimeout", "readOnly");
        assertThatThrownBy(() -> SqliteTransactionDefinition.EXCLUSIVE.lockWaitTimeout(Duration.ofMillis(-1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("lockWaitTimeout was PT-0.001S");
    }

    /** A definition that is not the driver's. */
    private static TransactionDefinition modeOf(String mode) {
        return new TransactionDefinition() {
            @Override
            public <T> T getAttribute(Option<T> option) {
                return option.equals(Option.<String>valueOf("sqliteTransactionMode")) ? option.cast(mode) : null;
            }
        };
    }

    @Test
    void aTransactionHasItsModeAndAnyIsolationLevelIsSerializable() {
        Connection connection = database.connection();
        for (String mode : List.of("immediate", "EXCLUSIVE", "DEFERRED")) {
            done(connection.beginTransaction(modeOf(mode)));
            run(connection, "INSERT INTO t (x) VALUES (NULL)");
            done(connection.commitTransaction());
        }
        assertThat(rows()).containsExactly(1, 2, 3);
        assertThatThrownBy(() -> connection.beginTransaction(modeOf("CONCURRENT")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("sqliteTransactionMode was \"CONCURRENT\"");
        done(connection.beginTransaction(SqliteTransactionDefinition.EXCLUSIVE));
        run(connection, "INSERT INTO t (x) VALUES (NULL)");
        done(connection.commitTransaction());
        assertThat(rows()).containsExactly(1, 2, 3, 4);
        done(connection.setTransactionIsolationLevel(IsolationLevel.READ_COMMITTED));
        assertThat(connection.getTransactionIsolationLevel()).isEqualTo(IsolationLevel.SERIALIZABLE);
        assertThat(connection.getMetadata().getDatabaseProductName()).isEqualTo("SQLite");
        assertThat(connection.getMetadata().getDatabaseVersion()).startsWith("3.");
        done(connection.close());
    }

    @Test
    void aCommitThatFailsRollsBack() {
        database.pool()
                .execute("CREATE TABLE child (x REFERENCES t DEFERRABLE INITIALLY DEFERRED)")
                .join();
        Connection connection = database.connection();
        done(connection.beginTransaction());
        run(connection, "INSERT INTO child VALUES (99)");
        StepVerifier.create(connection.commitTransaction())
                .verifyErrorSatisfies(error -> assertThat(error).hasMessageContaining("FOREIGN KEY"));
        assertThat(connection.isAutoCommit()).isTrue();
        assertThat(run(connection, "INSERT INTO t VALUES (1)")).isEqualTo(1);
        assertThat(read(connection, "SELECT count(*) FROM child")).containsExactly(0);
        done(connection.close());
    }

    @Test
    void endingATransactionThatIsNotOpenDoesNothing() {
        Connection connection = database.connection();
        done(connection.commitTransaction());
        done(connection.rollbackTransaction());
        done(connection.beginTransaction());
        done(connection.beginTransaction());
        run(connection, "INSERT INTO t VALUES (1)");
        done(connection.commitTransaction());
        assertThat(rows()).containsExactly(1);
        done(connection.close());
    }

    /** One thread runs statements of a transaction, another closes: nothing commits by itself. */
    @Test
    void aCloseNeverLetsAStatementOfATransactionCommitByItself() throws Exception {
        ExecutorService other = Executors.newSingleThreadExecutor();
        try {
            for (int round = 0; round < 1_000; round++) {
                SqliteConnection connection = database.connection();
                done(connection.beginTransaction());
                Future<?> inserts = other.submit(() -> {
                    for (int i = 0; i < 3; i++) {
                        try {
                            run(connection, "INSERT INTO t (x) VALUES (NULL)");
                        } catch (R2dbcException e) {
                            return; // closed
                        }
                    }
                });
                LockSupport.parkNanos(round % 60 * 1_000L);
                done(connection.close());
                inserts.get(60, TimeUnit.SECONDS);
            }
        } finally {
            other.shutdownNow();
        }
        assertThat(rows()).isEmpty();
    }

    @Test
    void closingEndsWhatRuns() throws Exception {
        SqliteConnection connection = database.connection();
        CompletableFuture<?> running = connection
                .createStatement("SELECT * FROM (" + ENDLESS + ")")
                .execute()
                .concatMap(result -> result.map(row -> row.get(0)))
                .then()
                .toFuture();
        while (database.pool().stats().readConnections().borrowed() == 0) {
            LockSupport.parkNanos(100_000);
        }
        done(connection.close());
        assertThatThrownBy(() -> running.get(60, TimeUnit.SECONDS))
                .hasCauseInstanceOf(R2dbcNonTransientResourceException.class)
                .hasMessageContaining("closed");
        Pools.awaitIdle(database.pool());
    }

    @Test
    void aReadOnlyTransactionIsRefusedWhatItCouldNotKeep() {
        Connection connection = database.connection();
        done(connection.beginTransaction(SqliteTransactionDefinition.READ_ONLY));
        assertThat(read(connection, "SELECT count(*) FROM t")).containsExactly(0);
        assertThatThrownBy(() -> run(connection, "PRAGMA foreign_keys = ON"))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("read-only");
        done(connection.commitTransaction());
        run(connection, "INSERT INTO t VALUES (1)");
        assertThat(read(connection, "SELECT count(*) FROM t")).containsExactly(1);
        run(connection, "PRAGMA foreign_keys = ON");
        StepVerifier.create(connection.beginTransaction(SqliteTransactionDefinition.READ_ONLY))
                .verifyErrorSatisfies(error -> assertThat(error)
                        .isInstanceOf(IllegalStateException.class)
                        .hasMessageContaining("take another connection"));
        done(connection.close());
    }

    @Test
    void aWaitOfThreeHundredYearsIsOne() {
        Connection connection = database.connection();
        done(connection.setLockWaitTimeout(Duration.ofDays(365 * 300)));
        done(connection.setStatementTimeout(Duration.ofDays(365 * 300)));
        done(connection.beginTransaction());
        assertThat(run(connection, "INSERT INTO t VALUES (1)")).isEqualTo(1);
        done(connection.commitTransaction());
        assertThat(run(connection, "INSERT INTO t VALUES (2)")).isEqualTo(1);
        done(connection.close());
    }

    @Test
    void theModeThatIsSetInsideATransactionIsThatBehindIt() {
        Connection connection = database.connection();
        done(connection.beginTransaction());
        run(connection, "INSERT INTO t VALUES (1)");
        done(connection.setAutoCommit(false));
        assertThat(rows()).isEmpty();
        done(connection.commitTransaction());
        assertThat(connection.isAutoCommit()).isFalse();
        assertThatThrownBy(() -> database.connection()
                        .control(new Script("SAVEPOINT s").parts().get(0))
                        .block(PATIENCE))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("SAVEPOINT outside a transaction");
        done(connection.close());
    }

    @Test
    void aPoolInMemoryWorksTheSame() {
        try (dev.sqlitepool.SqlitePool pool =
                dev.sqlitepool.SqlitePool.builder().inMemory().build()) {
            Connection connection = SqliteConnectionFactory.of(pool).create().block(PATIENCE);
            run(connection, "CREATE TABLE t (x)");
            done(connection.beginTransaction());
            run(connection, "INSERT INTO t VALUES (1)");
            assertThat(read(connection, "SELECT x FROM t")).containsExactly(1);
            done(connection.rollbackTransaction());
            done(connection.beginTransaction(SqliteTransactionDefinition.READ_ONLY));
            assertThat(read(connection, "SELECT count(*) FROM t")).containsExactly(0);
            assertThatThrownBy(() -> run(connection, "INSERT INTO t VALUES (1)"))
                    .isInstanceOf(R2dbcPermissionDeniedException.class);
            done(connection.commitTransaction());
            assertThat(run(connection, "INSERT INTO t VALUES (1)")).isEqualTo(1);
            done(connection.close());
        }
    }
}
