package dev.sqlitepool.internal.session;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.Lease;
import dev.sqlitepool.PoolConnection;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.pool.LanePool;
import dev.sqlitepool.testing.Engines;
import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Pools;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Work that commits by itself: no commit is passed over before the disk has it, and no lane is spoilt. */
class OwnCommitsLanesTest {
    private static final String INSERT = "INSERT INTO t VALUES (?)";

    @RegisterExtension
    final Pools pools = new Pools();

    /** Runs before each sync. */
    private volatile Runnable beforeSync = () -> {};

    private volatile Connection writer;
    private LanePool pool;

    private final Engines engines = new Engines().opening(this::remember).before("sync", () -> beforeSync.run());

    private final AtomicInteger syncs = engines.calls("sync");

    private void remember(Engine engine) {
        if (engine.needsSync()) {
            writer = engine.connection();
        }
    }

    private void open(int poolSize) {
        open(builder -> builder.poolSize(poolSize));
    }

    private void open(UnaryOperator<SqlitePoolBuilder> more) {
        Settings settings = Pools.settings(
                more.apply(SqlitePool.builder().databasePath(pools.file()).closeGrace(Duration.ofSeconds(10))));
        pool = pools.track(new LanePool(settings, System::nanoTime, engines), settings.name());
        pool.execute("CREATE TABLE t (x)").join();
        syncs.set(0);
    }

    /** How SQLite syncs commits on the write lane at this moment: 2 by itself, 1 not. */
    private int level() throws SQLException {
        try (Statement statement = writer.createStatement();
                ResultSet row = statement.executeQuery("PRAGMA synchronous")) {
            return row.getInt(1);
        }
    }

    private static int number(PoolConnection c, String sql) throws SQLException {
        return c.queryOne(sql, row -> row.getInt(1)).orElseThrow();
    }

    private int count() {
        return pool.queryOne("SELECT count(*) FROM t", row -> row.getInt(1))
                .join()
                .orElseThrow();
    }

    private static void insert(PoolConnection c, int x) throws SQLException {
        c.execute("BEGIN");
        c.execute(INSERT, x);
        c.execute("COMMIT");
    }

    @Test
    void aBeginThatFailsUnderAResultThatNobodyAskedFor() {
        open(3);
        pool.useConnection(c -> {
                    Statement statement = c.jdbc().createStatement();
                    assertThat(statement.execute("INSERT INTO t VALUES (1), (2) RETURNING x"))
                            .isTrue();
                    assertThatThrownBy(() -> c.execute("BEGIN IMMEDIATE nonsense"))
                            .isInstanceOf(SQLException.class);
                    assertThat(level()).isEqualTo(2);
                    statement.close();
                    assertThat(count()).isEqualTo(2);
                })
                .join();
    }

    @Test
    void aBeginThatIsOnlyPrepared() {
        open(3);
        pool.useConnection(c -> {
                    Statement statement = c.jdbc().createStatement();
                    statement.setMaxRows(1);
                    ResultSet rows = statement.executeQuery("INSERT INTO t VALUES (1), (2) RETURNING x");
                    assertThat(rows.next()).isTrue();
                    assertThat(rows.next()).isFalse();
                    c.jdbc().prepareStatement("BEGIN");
                    assertThat(level()).isEqualTo(2);
                    rows.close();
                    assertThat(count()).isEqualTo(2);
                })
                .join();
    }

