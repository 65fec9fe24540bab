package dev.sqlitepool.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.PoolException;
import dev.sqlitepool.SqlitePool;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** README.md shows what is compiled in this module, and what it shows works. */
@Timeout(240)
class ReadmeTest {
    private static final Pattern BLOCK = Pattern.compile("```java\n(.*?)```", Pattern.DOTALL);
    private static final Pattern SNIPPET = Pattern.compile("// snippet: [-a-z]+\n(.*?)// end\n", Pattern.DOTALL);

    @TempDir
    Path directory;

    private SqlitePool pool;

    @BeforeEach
    void openPool() {
        pool = SqlitePool.open(directory.resolve("readme.db"));
        pool.useConnection(conn -> conn.executeScript(ReadmeSnippets.SCHEMA)).join();
    }

    @AfterEach
    void closePool() {
        pool.close();
    }

    @Test
    void everyJavaBlockIsASnippetOfTheSources() throws IOException {
        Set<String> snippets = new HashSet<>();
        try (Stream<Path> sources = Files.walk(projectFile("examples/src/main/java"))) {
            for (Path source :
                    sources.filter(file -> file.toString().endsWith(".java")).toList()) {
                snippets.addAll(found(SNIPPET, source));
            }
        }
        List<String> blocks = found(BLOCK, projectFile("README.md"));
        assertThat(blocks).hasSizeGreaterThan(5);
        assertThat(snippets).containsAll(blocks);
    }

    private static List<String> found(Pattern pattern, Path file) throws IOException {
        List<String> found = new ArrayList<>();
        String text = Files.readString(file).replace("\r\n", "\n");
        pattern.matcher(text)
                .results()
                .forEach(match -> found.add(match.group(1).replaceAll("\\s", "")));
        return found;
    }

    /** Wherever in the project the test is started. */
    private static Path projectFile(String name) {
        Path directory = Path.of("").toAbsolutePath();
        while (!Files.exists(directory.resolve("README.md")) || !Files.exists(directory.resolve("examples"))) {
            directory = directory.getParent();
        }
        return directory.resolve(name);
    }

    @Test
    void tenLinesCanBeRepeated() throws Exception {
        Path database = Path.of("my_app.db");
        Files.deleteIfExists(database);
        ReadmeSnippets.tenLines();
        ReadmeSnippets.tenLines();
        assertThat(Jdbc.column(database, "SELECT name FROM users")).containsExactly("Alice", "Alice");
        Files.delete(database);
    }

    @Test
    void transactionReturnsTheOrder() throws Exception {
        pool.execute("INSERT INTO stock VALUES (5, 10)").join();
        assertThat(ReadmeSnippets.transaction(pool, 5).join()).isEqualTo(1);
        assertThat(ReadmeSnippets.read(pool).join()).isEqualTo("1 orders, 9 units left");
        ReadmeSnippets.connection(pool).join();
    }

    @Test
    void dataIsMappedAndCounted() throws Exception {
        assertThat(ReadmeSnippets.data(pool).join()).containsExactly("Ada", "Bob", "Cy");
        assertThat(ReadmeSnippets.mapper(pool).join()).contains(new QuickStarts.User(1, "Ada"));
        assertThat(ReadmeSnippets.blocking(pool)).isEqualTo(3);
    }

    @Test
    void streamGivesEveryRow() {
        pool.execute("INSERT INTO users VALUES (1, 'Ada'), (2, 'Bob')").join();
        List<String> names = new ArrayList<>();
        ReadmeSnippets.stream(pool, user -> names.add(user.name())).join();
        assertThat(names).containsExactly("Ada", "Bob");
    }

    @Test
    void leaseKeepsItsTransaction() throws Exception {
        pool.execute("INSERT INTO stock VALUES (1, 0), (2, 0), (3, 1)").join();
        assertThat(ReadmeSnippets.lease(pool).join()).isEqualTo(2);
        assertThat(pool.query("SELECT product FROM stock", row -> row.getLong(1))
                        .join())
                .containsExactly(3L);
    }

    @Test
    void changesAreTold() throws Exception {
        BlockingQueue<Set<String>> told = new LinkedBlockingQueue<>();
        ReadmeSnippets.changes(pool, told::add);
        ReadmeSnippets.data(pool).join(); // writes another table
        pool.execute("INSERT INTO stock VALUES (5, 10)").join();
        assertThat(told.poll(60, TimeUnit.SECONDS)).containsExactly("stock");
        ReadmeSnippets.transaction(pool, 5).join();
        assertThat(told.poll(60, TimeUnit.SECONDS)).containsExactlyInAnyOrder("orders", "stock");
    }

    @Test
    void backupCopiesTheDatabase() throws Exception {
        ReadmeSnippets.data(pool).join();
        List<String> log = Collections.synchronizedList(new ArrayList<>());
        ReadmeSnippets.backup(pool, directory.resolve("copy.db"), log::add).join();
        assertThat(log).last().isEqualTo("100 %");
        assertThat(Jdbc.column(directory.resolve("copy.db"), "SELECT name FROM users ORDER BY id"))
                .containsExactly("Ada", "Bob", "Cy");
    }

    @Test
    void slowQueryEndsInTime() {
        String endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
        assertThatThrownBy(() -> ReadmeSnippets.cancel(pool, endless).get()).hasCauseInstanceOf(TimeoutException.class);
    }

    @Test
    void savepointIsUndoneAlone() {
        ReadmeSnippets.savepoint(pool).join();
        ReadmeSnippets.savepoint(pool).join();
        assertThat(pool.query("SELECT units FROM stock", row -> row.getLong(1)).join())
                .containsExactly(200L);
        assertThat(pool.query("SELECT product FROM orders", row -> row.getLong(1))
                        .join())
                .containsExactly(7L, 7L);
    }

    @Test
    void afterTheCommitTheCacheIsDropped() {
        Map<Long, Long> cache = new ConcurrentHashMap<>(Map.of(5L, 10L, 6L, 1L));
        ReadmeSnippets.afterCommit(pool, cache, 5).join();
        assertThat(cache).containsOnlyKeys(6L);
    }

    @Test
    void errorsAreToldApart() {
        List<String> log = new ArrayList<>();
        assertThat(ReadmeSnippets.errors(pool, log::add).join()).isEqualTo(1);
        assertThatThrownBy(() -> ReadmeSnippets.errors(pool, log::add).join()).hasCauseInstanceOf(SQLException.class);
        pool.close();
        assertThatThrownBy(() -> ReadmeSnippets.errors(pool, log::add).join()).hasCauseInstanceOf(PoolException.class);
        assertThat(log).hasSize(2);
        assertThat(log.get(0)).startsWith("SQLite refuses: ");
        assertThat(log.get(1)).startsWith("It had no effect: ");
    }

    @Test
    void settingsAreTaken() {
        try (SqlitePool small = ReadmeSnippets.settings(directory.resolve("small.db"))) {
            assertThat(small.stats().readConnections().max()).isEqualTo(3);
            assertThat(small.connection(conn -> conn.queryOne("PRAGMA cache_size", row -> row.getLong(1)))
                            .join())
                    .contains(-64_000L);
        }
    }
}
