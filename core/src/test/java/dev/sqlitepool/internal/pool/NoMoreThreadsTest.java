package dev.sqlitepool.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sqlitepool.Lease;
import dev.sqlitepool.PoolConnection;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.testing.Pools;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The system refuses new threads, as in a container with a limit: what is to be done is done by the threads that there are. */
class NoMoreThreadsTest {
    private static final int THREADS = 6;
    private static final int TASKS = 120;

    @RegisterExtension
    final Pools pools = new Pools();

    private final Set<Thread> started = ConcurrentHashMap.newKeySet();

    private LanePool open(int poolSize) {
        Settings settings = Pools.settings(SqlitePool.builder()
                .databasePath(pools.file())
                .poolSize(poolSize)
                .closeGrace(Duration.ofSeconds(10)));
        LanePool pool = pools.track(new LanePool(settings), settings.name());
        pool.execute("CREATE TABLE t (x)").join();
        ThreadFactory threads = pool.parts().means().workers().threads().getThreadFactory();
        pool.parts().means().workers().threads().setThreadFactory(body -> limited(threads, body));
        return pool;
    }

    private synchronized Thread limited(ThreadFactory threads, Runnable body) {
        started.removeIf(thread -> thread.getState() == Thread.State.TERMINATED);
        if (started.size() >= THREADS) {
            throw new OutOfMemoryError("unable to create native thread: the test allows no more");
        }
        Thread thread = threads.newThread(body);
        started.add(thread);
        return thread;
    }

    private static void insertAndCommit(PoolConnection c) throws SQLException {
        c.execute("BEGIN");
        c.execute("INSERT INTO t VALUES (1)");
        c.execute("COMMIT");
    }

    private static void assertAll(LanePool pool, List<CompletableFuture<?>> all) throws Exception {
        for (CompletableFuture<?> one : all) {
            one.get(20, TimeUnit.SECONDS);
        }
        assertThat(pool.queryOne("SELECT count(*) FROM t", row -> row.getInt(1)).join())
                .hasValue(TASKS);
    }

    /** Each waits at the gate on its own thread; in the end all of them, for one who drives it. */
    @Test
    void whoWaitsForItsCommitSyncsItself() throws Exception {
        LanePool pool = open(4);
        List<CompletableFuture<?>> all = new ArrayList<>();
        for (int i = 0; i < TASKS; i++) {
            all.add(pool.useConnection(NoMoreThreadsTest::insertAndCommit));
        }
        assertAll(pool, all);
    }

    /** Each gives the write lane back and wants it again, while it is granted to those who have no thread yet. */
    @Test
    void whoWaitsForTheWriteLaneInItsWorkGoesBeforeATaskThatHasNoThread() throws Exception {
        LanePool pool = open(4);
        List<CompletableFuture<?>> all = new ArrayList<>();
        for (int i = 0; i < TASKS / 3; i++) {
            all.add(pool.useConnection(c -> {
                insertAndCommit(c);
                insertAndCommit(c);
            }));
            all.add(pool.useTransaction(tx -> tx.execute("INSERT INTO t VALUES (1)")));
        }
        assertAll(pool, all);
    }

    @Test
    void leasesCommit() throws Exception {
        LanePool pool = open(4);
        List<CompletableFuture<?>> all = new ArrayList<>();
        for (int i = 0; i < TASKS; i++) {
            all.add(pool.acquire().thenCompose(NoMoreThreadsTest::useAndRelease));
        }
        assertAll(pool, all);
    }

    private static CompletableFuture<Void> useAndRelease(Lease lease) {
        return lease.run(c -> {
                    c.execute("BEGIN");
                    return c.execute("INSERT INTO t VALUES (1)");
                })
                .thenCompose(rows -> lease.commit())
                .thenCompose(done -> lease.release());
    }

    @Test
    void theOnlyLaneServesAllToo() throws Exception {
        LanePool pool = open(1);
        List<CompletableFuture<?>> all = new ArrayList<>();
        for (int i = 0; i < TASKS; i++) {
            all.add(pool.useConnection(NoMoreThreadsTest::insertAndCommit));
        }
        assertAll(pool, all);
    }

    @Test
    void thePoolCloses() throws Exception {
        LanePool pool = open(4);
        List<CompletableFuture<?>> all = new ArrayList<>();
        for (int i = 0; i < TASKS; i++) {
            all.add(pool.useConnection(NoMoreThreadsTest::insertAndCommit));
        }
        CompletableFuture<Void> closed = pool.closeAsync();
        closed.get(20, TimeUnit.SECONDS);
        for (CompletableFuture<?> one : all) {
            assertThat(one).isDone();
        }
        assertThat(pool.stats().live()).isZero();
    }
}
