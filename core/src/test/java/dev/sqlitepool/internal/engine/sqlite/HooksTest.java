package dev.sqlitepool.internal.engine.sqlite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.Access;
import dev.sqlitepool.Durability;
import dev.sqlitepool.SqlAction;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Pools;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.sqlite.SQLiteConnection;

/** What code for new connections may do, and what it cannot take from the pool. */
class HooksTest {
    @RegisterExtension
    final Pools pools = new Pools();

    private static SqlAction<Connection, SQLException> sql(String... statements) {
        return connection -> {
            try (Statement statement = connection.createStatement()) {
                for (String sql : statements) {
                    statement.execute(sql);
                }
            }
        };
    }

    private SqlitePool open(SqlAction<? super Connection, ?> hook) {
        return pools.open(settings -> settings.poolSize(2).onConnect(hook));
    }

    private static String onWriter(SqlitePool pool, String sql) throws SQLException {
        return pool.blocking()
                .transaction(tx -> tx.query(sql, row -> row.getString(1)).get(0));
    }

    private static String onReader(SqlitePool pool, String sql) throws SQLException {
        return pool.blocking()
                .read(read -> read.query(sql, row -> row.getString(1)).get(0));
    }

    private static void assertRefused(SqlitePool pool, String... texts) {
        assertThatThrownBy(() -> pool.blocking().query("SELECT 1", row -> 1))
                .isInstanceOf(SQLException.class)
                .hasMessageContainingAll(texts);
        assertThatThrownBy(() -> pool.blocking().execute("CREATE TABLE refused (x)"))
                .isInstanceOf(SQLException.class)
                .hasMessageContainingAll(texts);
        assertThat(pool.stats().live()).isZero();
    }

    // ---- what a hook cannot take

    @Test
    void aReadLaneRefusesWritesWhateverAHookHasSet() throws SQLException {
        SqlitePool pool = open(sql("PRAGMA query_only=OFF"));
        pool.blocking().execute("CREATE TABLE t (x)");
        assertThat(onReader(pool, "SELECT * FROM pragma_query_only")).isEqualTo("1");
        assertThatThrownBy(() -> pool.blocking().useRead(read -> read.execute("INSERT INTO t VALUES (1)")))
                .hasMessageContaining("READONLY");
        assertThatThrownBy(() -> pool.blocking()
                        .useRead(read -> read.query("INSERT INTO t VALUES (1) RETURNING x", row -> row.getInt(1))))
                .hasMessageContaining("READONLY");
    }

    @Test
    void aWriteLaneWritesWhateverAHookHasSet() throws SQLException {
        SqlitePool pool = open(sql("PRAGMA query_only=ON"));
        pool.blocking().execute("CREATE TABLE t (x)");
        assertThat(pool.blocking().execute("INSERT INTO t VALUES (1)")).isEqualTo(1);
    }

    @ParameterizedTest
    @CsvSource({"FULL, 2", "NORMAL, 1"})
    void durabilityAndPatienceStayThePools(Durability durability, String synchronous) throws SQLException {
        SqlitePool pool = pools.open(settings -> settings.poolSize(2)
                .durability(durability)
                .pragma("journal_mode", "DELETE") // no gate, so the pragma itself tells
                .onConnect(sql("PRAGMA synchronous=OFF", "PRAGMA busy_timeout=60000")));
        pool.blocking().execute("CREATE TABLE t (x)");
        assertThat(onWriter(pool, "SELECT * FROM pragma_synchronous")).isEqualTo(synchronous);
        assertThat(onReader(pool, "SELECT * FROM pragma_synchronous")).isEqualTo(synchronous);
        assertThat(onWriter(pool, "SELECT * FROM pragma_busy_timeout")).isEqualTo("5");
        assertThat(onReader(pool, "SELECT * FROM pragma_busy_timeout")).isEqualTo("5");
    }

    @Test
    void anExternalCheckpointerStaysTheOnlyOne() throws SQLException {
        SqlitePool pool = pools.open(
                settings -> settings.poolSize(2).externalCheckpointer().onConnect(sql("PRAGMA wal_autocheckpoint=1")));
        pool.blocking().execute("CREATE TABLE t (x)");
        String found = pool.blocking().connection(c -> {
            c.execute("INSERT INTO t VALUES (1)");
            return c.query("PRAGMA wal_autocheckpoint", row -> row.getString(1)).get(0);
        });
        assertThat(found).isEqualTo("0");
    }

