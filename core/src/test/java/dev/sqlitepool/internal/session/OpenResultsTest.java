package dev.sqlitepool.internal.session;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.sqlitepool.PoolConnection;
import dev.sqlitepool.RowCursor;
import dev.sqlitepool.SqlAction;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.pool.LanePool;
import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.Sql;
import dev.sqlitepool.testing.TestClock;
import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLTimeoutException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.LongSupplier;
import java.util.function.UnaryOperator;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** How long results of JDBC and cursors are open, and for how long a connection is said to read because of them. */
class OpenResultsTest {
    /** Takes too long on the clock of the test. */
    private static final String ENDLESS =
            "SELECT sum(n) FROM (SELECT later() AS n UNION ALL SELECT * FROM (" + Sql.ENDLESS + "))";

    @RegisterExtension
    final Pools pools = new Pools();

    private LanePool pool;

    private void open(UnaryOperator<SqlitePoolBuilder> more) {
        open(System::nanoTime, more);
    }

    private void open(LongSupplier clock, UnaryOperator<SqlitePoolBuilder> more) {
        Settings settings = Pools.settings(more.apply(SqlitePool.builder().databasePath(pools.file())));
        pool = pools.track(new LanePool(settings, clock, engine -> engine), settings.name());
        pool.execute("CREATE TABLE t (x)").join();
        pool.execute("INSERT INTO t VALUES (1), (2)").join();
    }

    private void onConnection(SqlAction<PoolConnection, SQLException> work) throws SQLException {
        open(builder -> builder.poolSize(3));
        pool.blocking().useConnection(work);
    }

    private boolean reads() {
        return pool.parts().readLanes().oldestReader() != null;
    }

    private static ResultSet rows(Statement statement) throws SQLException {
        ResultSet rows = statement.executeQuery("SELECT x FROM t");
        assertThat(rows.next()).isTrue();
        return rows;
    }

    // ---- how long it reads

    @Test
    void aResultReadsUntilItIsClosed() throws SQLException {
        onConnection(c -> {
            Statement statement = c.jdbc().createStatement();
            assertThat(reads()).isFalse();
            ResultSet rows = statement.executeQuery("SELECT x FROM t");
            assertThat(reads()).isTrue();
            rows.close();
            assertThat(reads()).isFalse();
        });
    }

    @Test
    void aResultThatIsReadToItsEndReadsNoMore() throws SQLException {
        onConnection(c -> {
            ResultSet rows = rows(c.jdbc().createStatement());
            assertThat(rows.next()).isTrue();
            assertThat(reads()).isTrue();
            assertThat(rows.next()).isFalse();
            assertThat(reads()).isFalse();
            assertThat(c.execute("INSERT INTO t VALUES (3)")).isEqualTo(1);
            assertThat(rows.isClosed()).as("left behind on another lane").isTrue();
        });
    }

    @Test
    void aStatementThatIsClosedReadsNoMore() throws SQLException {
        onConnection(c -> {
            Statement statement = c.jdbc().createStatement();
            ResultSet rows = rows(statement);
            statement.close();
            assertThat(rows.isClosed()).isTrue();
            assertThat(reads()).isFalse();
        });
    }

    @Test
    void theNextRunOfAStatementEndsTheResultOfTheOneBefore() throws SQLException {
        onConnection(c -> {
            Statement statement = c.jdbc().createStatement();
            ResultSet first = rows(statement);
            ResultSet second = rows(statement);
            second.close();
            assertThat(first.isClosed()).isTrue();
            assertThat(c.execute("INSERT INTO t VALUES (3)")).isEqualTo(1);
        });
    }

    @Test
    void aResultOfMetadataReadsUntilItIsClosed() throws SQLException {
        onConnection(c -> {
            ResultSet tables = c.jdbc().getMetaData().getTables(null, null, "%", null);
            assertThat(tables.isClosed()).isFalse();
            assertThat(reads()).isTrue();
            tables.close();
            assertThat(tables.isClosed()).isTrue();
            assertThat(reads()).isFalse();
        });
    }

    @Test
    void aResultOfMetadataEndsWithItsView() throws SQLException {
        onConnection(c -> {
            ResultSet tables = c.jdbc().getMetaData().getTables(null, null, "%", null);
            c.jdbc().close();
            assertThat(tables.isClosed()).isTrue();
            assertThat(reads()).isFalse();
            assertThat(c.execute("INSERT INTO t VALUES (3)")).isEqualTo(1);
        });
    }

    @Test
    void aCursorReadsUntilItIsClosed() throws SQLException {
        onConnection(c -> {
            RowCursor<Integer> cursor = c.cursor("SELECT x FROM t", row -> row.getInt(1));
            assertThat(reads()).isFalse();
            assertThat(cursor.read(1, row -> {})).isTrue();
            assertThat(reads()).isTrue();
            cursor.close();
            assertThat(reads()).isFalse();
        });
    }

