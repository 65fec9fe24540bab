package dev.sqlitepool.stress;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;

/**
 * The database of the long runs. Money moves between accounts, so their sum never changes. Each transfer writes entries, whose numbers
 * are given out once; nothing in the schema keeps a number from being there twice, so a statement that ran twice would show.
 */
final class Bank {
    static final int ACCOUNTS = 64;
    static final long TOTAL = ACCOUNTS * 1_000L;

    static final String ENTER = "INSERT INTO entry (number) VALUES (?)";
    static final String MOVE = "UPDATE account SET balance = balance + ? WHERE id = ?";
    /** A transfer of one statement: one from the first account to the second. */
    static final String MOVE_BOTH =
            "UPDATE account SET balance = balance + CASE id WHEN ?1 THEN -1 ELSE 1 END WHERE id IN (?1, ?2)";

    static final String SUM = "SELECT sum(balance) FROM account";
    static final String LAST = "SELECT coalesce(max(rowid), 0) FROM entry";
    static final String TIMES = "SELECT count(*) FROM entry WHERE number = ?";
    /** Takes some tens of milliseconds. */
    static final String SLOW =
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) SELECT count(*) FROM n";

    static final List<String> SCHEMA = List.of(
            "CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL)",
            "CREATE TABLE entry (number INTEGER NOT NULL)",
            "CREATE INDEX entry_number ON entry (number)",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " + ACCOUNTS
                    + ") INSERT INTO account SELECT i, 1000 FROM n");

    private Bank() {}

    /** A connection of nobody's pool, patient with others. */
    static Connection connect(Object database) throws SQLException {
        return DriverManager.getConnection("jdbc:sqlite:" + database + "?busy_timeout=60000");
    }

    static long number(Connection connection, String sql) throws SQLException {
        return Long.parseLong(text(connection, sql));
    }

    static String text(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery(sql)) {
            return row.next() ? row.getString(1) : "";
        }
    }
}
