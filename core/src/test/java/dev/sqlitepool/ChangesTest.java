package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Pools;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every way to write is told, with the tables that it may have written; what is undone is not. */
class ChangesTest {
    private static final String SCHEMA = """
            CREATE TABLE plain (id INTEGER PRIMARY KEY, x);
            CREATE TABLE Indexed (a TEXT UNIQUE, b, c);
            CREATE INDEX by_b ON Indexed (b) WHERE b > 1;
            CREATE TABLE rowless (k TEXT PRIMARY KEY, v) WITHOUT ROWID;
            CREATE INDEX rowless_v ON rowless (v);
            CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT);
            CREATE TABLE parent (id INTEGER PRIMARY KEY, v UNIQUE);
            CREATE TABLE child (p REFERENCES parent ON DELETE CASCADE);
            CREATE TABLE grandchild (v REFERENCES parent (v) ON UPDATE SET NULL);
            CREATE TABLE watched (x);
            CREATE TABLE log (x);
            CREATE TABLE log_of_log (x);
            CREATE TRIGGER t1 AFTER INSERT ON watched BEGIN INSERT INTO log VALUES (new.x); END;
            CREATE TRIGGER t2 AFTER INSERT ON log BEGIN INSERT INTO log_of_log VALUES (new.x); END;
            CREATE TRIGGER t3 AFTER DELETE ON child BEGIN INSERT INTO log VALUES (old.p); END;
            CREATE VIEW face AS SELECT * FROM plain;
            CREATE TRIGGER t4 INSTEAD OF INSERT ON face BEGIN DELETE FROM rowless; END;
            CREATE TABLE untouched (x);
            """;

    @RegisterExtension
    final Pools pools = new Pools();

    private SqlitePool pool;
    private Watcher all;
    /** Told only when it is asked. */
    private Watcher asking;

    @BeforeEach
    void open() {
        pool = pools.open();
        pool.useConnection(c -> c.executeScript(SCHEMA)).join();
        all = watch();
        asking = new Watcher(0);
        pool.changes().subscribe(asking);
    }

    /** Asks for everything, or for nothing by itself, and keeps the sets. */
    static class Watcher implements Flow.Subscriber<Set<String>> {
        private final List<Set<String>> sets = new ArrayList<>();
        private final long demand;
        private Flow.Subscription subscription;

        Watcher() {
            this(Long.MAX_VALUE);
        }

        Watcher(long demand) {
            this.demand = demand;
        }

        @Override
        public synchronized void onSubscribe(Flow.Subscription given) {
            subscription = given;
            if (demand > 0) {
                given.request(demand);
            }
        }

        @Override
        public synchronized void onNext(Set<String> tables) {
            sets.add(tables);
        }

        @Override
        public void onError(Throwable error) {
            throw new AssertionError(error);
        }

        @Override
        public void onComplete() {}

        synchronized Set<String> takeAll() {
            Set<String> told = new TreeSet<>();
            sets.forEach(told::addAll);
            sets.clear();
            return told;
        }

        synchronized boolean has(Set<String> tables) {
            Set<String> told = new TreeSet<>();
            sets.forEach(told::addAll);
            return told.containsAll(tables);
        }

        synchronized boolean isTold() {
            return sets.stream().anyMatch(set -> !set.equals(Set.of("untouched")));
        }
    }

    private Watcher watch(String... tables) {
        Watcher watcher = new Watcher();
        pool.changes(tables).subscribe(watcher);
        return watcher;
    }

    /**
     * What there is to tell since the last call, and a write to a table that nothing else writes. What is acknowledged has been offered, so
     * whoever asks now is told all of it at once.
     */
    private Set<String> told() {
        pool.execute("INSERT INTO untouched VALUES (1)").join();
        asking.subscription.request(1);
        Pools.await("told", () -> asking.has(Set.of("untouched")));
        Pools.await("told", () -> all.has(Set.of("untouched")));
        all.takeAll();
        Set<String> told = asking.takeAll();
        told.remove("untouched");
        return told;
    }

