package dev.sqlitepool.internal.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.BlockingPool;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.RowMapper;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.testing.Pools;
import java.lang.reflect.Proxy;
import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A pool over a driver that is not SQLite's, here H2's: what the engine does through JDBC alone. */
class JdbcEngineTest {
    @RegisterExtension
    final Pools pools = new Pools();

    private SqlitePool pool;
    private BlockingPool db;

    public record User(long id, String userName) {}

    private SqlitePool open(int size) {
        String url = "jdbc:h2:mem:" + UUID.randomUUID() + ";DB_CLOSE_DELAY=-1";
        return pools.build(SqlitePool.builder()
                .connectionFactory(access -> DriverManager.getConnection(url))
                .poolSize(size));
    }

    @BeforeEach
    void open() throws SQLException {
        pool = open(3);
        db = pool.blocking();
        db.execute("CREATE TABLE users (id BIGINT PRIMARY KEY, user_name VARCHAR)");
    }

    private List<Long> ids() throws SQLException {
        return db.query("SELECT id FROM users ORDER BY id", row -> row.getLong(1));
    }

    @Test
    void transactionsCommitAndRollBack() throws SQLException {
        db.useTransaction(tx -> assertThat(tx.execute("INSERT INTO users VALUES (?, ?)", 1, "Ann"))
                .isEqualTo(1));
        assertThatThrownBy(() -> db.useTransaction(tx -> {
                    tx.execute("INSERT INTO users VALUES (2, 'Bob')");
                    throw new IllegalStateException("of the work");
                }))
                .hasMessage("of the work");
        db.useTransaction(tx -> {
            tx.execute("INSERT INTO users VALUES (3, 'Cid')");
            tx.rollbackOnly();
        });
        assertThatThrownBy(() -> db.execute("INSERT INTO users VALUES (1, 'again')"))
                .isInstanceOf(SQLException.class);
        assertThat(ids()).containsExactly(1L);
    }

    @Test
    void rowsAndRecordsAreMapped() throws SQLException {
        db.executeBatch("INSERT INTO users VALUES (?, ?)", List.of(new Object[] {1, "Ann"}, new Object[] {2, null}));
        assertThat(db.query("SELECT * FROM users ORDER BY id", RowMapper.of(User.class)))
                .containsExactly(new User(1, "Ann"), new User(2, null));
        assertThat(db.queryOne("SELECT user_name FROM users WHERE id = ?", row -> row.getString("User_Name"), 1))
                .contains("Ann");
        assertThat(db.queryOne("SELECT 1 FROM users WHERE id = 99", row -> 1)).isEmpty();
        assertThat(db.<Integer, RuntimeException>read(
                        read -> read.query("SELECT id FROM users", row -> 1).size()))
                .isEqualTo(2);
    }

    @Test
    void valuesComeBackAsTheyWentIn() throws SQLException {
        db.execute(
                "CREATE TABLE v (a BIGINT, b DOUBLE PRECISION, c VARCHAR, d VARBINARY, e VARCHAR, f BOOLEAN, g DECIMAL(9, 2))");
        Instant now = Instant.parse("2026-01-02T03:04:05.6Z");
        db.execute("INSERT INTO v VALUES (?, ?, ?, ?, ?, ?, ?)", 1, 0.5, "x", new byte[] {1}, now, true, "1.50");
        db.query("SELECT * FROM v", row -> {
            assertThat(row.getObject(1)).isEqualTo(1L);
            assertThat(row.getObject(2)).isEqualTo(0.5);
            assertThat(row.getObject(3)).isEqualTo("x");
            assertThat(row.getObject(4)).isEqualTo(new byte[] {1});
            assertThat(row.get(5, Instant.class)).isEqualTo(now);
            assertThat(row.get(6, boolean.class)).isTrue();
            assertThat(row.get(7, BigDecimal.class)).isEqualTo(new BigDecimal("1.50"));
            assertThat(row.isNull(1)).isFalse();
            assertThatThrownBy(() -> row.getInt(8)).isInstanceOf(SQLException.class);
            return 1;
        });
    }

    @Test
    void savepointsNest() throws SQLException {
        db.useTransaction(tx -> {
            tx.execute("INSERT INTO users VALUES (1, 'Ann')");
            assertThatThrownBy(() -> tx.savepoint(one -> {
                        one.execute("INSERT INTO users VALUES (2, 'Bob')");
                        one.savepoint(two -> two.execute("INSERT INTO users VALUES (3, 'Cid')"));
                        throw new IllegalStateException();
                    }))
                    .isInstanceOf(IllegalStateException.class);
            tx.savepoint(one -> one.execute("INSERT INTO users VALUES (4, 'Dan')"));
            assertThatThrownBy(() -> tx.executeBatch(
                            "INSERT INTO users VALUES (?, 'x')", List.of(new Object[] {5}, new Object[] {5})))
                    .isInstanceOf(SQLException.class);
        });
        assertThat(ids()).containsExactly(1L, 4L);
    }

    @Test
    void aRollbackToAnOuterJdbcSavepointUndoesTheInnerOnesToo() throws SQLException {
        db.useConnection(c -> {
            Connection jdbc = c.jdbc();
            jdbc.setAutoCommit(false);
            c.execute("INSERT INTO users VALUES (1, 'Ann')");
            Savepoint outer = jdbc.setSavepoint();
            c.execute("INSERT INTO users VALUES (2, 'Bob')");
            jdbc.setSavepoint();
            c.execute("INSERT INTO users VALUES (3, 'Cid')");
            jdbc.rollback(outer);
            c.execute("INSERT INTO users VALUES (4, 'Dan')");
            jdbc.commit();
        });
        assertThat(ids()).containsExactly(1L, 4L);
    }

