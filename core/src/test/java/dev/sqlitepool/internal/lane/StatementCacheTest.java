package dev.sqlitepool.internal.lane;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.Access;
import dev.sqlitepool.BlockingPool;
import dev.sqlitepool.PoolStats;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.engine.Prepared;
import dev.sqlitepool.internal.engine.sqlite.SqliteDatabase;
import dev.sqlitepool.internal.sql.SqlText;
import dev.sqlitepool.internal.telemetry.Telemetry;
import dev.sqlitepool.testing.Logged;
import dev.sqlitepool.testing.Pools;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

class StatementCacheTest {
    // ---- the cache alone

    @Nested
    class OverOneConnection {
        @TempDir
        Path directory;

        private final Telemetry telemetry = new Telemetry("test", System::nanoTime, null, Runnable::run);

        private PoolStats stats() {
            PoolStats.Connections none = new PoolStats.Connections(0, 0, 0, 0, 0, 0, Duration.ZERO, "");
            return telemetry.stats(none, none);
        }

        private Engine engine() throws SQLException {
            Duration none = Duration.ZERO;
            return new SqliteDatabase(
                            Pools.settings(SqlitePool.builder()
                                    .databasePath(directory.resolve("my.db"))
                                    .poolSize(1)),
                            telemetry)
                    .open(Access.WRITE);
        }

        @Test
        void aStatementGivenBackIsFoundAgain() throws SQLException {
            Engine engine = engine();
            StatementCache cache = new StatementCache(engine, 2, telemetry);
            Prepared first = cache.take(SqlText.of("SELECT 1"));
            cache.give(SqlText.of("SELECT 1"), first);
            assertThat(cache.take(SqlText.of("SELECT 1"))).isSameAs(first);
            assertThat(stats().statementHits()).isEqualTo(1);
            assertThat(stats().statementMisses()).isEqualTo(1);
            engine.close();
        }

        @Test
        void theLeastRecentlyUsedStatementIsClosedFirst() throws SQLException {
            Engine engine = engine();
            StatementCache cache = new StatementCache(engine, 2, telemetry);
            Prepared one = used(cache, "SELECT 1");
            Prepared two = used(cache, "SELECT 2");
            assertThat(used(cache, "SELECT 1")).isSameAs(one);
            Prepared three = used(cache, "SELECT 3");
            assertThat(two.isClosed()).isTrue();
            assertThat(one.isClosed()).isFalse();
            assertThat(three.isClosed()).isFalse();
            engine.close();
        }

        @Test
        void noMoreThanTheBoundStaysOpen() throws SQLException {
            Engine engine = engine();
            StatementCache cache = new StatementCache(engine, 10, telemetry);
            List<Prepared> all = new ArrayList<>();
            for (int i = 0; i < 500; i++) {
                all.add(used(cache, "SELECT " + i));
            }
            assertThat(all).filteredOn(prepared -> !prepared.isClosed()).hasSize(10);
            engine.close();
        }

        @Test
        void aRunningStatementIsNotInTheCacheAndOneTwinIsKept() throws SQLException {
            Engine engine = engine();
            StatementCache cache = new StatementCache(engine, 10, telemetry);
            Prepared outer = cache.take(SqlText.of("SELECT 1"));
            Prepared inner = cache.take(SqlText.of("SELECT 1"));
            assertThat(inner).isNotSameAs(outer);
            cache.give(SqlText.of("SELECT 1"), inner);
            cache.give(SqlText.of("SELECT 1"), outer);
            assertThat(List.of(inner.isClosed(), outer.isClosed())).containsExactlyInAnyOrder(true, false);
            engine.close();
        }

        @Test
        void withoutCapacityEveryStatementIsClosed() throws SQLException {
            Engine engine = engine();
            StatementCache cache = new StatementCache(engine, 0, telemetry);
            assertThat(used(cache, "SELECT 1").isClosed()).isTrue();
            assertThat(used(cache, "SELECT 1").isClosed()).isTrue();
            assertThat(stats().statementHits()).isZero();
            engine.close();
        }

