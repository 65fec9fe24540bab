package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sqlitepool.testing.Pools;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Random sequences of JDBC calls, made on a connection of a pool and on one of the bare driver: the same results, the same kinds of
 * errors, the same rows in the end. {@code -Dsqlitepool.differential.sequences=…} sets how many, {@code
 * -Dsqlitepool.differential.seed=…} repeats one.
 *
 * <p>Where the pool differs on purpose the rule stands in {@link Sequence}, so that the call is still checked:
 *
 * <ol>
 *   <li>A result that is closed, by whatever, throws 24000 where the driver says that there are no more rows, or gives those of another
 *       run.
 *   <li>The end of a savepoint or of a transaction closes results of statements that write, where the driver answers BUSY.
 *   <li>A commit that gives the connection back closes all results.
 *   <li>A statement that must move to the write lane, since it writes or begins a transaction, throws 24000 while a result is open on a
 *       read lane.
 *   <li>Generated keys are those of this statement, or none.
 * </ol>
 */
class JdbcDifferentialTest {
    private static final int SEQUENCES = Integer.getInteger("sqlitepool.differential.sequences", 60);
    private static final int CALLS = 80;
    private static final int SLOTS = 3;

    @RegisterExtension
    final Pools pools = new Pools();

    /** What a call gives. */
    private interface Call {
        @Nullable
        Object make() throws SQLException;
    }

    /** What a call gave: a value, or the kind of an error. */
    private record Outcome(@Nullable Object value, @Nullable SQLException error) {
        static Outcome of(Call call) {
            try {
                return new Outcome(call.make(), null);
            } catch (SQLException e) {
                return new Outcome(null, e);
            }
        }

        boolean isClosed() {
            return error != null && "24000".equals(error.getSQLState());
        }

        boolean is(Outcome other) {
            if (error == null || other.error == null) {
                return error == null && other.error == null && Objects.equals(value, other.value);
            }
            // Where one of them has not asked SQLite, there is no code.
            return error.getErrorCode() == 0
                    || other.error.getErrorCode() == 0
                    || error.getErrorCode() == other.error.getErrorCode();
        }
    }

    /** A result on both sides. */
    private static final class Result {
        private final ResultSet ours;
        private final ResultSet drivers;
        private final boolean writes;
        private final int statement;
        /** One of the rules has closed it, so that it must throw. */
        private boolean closed;

        private boolean finished;

        Result(ResultSet ours, ResultSet drivers, boolean writes, int statement) {
            this.ours = ours;
            this.drivers = drivers;
            this.writes = writes;
            this.statement = statement;
        }

        boolean isOpen() {
            return !closed && !finished;
        }

        void close() throws SQLException {
            if (!closed) {
                closed = true;
                drivers.close();
            }
        }
    }

    /** One sequence of calls, on both sides. */
    private static final class Sequence {
        private final Random random;
        private final Connection ours;
        private final Connection drivers;
        private final boolean givesBack;
        private final boolean hasReadLanes;
        private final List<String> log = new ArrayList<>();

        private final @Nullable Statement[] ourStatements = new Statement[SLOTS];
        private final @Nullable Statement[] driverStatements = new Statement[SLOTS];
        private final @Nullable String[] prepared = new String[SLOTS];
        private final List<Result> results = new ArrayList<>();
        private final List<Savepoint[]> savepoints = new ArrayList<>();
        private boolean autocommit = true;
        /** A transaction is open in the pool. */
        private boolean begun;

        private long nextId = 1_000;

        Sequence(Random random, Connection ours, Connection drivers, boolean hasReadLanes, boolean givesBack) {
            this.random = random;
            this.ours = ours;
            this.drivers = drivers;
            this.hasReadLanes = hasReadLanes;
            this.givesBack = givesBack;
        }

        private void check(String what, Outcome our, Outcome driver) {
            log.add(what + " -> " + our);
            assertThat(our.is(driver))
                    .as("%s: the pool gave %s, the driver %s%n%s", what, our, driver, String.join("\n", log))
                    .isTrue();
        }

        private void require(boolean fact, String what, Outcome our) {
            log.add(what + " -> " + our);
            assertThat(fact).as("%s: %s%n%s", what, our, String.join("\n", log)).isTrue();
        }

