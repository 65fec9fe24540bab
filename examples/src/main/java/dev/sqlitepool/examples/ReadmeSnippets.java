package dev.sqlitepool.examples;

import dev.sqlitepool.BlockingPool;
import dev.sqlitepool.Durability;
import dev.sqlitepool.PoolException;
import dev.sqlitepool.RowMapper;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.examples.QuickStarts.User;
import java.nio.file.Path;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.sqlite.SQLiteException;

/** The snippets of README.md and of the pages in docs/, compiled here and run by its test. */
final class ReadmeSnippets {
    /** The tables that the snippets use. */
    static final String SCHEMA = """
            CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
            CREATE TABLE stock (product INTEGER PRIMARY KEY, units INTEGER NOT NULL);
            CREATE TABLE staff (id INTEGER PRIMARY KEY, name TEXT UNIQUE, boss INTEGER REFERENCES staff);
            CREATE TABLE orders (id INTEGER PRIMARY KEY, product INTEGER NOT NULL);
            """;

    private ReadmeSnippets() {}

    static void tenLines() {
        // snippet: ten-lines
        try (SqlitePool pool = SqlitePool.open(Path.of("my_app.db"))) {
            pool.useTransaction(
                            tx -> { // atomic: BEGIN IMMEDIATE … COMMIT
                                tx.execute("CREATE TABLE IF NOT EXISTS users (name TEXT)");
                                tx.execute("INSERT INTO users VALUES (?)", "Alice");
                            })
                    .join();
            String name = pool.queryOne("SELECT name FROM users LIMIT 1", row -> row.getString("name"))
                    .join()
                    .orElseThrow();
            System.out.println("Found user: " + name);
        }
        // end
    }

    static CompletableFuture<Integer> jdbc(SqlitePool pool) {
        // snippet: jdbc
        CompletableFuture<Integer> copied = pool.transaction(tx -> {
            try (PreparedStatement statement =
                    tx.jdbc().prepareStatement("INSERT INTO users SELECT id + 100, name FROM users")) {
                return statement.executeUpdate(); // commits when the function returns
            }
        });
        // end
        return copied;
    }

    static CompletableFuture<Long> transaction(SqlitePool pool, long product) {
        // snippet: transaction
        CompletableFuture<Long> orderId = pool.transaction(tx -> {
            tx.execute("UPDATE stock SET units = units - 1 WHERE product = ?", product);
            return tx.queryOne(
                            "INSERT INTO orders (product) VALUES (?) RETURNING id", row -> row.getLong("id"), product)
                    .orElseThrow();
        });
        // end
        return orderId;
    }

    static CompletableFuture<String> read(SqlitePool pool) {
        // snippet: read
        CompletableFuture<String> report = pool.read(
                conn -> { // both queries see the same moment
                    long orders = conn.queryOne("SELECT count(*) FROM orders", row -> row.getLong(1))
                            .orElseThrow();
                    long units = conn.queryOne("SELECT sum(units) FROM stock", row -> row.getLong(1))
                            .orElseThrow();
                    return orders + " orders, " + units + " units left";
                });
        // end
        return report;
    }

    static CompletableFuture<Void> connection(SqlitePool pool) {
        // snippet: connection
        CompletableFuture<Void> tidied = pool.useConnection(conn -> {
            conn.execute("PRAGMA optimize");
            conn.execute("VACUUM");
        });
        // end
        return tidied;
    }

    static CompletableFuture<List<String>> data(SqlitePool pool) {
        // snippet: data
        CompletableFuture<Long> changed = pool.execute("INSERT INTO users VALUES (?, ?)", 1, "Ada");
        CompletableFuture<long[]> all = pool.executeBatch(
                "INSERT INTO users VALUES (?, ?)", List.of(new Object[] {2, "Bob"}, new Object[] {3, "Cy"}));
        CompletableFuture<List<String>> names = CompletableFuture.allOf(changed, all)
                .thenCompose(done -> pool.query("SELECT name FROM users ORDER BY id", row -> row.getString("name")));
        // end
        return names;
    }

    static CompletableFuture<Optional<User>> mapper(SqlitePool pool) {
        // snippet: mapper
        RowMapper<User> toUser = RowMapper.of(User.class);
        CompletableFuture<Optional<User>> user = pool.queryOne("SELECT id, name FROM users WHERE id = ?", toUser, 1);
        // end
        return user;
    }

    static CompletableFuture<Void> stream(SqlitePool pool, Consumer<User> export) {
        CompletableFuture<Void> done = new CompletableFuture<>();
        // snippet: stream
        Flow.Publisher<User> users = pool.stream("SELECT id, name FROM users ORDER BY id", RowMapper.of(User.class));
        users.subscribe(new Flow.Subscriber<>() {
            private Flow.Subscription rows;

            @Override
            public void onSubscribe(Flow.Subscription subscription) {
                rows = subscription;
                rows.request(1);
            }

            @Override
            public void onNext(User user) {
                export.accept(user);
                rows.request(1); // SQLite steps to the next row only now
            }

            @Override
            public void onComplete() {
                done.complete(null);
            }

            @Override
            public void onError(Throwable error) {
                done.completeExceptionally(error);
            }
        });
        // end
        return done;
    }

