package dev.sqlitepool.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.Lease;
import dev.sqlitepool.PoolException;
import dev.sqlitepool.SqlitePool;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** README.md and the pages in docs/ show what is compiled in this module, and what they show works. Their links lead somewhere. */
@Timeout(240)
class ReadmeTest {
    private static final Pattern BLOCK = Pattern.compile("```java\n(.*?)```", Pattern.DOTALL);
    private static final Pattern SNIPPET = Pattern.compile("// snippet: [-a-z]+\n(.*?)// end\n", Pattern.DOTALL);

    private static final Pattern LINK = Pattern.compile("]\\((?!https?:)([^)\\s]+)\\)");
    private static final Pattern MESSAGE = Pattern.compile("^\\| (?:… )?`([^`]+)`", Pattern.MULTILINE);
    private static final Pattern EXAMPLE = Pattern.compile("<pre>\\{@code\n(.*?) \\* }</pre>", Pattern.DOTALL);
    private static final Pattern CONSTRAINTS = Pattern.compile("^staticStringinWords"); // core's ConstraintKindsTest
    private static final Pattern HEADING = Pattern.compile("^#+ (.+)$", Pattern.MULTILINE);

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

    private static Set<String> snippets() throws IOException {
        Set<String> snippets = new HashSet<>();
        try (Stream<Path> sources = Files.walk(projectFile("examples/src/main/java"))) {
            for (Path source :
                    sources.filter(file -> file.toString().endsWith(".java")).toList()) {
                snippets.addAll(found(SNIPPET, source));
            }
        }
        return snippets;
    }

    @Test
    void everyExampleOfTheJavadocIsASnippetOfTheSources() throws IOException {
        Set<String> snippets = snippets();
        int examples = 0;
        try (Stream<Path> types = Files.list(projectFile("core/src/main/java/dev/sqlitepool"))) {
            for (Path type :
                    types.filter(file -> file.toString().endsWith(".java")).toList()) {
                for (MatchResult example :
                        EXAMPLE.matcher(Files.readString(type)).results().toList()) {
                    examples++;
                    String code = example.group(1).replaceAll("(?m)^ *\\*", "").replaceAll("\\s", "");
                    assertThat(snippets.contains(code)
                                    || CONSTRAINTS.matcher(code).find())
                            .as(code)
                            .isTrue();
                }
            }
        }
        assertThat(examples).isGreaterThan(7);
    }

    @Test
    void theExamplesOfTheJavadocRun() throws Exception {
        Path shop = Path.of("shop.db");
        Files.deleteIfExists(shop);
        try (SqlitePool built = JavadocSnippets.builder()) {
            built.useConnection(conn -> conn.executeScript(ReadmeSnippets.SCHEMA))
                    .join();
        }
        List<Object> seen = new ArrayList<>();
        JavadocSnippets.pool(seen::add);
        Files.delete(shop);
        assertThat(seen).containsExactly(1L);

        Map<Long, Long> cache = new ConcurrentHashMap<>(Map.of(7L, 1L));
        JavadocSnippets.transaction(pool, cache).join();
        assertThat(cache).isEmpty();
        pool.execute("UPDATE stock SET units = 0").join();
        JavadocSnippets.lease(pool).join();
        ReadmeSnippets.data(pool).join();
        assertThat(JavadocSnippets.blocking(pool)).isEqualTo(3);
        try (Lease lease = pool.acquire().join()) {
            JavadocSnippets.cursor(lease, seen::add).join();
        }
        assertThat(seen).containsExactly(1L, "Ada", "Bob", "Cy");
        assertThat(JavadocSnippets.mappers()).hasSize(2);
        JavadocSnippets.errors(pool, seen::add);
        pool.close();
        JavadocSnippets.errors(pool, seen::add);
        assertThat(seen).last().isEqualTo(false);
    }

