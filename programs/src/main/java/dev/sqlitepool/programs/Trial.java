package dev.sqlitepool.programs;

import java.io.PrintStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/**
 * One run of a program: its arguments, its directory, its output, and whether the facts that it asserts hold. Thread-safe.
 *
 * <p>The argument {@code short} stands for all: the program then runs for seconds, and asserts what is right, but no time.
 */
public final class Trial {
    private final List<String> arguments;
    private final Path directory;
    private final PrintStream out;
    private boolean holds = true;
    private int facts;

    /** An argument that is no positive number, or one too many. */
    static final class UnclearArgument extends RuntimeException {
        private static final long serialVersionUID = 1;

        UnclearArgument(String message) {
            super(message);
        }
    }

    /** A run whose facts are printed as they are asserted. */
    public Trial(List<String> arguments, Path directory, PrintStream out) {
        this.arguments = arguments;
        this.directory = directory;
        this.out = out;
    }

    public boolean isShort() {
        return arguments.equals(List.of("short"));
    }

    void requireAtMost(int count) {
        if (!isShort() && arguments.size() > count) {
            throw new UnclearArgument("There were " + arguments.size() + " arguments; there may be " + count + ".");
        }
    }

    /** An argument by its place. */
    public double number(int place, double usual, double whenShort) {
        if (isShort()) {
            return whenShort;
        }
        if (arguments.size() <= place) {
            return usual;
        }
        String argument = arguments.get(place);
        try {
            double number = Double.parseDouble(argument);
            if (number > 0) {
                return number;
            }
        } catch (NumberFormatException e) {
            // said below
        }
        throw new UnclearArgument("The argument was " + argument + "; it must be a positive number.");
    }

    /** The seed of what is random, as an argument by its place; it is printed, so that a run can be repeated. */
    public long seed(int place) {
        long seed = (long) number(place, (double) (System.nanoTime() >>> 16 & 0xfffffff), 1);
        out.printf("seed %d%n", seed);
        return seed;
    }

    /** Where the databases of this run belong; deleted at the end if all facts hold. */
    public Path directory() {
        return directory;
    }

    public PrintStream out() {
        return out;
    }

    /** Asserts a fact, and says what was seen. */
    public synchronized void check(boolean fact, String words, String seen) {
        holds &= fact;
        facts++;
        out.printf(Locale.ROOT, "  %-6s  %-52s  %s%n", fact ? "ok" : "WRONG", words, seen);
    }

    /** What the figures depend on. */
    public static String machine() {
        return "Java " + Runtime.version().feature() + ", "
                + Runtime.getRuntime().availableProcessors() + " processors";
    }

    /** Whether all facts so far hold. */
    public synchronized boolean holds() {
        return holds;
    }

    /** Says how the run ended. */
    synchronized boolean conclude() {
        if (facts > 0) {
            out.println(holds ? "All that was asserted holds." : "NOT all that was asserted holds.");
        }
        return holds;
    }
}
