package dev.sqlitepool.benchmarks;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Clients that each do one operation after the other, for some time.
 *
 * @param clients how many, numbered from 1 on
 * @param how what a client is
 * @param unmeasured so many, the first, take part and are not measured
 */
record ClosedLoop(int clients, Clients how, int unmeasured, double seconds, Operation operation) {
    static final long PATIENCE_SECONDS = 120;

    /** One operation of a client. */
    interface Operation {
        CompletableFuture<?> start(int client) throws Exception;
    }

    /** Runs it. Fails if an operation fails, or does not end. */
    Round run() throws Exception {
        Meter meter = new Meter(clients, unmeasured);
        Run run = new Run(how, operation, meter, meter.start() + (long) (seconds * 1e9), new CountDownLatch(clients));
        CountDownLatch measured = new CountDownLatch(1);
        for (int i = 1; i <= clients; i++) {
            int client = i;
            if (how == Clients.STAGES) {
                run.next(client);
            } else {
                how.start("client-" + client, () -> run.loop(client, measured));
            }
        }
        try {
            if (!run.done.await((long) seconds + PATIENCE_SECONDS, TimeUnit.SECONDS)) {
                throw new IllegalStateException(
                        run.done.getCount() + " clients wait for an operation that does not end");
            }
            Throwable error = run.error.get();
            if (error != null) {
                throw new IllegalStateException("an operation failed", error);
            }
            return meter.end();
        } finally {
            measured.countDown();
        }
    }

    private record Run(
            Clients how,
            Operation operation,
            Meter meter,
            long end,
            CountDownLatch done,
            AtomicReference<Throwable> error) {
        Run(Clients how, Operation operation, Meter meter, long end, CountDownLatch done) {
            this(how, operation, meter, end, done, new AtomicReference<>());
        }

        private boolean finished(int client, long begun, Throwable failure) {
            long now = System.nanoTime();
            if (failure == null) {
                meter.record(client, begun, now);
                if (now < end && error.get() == null) {
                    return false;
                }
            } else {
                error.compareAndSet(null, failure);
            }
            done.countDown();
            return true;
        }

        /** A client that is a thread; it lives until the round is measured, since its allocations are counted then. */
        void loop(int client, CountDownLatch measured) {
            // A virtual thread that waits for a carrier, while others keep them, is a client that waits.
            for (long begun = how == Clients.VIRTUAL_THREADS ? meter.start() : System.nanoTime();
                    ;
                    begun = System.nanoTime()) {
                Throwable failure = null;
                try {
                    operation.start(client).join();
                } catch (Throwable e) {
                    failure = e;
                }
                if (finished(client, begun, failure)) {
                    break;
                }
            }
            try {
                measured.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }

        void next(int client) {
            long begun = System.nanoTime();
            try {
                CompletableFuture<?> unused = operation.start(client).whenComplete((value, failure) -> {
                    if (!finished(client, begun, failure)) {
                        next(client);
                    }
                });
            } catch (Exception e) {
                finished(client, begun, e);
            }
        }
    }
}