    private static final Set<String> EVERYTHING = Set.of(
            "plain", "Indexed", "rowless", "counted", "parent", "child", "grandchild", "watched", "log", "log_of_log");

    // ---- which tables a statement writes

    record Case(String sql, Set<String> tables) {
        @Override
        public String toString() {
            return sql;
        }
    }

    private static Case of(String sql, String... tables) {
        return new Case(sql, Set.of(tables));
    }

    static List<Case> cases() {
        return List.of(
                of("INSERT INTO plain (x) VALUES (1)", "plain"),
                of("UPDATE plain SET x = 1 WHERE id = 5", "plain"),
                of("DELETE FROM plain WHERE x IN (SELECT x FROM log)", "plain"),
                of("DELETE FROM plain", "plain"),
                of("REPLACE INTO plain VALUES (1, 2)", "plain"),
                of("INSERT INTO plain (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET x = x + 1", "plain"),
                of("INSERT INTO plain (x) SELECT b FROM Indexed", "plain"),
                of("WITH n (i) AS (VALUES (1)) INSERT INTO plain (x) SELECT i FROM n", "plain"),
                of("WITH n (i) AS (VALUES (1)) SELECT * FROM n"),
                of("SELECT * FROM plain"),
                of("INSERT INTO indexed VALUES (NULL, 1, 2)", "Indexed"),
                of("DELETE FROM \"INDEXED\"", "Indexed"),
                of("INSERT OR IGNORE INTO rowless VALUES ('a', 1)", "rowless"),
                of("UPDATE rowless SET v = 1", "rowless"),
                of("DELETE FROM rowless", "rowless"),
                of("INSERT INTO counted DEFAULT VALUES", "counted"),
                of("INSERT INTO watched VALUES (1)", "watched", "log", "log_of_log"),
                of("INSERT INTO face (x) VALUES (1)", "rowless"),
                of("DELETE FROM parent WHERE id = 1", "parent", "child", "log", "log_of_log"),
                of("UPDATE parent SET v = 2 WHERE id = 1", "parent", "grandchild"),
                of("UPDATE child SET p = p", "child"),
                of("UPDATE plain SET x = c FROM Indexed WHERE a = id RETURNING *", "plain"));
    }

    @ParameterizedTest
    @MethodSource("cases")
    void aStatementTellsTheTablesThatItMayWrite(Case statement) {
        told();
        pool.execute(statement.sql).join();
        assertThat(told()).isEqualTo(new TreeSet<>(statement.tables));
        pool.useTransaction(tx -> tx.execute(statement.sql)).join();
        assertThat(told()).isEqualTo(new TreeSet<>(statement.tables));
        pool.useConnection(c -> c.execute(statement.sql)).join();
        assertThat(told()).isEqualTo(new TreeSet<>(statement.tables));
        pool.useConnection(c -> {
                    try (Statement jdbc = c.jdbc().createStatement()) {
                        jdbc.execute(statement.sql);
                    }
                })
                .join();
        assertThat(told()).isEqualTo(new TreeSet<>(statement.tables));
    }

    @Test
    void fullTextTablesTellThemselvesAndTheTablesBehindThem() {
        pool.execute("CREATE VIRTUAL TABLE words USING fts5 (body)").join();
        pool.execute("CREATE TRIGGER t5 AFTER INSERT ON plain BEGIN INSERT INTO words VALUES (new.x); END")
                .join();
        told();
        pool.execute("INSERT INTO plain (x) VALUES ('hello')").join();
        assertThat(told()).contains("plain", "words", "words_data").doesNotContain("log", "Indexed");
    }