    @Test
    void everyJavaBlockIsASnippetOfTheSources() throws IOException {
        Set<String> snippets = snippets();
        for (Path page : pages()) {
            if (!page.endsWith("r2dbc.md")) { // its blocks are compiled and compared in the module of its examples
                assertThat(snippets).as(page.toString()).containsAll(found(BLOCK, page));
            }
        }
        assertThat(found(BLOCK, projectFile("README.md"))).hasSize(2);
        assertThat(found(BLOCK, projectFile("docs/tour.md"))).hasSizeGreaterThan(10);
    }

    @Test
    void everyLinkLeadsToAFileAndToAHeading() throws IOException {
        List<String> broken = new ArrayList<>();
        for (Path page : pages()) {
            LINK.matcher(Files.readString(page))
                    .results()
                    .map(link -> link.group(1))
                    .forEach(link -> {
                        String[] parts = link.split("#", 2);
                        Path target = parts[0].isEmpty() ? page : page.resolveSibling(parts[0]);
                        if (!Files.exists(target)
                                || parts.length == 2 && !anchors(target).contains(parts[1])) {
                            broken.add(page + ": " + link);
                        }
                    });
        }
        assertThat(broken).isEmpty();
    }

    @Test
    void theIndexNamesEveryPage() throws IOException {
        String index = Files.readString(projectFile("docs/README.md"));
        for (Path page : pages()) {
            if (page.getParent().endsWith("docs") && !page.endsWith("README.md")) {
                assertThat(index).contains("(" + page.getFileName() + ")");
            }
        }
    }

    /** Of the pool's own messages; those of SQLite and of Java follow in the page. */
    @Test
    void everyMessageOfThePoolIsInItsSources() throws IOException {
        StringBuilder sources = new StringBuilder();
        try (Stream<Path> files = Files.walk(projectFile("core/src/main/java"))) {
            for (Path file :
                    files.filter(name -> name.toString().endsWith(".java")).toList()) {
                sources.append(Files.readString(file));
            }
        }
        String literals = sources.toString().replaceAll("\"\\s*\\+\\s*\"", "");
        String page = Files.readString(projectFile("docs/troubleshooting.md"));
        List<String> messages = MESSAGE.matcher(page.substring(0, page.indexOf("## Messages of SQLite")))
                .results()
                .map(row -> row.group(1))
                .toList();
        assertThat(messages).hasSizeGreaterThan(25);
        assertThat(messages).filteredOn(message -> !literals.contains(message)).isEmpty();
    }

    /** README.md and the pages in docs/. */
    private static List<Path> pages() throws IOException {
        List<Path> pages = new ArrayList<>(List.of(projectFile("README.md")));
        try (Stream<Path> docs = Files.list(projectFile("docs"))) {
            docs.filter(file -> file.toString().endsWith(".md")).sorted().forEach(pages::add);
        }
        return pages;
    }

    /** The anchors of a page's headings, as GitHub makes them. */
    private static List<String> anchors(Path page) {
        try {
            return HEADING.matcher(Files.readString(page))
                    .results()
                    .map(heading -> heading.group(1)
                            .toLowerCase(Locale.ROOT)
                            .replaceAll("[^\\p{L}0-9 _-]", "")
                            .replace(' ', '-'))
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
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
    void jdbcCommitsWithTheFunction() {
        ReadmeSnippets.data(pool).join();
        assertThat(ReadmeSnippets.jdbc(pool).join()).isEqualTo(3);
        assertThat(pool.queryOne("SELECT name FROM users WHERE id = 103", row -> row.getString(1))
                        .join())
                .contains("Cy");
    }

    @Test
    void constraintsAreToldApart() {
        assertThat(ReadmeSnippets.addUser(pool, 1, "Ada", null).join()).isTrue();
        assertThat(ReadmeSnippets.addUser(pool, 1, "Bob", null).join()).isFalse();
        assertThat(ReadmeSnippets.addUser(pool, 2, "Ada", null).join()).isFalse();
        assertThatThrownBy(() -> ReadmeSnippets.addUser(pool, 3, "Cy", 9L).join())
                .hasCauseInstanceOf(IllegalArgumentException.class);
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
