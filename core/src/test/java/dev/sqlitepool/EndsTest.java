package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.testing.DocumentTables;
import dev.sqlitepool.testing.Pools;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** Does what each row of {@code docs/ends.md} says. */
@Tag("slow") // javac, and a dozen pools
class EndsTest {
    private static final String PAGE = "docs/ends.md";
    private static final String NONE = "–";

    @RegisterExtension
    final Pools pools = new Pools();

    @TempDir
    Path compiled;

    // ---- settings

    /** What a pool does differently with a value at an end; the words are those of the page. */
    private final Map<String, Check> effects = Map.of(
            "opens only as many as are needed", this::opensOnlyAsManyAsAreNeeded,
            "does not wait for a connection that another task holds", this::doesNotWaitForAnotherTask,
            "no task waits for another", this::noTaskWaits,
            "fails at once while another process holds the lock", this::doesNotRetry,
            "keeps none", this::keepsNoStatement,
            "interrupts a running statement at once", this::interruptsAtOnce);

    private interface Check {
        void on(UnaryOperator<SqlitePoolBuilder> setting) throws Exception;
    }

    @Test
    void everySettingHasItsRow() throws IOException {
        Set<String> setters = Stream.of(SqlitePoolBuilder.class.getMethods())
                .filter(method -> method.getReturnType() == SqlitePoolBuilder.class)
                .map(Method::getName)
                .collect(Collectors.toCollection(TreeSet::new));
        List<String> rows =
                settings().stream().map(row -> code(row.get(0))).sorted().toList();
        assertThat(rows).containsExactlyElementsOf(setters);
    }

    @Test
    void defaultsAreThoseOfThePage() throws Exception {
        Settings defaults = BuilderSettings.of(SqlitePool.builder().databasePath(pools.file()));
        Set<String> components = Arrays.stream(Settings.class.getRecordComponents())
                .map(component -> component.getName())
                .collect(Collectors.toSet());
        for (List<String> row : settings()) {
            String setting = code(row.get(0));
            if (!components.contains(setting) || row.get(1).equals("no value")) {
                continue;
            }
            Object value = Settings.class.getMethod(setting).invoke(defaults);
            if (setting.equals("name")) {
                assertThat(value.toString()).matches("sqlitepool-\\d+");
            } else {
                assertThat(row.get(2)).as(setting).isEqualTo(inWords(value));
            }
        }
        assertThat(defaults.pragmas())
                .isEqualTo(Map.of("journal_mode", "WAL", "foreign_keys", "ON", "trusted_schema", "OFF"));
    }

    private static String inWords(Object value) {
        if (value == null || value instanceof Collection<?> hooks && hooks.isEmpty()) {
            return "none";
        }
        return value instanceof Duration duration ? duration.toSeconds() + " s" : value.toString();
    }

    @Test
    void everySettingDoesAtItsEndsWhatThePageSays() throws Exception {
        List<String> ends = List.of("zero", "negative", "huge", "null");
        for (List<String> row : settings()) {
            Method setter = Stream.of(SqlitePoolBuilder.class.getMethods())
                    .filter(method -> method.getName().equals(code(row.get(0))))
                    .findFirst()
                    .orElseThrow();
            for (int i = 0; i < ends.size(); i++) {
                try {
                    setting(setter, ends.get(i), row.get(3 + i));
                } catch (Exception | AssertionError e) {
                    throw new AssertionError(setter.getName() + " at " + ends.get(i) + ": " + e.getMessage(), e);
                }
            }
        }
    }

    private void setting(Method setter, String end, String cell) throws Exception {
        Class<?>[] types = setter.getParameterTypes();
        Object[] values = types.length == 0 ? new Object[0] : atTheEnd(types, end);
        if (values == null || types.length == 0) {
            assertThat(cell).isEqualTo(NONE);
            return;
        }
        UnaryOperator<SqlitePoolBuilder> setting = builder -> {
            try {
                return (SqlitePoolBuilder) setter.invoke(builder, values);
            } catch (InvocationTargetException e) {
                throw (RuntimeException) e.getCause();
            } catch (IllegalAccessException e) {
                throw new AssertionError(e);
            }
        };
        if (cell.equals("refused")) {
            assertThatThrownBy(() -> setting.apply(SqlitePool.builder())).isInstanceOf(NullPointerException.class);
        } else if (cell.startsWith("refused: ")) {
            SqlitePoolBuilder builder =
                    SqlitePool.builder().databasePath(pools.file()).name("unchanged");
            Settings before = BuilderSettings.of(builder);
            assertThatThrownBy(() -> setting.apply(builder))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageStartingWith(setter.getName())
                    .hasMessageContaining(code(cell.substring(9)));
            assertThat(BuilderSettings.of(builder)).isEqualTo(before);
        } else if (cell.startsWith("taken, and the first use fails: ")) {
            assertThatThrownBy(() -> pools.open(setting).execute("SELECT 1").join())
                    .hasCauseInstanceOf(SQLException.class)
                    .hasMessageContaining(code(cell.substring(cell.indexOf('`'))));
        } else {
            assertThat(cell).startsWith("taken");
            works(setting);
            if (cell.startsWith("taken: ")) {
                assertThat(effects).containsKey(cell.substring(7));
                effects.get(cell.substring(7)).on(setting);
            }
        }
        pools.closeAll();
    }

