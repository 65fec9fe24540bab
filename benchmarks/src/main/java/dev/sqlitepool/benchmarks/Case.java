package dev.sqlitepool.benchmarks;

import java.util.List;
import java.util.Locale;

/**
 * One line of the comparison.
 *
 * @param synchronous {@code FULL} or {@code NORMAL}; what a peer's connections are set to, and what sqlitepool's durability is
 * @param perSecond so many operations are begun each second, whether others have ended or not; 0 for a closed loop, in which a client
 *     begins the next when the one before has ended
 */
record Case(Workload workload, int clients, String synchronous, int perSecond) {
    /** The most common workloads: some minutes. */
    static final List<Case> FEW = List.of(
            Case.of(Workload.READ, 1),
            Case.of(Workload.READ, 64),
            Case.of(Workload.SCAN, 16),
            Case.of(Workload.TRANSACTION, 1),
            Case.of(Workload.TRANSACTION, 64),
            Case.of(Workload.EXECUTE, 64),
            Case.of(Workload.MIXED, 64));

    /** Every workload: about half an hour. */
    static final List<Case> ALL = List.of(
            Case.of(Workload.ACQUIRE, 1),
            Case.of(Workload.ACQUIRE, 64),
            Case.of(Workload.READ, 1),
            Case.of(Workload.READ, 5),
            Case.of(Workload.READ, 16),
            Case.of(Workload.READ, 64),
            Case.of(Workload.READ, 100),
            Case.of(Workload.READ, 256),
            Case.of(Workload.READ, 4_096),
            Case.of(Workload.SCAN, 1),
            Case.of(Workload.SCAN, 16),
            Case.of(Workload.TRANSACTION, 1),
            Case.of(Workload.TRANSACTION, 1).normal(),
            Case.of(Workload.TRANSACTION, 64),
            Case.of(Workload.TRANSACTION, 256),
            Case.of(Workload.TRANSACTION, 64).normal(),
            Case.of(Workload.TRANSACTION, 64).begun(2_000),
            Case.of(Workload.OWN_COMMIT, 64),
            Case.of(Workload.JDBC_COMMIT, 64),
            Case.of(Workload.READ_MODIFY_WRITE, 64),
            Case.of(Workload.EXECUTE, 1),
            Case.of(Workload.EXECUTE, 64),
            Case.of(Workload.EXECUTE, 4_096),
            Case.of(Workload.EXECUTE, 64).normal(),
            Case.of(Workload.BATCH, 16),
            Case.of(Workload.MIXED, 64),
            Case.of(Workload.SHOP, 64),
            Case.of(Workload.AMONG_SLOW, 64),
            Case.of(Workload.READ_BESIDE_WRITES, 64),
            Case.of(Workload.READ, 10_000),
            Case.of(Workload.TRANSACTION, 10_000),
            Case.of(Workload.AMONG_SLOW, 10_000));

    static Case of(Workload workload, int clients) {
        return new Case(workload, clients, "FULL", 0);
    }

    Case normal() {
        return new Case(workload, clients, "NORMAL", perSecond);
    }

    Case begun(int perSecond) {
        return new Case(workload, clients, synchronous, perSecond);
    }

    String words() {
        return String.format(
                Locale.ROOT,
                "%s, %,d %s%s%s",
                workload.words(),
                clients,
                clients == 1 ? "client" : "clients",
                workload.writes() ? ", " + synchronous : "",
                perSecond == 0 ? "" : String.format(Locale.ROOT, ", %,d begun each second", perSecond));
    }

    /** What it is called in the file of results and in the names of charts. */
    String key() {
        return workload.name().toLowerCase(Locale.ROOT) + "-" + clients + "-" + synchronous.toLowerCase(Locale.ROOT)
                + (perSecond == 0 ? "" : "-open");
    }
}
