package dev.sqlitepool.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sqlitepool.Durability;
import dev.sqlitepool.Lease;
import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.PoolConnection;
import dev.sqlitepool.SqlAction;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.testing.Engines;
import dev.sqlitepool.testing.Logged;
import dev.sqlitepool.testing.Pools;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Memory runs out, or a class is not found, in one call of the engine, before it or after it has done its work, or in the pool's own frames: in the first
 * call of a use, then in the second, and so on through all of them. No lane, no future and no acknowledged row is lost.
 */
class MachineErrorsTest {
    private static final String INSERT = "INSERT INTO t VALUES (1)";

    @RegisterExtension
    final Pools pools = new Pools();

    @RegisterExtension
    final Logged logged = new Logged();

    /** The calls of engines until one fails; none does while it is not positive. */
    private final AtomicInteger left = new AtomicInteger();

    private volatile Where where = Where.BEFORE;
    private volatile String struck = "";
    private final Engines engines = new Engines().withStatements().around(this::failing);

    /** Where memory runs out. */
    enum Where {
        /** In the engine, before it has done what it is called for. */
        BEFORE,
        /** In the engine, when it has done it. */
        AFTERWARDS,
        /** As {@link #BEFORE}, but a class is not found. */
        CLASS_BEFORE,
        /** As {@link #AFTERWARDS}, but a class is not found. */
        CLASS_AFTERWARDS,
        /** In the pool's own frames: where a worker asks for the time. */
        OWN_FRAMES
    }

    /** Submits something. */
    interface Use {
        List<CompletableFuture<?>> begin(SqlitePool pool);
    }

    static Stream<Arguments> uses() {
        return names().keySet().stream()
                .flatMap(name -> Stream.of(Where.values()).map(at -> Arguments.of(name, at)));
    }

    private static Map<String, Use> names() {
        Map<String, Use> uses = new LinkedHashMap<>();
        uses.put("execute", pool -> List.of(pool.execute(INSERT)));
        uses.put("a group", pool -> inARow(8, () -> pool.execute(INSERT)));
        uses.put("a batch", pool -> List.of(pool.executeBatch("INSERT INTO t VALUES (?)", List.of(row(1), row(2)))));
        uses.put("a query", pool -> List.of(pool.query("SELECT x FROM u", row -> row.getInt(1))));
        uses.put("shared snapshots", pool -> inARow(8, () -> pool.query("SELECT x FROM u", row -> row.getInt(1))));
        uses.put("a transaction", pool -> List.of(pool.useTransaction(tx -> tx.execute(INSERT))));
        uses.put("transactions", pool -> inARow(4, () -> pool.useTransaction(tx -> tx.execute(INSERT))));
        uses.put("a savepoint", pool -> List.of(pool.useTransaction(tx -> tx.savepoint(in -> in.execute(INSERT)))));
        uses.put("a read", pool -> List.of(pool.useRead(c -> c.query("SELECT x FROM u", row -> row.getInt(1)))));
        uses.put(
                "a connection that moves",
                pool -> List.of(pool.useConnection(c -> {
                    c.query("SELECT x FROM u", row -> row.getInt(1));
                    c.execute(INSERT);
                })));
        uses.put("a connection that commits", pool -> List.of(pool.useConnection(MachineErrorsTest::insertAndCommit)));
        uses.put(
                "jdbc",
                pool -> List.of(pool.useTransaction(tx -> {
                    try (var insert = tx.jdbc().prepareStatement("INSERT INTO t VALUES (1)")) {
                        insert.executeUpdate();
                    }
                })));
        uses.put("a lease", pool -> List.of(lease(pool, c -> c.query("SELECT x FROM u", row -> row.getInt(1)))));
        uses.put("a lease that commits", pool -> List.of(lease(pool, MachineErrorsTest::insertAndCommit)));
        uses.put("a stream", pool -> List.of(stream(pool)));
        uses.put(
                "cancelled",
                pool -> inARow(4, () -> {
                    CompletableFuture<Long> future = pool.execute(INSERT);
                    future.cancel(true);
                    return future;
                }));
        return uses;
    }

    private static Object[] row(Object... values) {
        return values;
    }

    private interface Submission {
        CompletableFuture<?> submit();
    }