    @Test
    void aVirtualTableIsKnownHoweverItsModuleIsWritten() {
        pool.execute("CREATE VIRTUAL TABLE quoted USING\"fts5\"(x)").join();
        pool.execute("CREATE VIRTUAL TABLE commented USING/* for search */fts5(x)")
                .join();
        told();
        pool.execute("INSERT INTO quoted VALUES (1)").join();
        assertThat(told()).contains("quoted");
        pool.execute("INSERT INTO commented VALUES (1)").join();
        assertThat(told()).contains("commented");
    }

    @Test
    void changesOfTheSchemaTellEverything() {
        told();
        pool.execute("CREATE TABLE fresh AS SELECT * FROM plain").join();
        assertThat(told()).containsAll(EVERYTHING).contains("fresh");
        pool.execute("ALTER TABLE fresh RENAME TO fresher").join();
        assertThat(told()).containsAll(EVERYTHING).contains("fresh", "fresher");
        pool.useTransaction(tx -> tx.execute("DROP TABLE fresher")).join();
        assertThat(told()).containsAll(EVERYTHING).contains("fresher");
        pool.execute("VACUUM").join();
        assertThat(told()).containsAll(EVERYTHING);
        pool.execute("PRAGMA user_version = 5").join();
        assertThat(told()).isEmpty();
    }

    @Test
    void aTriggerThatIsNewCounts() throws SQLException {
        pool.execute("INSERT INTO plain (x) VALUES (1)").join();
        pool.execute("CREATE TRIGGER t5 AFTER INSERT ON plain BEGIN DELETE FROM log; END")
                .join();
        told();
        pool.execute("INSERT INTO plain (x) VALUES (1)").join();
        assertThat(told()).containsExactlyInAnyOrder("plain", "log");
        try (Connection other = DriverManager.getConnection("jdbc:sqlite:" + pools.file());
                Statement statement = other.createStatement()) {
            statement.execute("DROP TRIGGER t5");
            statement.execute("CREATE TRIGGER t6 AFTER INSERT ON plain BEGIN DELETE FROM rowless; END");
        }
        pool.execute("INSERT INTO plain (x) VALUES (1)").join();
        assertThat(told()).containsExactlyInAnyOrder("plain", "rowless");
    }

    @Test
    void whatAConnectionChangesAboutItselfCountsToo() {
        told();
        pool.useConnection(c -> {
                    c.execute("PRAGMA foreign_keys = OFF");
                    c.execute("DELETE FROM parent WHERE id = 1");
                    c.execute("PRAGMA foreign_keys = ON");
                    c.execute("DELETE FROM parent WHERE id = 1");
                })
                .join();
        assertThat(told()).contains("parent", "child");
        pool.useConnection(c -> c.execute("CREATE TEMP TABLE own (x)")).join();
        told();
        pool.useConnection(c -> {
                    c.execute("INSERT INTO plain (x) VALUES (1)");
                    c.execute("CREATE TEMP TRIGGER t5 AFTER INSERT ON plain BEGIN DELETE FROM log; END");
                    all.takeAll();
                    c.execute("INSERT INTO plain (x) VALUES (1)");
                    Pools.await("the temporary trigger", () -> all.has(Set.of("log")));
                })
                .join();
        told();
        pool.useConnection(c -> {
                    c.execute("ATTACH ':memory:' AS other");
                    c.execute("CREATE TABLE other.plain (x)");
                })
                .join();
        assertThat(told()).containsAll(EVERYTHING);
    }

    @Test
    void whatAnEarlierWorkHasChangedAboutAConnectionInMemoryCountsNoMore() {
        SqlitePool memory = pools.build(SqlitePool.builder().inMemory());
        memory.useConnection(c -> c.executeScript(SCHEMA)).join();
        Watcher watcher = new Watcher();
        memory.changes("child").subscribe(watcher);
        memory.useConnection(c -> {
                    c.execute("PRAGMA foreign_keys = OFF");
                    c.execute("DELETE FROM parent WHERE id = 1");
                })
                .join();
        assertThat(watcher.isTold()).isFalse();
        memory.execute("DELETE FROM parent WHERE id = 1").join();
        Pools.await("told of the cascade", watcher::isTold);
    }