        @Test
        void aStatementThatStaysOnItsRowIsGivenToNobodyElse() throws SQLException {
            Engine engine = engine();
            StatementCache cache = new StatementCache(engine, 10, telemetry);
            Prepared stays = used(cache, "SELECT 1");
            assertThat(cache.take(SqlText.of("SELECT 1"))).isSameAs(stays);
            assertThat(cache.isRunning()).isTrue();
            assertThat(cache.hasHeld()).isFalse();
            cache.hold(SqlText.of("SELECT 1"), stays, this);
            assertThat(cache.isRunning()).isFalse();
            assertThat(cache.hasHeld()).isTrue();
            assertThat(cache.isHeld(stays, this)).isTrue();
            assertThat(cache.isHeld(stays, "another")).isFalse();
            assertThat(cache.take(SqlText.of("SELECT 1"))).isNotSameAs(stays);
            cache.closeHeld();
            assertThat(cache.hasHeld()).isFalse();
            assertThat(cache.isHeld(stays, this)).isFalse();
            assertThat(cache.take(SqlText.of("SELECT 1"))).isSameAs(stays);
            engine.close();
        }

        @Test
        void whatWasNotGivenBackIsClosed() throws SQLException {
            Engine engine = engine();
            StatementCache cache = new StatementCache(engine, 10, telemetry);
            assertThat(cache.closeRunning()).isFalse();
            Prepared lost = cache.take(SqlText.of("SELECT 1"));
            assertThat(cache.closeRunning()).isTrue();
            assertThat(lost.isClosed()).isTrue();
            assertThat(cache.isRunning()).isFalse();
            assertThat(cache.closeRunning()).isFalse();
            engine.close();
        }

        @Test
        void aStatementThatIsClosedIsKeptNoLonger() throws SQLException {
            Engine engine = engine();
            StatementCache cache = new StatementCache(engine, 1, telemetry);
            Prepared closed = used(cache, "SELECT 1");
            closed.close();
            cache.give(SqlText.of("SELECT 1"), closed);
            assertThat(cache.take(SqlText.of("SELECT 1"))).isNotSameAs(closed);
            Prepared kept = used(cache, "SELECT 2");
            Prepared twin = engine.prepare("SELECT 2");
            twin.close();
            cache.give(SqlText.of("SELECT 2"), twin); // closed, and never kept
            assertThat(cache.take(SqlText.of("SELECT 2"))).isSameAs(kept);
            engine.close();
        }

        @Test
        void aTextOfMoreThanOneStatementIsNotPrepared() throws SQLException {
            Engine engine = engine();
            StatementCache cache = new StatementCache(engine, 10, telemetry);
            assertThatThrownBy(() -> cache.take(SqlText.of("SELECT 1; SELECT 2")))
                    .hasMessageContaining("more than one statement");
            assertThat(cache.isRunning()).isFalse();
            engine.close();
        }

        private static Prepared used(StatementCache cache, String sql) throws SQLException {
            Prepared prepared = cache.take(SqlText.of(sql));
            prepared.start(new Object[0]);
            while (prepared.next()) {
                assertThat(prepared.returnsRows()).isTrue();
            }
            cache.give(SqlText.of(sql), prepared);
            return prepared;
        }
    }

    // ---- in a pool

    @Nested
    class InAPool {
        @RegisterExtension
        final Logged logged = new Logged("is open in the pool");

        @RegisterExtension
        final Pools pools = new Pools();

        private SqlitePool single(int cacheSize) throws SQLException {
            SqlitePool pool = pools.open(settings -> settings.poolSize(1).statementCacheSize(cacheSize));
            pool.blocking().execute("CREATE TABLE t (id INTEGER PRIMARY KEY, parent INTEGER)");
            pool.blocking().execute("INSERT INTO t VALUES (1, NULL), (2, 1), (3, 1), (4, 2)");
            return pool;
        }

        @Test
        void hitsAndMissesAreCounted() throws SQLException {
            SqlitePool pool = single(256);
            long hits = pool.stats().statementHits();
            long misses = pool.stats().statementMisses();
            for (int i = 0; i < 5; i++) {
                pool.blocking().query("SELECT id FROM t WHERE id = ?", row -> row.getInt(1), i);
            }
            assertThat(pool.stats().statementHits() - hits).isEqualTo(4);
            assertThat(pool.stats().statementMisses() - misses).isEqualTo(1);
        }

