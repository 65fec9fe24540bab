package dev.sqlitepool.benchmarks;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;

/**
 * Operations that are begun at a fixed rate, as by people who do not wait for each other. A latency counts from when the operation
 * should have begun, so one that is slow does not hide those that queue behind it (no coordinated omission).
 *
 * @param clients how many threads take the operations, if the clients are threads; each operation counts as a client's in turn
 */
record OpenLoop(int clients, Clients how, int perSecond, double seconds, ClosedLoop.Operation operation) {
    /** Runs it. Fails if an operation fails, or does not end. */
    Round run() throws Exception {
        long count = Math.max(1, (long) (perSecond * seconds));
        Meter meter = new Meter(clients, 0);
        CountDownLatch done = new CountDownLatch((int) count);
        AtomicReference<Throwable> error = new AtomicReference<>();
        AtomicLong next = new AtomicLong();
        CountDownLatch measured = new CountDownLatch(1);
        Runnable body = () -> {
            for (long i = next.getAndIncrement(); i < count; i = next.getAndIncrement()) {
                begin(i, meter, done, error);
            }
            try {
                measured.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        };
        Clients starters = how == Clients.STAGES ? Clients.THREADS : how;
        for (int i = 0; i < (how == Clients.STAGES ? 1 : clients); i++) {
            starters.start("client-" + i, body);
        }
        try {
            if (!done.await((long) seconds + ClosedLoop.PATIENCE_SECONDS, TimeUnit.SECONDS)) {
                throw new IllegalStateException(done.getCount() + " operations do not end");
            }
            if (error.get() != null) {
                throw new IllegalStateException("an operation failed", error.get());
            }
            return meter.end();
        } finally {
            measured.countDown();
        }
    }

    private void begin(long number, Meter meter, CountDownLatch done, AtomicReference<Throwable> error) {
        long due = meter.start() + number * TimeUnit.SECONDS.toNanos(1) / perSecond;
        for (long left = due - System.nanoTime(); left > 0; left = due - System.nanoTime()) {
            LockSupport.parkNanos(left);
        }
        int client = (int) (number % clients) + 1;
        try {
            CompletableFuture<?> begun = operation.start(client).whenComplete((value, failure) -> {
                if (failure == null) {
                    meter.record(client, due, System.nanoTime());
                } else {
                    error.compareAndSet(null, failure);
                }
                done.countDown();
            });
            if (how != Clients.STAGES) {
                begun.join();
            }
        } catch (Exception e) {
            error.compareAndSet(null, e);
            done.countDown();
        }
    }
}
