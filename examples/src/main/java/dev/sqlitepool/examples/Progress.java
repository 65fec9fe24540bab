package dev.sqlitepool.examples;

import java.io.Console;
import java.io.PrintStream;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Shows how far the shop is: a bar on one line in a terminal, else a plain line now and then. */
final class Progress {
    private static final int WIDTH = 20;

    private final PrintStream out;
    private final boolean terminal;
    private final long orders;
    private final Answers answers;
    private final Auditors auditors;
    private final long began = System.nanoTime();

    Progress(PrintStream out, boolean terminal, long orders, Answers answers, Auditors auditors) {
        this.out = out;
        this.terminal = terminal;
        this.orders = orders;
        this.answers = answers;
        this.auditors = auditors;
    }

    /** Whether a person looks on. JDK 22 and later may have a console without one, and a method that tells. */
    @SuppressWarnings("SystemConsoleNull")
    static boolean inTerminal() throws ReflectiveOperationException {
        Console console = System.console();
        return console != null
                && (Runtime.version().feature() < 22
                        || (boolean) Console.class.getMethod("isTerminal").invoke(console));
    }

    /** Waits for the customers and shows their progress meanwhile. */
    void follow(CompletableFuture<Void> customers) throws ExecutionException, InterruptedException {
        long period = terminal ? 100 : 2_000;
        boolean done = false;
        try {
            while (!done) {
                try {
                    customers.get(period, TimeUnit.MILLISECONDS);
                    done = true;
                } catch (TimeoutException e) {
                    show();
                }
            }
            show();
        } finally {
            if (terminal) {
                out.println();
            }
        }
    }

    private void show() {
        long answered = answers.count();
        double seconds = (System.nanoTime() - began) / 1e9;
        String figures = String.format(
                Locale.ROOT, "%,d of %,d orders, %,.0f/s%s", answered, orders, answered / seconds, summaries());
        if (terminal) {
            int full = (int) (WIDTH * answered / orders);
            out.printf("\r[%s%s] %-56s", "#".repeat(full), ".".repeat(WIDTH - full), figures);
            out.flush();
        } else {
            out.println("  " + figures);
        }
    }

    private String summaries() {
        long taken = auditors.taken();
        return taken == 0 ? "" : String.format(Locale.ROOT, ", %,d summaries", taken);
    }
}