    /** The version of the schema goes back with a rollback, and forward again with what another program does. */
    @Test
    void aSchemaThatIsUndoneIsNotTakenForTheNextOfTheSameVersion() throws SQLException {
        Watcher watcher = watch("theirs");
        assertThatThrownBy(() -> pool.useTransaction(tx -> {
                            tx.execute("CREATE TABLE ours (x)");
                            tx.execute("INSERT INTO ours VALUES (1)");
                            throw new IllegalStateException("undone");
                        })
                        .join())
                .hasMessageContaining("undone");
        try (Connection other = DriverManager.getConnection("jdbc:sqlite:" + pools.file());
                Statement statement = other.createStatement()) {
            statement.execute("CREATE TABLE theirs (x)");
        }
        assertThat(watcher.isTold()).isFalse();
        pool.execute("INSERT INTO theirs VALUES (1)").join();
        Pools.await("told", watcher::isTold);
    }

    private static final List<String> CHANGES = List.of(
            "INSERT OR IGNORE INTO plain VALUES (abs(random()) % 20, ?)",
            "UPDATE plain SET x = ? WHERE id % 3 = 0",
            "DELETE FROM plain WHERE id % 5 = ?",
            "DELETE FROM plain",
            "REPLACE INTO Indexed VALUES (abs(random()) % 10, ?, 1)",
            "UPDATE OR IGNORE Indexed SET a = ?, b = b + 1",
            "INSERT INTO rowless VALUES (?, 1) ON CONFLICT DO UPDATE SET v = v + 1",
            "DELETE FROM rowless WHERE k > ?",
            "INSERT OR IGNORE INTO parent VALUES (?, abs(random()) % 20)",
            "REPLACE INTO parent VALUES (?, abs(random()) % 20)",
            "INSERT INTO child SELECT id FROM parent WHERE id > ?",
            "INSERT INTO grandchild SELECT v FROM parent WHERE id <> ?",
            "UPDATE OR IGNORE parent SET v = v + ?",
            "DELETE FROM parent WHERE id = ?",
            "INSERT INTO watched VALUES (?)",
            "INSERT INTO face (x) VALUES (?)",
            "WITH n (i) AS (VALUES (?)) INSERT INTO log SELECT i FROM n RETURNING x");

    @Tag("slow")
    @Test
    void whateverReallyChangesIsTold() {
        Random random = new Random(11);
        Map<String, String> before = contents();
        for (int i = 0; i < 300; i++) {
            String sql = CHANGES.get(random.nextInt(CHANGES.size()));
            Object[] values = sql.contains("?") ? new Object[] {random.nextInt(20)} : new Object[0];
            change(sql, values, random.nextInt(4))
                    .handle((done, error) -> null) // some are refused by a foreign key
                    .join();
            Set<String> told = told();
            Map<String, String> after = contents();
            for (String table : EVERYTHING) {
                if (!after.get(table).equals(before.get(table))) {
                    assertThat(told).as(sql).contains(table);
                }
            }
            before = after;
        }
    }

    private CompletableFuture<?> change(String sql, Object[] values, int way) {
        switch (way) {
            case 0:
                return pool.useTransaction(tx -> tx.execute(sql, values));
            case 1:
                return pool.useConnection(c -> c.execute(sql, values));
            case 2:
                return pool.useConnection(c -> {
                    try (PreparedStatement statement = c.jdbc().prepareStatement(sql)) {
                        for (Object value : values) {
                            statement.setObject(1, value);
                        }
                        statement.execute();
                    }
                });
            default:
                return pool.execute(sql, values);
        }
    }

    private Map<String, String> contents() {
        Map<String, String> contents = new HashMap<>();
        for (String table : EVERYTHING) {
            contents.put(
                    table,
                    pool.query(
                                    "SELECT * FROM " + table,
                                    row -> row.getString(1)
                                            + row.getString(row.columnNames().size()))
                            .join()
                            .toString());
        }
        return contents;
    }

