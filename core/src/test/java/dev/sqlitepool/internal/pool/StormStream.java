package dev.sqlitepool.internal.pool;

import dev.sqlitepool.SqlitePool;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;

/**
 * A stream in a storm: read to its end at once or a few rows at a time, read slowly, or cancelled by its subscriber in the middle.
 * Its rows must come in order, once, and all of one snapshot.
 */
final class StormStream implements Flow.Subscriber<StormStream.Numbered> {
    private static final int ROWS = 20;

    /** Each row looks by itself at what is written meanwhile. */
    private static final String SQL = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT " + ROWS
            + ") SELECT i, coalesce((SELECT max(place) FROM t WHERE place < 1000000000 + i), 0) FROM n";

    /** A row. */
    record Numbered(long number, long last) {}

    private final CompletableFuture<Long> end = new CompletableFuture<>();
    private final long step;
    private final boolean slow;
    private final long cancelAt;
    private Flow.Subscription subscription;
    private long rows;
    private long last;

    private StormStream(Random random) {
        int kind = random.nextInt(40);
        this.step = kind < 16 ? Long.MAX_VALUE : 1 + random.nextInt(8);
        this.slow = kind == 16;
        this.cancelAt = kind > 30 ? random.nextInt(ROWS) : -1;
    }

    /** Returns its end: the number of its rows. Whoever cancels the future, or lets it time out, cancels the subscription. */
    static CompletableFuture<Long> subscribe(SqlitePool pool, Random random) {
        StormStream stream = new StormStream(random);
        pool.stream(SQL, row -> new Numbered(row.getLong(1), row.getLong(2))).subscribe(stream);
        return stream.end;
    }

    @Override
    public void onSubscribe(Flow.Subscription given) {
        subscription = given;
        end.whenComplete((value, error) -> given.cancel());
        given.request(step);
        if (cancelAt == 0) {
            end.cancel(true);
        }
    }

    @Override
    public void onNext(Numbered row) {
        rows++;
        last = rows == 1 ? row.last() : last;
        if (row.number() != rows || row.last() != last) {
            end.completeExceptionally(new AssertionError("row " + rows + " of a snapshot at " + last + " is " + row));
        } else if (rows == cancelAt) {
            end.cancel(true);
        } else if (slow && rows % step == 0) {
            CompletableFuture.delayedExecutor(100, TimeUnit.MICROSECONDS).execute(() -> subscription.request(step));
        } else if (!slow && step < ROWS) {
            subscription.request(1);
        }
    }

    @Override
    public void onError(Throwable error) {
        end.completeExceptionally(error);
    }

    @Override
    public void onComplete() {
        if (rows == ROWS) {
            end.complete(rows);
        } else {
            end.completeExceptionally(new AssertionError("a stream has ended after " + rows + " rows"));
        }
    }
}
