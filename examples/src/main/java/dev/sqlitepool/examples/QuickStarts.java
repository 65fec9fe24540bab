package dev.sqlitepool.examples;

import dev.sqlitepool.RowMapper;
import dev.sqlitepool.SqlitePool;
import java.io.PrintStream;
import java.nio.file.Path;
import java.sql.DriverManager;

/** The two quick starts: a pool over a path, and a pool over connections that the program opens itself. */
public final class QuickStarts {
    private QuickStarts() {}

    /**
     * By path: creates a table, inserts Alice, reads her name back.
     *
     * @param database the file, created if absent
     * @param out is told whom it found
     */
    public static void byPath(Path database, PrintStream out) {
        // snippet: by-path
        try (SqlitePool pool = SqlitePool.open(database)) {
            pool.useTransaction(
                            tx -> { // atomic: BEGIN IMMEDIATE … COMMIT
                                tx.execute("CREATE TABLE IF NOT EXISTS users (name TEXT)");
                                tx.execute("INSERT INTO users VALUES (?)", "Alice");
                            })
                    .join();
            String name = pool.connection(
                            conn -> // a connection from the pool
                            conn.queryOne("SELECT name FROM users LIMIT 1", row -> row.getString("name"))
                                    .orElseThrow())
                    .join();
            out.println("Found user: " + name);
        }
        // end
    }

    // snippet: user
    /** A row of the table; columns become components by their names. */
    public record User(long id, String name) {}
    // end

    /**
     * By connection factory: the program opens the connections, and rows become records.
     *
     * @param database the file, created if absent
     * @param out is told whom it found
     */
    public static void byConnectionFactory(Path database, PrintStream out) {
        // snippet: by-factory
        try (SqlitePool pool = SqlitePool.builder()
                .connectionFactory(access -> DriverManager.getConnection("jdbc:sqlite:" + database))
                .build()) {
            pool.useTransaction(tx -> {
                        tx.execute("CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, name TEXT)");
                        tx.execute("INSERT OR IGNORE INTO users VALUES (?, ?)", 1, "Bob");
                    })
                    .join();
            User user = pool.queryOne("SELECT id, name FROM users WHERE id = ?", RowMapper.of(User.class), 1)
                    .join()
                    .orElseThrow();
            out.println("Found user: id=" + user.id() + ", name=" + user.name());
        }
        // end
    }
}