    // ---- by whatever way

    @Test
    void dataOfEveryShapeIsTold() {
        told();
        pool.query("INSERT INTO plain (x) VALUES (1) RETURNING id", row -> row.getInt(1))
                .join();
        assertThat(told()).containsExactly("plain");
        String with = "WITH n (i) AS (VALUES (1)) INSERT INTO log SELECT i FROM n RETURNING x";
        pool.queryOne(with, row -> row.getInt(1)).join();
        assertThat(told()).containsExactlyInAnyOrder("log", "log_of_log");
        pool.executeBatch("INSERT INTO plain (x) VALUES (?)", List.of(new Object[] {1}, new Object[] {2}))
                .join();
        assertThat(told()).containsExactly("plain");
    }

    @Test
    void statementsThatShareATransactionAreAllTold() {
        told();
        Gate gate = new Gate();
        CompletableFuture<Void> before = pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        List<CompletableFuture<?>> writes = new ArrayList<>();
        for (int i = 0; i < 50; i++) {
            writes.add(pool.execute("INSERT INTO plain (x) VALUES (1)"));
            writes.add(pool.execute("INSERT INTO rowless VALUES (?, 1)", i));
            writes.add(pool.execute("INSERT INTO Indexed VALUES ('same', 1, 1)"));
        }
        gate.open();
        before.join();
        CompletableFuture.allOf(writes.toArray(CompletableFuture[]::new))
                .exceptionally(error -> null)
                .join();
        assertThat(told()).containsExactlyInAnyOrder("plain", "rowless", "Indexed");
    }

    @Test
    void aTransactionTellsWhatAllItsStatementsWrite() {
        told();
        pool.useTransaction(tx -> {
                    tx.execute("INSERT INTO plain (x) VALUES (1)");
                    tx.savepoint(inner -> inner.execute("INSERT INTO rowless VALUES ('k', 1)"));
                    tx.executeBatch("INSERT INTO Indexed VALUES (?, 1, 1)", List.<Object[]>of(new Object[] {1}));
                    assertThat(all.isTold()).isFalse();
                })
                .join();
        assertThat(told()).containsExactlyInAnyOrder("plain", "rowless", "Indexed");
    }

    @Test
    void aConnectionTellsAfterEachCommitOfItsOwn() {
        told();
        pool.useConnection(c -> {
                    c.execute("INSERT INTO plain (x) VALUES (1)");
                    Pools.await("the statement", () -> all.has(Set.of("plain")));
                    all.takeAll();
                    c.execute("BEGIN");
                    c.execute("INSERT INTO log VALUES (1)");
                    c.query("INSERT INTO rowless VALUES ('k', 1) RETURNING v", row -> row.getInt(1));
                    assertThat(all.isTold()).isFalse();
                    c.execute("COMMIT");
                    Pools.await("the transaction", () -> all.has(Set.of("log", "log_of_log", "rowless")));
                    all.takeAll();
                    c.execute("SAVEPOINT a");
                    c.execute("INSERT INTO counted DEFAULT VALUES");
                    c.execute("RELEASE a");
                    Pools.await("the savepoint", () -> all.has(Set.of("counted")));
                    c.executeBatch("INSERT INTO Indexed VALUES (?, 1, 1)", List.<Object[]>of(new Object[] {1}));
                    Pools.await("the batch", () -> all.has(Set.of("Indexed")));
                    c.execute("BEGIN");
                    c.execute("INSERT INTO parent VALUES (1, 1)");
                    c.execute("ROLLBACK");
                })
                .join();
        assertThat(told()).doesNotContain("parent");
    }

