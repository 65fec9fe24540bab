package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sqlitepool.testing.Logged;
import dev.sqlitepool.testing.Pools;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A recursion of the caller goes to the end of its stack, and uses the pool there, then one frame further up, and so on, until there is
 * room enough: so the end comes in each frame of the pool once. Whatever it hits, no lane, no wake-up and no future is lost, and nothing is acknowledged
 * that is not there.
 */
class CallersStackEndsTest {
    private static final long STACK = 384 * 1024;
    private static final int STARTS = 3;

    @RegisterExtension
    final Pools pools = new Pools();

    @RegisterExtension
    final Logged logged = new Logged("the subscriber of");

    /** What a caller does at each depth. */
    interface Use {
        void run(SqlitePool pool) throws Exception;
    }

    /** Left by uses that were struck between two calls of theirs. */
    private final List<CompletableFuture<Lease>> leases = new ArrayList<>(1 << 16);

    private final List<Flow.Subscription> subscriptions = new ArrayList<>(1 << 16);
    private int overflows;
    private int returns;

    static Stream<String> uses() {
        return Stream.of(
                "blocking execute",
                "blocking executeBatch",
                "blocking query",
                "blocking queryOne",
                "blocking transaction",
                "blocking read",
                "blocking connection that writes",
                "blocking connection that commits",
                "execute, join",
                "query, join",
                "transaction, get",
                "read, get with a limit",
                "connection, join",
                "execute, cancel",
                "a lease",
                "a lease that commits",
                "a stream",
                "changes");
    }

    private Map<String, Use> all() {
        return Map.ofEntries(
                Map.entry("blocking execute", pool -> pool.blocking().execute("INSERT INTO t VALUES (1)")),
                Map.entry("blocking executeBatch", pool -> pool.blocking()
                        .executeBatch("INSERT INTO t VALUES (?)", List.of(row(1), row(2)))),
                Map.entry("blocking query", pool -> pool.blocking().query("SELECT x FROM u", row -> row.getInt(1))),
                Map.entry("blocking queryOne", pool -> pool.blocking()
                        .queryOne("SELECT x FROM u LIMIT 1", row -> row.getInt(1))),
                Map.entry("blocking transaction", pool -> pool.blocking()
                        .useTransaction(tx -> tx.execute("INSERT INTO t VALUES (1)"))),
                Map.entry("blocking read", pool -> pool.blocking()
                        .useRead(c -> c.query("SELECT x FROM u", row -> row.getInt(1)))),
                Map.entry("blocking connection that writes", pool -> pool.blocking()
                        .useConnection(c -> c.execute("INSERT INTO t VALUES (1)"))),
                Map.entry("blocking connection that commits", pool -> pool.blocking()
                        .useConnection(CallersStackEndsTest::insertAndCommit)),
                Map.entry("execute, join", pool -> pool.execute("INSERT INTO t VALUES (1)")
                        .join()),
                Map.entry("query, join", pool -> pool.query("SELECT x FROM u", row -> row.getInt(1))
                        .join()),
                Map.entry("transaction, get", pool -> pool.useTransaction(tx -> tx.execute("INSERT INTO t VALUES (1)"))
                        .get()),
                Map.entry("read, get with a limit", pool -> pool.useRead(
                                c -> c.query("SELECT x FROM u", row -> row.getInt(1)))
                        .get(1, TimeUnit.MINUTES)),
                Map.entry("connection, join", pool -> pool.useConnection(CallersStackEndsTest::insertAndCommit)
                        .join()),
                Map.entry("execute, cancel", pool -> pool.execute("INSERT INTO t VALUES (1)")
                        .cancel(true)),
                Map.entry("a lease", pool -> lease(pool, c -> c.query("SELECT x FROM u", row -> row.getInt(1)))),
                Map.entry("a lease that commits", pool -> lease(pool, CallersStackEndsTest::insertAndCommit)),
                Map.entry("a stream", pool -> pool.stream("SELECT x FROM u", row -> row.getInt(1))
                        .subscribe(new Asking<>())),
                Map.entry("changes", pool -> pool.changes("t").subscribe(new Asking<Set<String>>())));
    }

    private static Object[] row(Object... values) {
        return values;
    }

    private static void insertAndCommit(PoolConnection c) throws java.sql.SQLException {
        c.execute("BEGIN");
        c.execute("INSERT INTO t VALUES (1)");
        c.execute("COMMIT");
    }

    private void lease(SqlitePool pool, SqlAction<PoolConnection, ?> work) {
        giveBackLeases(); // of uses that were struck further down
        CompletableFuture<Lease> lease = pool.acquire();
        leases.add(lease);
        Lease held = lease.join();
        held.run(c -> {
                    work.accept(c);
                    return 1;
                })
                .join();
        held.release().join();
    }

    /** Asks for one after the other. */
    private final class Asking<T> implements Flow.Subscriber<T> {
        private Flow.Subscription subscription;

        @Override
        public void onSubscribe(Flow.Subscription to) {
            subscriptions.add(to);
            subscription = to;
            to.request(1);
        }

        @Override
        public void onNext(T item) {
            subscription.request(1);
        }

        @Override
        public void onError(Throwable error) {}

        @Override
        public void onComplete() {}
    }