    private static List<CompletableFuture<?>> inARow(int count, Submission submission) {
        List<CompletableFuture<?>> futures = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            futures.add(submission.submit());
        }
        return futures;
    }

    private static void insertAndCommit(PoolConnection c) throws SQLException {
        c.execute("BEGIN");
        c.execute(INSERT);
        c.execute("COMMIT");
    }

    private static CompletableFuture<?> lease(SqlitePool pool, SqlAction<PoolConnection, SQLException> work) {
        return pool.acquire().thenCompose((Lease lease) -> lease.run(c -> {
                    work.accept(c);
                    return 1;
                })
                .whenComplete((done, error) -> lease.release()));
    }

    private static CompletableFuture<?> stream(SqlitePool pool) {
        CompletableFuture<Integer> end = new CompletableFuture<>();
        pool.stream("SELECT x FROM u", row -> row.getInt(1)).subscribe(new Flow.Subscriber<Integer>() {
            private Flow.Subscription subscription;
            private int rows;

            @Override
            public void onSubscribe(Flow.Subscription to) {
                subscription = to;
                to.request(1);
            }

            @Override
            public void onNext(Integer item) {
                rows++;
                subscription.request(1);
            }

            @Override
            public void onError(Throwable error) {
                end.completeExceptionally(error);
            }

            @Override
            public void onComplete() {
                end.complete(rows);
            }
        });
        return end;
    }

    private long time() {
        boolean own =
                where == Where.OWN_FRAMES && Thread.currentThread().getName().contains("-worker-");
        if (own && left.get() > 0 && left.decrementAndGet() == 0) {
            OutOfMemoryError error = new OutOfMemoryError("by the test");
            struck = List.of(error.getStackTrace()).subList(2, 5).toString();
            throw error;
        }
        return System.nanoTime();
    }

    private @Nullable Object failing(Engines.Call call) throws Throwable {
        boolean fails = where != Where.OWN_FRAMES && left.get() > 0 && left.decrementAndGet() == 0;
        if (fails) {
            struck = call.method() + " " + where;
        }
        if (fails && (where == Where.BEFORE || where == Where.CLASS_BEFORE)) {
            throw error();
        }
        Object answer = call.proceed();
        if (fails) {
            throw error();
        }
        return answer;
    }

    private Error error() {
        boolean classes = where == Where.CLASS_BEFORE || where == Where.CLASS_AFTERWARDS;
        return classes ? new NoClassDefFoundError("by the test") : new OutOfMemoryError("by the test");
    }

    @ParameterizedTest
    @MethodSource("uses")
    void nothingIsLost(String name, Where strikes) throws Exception {
        Use use = names().get(name);
        where = strikes;
        Settings settings = Pools.settings(SqlitePool.builder()
                .databasePath(pools.file())
                .poolSize(3)
                .durability(name.contains("lease") ? Durability.FULL : Durability.NORMAL));
        LanePool pool = pools.track(new LanePool(settings, this::time, engines), settings.name());
        pool.execute("CREATE TABLE t (x)").join();
        pool.execute("CREATE TABLE u (x)").join();
        pool.execute("INSERT INTO u VALUES (1), (2), (3)").join();
        boolean more = true;
        for (int call = 1; more; call++) {
            struck = "";
            int before = count(pool);
            left.set(call);
            List<CompletableFuture<?>> futures = use.begin(pool);
            int done = 0;
            int unknown = 0;
            for (CompletableFuture<?> future : futures) {
                Throwable error = error(pool, future);
                done += error == null ? 1 : 0;
                unknown += error instanceof OutcomeUnknownException || error instanceof Error ? 1 : 0;
            }
            awaitIdle(pool);
            more = left.getAndSet(0) <= 0;
            assertThat(count(pool) - before)
                    .as("after call %d, %s", call, struck)
                    .isBetween(writes(name, done), writes(name, done + unknown));
        }
    }

    private @Nullable Throwable error(SqlitePool pool, CompletableFuture<?> future) throws InterruptedException {
        try {
            future.get(Pools.PATIENCE.toMillis(), TimeUnit.MILLISECONDS);
            return null;
        } catch (ExecutionException e) {
            return e.getCause();
        } catch (CancellationException e) {
            return e;
        } catch (TimeoutException e) {
            throw new AssertionError("not answered after " + struck + ": " + pool.stats(), e);
        }
    }

    private void awaitIdle(SqlitePool pool) {
        try {
            Pools.awaitIdle(pool);
        } catch (AssertionError e) {
            throw new AssertionError("after " + struck, e);
        }
    }

    private static int writes(String name, int done) {
        return switch (name) {
            case "a query", "shared snapshots", "a read", "a lease", "a stream" -> 0;
            case "a batch" -> 2 * done;
            default -> done;
        };
    }

    private static int count(SqlitePool pool) throws Exception {
        return pool.queryOne("SELECT count(*) FROM t", row -> row.getInt(1))
                .get(20, TimeUnit.SECONDS)
                .orElseThrow();
    }
}