    @Test
    void resultsDoNotLeadToTheDriversConnectionInATransaction() {
        open(3);
        pool.useConnection(c -> {
                    c.execute("BEGIN");
                    c.execute(INSERT, 1);
                    ResultSet rows = c.jdbc().createStatement().executeQuery("SELECT 1");
                    assertThatThrownBy(() -> rows.unwrap(org.sqlite.jdbc4.JDBC4ResultSet.class))
                            .hasMessageContaining("before the transaction begins");
                    assertThat(rows.unwrap(ResultSet.class).getStatement().getConnection())
                            .isSameAs(c.jdbc());
                    assertThat(rows.getMetaData()).isNotInstanceOf(ResultSet.class);
                    assertThatThrownBy(() -> rows.getMetaData().unwrap(ResultSet.class))
                            .isInstanceOf(SQLException.class);
                    PreparedStatement prepared = c.jdbc().prepareStatement("SELECT x FROM t WHERE x = ?");
                    assertThat(prepared.getMetaData()).isNotInstanceOf(ResultSet.class);
                    assertThat(prepared.getParameterMetaData()).isNotInstanceOf(Statement.class);
                    DatabaseMetaData metadata = c.jdbc().getMetaData();
                    assertThatThrownBy(() -> metadata.unwrap(org.sqlite.jdbc4.JDBC4DatabaseMetaData.class))
                            .hasMessageContaining("before the transaction begins");
                    assertThat(metadata.unwrap(DatabaseMetaData.class).getConnection())
                            .isSameAs(c.jdbc());
                    ResultSet types = metadata.getTableTypes();
                    assertThatThrownBy(() -> types.unwrap(org.sqlite.jdbc4.JDBC4ResultSet.class))
                            .hasMessageContaining("before the transaction begins");
                    c.execute("ROLLBACK");
                })
                .join();
    }

    @Test
    void aCommitAsAQueryIsRefusedBeforeItRuns() {
        open(3);
        pool.useConnection(c -> {
                    Statement statement = c.jdbc().createStatement();
                    c.execute("BEGIN");
                    c.execute(INSERT, 1);
                    assertThatThrownBy(() -> statement.executeQuery("COMMIT")).isInstanceOf(SQLException.class);
                    assertThat(count()).isZero();
                    c.execute("COMMIT");
                    assertThat(syncs).hasValue(1);
                })
                .join();
    }

    @Test
    void aBeginAsAQueryLeavesNothingOpen() {
        open(3);
        pool.useConnection(
                        c -> assertThatThrownBy(() -> c.jdbc().createStatement().executeQuery("BEGIN"))
                                .isInstanceOf(SQLException.class))
                .join();
        pool.useTransaction(tx -> tx.execute(INSERT, 1)).join();
        assertThat(count()).isEqualTo(1);
    }

    @Test
    void aTableMayBeCalledChanges() {
        open(3);
        pool.useConnection(c -> {
                    insert(c, 1);
                    c.execute("CREATE TABLE changes (x)");
                    insert(c, 2);
                    c.execute("INSERT INTO changes (x) VALUES (1)");
                })
                .join();
    }

    @Test
    void resultsAfterACommitFailWithAnSqlException() {
        open(3);
        pool.useConnection(c -> {
                    Connection jdbc = c.jdbc();
                    jdbc.setAutoCommit(false);
                    Statement statement = jdbc.createStatement();
                    statement.executeUpdate("INSERT INTO t VALUES (1)");
                    ResultSet rows = statement.executeQuery("SELECT x FROM t");
                    assertThat(rows.next()).isTrue();
                    jdbc.commit();
                    assertThat(rows.isClosed()).isTrue();
                    assertThatThrownBy(() -> rows.getInt(1)).isInstanceOf(SQLException.class);
                    assertThatThrownBy(rows::next).isInstanceOf(SQLException.class);
                })
                .join();
    }

    @Test
    void metadataTellOfTheLaneThatTheWorkHas() {
        open(3);
        pool.useConnection(c -> {
                    c.execute("BEGIN");
                    c.execute(INSERT, 1);
                    DatabaseMetaData metadata = c.jdbc().getMetaData();
                    c.execute("COMMIT");
                    Gate other = new Gate();
                    CompletableFuture<Void> transaction = pool.useTransaction(tx -> {
                        tx.execute("CREATE TABLE strange (x)");
                        other.pass();
                        tx.rollbackOnly();
                    });
                    other.awaitReached();
                    try (ResultSet tables = metadata.getTables(null, null, "strange", null)) {
                        assertThat(tables.next()).isFalse();
                    } finally {
                        other.open();
                        transaction.join();
                    }
                })
                .join();
    }