        void run() throws SQLException {
            for (int i = 0; i < CALLS; i++) {
                results.removeIf(result -> result.closed && random.nextInt(4) == 0);
                step();
            }
            for (Result result : results) {
                result.close();
            }
            if (!autocommit) {
                end("commit", true, ours::commit, drivers::commit);
            }
        }

        private void step() throws SQLException {
            int kind = random.nextInt(20);
            if (autocommit && kind >= 7 && kind != 14 && kind <= 15) {
                closeHalfWritten();
            }
            switch (kind) {
                case 0:
                    setAutoCommit(random.nextBoolean());
                    break;
                case 1:
                    end("commit", true, ours::commit, drivers::commit);
                    break;
                case 2:
                    end("rollback", false, ours::rollback, drivers::rollback);
                    break;
                case 3:
                case 4:
                    setSavepoint();
                    break;
                case 5:
                    endSavepoint("rollback to", true);
                    break;
                case 6:
                    endSavepoint("release", false);
                    break;
                case 7:
                case 8:
                    open(random.nextInt(SLOTS));
                    break;
                case 9:
                case 10:
                    query(random.nextInt(SLOTS));
                    break;
                case 11:
                case 12:
                    change(random.nextInt(SLOTS));
                    break;
                case 13:
                    batch(random.nextInt(SLOTS));
                    break;
                case 14:
                    if (!results.isEmpty()) {
                        closeResult(results.get(random.nextInt(results.size())));
                    }
                    break;
                case 15:
                    metadata();
                    break;
                default:
                    if (!results.isEmpty()) {
                        next(results.get(random.nextInt(results.size())));
                    }
            }
        }

        // ---- transactions

        private interface Both {
            void call() throws SQLException;
        }

        private static Outcome outcome(Both call) {
            return Outcome.of(() -> {
                call.call();
                return null;
            });
        }

        private void setAutoCommit(boolean wanted) throws SQLException {
            if (wanted != autocommit && !begun) {
                closeHalfWritten(); // the driver begins at once, with what is half read, and the pool with its first
                // statement
            }
            Outcome our = outcome(() -> ours.setAutoCommit(wanted));
            if (wanted && !autocommit) {
                closeByRule(true);
            }
            check("setAutoCommit(" + wanted + ")", our, outcome(() -> drivers.setAutoCommit(wanted)));
            autocommit = wanted;
            begun &= !wanted;
        }

        private void end(String what, boolean commits, Both our, Both driver) throws SQLException {
            boolean inside = !autocommit;
            Outcome ourOutcome = outcome(our);
            if (inside) {
                closeByRule(commits);
            }
            check(what, ourOutcome, outcome(driver));
            begun = false;
        }

        /** In autocommit mode the driver's next statement would try to commit what is half read, fail, and stay in a transaction. */
        private void closeHalfWritten() throws SQLException {
            for (Result result : results) {
                if (result.writes) {
                    closeResult(result);
                }
            }
        }

        /** Rules 2 and 3. */
        private void closeByRule(boolean commits) throws SQLException {
            for (Result result : results) {
                if (result.writes || commits && givesBack) { // one that setMaxRows has cut off stands on a row
                    forget(result);
                }
            }
        }

        /** The pool may have closed it, and need not have if nothing was committed: asked at its next use. */
        private void forget(Result result) throws SQLException {
            if (!result.closed && result.ours.isClosed()) {
                result.close();
            }
        }

        private void setSavepoint() {
            if (autocommit) {
                return; // the driver switches autocommit off, the pool refuses
            }
            Savepoint[] both = new Savepoint[2];
            Outcome our = Outcome.of(() -> {
                both[0] = ours.setSavepoint();
                return null;
            });
            if (hasToWait(our, "setSavepoint")) {
                return;
            }
            Outcome driver = Outcome.of(() -> {
                both[1] = drivers.setSavepoint();
                return null;
            });
            check("setSavepoint", our, driver);
            if (both[0] != null) {
                savepoints.add(both);
            }
        }

        /** Of all that were ever set: a stale one is an error on both sides, and costs nothing. */
        private void endSavepoint(String what, boolean undo) throws SQLException {
            if (savepoints.isEmpty()) {
                return;
            }
            int number = random.nextInt(savepoints.size());
            Savepoint[] both = savepoints.get(number);
            Outcome our = outcome(() -> {
                if (undo) {
                    ours.rollback(both[0]);
                } else {
                    ours.releaseSavepoint(both[0]);
                }
            });
            for (Result result : results) {
                if (result.writes) {
                    forget(result); // rule 2
                }
            }
            Outcome driver = outcome(() -> {
                if (undo) {
                    drivers.rollback(both[1]);
                } else {
                    drivers.releaseSavepoint(both[1]);
                }
            });
            check(what + " " + number, our, driver);
            if (our.error != null) {
                require("3B001".equals(our.error.getSQLState()), what, our);
            }
        }

