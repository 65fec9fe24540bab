package dev.sqlitepool.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.Access;
import dev.sqlitepool.Durability;
import dev.sqlitepool.Lease;
import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.PoolListener;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Logged;
import dev.sqlitepool.testing.Pools;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Another file takes the place of the database under the pool, by the hand of another process: what is in the new file stays as it is, and
 * nothing is acknowledged that only the old one has.
 */
@DisabledOnOs(value = OS.WINDOWS, disabledReason = "an open file cannot be replaced there")
class ReplacedFileTest {
    @RegisterExtension
    final Pools pools = new Pools();

    @RegisterExtension
    final Logged logged = new Logged();

    private final Queue<String> told = new ConcurrentLinkedQueue<>();
    private final AtomicLong clock = new AtomicLong(1_000_000_000_000L);
    private Path file;
    private Path backup;

    @BeforeEach
    void paths() {
        file = pools.file();
        backup = pools.directory().resolve("backup.db");
    }

    private LanePool open(UnaryOperator<SqlitePoolBuilder> changes) {
        SqlitePoolBuilder builder = SqlitePool.builder()
                .poolSize(4)
                .healthCheckInterval(Duration.ofDays(1)) // sweeps are made by the test
                .listener(new PoolListener() {
                    @Override
                    public void databaseChanged(Path database, boolean vanished) {
                        told.add((vanished ? "vanished " : "replaced ") + database.getFileName());
                    }
                });
        Settings settings = Pools.settings(changes.apply(builder));
        return pools.track(new LanePool(settings, clock::get, engine -> engine), settings.name());
    }

    private LanePool open() {
        return open(builder -> builder.databasePath(file));
    }

    /** As time passes, so that the next hand-out looks. */
    private void pass() {
        clock.addAndGet(TimeUnit.MILLISECONDS.toNanos(2));
    }

