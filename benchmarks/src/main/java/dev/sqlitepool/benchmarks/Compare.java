package dev.sqlitepool.benchmarks;

import dev.sqlitepool.Durability;
import dev.sqlitepool.SqlitePool;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.LongAdder;

/**
 * sqlitepool beside its peers, every workload in one run, in alternating rounds on the same file system. Writes the results, the
 * charts and the tables into the documentation.
 */
final class Compare {
    /** Who takes part, over a file of its own, and where. */
    private interface Maker {
        Contender make(Path database, String synchronous) throws Exception;
    }

    private record Entrant(String name, Clients clients, int mostClients, Maker maker) {
        boolean takes(Case one) {
            return one.clients() <= mostClients && clients.areThere();
        }
    }

    /** One who takes part, his file, and what he has inserted there. */
    private record Opened(Contender contender, Path file, LongAdder inserted) {}

    /** Threads are no way for more clients than this. */
    private static final int MOST_THREADS = 256;

    private static final List<Entrant> ENTRANTS = List.of(
            ours(Results.OURS, Clients.STAGES, Integer.MAX_VALUE),
            ours(Results.OURS_BLOCKING, Clients.THREADS, MOST_THREADS),
            ours("sqlitepool, virtual threads", Clients.VIRTUAL_THREADS, Integer.MAX_VALUE),
            hikari(Results.HIKARI, Clients.THREADS, MOST_THREADS, 10),
            hikari("HikariCP (1)", Clients.THREADS, MOST_THREADS, 1),
            hikari("HikariCP (10), virtual threads", Clients.VIRTUAL_THREADS, Integer.MAX_VALUE, 10),
            new Entrant("Agroal (10)", Clients.THREADS, MOST_THREADS, Peers::agroal),
            new Entrant("Commons DBCP2 (10)", Clients.THREADS, MOST_THREADS, Peers::dbcp),
            new Entrant("Vert.x JDBC client (10)", Clients.STAGES, MOST_THREADS, VertxContender::new),
            new Entrant(Results.DRIVER, Clients.THREADS, 1, RawContender::new));

    private static final List<Case> FEW = List.of(
            Case.of(Workload.READ, 1),
            Case.of(Workload.READ, 64),
            Case.of(Workload.SCAN, 16),
            Case.of(Workload.TRANSACTION, 1),
            Case.of(Workload.TRANSACTION, 64),
            Case.of(Workload.EXECUTE, 64),
            Case.of(Workload.MIXED, 64));

    private static final List<Case> ALL = List.of(
            Case.of(Workload.ACQUIRE, 1),
            Case.of(Workload.ACQUIRE, 64),
            Case.of(Workload.READ, 1),
            Case.of(Workload.READ, 16),
            Case.of(Workload.READ, 64),
            Case.of(Workload.READ, 256),
            Case.of(Workload.READ, 4_096),
            Case.of(Workload.SCAN, 1),
            Case.of(Workload.SCAN, 16),
            Case.of(Workload.TRANSACTION, 1),
            Case.of(Workload.TRANSACTION, 64),
            Case.of(Workload.TRANSACTION, 256),
            Case.of(Workload.TRANSACTION, 64).normal(),
            Case.of(Workload.TRANSACTION, 64).begun(2_000),
            Case.of(Workload.READ_MODIFY_WRITE, 64),
            Case.of(Workload.EXECUTE, 1),
            Case.of(Workload.EXECUTE, 64),
            Case.of(Workload.EXECUTE, 4_096),
            Case.of(Workload.EXECUTE, 64).normal(),
            Case.of(Workload.BATCH, 16),
            Case.of(Workload.MIXED, 64),
            Case.of(Workload.AMONG_SLOW, 64));

    private final Trial trial;
    private final List<Case> cases;
    private final double seconds;
    private final int rounds;
    private final Map<String, Opened> open = new LinkedHashMap<>();
    private final List<ExternalPeer> external = new ArrayList<>();

    private Compare(Trial trial, List<Case> cases, double seconds, int rounds) {
        this.trial = trial;
        this.cases = cases;
        this.seconds = seconds;
        this.rounds = rounds;
    }