        // ---- statements

        private static final List<String> QUERIES = List.of(
                "SELECT id, v FROM t ORDER BY id",
                "SELECT id, v FROM t WHERE v > 3 ORDER BY v, id",
                "SELECT count(*), sum(v) FROM t",
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT i, i * i FROM n",
                "SELECT t.id, u.v FROM t JOIN t AS u ON u.id = t.id + 1 ORDER BY t.id");

        private String change() {
            long id = random.nextInt(30);
            switch (random.nextInt(10)) {
                case 0:
                case 1:
                    return "INSERT INTO t VALUES (" + nextId++ + ", " + random.nextInt(9) + ")";
                case 2:
                    return "INSERT INTO t VALUES (" + id + ", 1)"; // often there already
                case 3:
                    return "INSERT OR IGNORE INTO t VALUES (" + id + ", 2)";
                case 4:
                    return "INSERT INTO t VALUES (" + id + ", 3) ON CONFLICT (id) DO UPDATE SET v = v + 1";
                case 5:
                    return "UPDATE t SET v = v + 1 WHERE id % 7 = " + id % 7;
                case 6:
                    return "DELETE FROM t WHERE id = " + id;
                case 7:
                    return "INSERT INTO w VALUES (" + nextId++ + ")";
                case 8:
                    return "REPLACE INTO t VALUES (" + id + ", 4)";
                default:
                    return "WITH n(i) AS (VALUES (" + nextId++ + ")) INSERT INTO t SELECT i, 5 FROM n";
            }
        }

        private void open(int slot) throws SQLException {
            closeStatement(slot);
            String sql = random.nextBoolean() ? null : QUERIES.get(random.nextInt(QUERIES.size()));
            Outcome our = Outcome.of(() -> {
                ourStatements[slot] = sql == null ? ours.createStatement() : ours.prepareStatement(sql);
                return null;
            });
            Outcome driver = Outcome.of(() -> {
                driverStatements[slot] = sql == null ? drivers.createStatement() : drivers.prepareStatement(sql);
                return null;
            });
            check("statement " + slot + " " + sql, our, driver);
            prepared[slot] = sql;
        }

        private void closeStatement(int slot) throws SQLException {
            if (ourStatements[slot] != null) {
                closeResultsOf(slot);
                Objects.requireNonNull(ourStatements[slot]).close();
                Objects.requireNonNull(driverStatements[slot]).close();
                ourStatements[slot] = null;
                driverStatements[slot] = null;
            }
        }

        /** Rule 1: its statement runs again. */
        private void closeResultsOf(int slot) throws SQLException {
            for (Result result : results) {
                if (result.statement == slot) {
                    result.close();
                }
            }
        }

        private Statement ours(int slot) throws SQLException {
            if (ourStatements[slot] == null) {
                open(slot);
            }
            return Objects.requireNonNull(ourStatements[slot]);
        }

        private Statement drivers(int slot) {
            return Objects.requireNonNull(driverStatements[slot]);
        }

        private void query(int slot) throws SQLException {
            Statement our = ours(slot);
            boolean writes = prepared[slot] == null && random.nextInt(5) == 0;
            String sql = writes
                    ? "INSERT INTO t VALUES (" + nextId++ + ", 6), (" + nextId++ + ", 6), (" + nextId++
                            + ", 6) RETURNING id, v"
                    : QUERIES.get(random.nextInt(QUERIES.size()));
            boolean asked = random.nextBoolean();
            int most = random.nextInt(6) == 0 ? 2 : 0;
            ResultSet[] both = new ResultSet[2];
            String what = "query " + slot + (prepared[slot] == null ? " " + sql : "") + (asked ? " asked" : "");
            Outcome ourOutcome = Outcome.of(() -> {
                our.setMaxRows(most);
                both[0] = result(our, sql, asked);
                return null;
            });
            closeResultsOf(slot);
            if (hasToWait(ourOutcome, what)) {
                return;
            }
            Outcome driverOutcome = Outcome.of(() -> {
                drivers(slot).setMaxRows(most);
                both[1] = result(drivers(slot), sql, asked);
                return null;
            });
            check(what, ourOutcome, driverOutcome);
            if (both[0] != null) {
                results.add(new Result(both[0], Objects.requireNonNull(both[1]), writes, slot));
            }
        }