        @Test
        void withoutACacheEveryExecutionPrepares() throws SQLException {
            SqlitePool pool = single(0);
            for (int i = 1; i < 5; i++) {
                assertThat(pool.blocking().query("SELECT id FROM t WHERE id = ?", row -> row.getInt(1), i))
                        .containsExactly(i);
            }
            assertThat(pool.stats().statementHits()).isZero();
            assertThat(pool.stats().statementMisses()).isEqualTo(6);
        }

        @Test
        void aCacheOfOneServesManyStatements() throws SQLException {
            BlockingPool db = single(1).blocking();
            for (int round = 0; round < 3; round++) {
                assertThat(db.query("SELECT count(*) FROM t", row -> row.getInt(1)))
                        .containsExactly(4);
                assertThat(db.query("SELECT max(id) FROM t", row -> row.getInt(1)))
                        .containsExactly(4);
            }
        }

        @Test
        void aStatementThatFailedIsPreparedAgain() throws SQLException {
            BlockingPool db = single(256).blocking();
            String sql = "INSERT INTO t VALUES (?, ?)";
            db.execute(sql, 5, 1);
            for (int i = 0; i < 3; i++) {
                assertThatThrownBy(() -> db.execute(sql, 5, 1)).hasMessageContaining("UNIQUE");
                assertThatThrownBy(() -> db.execute(sql, 5)).hasMessageContaining("2 parameters");
            }
            assertThat(db.execute(sql, 6, 1)).isEqualTo(1);
            assertThat(db.query("SELECT id FROM t WHERE parent = 1", row -> row.getInt(1)))
                    .containsExactlyInAnyOrder(2, 3, 5, 6);
        }

        @Test
        void aStatementWhoseMapperFailedStartsFromTheBeginning() throws SQLException {
            BlockingPool db = single(256).blocking();
            String sql = "SELECT id FROM t ORDER BY id";
            assertThatThrownBy(() -> db.query(sql, row -> {
                        if (row.getInt(1) == 2) {
                            throw new IllegalStateException("enough");
                        }
                        return 1;
                    }))
                    .hasMessage("enough");
            assertThat(db.query(sql, row -> row.getInt(1))).containsExactly(1, 2, 3, 4);
        }

        @Test
        void theSameTextMayRunInsideItsOwnCursor() throws SQLException {
            for (int cacheSize : new int[] {256, 1, 0}) {
                SqlitePool pool = pools.open(settings -> settings.statementCacheSize(cacheSize));
                pool.blocking().useTransaction(tx -> {
                    tx.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, parent INTEGER)");
                    tx.execute("INSERT OR REPLACE INTO t VALUES (1, NULL), (2, 1), (3, 1), (4, 2)");
                });
                String sql = "SELECT id FROM t WHERE parent IS ? ORDER BY id";
                List<Integer> walked = new ArrayList<>();
                pool.blocking().useRead(read -> {
                    for (int round = 0; round < 2; round++) {
                        read.forEach(
                                sql,
                                root -> read.forEach(
                                        sql,
                                        child -> {
                                            walked.add(child.getInt(1));
                                            walked.addAll(read.query(sql, row -> row.getInt(1), child.getInt(1)));
                                        },
                                        root.getInt(1)),
                                (Object) null);
                    }
                });
                assertThat(walked).containsExactly(2, 4, 3, 2, 4, 3);
            }
        }

        @Test
        void cachedStatementsFollowTheSchema() throws SQLException {
            BlockingPool db = single(256).blocking();
            assertThat(db.query("SELECT * FROM t WHERE id = 1", row -> row.columnNames()
                            .size()))
                    .containsExactly(2);
            db.execute("ALTER TABLE t ADD COLUMN name TEXT DEFAULT 'x'");
            assertThat(db.query("SELECT * FROM t WHERE id = 1", row -> row.getString("name")))
                    .containsExactly("x");
            assertThatThrownBy(() -> db.execute("INSERT INTO t VALUES (9, 1)")).isInstanceOf(SQLException.class);
            db.execute("DROP TABLE t");
            assertThatThrownBy(() -> db.query("SELECT * FROM t WHERE id = 1", row -> 1))
                    .hasMessageContaining("no such table");
        }
    }
}
