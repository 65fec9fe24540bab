package dev.sqlitepool.internal.dispatch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.PoolClosedException;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.pool.LanePool;
import dev.sqlitepool.testing.Engines;
import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Pools;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sqlite.Collation;
import org.sqlite.Function;
import org.sqlite.SQLiteConnection;

/** Functions and collations of the user are code: a statement that calls one shares its transaction with nobody. */
class UsersCodeInGroupsTest {
    private static final String PLAIN = "INSERT INTO plain VALUES (?)";

    @RegisterExtension
    final Pools pools = new Pools();

    private final Engines engines = new Engines();
    private final AtomicInteger commits = engines.calls("commit");
    private final AtomicInteger calls = new AtomicInteger();
    private final AtomicReference<Runnable> inFunction = new AtomicReference<>(() -> {});
    private final AtomicReference<Runnable> onUpdate = new AtomicReference<>(() -> {});

    private void addCode(Connection connection) throws SQLException {
        Function.create(
                connection,
                "users",
                new Function() {
                    @Override
                    protected void xFunc() throws SQLException {
                        calls.incrementAndGet();
                        inFunction.get().run();
                        result(1);
                    }
                },
                -1,
                Function.FLAG_DETERMINISTIC);
        Function.create(connection, "UPPER", new Function() {
            @Override
            protected void xFunc() throws SQLException {
                result("instead of SQLite's own");
            }
        });
        Function.create(connection, "users_sum", new Function.Aggregate() {
            @Override
            protected void xStep() {}

            @Override
            protected void xFinal() throws SQLException {
                result(1);
            }
        });
        Function.create(connection, "users_window", new Function.Window() {
            @Override
            protected void xStep() {}

            @Override
            protected void xInverse() {}

            @Override
            protected void xValue() throws SQLException {
                result(1);
            }

            @Override
            protected void xFinal() throws SQLException {
                result(1);
            }
        });
        for (String order :
                List.of("users_order", "order_of_users_with_a_long_name", "ordnung_für_nützliche_übungen")) {
            Collation.create(connection, order, new Collation() {
                @Override
                protected int xCompare(String a, String b) {
                    return a.compareTo(b);
                }
            });
        }
        ((SQLiteConnection) connection).addUpdateListener((type, database, table, row) -> onUpdate.get()
                .run());
    }

    private LanePool open() {
        Settings settings = Pools.settings(SqlitePool.builder()
                .databasePath(pools.file())
                .poolSize(3)
                .pragma("trusted_schema", "ON")
                .onConnect(this::addCode)
                .closeGrace(Duration.ofMillis(50)));
        LanePool pool = pools.track(new LanePool(settings, System::nanoTime, engines), settings.name());
        pool.execute("CREATE TABLE plain (x)").join();
        pool.execute("CREATE TABLE some (x)").join();
        pool.execute("INSERT INTO some VALUES ('a')").join();
        return pool;
    }

    /** How many commits it takes when these wait in a row. */
    private int commits(LanePool pool, String... texts) {
        Gate gate = new Gate();
        CompletableFuture<Void> before = pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        List<CompletableFuture<Long>> all = new ArrayList<>();
        for (String text : texts) {
            all.add(text.contains("?") ? pool.execute(text, 1) : pool.execute(text));
        }
        commits.set(0);
        gate.open();
        before.join();
        all.forEach(CompletableFuture::join);
        return commits.get() - 1; // without the holder's own
    }

    /** When a text has run, and has been first while somebody waited, all is known that can be known of it. */
    private void learn(LanePool pool, String text) {
        for (int i = 0; i < 3; i++) {
            int unused = commits(pool, text, text, text);
        }
    }

    private void assertGroups(LanePool pool, String text) {
        learn(pool, text);
        Pools.await("it groups: " + text, () -> commits(pool, text, text, text, text) <= 2);
    }