    @ParameterizedTest
    @ValueSource(strings = {"DELETE", "TRUNCATE", "MEMORY", "OFF"})
    void aHookThatSwitchesTheJournalIsRefusedAndTheFileIsSwitchedBack(String mode) throws SQLException {
        AtomicBoolean well = new AtomicBoolean();
        SqlitePool pool = open(connection -> {
            if (!well.get()) {
                sql("PRAGMA journal_mode=" + mode).accept(connection);
            }
        });
        assertRefused(pool, "onConnect", "journal_mode from wal to ", "pragma(\"journal_mode\", …)");
        well.set(true);
        pool.blocking().execute("CREATE TABLE t (x)");
        assertThat(onReader(pool, "SELECT * FROM pragma_journal_mode")).isEqualTo("wal");
    }

    @Test
    void aConnectionThatLocksTheOthersOutIsRefused() throws SQLException {
        AtomicBoolean well = new AtomicBoolean();
        SqlAction<Connection, SQLException> lock = connection -> {
            if (!well.get()) {
                sql("PRAGMA locking_mode=EXCLUSIVE").accept(connection);
            }
        };
        SqlitePool hooked = open(lock);
        assertRefused(hooked, "locking_mode", "poolSize 2", "poolSize(1)");
        SqlitePool made = pools.build(SqlitePool.builder().poolSize(3).connectionFactory(access -> {
            Connection connection = DriverManager.getConnection("jdbc:sqlite:" + pools.file());
            lock.accept(connection);
            return connection;
        }));
        assertRefused(made, "locking_mode", "poolSize 3", "poolSize(1)");
        well.set(true);
        hooked.blocking().execute("CREATE TABLE t (x)");
        made.blocking().execute("INSERT INTO t VALUES (1)");
    }

    // ---- what a hook may do, on both kinds of lanes

    @Test
    void temporaryTablesOfAHookAreThereOnEveryLane() throws SQLException {
        SqlitePool pool = open(sql(
                "CREATE TEMP TABLE settings (name)",
                "INSERT INTO settings VALUES ('of the hook')",
                "CREATE TEMP VIEW v AS SELECT upper(name) FROM settings"));
        assertThat(onReader(pool, "SELECT * FROM v")).isEqualTo("OF THE HOOK");
        assertThat(onWriter(pool, "SELECT * FROM v")).isEqualTo("OF THE HOOK");
        pool.blocking().useTransaction(tx -> assertThat(tx.execute("INSERT INTO settings VALUES ('of work')"))
                .isEqualTo(1));
        assertThatThrownBy(() -> pool.blocking().useRead(read -> read.execute("INSERT INTO settings VALUES ('x')")))
                .hasMessageContaining("READONLY");
    }

    /** Read lanes and the write lane open at the same time, and each finds no table. */
    @Test
    void whatEveryHookMakesIfNotExistsIsThereOnceWithoutBusy() throws SQLException {
        for (int round = 0; round < 10; round++) {
            String table = "t" + round;
            SqlitePool pool = pools.open(settings -> settings.poolSize(6)
                    .busyTimeout(Duration.ZERO) // which is for others
                    .onConnect(sql(
                            "CREATE TABLE IF NOT EXISTS " + table + " (x PRIMARY KEY)",
                            "INSERT OR IGNORE INTO " + table + " VALUES (1)")));
            List<CompletableFuture<?>> all = new ArrayList<>();
            for (int i = 0; i < 5; i++) {
                all.add(pool.read(read -> read.query("SELECT x FROM " + table, row -> row.getInt(1))));
            }
            all.add(pool.execute("INSERT INTO " + table + " VALUES (2)"));
            all.forEach(CompletableFuture::join);
            assertThat(onReader(pool, "SELECT count(*) FROM " + table)).isEqualTo("2");
            pool.close();
        }
    }

    /**
     * <pre>
     *   transaction                     opening of a read lane
     *   BEGIN IMMEDIATE, INSERT
     *                                   its hook writes: waits
     *   COMMIT
     *                                   has written, serves the read
     * </pre>
     */
    @Test
    void aHookThatWritesWaitsForTheWriterOfItsPool() throws Exception {
        AtomicBoolean writes = new AtomicBoolean();
        CopyOnWriteArrayList<String> events = new CopyOnWriteArrayList<>();
        SqlitePool pool = pools.open(settings -> settings.poolSize(2)
                .busyTimeout(Duration.ofMinutes(1))
                .onConnect(connection -> {
                    if (writes.get()) {
                        events.add("hook begins");
                        sql("INSERT INTO t VALUES (2)").accept(connection);
                        events.add("hook ends");
                    }
                }));
        pool.blocking().execute("CREATE TABLE t (x)");
        writes.set(true);
        Gate gate = new Gate();
        CompletableFuture<Void> holder = pool.useTransaction(tx -> {
            tx.execute("INSERT INTO t VALUES (1)");
            gate.pass();
            events.add("commits");
        });
        gate.awaitReached();
        CompletableFuture<List<Integer>> read = pool.query("SELECT x FROM t ORDER BY x", row -> row.getInt(1));
        Pools.await("the hook has begun", () -> events.contains("hook begins"));
        gate.open();
        assertThat(read.join()).containsExactly(1, 2);
        holder.join();
        assertThat(events).containsExactly("hook begins", "commits", "hook ends");
    }

