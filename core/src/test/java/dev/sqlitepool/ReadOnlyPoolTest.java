package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sqlitepool.testing.Pools;
import java.io.File;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A pool that reads only: it changes nothing, leaves nothing behind, and refuses at once what would write. */
class ReadOnlyPoolTest {
    @RegisterExtension
    final Pools pools = new Pools();

    private void make(String journal) throws SQLException {
        try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + pools.file());
                Statement statement = connection.createStatement()) {
            statement.execute("PRAGMA journal_mode=" + journal);
            statement.execute("CREATE TABLE t (x)");
            statement.execute("INSERT INTO t VALUES (1)");
        }
    }

    private SqlitePool readOnly() {
        return pools.open(SqlitePoolBuilder::readOnly);
    }

    private static long count(SqlitePool pool) {
        return pool.queryOne("SELECT count(*) FROM t", row -> row.getLong(1))
                .join()
                .orElseThrow();
    }

    private TreeSet<String> files() throws IOException {
        try (Stream<Path> files = Files.list(pools.directory())) {
            return files.map(file -> file.getFileName().toString())
                    .collect(TreeSet::new, TreeSet::add, TreeSet::addAll);
        }
    }

    // ---- what it leaves

    @Test
    void aRollbackJournalStaysOne() throws Exception {
        make("DELETE");
        byte[] before = Files.readAllBytes(pools.file());
        SqlitePool pool = readOnly();
        assertThat(count(pool)).isEqualTo(1);
        assertThat(files()).containsExactly("test.db");
        assertThat(pool.queryOne("PRAGMA journal_mode", row -> row.getString(1)).join())
                .contains("delete");
        pool.close();
        assertThat(Files.readAllBytes(pools.file())).isEqualTo(before);
        assertThat(files()).containsExactly("test.db");
    }

    @Test
    void aDatabaseInWalModeIsReadAndNothingIsLeftBesideIt() throws Exception {
        make("WAL");
        byte[] before = Files.readAllBytes(pools.file());
        SqlitePool pool = readOnly();
        assertThat(count(pool)).isEqualTo(1);
        pool.close();
        assertThat(Files.readAllBytes(pools.file())).isEqualTo(before);
        assertThat(files()).containsExactly("test.db");
    }

    @Test
    void theLogOfACrashedWriterIsReadAndStays() throws Exception {
        make("WAL");
        Path database = pools.directory().resolve("crashed.db");
        try (Connection writer = DriverManager.getConnection("jdbc:sqlite:" + pools.file());
                Statement statement = writer.createStatement()) {
            statement.execute("INSERT INTO t VALUES (2)");
            Files.copy(pools.file(), database);
            Files.copy(Path.of(pools.file() + "-wal"), Path.of(database + "-wal"));
        }
        byte[] log = Files.readAllBytes(Path.of(database + "-wal"));
        byte[] file = Files.readAllBytes(database);
        pools.filesMayStay();
        SqlitePool pool =
                pools.build(SqlitePool.builder().databasePath(database).readOnly());
        assertThat(count(pool)).isEqualTo(2);
        pool.close();
        assertThat(Files.readAllBytes(Path.of(database + "-wal"))).isEqualTo(log);
        assertThat(Files.readAllBytes(database)).isEqualTo(file);
    }

    @Test
    void theLogOfALiveWriterIsLeftToIt() throws Exception {
        make("WAL");
        SqlitePool writer = pools.open();
        writer.execute("INSERT INTO t VALUES (2)").join();
        SqlitePool pool = readOnly();
        assertThat(count(pool)).isEqualTo(2);
        pool.close();
        writer.execute("INSERT INTO t VALUES (3)").join();
        SqlitePool again = readOnly();
        assertThat(count(again)).isEqualTo(3);
        again.close(); // before the writer, which takes its log away
    }

    @Test
    void whatOtherProcessesCommitIsSeen() throws Exception {
        for (String journal : List.of("WAL", "DELETE")) {
            Files.deleteIfExists(pools.file());
            make(journal);
            SqlitePool pool = readOnly();
            assertThat(count(pool)).isEqualTo(1);
            try (Connection writer = DriverManager.getConnection("jdbc:sqlite:" + pools.file());
                    Statement statement = writer.createStatement()) {
                statement.execute("INSERT INTO t VALUES (2)");
                assertThat(count(pool)).as(journal).isEqualTo(2);
                pool.close(); // before the writer, which takes its log away
            }
        }
    }

    // ---- all connections read

    @Test
    void allConnectionsRead() throws Exception {
        make("DELETE");
        for (int size : new int[] {1, 3}) {
            SqlitePool pool = pools.open(builder -> builder.readOnly().poolSize(size));
            assertThat(pool.stats().readConnections().max()).isEqualTo(size);
            assertThat(pool.stats().writeConnections().max()).isZero();
            CyclicBarrier together = new CyclicBarrier(size);
            List<CompletableFuture<Long>> reads = new ArrayList<>();
            for (int i = 0; i < size; i++) {
                reads.add(pool.read(connection -> {
                    together.await(30, TimeUnit.SECONDS);
                    return connection
                            .queryOne("SELECT count(*) FROM t", row -> row.getLong(1))
                            .orElseThrow();
                }));
            }
            reads.forEach(read -> assertThat(read.join()).isEqualTo(1));
            pool.close();
        }
    }

    @Test
    void anIdleConnectionIsClosedAndTheFileIsOpenedAgain() throws Exception {
        make("WAL");
        SqlitePool pool = pools.open(builder -> builder.readOnly()
                .maxIdleTime(java.time.Duration.ofMillis(20))
                .healthCheckInterval(java.time.Duration.ofMillis(10)));
        for (int i = 0; i < 3; i++) {
            assertThat(count(pool)).isEqualTo(1);
            Pools.await(
                    "idle connections are closed",
                    () -> pool.stats().readConnections().live() == 0);
            Pools.await("nothing is left", () -> {
                try {
                    return files().size() == 1;
                } catch (IOException e) {
                    return false;
                }
            });
        }
    }

    @Test
    void aBackupWorks() throws Exception {
        for (String journal : List.of("WAL", "DELETE")) {
            Files.deleteIfExists(pools.file());
            make(journal);
            SqlitePool pool = pools.open(builder -> builder.readOnly().poolSize(1));
            Path copy = pools.directory().resolve("copy-" + journal);
            pool.backup(copy).join();
            try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + copy);
                    ResultSet rows = connection.createStatement().executeQuery("SELECT count(*) FROM t")) {
                assertThat(rows.getLong(1)).isEqualTo(1);
            }
            pool.close();
        }
    }

    // ---- what it refuses

    private static void assertRefused(ThrowingCallable write) {
        assertThatThrownBy(write).satisfies(error -> {
            Throwable cause = error instanceof SQLException ? error : error.getCause();
            assertThat(cause).isInstanceOf(SQLException.class).hasMessageContaining("read-only");
            assertThat(((SQLException) cause).getSQLState()).isEqualTo("25006");
            assertThat(((SQLException) cause).getErrorCode()).isEqualTo(8);
            assertThat(cause.getMessage()).contains("without readOnly()").doesNotContain("setReadOnly");
        });
    }

    @Test
    void whatWritesIsRefusedAtOnce() throws Exception {
        make("DELETE");
        byte[] before = Files.readAllBytes(pools.file());
        SqlitePool pool = readOnly();
        String insert = "INSERT INTO t VALUES (2)";
        assertThat(pool.execute(insert)).isCompletedExceptionally(); // at once: nothing is opened for it
        assertThat(pool.stats().live()).isZero();
        assertRefused(() -> pool.execute(insert).join());
        assertRefused(() -> pool.executeBatch("INSERT INTO t VALUES (?)", List.of(new Object[] {2}, new Object[] {3}))
                .join());
        assertRefused(() -> pool.transaction(tx -> tx.execute(insert)).join());
        assertRefused(
                () -> pool.query(insert + " RETURNING x", row -> row.getLong(1)).join());
        assertRefused(() -> pool.query(
                        "WITH w(a) AS (SELECT 2) INSERT INTO t SELECT a FROM w RETURNING x", row -> row.getLong(1))
                .join());
        assertRefused(() -> pool.acquire(Access.WRITE).join());
        assertRefused(() -> pool.blocking().execute(insert));
        assertRefused(() -> pool.blocking().transaction(tx -> tx.execute(insert)));
        assertRefused(() ->
                pool.query("PRAGMA user_version = 3", row -> row.getLong(1)).join());
        for (String sql : List.of(
                insert,
                "BEGIN",
                "CREATE TABLE u (x)",
                "VACUUM",
                "ATTACH ':memory:' AS m",
                "PRAGMA user_version = 3",
                "PRAGMA query_only = OFF",
                "PRAGMA wal_checkpoint",
                "WITH w(a) AS (SELECT 2) INSERT INTO t SELECT a FROM w")) {
            assertRefused(
                    () -> pool.connection(connection -> connection.execute(sql)).join());
        }
        assertRefused(() -> pool.useConnection(connection ->
                        connection.executeBatch("INSERT INTO t VALUES (?)", List.<Object[]>of(new Object[] {2})))
                .join());
        assertRefused(() -> pool.read(connection -> connection.execute(insert)).join());
        Lease lease = pool.acquire().join();
        assertRefused(() -> lease.run(connection -> connection.execute(insert)).join());
        lease.release();
        assertThat(count(pool)).isEqualTo(1);
        pool.close();
        assertThat(Files.readAllBytes(pools.file())).isEqualTo(before);
    }

    @Test
    void throughJdbcTheConnectionIsReadOnly() throws Exception {
        make("DELETE");
        SqlitePool pool = readOnly();
        pool.useConnection(connection -> {
                    Connection jdbc = connection.jdbc();
                    assertThat(jdbc.isReadOnly()).isTrue();
                    assertThatThrownBy(() -> jdbc.setReadOnly(false))
                            .isInstanceOf(SQLException.class)
                            .hasMessageContaining("the pool is read-only");
                    jdbc.setAutoCommit(false);
                    try (Statement statement = jdbc.createStatement()) {
                        assertThat(statement.executeQuery("SELECT x FROM t").getLong(1))
                                .isEqualTo(1);
                        assertRefused(() -> statement.executeUpdate("INSERT INTO t VALUES (2)"));
                    }
                    jdbc.rollback();
                    jdbc.close();
                    assertRefused(() -> connection.execute("INSERT INTO t VALUES (2)"));
                })
                .join();
    }

    @Test
    void theConnectionsOfAFactoryRefuseToo() throws Exception {
        make("DELETE");
        SqlitePool pool = pools.build(SqlitePool.builder()
                .connectionFactory(access -> DriverManager.getConnection("jdbc:sqlite:" + pools.file()))
                .readOnly());
        assertThat(count(pool)).isEqualTo(1);
        assertRefused(() -> pool.execute("INSERT INTO t VALUES (2)").join());
        assertRefused(() -> pool.connection(connection -> connection.execute("INSERT INTO t VALUES (2)"))
                .join());
        pool.backup(pools.directory().resolve("copy")).join();
        pool.close();
        try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + pools.file());
                ResultSet mode = connection.createStatement().executeQuery("PRAGMA journal_mode")) {
            assertThat(mode.getString(1)).isEqualTo("delete");
        }
    }

    @Test
    void aFileThatIsAbsentIsNotCreated() {
        SqlitePool pool = readOnly();
        assertThatThrownBy(() -> count(pool)).cause().hasMessageContaining("there is no such file");
        assertThat(pools.file()).doesNotExist();
    }

    @Test
    void aJournalModeOfItsOwnIsRefused() {
        assertThatThrownBy(() -> SqlitePool.builder()
                        .databasePath(pools.file())
                        .pragma("journal_mode", "DELETE")
                        .readOnly()
                        .build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("journal_mode was DELETE with readOnly()");
    }

    // ---- permissions

    /** Reads the files without root's privileges, and prints what becomes of each. */
    static final class Unprivileged {
        private Unprivileged() {}

        public static void main(String[] files) {
            for (String file : files) {
                try (SqlitePool pool = SqlitePool.builder()
                        .databasePath(Path.of(file))
                        .readOnly()
                        .build()) {
                    System.out.println("probe: " + count(pool));
                } catch (RuntimeException e) {
                    System.out.println("probe: " + e);
                }
            }
        }
    }

    private static List<String> unprivileged(Path... files) throws Exception {
        List<String> command = new ArrayList<>();
        if ("root".equals(System.getProperty("user.name"))) {
            command.addAll(List.of("setpriv", "--inh-caps=-all", "--bounding-set=-all"));
        }
        List<String> places = new ArrayList<>(List.of(System.getProperty("java.class.path")));
        for (Class<?> each : List.of(ReadOnlyPoolTest.class, SqlitePool.class, org.sqlite.JDBC.class)) {
            places.add(Path.of(URI.create(each.getProtectionDomain()
                            .getCodeSource()
                            .getLocation()
                            .toString()))
                    .toString());
        }
        command.addAll(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-cp",
                String.join(File.pathSeparator, places),
                Unprivileged.class.getName()));
        Stream.of(files).map(Path::toString).forEach(command::add);
        Process child;
        try {
            child = new ProcessBuilder(command).redirectErrorStream(true).start();
        } catch (IOException e) {
            assumeTrue(false, "root without setpriv cannot try what a user may not: " + e);
            return List.of();
        }
        String output = new String(child.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(child.waitFor(Pools.PATIENCE.toMillis(), TimeUnit.MILLISECONDS))
                .isTrue();
        assumeTrue(child.exitValue() != 127 && !output.contains("setpriv:"), "setpriv is not allowed here: " + output);
        List<String> found =
                output.lines().filter(line -> line.startsWith("probe: ")).toList();
        assertThat(found).as(output).hasSize(files.length);
        return found;
    }

    @Test
    void aFileOrADirectoryWithoutWritePermissionIsReadUnlessItNeedsALog() throws Exception {
        assumeTrue(FileSystems.getDefault().supportedFileAttributeViews().contains("posix"), "no POSIX permissions");
        List<Path> files = new ArrayList<>();
        for (String journal : List.of("DELETE", "WAL")) {
            Files.deleteIfExists(pools.file());
            make(journal);
            for (String closed : List.of("file", "directory")) {
                Path directory = Files.createDirectory(pools.directory().resolve(journal + "-" + closed));
                Path file = Files.copy(pools.file(), directory.resolve("my.db"));
                files.add(file);
                Path fixed = closed.equals("file") ? file : directory;
                Files.setPosixFilePermissions(
                        fixed, PosixFilePermissions.fromString(closed.equals("file") ? "r--r--r--" : "r-xr-xr-x"));
            }
        }
        List<String> found = unprivileged(files.toArray(Path[]::new));
        assertThat(found.subList(0, 2)).containsExactly("probe: 1", "probe: 1");
        assertThat(found.subList(2, 4)).allSatisfy(probe -> assertThat(probe)
                .contains("it is in WAL mode")
                .contains("PRAGMA journal_mode=DELETE")
                .contains("backup(…)"));
        for (Path file : files) {
            try (Stream<Path> beside = Files.list(file.getParent())) {
                assertThat(beside).containsExactly(file);
            }
            Files.setPosixFilePermissions(file.getParent(), PosixFilePermissions.fromString("rwxr-xr-x"));
        }
    }
}