    @ParameterizedTest
    @MethodSource("uses")
    void atAnyDepth(String name) throws Exception {
        Use use = all().get(name);
        SqlitePool pool = pools.open(b -> b.poolSize(3).durability(Durability.NORMAL));
        pool.execute("CREATE TABLE t (x)").join();
        pool.execute("CREATE TABLE u (x)").join();
        pool.execute("INSERT INTO u VALUES (1), (2), (3)").join();
        use.run(pool); // links what the test calls
        for (int start = 0; start < STARTS; start++) {
            int from = start;
            Thread thread = new Thread(null, () -> after(from, pool, use), "deep", STACK);
            thread.start();
            thread.join(60_000);
            assertThat(thread.isAlive()).as("the caller comes back").isFalse();
            assertWorks(pool);
        }
        assertThat(overflows).as("uses that were struck").isPositive();
        assertThat(returns).as("uses that were not").isPositive();
    }

    private void giveBackLeases() {
        for (CompletableFuture<Lease> lease : leases) {
            lease.join().release().join();
        }
        leases.clear();
    }

    private void assertWorks(SqlitePool pool) {
        giveBackLeases();
        subscriptions.forEach(Flow.Subscription::cancel);
        subscriptions.clear();
        Pools.awaitIdle(pool);
        for (int i = 0; i < 4; i++) {
            assertThat(pool.execute("UPDATE u SET x = x").join()).isEqualTo(3);
            assertThat(pool.query("SELECT x FROM u", row -> row.getInt(1)).join())
                    .hasSize(3);
        }
    }

    /** Some small frames first, so that the stack ends elsewhere. */
    private void after(int frames, SqlitePool pool, Use use) {
        if (frames > 0) {
            after(frames - 1, pool, use);
            return;
        }
        fromTheEnd(pool, use);
    }

    /** To the end of the stack, and back: at each depth until the use has returned three times. Returns how often it has. */
    @SuppressWarnings("InfiniteRecursion") // what it is for
    private int fromTheEnd(SqlitePool pool, Use use) {
        int done = 0;
        try {
            done = fromTheEnd(pool, use);
        } catch (StackOverflowError e) {
            // here
        }
        return done == 3 ? done : done + tried(pool, use);
    }

    private int tried(SqlitePool pool, Use use) {
        try {
            use.run(pool);
            returns++;
            return 1;
        } catch (StackOverflowError e) {
            overflows++;
        } catch (Exception e) {
            // told by a future
        }
        return 0;
    }

    /** The caller's stack ends before anything has happened, so what has failed so was not done. */
    @Test
    void whatTheEndOfTheStackHasStruckHasNotHappened() throws Exception {
        SqlitePool pool = pools.open(b -> b.poolSize(2).durability(Durability.NORMAL));
        pool.execute("CREATE TABLE t (x)").join();
        warm(pool);
        Use use = all().get("blocking execute");
        Thread thread = new Thread(null, () -> after(0, pool, use), "deep", STACK);
        thread.start();
        thread.join();
        assertThat(overflows).isPositive();
        assertThat(pool.queryOne("SELECT count(*) FROM t", row -> row.getInt(1)).join())
                .hasValue(returns);
    }

    private static void warm(SqlitePool pool) throws java.sql.SQLException {
        for (int i = 0; i < 1_000; i++) {
            pool.blocking().execute("DELETE FROM t");
        }
    }

    /** The work swallows the error and goes on: what it goes on with is whole. */
    @Test
    void insideATransactionWhatFailedLeavesNothingBehind() throws Exception {
        SqlitePool pool = pools.open(b -> b.poolSize(2).durability(Durability.NORMAL));
        pool.execute("CREATE TABLE t (x)").join();
        AtomicInteger done = new AtomicInteger();
        Runnable body = () -> {
            try {
                pool.blocking().useTransaction(tx -> savepoints(tx, done));
            } catch (java.sql.SQLException e) {
                throw new AssertionError(e);
            }
        };
        Thread thread = new Thread(null, body, "deep", STACK);
        thread.start();
        thread.join();
        assertThat(pool.queryOne("SELECT count(*) FROM t", row -> row.getInt(1)).join())
                .hasValue(done.get());
    }

    @SuppressWarnings("InfiniteRecursion") // what it is for
    private static void savepoints(Transaction tx, AtomicInteger done) {
        try {
            tx.savepoint(inner -> inner.execute("INSERT INTO t VALUES (1)"));
            done.set(done.get() + 1);
        } catch (StackOverflowError e) {
            return;
        } catch (Exception e) {
            throw new AssertionError(e);
        }
        savepoints(tx, done);
    }

    @Test
    void aBackupIsWholeOrIsNotThere() throws Exception {
        SqlitePool pool = pools.open(b -> b.poolSize(2));
        pool.execute("CREATE TABLE u (x)").join();
        pool.execute("INSERT INTO u VALUES (1), (2), (3)").join();
        Path directory = pools.directory();
        AtomicInteger number = new AtomicInteger();
        List<CompletableFuture<Void>> backups = new ArrayList<>(1 << 16);
        pool.backup(directory.resolve("first")).join();
        Use use = any -> backups.add(pool.backup(directory.resolve("backup" + number.incrementAndGet())));
        Thread thread = new Thread(null, () -> after(0, pool, use), "deep", STACK);
        thread.start();
        thread.join();
        for (CompletableFuture<Void> backup : backups) {
            backup.join();
        }
        assertWorks(pool);
    }

    @Test
    void aPoolThatCouldNotBeClosedCanBeClosed() throws Exception {
        for (int i = 0; i < 3; i++) {
            SqlitePool pool = pools.open(b -> b.poolSize(2));
            pool.execute("CREATE TABLE IF NOT EXISTS u (x)").join();
            Use use = any -> pool.close();
            int from = i;
            Thread thread = new Thread(null, () -> after(from, pool, use), "deep", STACK);
            thread.start();
            thread.join(60_000);
            assertThat(thread.isAlive()).isFalse();
            pool.close();
            assertThat(pool.stats().live()).isZero();
        }
    }
}
