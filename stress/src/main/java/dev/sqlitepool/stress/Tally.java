package dev.sqlitepool.stress;

import dev.sqlitepool.PoolClosedException;
import dev.sqlitepool.programs.Trial;
import java.io.PrintStream;
import java.sql.SQLException;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.LongAdder;
import java.util.stream.Collectors;

/** What the users of a pool saw: results by kind of operation, and what nobody may see. Thread-safe. */
final class Tally {
    private static final int TRACES = 5;

    private final Map<String, Map<String, LongAdder>> results = new ConcurrentHashMap<>();
    private final Map<String, LongAdder> errors = new ConcurrentHashMap<>();
    private final Map<String, LongAdder> wrong = new ConcurrentHashMap<>();
    private final LongAdder operations = new LongAdder();
    private final LongAdder busy = new LongAdder();
    private final LongAdder unexpected = new LongAdder();
    private final PrintStream out;

    /** An error that the work itself throws. */
    static final class Deliberate extends Exception {
        private static final long serialVersionUID = 1;

        Deliberate() {
            super("thrown by the work on purpose", null, false, false);
        }
    }

    Tally(PrintStream out) {
        this.out = out;
    }

    /** An operation has ended: with what is called {@code well}, if there is no error. */
    void ended(String kind, String well, Throwable error, boolean disturbed, boolean closing) {
        operations.increment();
        String result = error == null ? well : expected(error, disturbed, closing);
        if (result == null) {
            result = "unexpected";
            unexpected(kind, error);
        }
        results.computeIfAbsent(kind, key -> new ConcurrentHashMap<>())
                .computeIfAbsent(result, key -> new LongAdder())
                .increment();
    }

    /** How an expected error is called; null if nobody expects it. */
    private static String expected(Throwable error, boolean disturbed, boolean closing) {
        if (error instanceof Deliberate) {
            return "thrown";
        }
        if (disturbed && error instanceof CancellationException) {
            return "cancelled";
        }
        if (disturbed && error instanceof TimeoutException) {
            return "timed out";
        }
        boolean released =
                error instanceof IllegalStateException && error.getMessage().contains("released");
        return closing && (error instanceof PoolClosedException || released) ? "pool closed" : null;
    }

    private void unexpected(String kind, Throwable error) {
        unexpected.increment();
        seen(error);
        String words = kind + ": " + error;
        LongAdder count = errors.computeIfAbsent(words, key -> new LongAdder());
        count.increment();
        if (count.sum() == 1 && errors.size() <= TRACES) {
            trace(words, error);
        }
    }

    private void trace(String words, Throwable error) {
        synchronized (out) {
            out.println("  UNEXPECTED " + words);
            error.printStackTrace(out);
        }
    }

    /** Looks at an error that SQL inside work met, whoever else will see it. */
    void seen(Throwable error) {
        for (Throwable cause = error; cause != null; cause = cause.getCause()) {
            if (cause instanceof SQLException sql && isBusy(sql)) {
                busy.increment();
                if (busy.sum() <= TRACES) {
                    trace("BUSY", error);
                }
                return;
            }
        }
    }

    private static boolean isBusy(SQLException error) {
        int code = error.getErrorCode() & 0xff;
        String words = String.valueOf(error.getMessage());
        return code == 5 || code == 6 || words.contains("database is locked") || words.contains("SQLITE_BUSY");
    }

    /** A reader saw what cannot be. */
    void wrong(String what) {
        wrong.computeIfAbsent(what, key -> new LongAdder()).increment();
    }

    static Throwable unwrapped(Throwable error) {
        Throwable cause = error;
        while ((cause instanceof CompletionException || cause instanceof ExecutionException)
                && cause.getCause() != null) {
            cause = cause.getCause();
        }
        return cause;
    }

    long operations() {
        return operations.sum();
    }

    /** One line of what should not be there. */
    String troubles() {
        return "busy " + busy + ", unexpected " + unexpected + ", wrong reads " + total(wrong);
    }

    private static long total(Map<?, LongAdder> counts) {
        return counts.values().stream().mapToLong(LongAdder::sum).sum();
    }

    /** Prints how each kind of operation ended. */
    void print() {
        new TreeMap<>(results).forEach((kind, counts) -> {
            String ends = new TreeMap<>(counts)
                    .entrySet().stream()
                            .map(count -> String.format(
                                    "%s %,d", count.getKey(), count.getValue().sum()))
                            .collect(Collectors.joining(", "));
            out.printf("  %-34s %s%n", kind, ends);
        });
    }

    void conclude(Trial trial) {
        trial.check(busy.sum() == 0, "nobody saw SQLITE_BUSY", busy + " seen");
        trial.check(unexpected.sum() == 0, "nobody saw an unexpected error", errors.isEmpty() ? "none" : "" + errors);
        trial.check(wrong.isEmpty(), "every reader saw one consistent snapshot", wrong.isEmpty() ? "all" : "" + wrong);
    }
}
