package dev.sqlitepool.examples;

import dev.sqlitepool.PoolException;
import dev.sqlitepool.PoolStats;
import dev.sqlitepool.SqlitePool;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.stream.Stream;

/**
 * A shop under load on a real database file: many customers order at the same time, readers take summaries meanwhile, and at
 * the end the database must prove that nothing was lost, doubled or oversold. Runs the two quick starts first.
 */
public final class BusyShop {
    private final ShopArguments arguments;
    private final PrintStream out;
    private final boolean terminal;

    private BusyShop(ShopArguments arguments, PrintStream out, boolean terminal) {
        this.arguments = arguments;
        this.out = out;
        this.terminal = terminal;
    }

    /**
     * Runs the program and ends the process with its exit code.
     *
     * @param args see {@code --help}
     * @throws Exception if the temporary directory fails, or the run is interrupted
     */
    public static void main(String[] args) throws Exception {
        System.exit(run(args, System.out, System.err, Progress.inTerminal()));
    }

    /** The program without the process around it. */
    static int run(String[] args, PrintStream out, PrintStream err, boolean terminal)
            throws IOException, InterruptedException {
        ShopArguments arguments;
        try {
            arguments = ShopArguments.parse(args);
        } catch (IllegalArgumentException e) {
            err.println(e.getMessage());
            err.println("Run with --help to see all arguments.");
            return 2;
        }
        if (arguments.help()) {
            out.print(ShopArguments.USAGE);
            return 0;
        }
        Path directory = Files.createTempDirectory("busy-shop-");
        boolean proved = false;
        try {
            proved = new BusyShop(arguments, out, terminal).run(directory);
            return proved ? 0 : 1;
        } catch (SQLException | PoolException | IllegalStateException e) {
            err.println("The run failed: " + e.getMessage());
            return 1;
        } finally {
            if (proved || arguments.database().isPresent()) {
                delete(directory);
            } else {
                err.println("The files are kept in " + directory);
            }
        }
    }

    private boolean run(Path directory) throws SQLException, IOException, InterruptedException {
        out.println("Quick starts");
        out.print("  by path: ");
        QuickStarts.byPath(directory.resolve("quick-start-1.db"), out);
        out.print("  by connection factory: ");
        QuickStarts.byConnectionFactory(directory.resolve("quick-start-2.db"), out);

        Path database =
                arguments.database().orElse(directory.resolve("shop.db")).toAbsolutePath();
        out.printf(
                "Busy shop: %d customers, %d orders, %d readers%n",
                arguments.customers(), arguments.orders(), arguments.readers());
        out.println("  database: " + database + (arguments.database().isPresent() ? "" : " (deleted at the end)"));

        Report report = new Report(out);
        Answers answers = new Answers();
        ShopSchema.Numbers numbers;
        Auditors auditors;
        try (SqlitePool pool = SqlitePool.builder()
                .databasePath(database)
                .name("busy-shop")
                .acquireTimeout(Duration.ofMinutes(5)) // thousands of customers may queue before a slow disk
                .build()) {
            numbers = pool.blocking().transaction(tx -> ShopSchema.begin(tx, arguments.orders()));
            out.println("  order numbers: " + numbers.first() + " to " + numbers.last());
            Shop shop = new Shop(pool);
            auditors = new Auditors(shop);
            Duration took = sell(shop, auditors, numbers, answers);
            PoolStats stats = pool.stats();
            report.orders(answers, took);
            report.summaries(auditors);
            report.pool(stats);
        }
        List<Proof.Line> proof = new ArrayList<>(Proof.of(database, numbers, answers));
        if (auditors.taken() > 0) {
            int wrong = auditors.inconsistent().size();
            proof.add(new Proof.Line(
                    wrong == 0,
                    "every summary was consistent",
                    auditors.taken() + " taken, " + wrong + " wrong"
                            + (wrong == 0 ? "" : ": " + auditors.inconsistent().peek())));
        }
        return report.proof(proof);
    }

    private Duration sell(Shop shop, Auditors auditors, ShopSchema.Numbers numbers, Answers answers)
            throws SQLException, InterruptedException {
        long began = System.nanoTime();
        CompletableFuture<Void> watching = auditors.watch(arguments.readers());
        CompletableFuture<Void> selling = new Customers(shop, answers, numbers).placeAll(arguments.customers());
        try {
            new Progress(out, terminal, arguments.orders(), answers, auditors).follow(selling);
            Duration took = Duration.ofNanos(System.nanoTime() - began);
            auditors.stop();
            watching.get();
            return took;
        } catch (ExecutionException e) {
            if (e.getCause() instanceof SQLException refused) {
                throw refused;
            }
            if (e.getCause() instanceof RuntimeException failed) {
                throw failed;
            }
            throw new IllegalStateException(e.getCause());
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
