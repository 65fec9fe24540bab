package dev.sqlitepool.examples;

import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.stream.IntStream;

/** Readers who add up the shop while it sells, and check that every summary is consistent. Chains of futures, as customers are. */
final class Auditors {
    private static final Executor AFTER_A_PAUSE = CompletableFuture.delayedExecutor(50, TimeUnit.MILLISECONDS);

    private final Shop shop;
    private final LongAdder taken = new LongAdder();
    private final Queue<Shop.Summary> inconsistent = new ConcurrentLinkedQueue<>();
    private volatile boolean closingTime;

    Auditors(Shop shop) {
        this.shop = shop;
    }

    /**
     * Lets them all begin.
     *
     * @return completes some time after {@link #stop()}, when each has taken its last summary
     */
    CompletableFuture<Void> watch(int readers) {
        return CompletableFuture.allOf(
                IntStream.range(0, readers).mapToObj(reader -> look()).toArray(CompletableFuture[]::new));
    }

    void stop() {
        closingTime = true;
    }

    private CompletableFuture<Void> look() {
        boolean last = closingTime;
        CompletableFuture<Void> judged = shop.summary().thenAccept(this::judge);
        return last ? judged : judged.thenComposeAsync(done -> look(), AFTER_A_PAUSE);
    }

    private void judge(Shop.Summary summary) {
        taken.increment();
        if (!summary.isConsistent()) {
            inconsistent.add(summary);
        }
    }

    long taken() {
        return taken.sum();
    }

    /** The summaries that did not add up; there must be none. */
    Queue<Shop.Summary> inconsistent() {
        return inconsistent;
    }
}
