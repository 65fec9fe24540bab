package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sqlitepool.testing.Pools;
import java.io.File;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Where a database and a backup may lie, and what is said of where they may not. */
class PathsTest {
    @RegisterExtension
    final Pools pools = new Pools();

    private static String classPath() {
        List<String> places = new ArrayList<>(List.of(System.getProperty("java.class.path")));
        for (Class<?> each : List.of(PathsTest.class, SqlitePool.class, org.sqlite.JDBC.class)) {
            places.add(Path.of(URI.create(each.getProtectionDomain()
                            .getCodeSource()
                            .getLocation()
                            .toString()))
                    .toString());
        }
        return String.join(File.pathSeparator, places);
    }

    /** Opens and writes, backs up, and opens the backup. */
    static final class InPlainLocale {
        private InPlainLocale() {}

        public static void main(String[] arguments) throws Exception {
            System.out.println("encoding " + System.getProperty("sun.jnu.encoding"));
            Path directory = Path.of(URI.create(arguments[0]));
            for (Path database : List.of(directory.resolve("one.db"), directory.resolve("two.db"))) {
                try (SqlitePool pool = SqlitePool.open(database)) {
                    pool.blocking().execute("CREATE TABLE t (x)");
                    pool.blocking().transaction(tx -> tx.execute("INSERT INTO t VALUES (1)"));
                    System.out.println("rows "
                            + pool.blocking()
                                    .queryOne("SELECT count(*) FROM t", row -> row.getLong(1))
                                    .orElseThrow());
                    System.out.println(
                            "log " + (pool.stats().walSize() > 0 ? "opened by the pool" : "not opened by the pool"));
                    pool.backup(directory.resolve("copy-of-" + database.getFileName()))
                            .join();
                }
            }
            Path named = Path.of(URI.create(arguments[0] + "%C3%BC.db")); // the name of the file, too
            try (SqlitePool pool = SqlitePool.open(named)) {
                pool.blocking().execute("CREATE TABLE t (x)");
                pool.backup(Path.of(URI.create(arguments[0] + "copy-of-%C3%BC.db")))
                        .join();
            }
            System.out.println("done");
        }
    }

    private String inLocale(String locale, Path directory) throws Exception {
        ProcessBuilder builder = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:TieredStopAtLevel=1",
                        "-cp",
                        classPath(),
                        InPlainLocale.class.getName(),
                        directory.toUri().toString())
                .directory(pools.directory().toFile())
                .redirectErrorStream(true);
        builder.environment().put("LC_ALL", locale);
        Process child = builder.start();
        String output = new String(child.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(child.waitFor(Pools.PATIENCE.toMillis(), TimeUnit.MILLISECONDS))
                .isTrue();
        return output;
    }

    /** As in a Docker image without a locale: Java loses what is not ASCII in the text of a path, and the driver does not. */
    @Test
    void aDirectoryThatIsNotAsciiOpensWithoutALocale() throws Exception {
        assumeTrue(
                File.separatorChar == '/' && "UTF-8".equals(System.getProperty("sun.jnu.encoding")), "UTF-8 on Unix");
        Path directory = Files.createDirectory(pools.directory().resolve("d\u00e9p\u00f4t \u65e5\u672c 100%"));
        String output = inLocale("C", directory);
        assertThat(output.lines().filter(PathsTest::isOurs))
                .as(output)
                .containsExactly("rows 1", "log opened by the pool", "rows 1", "log opened by the pool", "done");
        try (Stream<Path> files = Files.list(directory)) {
            assertThat(files.map(file -> file.getFileName().toString()))
                    .containsExactlyInAnyOrder(
                            "one.db", "two.db", "\u00fc.db", "copy-of-one.db", "copy-of-two.db", "copy-of-\u00fc.db");
        }
        assertThat(count(directory.resolve("copy-of-two.db"))).isEqualTo(1);
    }

    /** Newer releases of Java warn of native libraries. */
    private static boolean isOurs(String line) {
        return !line.isBlank()
                && !line.startsWith("SLF4J")
                && !line.startsWith("encoding")
                && !line.startsWith("WARNING: ");
    }