    @Test
    void aSavepointAfterACommitTakesALaneAgain() {
        open(3);
        pool.useConnection(c -> {
                    Connection jdbc = c.jdbc();
                    jdbc.setAutoCommit(false);
                    jdbc.createStatement().executeUpdate("INSERT INTO t VALUES (1)");
                    jdbc.commit();
                    jdbc.setReadOnly(true);
                    jdbc.releaseSavepoint(jdbc.setSavepoint());
                    jdbc.rollback();
                })
                .join();
    }

    @Test
    void aCloseWaitsForWorkThatGoesOnWithoutALane() {
        open(3);
        Gate after = new Gate();
        CompletableFuture<Void> own = pool.useConnection(c -> {
            insert(c, 1);
            after.pass();
        });
        after.awaitReached();
        CompletableFuture<Void> closed = pool.closeAsync();
        Pools.await("no lane", () -> pool.stats().live() == 0);
        assertThat(closed).isNotDone();
        after.open();
        own.join();
        closed.join();
    }

    @Test
    void aBatchThatIsCommittedReadsNoMore() {
        open(1);
        pool.useConnection(c -> {
                    c.executeBatch(INSERT, List.of(new Object[] {1}, new Object[] {2}));
                    assertThat(pool.parts().writeLanes().oldestReader()).isNull();
                })
                .join();
    }

    @Test
    void aSelectThatWritesIsSyncedBySqlite() {
        open(3);
        pool.useConnection(c -> {
                    c.execute("CREATE VIRTUAL TABLE f USING fts4(x)");
                    c.execute("INSERT INTO f VALUES ('a')");
                    c.execute("INSERT INTO f VALUES ('b')");
                    c.execute("BEGIN");
                    c.execute("ROLLBACK");
                    assertThat(level()).isEqualTo(1);
                    c.queryOne("SELECT optimize(f) FROM f LIMIT 1", row -> row.getString(1));
                    assertThat(number(c, "SELECT count(*) FROM f_segdir")).isEqualTo(1);
                    assertThat(level()).isEqualTo(2);
                })
                .join();
    }

    @Test
    void whatTurnsOutToWriteIsSyncedBySqlite() {
        open(3);
        pool.useConnection(c -> {
                    c.execute("WITH w AS (SELECT 1) INSERT INTO t SELECT * FROM w");
                    assertThat(pool.stats().switches()).isEqualTo(1);
                    assertThat(level()).isEqualTo(2);
                })
                .join();
    }

    @Test
    void aBatchThatIsRefusedLeavesNoBeginBehind() {
        open(3);
        pool.useConnection(c -> {
                    Statement statement = c.jdbc().createStatement();
                    statement.addBatch("BEGIN");
                    assertThatThrownBy(statement::executeBatch).isInstanceOf(SQLException.class);
                    assertThat(level()).isEqualTo(2);
                })
                .join();
    }

    @Test
    void betweenCommitAndNextChangeNobodyAsksForTheLastChange() {
        open(3);
        pool.useConnection(c -> {
                    insert(c, 1);
                    assertRefused(c);
                    c.execute("BEGIN");
                    assertRefused(c);
                    c.execute(INSERT, 2);
                    assertThat(number(c, "SELECT last_insert_rowid()")).isEqualTo(2);
                })
                .join();
        Lease lease = pool.acquire().join();
        lease.run(c -> c.execute(INSERT, 3)).join();
        lease.run(c -> {
                    assertRefused(c);
                    return null;
                })
                .join();
        lease.release().join();
    }

    private static void assertRefused(PoolConnection c) {
        assertThatThrownBy(() -> number(c, "SELECT last_insert_rowid()"))
                .isInstanceOf(SQLException.class)
                .hasMessageContaining("Ask before COMMIT, or use INSERT … RETURNING");
    }
}
