package dev.sqlitepool.programs;

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

/** The programs of a jar: one is run by its name, in a directory of its own. Immutable. */
public final class Programs {
    private final String jar;
    private final List<Program> programs;

    /** What a program does. Facts that do not hold are told to the trial; what it throws ends the run as a failure. */
    public interface Body {
        /** Runs it. */
        void run(Trial trial) throws Exception;
    }

    /**
     * A program.
     *
     * @param arguments what it takes, each as {@code [name=default]}
     */
    public record Program(String name, String arguments, String summary, Body body) {}

    /** The programs of a jar, by the name of its file. */
    public Programs(String jar, Program... programs) {
        this.jar = jar;
        this.programs = List.of(programs);
    }

    /**
     * Runs one of the programs.
     *
     * @param arguments the name of a program and its own arguments, or nothing for the list
     * @return 0 if all that it asserts holds, 1 if not, 2 if it was not understood
     * @throws IOException if the temporary directory fails
     */
    public int run(PrintStream out, String... arguments) throws IOException {
        if (arguments.length == 0) {
            list(out);
            return 0;
        }
        Optional<Program> program =
                programs.stream().filter(p -> p.name().equals(arguments[0])).findAny();
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

    private void list(PrintStream out) {
        out.println(
                "java -jar " + jar + " <program> [arguments], or \"short\" as its argument for a try of some seconds:");
        out.println();
        for (Program program : programs) {
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
