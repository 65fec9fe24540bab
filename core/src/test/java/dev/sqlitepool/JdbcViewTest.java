package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.testing.Logged;
import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.Sql;
import java.nio.file.Path;
import java.sql.BatchUpdateException;
import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLFeatureNotSupportedException;
import java.sql.SQLTimeoutException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.sqlite.SQLiteConnection;

class JdbcViewTest {
    @RegisterExtension
    final Logged logged = new Logged("is open in the pool");

    @RegisterExtension
    final Pools pools = new Pools();

    /** A pool with a table t (id, v). */
    private SqlitePool open(int size) throws SQLException {
        SqlitePool pool = pools.open(settings -> settings.poolSize(size));
        pool.blocking().execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)");
        return pool;
    }

    private static List<Integer> ids(SqlitePool pool) throws SQLException {
        return pool.blocking().query("SELECT id FROM t ORDER BY id", row -> row.getInt(1));
    }

    private static void run(Connection jdbc, String sql) throws SQLException {
        try (Statement statement = jdbc.createStatement()) {
            statement.execute(sql);
        }
    }

    private static List<Integer> ids(Connection jdbc) throws SQLException {
        try (Statement statement = jdbc.createStatement();
                ResultSet rows = statement.executeQuery("SELECT id FROM t ORDER BY id")) {
            List<Integer> ids = new ArrayList<>();
            while (rows.next()) {
                ids.add(rows.getInt(1));
            }
            return ids;
        }
    }

    private boolean isLocked() throws SQLException {
        try (Connection other = DriverManager.getConnection("jdbc:sqlite:" + pools.file() + "?busy_timeout=0");
                Statement statement = other.createStatement()) {
            statement.execute("BEGIN IMMEDIATE");
            statement.execute("ROLLBACK");
            return false;
        } catch (SQLException e) {
            assertThat(e.getMessage()).contains("BUSY");
            return true;
        }
    }

    // ---- the view

    @Test
    void theViewIsTheSameObjectOnEveryCall() throws SQLException {
        open(3).blocking().useConnection(c -> {
            Connection jdbc = c.jdbc();
            assertThat(c.jdbc()).isSameAs(jdbc).isEqualTo(jdbc).hasSameHashCodeAs(jdbc);
            assertThat(jdbc.toString()).startsWith("sqlitepool Connection");
            assertThat(jdbc.isValid(1)).isTrue();
        });
    }

    @Test
    void closeClosesOnlyTheView() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useConnection(c -> {
            Connection jdbc = c.jdbc();
            Statement statement = jdbc.createStatement();
            ResultSet rows = statement.executeQuery("SELECT 1");
            jdbc.close();
            jdbc.close();
            assertThat(jdbc.isClosed()).isTrue();
            assertThat(jdbc.isValid(1)).isFalse();
            assertThat(rows.isClosed()).isTrue();
            assertThatThrownBy(jdbc::createStatement)
                    .isInstanceOf(SQLException.class)
                    .hasMessageContaining("closed");
            assertThatThrownBy(() -> statement.executeQuery("SELECT 1")).isInstanceOf(SQLException.class);
            c.execute("INSERT INTO t VALUES (1, 'a')");
        });
        assertThat(ids(pool)).containsExactly(1);
        assertThat(pool.stats().closed().values()).allMatch(count -> count == 0);
    }

    @Test
    void everythingIsDeadWhenTheWorkHasReturned() throws SQLException {
        SqlitePool pool = open(3);
        List<ThrowingCallable> uses = new ArrayList<>();
        AtomicReference<Connection> kept = new AtomicReference<>();
        List<AutoCloseable> closeables = new ArrayList<>();
        pool.blocking().useConnection(c -> {
            Connection jdbc = c.jdbc();
            DatabaseMetaData metadata = jdbc.getMetaData();
            ResultSet tables = metadata.getTables(null, null, "%", null);
            Statement statement = jdbc.createStatement();
            PreparedStatement prepared = jdbc.prepareStatement("SELECT ?");
            ResultSet rows = statement.executeQuery("SELECT 1");
            kept.set(jdbc);
            closeables.addAll(List.of(tables, rows, prepared, statement, jdbc));
            uses.addAll(List.of(
                    () -> jdbc.createStatement(),
                    () -> jdbc.prepareStatement("SELECT 1"),
                    () -> jdbc.setAutoCommit(false),
                    () -> jdbc.commit(),
                    () -> jdbc.rollback(),
                    () -> jdbc.getMetaData(),
                    () -> jdbc.unwrap(SQLiteConnection.class),
                    () -> statement.executeQuery("SELECT 1"),
                    () -> statement.execute("INSERT INTO t VALUES (1, 'a')"),
                    () -> prepared.setInt(1, 1),
                    () -> prepared.executeQuery(),
                    () -> rows.next(),
                    () -> rows.getInt(1),
                    () -> metadata.getTables(null, null, "%", null),
                    () -> tables.next()));
        });
        assertThat(kept.get().isClosed()).isTrue();
        for (int i = 0; i < uses.size(); i++) {
            assertThatThrownBy(uses.get(i))
                    .as("use " + i)
                    .isInstanceOfAny(SQLException.class, IllegalStateException.class);
        }
        for (AutoCloseable closeable : closeables) {
            assertThatCode(closeable::close).doesNotThrowAnyException();
        }
        assertThat(ids(pool)).isEmpty();
    }

    @Test
    void whatWouldBreakThePoolsConnectionIsRefused() throws SQLException {
        open(3).blocking().useConnection(c -> {
            assertThatThrownBy(() -> c.jdbc().abort(Runnable::run)).isInstanceOf(SQLFeatureNotSupportedException.class);
            assertThatThrownBy(() -> c.jdbc().setNetworkTimeout(Runnable::run, 1))
                    .isInstanceOf(SQLFeatureNotSupportedException.class);
            assertThat(c.jdbc().getNetworkTimeout()).isZero();
        });
    }

    @Test
    void fromResultsAndStatementsOneComesBackToTheView() throws SQLException {
        open(3).blocking().useConnection(c -> {
            Connection jdbc = c.jdbc();
            try (PreparedStatement prepared = jdbc.prepareStatement("SELECT 1");
                    ResultSet rows = prepared.executeQuery();
                    Statement statement = jdbc.createStatement();
                    ResultSet tables = jdbc.getMetaData().getTables(null, null, "%", null);
                    ResultSet columns = jdbc.getMetaData().getColumns(null, null, "t", null)) {
                assertThat(rows.getStatement()).isSameAs(prepared);
                assertThat(rows.getStatement().getConnection()).isSameAs(jdbc);
                assertThat(statement.getConnection()).isSameAs(jdbc);
                assertThat(jdbc.getMetaData().getConnection()).isSameAs(jdbc);
                assertThat(tables.getStatement() == null
                                || tables.getStatement().getConnection() == jdbc)
                        .isTrue();
                assertThat(columns.getStatement() == null
                                || columns.getStatement().getConnection() == jdbc)
                        .isTrue();
            }
        });
    }

    @Test
    void metadataIsRead() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useConnection(c -> {
            List<String> names = new ArrayList<>();
            try (ResultSet tables = c.jdbc().getMetaData().getTables(null, null, "%", new String[] {"TABLE"})) {
                while (tables.next()) {
                    names.add(tables.getString("TABLE_NAME"));
                }
            }
            assertThat(names).containsExactly("t");
            try (PreparedStatement prepared = c.jdbc().prepareStatement("SELECT id, v FROM t WHERE id = ?")) {
                assertThat(prepared.getMetaData().getColumnCount()).isEqualTo(2);
                assertThat(prepared.getParameterMetaData().getParameterCount()).isEqualTo(1);
            }
            c.execute("INSERT INTO t VALUES (1, 'a')"); // nothing is open that would prevent the move
        });
        assertThat(pool.stats().switches()).isEqualTo(1);
    }

    // ---- autocommit

    @Test
    void inAutocommitEachStatementCommits() throws SQLException {
        SqlitePool pool = open(3);
        assertThatThrownBy(() -> pool.blocking().useConnection(c -> {
                    assertThat(c.jdbc().getAutoCommit()).isTrue();
                    run(c.jdbc(), "INSERT INTO t VALUES (1, 'a')");
                    assertThat(ids(pool)).containsExactly(1);
                    throw new IllegalStateException("of the work");
                }))
                .hasMessage("of the work");
        assertThat(ids(pool)).containsExactly(1);
    }

    @Test
    void withoutAutocommitTheFirstStatementBeginsATransactionOnTheWriteLane() throws SQLException {
        for (int size : new int[] {1, 3}) {
            SqlitePool pool = open(size);
            pool.blocking().useConnection(c -> {
                Connection jdbc = c.jdbc();
                jdbc.setAutoCommit(false);
                assertThat(jdbc.getAutoCommit()).isFalse();
                assertThat(isLocked()).isFalse();
                assertThat(ids(jdbc)).isEmpty();
                assertThat(isLocked()).isTrue();
                assertThat(pool.stats().writeConnections().borrowed()).isEqualTo(1);
                run(jdbc, "INSERT INTO t VALUES (1, 'a')");
                jdbc.commit();
                assertThat(isLocked()).isFalse();

                run(jdbc, "INSERT INTO t VALUES (2, 'b')");
                jdbc.rollback();
                assertThat(isLocked()).isFalse();
                jdbc.rollback(); // nothing is open
                jdbc.commit();

                run(jdbc, "INSERT INTO t VALUES (3, 'c')");
                jdbc.setAutoCommit(true); // commits, as JDBC says
                assertThat(isLocked()).isFalse();
                run(jdbc, "INSERT INTO t VALUES (4, 'd')");
                jdbc.setAutoCommit(false);
                run(jdbc, "INSERT INTO t VALUES (5, 'left open')");
            });
            assertThat(ids(pool)).containsExactly(1, 3, 4);
            assertThat(isLocked()).isFalse();
            pool.blocking().execute("DROP TABLE t");
        }
    }

    @Test
    void commitAndRollbackNeedAutocommitOff() throws SQLException {
        open(3).blocking().useConnection(c -> {
            assertThatThrownBy(() -> c.jdbc().commit()).hasMessageContaining("setAutoCommit(false)");
            assertThatThrownBy(() -> c.jdbc().rollback()).hasMessageContaining("setAutoCommit(false)");
            assertThatThrownBy(() -> c.jdbc().setSavepoint()).hasMessageContaining("setAutoCommit(false)");
        });
    }

    @Test
    void aReadOnlyTransactionStaysAReaderInOneSnapshot() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useConnection(c -> {
            Connection jdbc = c.jdbc();
            jdbc.setReadOnly(true);
            assertThat(jdbc.isReadOnly()).isTrue();
            jdbc.setAutoCommit(false);
            assertThat(ids(jdbc)).isEmpty();
            assertThat(pool.stats().readConnections().borrowed()).isEqualTo(1);
            assertThat(pool.stats().writeConnections().borrowed()).isZero();
            pool.blocking().execute("INSERT INTO t VALUES (1, 'a')");
            assertThat(ids(jdbc)).isEmpty();
            assertThatThrownBy(() -> run(jdbc, "INSERT INTO t VALUES (2, 'b')")).hasMessageContaining("is read-only");
            assertThatThrownBy(() -> jdbc.setReadOnly(false)).hasMessageContaining("inside a transaction");
            assertThat(ids(jdbc)).isEmpty();
            jdbc.commit();
            assertThat(ids(jdbc)).containsExactly(1);
            jdbc.rollback();
            jdbc.setReadOnly(false);
            run(jdbc, "INSERT INTO t VALUES (2, 'b')");
            jdbc.commit();
        });
        assertThat(ids(pool)).containsExactly(1, 2);
    }

    /** On a read lane a pragma could switch off what keeps it from writing. */
    @Test
    void aReadOnlyTransactionCannotBeTurnedIntoAWriter() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useConnection(c -> {
            Connection jdbc = c.jdbc();
            jdbc.setReadOnly(true);
            jdbc.setAutoCommit(false);
            assertThat(ids(jdbc)).isEmpty();
            assertThatThrownBy(() -> run(jdbc, "PRAGMA query_only = OFF")).isInstanceOf(SQLException.class);
            assertThatThrownBy(() -> run(jdbc, "INSERT INTO t VALUES (1, 'a')")).hasMessageContaining("is read-only");
            jdbc.rollback();
        });
        assertThat(ids(pool)).isEmpty();
    }

    // ---- inside transaction and read

    @Test
    void insideATransactionThePoolCommits() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useTransaction(tx -> {
            Connection jdbc = tx.jdbc();
            assertThat(jdbc.getAutoCommit()).isFalse();
            run(jdbc, "INSERT INTO t VALUES (1, 'a')");
            List<ThrowingCallable> refused = List.of(
                    jdbc::commit,
                    jdbc::rollback,
                    () -> jdbc.setAutoCommit(true),
                    () -> jdbc.setReadOnly(true),
                    () -> run(jdbc, "COMMIT"));
            for (ThrowingCallable each : refused) {
                assertThatThrownBy(each)
                        .isInstanceOf(SQLException.class)
                        .hasMessageContaining("refused inside transaction(…)");
            }
            jdbc.setAutoCommit(false);
            run(jdbc, "INSERT INTO t VALUES (2, 'b')");
        });
        assertThat(ids(pool)).containsExactly(1, 2);
    }

    @Test
    void insideAReadNothingCanBeWritten() throws SQLException {
        for (int size : new int[] {1, 3}) {
            SqlitePool pool = open(size);
            pool.blocking().useRead(read -> {
                Connection jdbc = read.jdbc();
                assertThat(jdbc.isReadOnly()).isTrue();
                assertThat(ids(jdbc)).isEmpty();
                assertThatThrownBy(jdbc::commit).hasMessageContaining("refused inside read(…)");
                assertThatThrownBy(() -> jdbc.setReadOnly(false)).hasMessageContaining("refused inside read(…)");
                assertThatThrownBy(() -> run(jdbc, "INSERT INTO t VALUES (1, 'a')"))
                        .hasMessageContaining("READONLY");
                assertThat(ids(jdbc)).isEmpty();
            });
            pool.blocking().execute("DROP TABLE t");
        }
    }

    /** sqlite-jdbc takes these two for commands of its own, and would copy over the open database. */
    @Test
    void theDriversOwnCommandsAreRefused() throws SQLException {
        SqlitePool pool = open(3);
        Path copy = pools.directory().resolve("copy.db");
        for (String sql : List.of("backup to '" + copy + "'", " RESTORE FROM '" + copy + "'", "/**/ restore from x")) {
            pool.blocking().useRead(read -> {
                try (Statement statement = read.jdbc().createStatement()) {
                    assertThatThrownBy(() -> statement.execute(sql)).isInstanceOf(SQLException.class);
                    assertThatThrownBy(() -> statement.executeUpdate(sql)).isInstanceOf(SQLException.class);
                }
            });
        }
        assertThat(copy).doesNotExist();
        assertThat(pool.blocking().execute("INSERT INTO t VALUES (1, 'a')")).isEqualTo(1);
    }

    // ---- savepoints

    @Test
    void savepointsNestAndStayAfterARollbackToThem() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useConnection(c -> {
            Connection jdbc = c.jdbc();
            jdbc.setAutoCommit(false);
            Savepoint outer = jdbc.setSavepoint("outer");
            run(jdbc, "INSERT INTO t VALUES (1, 'a')");
            Savepoint inner = jdbc.setSavepoint();
            assertThat(outer.getSavepointName()).isEqualTo("outer");
            assertThatThrownBy(outer::getSavepointId).isInstanceOf(SQLException.class);
            assertThat(inner.getSavepointId()).isPositive();
            assertThatThrownBy(inner::getSavepointName).isInstanceOf(SQLException.class);
            run(jdbc, "INSERT INTO t VALUES (2, 'b')");
            jdbc.rollback(inner);
            assertThat(ids(jdbc)).containsExactly(1);
            run(jdbc, "INSERT INTO t VALUES (3, 'c')");
            jdbc.rollback(inner);
            assertThat(ids(jdbc)).containsExactly(1);
            jdbc.rollback(outer);
            assertThat(ids(jdbc)).isEmpty();
            run(jdbc, "INSERT INTO t VALUES (4, 'd')");
            jdbc.releaseSavepoint(outer);
            jdbc.commit();
        });
        assertThat(ids(pool)).containsExactly(4);
    }

    @Test
    void savepointsWorkInsideATransactionBesideItsOwn() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useTransaction(tx -> {
            tx.savepoint(nested -> {
                Savepoint savepoint = nested.jdbc().setSavepoint();
                nested.execute("INSERT INTO t VALUES (1, 'a')");
                nested.jdbc().rollback(savepoint);
                return nested.execute("INSERT INTO t VALUES (2, 'b')");
            });
            tx.execute("INSERT INTO t VALUES (3, 'c')");
            assertThatThrownBy(() -> tx.savepoint(nested -> {
                        nested.jdbc().setSavepoint();
                        nested.execute("INSERT INTO t VALUES (4, 'd')");
                        throw new IllegalStateException();
                    }))
                    .isInstanceOf(IllegalStateException.class);
        });
        assertThat(ids(pool)).containsExactly(2, 3);
    }

    @Test
    void aForeignSavepointIsRefused() throws SQLException {
        open(3).blocking().useTransaction(tx -> {
            Savepoint foreign = new Savepoint() {
                @Override
                public int getSavepointId() {
                    return 1;
                }

                @Override
                public String getSavepointName() {
                    return "x";
                }
            };
            assertThatThrownBy(() -> tx.jdbc().rollback(foreign)).hasMessageContaining("not set on this connection");
            assertThatThrownBy(() -> tx.jdbc().releaseSavepoint(foreign)).isInstanceOf(SQLException.class);
        });
    }

    // ---- transactions that SQLite ends by itself

    @Test
    void rollbackEndsATransactionThatSqliteHasEndedItself() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useConnection(c -> {
            Connection jdbc = c.jdbc();
            jdbc.setAutoCommit(false);
            for (boolean bySql : new boolean[] {false, true}) {
                run(jdbc, "INSERT INTO t VALUES (1, 'a')");
                assertThatThrownBy(() -> run(jdbc, "INSERT OR ROLLBACK INTO t VALUES (1, 'again')"))
                        .hasMessageContaining("UNIQUE");
                assertThatThrownBy(() -> run(jdbc, "INSERT INTO t VALUES (2, 'b')"))
                        .hasMessageContaining("rolled back by SQLite");
                if (bySql) {
                    run(jdbc, "ROLLBACK");
                } else {
                    jdbc.rollback();
                }
            }
            run(jdbc, "INSERT INTO t VALUES (3, 'c')");
            jdbc.commit();
            run(jdbc, "INSERT INTO t VALUES (4, 'd')");
            assertThatThrownBy(() -> run(jdbc, "INSERT OR ROLLBACK INTO t VALUES (4, 'again')"))
                    .hasMessageContaining("UNIQUE");
            assertThatThrownBy(jdbc::commit).hasMessageContaining("rolled back by SQLite");
            run(jdbc, "INSERT INTO t VALUES (5, 'e')");
            jdbc.commit();
        });
        assertThat(ids(pool)).containsExactly(3, 5);
    }

    // ---- statements

    @Test
    void aPreparedStatementIsMovedWithItsParameters() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useConnection(c -> {
            try (PreparedStatement insert =
                    c.jdbc().prepareStatement("WITH n(i, v) AS (VALUES (?, ?)) INSERT INTO t SELECT i, v FROM n")) {
                assertThat(pool.stats().switches()).isZero();
                insert.setInt(1, 1);
                insert.setString(2, "a");
                assertThat(insert.executeUpdate()).isEqualTo(1);
                assertThat(pool.stats().switches()).isEqualTo(1);
                insert.setInt(1, 2);
                assertThat(insert.executeUpdate()).isEqualTo(1);
            }
        });
        assertThat(pool.blocking().query("SELECT id || v FROM t ORDER BY id", row -> row.getString(1)))
                .containsExactly("1a", "2a");
    }

    @Test
    void aPreparedReadIsMadeAgainAfterTheMove() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useConnection(c -> {
            try (PreparedStatement select = c.jdbc().prepareStatement("SELECT count(*) FROM t WHERE id > ?")) {
                select.setInt(1, 0);
                try (ResultSet rows = select.executeQuery()) {
                    assertThat(rows.next()).isTrue();
                    assertThat(rows.getInt(1)).isZero();
                }
                run(c.jdbc(), "INSERT INTO t VALUES (1, 'a')");
                try (ResultSet rows = select.executeQuery()) {
                    assertThat(rows.next()).isTrue();
                    assertThat(rows.getInt(1)).isEqualTo(1);
                }
            }
        });
    }

    @Test
    void anErrorInTheTextIsFoundWhenItIsPrepared() throws SQLException {
        open(3).blocking().useConnection(c -> assertThatThrownBy(() -> c.jdbc().prepareStatement("SELEC 1"))
                .hasMessageContaining("syntax error"));
    }

    @Test
    void textOfSeveralStatementsIsRefused() throws SQLException {
        SqlitePool pool = open(3);
        String sql = "INSERT INTO t VALUES (1, 'a'); INSERT INTO t VALUES (2, 'b')";
        pool.blocking().useConnection(c -> {
            try (Statement statement = c.jdbc().createStatement()) {
                List<ThrowingCallable> ways = List.of(
                        () -> statement.execute(sql),
                        () -> statement.executeUpdate(sql),
                        () -> statement.executeLargeUpdate(sql),
                        () -> statement.executeUpdate(sql, Statement.RETURN_GENERATED_KEYS),
                        () -> statement.executeQuery(sql),
                        () -> c.jdbc().prepareStatement(sql),
                        () -> {
                            statement.addBatch(sql);
                            statement.executeBatch();
                        });
                for (ThrowingCallable way : ways) {
                    assertThatThrownBy(way)
                            .isInstanceOf(SQLException.class)
                            .hasMessageContaining("more than one statement");
                }
            }
        });
        assertThat(ids(pool)).isEmpty();
    }

    @Test
    void aClosedStatementIsRefused() throws SQLException {
        open(3).blocking().useConnection(c -> {
            Statement statement = c.jdbc().createStatement();
            statement.close();
            statement.close();
            assertThat(statement.isClosed()).isTrue();
            assertThatThrownBy(() -> statement.executeQuery("SELECT 1")).hasMessageContaining("closed");
        });
    }

    // ---- batches

    @Test
    void batchesOfTextAndOfParametersRun() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useConnection(c -> {
            try (PreparedStatement insert = c.jdbc().prepareStatement("INSERT INTO t VALUES (?, ?)")) {
                for (int i = 1; i <= 3; i++) {
                    insert.setInt(1, i);
                    insert.setString(2, "v" + i);
                    insert.addBatch();
                }
                assertThat(insert.executeBatch()).containsExactly(1, 1, 1);
                assertThat(insert.executeBatch()).isEmpty();
                insert.setInt(1, 4);
                insert.setString(2, "v4");
                insert.addBatch();
                insert.clearBatch();
                assertThat(insert.executeBatch()).isEmpty();
            }
            try (Statement statement = c.jdbc().createStatement()) {
                statement.addBatch("INSERT INTO t VALUES (5, 'a'), (6, 'b')");
                statement.addBatch("DELETE FROM t WHERE id = 1");
                assertThat(statement.executeBatch()).containsExactly(2, 1);
            }
        });
        assertThat(ids(pool)).containsExactly(2, 3, 5, 6);
        assertThat(pool.stats().switches()).isEqualTo(2); // each batch is a transaction, and then gives the lane back
    }

    @Test
    void aBatchThatSqliteRefusesOnTheReadLaneIsMovedAsAWhole() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useConnection(c -> {
            try (PreparedStatement insert =
                    c.jdbc().prepareStatement("WITH n(i) AS (VALUES (?)) INSERT INTO t SELECT i, 'n' FROM n")) {
                for (int i = 1; i <= 3; i++) {
                    insert.setInt(1, i);
                    insert.addBatch();
                }
                assertThat(insert.executeBatch()).containsExactly(1, 1, 1);
            }
        });
        assertThat(ids(pool)).containsExactly(1, 2, 3);
        assertThat(pool.stats().switches()).isEqualTo(1);
    }

    @Test
    void aBatchThatFailsSaysSoAndTheConnectionStaysUsable() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useConnection(c -> {
            c.jdbc().setAutoCommit(false);
            try (Statement statement = c.jdbc().createStatement()) {
                statement.addBatch("INSERT INTO t VALUES (1, 'a')");
                statement.addBatch("INSERT INTO t VALUES (1, 'again')");
                assertThatThrownBy(statement::executeBatch).isInstanceOf(BatchUpdateException.class);
            }
            c.jdbc().rollback();
            run(c.jdbc(), "INSERT INTO t VALUES (2, 'b')");
            c.jdbc().commit();
        });
        assertThat(ids(pool)).containsExactly(2);
    }

    @Test
    void aBatchInAutocommitTakesEffectAsAWholeOrNotAtAll() throws SQLException {
        for (int size : new int[] {1, 3}) {
            SqlitePool pool = open(size);
            pool.blocking().useConnection(c -> {
                try (Statement statement = c.jdbc().createStatement();
                        PreparedStatement insert = c.jdbc().prepareStatement("INSERT INTO t VALUES (?, 'a')")) {
                    statement.addBatch("INSERT INTO t VALUES (1, 'a')");
                    statement.addBatch("INSERT INTO t VALUES (1, 'again')");
                    assertThatThrownBy(statement::executeBatch).hasMessageContaining("UNIQUE");
                    for (int id : new int[] {2, 2}) {
                        insert.setInt(1, id);
                        insert.addBatch();
                    }
                    assertThatThrownBy(insert::executeBatch).hasMessageContaining("UNIQUE");
                }
                assertThat(ids(c.jdbc())).isEmpty();
                run(c.jdbc(), "INSERT INTO t VALUES (3, 'c')");
            });
            assertThat(ids(pool)).containsExactly(3);
            pool.blocking().execute("DROP TABLE t");
        }
    }

    @Test
    void transactionControlInABatchIsRefusedAndNothingIsLeftOpen() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useConnection(c -> {
            try (Statement statement = c.jdbc().createStatement()) {
                statement.addBatch("INSERT INTO t VALUES (1, 'a')");
                statement.addBatch("BEGIN");
                statement.addBatch("nonsense");
                assertThatThrownBy(statement::executeBatch)
                        .isInstanceOf(SQLException.class)
                        .hasMessageContaining("batch");
            }
        });
        assertThat(ids(pool)).isEmpty();
        assertThat(isLocked()).isFalse();
        pool.blocking().useTransaction(tx -> tx.execute("INSERT INTO t VALUES (2, 'b')"));
    }

    // ---- keys

    @Test
    void generatedKeysAreGivenWhenAskedFor() throws SQLException {
        open(3).blocking().useConnection(c -> {
            Connection jdbc = c.jdbc();
            try (PreparedStatement insert =
                    jdbc.prepareStatement("INSERT INTO t (v) VALUES (?)", Statement.RETURN_GENERATED_KEYS)) {
                for (int i = 1; i <= 2; i++) {
                    insert.setString(1, "a");
                    assertThat(insert.executeUpdate()).isEqualTo(1);
                    try (ResultSet keys = insert.getGeneratedKeys()) {
                        assertThat(keys.next()).isTrue();
                        assertThat(keys.getLong(1)).isEqualTo(i);
                    }
                }
            }
            try (PreparedStatement insert =
                    jdbc.prepareStatement("INSERT INTO t (v) VALUES ('b')", new String[] {"id"})) {
                insert.executeUpdate();
                try (ResultSet keys = insert.getGeneratedKeys()) {
                    assertThat(keys.next()).isTrue();
                    assertThat(keys.getLong(1)).isEqualTo(3);
                }
            }
            try (Statement statement = jdbc.createStatement()) {
                statement.executeUpdate("INSERT INTO t (v) VALUES ('c')", Statement.RETURN_GENERATED_KEYS);
                try (ResultSet keys = statement.getGeneratedKeys()) {
                    assertThat(keys.next()).isTrue();
                    assertThat(keys.getLong(1)).isEqualTo(4);
                }
            }
            try (PreparedStatement insert = jdbc.prepareStatement("INSERT INTO t (v) VALUES ('d')")) {
                insert.executeUpdate();
                try (ResultSet keys = insert.getGeneratedKeys()) {
                    assertThat(keys.next()).isFalse();
                }
            }
        });
    }

    @Test
    void returningGivesARowsResultAndCommits() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useConnection(c -> {
            try (PreparedStatement insert =
                    c.jdbc().prepareStatement("INSERT INTO t VALUES (?, 'a') RETURNING id, v")) {
                insert.setInt(1, 7);
                try (ResultSet rows = insert.executeQuery()) {
                    assertThat(rows.next()).isTrue();
                    assertThat(rows.getInt("id")).isEqualTo(7);
                    assertThat(rows.getString("v")).isEqualTo("a");
                    assertThat(rows.next()).isFalse();
                }
            }
        });
        assertThat(ids(pool)).containsExactly(7);
    }

    // ---- unwrap

    @Test
    void aLaneThatWasUnwrappedIsClosedAfterwards() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useConnection(c -> {
            Connection jdbc = c.jdbc();
            assertThat(jdbc.isWrapperFor(SQLiteConnection.class)).isTrue();
            assertThat(jdbc.isWrapperFor(Connection.class)).isTrue();
            assertThat(jdbc.unwrap(Connection.class)).isSameAs(jdbc);
            assertThat(pool.stats().switches()).isZero();
            SQLiteConnection driver = jdbc.unwrap(SQLiteConnection.class);
            try (Statement statement = driver.createStatement()) {
                statement.execute("PRAGMA foreign_keys = OFF");
                statement.executeUpdate("INSERT INTO t VALUES (1, 'a')");
            }
        });
        assertThat(ids(pool)).containsExactly(1);
        Pools.await("the lane is closed", () -> pool.stats().closed().get(CloseReason.CHANGED) == 1);
        pool.blocking().useConnection(c -> assertThat(c.query("PRAGMA foreign_keys", row -> row.getInt(1)))
                .containsExactly(1));
    }

    @Test
    void unwrappingInsideATransactionKeepsTheTransaction() throws SQLException {
        SqlitePool pool = open(3);
        assertThatThrownBy(() -> pool.blocking().useTransaction(tx -> {
                    try (Statement statement =
                            tx.jdbc().unwrap(SQLiteConnection.class).createStatement()) {
                        statement.executeUpdate("INSERT INTO t VALUES (1, 'a')");
                        statement.executeUpdate("INSERT INTO t VALUES (2, 'b')");
                    }
                    throw new IllegalStateException("of the work");
                }))
                .hasMessage("of the work");
        assertThat(ids(pool)).isEmpty();
    }

    @Test
    void unwrappingToSomethingElseIsAnError() throws SQLException {
        open(3).blocking().useConnection(c -> {
            assertThat(c.jdbc().isWrapperFor(CallableStatement.class)).isFalse();
            assertThatThrownBy(() -> c.jdbc().unwrap(CallableStatement.class)).isInstanceOf(Exception.class);
        });
    }

    // ---- interrupts

    @Tag("slow")
    @Test
    void theQueryTimeoutInterruptsALongQuery() throws SQLException {
        for (int size : new int[] {1, 2}) {
            SqlitePool pool = open(size);
            pool.blocking().useConnection(c -> {
                try (Statement statement = c.jdbc().createStatement()) {
                    statement.setQueryTimeout(1);
                    assertThat(statement.getQueryTimeout()).isEqualTo(1);
                    assertThatThrownBy(() -> statement.executeQuery(Sql.ENDLESS))
                            .isInstanceOf(SQLTimeoutException.class)
                            .hasMessageContaining("1.0 s");
                }
                assertThat(c.query("SELECT 1", row -> row.getInt(1))).containsExactly(1);
            });
            assertThat(pool.stats().interrupts()).isPositive();
            pool.blocking().execute("DROP TABLE t");
        }
    }

    @Test
    void aStatementIsCancelledFromAnotherThread() throws Exception {
        SqlitePool pool = open(2);
        ExecutorService other = Executors.newSingleThreadExecutor();
        try {
            pool.blocking().useConnection(c -> {
                Statement statement = c.jdbc().createStatement();
                AtomicBoolean ended = new AtomicBoolean();
                CompletableFuture<Void> cancelling = CompletableFuture.runAsync(
                        () -> Pools.await("the query is interrupted", () -> {
                            try {
                                statement.cancel(); // one just before the first step is lost, so again and again
                            } catch (SQLException e) {
                                throw new AssertionError(e);
                            }
                            return ended.get();
                        }),
                        other);
                assertThatThrownBy(() -> statement.executeQuery(Sql.ENDLESS))
                        .isInstanceOf(SQLException.class)
                        .hasMessageContaining("INTERRUPT");
                ended.set(true);
                cancelling.join();
                assertThat(ids(c.jdbc())).isEmpty();
            });
        } finally {
            other.shutdown();
        }
        assertThat(pool.blocking().execute("INSERT INTO t VALUES (1, 'a')")).isEqualTo(1);
    }

    @Test
    void aCancelOfAnIdleStatementDoesNothing() throws SQLException {
        SqlitePool pool = open(2);
        pool.blocking().useConnection(c -> {
            try (Statement statement = c.jdbc().createStatement()) {
                statement.cancel();
                try (ResultSet rows = statement.executeQuery("SELECT 1")) {
                    assertThat(rows.next()).isTrue();
                }
            }
        });
        assertThat(pool.stats().closed().values()).allMatch(count -> count == 0);
    }

    @Test
    void metadataEndsWithItsViewAndWithItsWork() throws SQLException {
        SqlitePool pool = open(3);
        AtomicReference<DatabaseMetaData> kept = new AtomicReference<>();
        pool.blocking().useConnection(c -> {
            DatabaseMetaData metadata = c.jdbc().getMetaData();
            c.jdbc().close();
            assertThatThrownBy(metadata::getDatabaseProductName)
                    .isInstanceOf(SQLException.class)
                    .hasMessageContaining("closed");
        });
        pool.blocking().useConnection(c -> kept.set(c.jdbc().getMetaData()));
        assertThatThrownBy(() -> kept.get().getDatabaseProductName()).isInstanceOf(SQLException.class);
    }

    @Test
    void whoeverUnwrapsAnythingHasTheDriversConnection() throws SQLException {
        SqlitePool pool = open(1);
        List<SqlAction<PoolConnection, SQLException>> ways = List.of(
                c -> c.jdbc().getMetaData().unwrap(org.sqlite.jdbc3.JDBC3DatabaseMetaData.class),
                c -> {
                    try (ResultSet tables = c.jdbc().getMetaData().getTables(null, null, "%", null)) {
                        tables.unwrap(org.sqlite.core.CoreResultSet.class);
                    }
                },
                c -> {
                    try (Statement statement = c.jdbc().createStatement()) {
                        statement.unwrap(org.sqlite.core.CoreStatement.class);
                    }
                },
                c -> {
                    try (Statement statement = c.jdbc().createStatement();
                            ResultSet rows = statement.executeQuery("SELECT 1")) {
                        rows.unwrap(org.sqlite.core.CoreResultSet.class);
                    }
                },
                c -> {
                    try (Statement statement = c.jdbc().createStatement();
                            ResultSet rows = statement.executeQuery("SELECT 1")) {
                        rows.getMetaData().unwrap(org.sqlite.core.CoreResultSet.class);
                    }
                });
        long changed = 0;
        for (SqlAction<PoolConnection, SQLException> way : ways) {
            pool.blocking().useConnection(c -> {
                try {
                    way.accept(c);
                } catch (SQLException | ClassCastException e) {
                    // the driver may have nothing of that kind: it was asked for all the same
                }
            });
            Pools.awaitIdle(pool);
            changed++;
            assertThat(pool.stats().closed().get(PoolStats.CloseReason.CHANGED)).isEqualTo(changed);
        }
    }

    @Test
    void whatIsRefusedInsideAFormIsNamed() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useTransaction(tx -> {
            Connection jdbc = tx.jdbc();
            assertThatThrownBy(() -> jdbc.setAutoCommit(true)).hasMessageStartingWith("setAutoCommit(true) is refused");
            assertThatThrownBy(() -> jdbc.setReadOnly(true)).hasMessageStartingWith("setReadOnly(true) is refused");
            assertThatThrownBy(jdbc::commit).hasMessageStartingWith("commit() is refused");
            assertThatThrownBy(jdbc::rollback).hasMessageStartingWith("rollback() is refused");
            assertThatThrownBy(() -> run(jdbc, "ROLLBACK")).hasMessageContaining("For a part of it use savepoint(…)");
            assertThatThrownBy(() -> run(jdbc, "VACUUM")).hasMessageEndingWith("Use connection(…) for it.");
        });
    }
}
