package dev.sqlitepool.benchmarks;

import dev.sqlitepool.Durability;
import dev.sqlitepool.SqlitePool;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Predicate;

/**
 * Who takes part in the comparison, and where.
 *
 * @param able which cases are for him; whether this JDK has his clients is asked besides
 */
record Entrant(String name, Clients clients, Predicate<Case> able, Maker maker) {
    /** Threads are no way for more clients than this. */
    static final int MOST_THREADS = 256;

    static final List<Entrant> ALL = List.of(
            ours(Results.OURS, Clients.STAGES, any -> true),
            ours(Results.OURS_BLOCKING, Clients.THREADS, atMost(MOST_THREADS)),
            ours("sqlitepool, virtual threads", Clients.VIRTUAL_THREADS, any -> true),
            hikari(Results.HIKARI, Clients.THREADS, atMost(MOST_THREADS), 10),
            hikari("HikariCP (1)", Clients.THREADS, atMost(MOST_THREADS), 1),
            hikari("HikariCP (10), virtual threads", Clients.VIRTUAL_THREADS, any -> true, 10),
            new Entrant("Agroal (10)", Clients.THREADS, atMost(MOST_THREADS), Peers::agroal),
            new Entrant("Commons DBCP2 (10)", Clients.THREADS, atMost(MOST_THREADS), Peers::dbcp),
            new Entrant("Vert.x JDBC client (10)", Clients.STAGES, atMost(MOST_THREADS), VertxContender::new),
            new Entrant(
                    "sqlite-jdbc, a connection for each",
                    Clients.THREADS,
                    one -> one.workload() == Workload.READ && one.clients() <= 100,
                    Peers::unpooled),
            new Entrant(Results.DRIVER, Clients.THREADS, atMost(1), RawContender::new));

    /** Makes a contender over a new file; {@code synchronous} is {@code FULL} or {@code NORMAL}. */
    interface Maker {
        Contender make(Path database, String synchronous) throws Exception;
    }

    boolean takes(Case one) {
        return clients.areThere() && able.test(one);
    }

    private static Predicate<Case> atMost(int clients) {
        return one -> one.clients() <= clients;
    }

    private static Entrant ours(String name, Clients clients, Predicate<Case> able) {
        return new Entrant(
                name,
                clients,
                able,
                (file, synchronous) -> new PoolContender(
                        name,
                        clients,
                        SqlitePool.builder()
                                .databasePath(file)
                                .durability(synchronous.equals("FULL") ? Durability.FULL : Durability.NORMAL)));
    }

    private static Entrant hikari(String name, Clients clients, Predicate<Case> able, int connections) {
        return new Entrant(
                name,
                clients,
                able,
                (file, synchronous) -> JdbcContender.hikari(file, synchronous, connections, clients));
    }
}