    /** The arguments at one end; null if the types have none. */
    private static Object[] atTheEnd(Class<?>[] types, String end) {
        Class<?> type = types[0];
        Object value = null;
        switch (end) {
            case "zero" ->
                value = type == Duration.class
                        ? Duration.ZERO
                        : type == int.class
                                ? (Object) 0
                                : type == long.class
                                        ? (Object) 0L
                                        : type == String.class ? "" : type == Path.class ? Path.of("") : null;
            case "negative" ->
                value = type == Duration.class
                        ? Duration.ofNanos(-1)
                        : type == int.class ? (Object) (-1) : type == long.class ? (Object) (-1L) : null;
            case "huge" ->
                value = type == Duration.class
                        ? Duration.ofSeconds(Long.MAX_VALUE)
                        : type == int.class
                                ? (Object) Integer.MAX_VALUE
                                : type == long.class
                                        ? (Object) Long.MAX_VALUE
                                        : type == String.class
                                                ? "x".repeat(100_000)
                                                : type == Path.class ? Path.of("x".repeat(100_000)) : null;
            default -> {
                return type.isPrimitive() ? null : new Object[types.length];
            }
        }
        return value == null ? null : types.length == 1 ? new Object[] {value} : new Object[] {value, "1"};
    }

    private void works(UnaryOperator<SqlitePoolBuilder> setting) {
        try (SqlitePool pool =
                setting.apply(SqlitePool.builder().databasePath(pools.file())).build()) {
            pool.execute("CREATE TABLE IF NOT EXISTS works (x)").join();
            pool.useTransaction(tx -> tx.execute("INSERT INTO works VALUES (1)"))
                    .join();
            assertThat(pool.query("SELECT x FROM works", row -> row.getInt(1)).join())
                    .contains(1);
        }
    }

    private void opensOnlyAsManyAsAreNeeded(UnaryOperator<SqlitePoolBuilder> setting) {
        SqlitePool pool = pools.open(setting);
        pool.query("SELECT 1", row -> 1).join();
        assertThat(pool.stats().opened()).isLessThanOrEqualTo(2);
    }

    private void doesNotWaitForAnotherTask(UnaryOperator<SqlitePoolBuilder> setting) {
        whileBusy(pools.open(setting), pool -> assertThatThrownBy(
                        () -> pool.execute("SELECT 1").join())
                .hasCauseInstanceOf(PoolTimeoutException.class));
    }

    private void noTaskWaits(UnaryOperator<SqlitePoolBuilder> setting) {
        whileBusy(pools.open(setting), pool -> assertThatThrownBy(
                        () -> pool.execute("SELECT 1").join())
                .hasCauseInstanceOf(PoolExhaustedException.class));
    }

    /** Tries something while another task holds the only connection that may write. */
    private static void whileBusy(SqlitePool pool, java.util.function.Consumer<SqlitePool> trial) {
        CountDownLatch inside = new CountDownLatch(1);
        CountDownLatch enough = new CountDownLatch(1);
        CompletableFuture<Void> holder = pool.useTransaction(tx -> {
            inside.countDown();
            enough.await();
        });
        try {
            Pools.await("the task runs", () -> inside.getCount() == 0);
            trial.accept(pool);
        } finally {
            enough.countDown();
            holder.join();
        }
    }

    private void doesNotRetry(UnaryOperator<SqlitePoolBuilder> setting) throws SQLException {
        SqlitePool pool = pools.open(setting);
        pool.execute("CREATE TABLE IF NOT EXISTS works (x)").join();
        try (Connection other = DriverManager.getConnection("jdbc:sqlite:" + pools.file());
                Statement statement = other.createStatement()) {
            statement.execute("BEGIN IMMEDIATE");
            assertThatThrownBy(
                            () -> pool.execute("INSERT INTO works VALUES (2)").join())
                    .hasMessageContaining("SQLITE_BUSY");
            statement.execute("ROLLBACK");
        }
    }

    private void keepsNoStatement(UnaryOperator<SqlitePoolBuilder> setting) {
        SqlitePool pool = pools.open(setting);
        for (int i = 0; i < 3; i++) {
            pool.query("SELECT 1", row -> 1).join();
        }
        assertThat(pool.stats().statementHits()).isZero();
        assertThat(pool.stats().statementMisses()).isGreaterThanOrEqualTo(3);
    }

    private void interruptsAtOnce(UnaryOperator<SqlitePoolBuilder> setting) {
        SqlitePool pool = pools.open(setting);
        CompletableFuture<?> endless =
                pool.query("WITH c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c", row -> 1);
        Pools.await("it runs", () -> pool.stats().readConnections().borrowed() == 1);
        long began = System.nanoTime();
        pool.close();
        assertThat(endless).isCompletedExceptionally();
        assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(Duration.ofSeconds(25)); // the default is 30
    }

