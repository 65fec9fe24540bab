package dev.sqlitepool.stress;

import dev.sqlitepool.programs.Trial;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.HashSet;
import java.util.Locale;
import java.util.Set;

/** What is found of the transactions of a {@link NumberWriter} in the databases that it has left. Not thread-safe. */
final class Evidence {
    private long lookedFor;
    private long lost;
    private long half;
    private long damaged;
    private long unwanted;

    long lookedFor() {
        return lookedFor;
    }

    long lost() {
        return lost;
    }

    /** As {@link #look(Path, Set, Set)}, and nothing is said to have failed. */
    void look(Path database, Set<Integer> acknowledged) {
        look(database, acknowledged, Set.of());
    }

    /** Opens a database and looks for the acknowledged numbers, for those that have failed, for transactions by half, and for damage. */
    void look(Path database, Set<Integer> acknowledged, Set<Integer> failed) {
        lookedFor += acknowledged.size();
        if (!Files.exists(database)) {
            lost += acknowledged.size();
            return;
        }
        try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + database);
                Statement statement = connection.createStatement()) {
            lost += acknowledged.size();
            boolean begun =
                    number(statement, "SELECT count(*) FROM sqlite_schema WHERE name IN ('a', 'b', 'c', 'copy')") == 4;
            if (begun) {
                Set<Integer> there = new HashSet<>();
                try (ResultSet rows = statement.executeQuery("SELECT id FROM a")) {
                    while (rows.next()) {
                        there.add(rows.getInt(1));
                    }
                }
                lost -= acknowledged.stream().filter(there::contains).count();
                unwanted += failed.stream().filter(there::contains).count();
                half += number(
                        statement,
                        "SELECT count(*) FROM a LEFT JOIN b USING (id) LEFT JOIN c USING (id)"
                                + " WHERE b.id IS NULL OR c.id IS NULL");
                half += number(statement, "SELECT count(*) FROM c LEFT JOIN a USING (id) WHERE a.id IS NULL");
            }
            try (ResultSet rows = statement.executeQuery("PRAGMA integrity_check")) {
                if (!rows.next() || !rows.getString(1).equals("ok")) {
                    damaged++;
                }
            }
        } catch (SQLException e) {
            damaged++;
        }
    }

    private static long number(Statement statement, String sql) throws SQLException {
        try (ResultSet rows = statement.executeQuery(sql)) {
            return rows.next() ? rows.getLong(1) : 0;
        }
    }

    /** Nothing that was acknowledged is lost, and all is whole. */
    void conclude(Trial trial, String words) {
        trial.check(
                lookedFor > 0,
                words + ": acknowledged transactions were looked for",
                String.format(Locale.ROOT, "%,d", lookedFor));
        trial.check(lost == 0, words + ": every one is there", lost + " lost");
        concludeWhole(trial, words);
    }

    /** None that has failed is there. */
    void concludeFailed(Trial trial, String words) {
        trial.check(unwanted == 0, words + ": none that has failed is there", unwanted + " there");
    }

    /** What is there is whole. */
    void concludeWhole(Trial trial, String words) {
        trial.check(half == 0, words + ": none is there by half", half + " by half");
        trial.check(damaged == 0, words + ": every database is whole", damaged + " damaged");
    }
}