    @Test
    void whatIsToldIsNotToldAgain() {
        told();
        pool.useConnection(c -> {
                    c.execute("INSERT INTO plain (x) VALUES (1)");
                    Pools.await("the statement", () -> all.has(Set.of("plain")));
                    all.takeAll();
                    c.query("SELECT x FROM plain", row -> row.getInt(1));
                    c.execute("BEGIN");
                    c.execute("INSERT INTO counted DEFAULT VALUES");
                    c.execute("COMMIT");
                    Pools.await("the transaction", () -> all.has(Set.of("counted")));
                    assertThat(all.takeAll()).containsExactly("counted");
                    c.execute("INSERT INTO rowless VALUES ('k', 1)");
                    Pools.await("the next", () -> all.has(Set.of("rowless")));
                    assertThat(all.takeAll()).containsExactly("rowless");
                })
                .join();
    }

    @Test
    void whereNothingIsSyncedEachCommitIsToldAtOnceToo() {
        SqlitePool memory = pools.build(SqlitePool.builder().inMemory());
        memory.execute("CREATE TABLE t (x)").join();
        Watcher watcher = new Watcher();
        memory.changes("t").subscribe(watcher);
        memory.useConnection(c -> {
                    c.executeBatch("INSERT INTO t VALUES (?)", List.<Object[]>of(new Object[] {1}));
                    Pools.await("the batch", () -> watcher.has(Set.of("t")));
                    watcher.takeAll();
                    c.execute("INSERT INTO t VALUES (2)");
                    Pools.await("the statement", () -> watcher.has(Set.of("t")));
                })
                .join();
    }

    @Test
    void whatAFailedStatementKeepsIsTold() {
        told();
        pool.useConnection(c -> assertThatThrownBy(() -> c.execute("INSERT OR FAIL INTO plain VALUES (1, 1), (1, 2)"))
                        .isInstanceOf(SQLException.class))
                .join();
        assertThat(told()).containsExactly("plain");
        pool.useConnection(
                        c -> assertThatThrownBy(() -> c.forEach("INSERT INTO log VALUES (1), (2) RETURNING x", row -> {
                                    throw new IllegalStateException();
                                }))
                                .isInstanceOf(IllegalStateException.class))
                .join();
        assertThat(told()).containsExactlyInAnyOrder("log", "log_of_log");
    }

    @Test
    void aLeaseTellsWhenItsTransactionCommits() {
        told();
        Lease lease = pool.acquire().join();
        lease.run(c -> c.execute("INSERT INTO rowless VALUES ('k', 1)")).join();
        Pools.await("the statement", () -> all.has(Set.of("rowless")));
        all.takeAll();
        lease.run(c -> c.execute("BEGIN")).join();
        lease.run(c -> c.execute("INSERT INTO plain (x) VALUES (1)")).join();
        assertThat(all.isTold()).isFalse();
        lease.run(c -> c.execute("COMMIT")).join();
        Pools.await("the commit", () -> all.has(Set.of("plain")));
        all.takeAll();
        lease.run(c -> c.execute("BEGIN")).join();
        lease.run(c -> c.execute("INSERT INTO log VALUES (1)")).join();
        lease.release().join();
        assertThat(told()).containsExactlyInAnyOrder("rowless", "plain");
    }

    @Test
    void jdbcTellsWhateverCommits() {
        told();
        pool.useConnection(c -> {
                    Connection jdbc = c.jdbc();
                    try (PreparedStatement insert = jdbc.prepareStatement("INSERT INTO plain (x) VALUES (?)")) {
                        insert.setInt(1, 1);
                        insert.addBatch();
                        insert.executeBatch();
                    }
                    Pools.await("the batch", () -> all.has(Set.of("plain")));
                    jdbc.setAutoCommit(false);
                    try (Statement statement = jdbc.createStatement()) {
                        statement.executeUpdate("INSERT INTO log VALUES (1)");
                        assertThat(all.has(Set.of("log"))).isFalse();
                        jdbc.commit();
                        Pools.await("the commit", () -> all.has(Set.of("log", "log_of_log")));
                        statement.executeUpdate("INSERT INTO rowless VALUES ('k', 1)");
                        jdbc.rollback();
                        statement.executeUpdate("INSERT INTO counted DEFAULT VALUES");
                        jdbc.setAutoCommit(true);
                        Pools.await("the change of mode", () -> all.has(Set.of("counted")));
                    }
                })
                .join();
        assertThat(told()).doesNotContain("rowless");
    }

