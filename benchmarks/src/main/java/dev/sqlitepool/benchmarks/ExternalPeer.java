package dev.sqlitepool.benchmarks;

import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A peer that is a program of its own: it does what a {@link Contender} does, with clients of its own, and prints what it measured. One
 * round at a time.
 */
final class ExternalPeer {
    private static final Set<String> OF_A_CONNECTION =
            Set.of("query", "scan", "execute", "transaction", "batch", "readModifyWrite");
    private static final Set<String> OF_A_POOL =
            Set.of("acquire", "query", "scan", "execute", "transaction", "batch", "readModifyWrite");
    private static final Pattern MEASURED = Pattern.compile("(\\w+)=(\\d+(?:\\.\\d+)?)");

    private final String name;
    private final Set<String> workloads;
    private final List<String> command;
    private final Path log;

    private ExternalPeer(String name, Set<String> workloads, List<String> command, Path log) {
        this.name = name;
        this.workloads = workloads;
        this.command = command;
        this.log = log;
    }

    /** SQLite in C: no pool, each client is a thread with a connection. Nothing, and a line that says why, if it cannot be compiled. */
    static Optional<ExternalPeer> limit(Path directory, PrintStream out) throws IOException, InterruptedException {
        Path source = unpack("limit.c", directory);
        Path program = directory.resolve("limit").toAbsolutePath();
        Path log = directory.resolve("limit.log");
        return thereIf(
                List.of("cc", "-O2", source.toString(), "-o", program.toString(), "-lsqlite3", "-lpthread"),
                new ExternalPeer("SQLite in C, no pool", OF_A_CONNECTION, List.of(program.toString()), log),
                "it takes a C compiler and libsqlite3 with its header (Debian: gcc, libsqlite3-dev)",
                out);
    }

    /**
     * The original in Python: aiosqlitepool with ten connections of aiosqlite, clients are tasks; run by {@code sqlitepool.python}, a
     * system property, or {@code python3}. Nothing, and a line that says why, if it lacks the two modules.
     */
    static Optional<ExternalPeer> original(Path directory, PrintStream out) throws IOException, InterruptedException {
        String python = System.getProperty("sqlitepool.python", "python3");
        Path script = unpack("original.py", directory);
        Path log = directory.resolve("original.log");
        return thereIf(
                List.of(python, "-c", "import aiosqlite, aiosqlitepool"),
                new ExternalPeer("aiosqlitepool (10), Python", OF_A_POOL, List.of(python, script.toString()), log),
                "it takes Python with aiosqlite and aiosqlitepool; -Dsqlitepool.python=… tells which",
                out);
    }

    private static Path unpack(String resource, Path directory) throws IOException {
        Path file = directory.resolve(resource).toAbsolutePath();
        try (InputStream content = ExternalPeer.class.getResourceAsStream(resource)) {
            Files.copy(content, file, StandardCopyOption.REPLACE_EXISTING);
        }
        return file;
    }

    private static Optional<ExternalPeer> thereIf(
            List<String> succeeds, ExternalPeer peer, String needs, PrintStream out) throws InterruptedException {
        try {
            printed(succeeds, 0, peer.log);
            return Optional.of(peer);
        } catch (IOException e) {
            String seen =
                    e.getMessage().strip().lines().reduce((first, last) -> last).orElse("");
            out.println("Left out: " + peer.name + "; " + needs + ". Seen: " + seen);
            return Optional.empty();
        }
    }

    String name() {
        return name;
    }

    /** Whether it has this operation of a {@link Contender}, by the name of its method. */
    boolean does(String workload) {
        return workloads.contains(workload);
    }

    /**
     * One round. Fails if the program fails or does not end in time.
     *
     * @param database made first if it is not there
     * @param synchronous {@code FULL} or {@code NORMAL}
     */
    Round run(Path database, String workload, int clients, double seconds, String synchronous)
            throws IOException, InterruptedException, SQLException {
        if (!Files.exists(database)) {
            create(database);
        }
        List<String> whole = new ArrayList<>(command);
        whole.add(database.toString());
        whole.add(workload);
        whole.add(Integer.toString(clients));
        whole.add(Double.toString(seconds));
        whole.add(synchronous.toLowerCase(Locale.ROOT));
        return round(printed(whole, seconds, log), clients);
    }

    private static void create(Path database) throws SQLException {
        try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + database + "?journal_mode=WAL");
                Statement statement = connection.createStatement()) {
            for (String sql : Contender.SCHEMA) {
                statement.execute(sql);
            }
        }
    }

    /** What a program printed on both its streams. */
    private static String printed(List<String> command, double seconds, Path log)
            throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        boolean ended;
        try {
            ended = process.waitFor((long) seconds + ClosedLoop.PATIENCE_SECONDS, TimeUnit.SECONDS);
        } finally {
            process.destroyForcibly();
        }
        String printed = Files.readString(log);
        if (!ended || process.exitValue() != 0) {
            String end = ended ? " ended with " + process.exitValue() : " did not end";
            throw new IOException(command.get(0) + end + ": " + printed);
        }
        return printed;
    }

    private static Round round(String printed, int clients) throws IOException {
        Map<String, Double> values = new HashMap<>();
        Matcher matcher = MEASURED.matcher(printed);
        while (matcher.find()) {
            values.put(matcher.group(1), Double.valueOf(matcher.group(2)));
        }
        double operations = values.getOrDefault("operations", 0.0);
        if (operations == 0) {
            throw new IOException("nothing was measured: " + printed);
        }
        return new Round(
                (long) operations,
                operations / values.getOrDefault("seconds", Double.NaN),
                values.getOrDefault("p50", Double.NaN),
                values.getOrDefault("p99", Double.NaN),
                values.getOrDefault("p999", Double.NaN),
                values.getOrDefault("max", Double.NaN),
                values.getOrDefault("slowest", Double.NaN) * clients / operations,
                values.getOrDefault("cpu", Double.NaN) * 1e6 / operations,
                Double.NaN,
                Double.NaN);
    }
}
