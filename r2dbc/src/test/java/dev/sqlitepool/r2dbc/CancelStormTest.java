package dev.sqlitepool.r2dbc;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sqlitepool.testing.Pools;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.R2dbcException;
import io.r2dbc.spi.Result;
import java.time.Duration;
import java.util.SplittableRandom;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import reactor.core.Disposable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/**
 * Subscribers that cancel at any moment: while they wait for a lane, while SQL runs, between rows, at the commit. Afterwards no lane is on
 * loan, and each row is there exactly once if its commit was seen, and at most once if not. {@code -Dsqlitepool.storm.cancels=…} for more.
 */
class CancelStormTest {
    private static final int CANCELS = Integer.getInteger("sqlitepool.storm.cancels", 100_000);
    private static final int AT_ONCE = 64;

    @RegisterExtension
    final Database database = new Database(builder -> builder.poolSize(4).durability(dev.sqlitepool.Durability.NORMAL));

    private final AtomicLong numbers = new AtomicLong();
    private final ConcurrentLinkedQueue<Long> committed = new ConcurrentLinkedQueue<>();
    private final ConcurrentLinkedQueue<Throwable> unexpected = new ConcurrentLinkedQueue<>();
    private final AtomicLong cancelled = new AtomicLong();

    private static Flux<Long> run(Connection connection, String sql, Object... values) {
        var statement = connection.createStatement(sql);
        for (int i = 0; i < values.length; i++) {
            statement.bind(i, values[i]);
        }
        return Flux.from(statement.execute()).concatMap(Result::getRowsUpdated);
    }

    private static Flux<Integer> read(Connection connection, int fetchSize) {
        return Flux.from(connection
                        .createStatement("SELECT a.i FROM small a, small b")
                        .fetchSize(fetchSize)
                        .execute())
                .concatMap(result -> result.map(row -> row.get(0, Integer.class)));
    }

    private Mono<Void> work(Connection connection, int kind) {
        long number = numbers.incrementAndGet();
        switch (kind) {
            case 0:
                return read(connection, 0).then();
            case 1:
                return read(connection, 3).take(50).then();
            case 2:
                return run(connection, "INSERT INTO t VALUES (?)", number)
                        .then(Mono.fromRunnable(() -> committed.add(number)));
            case 3:
                return Mono.from(connection.beginTransaction(SqliteTransactionDefinition.READ_ONLY))
                        .thenMany(read(connection, 0))
                        .then(Mono.from(connection.rollbackTransaction()));
            case 4:
                return Mono.from(connection
                                .createStatement("INSERT INTO t VALUES (?)")
                                .bind(0, number)
                                .returnGeneratedValues("n")
                                .execute())
                        .flatMapMany(result -> result.map(row -> row.get(0, Long.class)))
                        .doOnNext(committed::add)
                        .then();
            default:
                return Mono.from(connection.beginTransaction())
                        .thenMany(run(connection, "INSERT INTO t VALUES (?)", number))
                        .thenMany(read(connection, 7).take(20))
                        .then(Mono.from(connection.commitTransaction()))
                        .then(Mono.fromRunnable(() -> committed.add(number)));
        }
    }

    /** A subscription that is cancelled after some time, if it has not ended before; completes when its connection is closed. */
    private CompletableFuture<Void> cancelledSoon(SplittableRandom random, ScheduledExecutorService timer) {
        CompletableFuture<Void> closed = new CompletableFuture<>();
        int kind = random.nextInt(6);
        Disposable running = Flux.usingWhen(
                        database.connections(),
                        connection -> work(connection, kind),
                        connection -> connection.close().doFinally(signal -> closed.complete(null)))
                .subscribe(nothing -> {}, error -> {
                    if (!(error instanceof R2dbcException) && !(error instanceof CancellationException)) {
                        unexpected.add(error);
                    }
                });
        Runnable cancel = () -> {
            if (!running.isDisposed()) {
                cancelled.incrementAndGet();
            }
            running.dispose();
        };
        if (random.nextInt(4) == 0) {
            cancel.run();
        } else {
            timer.schedule(cancel, random.nextInt(1500), TimeUnit.MICROSECONDS);
        }
        return closed;
    }

    @Test
    void noLaneIsLostWhenSubscribersCancelAtAnyMoment() throws Exception {
        database.pool().execute("CREATE TABLE t (n INTEGER PRIMARY KEY)").join();
        database.pool().execute("CREATE TABLE small (i INTEGER)").join();
        database.pool()
                .execute("INSERT INTO small SELECT value FROM json_each('[1,2,3,4,5,6,7,8,9,10,11,12]')")
                .join();
        SplittableRandom random = new SplittableRandom(20261128);
        ScheduledExecutorService timer = Executors.newScheduledThreadPool(2);
        try {
            CompletableFuture<?>[] atOnce = new CompletableFuture<?>[AT_ONCE];
            for (int i = 0; i < CANCELS || cancelled.get() < CANCELS; i++) {
                int slot = i % AT_ONCE;
                if (atOnce[slot] != null) {
                    atOnce[slot].get(60, TimeUnit.SECONDS);
                }
                atOnce[slot] = cancelledSoon(random, timer);
            }
            for (CompletableFuture<?> last : atOnce) {
                last.get(60, TimeUnit.SECONDS);
            }
        } finally {
            timer.shutdownNow();
        }
        Pools.awaitIdle(database.pool());
        assertThat(unexpected).isEmpty();
        assertThat(cancelled).hasValueGreaterThanOrEqualTo(CANCELS);
        assertThat(committed)
                .isSubsetOf(database.pool()
                        .<Long>query("SELECT n FROM t", row -> row.getLong(1))
                        .get(60, TimeUnit.SECONDS));
        // Every lane still works, and no transaction is open on any.
        for (int i = 0; i < 8; i++) {
            assertThat(Flux.usingWhen(database.connections(), c -> read(c, 0), SqliteConnection::close)
                            .collectList()
                            .block(Duration.ofSeconds(60)))
                    .hasSize(144);
        }
        assertThat(database.pool().execute("DELETE FROM t").get(60, TimeUnit.SECONDS))
                .isPositive();
    }
}