    /** Such a statement commits when its cursor is closed, which may be long after it was run. */
    @Test
    void aJdbcCursorThatWritesIsToldAfterItsEnd() {
        told();
        pool.useConnection(c -> {
                    try (Statement statement = c.jdbc().createStatement()) {
                        assertThat(statement.execute("INSERT INTO plain (x) VALUES (1), (2) RETURNING id"))
                                .isTrue();
                        Pools.await("it was run", () -> all.has(Set.of("plain")));
                        all.takeAll();
                        try (ResultSet rows = statement.getResultSet()) {
                            assertThat(rows.next()).isTrue();
                        }
                        Pools.await("it is committed", () -> all.has(Set.of("plain")));
                    }
                })
                .join();
    }

    @Test
    void whoHasTheDriversConnectionMayHaveWrittenAnything() {
        told();
        pool.useConnection(c -> {
                    Connection driver = c.jdbc().unwrap(org.sqlite.SQLiteConnection.class);
                    try (Statement statement = driver.createStatement()) {
                        statement.executeUpdate("INSERT INTO plain (x) VALUES (1)");
                    }
                })
                .join();
        assertThat(told()).containsAll(EVERYTHING);
        assertThatThrownBy(() -> pool.useTransaction(tx -> {
                            Connection driver = tx.jdbc().unwrap(org.sqlite.SQLiteConnection.class);
                            try (Statement statement = driver.createStatement()) {
                                statement.executeUpdate("INSERT INTO plain (x) VALUES (1)");
                                statement.executeUpdate("COMMIT");
                            }
                            throw new IllegalStateException();
                        })
                        .join())
                .hasCauseInstanceOf(IllegalStateException.class);
        assertThat(told()).containsAll(EVERYTHING);
    }

    @Test
    void nothingIsToldOfWhatIsUndone() {
        told();
        pool.useTransaction(tx -> {
                    tx.execute("INSERT INTO plain (x) VALUES (1)");
                    tx.rollbackOnly();
                })
                .join();
        assertThat(told()).isEmpty();
        assertThatThrownBy(() -> pool.useTransaction(tx -> {
                            tx.execute("INSERT INTO plain (x) VALUES (1)");
                            throw new IllegalStateException();
                        })
                        .join())
                .hasCauseInstanceOf(IllegalStateException.class);
        assertThat(told()).isEmpty();
        Gate gate = new Gate();
        CompletableFuture<Void> cancelled = pool.useTransaction(tx -> {
            tx.execute("INSERT INTO plain (x) VALUES (1)");
            gate.pass();
        });
        gate.awaitReached();
        cancelled.cancel(true);
        gate.open();
        assertThat(told()).isEmpty();
        assertThatThrownBy(() ->
                        pool.execute("INSERT INTO plain VALUES (1, 1), (1, 1)").join())
                .hasCauseInstanceOf(SQLException.class);
        assertThat(told()).isEmpty();
        pool.useRead(c -> c.query("SELECT * FROM plain", row -> row.getInt(1))).join();
        assertThat(told()).isEmpty();
    }

    /**
     * <pre>
     *   transaction                      subscriber
     *   INSERT (nobody watches)
     *                                    subscribes; reads: nothing
     *   COMMIT
     *                                    must be told
     * </pre>
     */
    @Test
    void whoComesInTheMiddleOfATransactionIsToldOfAllOfIt() {
        all.subscription.cancel();
        asking.subscription.cancel();
        Gate gate = new Gate();
        CompletableFuture<Void> write = pool.useTransaction(tx -> {
            tx.execute("INSERT INTO plain (x) VALUES (1)");
            gate.pass();
        });
        gate.awaitReached();
        Watcher late = watch("plain");
        Watcher everything = watch();
        gate.open();
        write.join();
        Pools.await("told", () -> late.has(Set.of("plain")) && everything.has(EVERYTHING));
    }