    // ---- values

    @Test
    void everyTypeIsBoundAndReadOnThePage() throws IOException {
        Set<String> bound = bound().stream().map(row -> row.get(0)).collect(Collectors.toCollection(TreeSet::new));
        Set<String> read = read().stream().map(row -> row.get(0)).collect(Collectors.toCollection(TreeSet::new));
        bound.removeAll(Set.of("null", "unsupported"));
        read.remove("`Object`");
        assertThat(read).isEqualTo(bound);
    }

    @Test
    void everyValueIsBoundAsThePageSays() throws Exception {
        List<List<String>> rows = bound();
        Object[] values = evaluate(rows.stream().map(row -> code(row.get(1))).toList());
        SqlitePool pool = pools.open();
        for (int i = 0; i < values.length; i++) {
            Object value = values[i];
            String type = code(rows.get(i).get(0));
            String cell = rows.get(i).get(2);
            String what = rows.get(i).get(1);
            if (!Set.of("null", "unsupported", "an enum").contains(type)) {
                assertThat(value.getClass().getSimpleName()).as(what).isEqualTo(type);
            }
            if (cell.startsWith("refused: ")) {
                assertThatThrownBy(() -> pool.execute("SELECT ?", value).join())
                        .as(what)
                        .satisfies(error -> assertThat(error.getCause() == null ? error : error.getCause())
                                .isInstanceOf(IllegalArgumentException.class)
                                .hasMessageStartingWith("Parameter 1 ")
                                .hasMessageContaining(code(cell.substring(9))));
            } else {
                String sql = "SELECT typeof(?1) || ' ' || quote(?1), typeof(?2) || ' ' || quote(?2)"
                        .replace("?2", "(" + code(cell) + ")");
                List<List<String>> same = pool.<List<String>>query(
                                sql, row -> List.of(row.getString(1), row.getString(2)), new Object[] {value})
                        .join();
                assertThat(same.get(0).get(0)).as(what).isEqualTo(same.get(0).get(1));
            }
        }
    }

    @Test
    void everyValueIsReadAsThePageSays() throws Exception {
        List<List<String>> rows = read();
        List<String> expressions = new ArrayList<>();
        for (List<String> row : rows) {
            expressions.add("(dev.sqlitepool.RowMapper<Object>) row -> " + code(row.get(2)));
            expressions.add(row.get(3).startsWith("refused: ") ? "null" : code(row.get(3)));
        }
        Object[] values = evaluate(expressions);
        SqlitePool pool = pools.open();
        for (int i = 0; i < rows.size(); i++) {
            List<String> row = rows.get(i);
            @SuppressWarnings("unchecked")
            RowMapper<Object> reading = (RowMapper<Object>) values[2 * i];
            CompletableFuture<List<Object>> result = pool.query("SELECT " + code(row.get(1)), reading);
            String cell = row.get(3);
            if (cell.startsWith("refused: ")) {
                assertThatThrownBy(result::join)
                        .as("%s", row)
                        .hasCauseInstanceOf(SQLException.class)
                        .hasMessageContaining(code(cell.substring(9)));
            } else {
                assertThatCode(result::join).as("%s", row).doesNotThrowAnyException();
                assertThat(result.join().get(0)).as("%s", row).isEqualTo(values[2 * i + 1]);
            }
        }
    }

    /** The values of expressions in Java. */
    private Object[] evaluate(List<String> expressions) throws Exception {
        String source =
                "import java.math.*; import java.time.*; import java.util.*; public class Ends { public static Object[] values() {"
                        + " return new Object[] {\n" + String.join(",\n", expressions) + "\n}; } }";
        Path file = Files.writeString(compiled.resolve("Ends.java"), source);
        int errors = ToolProvider.getSystemJavaCompiler()
                .run(
                        null,
                        null,
                        null,
                        "-proc:none",
                        "-cp",
                        Path.of(RowMapper.class
                                        .getProtectionDomain()
                                        .getCodeSource()
                                        .getLocation()
                                        .toURI())
                                .toString(),
                        "-d",
                        compiled.toString(),
                        file.toString());
        assertThat(errors).as("errors of javac in " + PAGE).isZero();
        try (URLClassLoader loader = new URLClassLoader(
                new URL[] {compiled.toUri().toURL()}, getClass().getClassLoader())) {
            return (Object[]) loader.loadClass("Ends").getMethod("values").invoke(null);
        }
    }

    // ---- the page

    private static List<List<String>> settings() throws IOException {
        return DocumentTables.rows(PAGE, "setting", "type", "default", "zero", "negative", "huge", "null");
    }

    private static List<List<String>> bound() throws IOException {
        return DocumentTables.rows(PAGE, "type", "value", "in SQLite");
    }

    private static List<List<String>> read() throws IOException {
        return DocumentTables.rows(PAGE, "type", "in SQLite", "read by", "gives");
    }

    /** The text between backticks. */
    private static String code(String cell) {
        return cell.startsWith("`") && cell.endsWith("`") ? cell.substring(1, cell.length() - 1) : cell;
    }
}