    private static Entrant ours(String name, Clients clients, int most) {
        return new Entrant(
                name,
                clients,
                most,
                (file, synchronous) -> new PoolContender(
                        name,
                        clients,
                        SqlitePool.builder()
                                .databasePath(file)
                                .durability(synchronous.equals("FULL") ? Durability.FULL : Durability.NORMAL)));
    }

    private static Entrant hikari(String name, Clients clients, int most, int connections) {
        return new Entrant(
                name,
                clients,
                most,
                (file, synchronous) -> JdbcContender.hikari(file, synchronous, connections, clients));
    }

    /** The short comparison: some minutes. */
    static void few(Trial trial) throws Exception {
        new Compare(trial, FEW, trial.number(0, 0.7, 0.02), (int) trial.number(1, 3, 1)).run();
    }

    /** The whole comparison: about an hour. */
    static void all(Trial trial) throws Exception {
        new Compare(trial, ALL, trial.number(0, 1.5, 0.02), (int) trial.number(1, 5, 1)).run();
    }

    private void run() throws Exception {
        PrintStream out = trial.out();
        Results results = new Results(seconds, rounds);
        out.println(results.machine());
        ExternalPeer.limit(trial.directory(), out).ifPresent(external::add);
        ExternalPeer.original(trial.directory(), out).ifPresent(external::add);
        try {
            for (Case one : cases) {
                compare(one).forEach((name, round) -> results.add(one, name, round));
            }
        } finally {
            for (Opened one : open.values()) {
                one.contender().close();
            }
        }
        out.println();
        for (Map.Entry<String, Opened> one : open.entrySet()) {
            long rows = Contender.events(one.getValue().file());
            long acknowledged = one.getValue().inserted().sum();
            trial.check(
                    rows == acknowledged,
                    one.getKey() + ": every acknowledged row is there",
                    acknowledged + " acknowledged, " + rows + " there");
        }
        out.println();
        Report report = new Report(results);
        report.print(out);
        Path documentation = trial.isShort() ? trial.directory() : Path.of("docs");
        if (Files.isDirectory(documentation)) {
            report.write(documentation);
            out.println("Written into " + documentation.toAbsolutePath());
        }
    }

    private Map<String, Round> compare(Case one) throws Exception {
        Map<String, Callable<Round>> ways = new LinkedHashMap<>();
        for (Entrant entrant : ENTRANTS) {
            if (entrant.takes(one)) {
                Opened opened = opened(entrant, one.synchronous());
                ways.put(entrant.name(), () -> measure(one, opened));
            }
        }
        String operation = one.workload().operation();
        for (ExternalPeer peer : external) {
            if (peer.does(operation) && one.perSecond() == 0 && one.clients() <= MOST_THREADS) {
                Path file = trial.directory().resolve("external-" + external.indexOf(peer) + ".db");
                ways.put(peer.name(), () -> peer.run(file, operation, one.clients(), seconds, one.synchronous()));
            }
        }
        return Round.alternate(trial.out(), one.words(), rounds, ways);
    }

    private Opened opened(Entrant entrant, String synchronous) throws Exception {
        String key = entrant.name() + ", " + synchronous;
        Opened opened = open.get(key);
        if (opened == null) {
            Path file = trial.directory().resolve("peer-" + open.size() + ".db");
            opened = new Opened(entrant.maker().make(file, synchronous), file, new LongAdder());
            open.put(key, opened);
        }
        return opened;
    }

    private Round measure(Case one, Opened opened) throws Exception {
        Contender contender = opened.contender();
        ClosedLoop.Operation operation = client -> one.workload().start(contender, client, opened.inserted());
        return one.perSecond() > 0
                ? new OpenLoop(one.clients(), contender.clients(), one.perSecond(), seconds, operation).run()
                : new ClosedLoop(
                                one.clients(),
                                contender.clients(),
                                one.workload().unmeasured(),
                                seconds,
                                operation)
                        .run();
    }
}
