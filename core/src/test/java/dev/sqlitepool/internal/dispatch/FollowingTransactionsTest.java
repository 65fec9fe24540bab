package dev.sqlitepool.internal.dispatch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.pool.LanePool;
import dev.sqlitepool.testing.Engines;
import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Pools;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Transactions that follow one another keep the read lock; nobody but the next one may notice. */
class FollowingTransactionsTest {
    @RegisterExtension
    final Pools pools = new Pools();

    /** How often a transaction was passed on with the read lock. */
    private final AtomicInteger kept = new AtomicInteger();

    private volatile Runnable betweenTransactions = () -> {};
    private LanePool pool;

    @BeforeEach
    void open() {
        Settings settings =
                Pools.settings(SqlitePool.builder().databasePath(pools.file()).poolSize(3));
        pool = pools.track(new LanePool(settings, System::nanoTime, engines), settings.name());
        pool.execute("CREATE TABLE t (x INTEGER PRIMARY KEY)").join();
    }

    private final Engines engines = new Engines().around("begin", call -> {
        if (call.engine().isReading()) {
            kept.incrementAndGet();
            betweenTransactions.run();
        }
        return call.proceed();
    });

    /** Another program. */
    private Connection other() throws SQLException {
        return DriverManager.getConnection("jdbc:sqlite:" + pools.file());
    }

    private static boolean truncates(Connection other) throws SQLException {
        try (Statement statement = other.createStatement();
                ResultSet result = statement.executeQuery("PRAGMA wal_checkpoint(TRUNCATE)")) {
            return result.getInt(1) == 0;
        }
    }

    private CompletableFuture<Void> insert(int x) {
        return pool.useTransaction(tx -> tx.execute("INSERT INTO t VALUES (?)", x));
    }

    /** The write lane is held; what is submitted until the gate opens follows in a row. */
    private Gate hold() {
        Gate gate = new Gate();
        pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        return gate;
    }

    private long count() {
        return pool.queryOne("SELECT count(*) FROM t", row -> row.getLong(1))
                .join()
                .orElseThrow();
    }

    @Test
    void transactionsInARowKeepTheReadLockAndTheLastOneLeavesIt() throws SQLException {
        Gate gate = hold();
        List<CompletableFuture<Void>> all = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            all.add(insert(i));
        }
        gate.open();
        all.forEach(CompletableFuture::join);
        assertThat(kept).hasValue(10);
        assertThat(count()).isEqualTo(10);
        Pools.awaitIdle(pool);
        try (Connection other = other()) {
            assertThat(truncates(other)).isTrue();
        }
    }

    @Test
    void whatAnotherProgramWritesInBetweenIsSeen() {
        Gate gate = hold();
        betweenTransactions = () -> {
            betweenTransactions = () -> {};
            try (Connection other = other();
                    Statement statement = other.createStatement()) {
                statement.execute("INSERT INTO t VALUES (100)");
            } catch (SQLException e) {
                throw new AssertionError(e);
            }
        };
        CompletableFuture<Long> seen = pool.transaction(
                tx -> tx.queryOne("SELECT max(x) FROM t", row -> row.getLong(1)).orElseThrow());
        gate.open();
        assertThat(seen.join()).isEqualTo(100);
        assertThat(kept).hasValue(1);
    }

    @Test
    void aTableCanBeDroppedAndTheSchemaChanged() {
        Gate gate = hold();
        List<CompletableFuture<Void>> all = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            all.add(pool.useTransaction(tx -> {
                tx.execute("DROP TABLE t");
                tx.execute("CREATE TABLE t (x INTEGER PRIMARY KEY)");
                tx.execute("CREATE INDEX i ON t (x)");
                tx.execute("DROP INDEX i");
            }));
            all.add(insert(i));
        }
        gate.open();
        all.forEach(CompletableFuture::join);
        assertThat(kept).hasValue(10);
        assertThat(count()).isEqualTo(1);
    }

    @Test
    void maintenanceThatStandsInNoTransactionFindsNoStatementRunning() {
        Gate gate = hold();
        List<CompletableFuture<?>> all = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            all.add(insert(i));
            all.add(pool.execute("VACUUM"));
            all.add(insert(100 + i));
            all.add(pool.useConnection(c -> c.execute("VACUUM")));
        }
        gate.open();
        all.forEach(CompletableFuture::join);
        assertThat(count()).isEqualTo(10);
    }

    @Test
    void aTransactionThatFailsLeavesTheNextOneAlone() {
        Gate gate = hold();
        List<CompletableFuture<Void>> good = new ArrayList<>();
        List<CompletableFuture<Void>> bad = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            good.add(insert(i));
            bad.add(insert(i));
        }
        gate.open();
        good.forEach(CompletableFuture::join);
        bad.forEach(future -> assertThatThrownBy(future::join).hasMessageContaining("UNIQUE"));
        assertThat(count()).isEqualTo(20);
    }

    @Tag("slow")
    @Test
    void anInterruptBetweenTwoTransactionsReachesNobodyElse() {
        for (int round = 0; round < 20; round++) {
            Gate gate = hold();
            CompletableFuture<Void> first = insert(3 * round);
            CompletableFuture<Void> victim = insert(3 * round + 1);
            CompletableFuture<Void> next = insert(3 * round + 2);
            AtomicInteger begun = new AtomicInteger();
            betweenTransactions = () -> {
                if (begun.incrementAndGet() == 2) {
                    victim.cancel(false); // interrupts the lane, on which the read lock is kept
                }
            };
            gate.open();
            first.join();
            next.join();
            assertThat(victim).isCancelled();
        }
        assertThat(count()).isEqualTo(40);
    }

    @Test
    void aCheckpointOfAnotherProgramGetsPastTransactionsThatNeverEnd() throws SQLException {
        List<CompletableFuture<Void>> all = new ArrayList<>();
        try (Connection other = other()) {
            other.createStatement().execute("PRAGMA busy_timeout = 60000");
            Gate gate = hold();
            for (int i = 0; i < 500; i++) {
                all.add(insert(i));
            }
            gate.open();
            assertThat(truncates(other)).isTrue();
            all.forEach(CompletableFuture::join);
            assertThat(kept.get()).isBetween(1, 500);
            assertThat(count()).isEqualTo(500);
        }
    }
}
