package dev.sqlitepool.stress;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.LongSupplier;

/**
 * Clients over one pool, threads and chains of futures, until the pool is closed under them: each ends at its first failure after that.
 */
final class Load {
    private final Mix mix;
    private final ScheduledExecutorService timer;
    private final LongSupplier pauseNanos;
    private final CountDownLatch clients;
    private final List<Thread> threads = new ArrayList<>();

    /**
     * A load that has begun.
     *
     * @param pauseNanos how long a client pauses before its next operation; asked each time, by any thread
     */
    Load(Mix mix, ScheduledExecutorService timer, LongSupplier pauseNanos, int threads, int chains) {
        this.mix = mix;
        this.timer = timer;
        this.pauseNanos = pauseNanos;
        this.clients = new CountDownLatch(threads + chains);
        for (int i = 0; i < threads; i++) {
            Thread thread = new Thread(this::loop, "client-" + i);
            thread.setDaemon(true);
            this.threads.add(thread);
            thread.start();
        }
        for (int i = 0; i < chains; i++) {
            next(new Random(ThreadLocalRandom.current().nextLong()));
        }
    }

    private void loop() {
        Random random = new Random(ThreadLocalRandom.current().nextLong());
        try {
            while (mix.run(random) || !mix.isClosing()) {
                LockSupport.parkNanos(pauseNanos.getAsLong());
            }
        } catch (Exception e) {
            throw new IllegalStateException("an operation did not end", e);
        }
        clients.countDown();
    }

    private void next(Random random) {
        CompletableFuture<?> unused = mix.start(random).whenComplete((well, error) -> {
            if (mix.isClosing() && (error != null || !well)) {
                clients.countDown();
            } else {
                goOn(random, pauseNanos.getAsLong());
            }
        });
    }

    private void goOn(Random random, long pause) {
        if (pause == 0) {
            next(random);
        } else {
            Future<?> unused = timer.schedule(() -> next(random), pause, TimeUnit.NANOSECONDS);
        }
    }

    /** Waits until every client has seen its last operation end; returns how many have not. */
    long awaitEnd(long seconds) throws InterruptedException {
        boolean ended = clients.await(seconds, TimeUnit.SECONDS);
        return ended ? 0 : clients.getCount();
    }
}
