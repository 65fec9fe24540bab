package dev.sqlitepool.benchmarks;

import dev.sqlitepool.programs.Trial;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicLong;

/**
 * sqlitepool beside HikariCP, in one run, on the same file system: closed loop, 64 clients, everything durable ({@code
 * synchronous=FULL}).
 *
 * <p>A client of HikariCP is a platform thread; a client of sqlitepool chains its next operation to the future of the one before.
 */
final class VersusHikari {
    static final int CLIENTS = 64;

    private final Trial trial;
    private final double seconds;
    private final int rounds;

    /** One operation of a client. */
    private interface Operation {
        CompletableFuture<?> start(Contender contender, int client) throws Exception;
    }

    private VersusHikari(Trial trial, double seconds, int rounds) {
        this.trial = trial;
        this.seconds = seconds;
        this.rounds = rounds;
    }

    static void run(Trial trial) throws Exception {
        new VersusHikari(trial, trial.number(0, 2, 0.05), (int) trial.number(1, 5, 1)).run();
    }

    private void run() throws Exception {
        Path ours = trial.directory().resolve("ours.db");
        Path theirs = trial.directory().resolve("theirs.db");
        AtomicLong written = new AtomicLong();
        AtomicLong theirsWritten = new AtomicLong();
        trial.out().println(Trial.machine() + ", medians of " + rounds + " rounds of " + seconds + " s each");
        try (Contender pool = new PoolContender(ours);
                Contender hikari = JdbcContender.hikari(theirs)) {
            List<Contender> both = List.of(pool, hikari);
            List<AtomicLong> counts = List.of(written, theirsWritten);
            compare("Transaction of two statements, 64 clients", both, CLIENTS, counts, Contender::transaction);
            compare("Single INSERT, 64 clients", both, CLIENTS, counts, Contender::execute);
            compare("Point read, 64 clients", both, CLIENTS, List.of(), (c, client) -> c.query(key()));
            compare("Point read, one thread that waits", both, 1, List.of(), (c, client) -> {
                c.blockingQuery(key());
                return CompletableFuture.completedFuture(null);
            });
        }
        trial.out().println();
        checkRows("sqlitepool: every acknowledged write is there", written.get(), Contender.events(ours));
        checkRows("HikariCP: every acknowledged write is there", theirsWritten.get(), Contender.events(theirs));
    }

    private void checkRows(String fact, long acknowledged, long found) {
        trial.check(acknowledged == found, fact, acknowledged + " acknowledged, " + found + " rows");
    }

    static int key() {
        return ThreadLocalRandom.current().nextInt(1, Contender.ROWS + 1);
    }

    private void compare(
            String what, List<Contender> contenders, int clients, List<AtomicLong> counts, Operation operation)
            throws Exception {
        Map<String, Callable<Round>> ways = new LinkedHashMap<>();
        for (int i = 0; i < contenders.size(); i++) {
            Contender contender = contenders.get(i);
            AtomicLong count = counts.isEmpty() ? new AtomicLong() : counts.get(i);
            ways.put(contender.name(), () -> {
                Clients how = clients == 1 ? Clients.THREADS : contender.clients();
                Round round =
                        new ClosedLoop(clients, how, 0, seconds, client -> operation.start(contender, client)).run();
                count.addAndGet(round.operations());
                return round;
            });
        }
        List<Round> medians =
                List.copyOf(Round.alternate(trial.out(), what, rounds, ways).values());
        medians.get(0).printRatio(trial.out(), "ratio", medians.get(1));
    }
}