    private static long count(Path file) throws SQLException {
        try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + file.toUri());
                Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery("SELECT count(*) FROM t")) {
            return rows.getLong(1);
        }
    }

    // ---- length

    private Path ofLength(int bytes) throws Exception {
        Path directory = pools.directory();
        while (directory.toString().length() < bytes - 130) {
            directory = directory.resolve(
                    "d".repeat(Math.min(100, bytes - 120 - directory.toString().length())));
        }
        Files.createDirectories(directory);
        return directory.resolve("f".repeat(bytes - directory.toString().length() - 1));
    }

    @Test
    void aPathThatIsTooLongForSqliteIsSaidToBeTooLong() throws Exception {
        assumeTrue(File.separatorChar == '/', "as on Unix");
        SqlitePool longest = pools.build(SqlitePool.builder().databasePath(ofLength(504)));
        longest.execute("CREATE TABLE t (x)").join();
        for (int bytes : new int[] {505, 512, 700}) {
            SqlitePool pool = pools.build(SqlitePool.builder().databasePath(ofLength(bytes)));
            assertThatThrownBy(() -> pool.execute("CREATE TABLE t (x)").join())
                    .cause()
                    .isInstanceOf(SQLException.class)
                    .hasMessageContaining("its path has " + bytes + " bytes")
                    .hasMessageContaining("SQLite has room for 504")
                    .hasMessageNotContaining("permission");
        }
    }

    @Test
    void aNameThatIsTooLongIsSaidToBeTooLong() throws Exception {
        assumeTrue(File.separatorChar == '/', "as on Unix");
        SqlitePool longest =
                pools.build(SqlitePool.builder().databasePath(pools.directory().resolve("n".repeat(247))));
        longest.execute("CREATE TABLE t (x)").join();
        Path tooLong = pools.directory().resolve("m" + "\u00e9".repeat(125)); // bytes count, not letters
        SqlitePool pool = pools.build(SqlitePool.builder().databasePath(tooLong));
        assertThatThrownBy(() -> pool.execute("CREATE TABLE t (x)").join())
                .cause()
                .hasMessageContaining("its name has 251 bytes, and only 247")
                .hasMessageNotContaining("permission");
    }

    @Test
    void aBackupMayHaveTheLongestNameThatTheFileSystemAllows() throws Exception {
        assumeTrue(File.separatorChar == '/', "as on Unix");
        SqlitePool pool = pools.open();
        pool.execute("CREATE TABLE t (x)").join();
        pool.execute("INSERT INTO t VALUES (1)").join();
        for (int bytes : new int[] {222, 223, 247, 248, 255}) {
            Path target = pools.directory().resolve("b".repeat(bytes));
            pool.backup(target).join();
            assertThat(target).isRegularFile();
            try (Stream<Path> files = Files.list(pools.directory())) {
                assertThat(files.map(file -> file.getFileName().toString()))
                        .noneMatch(name -> name.contains("partial"));
            }
        }
        Path deep = ofLength(504);
        pool.backup(deep).join();
        assertThat(count(deep)).isEqualTo(1);
    }

    // ---- what is no file of SQLite's

    @Test
    void whatIsNoFileIsRefusedWithWhatToUse() {
        assertThatThrownBy(() -> SqlitePool.open(Path.of(":memory:")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("use inMemory()");
        assertThatThrownBy(() -> SqlitePool.open(Path.of("file::memory:?cache=shared")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("use inMemory()");
        for (String url : List.of("jdbc:sqlite:my.db", "file:my.db?mode=ro", "jdbc:sqlite:/data/my.db")) {
            assertThatThrownBy(() -> SqlitePool.open(Path.of(url)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("which is a URL")
                    .hasMessageContaining("the path of the file alone");
        }
        SqlitePool pool = pools.open();
        assertThatThrownBy(() -> pool.backup(Path.of(":memory:")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("a backup needs the path of a file");
        assertThatThrownBy(() -> pool.backup(Path.of("file:copy.db"))).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void aFileOfThatNameInADirectoryIsAFile() throws Exception {
        assumeTrue(File.separatorChar == '/', "a colon in a name");
        Path odd = pools.directory().resolve(":memory:");
        SqlitePool pool = pools.build(SqlitePool.builder().databasePath(odd));
        pool.execute("CREATE TABLE t (x)").join();
        assertThat(odd).isRegularFile();
    }

    @Test
    void aPathInAnotherFileSystemIsRefusedWithWhatToDo() throws Exception {
        URI zip = URI.create("jar:" + pools.directory().resolve("some.zip").toUri());
        try (FileSystem inZip = FileSystems.newFileSystem(zip, Map.of("create", "true"))) {
            Path path = inZip.getPath("my.db");
            assertThatThrownBy(() -> SqlitePool.open(path))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("\"jar\"")
                    .hasMessageContaining("Files.copy");
            SqlitePool pool = pools.open();
            assertThatThrownBy(() -> pool.backup(path))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("back up to a file of the operating system");
        }
    }

    // ---- fileMustExist

    @Test
    void aPoolThatMustNotCreateItsFileSaysThatThereIsNone() throws Exception {
        Path absent = pools.directory().resolve("absent.db");
        SqlitePool pool = pools.build(SqlitePool.builder().databasePath(absent).fileMustExist());
        assertThatThrownBy(() -> pool.query("SELECT 1", row -> row.getLong(1)).join())
                .isInstanceOf(CompletionException.class)
                .cause()
                .isInstanceOf(SQLException.class)
                .hasMessageContaining("Cannot open " + absent + ": there is no such file");
        assertThatThrownBy(() -> pool.execute("CREATE TABLE t (x)").join())
                .cause()
                .hasMessageContaining("told not to create it");
        assertThat(absent).doesNotExist();
        SqlitePool maker = pools.build(SqlitePool.builder().databasePath(absent));
        maker.execute("CREATE TABLE t (x)").join();
        pool.execute("INSERT INTO t VALUES (1)").join(); // it is there now
    }

    @Test
    void whereThereIsNoFileToBeOpenedTheSettingsAreRefused() {
        assertThatThrownBy(() -> SqlitePool.builder().inMemory().fileMustExist().build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("fileMustExist() was set with inMemory()");
        assertThatThrownBy(() -> SqlitePool.builder().inMemory().readOnly().build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("readOnly() was set with inMemory()");
        ConnectionFactory factory = access -> DriverManager.getConnection("jdbc:sqlite:x.db");
        assertThatThrownBy(() -> SqlitePool.builder()
                        .connectionFactory(factory)
                        .fileMustExist()
                        .build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("fileMustExist() was set with connectionFactory");
    }
}
