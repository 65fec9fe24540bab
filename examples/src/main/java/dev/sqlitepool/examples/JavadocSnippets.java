package dev.sqlitepool.examples;

import dev.sqlitepool.Lease;
import dev.sqlitepool.PoolException;
import dev.sqlitepool.RowCursor;
import dev.sqlitepool.RowMapper;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.examples.QuickStarts.User;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/** The examples in the Javadoc of the public types, compiled here and run by the test of the documentation. */
final class JavadocSnippets {
    private JavadocSnippets() {}

    static void pool(Consumer<Long> out) {
        // snippet: javadoc-pool
        try (SqlitePool pool = SqlitePool.open(Path.of("shop.db"))) {
            pool.useTransaction(tx -> {
                        tx.execute("UPDATE stock SET units = units - 1 WHERE product = ?", 7);
                        tx.execute("INSERT INTO orders (product) VALUES (?)", 7);
                    })
                    .join();
            long orders = pool.queryOne("SELECT count(*) FROM orders", row -> row.getLong(1))
                    .join()
                    .orElseThrow();
            out.accept(orders);
        }
        // end
    }

    static SqlitePool builder() {
        // snippet: javadoc-builder
        SqlitePool pool = SqlitePool.builder()
                .databasePath(Path.of("shop.db"))
                .poolSize(4)
                .acquireTimeout(Duration.ofSeconds(5))
                .build();
        // end
        return pool;
    }

    static long blocking(SqlitePool pool) throws SQLException {
        // snippet: javadoc-blocking
        long users = pool.blocking().read(conn -> conn.queryOne("SELECT count(*) FROM users", row -> row.getLong(1))
                .orElseThrow());
        // end
        return users;
    }

    static CompletableFuture<Void> transaction(SqlitePool pool, Map<Long, Long> cache) {
        CompletableFuture<Void> saved =
                // snippet: javadoc-transaction
                pool.useTransaction(tx -> {
                    tx.execute("INSERT INTO orders (product) VALUES (7)");
                    try {
                        tx.savepoint(inner -> inner.execute("INSERT INTO stock VALUES (7, 100)"));
                    } catch (SQLException alreadyThere) { // only the savepoint is undone
                        tx.execute("UPDATE stock SET units = units + 100 WHERE product = 7");
                    }
                    tx.afterCommit(() -> cache.remove(7L));
                });
        // end
        return saved;
    }

    static CompletableFuture<?> lease(SqlitePool pool) {
        CompletableFuture<?> done =
                // snippet: javadoc-lease
                pool.acquire().thenCompose(lease -> lease.run(conn -> conn.execute("BEGIN"))
                        .thenCompose(begun -> lease.run(conn -> conn.execute("DELETE FROM stock WHERE units = 0")))
                        .thenCompose(deleted -> lease.commit())
                        .whenComplete((ended, error) -> lease.close()));
        // end
        return done;
    }

    static List<RowMapper<?>> mappers() {
        // snippet: javadoc-mapper
        RowMapper<String> byHand = row -> row.getString("name");
        RowMapper<User> toRecord = RowMapper.of(User.class); // record User(long id, String name)
        // end
        return List.of(byHand, toRecord);
    }

    static CompletableFuture<?> cursor(Lease lease, Consumer<String> export) {
        CompletableFuture<?> read =
                // snippet: javadoc-cursor
                lease.run(conn -> {
                    try (RowCursor<String> names = conn.cursor("SELECT name FROM users", row -> row.getString(1))) {
                        names.read(100, export); // at most 100 rows
                    }
                    return null;
                });
        // end
        return read;
    }

    static void errors(SqlitePool pool, Consumer<Boolean> out) throws SQLException {
        // snippet: javadoc-errors
        try {
            pool.blocking().useConnection(conn -> conn.execute("DELETE FROM stock"));
        } catch (PoolException e) {
            out.accept(e.mayHaveHadEffect()); // true: read the database before you repeat it
        }
        // end
    }
}