    static long blocking(SqlitePool pool) throws SQLException {
        // snippet: blocking
        BlockingPool blocking = pool.blocking();
        long users = blocking.read(conn -> conn.queryOne("SELECT count(*) FROM users", row -> row.getLong(1))
                .orElseThrow());
        // end
        return users;
    }

    static CompletableFuture<Long> lease(SqlitePool pool) {
        // snippet: lease
        CompletableFuture<Long> left = pool.acquire().thenCompose(lease -> lease.run(conn -> conn.execute("BEGIN"))
                .thenCompose(begun -> lease.run(conn -> conn.execute("DELETE FROM stock WHERE units = 0")))
                .thenCompose(deleted -> lease.commit().thenApply(done -> deleted))
                .whenComplete((deleted, error) -> lease.close()));
        // end
        return left;
    }

    static void changes(SqlitePool pool, Consumer<Set<String>> refresh) {
        // snippet: changes
        pool.changes("orders", "stock").subscribe(new Flow.Subscriber<>() {
            private Flow.Subscription subscription;

            @Override
            public void onSubscribe(Flow.Subscription given) {
                subscription = given;
                subscription.request(1);
            }

            @Override
            public void onNext(Set<String> tables) { // a read that begins now sees the change
                refresh.accept(tables);
                subscription.request(1);
            }

            @Override
            public void onError(Throwable error) {}

            @Override
            public void onComplete() {} // the pool was closed
        });
        // end
    }

    static CompletableFuture<Void> backup(SqlitePool pool, Path copy, Consumer<String> log) {
        // snippet: backup
        CompletableFuture<Void> copied =
                pool.backup(copy, progress -> log.accept(Math.round(100 * progress.fraction()) + " %"));
        // end
        return copied;
    }

    static CompletableFuture<Optional<Long>> cancel(SqlitePool pool, String slowQuery) {
        // snippet: cancel
        CompletableFuture<Optional<Long>> answer = pool.queryOne(slowQuery, row -> row.getLong(1));
        answer.orTimeout(2, TimeUnit.SECONDS); // or answer.cancel(true)
        // end
        return answer;
    }

    static CompletableFuture<Void> savepoint(SqlitePool pool) {
        // snippet: savepoint
        CompletableFuture<Void> saved = pool.useTransaction(tx -> {
            tx.execute("INSERT INTO orders (product) VALUES (7)");
            try {
                tx.savepoint(inner -> inner.execute("INSERT INTO stock VALUES (7, 100)"));
            } catch (SQLException alreadyThere) { // only the savepoint is undone
                tx.execute("UPDATE stock SET units = units + 100 WHERE product = 7");
            }
        });
        // end
        return saved;
    }

    static CompletableFuture<Void> afterCommit(SqlitePool pool, Map<Long, Long> cache, long product) {
        // snippet: after-commit
        CompletableFuture<Void> sold = pool.useTransaction(tx -> {
            tx.execute("UPDATE stock SET units = units - 1 WHERE product = ?", product);
            tx.afterCommit(() -> cache.remove(product)); // it is on disk now
        });
        // end
        return sold;
    }

    static CompletableFuture<Long> errors(SqlitePool pool, Consumer<String> log) {
        // snippet: errors
        CompletableFuture<Long> changed = pool.execute("INSERT INTO users VALUES (1, 'Eve')")
                .whenComplete((rows, error) -> {
                    if (error instanceof SQLException refused) { // the driver's own
                        log.accept("SQLite refuses: " + refused.getMessage());
                    } else if (error instanceof PoolException ended
                            && ended.mayHaveHadEffect()) { // read the database first
                        log.accept("It may have happened: " + ended.getMessage());
                    } else if (error
                            instanceof PoolException ended) { // timed out, turned away or closed: it may be repeated
                        log.accept("It had no effect: " + ended.getMessage());
                    }
                });
        // end
        return changed;
    }

    static CompletableFuture<Boolean> addUser(SqlitePool pool, long id, String name, Long boss) {
        // snippet: constraints
        CompletableFuture<Boolean> added = pool.transaction(tx -> {
            try {
                tx.execute("INSERT INTO staff (id, name, boss) VALUES (?, ?, ?)", id, name, boss);
                return true;
            } catch (SQLiteException refused) {
                return switch (refused.getResultCode()) {
                    case SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE -> false; // it is there already
                    case SQLITE_CONSTRAINT_FOREIGNKEY -> throw new IllegalArgumentException("no such boss", refused);
                    default -> throw refused;
                };
            }
        });
        // end
        return added;
    }

    static SqlitePool settings(Path database) {
        // snippet: settings
        SqlitePool pool = SqlitePool.builder()
                .databasePath(database)
                .poolSize(4)
                .acquireTimeout(Duration.ofSeconds(5))
                .durability(Durability.NORMAL)
                .pragma("cache_size", -64_000)
                .build();
        // end
        return pool;
    }
}
