package dev.sqlitepool.stress;

import dev.sqlitepool.programs.Trial;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.BitSet;

/**
 * What became of each entry as its writer was told: acknowledged, called off (failed, cancelled, rolled back), or undecided. Proved
 * against the file from time to time. Thread-safe.
 */
final class Ledger {
    private final BitSet acknowledged = new BitSet();
    private final BitSet calledOff = new BitSet();
    /** The first number since the last proof. */
    private long base = 1;

    private long next = 1;

    private long proved;
    private long missing;
    private long repeated;
    private long absent;
    private long unwanted;
    private long undecided;

    /** Gives out numbers; returns the first. */
    synchronized long take(int count) {
        long first = next;
        next += count;
        return first;
    }

    synchronized void acknowledge(long first, int count) {
        acknowledged.set((int) (first - base), (int) (first - base) + count);
    }

    synchronized void callOff(long first, int count) {
        calledOff.set((int) (first - base), (int) (first - base) + count);
    }

    /** Compares the entries of this process since the last proof with what was told, and removes them. Nobody writes any. */
    synchronized void prove(Connection connection) throws SQLException {
        BitSet found = new BitSet();
        try (PreparedStatement statement = connection.prepareStatement(
                "SELECT number, count(*) FROM entry WHERE number >= ? AND number < ? GROUP BY number")) {
            statement.setLong(1, base);
            statement.setLong(2, next);
            try (ResultSet rows = statement.executeQuery()) {
                while (rows.next()) {
                    found.set((int) (rows.getLong(1) - base));
                    repeated += rows.getLong(2) - 1;
                }
            }
        }
        proved += acknowledged.cardinality();
        absent += calledOff.cardinality();
        undecided += next - base - acknowledged.cardinality() - calledOff.cardinality();
        acknowledged.andNot(found);
        missing += acknowledged.cardinality();
        calledOff.and(found);
        unwanted += calledOff.cardinality();
        acknowledged.clear();
        calledOff.clear();
        base = next;
        try (PreparedStatement statement = connection.prepareStatement("DELETE FROM entry WHERE number < ?")) {
            statement.setLong(1, next);
            statement.executeUpdate();
        }
    }

    /** Says what all proofs have found. */
    synchronized void conclude(Trial trial) {
        trial.check(proved > 0, "entries were acknowledged", String.format("%,d", proved));
        trial.check(missing == 0, "every acknowledged entry is there", missing + " missing");
        trial.check(repeated == 0, "no entry is there twice", repeated + " repeated");
        trial.check(
                unwanted == 0,
                "none that was called off is there",
                String.format("%,d called off, %,d there", absent, unwanted));
        trial.out().printf("  note    %,d entries were undecided: cancelled after a commit of their own%n", undecided);
    }
}
