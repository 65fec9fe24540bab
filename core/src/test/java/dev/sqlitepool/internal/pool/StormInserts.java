package dev.sqlitepool.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;

/** The inserts of a storm: what was asked for, when, and what has become of it. Thread-safe. */
final class StormInserts {
    /** The rows have their places in the order in which they were inserted: nobody deletes one. */
    static final String TABLE = "CREATE TABLE IF NOT EXISTS t (place INTEGER PRIMARY KEY, id INTEGER UNIQUE)";

    static final String SQL = "INSERT INTO t (id) VALUES (?)";

    private final AtomicLong clock = new AtomicLong();
    private final Map<Long, Insert> inserts = new ConcurrentHashMap<>();

    /** One that was submitted after one tick of the clock and before another. */
    private record Insert(long after, long before, CompletableFuture<Long> future) {}

    CompletableFuture<Long> submit(long id, Supplier<CompletableFuture<Long>> call) {
        long after = clock.incrementAndGet();
        CompletableFuture<Long> future = call.get();
        inserts.put(id, new Insert(after, clock.incrementAndGet(), future));
        return future;
    }

    /** Acknowledged: there, once. Anything else: not there. And first come, first served. Returns how many are there. */
    int verify(Path database) throws SQLException {
        List<Long> rows = new ArrayList<>();
        try (var connection = DriverManager.getConnection("jdbc:sqlite:" + database);
                var statement = connection.createStatement();
                var found = statement.executeQuery("SELECT id FROM t ORDER BY place")) {
            while (found.next()) {
                rows.add(found.getLong(1));
            }
        }
        var there = new HashSet<>(rows);
        assertThat(there).hasSameSizeAs(rows);
        inserts.forEach((id, insert) -> {
            boolean acknowledged = insert.future().isDone() && !insert.future().isCompletedExceptionally();
            assertThat(there.contains(id)).as("row %s, %s", id, insert.future()).isEqualTo(acknowledged);
        });
        verifyOrder(rows);
        return rows.size();
    }

    /** Nobody was served whose submission began after that of one who is served later had ended. */
    private void verifyOrder(List<Long> rows) {
        long latest = 0;
        long who = 0;
        for (long id : rows) {
            Insert insert = inserts.get(id);
            assertThat(insert.before())
                    .as("row %s came before %s, which was submitted first", who, id)
                    .isGreaterThan(latest);
            if (insert.after() > latest) {
                latest = insert.after();
                who = id;
            }
        }
    }
}
