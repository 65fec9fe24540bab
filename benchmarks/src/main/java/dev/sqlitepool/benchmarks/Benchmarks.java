package dev.sqlitepool.benchmarks;

import dev.sqlitepool.programs.Programs;
import dev.sqlitepool.programs.Programs.Program;
import java.io.IOException;

/** The programs of this module: what the pool does under load, beside others and for a long time, shown over real files. */
public final class Benchmarks {
    private static final Programs PROGRAMS = new Programs(
            "benchmarks.jar",
            new Program(
                    "versus-hikari",
                    "[seconds of a round=2] [rounds=5]",
                    "sqlitepool beside HikariCP: throughput and latency of 64 clients",
                    VersusHikari::run),
            new Program(
                    "compare",
                    "[seconds of a round=0.7] [rounds=3]",
                    "sqlitepool beside its peers in the most common workloads, in less than five minutes",
                    Compare::few),
            new Program(
                    "compare-all",
                    "[seconds of a round=1] [rounds=3]",
                    "sqlitepool beside its peers in every workload, in about half an hour",
                    Compare::all),
            new Program("costs", "", "what single calls cost one thread, and what they allocate, by JMH", Costs::run),
            new Program(
                    "growth",
                    "[seconds of a round=1] [rounds=3]",
                    "how costs grow with rows, with those who wait, and with connections",
                    Growth::run),
            new Program(
                    "wal",
                    "[seconds with readers=30]",
                    "the WAL stays within its limit while a snapshot is open at any time, and what writing costs",
                    WalSize::run),
            new Program(
                    "virtual-threads",
                    "[rounds=7]",
                    "how late a virtual thread is while others run slow queries, beside HikariCP (JDK 21 or later)",
                    VirtualThreads::run),
            new Program(
                    "blocked-stage",
                    "[seconds of a round=3] [rounds=5]",
                    "a dependent stage that blocks, and two ways of completing futures",
                    BlockedStage::run),
            new Program(
                    "parts",
                    "[seconds of a round=1] [rounds=5]",
                    "what each part of the engine brings: switched off, beside everything on",
                    Parts::run));

    private Benchmarks() {}

    /**
     * Runs one of the programs and ends the process, see {@link Programs#run}.
     *
     * @param arguments the name of a program and its own arguments, or nothing for the list
     * @throws IOException if the temporary directory fails
     */
    public static void main(String[] arguments) throws IOException {
        System.exit(PROGRAMS.run(System.out, arguments));
    }

    /** The programs, without the process around them. */
    static Programs programs() {
        return PROGRAMS;
    }
}