    @Test
    void withAnotherDriverHooksWriteOnEveryLaneToo() throws SQLException {
        SqlitePool pool = pools.build(SqlitePool.builder()
                .poolSize(2)
                .connectionFactory(access -> DriverManager.getConnection("jdbc:h2:mem:hooks;DB_CLOSE_DELAY=-1"))
                .beforePragmas(sql("CREATE TABLE IF NOT EXISTS first (x INT)"))
                .onConnect(sql("CREATE TABLE IF NOT EXISTS t (x INT)", "INSERT INTO t SELECT count(*) FROM first")));
        assertThat(pool.blocking().query("SELECT count(*) FROM t", row -> row.getInt(1)))
                .hasSize(1);
        assertThat(pool.blocking().execute("INSERT INTO t VALUES (7)")).isEqualTo(1);
    }

    // ---- what a hook leaves behind

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void theInterruptOfAHookReachesNobody(boolean first) throws SQLException {
        List<Boolean> found = Collections.synchronizedList(new ArrayList<>());
        SqlAction<Connection, SQLException> interrupts = connection -> {
            found.add(Thread.currentThread().isInterrupted());
            Thread.currentThread().interrupt();
        };
        UnaryOperator<SqlitePoolBuilder> twice = settings -> first
                ? settings.beforePragmas(interrupts).beforePragmas(interrupts)
                : settings.onConnect(interrupts).onConnect(interrupts);
        SqlitePool pool = pools.open(settings -> twice.apply(settings.poolSize(2)));
        pool.useConnection(c -> {
                    found.add(Thread.currentThread().isInterrupted());
                    c.execute("CREATE TABLE t (x)");
                })
                .join();
        for (int i = 0; i < 10; i++) {
            pool.execute("INSERT INTO t VALUES (1)").join();
        }
        assertThat(pool.read(read -> {
                            found.add(Thread.currentThread().isInterrupted());
                            return read.query("SELECT count(*) FROM t", row -> row.getInt(1));
                        })
                        .join())
                .containsExactly(10);
        assertThat(found).hasSizeGreaterThanOrEqualTo(6).containsOnly(false);
    }

    @Test
    void theInterruptOfAFactoryReachesNobody() throws SQLException {
        List<Boolean> found = Collections.synchronizedList(new ArrayList<>());
        SqlitePool pool = pools.build(SqlitePool.builder()
                .connectionFactory(access -> {
                    Connection connection = DriverManager.getConnection("jdbc:sqlite:" + pools.file());
                    Thread.currentThread().interrupt();
                    return connection;
                })
                .onConnect(connection -> found.add(Thread.currentThread().isInterrupted())));
        pool.execute("CREATE TABLE t (x)").join();
        pool.query("SELECT * FROM t", row -> 1).join();
        assertThat(found).containsExactly(false, false);
    }