        private static ResultSet result(Statement statement, String sql, boolean asked) throws SQLException {
            if (statement instanceof PreparedStatement select) {
                return asked && select.execute() ? select.getResultSet() : select.executeQuery();
            }
            return asked && statement.execute(sql) ? statement.getResultSet() : statement.executeQuery(sql);
        }

        /** Rule 4. The call is not made on the driver either, and nothing has happened. */
        private boolean hasToWait(Outcome our, String what) {
            if (!our.isClosed()) {
                begun = !autocommit;
                return false;
            }
            boolean open = results.stream().anyMatch(Result::isOpen);
            require(!begun && hasReadLanes && open, what, our);
            return true;
        }

        private void change(int slot) throws SQLException {
            Statement our = ours(slot);
            if (prepared[slot] != null) {
                open(slot);
                return;
            }
            String sql = change();
            boolean keys = random.nextBoolean();
            Call ourCall =
                    () -> keys ? our.executeUpdate(sql, Statement.RETURN_GENERATED_KEYS) : our.executeUpdate(sql);
            Outcome ourOutcome = Outcome.of(ourCall);
            closeResultsOf(slot);
            if (hasToWait(ourOutcome, sql)) {
                return;
            }
            long before = driversNumber("SELECT count(*) FROM t");
            Outcome driverOutcome = Outcome.of(() -> keys
                    ? drivers(slot).executeUpdate(sql, Statement.RETURN_GENERATED_KEYS)
                    : drivers(slot).executeUpdate(sql));
            check(sql, ourOutcome, driverOutcome);
            keys(slot, sql, keys && ourOutcome.error == null, before);
        }

        private long driversNumber(String sql) throws SQLException {
            try (Statement statement = drivers.createStatement();
                    ResultSet number = statement.executeQuery(sql)) {
                return number.getLong(1);
            }
        }

        /** Rule 5: the number that the driver remembers counts if this statement has inserted a row with a row id. */
        private void keys(int slot, String sql, boolean wanted, long before) throws SQLException {
            List<Long> ourKeys = new ArrayList<>();
            Outcome our = Outcome.of(() -> {
                try (ResultSet keys = ours(slot).getGeneratedKeys()) {
                    while (keys.next()) {
                        ourKeys.add(keys.getLong(1));
                    }
                }
                return null;
            });
            boolean inserted = sql.startsWith("REPLACE") || driversNumber("SELECT count(*) FROM t") > before;
            List<Long> expected = wanted && inserted ? List.of(driversNumber("SELECT last_insert_rowid()")) : List.of();
            require(
                    our.error == null && ourKeys.equals(expected),
                    "keys of " + sql + " " + expected + " " + ourKeys,
                    our);
        }

        private void batch(int slot) throws SQLException {
            Statement our = ours(slot);
            if (prepared[slot] != null) {
                open(slot);
                return;
            }
            List<String> texts = new ArrayList<>();
            for (int i = random.nextInt(4); i >= 0; i--) {
                texts.add("INSERT INTO t VALUES (" + nextId++ + ", 7)");
            }
            Outcome ourOutcome = Outcome.of(() -> batch(our, texts));
            closeResultsOf(slot);
            if (hasToWait(ourOutcome, "batch")) {
                return;
            }
            check("batch " + slot, ourOutcome, Outcome.of(() -> batch(drivers(slot), texts)));
        }

        private static Object batch(Statement statement, List<String> texts) throws SQLException {
            statement.clearBatch();
            for (String text : texts) {
                statement.addBatch(text);
            }
            List<Integer> counts = new ArrayList<>();
            for (int count : statement.executeBatch()) {
                counts.add(count);
            }
            return counts;
        }

        private void metadata() throws SQLException {
            ResultSet[] both = new ResultSet[2];
            Outcome our = Outcome.of(() -> {
                both[0] = ours.getMetaData().getColumns(null, null, "t", null);
                return null;
            });
            Outcome driver = Outcome.of(() -> {
                both[1] = drivers.getMetaData().getColumns(null, null, "t", null);
                return null;
            });
            check("metadata", our, driver);
            results.add(new Result(Objects.requireNonNull(both[0]), Objects.requireNonNull(both[1]), false, -1));
        }

