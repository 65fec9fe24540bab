package dev.sqlitepool.testing;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sqlitepool.BuilderSettings;
import dev.sqlitepool.PoolStats;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.pool.TimedPools;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * Gives a test pools over a real file, and asserts after it that nothing leaked: every lane is back and idle, and after the close
 * there is no lane, no thread, no open file and no WAL.
 */
public final class Pools implements BeforeEachCallback, AfterEachCallback {
    private static final AtomicInteger NUMBER = new AtomicInteger();
    /**
     * How long a test waits for a fact: a safety net, which no test that passes falls into, however busy the machine is. Less where many are
     * expected to wait until it ends, as under mutation.
     */
    public static final Duration PATIENCE = Duration.ofMillis(Long.getLong("sqlitepool.test.patience", 60_000));

    static final long PATIENCE_NANOS = PATIENCE.toNanos();

    private final List<SqlitePool> pools = new ArrayList<>();
    private final List<String> names = new ArrayList<>();
    private Path directory;
    private boolean filesMayStay;

    @Override
    public void beforeEach(ExtensionContext context) throws IOException {
        directory = Files.createTempDirectory("sqlitepool").toRealPath();
    }

    public Path directory() {
        return directory;
    }

    public Path file() {
        return directory.resolve("test.db");
    }

    public SqlitePool open() {
        return open(builder -> builder);
    }

    public SqlitePool open(UnaryOperator<SqlitePoolBuilder> settings) {
        return build(settings.apply(SqlitePool.builder().databasePath(file())));
    }

    /** A pool whose time is the test's: what is to come after a time comes when the test lets it pass. */
    public SqlitePool open(TestClock clock, UnaryOperator<SqlitePoolBuilder> settings) {
        return build(clock, settings.apply(SqlitePool.builder().databasePath(file())));
    }

    public SqlitePool build(TestClock clock, SqlitePoolBuilder builder) {
        Settings settings = settings(builder);
        return track(TimedPools.open(settings, clock), settings.name());
    }

    /** Builds a pool under a name of its own, to be checked at the end. */
    public SqlitePool build(SqlitePoolBuilder builder) {
        String name = "test-pool-" + NUMBER.incrementAndGet() + "-end";
        SqlitePool pool = builder.name(name).build();
        pools.add(pool);
        names.add(name);
        return pool;
    }

    /** Settings for a pool that a test builds by itself, with a clock or engines of its own. */
    public static Settings settings(SqlitePoolBuilder builder) {
        return BuilderSettings.of(builder.name("test-pool-" + NUMBER.incrementAndGet() + "-end"));
    }

    public <P extends SqlitePool> P track(P pool, String name) {
        pools.add(pool);
        names.add(name);
        return pool;
    }

    public void closeAll() {
        pools.forEach(SqlitePool::close);
    }

    /** The test leaves a connection of its own or a damaged file behind: no look at files. */
    public void filesMayStay() {
        filesMayStay = true;
    }

    public static void await(String what, BooleanSupplier fact) {
        long deadline = System.nanoTime() + PATIENCE_NANOS;
        while (!fact.getAsBoolean()) {
            if (System.nanoTime() - deadline >= 0 || Thread.interrupted()) { // as by the timeout of a test
                throw new AssertionError("still not true: " + what);
            }
            LockSupport.parkNanos(200_000);
        }
    }

    public static void awaitIdle(SqlitePool pool) {
        try {
            await("all lanes idle", () -> isIdle(pool.stats()));
        } catch (AssertionError e) {
            throw new AssertionError("lanes leaked: " + pool.stats(), e);
        }
    }

    private static boolean isIdle(PoolStats stats) {
        return Stream.of(stats.readConnections(), stats.writeConnections())
                .allMatch(lanes -> lanes.idle() == lanes.live() && lanes.waiting() == 0);
    }

    @Override
    public void afterEach(ExtensionContext context) throws IOException {
        boolean passed = context.getExecutionException().isEmpty();
        try {
            for (int i = 0; i < pools.size(); i++) {
                SqlitePool pool = pools.get(i);
                if (passed) {
                    awaitIdle(pool);
                    await("the pool is closed", pool.closeAsync()::isDone);
                    pool.close(); // and its threads have ended
                    assertThat(pool.stats().live()).as("lanes after close").isZero();
                    String name = names.get(i);
                    await("no thread of " + name, () -> threads(name).isEmpty());
                } else {
                    CompletableFuture<Void> unused = pool.closeAsync(); // which may be what has failed
                }
            }
            if (passed && !filesMayStay) {
                assertThat(openFiles(directory)).as("open files").isEmpty();
                try (Stream<Path> files = Files.list(directory)) {
                    assertThat(files.map(file -> file.getFileName().toString()))
                            .as("files after close")
                            .noneMatch(file -> file.endsWith("-wal") || file.endsWith("-shm"));
                }
            }
        } finally {
            try (Stream<Path> files = Files.walk(directory)) {
                files.sorted(Comparator.reverseOrder())
                        .forEach(file -> file.toFile().delete());
            }
        }
    }

    /** Without a look at their stacks, which would stop them all. */
    public static List<String> threads(String pool) {
        ThreadGroup root = Thread.currentThread().getThreadGroup();
        while (root.getParent() != null) {
            root = root.getParent();
        }
        Thread[] threads = new Thread[2 * root.activeCount() + 16];
        int count = root.enumerate(threads);
        return Stream.of(threads)
                .limit(count)
                .filter(Thread::isAlive)
                .map(Thread::getName)
                .filter(name -> name.startsWith(pool))
                .toList();
    }

    /** What this process has open below a directory; nothing where the system does not tell. */
    public static List<Path> openFiles(Path directory) {
        Path descriptors = Path.of("/proc/self/fd");
        if (!Files.isDirectory(descriptors)) {
            return List.of();
        }
        List<Path> open = new ArrayList<>();
        try (Stream<Path> all = Files.list(descriptors)) {
            for (Path descriptor : all.toList()) {
                try {
                    Path file = Files.readSymbolicLink(descriptor);
                    if (file.startsWith(directory)) {
                        open.add(file);
                    }
                } catch (IOException e) {
                    // closed meanwhile
                }
            }
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        return open;
    }
}
