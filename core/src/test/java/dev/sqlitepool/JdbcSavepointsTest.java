package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.testing.Pools;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.sqlite.SQLiteConnection;
import org.sqlite.core.DB;

/** A savepoint of JDBC is the one that was set, or it is none: then it throws, and costs nothing. */
class JdbcSavepointsTest {
    @RegisterExtension
    final Pools pools = new Pools();

    private SqlitePool pool;

    @BeforeEach
    void open() {
        pool = pools.open(settings -> settings.poolSize(3));
        pool.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)").join();
    }

    private List<Integer> ids() {
        return pool.query("SELECT id FROM t ORDER BY id", row -> row.getInt(1)).join();
    }

    private interface Body {
        void on(PoolConnection c, Connection jdbc) throws SQLException;
    }

    private void withoutAutocommit(Body body) throws SQLException {
        pool.blocking().useConnection(c -> {
            c.jdbc().setAutoCommit(false);
            body.on(c, c.jdbc());
            c.jdbc().commit();
        });
    }

    private static void insert(PoolConnection c, int id) throws SQLException {
        c.execute("INSERT INTO t VALUES (?)", id);
    }

    private static void assertStale(ThrowingCallable use) {
        assertThatThrownBy(use).isInstanceOfSatisfying(SQLException.class, e -> {
            assertThat(e.getSQLState()).isEqualTo("3B001");
            assertThat(e.getMessage()).contains("the transaction goes on");
        });
    }

    private static void assertStale(Connection jdbc, Savepoint savepoint) {
        assertStale(() -> jdbc.rollback(savepoint));
        assertStale(() -> jdbc.releaseSavepoint(savepoint));
    }

    @Test
    void aStaleSavepointThrowsAndCostsNothing() throws SQLException {
        withoutAutocommit((c, jdbc) -> {
            Savepoint a = jdbc.setSavepoint();
            insert(c, 1);
            jdbc.commit();
            Savepoint b = jdbc.setSavepoint();
            insert(c, 2);
            assertStale(jdbc, a);
            assertThat(b.getSavepointId()).isNotEqualTo(a.getSavepointId());
        });
        assertThat(ids()).containsExactly(1, 2);
    }

    @Test
    void aSavepointOfATransactionThatWasRolledBackIsStale() throws SQLException {
        withoutAutocommit((c, jdbc) -> {
            Savepoint a = jdbc.setSavepoint();
            jdbc.rollback();
            assertStale(jdbc, a); // in no transaction
            jdbc.setSavepoint();
            insert(c, 1);
            assertStale(jdbc, a);
        });
        assertThat(ids()).containsExactly(1);
    }

    @Test
    void aSavepointThatWasReleasedIsStaleAlsoWhenItsLevelIsTakenAgain() throws SQLException {
        withoutAutocommit((c, jdbc) -> {
            Savepoint a = jdbc.setSavepoint();
            insert(c, 1);
            jdbc.releaseSavepoint(a);
            Savepoint b = jdbc.setSavepoint();
            insert(c, 2);
            assertStale(jdbc, a);
            jdbc.rollback(b);
            insert(c, 3);
        });
        assertThat(ids()).containsExactly(1, 3);
    }

    @Test
    void theEndOfAnOuterSavepointEndsTheInnerOnes() throws SQLException {
        withoutAutocommit((c, jdbc) -> {
            Savepoint outer = jdbc.setSavepoint();
            Savepoint inner = jdbc.setSavepoint("inner");
            insert(c, 1);
            jdbc.rollback(outer);
            assertStale(jdbc, inner);
            insert(c, 2);
            jdbc.rollback(outer); // it has stayed
            insert(c, 3);
            Savepoint another = jdbc.setSavepoint();
            jdbc.releaseSavepoint(outer);
            assertStale(jdbc, another);
            assertStale(jdbc, outer);
        });
        assertThat(ids()).containsExactly(3);
    }

    @Test
    void aSavepointOfAnotherConnectionIsStale() throws SQLException {
        List<Savepoint> foreign = new ArrayList<>();
        withoutAutocommit((c, jdbc) -> foreign.add(jdbc.setSavepoint()));
        withoutAutocommit((c, jdbc) -> {
            Savepoint own = jdbc.setSavepoint();
            insert(c, 1);
            assertStale(jdbc, foreign.get(0));
            jdbc.releaseSavepoint(own);
        });
        assertThat(ids()).containsExactly(1);
    }

    /** SQL text may end savepoints that it cannot name. */
    @Test
    void aSavepointThatSqlTextHasEndedIsStale() throws SQLException {
        withoutAutocommit((c, jdbc) -> {
            insert(c, 1);
            c.execute("SAVEPOINT mine");
            Savepoint a = jdbc.setSavepoint();
            insert(c, 2);
            c.execute("ROLLBACK TO mine");
            Savepoint b = jdbc.setSavepoint();
            insert(c, 3);
            assertStale(jdbc, a);
            insert(c, 4);
            jdbc.rollback(b);
            insert(c, 5);
        });
        assertThat(ids()).containsExactly(1, 5);
    }

    @Test
    void aSavepointOutsideTheFunctionThatRunsIsRefused() {
        pool.useTransaction(tx -> {
                    Savepoint outer = tx.jdbc().setSavepoint();
                    insert(tx, 1);
                    tx.savepoint(in -> {
                        insert(in, 2);
                        assertStale(in.jdbc(), outer);
                        Savepoint inner = in.jdbc().setSavepoint();
                        insert(in, 3);
                        in.jdbc().rollback(inner);
                        return null;
                    });
                    insert(tx, 4);
                })
                .join();
        assertThat(ids()).containsExactly(1, 2, 4);
    }

    @Test
    void hooksGoWithTheSavepointInWhichTheyWereGiven() {
        List<Integer> done = new ArrayList<>();
        pool.useTransaction(tx -> {
                    tx.afterCommit(() -> done.add(1));
                    Savepoint savepoint = tx.jdbc().setSavepoint();
                    tx.afterCommit(() -> done.add(2));
                    tx.jdbc().rollback(savepoint);
                    tx.afterCommit(() -> done.add(3));
                    tx.jdbc().releaseSavepoint(savepoint);
                })
                .join();
        assertThat(done).containsExactly(1, 3);
    }

    @Test
    void aThousandSavepointsKeepNoThousandStatements() throws SQLException {
        Set<Integer> numbers = new HashSet<>();
        withoutAutocommit((c, jdbc) -> {
            List<Savepoint> open = new ArrayList<>();
            for (int i = 1; i <= 1_000; i++) {
                open.add(jdbc.setSavepoint());
                numbers.add(open.get(i - 1).getSavepointId());
                insert(c, i);
            }
            jdbc.rollback(open.get(600));
            jdbc.releaseSavepoint(open.get(599));
            jdbc.rollback(open.get(500));
            for (int i = 0; i < 1_000; i++) {
                Savepoint next = jdbc.setSavepoint();
                numbers.add(next.getSavepointId());
                jdbc.releaseSavepoint(next);
            }
        });
        assertThat(numbers).hasSize(2_000);
        assertThat(ids()).hasSize(500);
        pool.blocking().useConnection(c -> {
            c.execute("BEGIN"); // on the write lane
            c.execute("ROLLBACK");
            assertThat(statements(c.jdbc().unwrap(SQLiteConnection.class).getDatabase()))
                    .isLessThan(100);
        });
    }

    private static int statements(DB db) {
        try {
            java.lang.reflect.Field kept = DB.class.getDeclaredField("stmts");
            kept.setAccessible(true);
            return ((java.util.Collection<?>) kept.get(db)).size();
        } catch (ReflectiveOperationException e) {
            throw new AssertionError(e);
        }
    }
}
