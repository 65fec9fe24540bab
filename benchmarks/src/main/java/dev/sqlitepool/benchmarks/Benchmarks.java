package dev.sqlitepool.benchmarks;

import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** The programs of this module: what the pool does under load, beside others and for a long time, shown over real files. */
public final class Benchmarks {
    private static final List<Program> PROGRAMS = List.of(
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
                    "soak",
                    "[minutes=20]",
                    "everything at once for a long time: no BUSY, no error, nothing lost or doubled",
                    Soak::run),
            new Program(
                    "other-processes",
                    "[minutes=10]",
                    "a pool and three other processes write to one file: no BUSY in the pool, the sums are right",
                    OtherProcesses::run),
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

    /** What a program does. Facts that do not hold are told to the trial; what it throws ends the run as a failure. */
    private interface Body {
        void run(Trial trial) throws Exception;
    }

    private record Program(String name, String arguments, String summary, Body body) {}

    private Benchmarks() {}

    /**
     * Runs one of the programs and ends the process: 0 if all that it asserts holds, 1 if not, 2 if it was not understood.
     *
     * @param arguments the name of a program and its own arguments, or nothing for the list
     * @throws IOException if the temporary directory fails
     */
    public static void main(String[] arguments) throws IOException {
        System.exit(run(System.out, arguments));
    }

    /** A program without the process around it. */
    static int run(PrintStream out, String... arguments) throws IOException {
        if (arguments.length == 0) {
            list(out);
            return 0;
        }
        Optional<Program> program =
                PROGRAMS.stream().filter(p -> p.name().equals(arguments[0])).findAny();
        if (program.isEmpty()) {
            out.println("There is no program " + arguments[0] + ".");
            list(out);
            return 2;
        }
        Path directory = Files.createTempDirectory("sqlitepool-" + arguments[0] + "-");
        boolean holds = false;
        try {
            Trial trial = new Trial(Arrays.asList(arguments).subList(1, arguments.length), directory, out);
            trial.requireAtMost(program.get().arguments().split("=", -1).length - 1);
            program.get().body().run(trial);
            holds = trial.conclude();
            return holds ? 0 : 1;
        } catch (Trial.UnclearArgument e) {
            holds = true;
            out.println(e.getMessage() + " Usage: " + program.get().name() + " "
                    + program.get().arguments());
            return 2;
        } catch (Exception e) {
            out.println("The run failed: " + e);
            e.printStackTrace(out);
            return 1;
        } finally {
            if (holds) {
                delete(directory);
            } else {
                out.println("The files are kept in " + directory);
            }
        }
    }

    private static void list(PrintStream out) {
        out.println(
                "java -jar benchmarks.jar <program> [arguments], or \"short\" as its argument for a try of some seconds:");
        out.println();
        for (Program program : PROGRAMS) {
            out.printf("  %-16s %s%n", program.name(), program.summary());
            out.printf("  %-16s   %s%n", "", program.arguments());
        }
    }

    private static void delete(Path directory) throws IOException {
        List<Path> files;
        try (Stream<Path> tree = Files.walk(directory)) {
            files = tree.sorted(Comparator.reverseOrder()).toList();
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
        for (Path file : files) {
            Files.delete(file);
        }
    }
}
