package dev.sqlitepool.benchmarks;

import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import dev.sqlitepool.programs.Trial;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicLong;

/** What each part of the engine brings: it is switched off, beside everything on. */
final class Parts {
    /** Read when a pool is built: the parts that it shall do without. */
    private static final String OFF = "dev.sqlitepool.off";

    private static final List<String> PARTS = List.of("gate", "stay", "groups", "snapshots", "checkpoints", "driver");

    private final Trial trial;
    private final double seconds;
    private final int rounds;
    private final Map<Contender, AtomicLong> written = new LinkedHashMap<>();

    /** One operation of a client. */
    private interface Operation {
        CompletableFuture<?> start(Contender contender, int client) throws Exception;
    }

    private Parts(Trial trial) {
        this.trial = trial;
        this.seconds = trial.number(0, 1, 0.05);
        this.rounds = (int) trial.number(1, 5, 1);
    }

    static void run(Trial trial) throws Exception {
        new Parts(trial).run();
    }

    private void run() throws Exception {
        trial.out()
                .println(Trial.machine() + ", medians of " + rounds + " rounds of " + seconds + " s each; "
                        + VersusHikari.CLIENTS + " clients. Ratios are to everything on.");
        List<Path> files = new ArrayList<>();
        List<Contender> pools = new ArrayList<>();
        try {
            add(pools, files, "everything on", "", 256);
            for (String part : PARTS) {
                add(pools, files, "without " + part, part, 256);
            }
            add(pools, files, "without statement cache", "", 0);
            compare("Transaction of two statements", pools, true, Contender::transaction);
            compare("Single INSERT", pools, true, Contender::execute);
            compare("Point read", pools, false, (contender, client) -> contender.query(VersusHikari.key()));
        } finally {
            pools.forEach(Contender::close);
        }
        trial.out().println();
        for (int i = 0; i < pools.size(); i++) {
            long rows = Contender.events(files.get(i));
            long acknowledged = written.get(pools.get(i)).get();
            trial.check(
                    rows == acknowledged,
                    pools.get(i).name() + ": every acknowledged write is there",
                    acknowledged + " acknowledged, " + rows + " rows");
        }
    }

    private void add(List<Contender> pools, List<Path> files, String name, String off, int cache) {
        Path file = trial.directory().resolve("parts-" + files.size() + ".db");
        SqlitePoolBuilder settings = SqlitePool.builder().databasePath(file).statementCacheSize(cache);
        Contender pool;
        System.setProperty(OFF, off);
        try {
            pool = new PoolContender(name, Clients.STAGES, settings);
        } finally {
            System.clearProperty(OFF);
        }
        files.add(file);
        pools.add(pool);
        written.put(pool, new AtomicLong());
    }

    private void compare(String what, List<Contender> pools, boolean writes, Operation operation) throws Exception {
        Map<String, Callable<Round>> ways = new LinkedHashMap<>();
        for (Contender pool : pools) {
            ways.put(pool.name(), () -> {
                Round round = new ClosedLoop(
                                VersusHikari.CLIENTS,
                                Clients.STAGES,
                                0,
                                seconds,
                                client -> operation.start(pool, client))
                        .run();
                written.get(pool).addAndGet(writes ? round.operations() : 0);
                return round;
            });
        }
        Map<String, Round> medians = Round.alternate(trial.out(), what, rounds, ways);
        Round whole = medians.get(pools.get(0).name());
        trial.out().println();
        medians.forEach((way, round) -> {
            if (!round.equals(whole)) {
                round.printRatio(trial.out(), way, whole);
            }
        });
    }
}