        // ---- results

        private void next(Result result) throws SQLException {
            if (!result.closed && result.ours.isClosed()) {
                Outcome our = Outcome.of(result.ours::next);
                // One that is read to its end may stay behind on another lane.
                require(our.isClosed() && (result.finished || result.drivers.isClosed()), "next", our);
                result.close();
                return;
            }
            if (result.closed) {
                Outcome our = Outcome.of(result.ours::next);
                require(our.isClosed(), "next of one that is closed", our); // rule 1
                return;
            }
            Call[] calls = new Call[2];
            calls[0] = () -> row(result.ours);
            calls[1] = () -> row(result.drivers);
            Outcome our = Outcome.of(calls[0]);
            check("next of " + result.statement, our, Outcome.of(calls[1]));
            result.finished = our.error != null || "end".equals(our.value);
            if (our.error != null) {
                result.close();
            }
        }

        private static Object row(ResultSet rows) throws SQLException {
            if (!rows.next()) {
                return "end";
            }
            StringBuilder row = new StringBuilder();
            for (int i = 1; i <= rows.getMetaData().getColumnCount(); i++) {
                row.append(rows.getString(i)).append('|');
            }
            return row.toString();
        }

        private void closeResult(Result result) throws SQLException {
            result.ours.close();
            result.close();
            log.add("close of a result of " + result.statement);
        }
    }

    private static void create(Connection jdbc) throws SQLException {
        try (Statement statement = jdbc.createStatement()) {
            statement.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)");
            statement.execute("CREATE TABLE w (k PRIMARY KEY) WITHOUT ROWID");
            statement.execute(
                    "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20)"
                            + " SELECT i, i % 5 FROM n");
        }
    }

    private static List<String> content(Connection jdbc) throws SQLException {
        List<String> content = new ArrayList<>();
        try (Statement statement = jdbc.createStatement();
                ResultSet rows = statement.executeQuery(
                        "SELECT 't' || id || '|' || v FROM t UNION ALL SELECT 'w' || k FROM w ORDER BY 1")) {
            while (rows.next()) {
                content.add(rows.getString(1));
            }
        }
        return content;
    }

    @Test
    void theSameCallsGiveTheSameAsTheBareDriver() throws SQLException {
        Long only = Long.getLong("sqlitepool.differential.seed");
        long seed = only == null ? 0 : only;
        for (int kind = 0; kind < 4; kind++) {
            boolean hasReadLanes = kind == 0 || kind == 1;
            Durability durability = kind == 1 ? Durability.NORMAL : Durability.FULL;
            int size = hasReadLanes ? 3 : 1;
            SqlitePool pool = kind == 3
                    ? pools.build(SqlitePool.builder().inMemory())
                    : pools.open(settings -> settings.poolSize(size).durability(durability));
            for (int i = 0; i < (only == null ? SEQUENCES : 1); i++) {
                long own = seed + i;
                int of = kind;
                try {
                    sequence(pool, own, hasReadLanes, kind == 0);
                } catch (Throwable e) {
                    throw new AssertionError("kind " + of + ", seed " + own + ": " + e.getMessage(), e);
                }
            }
            pool.close();
            delete();
        }
    }

    private void delete() {
        for (String end : List.of("", "-wal", "-shm")) {
            pools.directory().resolve(pools.file().getFileName() + end).toFile().delete();
        }
    }

    private static void sequence(SqlitePool pool, long seed, boolean hasReadLanes, boolean givesBack)
            throws SQLException {
        try (Connection drivers = DriverManager.getConnection("jdbc:sqlite::memory:")) {
            create(drivers);
            pool.blocking().useConnection(c -> {
                c.execute("DROP TABLE IF EXISTS t");
                c.execute("DROP TABLE IF EXISTS w");
                create(c.jdbc());
            });
            pool.blocking()
                    .useConnection(
                            c -> new Sequence(new Random(seed), c.jdbc(), drivers, hasReadLanes, givesBack).run());
            List<String> ours = pool.blocking()
                    .query(
                            "SELECT 't' || id || '|' || v FROM t UNION ALL SELECT 'w' || k FROM w ORDER BY 1",
                            row -> row.getString(1));
            assertThat(ours).isEqualTo(content(drivers));
        }
    }
}