    private static void shell(String command) throws Exception {
        Process process = new ProcessBuilder("sh", "-c", command)
                .redirectErrorStream(true)
                .start();
        String said = new String(process.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(said).isZero();
    }

    /** A database by another program, closed. */
    private static void make(Path path, String... statements) throws SQLException {
        try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + path);
                Statement statement = connection.createStatement()) {
            for (String sql : statements) {
                statement.execute(sql);
            }
        }
    }

    private void makeBackup() throws SQLException {
        make(backup, "CREATE TABLE t (x)", "INSERT INTO t VALUES ('backup')");
    }

    /** What a program sees that opens the database when the pool is closed. */
    private static List<String> content(Path path) throws SQLException {
        try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + path);
                Statement statement = connection.createStatement()) {
            try (ResultSet check = statement.executeQuery("PRAGMA integrity_check")) {
                assertThat(check.getString(1)).isEqualTo("ok");
            }
            List<String> found = new ArrayList<>();
            try (ResultSet rows = statement.executeQuery("SELECT x FROM t ORDER BY rowid")) {
                while (rows.next()) {
                    found.add(rows.getString(1));
                }
            }
            return found;
        }
    }

    private static List<String> read(SqlitePool pool) {
        return pool.query("SELECT x FROM t ORDER BY rowid", row -> row.getString(1))
                .join();
    }

    /** All lanes open and idle, and acknowledged writes that are in the log alone. */
    private static void fill(SqlitePool pool) {
        pool.execute("CREATE TABLE t (x)").join();
        pool.execute("INSERT INTO t VALUES ('old')").join();
        List<Gate> gates = Stream.generate(Gate::new).limit(3).toList();
        List<CompletableFuture<Void>> reads = gates.stream()
                .map(gate -> pool.useRead(c -> {
                    c.query("SELECT * FROM t", row -> 1);
                    gate.pass();
                }))
                .toList();
        gates.forEach(Gate::awaitReached);
        gates.forEach(Gate::open);
        reads.forEach(CompletableFuture::join);
        Pools.awaitIdle(pool);
    }

    private List<Path> asides() throws IOException {
        try (Stream<Path> files = Files.list(pools.directory())) {
            return files.filter(path -> path.toString().contains(".replaced")).toList();
        }
    }

    // ---- a file is moved into the place of the database, and the old log lies beside it

    enum Next {
        LOOK,
        PASS,
        READ,
        WRITE,
        TRANSACTION,
        LEASE,
        BACKUP,
        CLOSE
    }

    private List<String> next(LanePool pool, Next next) throws Exception {
        switch (next) {
            case LOOK:
                pool.parts().housekeeper().sweep();
                return List.of("backup");
            case PASS:
                clock.addAndGet(TimeUnit.SECONDS.toNanos(6));
                pool.parts().quietPass().look();
                Pools.await("the pass is over", () -> !pool.parts().quietPass().isRunning());
                return List.of("backup");
            case READ:
                pass();
                assertThat(read(pool)).containsExactly("backup");
                return List.of("backup");
            case WRITE:
                pass();
                pool.execute("INSERT INTO t VALUES ('new')").join();
                return List.of("backup", "new");
            case TRANSACTION:
                pass();
                pool.useTransaction(tx -> tx.execute("INSERT INTO t VALUES ('new')"))
                        .join();
                return List.of("backup", "new");
            case LEASE:
                pass();
                Lease lease = pool.acquire().join();
                lease.run(c -> c.execute("INSERT INTO t VALUES ('new')")).join();
                lease.release().join();
                return List.of("backup", "new");
            case BACKUP:
                Path copy = pools.directory().resolve("copy.db");
                pool.backup(copy).join();
                assertThat(content(copy)).containsExactly("backup");
                return List.of("backup");
            default:
                return List.of("backup");
        }
    }

    @ParameterizedTest
    @EnumSource
    void theLogOfTheOldFileIsNeverAppliedToTheNewOne(Next next) throws Exception {
        LanePool pool = open();
        fill(pool);
        makeBackup();
        shell("mv '" + backup + "' '" + file + "'");
        List<String> expected = next(pool, next);
        pool.close();
        assertThat(content(file)).isEqualTo(expected);
        assertTold("replaced test.db");
        assertThat(asides()).hasSize(1);
    }

    @Test
    void theOldLogIsKeptAndMakesTheOldFileWhole() throws Exception {
        LanePool pool = open();
        fill(pool);
        makeBackup();
        Path old = pools.directory().resolve("old.db");
        shell("mv '" + file + "' '" + old + "'; mv '" + backup + "' '" + file + "'");
        pass();
        assertThat(read(pool)).containsExactly("backup");
        pool.close();
        assertThat(logged.warnings())
                .singleElement()
                .asString()
                .contains(asides().get(0).toString());
        shell("mv '" + asides().get(0) + "' '" + old + "-wal'");
        assertThat(content(old)).containsExactly("old");
    }

    @Test
    void allLanesAreClosedAtOnceByWhoeverSeesItFirst() throws Exception {
        LanePool pool = open();
        fill(pool);
        makeBackup();
        shell("mv '" + backup + "' '" + file + "'");
        pass();
        assertThat(read(pool)).containsExactly("backup");
        Pools.await("the others too", () -> pool.stats().closed().getOrDefault(CloseReason.DATABASE_CHANGED, 0L) == 4);
    }

    @Test
    void aFileThatIsReplacedTwiceIsReportedTwice() throws Exception {
        LanePool pool = open();
        fill(pool);
        for (int i = 1; i <= 3; i++) {
            makeBackup();
            shell("mv '" + backup + "' '" + file + "'");
            pass();
            assertThat(read(pool)).containsExactly("backup");
            pool.execute("INSERT INTO t VALUES ('new')").join();
            assertThat(read(pool)).containsExactly("backup", "new");
            assertThat(asides()).hasSize(i);
        }
        pool.close();
        Pools.await("told", () -> told.size() >= 3);
        assertThat(told).hasSize(3);
        assertThat(content(file)).containsExactly("backup", "new");
    }

    @Test
    void aLogThatCameWithTheNewFileIsItsOwn() throws Exception {
        LanePool pool = open();
        fill(pool);
        make(backup, "PRAGMA journal_mode=WAL", "CREATE TABLE t (x)");
        try (Connection other = DriverManager.getConnection("jdbc:sqlite:" + backup);
                Statement statement = other.createStatement()) {
            statement.execute("INSERT INTO t VALUES ('in the log')");
            Path copy = pools.directory().resolve("copy.db");
            shell("cp '" + backup + "' '" + copy + "'; cp '" + backup + "-wal' '" + copy + "-wal'");
            shell("rm '" + file + "-wal' '" + file + "-shm'; mv '" + copy + "-wal' '" + file + "-wal'; mv '" + copy
                    + "' '" + file + "'");
        }
        pass();
        assertThat(read(pool)).containsExactly("in the log");
        pool.close();
        assertThat(content(file)).containsExactly("in the log");
        assertThat(asides()).isEmpty();
    }

    /** The name is so long that the log cannot have a longer one. */
    @Test
    void whatCannotBeSetAsideRefusesEveryOpeningUntilItIsMovedAway() throws Exception {
        Path longest = pools.directory().resolve("x".repeat(247));
        LanePool pool = open(builder -> builder.databasePath(longest));
        fill(pool);
        makeBackup();
        shell("mv '" + backup + "' '" + longest + "'");
        pass();
        assertThatThrownBy(() -> read(pool))
                .hasMessageContaining(longest + "-wal beside it belongs to the file that was there before")
                .hasMessageContaining("Move it away");
        assertThatThrownBy(() -> pool.execute("INSERT INTO t VALUES ('new')").join())
                .hasMessageContaining("-wal beside it belongs to the file that was there before");
        shell("mv '" + longest + "-wal' '" + pools.directory().resolve("away") + "'");
        pool.execute("INSERT INTO t VALUES ('new')").join();
        pool.close();
        assertThat(content(longest)).containsExactly("backup", "new");
    }

    // ---- acknowledgements

    @ParameterizedTest
    @EnumSource(Durability.class)
    void whatIsCommittedToAFileThatIsNotThereAnyMoreIsNotAcknowledged(Durability durability) throws Exception {
        LanePool pool = open(builder -> builder.databasePath(file).durability(durability));
        fill(pool);
        makeBackup();
        Gate gate = new Gate();
        CompletableFuture<Void> late = pool.useTransaction(tx -> {
            tx.execute("INSERT INTO t VALUES ('late')");
            gate.pass();
        });
        gate.awaitReached();
        shell("mv '" + backup + "' '" + file + "'");
        gate.open();
        assertThatThrownBy(late::join)
                .hasCauseInstanceOf(OutcomeUnknownException.class)
                .hasMessageContaining("was written to the one that was there before");
        assertThat(pool.execute("INSERT INTO t VALUES ('new')").join()).isEqualTo(1);
        pool.close();
        assertThat(content(file)).containsExactly("backup", "new");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"INSERT INTO t VALUES ('late')", "BEGIN; INSERT INTO t VALUES ('late'); COMMIT", "batch", "jdbc"
            })
    void norIsWhatAConnectionCommitsByItself(String sql) throws Exception {
        for (Durability durability : Durability.values()) {
            Path own = pools.directory().resolve(durability + ".db");
            LanePool pool = open(builder -> builder.databasePath(own).durability(durability));
            fill(pool);
            makeBackup();
            CompletableFuture<String> seen = pool.connection(c -> {
                c.execute("INSERT INTO t VALUES ('early')");
                shellUnchecked("mv '" + backup + "' '" + own + "'");
                try {
                    switch (sql) {
                        case "batch":
                            c.executeBatch("INSERT INTO t VALUES (?)", List.of(new Object[] {1}, new Object[] {2}));
                            break;
                        case "jdbc":
                            try (Statement statement = c.jdbc().createStatement()) {
                                statement.executeUpdate("INSERT INTO t VALUES ('late')");
                            }
                            break;
                        default:
                            for (String each : sql.split("; ")) {
                                c.execute(each);
                            }
                    }
                    return "acknowledged";
                } catch (OutcomeUnknownException e) {
                    return "unknown";
                }
            });
            assertThat(seen.handle((value, e) -> value == null ? e.getClass().getSimpleName() : value)
                            .join())
                    .isIn("unknown", "OutcomeUnknownException", "CompletionException");
            pool.close();
            assertThat(content(own)).containsExactly("backup");
        }
    }

    private static void shellUnchecked(String command) {
        try {
            shell(command);
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    /** Another program restores a backup again and again, while many write and look for what they have written. */
    @ParameterizedTest
    @EnumSource(Durability.class)
    void noAcknowledgedWriteIsInvisibleToAReadSubmittedAfter(Durability durability) throws Exception {
        LanePool pool = open(builder -> builder.databasePath(file).durability(durability));
        fill(pool);
        AtomicInteger number = new AtomicInteger();
        AtomicInteger restored = new AtomicInteger();
        AtomicBoolean end = new AtomicBoolean();
        List<String> invisible = new java.util.concurrent.CopyOnWriteArrayList<>();
        List<CompletableFuture<Void>> writers = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            writers.add(CompletableFuture.runAsync(() -> {
                while (!end.get()) {
                    pass();
                    int before = restored.get();
                    String value = "w" + number.incrementAndGet();
                    try {
                        pool.execute("INSERT INTO t VALUES (?)", value).join();
                        int found = pool.query("SELECT 1 FROM t WHERE x = ?", row -> 1, value)
                                .join()
                                .size();
                        if (found == 0 && restored.get() == before && before % 2 == 0) {
                            invisible.add(value);
                        }
                    } catch (CompletionException e) {
                        // restored meanwhile
                    }
                }
            }));
        }
        for (int i = 0; i < 8; i++) {
            int seen = number.get();
            Pools.await("they write", () -> number.get() > seen + 40);
            makeBackup();
            restored.incrementAndGet(); // odd: being restored
            shell("rm -f '" + file + "-wal' '" + file + "-shm'; mv '" + backup + "' '" + file + "'");
            restored.incrementAndGet();
        }
        end.set(true);
        writers.forEach(CompletableFuture::join);
        assertThat(invisible).isEmpty();
        Pools.awaitIdle(pool);
        pool.close();
        assertThat(content(file)).startsWith("backup").doesNotContain("old");
    }

    // ---- who holds a lane longer

    @ParameterizedTest
    @EnumSource(Access.class)
    void aLeaseThatHoldsNothingGoesOnOnTheNewFile(Access access) throws Exception {
        LanePool pool = open();
        fill(pool);
        Lease lease = pool.acquire(access).join();
        if (access == Access.WRITE) {
            assertThat(lease.run(c -> c.query("SELECT x FROM t", row -> row.getString(1)))
                            .join())
                    .containsExactly("old");
        }
        makeBackup();
        shell("mv '" + backup + "' '" + file + "'");
        pass();
        assertThat(read(pool)).containsExactly("backup");
        assertThat(lease.run(c -> c.query("SELECT x FROM t", row -> row.getString(1)))
                        .join())
                .containsExactly("backup");
        lease.release().join();
    }

    @Test
    void aConnectionSeesInItsNextStatementWhatWasAcknowledgedMeanwhile() throws Exception {
        LanePool pool = open();
        fill(pool);
        makeBackup();
        List<List<String>> seen = pool.connection(c -> {
                    List<String> first = c.query("SELECT x FROM t", row -> row.getString(1));
                    shellUnchecked("mv '" + backup + "' '" + file + "'");
                    pass();
                    CompletableFuture<Long> unused = pool.execute("INSERT INTO t VALUES ('new')");
                    Pools.await("acknowledged", unused::isDone);
                    return List.of(first, c.query("SELECT x FROM t", row -> row.getString(1)));
                })
                .join();
        assertThat(seen).containsExactly(List.of("old"), List.of("backup", "new"));
    }

    @Test
    void aConnectionThatWasChangedSaysThatItsFileIsGone() throws Exception {
        LanePool pool = open();
        fill(pool);
        makeBackup();
        assertThatThrownBy(() -> pool.connection(c -> {
                            c.execute("CREATE TEMP TABLE own (x)");
                            shellUnchecked("mv '" + backup + "' '" + file + "'");
                            pool.parts().housekeeper().sweep();
                            return c.query("SELECT x FROM t", row -> 1);
                        })
                        .join())
                .hasMessageContaining("this connection is to the old one");
        assertThat(read(pool)).containsExactly("backup");
    }

    @Test
    void aStreamReadsTheOldFileToItsEnd() throws Exception {
        LanePool pool = open();
        fill(pool);
        pool.execute("INSERT INTO t VALUES ('old too')").join();
        makeBackup();
        List<String> rows = new java.util.concurrent.CopyOnWriteArrayList<>();
        CompletableFuture<Void> end = new CompletableFuture<>();
        pool.stream("SELECT x FROM t ORDER BY rowid", row -> row.getString(1))
                .subscribe(new java.util.concurrent.Flow.Subscriber<>() {
                    private java.util.concurrent.Flow.Subscription subscription;

                    @Override
                    public void onSubscribe(java.util.concurrent.Flow.Subscription given) {
                        subscription = given;
                        given.request(1);
                    }

                    @Override
                    public void onNext(String row) {
                        if (rows.isEmpty()) {
                            shellUnchecked("mv '" + backup + "' '" + file + "'");
                            pool.parts().housekeeper().sweep();
                        }
                        rows.add(row);
                        subscription.request(1);
                    }

                    @Override
                    public void onError(Throwable error) {
                        end.completeExceptionally(error);
                    }

                    @Override
                    public void onComplete() {
                        end.complete(null);
                    }
                });
        end.join();
        assertThat(rows).containsExactly("old", "old too");
        assertThat(read(pool)).containsExactly("backup");
        pool.close();
        assertThat(content(file)).containsExactly("backup");
    }

    @Test
    void twoPoolsOnTheFileBothGoOnOnTheNewOne() throws Exception {
        LanePool one = open();
        LanePool two = open();
        fill(one);
        assertThat(read(two)).containsExactly("old");
        makeBackup();
        shell("mv '" + backup + "' '" + file + "'");
        pass();
        one.execute("INSERT INTO t VALUES ('new')").join();
        assertThat(read(two)).containsExactly("backup", "new");
        two.execute("INSERT INTO t VALUES ('too')").join();
        assertThat(read(one)).containsExactly("backup", "new", "too");
        one.close();
        two.close();
        assertThat(content(file)).containsExactly("backup", "new", "too");
        assertTold("replaced test.db", "replaced test.db");
    }

    @Test
    void aPoolThatIsNewToTheFileIsNotOpenedBesideTheLogOfOneThatHasTheOld() throws Exception {
        LanePool old = open();
        fill(old);
        makeBackup();
        shell("mv '" + backup + "' '" + file + "'");
        LanePool fresh = open();
        assertThat(read(fresh)).containsExactly("backup");
        fresh.execute("INSERT INTO t VALUES ('new')").join();
        assertThat(read(old)).containsExactly("backup", "new");
        old.close();
        fresh.close();
        assertThat(content(file)).containsExactly("backup", "new");
        assertTold("replaced test.db");
    }

    /** A hard link has a log of its own: pages would be in two logs. */
    @Test
    void anotherHardLinkIsNotOpenedBesideTheLogOfTheFirst() throws Exception {
        Path first = pools.directory().resolve("first.db");
        Path second = pools.directory().resolve("second.db");
        shell("ln -s '" + first + "' '" + file + "'");
        LanePool pool = open();
        pool.execute("CREATE TABLE t (x)").join();
        pool.execute("INSERT INTO t VALUES ('old')").join();
        shell("ln '" + first + "' '" + second + "'; ln -sfn '" + second + "' '" + file + "'");
        assertThatThrownBy(() -> read(pool)).hasMessageContaining("through two of its hard links at once");
        pool.parts().housekeeper().sweep();
        Pools.await("closed", () -> pool.stats().live() == 0);
        assertThat(read(pool)).containsExactly("old");
    }

    @Test
    void aSnapshotStaysWhatItWas() throws Exception {
        LanePool pool = open();
        fill(pool);
        makeBackup();
        List<String> both = pool.read(c -> {
                    List<String> seen = new ArrayList<>(c.query("SELECT x FROM t", row -> row.getString(1)));
                    shellUnchecked("mv '" + backup + "' '" + file + "'");
                    pass();
                    pool.parts().housekeeper().sweep();
                    seen.addAll(c.query("SELECT x FROM t", row -> row.getString(1)));
                    return seen;
                })
                .join();
        assertThat(both).containsExactly("old", "old");
        assertThat(read(pool)).containsExactly("backup");
    }

    // ---- the name is a link

    @ParameterizedTest
    @ValueSource(strings = {"file", "directory", "factory"})
    void aLinkThatIsSetToAnotherTargetIsAReplacement(String kind) throws Exception {
        Path one = Files.createDirectory(pools.directory().resolve("one")).resolve("my.db");
        Path two = Files.createDirectory(pools.directory().resolve("two")).resolve("my.db");
        boolean directory = kind.equals("directory");
        Path link = pools.directory().resolve("link");
        shell("ln -s '" + (directory ? one.getParent() : one) + "' '" + link + "'");
        Path name = directory ? link.resolve("my.db") : link;
        LanePool pool = open(builder -> kind.equals("factory")
                ? builder.connectionFactory(access -> DriverManager.getConnection("jdbc:sqlite:" + name))
                : builder.databasePath(name));
        fill(pool);
        make(two, "CREATE TABLE t (x)", "INSERT INTO t VALUES ('two')");
        byte[] before = Files.readAllBytes(two);
        shell("ln -sfn '" + (directory ? two.getParent() : two) + "' '" + link + "'");
        pool.parts().housekeeper().sweep();
        assertThat(Files.readAllBytes(two)).isEqualTo(before);
        assertThat(logged.warnings()).singleElement().asString().contains(name + " has been replaced by another under");
        assertThat(read(pool)).containsExactly("two");
        pool.execute("INSERT INTO t VALUES ('new')").join();
        pool.close();
        assertThat(content(one)).containsExactly("old");
        assertThat(content(two)).containsExactly("two", "new");
        assertTold("replaced " + name.getFileName());
        assertThat(asides()).isEmpty();
    }

    @Test
    void aLinkThatLeadsNowhereHasVanishedAndMayComeBack() throws Exception {
        Path real = pools.directory().resolve("real.db");
        shell("ln -s '" + real + "' '" + file + "'");
        LanePool pool = open();
        fill(pool);
        shell("ln -sfn '" + pools.directory().resolve("nowhere.db") + "' '" + file + "'");
        pass();
        assertThatThrownBy(() -> read(pool)).hasMessageContaining("has vanished");
        assertThat(pools.directory().resolve("nowhere.db")).doesNotExist();
        shell("ln -sfn '" + real + "' '" + file + "'");
        pass();
        assertThat(read(pool)).containsExactly("old");
        assertTold("vanished test.db");
    }

    // ---- the file goes away, and comes back

    @Test
    void aFileThatWasAwayFindsItsLogWhenItIsBack() throws Exception {
        LanePool pool = open();
        fill(pool);
        Path away = pools.directory().resolve("away.db");
        shell("mv '" + file + "' '" + away + "'");
        pool.parts().housekeeper().sweep();
        Pools.await("closed", () -> pool.stats().live() == 0);
        assertThatThrownBy(() -> read(pool)).hasMessageContaining("has vanished");
        shell("mv '" + away + "' '" + file + "'");
        assertThat(read(pool)).containsExactly("old");
        assertTold("vanished test.db");
    }

    @Test
    void aPoolThatHasNoConnectionLooksWhenItIsClosed() throws Exception {
        LanePool pool = open();
        fill(pool);
        makeBackup();
        shell("rm '" + file + "'");
        pool.parts().housekeeper().sweep();
        Pools.await("closed", () -> pool.stats().live() == 0);
        shell("mv '" + backup + "' '" + file + "'");
        pool.close();
        assertThat(content(file)).containsExactly("backup");
    }

    /** The system gives the inode of a deleted file to the next one. */
    @Test
    void anotherFileWithTheNumberOfTheOldOneIsAnother() throws Exception {
        LanePool pool = open();
        fill(pool);
        makeBackup();
        shell("rm '" + file + "'");
        pool.parts().housekeeper().sweep();
        Pools.await("closed", () -> pool.stats().live() == 0);
        shell("cp '" + backup + "' '" + file + "'");
        assertThat(read(pool)).containsExactly("backup");
        pool.close();
        assertThat(content(file)).containsExactly("backup");
        assertTold("vanished test.db", "replaced test.db");
    }

    /** Its number may be that of the log that the last close has deleted. */
    @Test
    void aLogThatCameWhileNothingWasOpenIsNotTakenForTheOldOne() throws Exception {
        LanePool pool = open(builder -> builder.databasePath(file).maxIdleTime(Duration.ofSeconds(1)));
        fill(pool);
        Path copy = pools.directory().resolve("copy.db");
        make(backup, "PRAGMA journal_mode=WAL", "CREATE TABLE t (x)");
        try (Connection other = DriverManager.getConnection("jdbc:sqlite:" + backup);
                Statement statement = other.createStatement()) {
            statement.execute("INSERT INTO t VALUES ('in the log')");
            clock.addAndGet(TimeUnit.SECONDS.toNanos(2));
            pool.parts().housekeeper().sweep();
            Pools.await("closed", () -> pool.stats().live() == 0);
            shell("cp '" + backup + "-wal' '" + file + "-wal'; cp '" + backup + "' '" + copy + "'; mv '" + copy + "' '"
                    + file + "'");
        }
        pass();
        assertThat(read(pool)).containsExactly("in the log");
        assertThat(asides()).isEmpty();
        assertTold("replaced test.db");
    }

    @Test
    void aFactoryDoesNotMakeAVanishedFileAnew() throws Exception {
        LanePool pool = open(
                builder -> builder.connectionFactory(access -> DriverManager.getConnection("jdbc:sqlite:" + file)));
        fill(pool);
        shell("rm '" + file + "' '" + file + "-wal' '" + file + "-shm'");
        pass();
        assertThatThrownBy(() -> read(pool)).hasMessageContaining("has vanished");
        assertThat(file).doesNotExist();
    }

    // ---- the log alone is gone

    @ParameterizedTest
    @EnumSource(Durability.class)
    void aLogThatIsDeletedUnderThePoolLosesNothingThatWasAcknowledged(Durability durability) throws Exception {
        LanePool pool = open(builder -> builder.databasePath(file).durability(durability));
        fill(pool);
        for (String kind : List.of("rm", "mv")) {
            shell(kind.equals("rm") ? "rm '" + file + "-wal'" : "mv '" + file + "-wal' '" + file + "-away'");
            assertThatThrownBy(() ->
                            pool.execute("INSERT INTO t VALUES ('unknown')").join())
                    .hasCauseInstanceOf(OutcomeUnknownException.class)
                    .hasMessageContaining("-wal is gone");
            pool.execute("INSERT INTO t VALUES ('new')").join();
            assertThat(read(pool)).contains("old").endsWith("new");
        }
        assertThat(logged.warnings())
                .allMatch(warning ->
                        warning.contains("the write-ahead log of the database file " + file + " has been deleted"))
                .hasSize(2);
        pool.close();
        assertThat(content(file)).startsWith("old").endsWith("new").contains("unknown");
        assertThat(told).isEmpty();
    }

    @Test
    void whileTheLostLogIsInUseNothingIsOpenedBesideIt() throws Exception {
        LanePool pool = open(builder -> builder.databasePath(file).busyTimeout(Duration.ofMillis(50)));
        fill(pool);
        Gate gate = new Gate();
        CompletableFuture<Integer> reader = pool.read(c -> {
            c.query("SELECT x FROM t", row -> 1);
            gate.pass();
            return c.query("SELECT x FROM t", row -> 1).size();
        });
        gate.awaitReached();
        shell("rm '" + file + "-wal'");
        assertThatThrownBy(
                        () -> pool.execute("INSERT INTO t VALUES ('unknown')").join())
                .hasCauseInstanceOf(OutcomeUnknownException.class);
        assertThatThrownBy(() -> pool.execute("INSERT INTO t VALUES ('new')").join())
                .hasMessageContaining("was deleted or replaced, and connections that have it open still run something");
        gate.open();
        assertThat(reader.join()).isEqualTo(1);
        Pools.await("the reader's lane is closed", () -> pool.stats().live() == 0);
        pool.execute("INSERT INTO t VALUES ('new')").join();
        assertThat(read(pool)).containsExactly("old", "unknown", "new");
    }

    @Test
    void twoPoolsWhoseLogIsLostBothGoOnAsSoonAsBothHaveSeenIt() throws Exception {
        LanePool one = open(builder -> builder.databasePath(file).busyTimeout(Duration.ofMillis(50)));
        LanePool two = open();
        fill(one);
        two.execute("INSERT INTO t VALUES ('too')").join();
        shell("rm '" + file + "-wal'");
        for (LanePool pool : List.of(one, two)) {
            assertThatThrownBy(() ->
                            pool.execute("INSERT INTO t VALUES ('unknown')").join())
                    .hasCauseInstanceOf(OutcomeUnknownException.class);
        }
        two.execute("INSERT INTO t VALUES ('new')").join(); // from now on it uses the file, without a pause
        one.execute("INSERT INTO t VALUES ('newer')").join();
        assertThat(read(one)).containsExactly("old", "too", "unknown", "unknown", "new", "newer");
        assertThat(read(two)).containsExactly("old", "too", "unknown", "unknown", "new", "newer");
    }

    @Test
    void aReaderThatIsOpenedBesideALostLogFindsWhatWasAcknowledged() throws Exception {
        LanePool pool = open();
        pool.execute("CREATE TABLE t (x)").join();
        pool.execute("INSERT INTO t VALUES ('old')").join();
        assertThat(pool.stats().readConnections().live()).isZero();
        shell("rm '" + file + "-wal'");
        assertThat(read(pool)).containsExactly("old");
    }

    // ---- rollback journals

    @Test
    void theJournalOfATransactionOnTheOldFileIsNotRolledBackIntoTheNewOne() throws Exception {
        LanePool pool = open(builder -> builder.databasePath(file)
                .pragma("journal_mode", "DELETE")
                .pragma("cache_size", "5")
                .busyTimeout(Duration.ofMillis(50)));
        pool.execute("CREATE TABLE t (x)").join();
        pool.execute("INSERT INTO t VALUES ('old')").join();
        makeBackup();
        Gate gate = new Gate();
        CompletableFuture<Void> late = pool.useTransaction(tx -> {
            for (int i = 0; i < 200; i++) { // more than the cache holds: the journal is written
                tx.execute("INSERT INTO t VALUES (hex(zeroblob(500)))");
            }
            gate.pass();
        });
        gate.awaitReached();
        shell("mv '" + backup + "' '" + file + "'");
        pass();
        assertThatThrownBy(() -> read(pool)).hasMessageContaining("test.db-journal");
        gate.open();
        assertThatThrownBy(late::join).isInstanceOf(CompletionException.class);
        assertThat(read(pool)).containsExactly("backup");
        pool.close();
        assertThat(content(file)).containsExactly("backup");
    }

    /** The listener is told on another thread. */
    private void assertTold(String... events) {
        Pools.await("told", () -> told.size() >= events.length);
        assertThat(told).containsExactly(events);
    }
}
