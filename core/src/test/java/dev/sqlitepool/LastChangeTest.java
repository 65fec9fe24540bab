package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.testing.Pools;
import dev.sqlitepool.testing.Probe;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.util.List;
import java.util.concurrent.Flow;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What SQLite remembers of a connection's last change is told to those who made it, and to nobody else. */
class LastChangeTest {
    private static final List<String> ASKS =
            List.of("SELECT last_insert_rowid()", "SELECT changes()", "SELECT 1 + Total_Changes ( /* all */ )");

    @RegisterExtension
    final Pools pools = new Pools();

    private SqlitePool open(int size) {
        SqlitePool pool = pools.open(settings -> settings.poolSize(size));
        pool.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v UNIQUE)").join();
        return pool;
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void aCallOfItsOwnIsRefused(int size) {
        SqlitePool pool = open(size);
        pool.execute("INSERT INTO t VALUES (41, 'a')").join();
        for (String sql : ASKS) {
            List<ThrowingCallable> calls = List.of(
                    () -> pool.query(sql, row -> row.getLong(1)).join(),
                    () -> pool.queryOne(sql, row -> row.getLong(1)).join(),
                    () -> pool.execute(sql).join(),
                    () -> pool.execute("INSERT INTO t (v) " + sql).join(),
                    () -> pool.execute("WITH c(v) AS (" + sql + ") INSERT INTO t (v) SELECT v FROM c")
                            .join(),
                    () -> pool.executeBatch("INSERT INTO t (v) " + sql, List.<Object[]>of(new Object[0]))
                            .join(),
                    () -> pool.blocking().query(sql, row -> row.getLong(1)),
                    () -> pool.blocking().execute(sql),
                    () -> pool.blocking().useRead(r -> r.query(sql, row -> row.getLong(1))),
                    () -> pool.read(r -> r.queryOne(sql, row -> row.getLong(1))).join());
            for (int i = 0; i < calls.size(); i++) {
                assertThatThrownBy(calls.get(i))
                        .as(sql + " " + i)
                        .hasMessageContaining("tell of one SQLite connection");
            }
            Flow.Publisher<Long> stream = pool.stream(sql, row -> row.getLong(1));
            assertThat(Probe.of(stream, 1).awaitError()).hasMessageContaining("tell of one SQLite connection");
        }
        assertThat(pool.queryOne("SELECT count(*) FROM t", row -> row.getInt(1)).join())
                .contains(1);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void aTransactionThatHasChangedNothingYetIsRefused(int size) {
        SqlitePool pool = open(size);
        pool.execute("INSERT INTO t VALUES (41, 'a')").join();
        for (String sql : ASKS) {
            assertThatThrownBy(() -> pool.transaction(tx -> tx.queryOne(sql, row -> row.getLong(1)))
                            .join())
                    .as(sql)
                    .hasMessageContaining("tell of one SQLite connection");
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void aJdbcStatementThatAsksMayBePreparedBeforeTheChange(int size) {
        SqlitePool pool = open(size);
        pool.execute("CREATE TABLE child (parent)").join();
        pool.execute("INSERT INTO t VALUES (41, 'a')").join();
        pool.useConnection(c -> {
                    Connection jdbc = c.jdbc();
                    try (PreparedStatement insert = jdbc.prepareStatement("INSERT INTO t (v) VALUES (?)");
                            PreparedStatement child =
                                    jdbc.prepareStatement("INSERT INTO child VALUES (last_insert_rowid())");
                            PreparedStatement asks = jdbc.prepareStatement("SELECT last_insert_rowid()")) {
                        asks.setMaxRows(1);
                        assertThatThrownBy(asks::executeQuery).hasMessageContaining("tell of one SQLite connection");
                        assertThatThrownBy(child::executeUpdate).hasMessageContaining("tell of one SQLite connection");
                        insert.setString(1, "b");
                        insert.executeUpdate();
                        try (ResultSet rows = asks.executeQuery()) {
                            assertThat(rows.getLong(1)).isEqualTo(42);
                        }
                        assertThat(child.executeUpdate()).isEqualTo(1);
                    }
                })
                .join();
        assertThat(pool.query("SELECT parent FROM child", row -> row.getInt(1)).join())
                .containsExactly(42);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void insideTheWorkThatChangesItIsTold(int size) {
        SqlitePool pool = open(size);
        pool.useTransaction(tx -> {
                    tx.execute("INSERT INTO t VALUES (7, 'a')");
                    assertThat(tx.query("SELECT last_insert_rowid()", row -> row.getInt(1)))
                            .containsExactly(7);
                    assertThat(tx.query("SELECT changes()", row -> row.getInt(1)))
                            .containsExactly(1);
                })
                .join();
        pool.useConnection(c -> {
                    c.execute("INSERT INTO t VALUES (8, 'b')");
                    assertThat(c.query("SELECT last_insert_rowid()", row -> row.getInt(1)))
                            .containsExactly(8);
                    c.execute("BEGIN");
                    c.execute("COMMIT");
                    c.execute("WITH n(i) AS (VALUES (9)) INSERT INTO t SELECT i, 'c' FROM n");
                    assertThat(c.query("SELECT last_insert_rowid()", row -> row.getInt(1)))
                            .containsExactly(9);
                })
                .join();
    }

    @Test
    void whatOnlyLooksLikeItIsNotRefused() {
        SqlitePool pool = open(3);
        pool.execute("CREATE TABLE log (n)").join();
        pool.execute("CREATE TRIGGER logged AFTER INSERT ON t BEGIN INSERT INTO log VALUES (last_insert_rowid()); END")
                .join();
        pool.execute("INSERT INTO t VALUES (5, 'changes()')").join();
        assertThat(pool.query("SELECT n AS changes FROM log", row -> row.getInt(1))
                        .join())
                .containsExactly(5);
        pool.useConnection(c -> {
                    c.execute("BEGIN");
                    c.execute("INSERT INTO t VALUES (6, 'x')");
                    c.execute("COMMIT");
                    c.execute("CREATE VIEW v AS SELECT changes() AS n");
                })
                .join();
    }
}