    @Test
    void aSavepointThatACommitHasEndedIsNotTakenForALaterOne() throws SQLException {
        db.useConnection(c -> {
            Connection jdbc = c.jdbc();
            jdbc.setAutoCommit(false);
            jdbc.setSavepoint();
            c.execute("INSERT INTO users VALUES (1, 'Ann')");
            jdbc.commit();
            c.execute("INSERT INTO users VALUES (2, 'Bob')");
            Savepoint later = jdbc.setSavepoint();
            c.execute("INSERT INTO users VALUES (3, 'Cid')");
            jdbc.rollback(later);
            jdbc.commit();
        });
        assertThat(ids()).containsExactly(1L, 2L);
    }

    @Test
    void aReleaseOfAnOuterJdbcSavepointKeepsEverything() throws SQLException {
        db.useTransaction(tx -> {
            Savepoint outer = tx.jdbc().setSavepoint();
            tx.execute("INSERT INTO users VALUES (1, 'Ann')");
            tx.jdbc().setSavepoint();
            tx.execute("INSERT INTO users VALUES (2, 'Bob')");
            tx.jdbc().releaseSavepoint(outer);
            assertThatThrownBy(() -> tx.savepoint(nested -> {
                        nested.execute("INSERT INTO users VALUES (3, 'Cid')");
                        throw new IllegalStateException();
                    }))
                    .isInstanceOf(IllegalStateException.class);
        });
        assertThat(ids()).containsExactly(1L, 2L);
    }

    @Test
    void aConnectionBeginsAsAReaderAndMoves() throws SQLException {
        db.useConnection(c -> {
            c.query("SELECT id FROM users", row -> 1);
            assertThat(pool.stats().switches()).isZero();
            c.execute("INSERT INTO users VALUES (1, 'Ann')");
        });
        assertThat(pool.stats().switches()).isEqualTo(1);
        assertThat(ids()).containsExactly(1L);
    }

    @Test
    void jdbcWorks() throws SQLException {
        db.useConnection(c -> {
            try (Statement statement = c.jdbc().createStatement()) {
                assertThat(statement.executeUpdate("INSERT INTO users VALUES (1, 'Ann')"))
                        .isEqualTo(1);
            }
            assertThat(c.jdbc().getMetaData().getDatabaseProductName()).isEqualTo("H2");
        });
        assertThat(ids()).containsExactly(1L);
    }

    /** The only lane serves the next statement although the first would run for hours. */
    @Test
    void aCancelEndsALongQuery() throws SQLException {
        SqlitePool single = open(1);
        AtomicBoolean began = new AtomicBoolean();
        CompletableFuture<Void> endless = single.useTransaction(tx -> {
            began.set(true);
            tx.query(
                    "SELECT count(*) FROM system_range(1, 10000000) a, system_range(1, 10000000) b WHERE a.x + b.x = -1",
                    row -> 1);
        });
        Pools.await("the query has begun", began::get);
        assertThat(endless.cancel(true)).isTrue();
        assertThatThrownBy(endless::join).isInstanceOf(CancellationException.class);
        assertThat(single.blocking().query("SELECT 7", row -> row.getInt(1))).containsExactly(7);
    }

    @Test
    void aStatementTimeoutEndsALongQuery() {
        SqlitePool timed = pools.build(SqlitePool.builder()
                .connectionFactory(access -> DriverManager.getConnection("jdbc:h2:mem:"))
                .poolSize(1)
                .statementTimeout(Duration.ofMillis(50)));
        assertThatThrownBy(() -> timed.blocking()
                        .query(
                                "SELECT count(*) FROM system_range(1, 10000000) a, system_range(1, 10000000) b"
                                        + " WHERE a.x + b.x = -1",
                                row -> 1))
                .isInstanceOf(java.sql.SQLTimeoutException.class);
    }

    @Test
    void aStatementWhoseRowsCannotBeHadIsClosed() throws SQLException {
        PreparedStatement[] real = new PreparedStatement[1];
        Connection connection = DriverManager.getConnection("jdbc:h2:mem:");
        JdbcEngine engine = new JdbcEngine(proxy(Connection.class, connection, (method, result) -> {
            if (result instanceof PreparedStatement statement) {
                real[0] = statement;
                return proxy(PreparedStatement.class, statement, (inner, rows) -> {
                    if (inner.equals("getResultSet")) {
                        throw new SQLException("not now");
                    }
                    return rows;
                });
            }
            return result;
        }));
        Prepared prepared = engine.prepare("SELECT 1");
        assertThatThrownBy(() -> prepared.start(new Object[0])).hasMessage("not now");
        assertThat(real[0].isClosed()).isTrue();
        assertThat(prepared.isClosed()).isTrue();
        engine.close();
    }

    private interface Seen {
        Object as(String method, Object result) throws SQLException;
    }

    private static <T> T proxy(Class<T> type, T target, Seen seen) {
        return type.cast(Proxy.newProxyInstance(
                JdbcEngineTest.class.getClassLoader(),
                new Class<?>[] {type},
                (proxy, method, arguments) -> seen.as(method.getName(), method.invoke(target, arguments))));
    }

    @Test
    void aConnectionThatTheUserClosedIsReplaced() throws SQLException {
        db.useConnection(c -> c.jdbc().unwrap(org.h2.jdbc.JdbcConnection.class).close());
        assertThat(db.execute("INSERT INTO users VALUES (1, 'Ann')")).isEqualTo(1);
        assertThat(pool.stats().closed().get(CloseReason.CHANGED)).isEqualTo(1);
    }
}