    @Test
    void aHookThatFailsAndLeavesAnInterruptIsOverWithItsError() throws SQLException {
        AtomicBoolean well = new AtomicBoolean();
        SqlitePool pool = open(connection -> {
            if (!well.get()) {
                Thread.currentThread().interrupt();
                throw new AssertionError("of the hook");
            }
        });
        for (int i = 0; i < 5; i++) {
            assertThatThrownBy(() -> pool.blocking().execute("CREATE TABLE t (x)"))
                    .isInstanceOf(AssertionError.class)
                    .hasMessage("of the hook");
        }
        well.set(true);
        assertThat(pool.blocking().execute("CREATE TABLE t (x)")).isZero();
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aTransactionIsRefusedWhereverItWasLeft(boolean first) {
        for (SqlAction<Connection, SQLException> hook :
                List.of(sql("BEGIN"), sql("BEGIN IMMEDIATE"), sql("SAVEPOINT s"), (SqlAction<Connection, SQLException>)
                        connection -> {
                            connection.setAutoCommit(false);
                            sql("CREATE TABLE x (x)").accept(connection);
                        })) {
            SqlitePool pool = pools.open(settings -> first
                    ? settings.poolSize(2).beforePragmas(hook)
                    : settings.poolSize(2).onConnect(hook));
            assertRefused(pool, first ? "beforePragmas" : "onConnect", "transaction");
        }
    }

    /** Its snapshot would be that of the connection for ever, and an interrupt would strike all that comes after. */
    @ParameterizedTest
    @ValueSource(strings = {"SELECT * FROM t", "SELECT 1 UNION SELECT 2", "PRAGMA journal_mode"})
    void aStatementThatStandsOnARowIsRefused(String query) throws SQLException {
        SqlitePool first = pools.open();
        first.blocking().execute("CREATE TABLE t (x)");
        first.blocking().execute("INSERT INTO t VALUES (1), (2)");
        first.close();
        SqlitePool pool = open(connection -> {
            Statement statement = connection.createStatement();
            ResultSet rows = statement.executeQuery(query);
            rows.next();
        });
        assertRefused(pool, "onConnect", "left a statement open", "close");
        SqlitePool clean = open(connection -> {
            ResultSet rows = connection.createStatement().executeQuery("SELECT * FROM t");
            while (rows.next()) {
                assertThat(rows.getInt(1)).isPositive();
            }
        });
        assertThat(onReader(clean, "SELECT count(*) FROM t")).isEqualTo("2");
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aConnectionThatAHookHasClosedIsRefused(boolean first) {
        for (SqlAction<Connection, SQLException> hook :
                List.of((SqlAction<Connection, SQLException>) Connection::close, (SqlAction<Connection, SQLException>)
                        connection -> connection.unwrap(SQLiteConnection.class).close())) {
            SqlitePool pool = pools.open(settings -> first
                    ? settings.poolSize(2).beforePragmas(hook)
                    : settings.poolSize(2).onConnect(hook));
            assertRefused(pool, first ? "beforePragmas" : "onConnect", "closed the connection");
        }
    }

    // ---- the order

    @Test
    void hooksBeforeThePragmasAreBeforeEverythingOnEveryConnection() throws SQLException {
        List<String> seen = Collections.synchronizedList(new ArrayList<>());
        SqlitePool pool = pools.open(settings -> settings.poolSize(2)
                .pragma("page_size", 8192)
                .beforePragmas(connection -> seen.add("a " + page(connection)))
                .beforePragmas(connection -> seen.add("b " + page(connection)))
                .onConnect(connection -> seen.add("c " + page(connection))));
        pool.blocking().execute("CREATE TABLE t (x)");
        assertThat(seen).containsExactly("a 4096", "b 4096", "c 8192");
        seen.clear();
        pool.backup(pools.directory().resolve("copy.db")).join();
        assertThat(seen).as("a backup's connection").containsExactly("a 8192", "b 8192", "c 8192");
    }

    private static int page(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet page = statement.executeQuery("PRAGMA page_size")) {
            return page.getInt(1);
        }
    }

    /** The file is as empty as the driver has made it. */
    @Test
    void nothingIsInANewFileBeforeTheHooksThatComeFirst() throws SQLException {
        List<Long> sizes = new CopyOnWriteArrayList<>();
        SqlitePool pool = pools.open(settings -> settings.poolSize(1)
                .beforePragmas(connection -> sizes.add(pools.file().toFile().length())));
        pool.blocking().execute("CREATE TABLE t (x)");
        assertThat(sizes).containsExactly(0L);
    }

    @Test
    void aHookThatComesFirstReachesTheCallerUnchangedWhenItFails() throws SQLException {
        SQLException thrown = new SQLException("no key today");
        AtomicBoolean well = new AtomicBoolean();
        List<Connection> opened = new CopyOnWriteArrayList<>();
        SqlitePool pool = pools.open(settings -> settings.beforePragmas(connection -> {
            opened.add(connection);
            if (!well.get()) {
                throw thrown;
            }
        }));
        assertThatThrownBy(() -> pool.blocking().query("SELECT 1", row -> 1)).isSameAs(thrown);
        assertThat(opened.get(0).isClosed()).isTrue();
        well.set(true);
        pool.blocking().execute("CREATE TABLE t (x)");
        assertThat(pool.stats().writeConnections().live()).isEqualTo(1);
    }

    @Test
    void aFactoryIsAskedForTheAccessAndItsConnectionGetsTheHooksToo() throws SQLException {
        List<String> seen = new CopyOnWriteArrayList<>();
        SqlitePool pool = pools.build(SqlitePool.builder()
                .poolSize(2)
                .connectionFactory(access -> {
                    seen.add(access == Access.WRITE ? "factory" : "reads");
                    return DriverManager.getConnection("jdbc:sqlite:" + pools.file());
                })
                .beforePragmas(connection -> seen.add("first"))
                .onConnect(connection -> seen.add("last")));
        pool.blocking().execute("CREATE TABLE t (x)");
        assertThat(seen).containsExactly("factory", "first", "last");
    }
}
