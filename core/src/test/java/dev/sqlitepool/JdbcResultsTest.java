package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.Sql;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A JDBC result gives all its rows, whatever happens while it is read, or it fails: it never seems to have ended. */
class JdbcResultsTest {
    private static final int ROWS = 100;

    @RegisterExtension
    final Pools pools = new Pools();

    /** Pools that give the write lane back after a COMMIT, and pools that keep it. */
    private enum Kind {
        FILE(true),
        ONE_LANE(false),
        MEMORY(false),
        NORMAL(false);

        private final boolean givesBack;

        Kind(boolean givesBack) {
            this.givesBack = givesBack;
        }

        SqlitePool open(Pools pools) {
            SqlitePool pool =
                    switch (this) {
                        case FILE -> pools.open(settings -> settings.poolSize(3));
                        case ONE_LANE -> pools.open(settings -> settings.poolSize(1));
                        case MEMORY -> pools.build(SqlitePool.builder().inMemory());
                        case NORMAL ->
                            pools.open(settings -> settings.poolSize(3).durability(Durability.NORMAL));
                    };
            pool.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER)").join();
            pool.execute("CREATE TABLE u (id INTEGER PRIMARY KEY)").join();
            pool.execute(
                            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
                                    + " INSERT INTO t SELECT i, 0 FROM n",
                            ROWS)
                    .join();
            return pool;
        }
    }

    private static int sum(SqlitePool pool) {
        return pool.queryOne("SELECT sum(v) FROM t", row -> row.getInt(1))
                .join()
                .orElseThrow();
    }

    private interface Inner {
        void on(int id) throws SQLException;
    }

    /** Reads t from its first row to its last, and does something at each row. */
    private static int loop(Connection jdbc, Inner inner) throws SQLException {
        int count = 0;
        try (Statement statement = jdbc.createStatement();
                ResultSet rows = statement.executeQuery("SELECT id FROM t ORDER BY id")) {
            while (rows.next()) {
                count++;
                assertThat(rows.getInt(1)).isEqualTo(count);
                inner.on(count);
            }
        }
        return count;
    }

    private static void assertClosed(ResultSet rows) throws SQLException {
        assertThat(rows.isClosed()).isTrue();
        for (int i = 0; i < 2; i++) {
            assertThatThrownBy(rows::next)
                    .isInstanceOfSatisfying(
                            SQLException.class, e -> assertThat(e.getSQLState()).isEqualTo("24000"))
                    .hasMessageContaining("is closed");
            assertThatThrownBy(() -> rows.getInt(1)).isInstanceOf(SQLException.class);
        }
    }

    // ---- savepoints

    @ParameterizedTest
    @EnumSource
    void aSavepointInsideALoopLeavesAllRows(Kind kind) {
        SqlitePool pool = kind.open(pools);
        pool.useTransaction(tx -> assertThat(loop(
                                tx.jdbc(), id -> tx.savepoint(in -> in.execute("UPDATE t SET v = 1 WHERE id = ?", id))))
                        .isEqualTo(ROWS))
                .join();
        assertThat(sum(pool)).isEqualTo(ROWS);
    }

    @ParameterizedTest
    @EnumSource
    void aBatchInsideALoopLeavesAllRows(Kind kind) {
        SqlitePool pool = kind.open(pools);
        pool.useTransaction(tx -> assertThat(loop(
                                tx.jdbc(),
                                id -> tx.executeBatch(
                                        "UPDATE t SET v = v + 1 WHERE id = ?",
                                        List.of(new Object[] {id}, new Object[] {id}))))
                        .isEqualTo(ROWS))
                .join();
        assertThat(sum(pool)).isEqualTo(2 * ROWS);
    }

    @ParameterizedTest
    @EnumSource
    void aSavepointThatIsUndoneInsideALoopLeavesAllRows(Kind kind) {
        SqlitePool pool = kind.open(pools);
        pool.useTransaction(tx -> assertThat(loop(tx.jdbc(), id -> assertThatThrownBy(() -> tx.savepoint(in -> {
                                    in.execute("UPDATE t SET v = 1 WHERE id >= ?", id);
                                    throw new IllegalStateException("undo");
                                }))
                                .hasMessage("undo")))
                        .isEqualTo(ROWS))
                .join();
        assertThat(sum(pool)).isZero();
    }

    @ParameterizedTest
    @EnumSource
    void aJdbcSavepointThatIsUndoneOrReleasedInsideALoopLeavesAllRows(Kind kind) throws SQLException {
        SqlitePool pool = kind.open(pools);
        pool.blocking().useConnection(c -> {
            Connection jdbc = c.jdbc();
            jdbc.setAutoCommit(false);
            int count = loop(jdbc, id -> {
                Savepoint savepoint = jdbc.setSavepoint();
                c.execute("UPDATE t SET v = 1 WHERE id = ?", id);
                if (id % 2 == 0) {
                    jdbc.rollback(savepoint);
                }
                jdbc.releaseSavepoint(savepoint);
            });
            assertThat(count).isEqualTo(ROWS);
            jdbc.commit();
        });
        assertThat(sum(pool)).isEqualTo(ROWS / 2);
    }

    /** SQLite cannot go on in a schema that is undone, and says so. */
    @ParameterizedTest
    @EnumSource
    void aLoopWhoseSchemaIsUndoneFails(Kind kind) {
        SqlitePool pool = kind.open(pools);
        pool.useTransaction(tx -> assertThatThrownBy(
                                () -> loop(tx.jdbc(), id -> assertThatThrownBy(() -> tx.savepoint(in -> {
                                            in.execute("CREATE TABLE x (y)");
                                            throw new IllegalStateException("undo");
                                        }))
                                        .hasMessage("undo")))
                        .hasMessageContaining("ABORT"))
                .join();
    }

    @ParameterizedTest
    @EnumSource
    void aStatementThatWritesAndIsHalfReadSaysThatASavepointHasEndedIt(Kind kind) {
        SqlitePool pool = kind.open(pools);
        pool.useTransaction(tx -> {
                    ResultSet rows = tx.savepoint(in -> {
                        ResultSet written = in.jdbc()
                                .createStatement()
                                .executeQuery("INSERT INTO u VALUES (1), (2), (3) RETURNING id");
                        assertThat(written.next()).isTrue();
                        return written;
                    });
                    assertClosed(rows);
                })
                .join();
        assertThat(pool.query("SELECT id FROM u", row -> row.getInt(1)).join()).containsExactly(1, 2, 3);
    }

    // ---- the end of a transaction

    @ParameterizedTest
    @EnumSource
    void aCommitInsideALoopLeavesAllRowsOrItFails(Kind kind) throws SQLException {
        SqlitePool pool = kind.open(pools);
        pool.blocking().useConnection(c -> {
            Connection jdbc = c.jdbc();
            jdbc.setAutoCommit(false);
            Inner inner = id -> {
                c.execute("UPDATE t SET v = 1 WHERE id = ?", id);
                jdbc.commit();
            };
            if (kind.givesBack) {
                assertThatThrownBy(() -> loop(jdbc, inner)).hasMessageContaining("given back to the pool");
            } else {
                assertThat(loop(jdbc, inner)).isEqualTo(ROWS);
            }
        });
        assertThat(sum(pool)).isEqualTo(kind.givesBack ? 1 : ROWS);
    }

    @ParameterizedTest
    @EnumSource
    void aChangeToAutocommitInsideALoopLeavesAllRowsOrItFails(Kind kind) throws SQLException {
        SqlitePool pool = kind.open(pools);
        pool.blocking().useConnection(c -> {
            Connection jdbc = c.jdbc();
            jdbc.setAutoCommit(false);
            Inner inner = id -> {
                c.execute("UPDATE t SET v = 1 WHERE id = ?", id);
                jdbc.setAutoCommit(true);
            };
            if (kind.givesBack) {
                assertThatThrownBy(() -> loop(jdbc, inner)).hasMessageContaining("given back to the pool");
            } else {
                assertThat(loop(jdbc, inner)).isEqualTo(ROWS);
            }
        });
        assertThat(sum(pool)).isEqualTo(kind.givesBack ? 1 : ROWS);
    }

    @ParameterizedTest
    @EnumSource
    void aRollbackInsideALoopLeavesAllRows(Kind kind) throws SQLException {
        SqlitePool pool = kind.open(pools);
        pool.blocking().useConnection(c -> {
            Connection jdbc = c.jdbc();
            jdbc.setAutoCommit(false);
            int count = loop(jdbc, id -> {
                try (Statement update = jdbc.createStatement()) {
                    update.executeUpdate("UPDATE t SET v = 1");
                }
                jdbc.rollback();
            });
            assertThat(count).isEqualTo(ROWS);
        });
        assertThat(sum(pool)).isZero();
    }

    @ParameterizedTest
    @EnumSource
    void aResultOfMetadataGivesAllItsRowsOrFails(Kind kind) throws SQLException {
        SqlitePool pool = kind.open(pools);
        pool.blocking().useConnection(c -> {
            Connection jdbc = c.jdbc();
            jdbc.setAutoCommit(false);
            Savepoint begun = jdbc.setSavepoint();
            ResultSet tables = jdbc.getMetaData().getTables(null, null, "%", new String[] {"TABLE"});
            assertThat(tables.next()).isTrue();
            Savepoint savepoint = jdbc.setSavepoint();
            c.execute("UPDATE t SET v = 1");
            jdbc.rollback(savepoint);
            jdbc.releaseSavepoint(begun);
            assertThat(tables.getString("TABLE_NAME")).isEqualTo("t");
            jdbc.commit();
            if (kind.givesBack) {
                assertClosed(tables);
            } else {
                assertThat(tables.next()).isTrue();
                assertThat(tables.getString("TABLE_NAME")).isEqualTo("u");
            }
            jdbc.rollback();
        });
    }

    /** What is committed beside an open result is durable, and so is what comes next. */
    @ParameterizedTest
    @EnumSource
    void aResultThatStaysOpenOverACommitIsNoHindranceForTheNext(Kind kind) throws SQLException {
        SqlitePool pool = kind.open(pools);
        pool.blocking().useConnection(c -> {
            Connection jdbc = c.jdbc();
            jdbc.setAutoCommit(false);
            ResultSet rows = jdbc.createStatement().executeQuery("SELECT id FROM t ORDER BY id");
            assertThat(rows.next()).isTrue();
            for (int i = 1; i <= 3; i++) {
                c.execute("UPDATE t SET v = v + 1 WHERE id = 1");
                if (kind == Kind.ONE_LANE) {
                    try (Statement statement = jdbc.createStatement();
                            ResultSet how = statement.executeQuery("SELECT synchronous FROM pragma_synchronous")) {
                        assertThat(how.getInt(1))
                                .as("1: left to the gate, 2: by SQLite")
                                .isEqualTo(i == 1 ? 1 : 2);
                    }
                }
                jdbc.commit();
            }
        });
        pool.useTransaction(tx -> tx.execute("UPDATE t SET v = v + 1 WHERE id = 1"))
                .join();
        assertThat(sum(pool)).isEqualTo(4);
    }

    // ---- its statement

    @Test
    void aStatementThatRunsAgainInsideItsOwnLoopEndsTheLoopWithAnError() throws SQLException {
        SqlitePool pool = Kind.FILE.open(pools);
        pool.blocking().useConnection(c -> {
            try (PreparedStatement select = c.jdbc().prepareStatement("SELECT id FROM t WHERE id > ? ORDER BY id")) {
                select.setInt(1, 0);
                ResultSet outer = select.executeQuery();
                assertThat(outer.next()).isTrue();
                select.setInt(1, 50);
                ResultSet inner = select.executeQuery();
                assertClosed(outer);
                outer.close(); // closes nothing of the other
                assertThat(inner.next()).isTrue();
                assertThat(inner.getInt(1)).isEqualTo(51);
            }
        });
    }

    @Test
    void aStatementMayWriteAfterItsOwnResult() throws SQLException {
        SqlitePool pool = Kind.FILE.open(pools);
        pool.blocking().useConnection(c -> {
            try (Statement statement = c.jdbc().createStatement()) {
                ResultSet rows = statement.executeQuery("SELECT id FROM t");
                assertThat(rows.next()).isTrue();
                assertThat(statement.executeUpdate("UPDATE t SET v = 1 WHERE id = 1"))
                        .isEqualTo(1);
                assertClosed(rows);
            }
        });
        assertThat(sum(pool)).isEqualTo(1);
    }

    @Test
    void aResultIsClosedWithItsStatementAndByABatchAndByTheAskForMore() throws SQLException {
        SqlitePool pool = Kind.FILE.open(pools);
        pool.blocking().useConnection(c -> {
            Statement statement = c.jdbc().createStatement();
            ResultSet first = statement.executeQuery("SELECT id FROM t");
            statement.addBatch("SELECT 1");
            assertClosed(first);
            statement.clearBatch();
            ResultSet second = statement.executeQuery("SELECT id FROM t");
            assertThat(statement.getMoreResults()).isFalse();
            assertClosed(second);
            ResultSet third = statement.executeQuery("SELECT id FROM t");
            statement.close();
            assertClosed(third);
        });
    }

    @Test
    void aResultOfMetadataThatIsAskedForTwiceIsNotMixedUp() throws SQLException {
        SqlitePool pool = Kind.FILE.open(pools);
        pool.blocking().useConnection(c -> {
            ResultSet first = c.jdbc().getMetaData().getTypeInfo();
            assertThat(first.next()).isTrue();
            String name = first.getString(1);
            ResultSet second = c.jdbc().getMetaData().getTypeInfo();
            assertClosed(first);
            first.close();
            assertThat(second.next()).isTrue();
            assertThat(second.getString(1)).isEqualTo(name);
        });
    }

    @Test
    void aResultThatNobodyHasAskedForSaysThatItIsGone() throws SQLException {
        SqlitePool pool = Kind.FILE.open(pools);
        pool.blocking().useConnection(c -> {
            Statement statement = c.jdbc().createStatement();
            assertThat(statement.execute("SELECT id FROM t")).isTrue();
            c.execute("UPDATE t SET v = 1 WHERE id = 1"); // moves
            for (int i = 0; i < 2; i++) {
                assertThatThrownBy(statement::getResultSet).hasMessageContaining("another connection");
            }
            assertThat(statement.execute("SELECT id FROM t")).isTrue();
            assertThat(statement.getResultSet().next()).isTrue();
        });
    }

    @Test
    void aStatementThatClosesOnCompletionIsClosedWithItsResult() throws SQLException {
        SqlitePool pool = Kind.FILE.open(pools);
        pool.blocking().useConnection(c -> {
            Statement statement = c.jdbc().createStatement();
            assertThat(statement.isCloseOnCompletion()).isFalse();
            statement.closeOnCompletion();
            assertThat(statement.isCloseOnCompletion()).isTrue();
            ResultSet rows = statement.executeQuery("SELECT id FROM t WHERE id = 1");
            assertThat(rows.next()).isTrue();
            assertThat(rows.next()).isFalse();
            assertThat(rows.next()).as("again").isFalse();
            assertThat(statement.isClosed()).isFalse();
            rows.close();
            assertThat(statement.isClosed()).isTrue();
            assertThatThrownBy(() -> statement.execute("SELECT 1")).hasMessageContaining("closed");
        });
    }

    @Test
    void aMoveInTheMiddleOfALoopIsRefusedAndTheLoopGoesOn() throws SQLException {
        SqlitePool pool = Kind.FILE.open(pools);
        pool.blocking().useConnection(c -> {
            int count = loop(c.jdbc(), id -> assertThatThrownBy(() -> c.execute("UPDATE t SET v = 1"))
                    .hasMessageContaining("cursor is still open on the read connection"));
            assertThat(count).isEqualTo(ROWS);
        });
    }

    // ---- interrupts

    @Test
    void anInterruptEndsTheOtherResultsWithAnErrorAndTheTransactionStands() throws SQLException {
        SqlitePool pool = Kind.FILE.open(pools);
        pool.blocking().useTransaction(tx -> {
            tx.execute("UPDATE t SET v = 1 WHERE id = 1");
            ResultSet rows = tx.jdbc().createStatement().executeQuery("SELECT id FROM t");
            assertThat(rows.next()).isTrue();
            tx.statementTimeout(Duration.ofMillis(20));
            assertThatThrownBy(() -> tx.query("SELECT * FROM (" + Sql.ENDLESS + ")", row -> row.getInt(1)))
                    .hasMessageContaining("interrupted after its timeout");
            assertClosed(rows);
            tx.execute("UPDATE t SET v = 1 WHERE id = 2");
        });
        assertThat(sum(pool)).isEqualTo(2);
    }

    @Test
    void aResultThatWasInterruptedDoesNotBeginAgain() throws SQLException {
        SqlitePool pool = Kind.FILE.open(pools);
        pool.blocking().useConnection(c -> {
            c.statementTimeout(Duration.ofMillis(20));
            ResultSet rows =
                    c.jdbc().createStatement().executeQuery("SELECT 1 UNION ALL SELECT * FROM (" + Sql.ENDLESS + ")");
            assertThat(rows.next()).isTrue();
            assertThatThrownBy(rows::next).hasMessageContaining("interrupted");
            assertClosed(rows);
        });
    }

    private static Object ids(SqlitePool pool) {
        return pool.query("SELECT id FROM u ORDER BY id", row -> row.getInt(1)).join();
    }

    private interface Begin {
        void on(Connection jdbc) throws SQLException;
    }

    private static void execute(Connection jdbc, String sql) throws SQLException {
        try (Statement statement = jdbc.createStatement()) {
            statement.execute(sql);
        }
    }

    @ParameterizedTest
    @EnumSource
    void whatAHalfReadResultHasInsertedIsNoPartOfATransactionThatBeginsAfterIt(Kind kind) {
        SqlitePool pool = kind.open(pools);
        List<Begin> begins = List.of(
                jdbc -> jdbc.setAutoCommit(false),
                jdbc -> execute(jdbc, "BEGIN"),
                jdbc -> execute(jdbc, "SAVEPOINT s"));
        for (int i = 0; i < begins.size(); i++) {
            int id = 10 * i;
            Begin begin = begins.get(i);
            pool.useConnection(c -> {
                        Connection jdbc = c.jdbc();
                        PreparedStatement insert = jdbc.prepareStatement("INSERT INTO u VALUES (?), (?) RETURNING id");
                        insert.setInt(1, id);
                        insert.setInt(2, id + 1);
                        ResultSet rows = insert.executeQuery();
                        assertThat(rows.next()).isTrue();
                        begin.on(jdbc);
                        execute(jdbc, "INSERT INTO u VALUES (" + (id + 2) + ")");
                        assertThatThrownBy(rows::next).hasMessageContaining("a transaction has begun");
                        execute(jdbc, "ROLLBACK");
                    })
                    .join();
        }
        assertThat(ids(pool)).isEqualTo(List.of(0, 1, 10, 11, 20, 21));
    }

    @ParameterizedTest
    @EnumSource
    void whatAStatementHasInsertedWhoseResultNobodyAskedForIsNoPartOfATransactionThatBeginsAfterIt(Kind kind) {
        SqlitePool pool = kind.open(pools);
        pool.useConnection(c -> {
                    Connection jdbc = c.jdbc();
                    PreparedStatement insert = jdbc.prepareStatement("INSERT INTO u VALUES (?) RETURNING id");
                    insert.setInt(1, 1);
                    assertThat(insert.execute()).isTrue();
                    jdbc.setAutoCommit(false);
                    insert.setInt(1, 2);
                    assertThat(insert.execute()).isTrue();
                    jdbc.rollback();
                })
                .join();
        assertThat(ids(pool)).isEqualTo(List.of(1));
    }

    @ParameterizedTest
    @EnumSource
    void aResultThatMaxRowsHasCutOffKeepsNothingFromBeingCommitted(Kind kind) {
        SqlitePool pool = kind.open(pools);
        pool.useConnection(c -> {
                    Connection jdbc = c.jdbc();
                    PreparedStatement insert = jdbc.prepareStatement("INSERT INTO u VALUES (?), (?) RETURNING id");
                    insert.setMaxRows(1);
                    insert.setInt(1, 1);
                    insert.setInt(2, 2);
                    ResultSet rows = insert.executeQuery();
                    assertThat(rows.next()).isTrue();
                    assertThat(rows.next()).isFalse();
                    try (Statement batch = jdbc.createStatement()) {
                        batch.addBatch("INSERT INTO u VALUES (3)");
                        assertThat(batch.executeBatch()).containsExactly(1);
                    }
                    jdbc.setAutoCommit(false);
                    insert.setInt(1, 4);
                    insert.setInt(2, 5);
                    rows = insert.executeQuery();
                    assertThat(rows.next()).isTrue();
                    assertThat(rows.next()).isFalse();
                    jdbc.commit();
                })
                .join();
        assertThat(ids(pool)).isEqualTo(List.of(1, 2, 3, 4, 5));
    }
}
