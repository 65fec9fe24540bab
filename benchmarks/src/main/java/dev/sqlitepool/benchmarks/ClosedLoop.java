package dev.sqlitepool.benchmarks;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.LongStream;

/**
 * Clients that each do one operation after the other, for some time.
 *
 * @param clients how many, numbered from 1 on
 * @param threads whether a client is a thread that waits; else it chains its next operation to the future of the one before
 * @param unmeasured so many, the first, take part and are not measured
 */
record ClosedLoop(int clients, boolean threads, int unmeasured, double seconds, Operation operation) {
    private static final long PATIENCE_SECONDS = 120;

    /** One operation of a client. */
    interface Operation {
        CompletableFuture<?> start(int client) throws Exception;
    }

    /** Runs it. Fails if an operation fails, or does not end. */
    Round run() throws Exception {
        long start = System.nanoTime();
        long end = start + (long) (seconds * 1e9);
        CountDownLatch done = new CountDownLatch(clients);
        List<Client> all = new ArrayList<>();
        for (int i = 1; i <= clients; i++) {
            Client client = new Client(operation, i, end, done);
            all.add(client);
            if (threads) {
                new Thread(client::loop, "client-" + i).start();
            } else {
                client.next();
            }
        }
        if (!done.await((long) seconds + PATIENCE_SECONDS, TimeUnit.SECONDS)) {
            throw new IllegalStateException(done.getCount() + " clients wait for an operation that does not end");
        }
        for (Client client : all) {
            if (client.error != null) {
                throw new IllegalStateException("an operation failed", client.error);
            }
        }
        List<Client> measured = all.subList(unmeasured, clients);
        long last = measured.stream().mapToLong(client -> client.last).max().orElseThrow();
        long[] latencies =
                measured.stream().flatMapToLong(Client::latencies).sorted().toArray();
        return Round.of(all.stream().mapToLong(client -> client.count).sum(), latencies, (last - start) / 1e9);
    }

    private static final class Client {
        private final Operation operation;
        private final int number;
        private final long end;
        private final CountDownLatch done;
        private long[] latencies = new long[1 << 12];
        private int count;
        private long last;
        private Throwable error;

        Client(Operation operation, int number, long end, CountDownLatch done) {
            this.operation = operation;
            this.number = number;
            this.end = end;
            this.done = done;
        }

        LongStream latencies() {
            return Arrays.stream(latencies, 0, count);
        }

        private boolean finished(long begun, Throwable failure) {
            last = System.nanoTime();
            error = failure;
            if (failure == null) {
                if (count == latencies.length) {
                    latencies = Arrays.copyOf(latencies, count * 2);
                }
                latencies[count++] = last - begun;
                if (last < end) {
                    return false;
                }
            }
            done.countDown();
            return true;
        }

        void loop() {
            while (true) {
                long begun = System.nanoTime();
                Throwable failure = null;
                try {
                    operation.start(number).join();
                } catch (Throwable e) {
                    failure = e;
                }
                if (finished(begun, failure)) {
                    return;
                }
            }
        }

        void next() {
            long begun = System.nanoTime();
            try {
                CompletableFuture<?> unused = operation.start(number).whenComplete((value, failure) -> {
                    if (!finished(begun, failure)) {
                        next();
                    }
                });
            } catch (Exception e) {
                finished(begun, e);
            }
        }
    }
}
