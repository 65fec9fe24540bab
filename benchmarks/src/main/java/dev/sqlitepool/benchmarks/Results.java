package dev.sqlitepool.benchmarks;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** What a comparison has measured, and on what machine. */
final class Results {
    static final String OURS = "sqlitepool";
    static final String OURS_BLOCKING = "sqlitepool, blocking";
    static final String HIKARI = "HikariCP (10)";
    static final String DRIVER = "sqlite-jdbc alone";

    private final double seconds;
    private final int rounds;
    private final Map<Case, Map<String, Round>> cases = new LinkedHashMap<>();
    private final Map<Case, Map<String, String>> leftOut = new LinkedHashMap<>();

    Results(double seconds, int rounds) {
        this.seconds = seconds;
        this.rounds = rounds;
    }

    void add(Case one, String peer, Round round) {
        cases.computeIfAbsent(one, key -> new LinkedHashMap<>()).put(peer, round);
    }

    /** Somebody has failed in a case, so he has no figures there. */
    void leaveOut(Case one, String peer, String why) {
        cases.computeIfAbsent(one, key -> new LinkedHashMap<>());
        leftOut.computeIfAbsent(one, key -> new LinkedHashMap<>()).put(peer, why);
    }

    /** Who was left out of a case, and why. */
    Map<String, String> leftOut(Case one) {
        return leftOut.getOrDefault(one, Map.of());
    }

    Map<Case, Map<String, Round>> cases() {
        return cases;
    }

    /** What somebody measured in a case, if he took part. */
    Optional<Round> of(Case one, String peer) {
        return Optional.ofNullable(cases.getOrDefault(one, Map.of()).get(peer));
    }

    /** What the figures depend on. */
    String machine() {
        return String.format(
                Locale.ROOT,
                "%d processors%s, %s %s, Java %s, SQLite %s, %s; medians of %d rounds of %.1f s each",
                Runtime.getRuntime().availableProcessors(),
                processor(),
                System.getProperty("os.name"),
                System.getProperty("os.version"),
                Runtime.version().feature(),
                sqliteVersion(),
                fileSystem(),
                rounds,
                seconds);
    }

    private static String processor() {
        try {
            return Files.readAllLines(Path.of("/proc/cpuinfo"), StandardCharsets.UTF_8).stream()
                    .filter(line -> line.startsWith("model name"))
                    .map(line -> " (" + line.substring(line.indexOf(':') + 1).trim() + ")")
                    .findFirst()
                    .orElse("");
        } catch (IOException e) {
            return ""; // not Linux
        }
    }

    private static String sqliteVersion() {
        try (java.sql.Connection connection = java.sql.DriverManager.getConnection("jdbc:sqlite::memory:")) {
            return connection.getMetaData().getDatabaseProductVersion();
        } catch (java.sql.SQLException e) {
            throw new IllegalStateException(e);
        }
    }

    private static String fileSystem() {
        try {
            FileStore store = Files.getFileStore(Path.of(System.getProperty("java.io.tmpdir")));
            return store.type();
        } catch (IOException e) {
            return "unknown file system";
        }
    }

    /** One line for each case and peer. */
    List<String> csv() {
        List<String> lines = new ArrayList<>();
        lines.add("# " + machine());
        lines.add("case,peer,operations,per second,p50 µs,p99 µs,p99.9 µs,max µs,slowest client's share,"
                + "processor µs per operation,bytes allocated per operation,WAL bytes");
        cases.forEach((one, peers) -> peers.forEach((peer, round) -> lines.add(String.format(
                Locale.ROOT,
                "%s,\"%s\",%d,%.0f,%.1f,%.1f,%.1f,%.1f,%.2f,%.2f,%.0f,%.0f",
                one.key(),
                peer,
                round.operations(),
                round.perSecond(),
                round.p50Micros(),
                round.p99Micros(),
                round.p999Micros(),
                round.maxMicros(),
                round.slowestShare(),
                round.cpuMicros(),
                round.allocatedBytes(),
                round.walBytes()))));
        return lines;
    }
}