    // ---- who is told what

    @Test
    void namesAreThoseThatTheSubscriberHasGiven() {
        Watcher watcher = watch("PLAIN", "indexed", "nowhere");
        Watcher internal = watch("sqlite_sequence");
        pool.execute("INSERT INTO counted DEFAULT VALUES").join();
        Pools.await("told", internal::isTold);
        pool.execute("INSERT INTO log VALUES (1)").join();
        pool.execute("INSERT INTO plain (x) VALUES (1)").join();
        Pools.await("told", watcher::isTold);
        assertThat(watcher.takeAll()).containsExactly("PLAIN");
        pool.execute("VACUUM").join();
        Pools.await("told", watcher::isTold);
        assertThat(watcher.takeAll()).containsExactlyInAnyOrder("PLAIN", "indexed", "nowhere");
    }

    @Test
    void aReadAfterTheSignalSeesTheChange() {
        List<Integer> seen = new ArrayList<>();
        Watcher reader = new Watcher() {
            @Override
            public synchronized void onNext(Set<String> tables) {
                seen.add(pool.queryOne("SELECT count(*) FROM plain", row -> row.getInt(1))
                        .join()
                        .orElseThrow());
                super.onNext(tables);
            }
        };
        pool.changes("plain").subscribe(reader);
        for (int i = 1; i <= 50; i++) {
            int count = i;
            pool.execute("INSERT INTO plain (x) VALUES (1)").join();
            Pools.await("seen", () -> {
                synchronized (reader) {
                    return seen.contains(count);
                }
            });
        }
    }

    @ParameterizedTest
    @MethodSource("others")
    void poolsOfOneConnectionTellToo(SqlitePoolBuilder builder) {
        SqlitePool one = pools.build(builder);
        one.execute("CREATE TABLE t (x INT)").join();
        Watcher watcher = new Watcher();
        one.changes("t").subscribe(watcher);
        one.useRead(c -> c.query("SELECT * FROM t", row -> row.getInt(1))).join();
        assertThat(watcher.isTold()).isFalse();
        one.execute("INSERT INTO t VALUES (1)").join();
        Pools.await("told", watcher::isTold);
        watcher.takeAll();
        one.useConnection(c -> c.execute("DELETE FROM t")).join();
        Pools.await("told", watcher::isTold);
    }

    static List<SqlitePoolBuilder> others() {
        return List.of(
                SqlitePool.builder().inMemory(),
                SqlitePool.builder()
                        .connectionFactory(access -> DriverManager.getConnection("jdbc:sqlite::memory:"))
                        .pragma("journal_mode", "MEMORY")
                        .poolSize(1),
                SqlitePool.builder()
                        .connectionFactory(access -> DriverManager.getConnection("jdbc:h2:mem:"))
                        .poolSize(1));
    }

    @Test
    void whereNobodyKnowsTheNamesTheSetIsEmpty() {
        SqlitePool h2 = pools.build(SqlitePool.builder()
                .connectionFactory(access -> DriverManager.getConnection("jdbc:h2:mem:"))
                .poolSize(1));
        h2.execute("CREATE TABLE t (x INT)").join();
        Watcher watcher = new Watcher();
        h2.changes().subscribe(watcher);
        h2.execute("INSERT INTO t VALUES (1)").join();
        Pools.await("told", watcher::isTold);
        assertThat(watcher.takeAll()).isEmpty();
    }

    @Test
    void aTableWithoutANameIsRefused() {
        assertThatThrownBy(() -> pool.changes("plain", null)).isInstanceOf(NullPointerException.class);
        assertThatThrownBy(() -> pool.changes((String[]) null)).isInstanceOf(NullPointerException.class);
    }
}
