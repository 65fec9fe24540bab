package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Logged;
import dev.sqlitepool.testing.Pools;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicReference;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ConnectionTest {
    @RegisterExtension
    final Logged logged = new Logged("is open in the pool");

    @RegisterExtension
    final Pools pools = new Pools();

    /** A pool with a table t (id, v), and no lane that has not been idle. */
    private SqlitePool open(int size) throws SQLException {
        SqlitePool pool = pools.open(settings -> settings.poolSize(size));
        pool.blocking().execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)");
        return pool;
    }

    private static List<Integer> ids(SqlitePool pool) throws SQLException {
        return pool.blocking().query("SELECT id FROM t ORDER BY id", row -> row.getInt(1));
    }

    private static int borrowedToWrite(SqlitePool pool) {
        return pool.stats().writeConnections().borrowed();
    }

    private static int borrowedToRead(SqlitePool pool) {
        return pool.stats().readConnections().borrowed();
    }

    /** Whether another process could take the write lock now. */
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

    // ---- reader, then writer

    @Test
    void aConnectionBeginsAsAReaderAndMovesAtMostOnce() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useConnection(connection -> {
            assertThat(connection.query("SELECT id FROM t", row -> row.getInt(1)))
                    .isEmpty();
            assertThat(borrowedToRead(pool)).isEqualTo(1);
            assertThat(borrowedToWrite(pool)).isZero();
            assertThat(pool.stats().switches()).isZero();

            assertThat(connection.execute("INSERT INTO t VALUES (1, 'a')")).isEqualTo(1);
            assertThat(borrowedToRead(pool)).isZero();
            assertThat(borrowedToWrite(pool)).isEqualTo(1);

            connection.execute("INSERT INTO t VALUES (2, 'b')");
            assertThat(connection.query("SELECT id FROM t", row -> row.getInt(1)))
                    .containsExactly(1, 2);
            connection.execute("PRAGMA user_version");
            assertThat(borrowedToWrite(pool)).isEqualTo(1);
            assertThat(pool.stats().switches()).isEqualTo(1);
        });
        assertThat(ids(pool)).containsExactly(1, 2);
    }

    @Test
    void aConnectionThatOnlyReadsDoesNotWaitForAWriter() throws SQLException {
        SqlitePool pool = open(3);
        Gate gate = new Gate();
        CompletableFuture<Void> writer = pool.useTransaction(tx -> {
            tx.execute("INSERT INTO t VALUES (1, 'a')");
            gate.pass();
        });
        gate.awaitReached();
        assertThat(pool.blocking()
                        .<List<Integer>, RuntimeException>connection(
                                c -> c.query("SELECT id FROM t", row -> row.getInt(1))))
                .isEmpty();
        gate.open();
        writer.join();
    }

    @Test
    void withASingleLaneNothingMoves() throws SQLException {
        SqlitePool pool = open(1);
        pool.blocking().useConnection(connection -> {
            connection.query("SELECT id FROM t", row -> row.getInt(1));
            connection.execute("INSERT INTO t VALUES (1, 'a')");
            connection.execute("BEGIN");
            connection.execute("INSERT INTO t VALUES (2, 'b')");
            connection.execute("COMMIT");
        });
        assertThat(ids(pool)).containsExactly(1, 2);
        assertThat(pool.stats().switches()).isZero();
    }

    /** The keyword says nothing: SQLite refuses the statement on the read lane, and it is repeated on the write lane. */
    @Test
    void whatSqliteRefusesOnTheReadLaneIsRepeatedOnTheWriteLane() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useConnection(connection -> {
            assertThat(connection.execute("WITH n(i) AS (VALUES (?), (?)) INSERT INTO t SELECT i, 'n' FROM n", 1, 2))
                    .isEqualTo(2);
            assertThat(borrowedToWrite(pool)).isEqualTo(1);
        });
        pool.blocking().useConnection(connection -> assertThat(connection.query(
                        "WITH n(i) AS (VALUES (3)) INSERT INTO t SELECT i, 'n' FROM n RETURNING id",
                        row -> row.getInt(1)))
                .containsExactly(3));
        assertThat(ids(pool)).containsExactly(1, 2, 3);
        assertThat(pool.stats().switches()).isEqualTo(2);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "INSERT INTO t VALUES (1, 'a')",
                "REPLACE INTO t VALUES (1, 'a')",
                "UPDATE t SET v = 1",
                "DELETE FROM t",
                "CREATE TABLE u (x)",
                "CREATE TEMP TABLE u (x)",
                "REINDEX",
                "ANALYZE",
                "VACUUM",
                "PRAGMA user_version = 1",
                "ATTACH ':memory:' AS other",
                "BEGIN",
                "SAVEPOINT a",
                "/* c */ ; BEGIN EXCLUSIVE"
            })
    void statementsThatWriteOrControlMoveByTheirKeyword(String sql) throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useConnection(connection -> {
            connection.execute(sql);
            assertThat(borrowedToWrite(pool)).isEqualTo(1);
        });
        assertThat(pool.stats().switches()).isEqualTo(1);
        assertThat(pool.blocking().execute("INSERT INTO t VALUES (7, 'next')")).isEqualTo(1);
    }

    // ---- transactions of the user

    @ParameterizedTest
    @ValueSource(
            strings = {
                "BEGIN",
                "begin;",
                "BEGIN TRANSACTION",
                "BEGIN DEFERRED",
                "/* c */ BEGIN -- IMMEDIATE",
                "BEGIN IMMEDIATE"
            })
    void aBeginTakesTheWriteLockAtOnce(String sql) throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useConnection(connection -> {
            assertThat(isLocked()).isFalse();
            connection.execute(sql);
            assertThat(isLocked()).isTrue();
            connection.execute("COMMIT");
            assertThat(isLocked()).isFalse();
        });
        pool.blocking().useConnection(connection -> {
            try (Statement statement = connection.jdbc().createStatement()) {
                statement.execute(sql);
                assertThat(isLocked()).isTrue();
                statement.execute("ROLLBACK");
                assertThat(isLocked()).isFalse();
            }
        });
    }

    @Test
    void whatIsCommittedStaysAndWhatIsLeftOpenIsRolledBack() throws SQLException {
        for (int size : new int[] {1, 3}) {
            SqlitePool pool = open(size);
            BlockingPool db = pool.blocking();
            db.useConnection(connection -> {
                connection.execute("INSERT INTO t VALUES (1, 'autocommit')");
                connection.execute("BEGIN");
                connection.execute("INSERT INTO t VALUES (2, 'committed')");
                connection.execute("COMMIT");
                connection.execute("BEGIN");
                connection.execute("INSERT INTO t VALUES (3, 'rolled back')");
                connection.execute("ROLLBACK");
                connection.execute("SAVEPOINT a");
                connection.execute("INSERT INTO t VALUES (4, 'released')");
                connection.execute("RELEASE a");
                connection.execute("BEGIN");
                connection.execute("INSERT INTO t VALUES (5, 'left open')");
            });
            assertThat(ids(pool)).containsExactly(1, 2, 4);
            db.useConnection(connection -> {
                connection.execute("SAVEPOINT a");
                connection.execute("INSERT INTO t VALUES (6, 'left open')");
                connection.execute("SAVEPOINT b");
                connection.execute("ROLLBACK TO b");
                connection.execute("RELEASE b");
            });
            assertThat(ids(pool)).containsExactly(1, 2, 4);
            assertThatThrownBy(() -> db.useConnection(connection -> {
                        connection.execute("INSERT INTO t VALUES (7, 'autocommit')");
                        connection.execute("BEGIN");
                        connection.execute("INSERT INTO t VALUES (8, 'left open')");
                        throw new IllegalStateException("of the work");
                    }))
                    .hasMessage("of the work");
            assertThat(ids(pool)).containsExactly(1, 2, 4, 7);
            assertThat(isLocked()).isFalse();
            db.useConnection(connection -> connection.executeScript(
                    "BEGIN; INSERT INTO t VALUES (9, 'script'); COMMIT; BEGIN; DELETE FROM t"));
            assertThat(ids(pool)).containsExactly(1, 2, 4, 7, 9);
            db.execute("DROP TABLE t");
        }
    }

    /** SQLite has ended the transaction by itself: the user's ROLLBACK is the way out, as everywhere. */
    @Test
    void aRollbackEndsATransactionThatSqliteHasEndedItself() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useConnection(connection -> {
            connection.execute("BEGIN");
            connection.execute("INSERT INTO t VALUES (1, 'a')");
            assertThatThrownBy(() -> connection.execute("INSERT OR ROLLBACK INTO t VALUES (1, 'again')"))
                    .hasMessageContaining("UNIQUE");
            assertThatThrownBy(() -> connection.execute("INSERT INTO t VALUES (2, 'b')"))
                    .hasMessageContaining("rolled back by SQLite");
            connection.execute("ROLLBACK");
            connection.execute("INSERT INTO t VALUES (3, 'c')");
        });
        assertThat(ids(pool)).containsExactly(3);
    }

    @Test
    void aCommitOfATransactionThatSqliteHasEndedFailsAndEndsIt() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useConnection(connection -> {
            connection.execute("BEGIN");
            connection.execute("INSERT INTO t VALUES (1, 'a')");
            assertThatThrownBy(() -> connection.execute("INSERT OR ROLLBACK INTO t VALUES (1, 'again')"))
                    .hasMessageContaining("UNIQUE");
            assertThatThrownBy(() -> connection.execute("COMMIT"))
                    .isInstanceOf(SQLException.class)
                    .hasMessageContaining("rolled back by SQLite");
            connection.execute("INSERT INTO t VALUES (3, 'c')");
        });
        assertThat(ids(pool)).containsExactly(3);
    }

    @Test
    void aCommitWithoutATransactionIsAnErrorAndTheConnectionStaysUsable() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useConnection(connection -> {
            assertThatThrownBy(() -> connection.execute("COMMIT")).hasMessageContaining("no transaction is active");
            assertThatThrownBy(() -> connection.execute("ROLLBACK")).hasMessageContaining("no transaction is active");
            connection.execute("INSERT INTO t VALUES (1, 'a')");
        });
        assertThat(ids(pool)).containsExactly(1);
    }

    @Test
    void savepointAndRollbackOnlyAreForTransactions() throws SQLException {
        SqlitePool pool = open(3);
        pool.useConnection(connection -> {
                    assertThatThrownBy(() -> ((Transaction) connection).savepoint(nested -> 1))
                            .isInstanceOf(IllegalStateException.class)
                            .hasMessageContaining("transaction(…)");
                    assertThatThrownBy(() -> ((Transaction) connection).rollbackOnly())
                            .isInstanceOf(IllegalStateException.class);
                })
                .join();
    }

    // ---- moving with a cursor open

    @Test
    void aMoveWithAnOpenCursorIsRefusedAndTheConnectionStaysReadable() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')");
        pool.blocking().useConnection(connection -> {
            List<ThrowingCallable> moves = List.of(
                    () -> connection.execute("INSERT INTO t VALUES (9, 'x')"),
                    () -> connection.execute("WITH n(i) AS (VALUES (9)) INSERT INTO t SELECT i, 'x' FROM n"),
                    () -> connection.execute("BEGIN"),
                    () -> connection.execute("PRAGMA user_version = 5"),
                    () -> connection.executeBatch("INSERT INTO t VALUES (?, 'x')", List.<Object[]>of(new Object[] {9})),
                    () -> connection.jdbc().createStatement().execute("INSERT INTO t VALUES (9, 'x')"));
            connection.forEach("SELECT id FROM t ORDER BY id", row -> {
                for (ThrowingCallable move : moves) {
                    assertThatThrownBy(move)
                            .isInstanceOf(SQLException.class)
                            .hasMessageContaining("cursor")
                            .hasMessageContaining("close it first");
                }
                assertThat(connection.query("SELECT count(*) FROM t", count -> count.getInt(1)))
                        .containsExactly(2);
                assertThat(row.getInt(1)).isBetween(1, 2);
            });
            assertThat(pool.stats().switches()).isZero();
            assertThat(connection.execute("INSERT INTO t VALUES (3, 'c')")).isEqualTo(1);
        });
        assertThat(ids(pool)).containsExactly(1, 2, 3);
    }

    @Test
    void aMoveWithAnOpenJdbcResultIsRefusedUntilItIsClosed() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')");
        pool.blocking().useConnection(connection -> {
            try (Statement statement = connection.jdbc().createStatement();
                    ResultSet rows = statement.executeQuery("SELECT id FROM t ORDER BY id")) {
                assertThat(rows.next()).isTrue();
                assertThatThrownBy(() -> connection.execute("INSERT INTO t VALUES (9, 'x')"))
                        .isInstanceOf(SQLException.class)
                        .hasMessageContaining("cursor");
                assertThat(rows.next()).isTrue();
                assertThat(rows.getInt(1)).isEqualTo(2);
            }
            connection.execute("INSERT INTO t VALUES (3, 'c')");
        });
        assertThat(ids(pool)).containsExactly(1, 2, 3);
    }

    @Test
    void aJdbcResultReadToItsEndIsNoOpenCursor() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().execute("INSERT INTO t VALUES (1, 'a')");
        pool.blocking().useConnection(connection -> {
            ResultSet rows = connection.jdbc().createStatement().executeQuery("SELECT id FROM t");
            assertThat(rows.next()).isTrue();
            assertThat(rows.next()).isFalse();
            connection.execute("INSERT INTO t VALUES (2, 'b')");
        });
        assertThat(ids(pool)).containsExactly(1, 2);
    }

    @Test
    void onTheWriteLaneACursorMayStayOpenWhileTheConnectionWrites() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useConnection(connection -> {
            connection.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')");
            connection.forEach(
                    "SELECT id FROM t WHERE id < 10",
                    row -> connection.execute("INSERT INTO t VALUES (?, 'x')", row.getInt(1) + 10));
        });
        assertThat(ids(pool)).containsExactly(1, 2, 11, 12);
    }

    // ---- nothing reaches the next user

    @ParameterizedTest
    @ValueSource(
            strings = {
                "PRAGMA foreign_keys = OFF",
                "pragma foreign_keys(off)",
                "PRAGMA main.foreign_keys = 0",
                "PRAGMA \"foreign_keys\" = 0",
                "/* c */ PRAGMA /* = */ foreign_keys /* c */ = /* c */ off",
                "EXPLAIN PRAGMA foreign_keys = OFF",
                "PRAGMA query_only = ON",
                "PRAGMA recursive_triggers = ON",
                "PRAGMA synchronous = OFF",
                "PRAGMA busy_timeout = 1",
                "PRAGMA cell_size_check = ON",
                "ATTACH ':memory:' AS other",
                "CREATE TEMP TABLE u (x)",
                "CREATE TEMPORARY VIEW u AS SELECT 1",
                "CREATE /* c */ TEMP TRIGGER u AFTER INSERT ON t BEGIN SELECT 1; END",
                "CREATE TABLE temp.u (x)",
                "CREATE TABLE \"temp\".u (x)",
                "CREATE VIEW [temp] . u AS SELECT 1"
            })
    void whatChangesTheConnectionNeverReachesTheNextUser(String sql) throws SQLException {
        SqlitePool pool = open(3);
        List<ThrowingCallable> ways = List.of(
                () -> pool.blocking().useConnection(c -> c.execute(sql)),
                () -> pool.blocking().useConnection(c -> c.executeScript("SELECT 1; " + sql)),
                () -> pool.blocking()
                        .useConnection(c -> c.jdbc().createStatement().execute(sql)),
                () -> pool.blocking()
                        .useConnection(c -> c.jdbc().prepareStatement(sql).execute()),
                // Preparing a pragma can already carry it out, whatever comes of it then.
                () -> pool.blocking().useConnection(c -> c.jdbc().prepareStatement(sql)),
                () -> pool.blocking().useConnection(c -> assertThatThrownBy(() -> c.query(sql, row -> {
                            throw new SQLException("of the mapper");
                        }))
                        .isInstanceOf(SQLException.class)),
                () -> pool.blocking().useConnection(c -> assertThatThrownBy(() -> c.execute(sql, "one too many"))
                        .isInstanceOf(SQLException.class)),
                () -> pool.blocking().useConnection(c -> {
                    try (Statement batch = c.jdbc().createStatement()) {
                        batch.addBatch(sql);
                        batch.addBatch("nonsense");
                        assertThatThrownBy(batch::executeBatch).isInstanceOf(SQLException.class);
                    }
                }),
                () -> assertThatThrownBy(() -> pool.execute(sql).join()).hasCauseInstanceOf(SQLException.class));
        for (int i = 0; i < ways.size(); i++) {
            try {
                ways.get(i).call();
            } catch (Throwable e) {
                throw new AssertionError("way " + i, e);
            }
            int way = i;
            pool.blocking().useConnection(c -> {
                c.execute("BEGIN");
                assertClean(c, sql + ", way " + way);
            });
        }
        assertThat(pool.blocking().execute("INSERT INTO t VALUES (7, 'next')")).isEqualTo(1);
    }

    private static void assertClean(PoolConnection c, String how) throws SQLException {
        assertThat(List.of(
                        number(c, "PRAGMA foreign_keys"),
                        number(c, "PRAGMA query_only"),
                        number(c, "PRAGMA recursive_triggers"),
                        number(c, "PRAGMA synchronous"),
                        number(c, "PRAGMA busy_timeout"),
                        number(c, "PRAGMA cell_size_check"),
                        number(c, "SELECT count(*) FROM temp.sqlite_schema"),
                        number(c, "SELECT count(*) FROM pragma_database_list WHERE name NOT IN ('main', 'temp')")))
                .as(how)
                .containsExactly(1, 0, 0, 1, 5, 0, 0, 0);
    }

    private static int number(PoolConnection c, String sql) throws SQLException {
        return c.queryOne(sql, row -> row.getInt(1)).orElseThrow();
    }

    @Test
    void aChangedConnectionIsClosedAndCountedAsChanged() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useConnection(c -> c.execute("PRAGMA recursive_triggers = ON"));
        pool.blocking().execute("INSERT INTO t VALUES (1, 'a')");
        assertThat(pool.stats().closed()).containsEntry(CloseReason.CHANGED, 1L);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "PRAGMA user_version",
                "PRAGMA user_version = 7",
                "PRAGMA foreign_keys",
                "PRAGMA table_info(t)",
                "PRAGMA foreign_key_check",
                "PRAGMA integrity_check(1)",
                "PRAGMA optimize",
                "PRAGMA wal_checkpoint(PASSIVE)",
                "VACUUM",
                "CREATE TABLE temperature (x)",
                "CREATE INDEX u ON t (v)"
            })
    void whatDoesNotChangeTheConnectionKeepsIt(String sql) throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useConnection(c -> c.execute(sql));
        pool.blocking().execute("INSERT INTO t VALUES (1, 'a')");
        assertThat(pool.stats().closed()).containsEntry(CloseReason.CHANGED, 0L);
    }

    @Test
    void whatIsLeftOpenThroughJdbcIsClosed() throws SQLException {
        for (int size : new int[] {1, 3}) {
            SqlitePool pool = open(size);
            pool.blocking().execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')");
            AtomicReference<ResultSet> kept = new AtomicReference<>();
            pool.blocking().useConnection(c -> {
                ResultSet rows = c.jdbc().createStatement().executeQuery("SELECT id FROM t");
                assertThat(rows.next()).isTrue();
                kept.set(rows);
            });
            assertThat(kept.get().isClosed()).isTrue();
            assertThatThrownBy(kept.get()::next).isInstanceOf(IllegalStateException.class);
            pool.blocking().execute("DROP TABLE t"); // would be locked by an open cursor of the same connection
        }
    }

    // ---- ownership

    @Test
    void aConnectionIsDeadWhenItsWorkHasReturned() throws SQLException {
        SqlitePool pool = open(3);
        AtomicReference<PoolConnection> kept = new AtomicReference<>();
        pool.useConnection(kept::set).join();
        PoolConnection dead = kept.get();
        List<ThrowingCallable> uses = List.of(
                () -> dead.query("SELECT 1", row -> 1),
                () -> dead.queryOne("SELECT 1", row -> 1),
                () -> dead.forEach("SELECT 1", row -> {}),
                () -> dead.execute("INSERT INTO t VALUES (1, 'a')"),
                () -> dead.executeBatch("INSERT INTO t VALUES (?, 'a')", List.of()),
                () -> dead.executeScript("SELECT 1"),
                () -> dead.executeScript(""),
                () -> dead.cursor("SELECT 1", row -> 1),
                () -> dead.statementTimeout(Duration.ofSeconds(1)),
                dead::jdbc);
        for (ThrowingCallable use : uses) {
            assertThatThrownBy(use)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("returned to the pool")
                    .hasMessageContaining("acquire()");
        }
        assertThat(ids(pool)).isEmpty();
    }

    @Test
    void aConnectionBelongsToTheThreadOfItsWork() throws SQLException {
        SqlitePool pool = open(3);
        pool.blocking().useConnection(connection -> {
            CompletableFuture<Throwable> stranger = CompletableFuture.supplyAsync(() -> {
                try {
                    connection.query("SELECT 1", row -> 1);
                    return null;
                } catch (Throwable e) {
                    return e;
                }
            });
            assertThat(stranger.join())
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("belongs to the thread");
            assertThat(connection.query("SELECT 1", row -> row.getInt(1))).containsExactly(1);
        });
    }

    @Test
    void aMemoryPoolIsOneDatabaseForAllItsUsers() throws SQLException {
        SqlitePool pool = pools.build(SqlitePool.builder().inMemory());
        pool.blocking().execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)");
        pool.useTransaction(tx -> tx.execute("INSERT INTO t VALUES (1, 'a')")).join();
        pool.useConnection(c -> {
                    c.execute("BEGIN");
                    c.execute("INSERT INTO t VALUES (2, 'left open')");
                })
                .join();
        assertThatThrownBy(() -> pool.blocking().useRead(read -> read.execute("DELETE FROM t")))
                .hasMessageContaining("READONLY");
        assertThat(ids(pool)).containsExactly(1);
        assertThat(pool.stats().opened()).isEqualTo(1);
    }
}