    private void assertNeverGroups(LanePool pool, String text) {
        learn(pool, text);
        learn(pool, PLAIN);
        for (int i = 0; i < 3; i++) {
            assertThat(commits(pool, text, text, text, text)).as(text).isGreaterThanOrEqualTo(4);
            assertThat(commits(pool, PLAIN, text, PLAIN, text))
                    .as("beside others: " + text)
                    .isGreaterThanOrEqualTo(4);
        }
    }

    @Test
    void whatCallsNoneOfItStillGroups() {
        LanePool pool = open();
        assertGroups(pool, PLAIN);
        assertGroups(pool, "INSERT INTO plain VALUES (abs(?) || lower('A') || max(1, 2))");
        assertGroups(pool, "INSERT INTO plain VALUES (?1 || 'users(1) users_order')");
        assertGroups(pool, "UPDATE some SET x = 'b' WHERE x = 'users('");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "INSERT INTO plain VALUES (users(?))",
                "INSERT INTO plain SELECT \"USERS\"(x) FROM some WHERE ? > 0",
                "UPDATE some SET x = 'b' WHERE users(x) = ?",
                "DELETE FROM plain WHERE users(x) = 0",
                "WITH w AS (SELECT users(1) AS u) INSERT INTO plain SELECT u FROM w",
                "REPLACE INTO plain VALUES (upper('a'))",
                "INSERT INTO plain SELECT users_sum(x) FROM some",
                "INSERT INTO plain SELECT users_window(x) OVER (ORDER BY x) FROM some",
                "INSERT INTO plain SELECT x FROM some ORDER BY x COLLATE users_order LIMIT 1",
                "DELETE FROM plain WHERE x = 'q' COLLATE Users_Order",
                "DELETE FROM plain WHERE x = 'q' COLLATE order_of_users_with_a_long_name",
                "DELETE FROM plain WHERE x > 'q' COLLATE \"ordnung_für_nützliche_übungen\""
            })
    void aStatementThatCallsItStandsAlone(String text) {
        assertNeverGroups(open(), text);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "CREATE TABLE d (x DEFAULT (users(1)), y)",
                "CREATE TABLE d (y, g AS (users(y)) STORED)",
                "CREATE TABLE d (y CHECK (users(y)))",
                "CREATE TABLE d (y)\nCREATE INDEX i ON d (users(y))",
                "CREATE TABLE d (y TEXT COLLATE users_order UNIQUE ON CONFLICT REPLACE)",
                "CREATE TABLE d (y)\nCREATE TRIGGER a AFTER INSERT ON d BEGIN INSERT INTO plain VALUES (users(new.y)); END",
                "CREATE TABLE d (y)\nCREATE VIEW v AS SELECT users(x) FROM some\n"
                        + "CREATE TRIGGER a AFTER INSERT ON d BEGIN INSERT INTO plain SELECT * FROM v; END",
                "CREATE TABLE d (y)\nCREATE TRIGGER a AFTER INSERT ON d BEGIN UPDATE some SET x = 1; END\n"
                        + "CREATE TRIGGER b AFTER UPDATE ON some BEGIN SELECT users(new.x); END"
            })
    void soDoesOneWhoseSchemaCallsIt(String schema) {
        LanePool pool = open();
        for (String statement : schema.split("\n", -1)) {
            pool.execute(statement).join();
        }
        assertNeverGroups(pool, "INSERT INTO d (y) VALUES (?)");
    }

    @Test
    void aForeignKeyActionThatCallsItCountsToo() {
        LanePool pool = open();
        pool.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)").join();
        pool.execute("CREATE TABLE child (p REFERENCES parent ON DELETE CASCADE)")
                .join();
        pool.execute("CREATE TRIGGER a AFTER DELETE ON child BEGIN SELECT users(old.p); END")
                .join();
        assertNeverGroups(pool, "DELETE FROM parent WHERE id = ?");
    }

    @Test
    void aTriggerThatIsMadeLaterIsSeen() {
        LanePool pool = open();
        assertGroups(pool, PLAIN);
        pool.execute("CREATE TRIGGER a AFTER INSERT ON plain BEGIN SELECT users(new.x); END")
                .join();
        assertNeverGroups(pool, PLAIN);
        pool.execute("DROP TRIGGER a").join();
        assertGroups(pool, PLAIN);
    }

    @Test
    void codeThatAFactoryAddsCountsToo() {
        Settings settings = Pools.settings(SqlitePool.builder()
                .connectionFactory(access -> {
                    Connection connection = java.sql.DriverManager.getConnection("jdbc:sqlite:" + pools.file());
                    addCode(connection);
                    return connection;
                })
                .poolSize(2));
        LanePool pool = pools.track(new LanePool(settings, System::nanoTime, engines), settings.name());
        pool.execute("CREATE TABLE plain (x)").join();
        assertGroups(pool, PLAIN);
        assertNeverGroups(pool, "INSERT INTO plain VALUES (users(?))");
    }

    /** A member of its own group would never be acknowledged. */
    @Test
    void aFunctionMayWaitForTheStatementBeforeIt() {
        LanePool pool = open();
        String calls = "INSERT INTO plain VALUES (users(?))";
        learn(pool, calls);
        learn(pool, PLAIN);
        Gate gate = new Gate();
        CompletableFuture<Void> before = pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        CompletableFuture<Long> first = pool.execute(PLAIN, 1);
        CompletableFuture<Long> waits = pool.execute(calls, 2);
        CompletableFuture<Long> last = pool.execute(PLAIN, 3);
        inFunction.set(first::join);
        gate.open();
        before.join();
        assertThat(CompletableFuture.allOf(first, waits, last)).succeedsWithin(Duration.ofSeconds(20));
        inFunction.set(() -> {});
    }

    @Test
    void aFunctionRunsOnceThoughOthersAreUndoneAroundIt() {
        LanePool pool = open();
        pool.execute("CREATE TABLE strict (x INTEGER CHECK (x > 0))").join();
        String fails = "INSERT INTO strict VALUES (?)";
        String calls = "INSERT INTO plain VALUES (users(?))";
        learn(pool, fails);
        learn(pool, calls);
        Gate gate = new Gate();
        CompletableFuture<Void> before = pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        this.calls.set(0);
        List<CompletableFuture<Long>> all = List.of(
                pool.execute(calls, 1), pool.execute(fails, -1), pool.execute(calls, 2), pool.execute(fails, -2));
        gate.open();
        before.join();
        all.forEach(each -> each.exceptionally(e -> null).join());
        assertThat(this.calls).hasValue(2);
    }

    /** The pool cannot see a listener of the driver's connection. */
    @Tag("slow")
    @Test
    void thoseWhoWaitForAMemberThatNeverReturnsEndWithThePool() {
        LanePool pool = open();
        learn(pool, PLAIN);
        Gate never = new Gate();
        Gate gate = new Gate();
        CompletableFuture<Void> before = pool.useTransaction(tx -> gate.pass());
        gate.awaitReached();
        AtomicInteger rows = new AtomicInteger();
        onUpdate.set(() -> {
            if (rows.incrementAndGet() == 3) {
                never.pass();
            }
        });
        List<CompletableFuture<Long>> all = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            all.add(pool.execute(PLAIN, i));
        }
        gate.open();
        never.awaitReached();
        pool.close();
        for (CompletableFuture<Long> each : all) {
            assertThat(each).isDone();
        }
        assertThatThrownBy(() -> all.get(0).join()).hasCauseInstanceOf(OutcomeUnknownException.class);
        assertThatThrownBy(() -> all.get(1).join())
                .hasCauseInstanceOf(OutcomeUnknownException.class)
                .hasMessageContaining("was closed before");
        assertThatThrownBy(() -> all.get(2).join()).hasCauseInstanceOf(PoolClosedException.class);
        assertThatThrownBy(() -> all.get(3).join()).hasCauseInstanceOf(PoolClosedException.class);
        onUpdate.set(() -> {});
        never.open();
    }
}