    @Test
    void aCursorThatIsReadToItsEndReadsNoMore() throws SQLException {
        onConnection(c -> {
            RowCursor<Integer> cursor = c.cursor("SELECT x FROM t", row -> row.getInt(1));
            List<Integer> rows = new ArrayList<>();
            assertThat(cursor.read(3, rows::add)).isFalse();
            assertThat(reads()).isFalse();
            assertThat(cursor.read(3, rows::add)).as("again").isFalse();
            assertThat(rows).containsExactly(1, 2);
        });
    }

    // ---- the end of what they stand in

    @Test
    void aResultStaysOpenOverARollbackToASavepoint() throws SQLException {
        onConnection(c -> {
            Connection jdbc = c.jdbc();
            jdbc.setAutoCommit(false);
            Savepoint savepoint = jdbc.setSavepoint();
            ResultSet rows = rows(jdbc.createStatement());
            jdbc.rollback(savepoint);
            assertThat(rows.isClosed()).isFalse();
            assertThat(rows.next()).isTrue();
            assertThat(rows.getInt(1)).isEqualTo(2);
            jdbc.releaseSavepoint(savepoint);
            assertThatThrownBy(() -> jdbc.rollback(savepoint)).isInstanceOf(SQLException.class);
        });
    }

    @Test
    void aCommitThatGivesTheLaneBackClosesResultsThatAreReadToTheirEnd() throws SQLException {
        onConnection(c -> {
            c.execute("BEGIN");
            c.execute("DELETE FROM t WHERE x = 2");
            ResultSet rows = rows(c.jdbc().createStatement());
            assertThat(rows.next()).isFalse();
            c.execute("COMMIT");
            assertThat(rows.isClosed()).isTrue();
        });
    }

    @Test
    void aResultStaysOpenOverTheEndOfASavepoint() {
        open(builder -> builder);
        pool.useTransaction(tx -> {
                    ResultSet kept = tx.savepoint(inner -> rows(inner.jdbc().createStatement()));
                    assertThat(kept.isClosed()).isFalse();
                    assertThat(kept.next()).isTrue();
                    assertThat(kept.getInt(1)).isEqualTo(2);
                    assertThat(kept.next()).isFalse();
                })
                .join();
    }

    // ---- timeouts

    @Test
    void aStatementThatTakesTooLongIsInterrupted() throws SQLException {
        TestClock clock = new TestClock();
        open(clock, builder -> builder.statementTimeout(Duration.ofMillis(20)).onConnect(clock::teach));
        pool.blocking().useConnection(c -> {
            Statement statement = c.jdbc().createStatement();
            statement.setQueryTimeout(7);
            assertThat(statement.getQueryTimeout()).isEqualTo(7);
            assertThatThrownBy(() -> statement.executeQuery(ENDLESS))
                    .isInstanceOf(SQLTimeoutException.class)
                    .hasMessageContaining("0.02 s");
        });
    }

    @Test
    void aRowThatTakesTooLongIsInterrupted() throws SQLException {
        TestClock clock = new TestClock();
        open(clock, builder -> builder.statementTimeout(Duration.ofMillis(20)).onConnect(clock::teach));
        pool.blocking().useConnection(c -> {
            Statement statement = c.jdbc().createStatement();
            ResultSet rows = statement.executeQuery("SELECT 1 UNION ALL " + ENDLESS);
            assertThat(rows.next()).isTrue();
            assertThatThrownBy(rows::next)
                    .isInstanceOf(SQLTimeoutException.class)
                    .hasMessageContaining("0.02 s");
        });
    }

    // ---- whose they are

    /** Nothing of them asks SQLite, but what they answer is another thread's all the same. */
    @Test
    void anotherThreadIsToldNothing() throws SQLException {
        onConnection(c -> {
            Connection jdbc = c.jdbc();
            DatabaseMetaData metadata = jdbc.getMetaData();
            assertThat(metadata.getDatabaseProductName()).isEqualTo("SQLite");
            Statement statement = jdbc.createStatement();
            List<ThrowingCallable> uses = List.of(
                    () -> jdbc.getAutoCommit(),
                    () -> jdbc.isReadOnly(),
                    () -> metadata.getConnection(),
                    () -> statement.getQueryTimeout(),
                    () -> statement.getConnection());
            for (ThrowingCallable use : uses) {
                assertThat(CompletableFuture.supplyAsync(() -> catchThrowable(use))
                                .join())
                        .isInstanceOf(IllegalStateException.class)
                        .hasMessageContaining("belongs to the thread");
            }
        });
    }

    @Test
    void aStatementIsOnlyWhatItWasMadeAs() throws SQLException {
        onConnection(c -> {
            assertThat(c.jdbc().createStatement()).isNotInstanceOf(PreparedStatement.class);
            assertThat(c.jdbc().prepareStatement("SELECT 1")).isNotInstanceOf(CallableStatement.class);
            assertThatThrownBy(() -> c.jdbc().prepareCall("SELECT 1")).isInstanceOf(SQLException.class);
        });
    }
}
