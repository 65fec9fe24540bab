package dev.sqlitepool.benchmarks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.Stream;

/**
 * sqlitepool beside HikariCP with ten connections, in one run, on the same file system: closed loop, 64 clients, everything durable
 * ({@code synchronous=FULL}). Rounds alternate, and medians are compared, since machines are noisy: read the ratios.
 *
 * <p>A client of HikariCP is a platform thread; a client of sqlitepool chains its next operation to the future of the one before.
 */
public final class VersusHikari {
    private static final int CLIENTS = 64;

    /** One operation of a client. */
    private interface Operation {
        CompletableFuture<?> start(Contender contender, int client) throws Exception;
    }

    /** What a round measured. */
    private record Round(double perSecond, double p50Micros, double p99Micros, double maxMicros) {}

    private VersusHikari() {}

    /**
     * Runs the comparison.
     *
     * @param arguments seconds for each round (default 2), and rounds (default 5)
     * @throws Exception if an operation fails
     */
    public static void main(String[] arguments) throws Exception {
        double seconds = arguments.length > 0 ? Double.parseDouble(arguments[0]) : 2;
        int rounds = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 5;
        Path directory = Files.createTempDirectory("versus-hikari");
        try (Contender ours = Contender.sqlitepool(directory.resolve("ours.db"));
                Contender theirs = Contender.hikari(directory.resolve("theirs.db"))) {
            System.out.printf(
                    "%d clients, %d rounds of %.1f s each, Java %s, %d processors%n",
                    CLIENTS,
                    rounds,
                    seconds,
                    Runtime.version().feature(),
                    Runtime.getRuntime().availableProcessors());
            compare("transaction", ours, theirs, CLIENTS, rounds, seconds, Contender::transaction);
            compare("execute", ours, theirs, CLIENTS, rounds, seconds, Contender::execute);
            compare("query (point read)", ours, theirs, CLIENTS, rounds, seconds, (c, client) -> c.query(key()));
            compare("one blocking thread", ours, theirs, 1, rounds, seconds, (c, client) -> {
                c.blockingQuery(key());
                return CompletableFuture.completedFuture(null);
            });
        } finally {
            delete(directory);
        }
    }

    private static int key() {
        return ThreadLocalRandom.current().nextInt(1, Contender.ROWS + 1);
    }

    private static void compare(
            String what, Contender ours, Contender theirs, int clients, int rounds, double seconds, Operation operation)
            throws Exception {
        List<Round> mine = new ArrayList<>();
        List<Round> other = new ArrayList<>();
        for (int round = -1; round < rounds; round++) { // the first warms up
            Round a = measure(ours, clients, seconds, operation);
            Round b = measure(theirs, clients, seconds, operation);
            if (round >= 0) {
                mine.add(a);
                other.add(b);
            }
        }
        Round a = median(mine);
        Round b = median(other);
        System.out.printf("%n%-22s %12s %12s %12s %12s%n", what, "per second", "p50 µs", "p99 µs", "max µs");
        print(ours.name(), a);
        print(theirs.name(), b);
        System.out.printf(
                Locale.ROOT,
                "  %-20s %12s %12s %12s%n",
                "ratio",
                String.format(Locale.ROOT, "%.2f x", a.perSecond() / b.perSecond()),
                String.format(Locale.ROOT, "%.2f", a.p50Micros() / b.p50Micros()),
                String.format(Locale.ROOT, "%.3f", a.p99Micros() / b.p99Micros()));
    }

    private static void print(String name, Round round) {
        System.out.printf(
                Locale.ROOT,
                "  %-20s %,12.0f %,12.0f %,12.0f %,12.0f%n",
                name,
                round.perSecond(),
                round.p50Micros(),
                round.p99Micros(),
                round.maxMicros());
    }

    private static Round median(List<Round> rounds) {
        return rounds.stream()
                .sorted(Comparator.comparingDouble(Round::perSecond))
                .toList()
                .get(rounds.size() / 2);
    }

    private static Round measure(Contender contender, int clients, double seconds, Operation operation)
            throws Exception {
        long end = System.nanoTime() + (long) (seconds * 1e9);
        List<Client> all = new ArrayList<>();
        CountDownLatch done = new CountDownLatch(clients);
        long start = System.nanoTime();
        for (int i = 1; i <= clients; i++) {
            Client client = new Client(contender, operation, i, end, done);
            all.add(client);
            if (contender.clientsAreThreads() || clients == 1) {
                new Thread(client::loop, "client-" + i).start();
            } else {
                client.next();
            }
        }
        done.await();
        double took = (System.nanoTime() - start) / 1e9;
        long[] latencies =
                all.stream().flatMapToLong(Client::latencies).sorted().toArray();
        for (Client client : all) {
            if (client.error != null) {
                throw new IllegalStateException(contender.name() + " failed", client.error);
            }
        }
        return new Round(
                latencies.length / took,
                latencies[latencies.length / 2] / 1e3,
                latencies[(int) (latencies.length * 0.99)] / 1e3,
                latencies[latencies.length - 1] / 1e3);
    }

    /** One client: one operation at a time. */
    private static final class Client {
        private final Contender contender;
        private final Operation operation;
        private final int number;
        private final long end;
        private final CountDownLatch done;
        private long[] latencies = new long[1 << 12];
        private int count;
        private Throwable error;

        Client(Contender contender, Operation operation, int number, long end, CountDownLatch done) {
            this.contender = contender;
            this.operation = operation;
            this.number = number;
            this.end = end;
            this.done = done;
        }

        java.util.stream.LongStream latencies() {
            return Arrays.stream(latencies, 0, count);
        }

        private boolean finished(long begun, Throwable failure) {
            long now = System.nanoTime();
            if (count == latencies.length) {
                latencies = Arrays.copyOf(latencies, count * 2);
            }
            latencies[count++] = now - begun;
            error = failure;
            if (failure == null && now < end) {
                return false;
            }
            done.countDown();
            return true;
        }

        void loop() {
            while (true) {
                long begun = System.nanoTime();
                Throwable failure = null;
                try {
                    operation.start(contender, number).join();
                } catch (Exception e) {
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
                CompletableFuture<?> unused = operation.start(contender, number).whenComplete((value, failure) -> {
                    if (!finished(begun, failure)) {
                        next();
                    }
                });
            } catch (Exception e) {
                finished(begun, e);
            }
        }
    }

    private static void delete(Path directory) throws IOException {
        try (Stream<Path> files = Files.walk(directory)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }
}
