package dev.sqlitepool.stress;

import dev.sqlitepool.BlockingPool;
import dev.sqlitepool.Lease;
import dev.sqlitepool.PoolConnection;
import dev.sqlitepool.SqlWork;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.Transaction;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.LongStream;

/**
 * Everything that a user may do with a pool, at random: each call starts one operation, which keeps the sum of the accounts and enters
 * what it does into the ledger. Thread-safe.
 */
final class Mix {
    /** What is allowed to end operations early: cancels and timeouts, one in so many. */
    private static final int DISTURBED = 12;
    /** SQLITE_CONSTRAINT. */
    private static final int CONSTRAINT = 19;

    private final SqlitePool pool;
    private final BlockingPool blocking;
    private final Ledger ledger;
    private final Tally tally;
    private final ScheduledExecutorService timer;
    /** The pool is being closed: errors that say so are expected. */
    private volatile boolean closing;

    Mix(SqlitePool pool, Ledger ledger, Tally tally, ScheduledExecutorService timer) {
        this.pool = pool;
        this.blocking = pool.blocking();
        this.ledger = ledger;
        this.tally = tally;
        this.timer = timer;
    }

    void close() {
        closing = true;
        pool.close();
    }

    boolean isClosing() {
        return closing;
    }

    /** One operation on its way. */
    private final class Attempt {
        private final String kind;
        private final long first;
        private final int count;
        private boolean disturbed;
        /** From here on a failure does not mean that the entries are not there. */
        private volatile boolean mayStand;

        Attempt(String kind, int entries) {
            this.kind = kind;
            this.count = entries;
            this.first = ledger.take(entries);
        }

        /** Follows a future whose value says whether the entries stand. */
        CompletableFuture<Boolean> follow(CompletableFuture<Boolean> future) {
            return future.handle((stands, error) -> {
                ended(stands, error == null ? null : Tally.unwrapped(error));
                return error == null;
            });
        }

        void ended(Boolean stands, Throwable error) {
            if (error == null && stands) {
                ledger.acknowledge(first, count);
            } else if (error == null || !mayStand) {
                ledger.callOff(first, count);
            }
            tally.ended(kind, error == null && !stands ? "undone" : "value", error, disturbed, closing);
        }

        /** Now and then cancels the future or sets it a limit. */
        <T> CompletableFuture<T> disturb(Random random, CompletableFuture<T> future) {
            if (random.nextInt(DISTURBED) == 0) {
                cut(random, future);
            }
            return future;
        }

        <T> void cut(Random random, CompletableFuture<T> future) {
            disturbed = true;
            int micros = random.nextInt(5_000);
            if (micros < 500) {
                future.cancel(true);
            } else if (micros < 2_500) {
                future.orTimeout(micros, TimeUnit.MICROSECONDS);
            } else {
                Future<?> unused = timer.schedule(() -> future.cancel(true), micros, TimeUnit.MICROSECONDS);
            }
        }

        /** Work whose SQL errors are looked at, even if nobody waits for its result any more. */
        <C, T> SqlWork<C, T, Exception> watched(SqlWork<C, T, Exception> work) {
            return connection -> {
                try {
                    return work.apply(connection);
                } catch (SQLException e) {
                    tally.seen(e);
                    throw e;
                }
            };
        }
    }

    /** Starts one operation of a client that has no thread. Its value says whether it went well. */
    CompletableFuture<Boolean> start(Random random) {
        int dice = random.nextInt(1_000);
        if (dice < 160) {
            return transaction(random);
        } else if (dice < 300) {
            return execute(random);
        } else if (dice < 350) {
            return batch(random);
        } else if (dice < 420) {
            return returning(random);
        } else if (dice < 470) {
            return autocommit(random);
        } else if (dice < 520) {
            return ownTransaction(random);
        } else if (dice < 570) {
            return jdbc(random);
        } else if (dice < 610) {
            return lease(random);
        } else if (dice < 760) {
            return read(random);
        } else if (dice < 935) {
            return query(random);
        } else if (dice < 975) {
            return refused(random);
        } else if (dice < 995) {
            return slow(random);
        }
        return maintenance(random);
    }

    /** Does one operation of a client that is a thread. */
    boolean run(Random random) throws Exception {
        int dice = random.nextInt(100);
        if (dice < 15) {
            return blocked("blocking transaction", 1, a -> {
                int from = account(random);
                int to = other(random, from);
                boolean stands = random.nextInt(10) > 0;
                return blocking.transaction(a.<Transaction, Boolean>watched(tx -> transfer(tx, a, from, to, stands)));
            });
        } else if (dice < 30) {
            return blocked("blocking execute", 1, a -> blocking.execute(Bank.ENTER, a.first) == 1);
        } else if (dice < 40) {
            return blocked("blocking connection, jdbc()", 1, a -> {
                boolean stands = random.nextInt(10) > 0;
                int from = account(random);
                int to = other(random, from);
                return blocking.connection(
                        a.<PoolConnection, Boolean>watched(c -> transferByJdbc(c.jdbc(), a, from, to, stands)));
            });
        } else if (dice < 60) {
            return blocked("blocking read", 0, a -> {
                long pause = random.nextInt(50) == 0 ? 20_000_000 : 0;
                return blocking.read(a.<PoolConnection, Boolean>watched(c -> audit(c, pause)));
            });
        } else if (dice < 75) {
            return blocked(
                    "blocking queryOne",
                    0,
                    a -> sum(blocking.queryOne(Bank.SUM, row -> row.getLong(1)).orElseThrow()));
        }
        return start(random).get(60, TimeUnit.SECONDS);
    }

    private interface Call {
        boolean on(Attempt attempt) throws Exception;
    }

    private boolean blocked(String kind, int entries, Call call) {
        Attempt attempt = new Attempt(kind, entries);
        try {
            attempt.ended(call.on(attempt), null);
            return true;
        } catch (Exception e) {
            attempt.ended(false, e);
            return false;
        }
    }

    // ---- operations that write

    private CompletableFuture<Boolean> transaction(Random random) {
        Attempt a = new Attempt("transaction", 1);
        int from = account(random);
        int to = other(random, from);
        int dice = random.nextInt(20);
        return a.follow(a.disturb(random, pool.transaction(a.<Transaction, Boolean>watched(tx -> {
            if (dice == 0) { // a savepoint that fails leaves nothing
                try {
                    tx.savepoint(inner -> {
                        transfer(inner, a, from, to, true);
                        throw new Tally.Deliberate();
                    });
                } catch (Tally.Deliberate e) {
                    return transfer(tx, a, from, to, true);
                }
            } else if (dice == 1) {
                tx.rollbackOnly();
                transfer(tx, a, from, to, true);
                return false;
            }
            return transfer(tx, a, from, to, dice > 2);
        }))));
    }

    private static boolean transfer(PoolConnection connection, Attempt a, int from, int to, boolean stands)
            throws SQLException, Tally.Deliberate {
        connection.execute(Bank.MOVE, -1, from);
        connection.execute(Bank.ENTER, a.first);
        connection.execute(Bank.MOVE, 1, to);
        if (!stands) {
            throw new Tally.Deliberate();
        }
        return true;
    }

    /** And reads what it has written, once the write is acknowledged. */
    private CompletableFuture<Boolean> execute(Random random) {
        Attempt a = new Attempt("execute", 1);
        boolean look = random.nextInt(4) == 0;
        return a.follow(a.disturb(random, pool.execute(Bank.ENTER, a.first)).thenApply(n -> n == 1))
                .thenCompose(well -> well && look ? readBack(a.first) : CompletableFuture.completedFuture(well));
    }

    private CompletableFuture<Boolean> readBack(long number) {
        Attempt a = new Attempt("queryOne of a row just written", 0);
        return a.follow(pool.queryOne(Bank.TIMES, row -> row.getLong(1), number).thenApply(times -> {
            if (times.orElseThrow() != 1) {
                tally.wrong("an acknowledged entry was read " + times.get() + " times");
            }
            return true;
        }));
    }

    private CompletableFuture<Boolean> batch(Random random) {
        Attempt a = new Attempt("executeBatch", 1 + random.nextInt(20));
        List<Object[]> rows = LongStream.range(a.first, a.first + a.count)
                .mapToObj(number -> new Object[] {number})
                .toList();
        return a.follow(
                a.disturb(random, pool.executeBatch(Bank.ENTER, rows)).thenApply(changed -> changed.length == a.count));
    }

    private CompletableFuture<Boolean> returning(Random random) {
        Attempt a = new Attempt("query … RETURNING", 1);
        return a.follow(a.disturb(random, pool.query(Bank.ENTER + " RETURNING number", row -> row.getLong(1), a.first))
                .thenApply(numbers -> numbers.equals(List.of(a.first))));
    }

    /** Data that SQLite refuses, in part after it has written a row: nothing of it may stay, and its neighbours must not notice. */
    private CompletableFuture<Boolean> refused(Random random) {
        Attempt a = new Attempt("data that a constraint refuses", 1);
        CompletableFuture<?> future;
        switch (random.nextInt(4)) {
            case 0:
                future = pool.execute("INSERT INTO account (id, balance) VALUES (1, 1000)");
                break;
            case 1:
                future = pool.executeBatch(Bank.ENTER, List.of(new Object[] {a.first}, new Object[] {null}));
                break;
            case 2:
                future = pool.execute("INSERT OR FAIL INTO entry (number) VALUES (?), (NULL)", a.first);
                break;
            default:
                future = pool.query(Bank.ENTER + ", (NULL) RETURNING number", row -> row.getLong(1), a.first);
        }
        return a.follow(a.disturb(random, future).handle((value, error) -> {
            if (error instanceof SQLException refused && (refused.getErrorCode() & 0xff) == CONSTRAINT) {
                return false;
            }
            throw new CompletionException(
                    error != null ? error : new IllegalStateException("a constraint did not refuse"));
        }));
    }

    private CompletableFuture<Boolean> autocommit(Random random) {
        Attempt a = new Attempt("connection, autocommit", 1);
        int from = account(random);
        int to = other(random, from);
        return a.follow(a.disturb(random, pool.connection(a.<PoolConnection, Boolean>watched(c -> {
            sum(c.queryOne(Bank.SUM, row -> row.getLong(1)).orElseThrow());
            c.execute(Bank.MOVE_BOTH, from, to);
            a.mayStand = true;
            return c.execute(Bank.ENTER, a.first) == 1;
        }))));
    }

    private CompletableFuture<Boolean> ownTransaction(Random random) {
        Attempt a = new Attempt("connection, BEGIN … COMMIT", 1);
        int from = account(random);
        int to = other(random, from);
        int end = random.nextInt(10);
        return a.follow(a.disturb(random, pool.connection(a.<PoolConnection, Boolean>watched(c -> {
            c.execute("BEGIN");
            transfer(c, a, from, to, true);
            if (end < 2) { // left open, or given up
                return end == 0 && c.execute("ROLLBACK") < 0;
            }
            a.mayStand = true;
            c.execute("COMMIT");
            return true;
        }))));
    }

    private CompletableFuture<Boolean> jdbc(Random random) {
        Attempt a = new Attempt("connection, jdbc()", 1);
        int from = account(random);
        int to = other(random, from);
        boolean stands = random.nextInt(10) > 0;
        return a.follow(a.disturb(
                random,
                pool.connection(
                        a.<PoolConnection, Boolean>watched(c -> transferByJdbc(c.jdbc(), a, from, to, stands)))));
    }

    private static boolean transferByJdbc(Connection jdbc, Attempt a, int from, int to, boolean stands)
            throws SQLException {
        jdbc.setAutoCommit(false);
        try (PreparedStatement move = jdbc.prepareStatement(Bank.MOVE);
                PreparedStatement enter = jdbc.prepareStatement(Bank.ENTER)) {
            move.setInt(1, -1);
            move.setInt(2, from);
            move.executeUpdate();
            enter.setLong(1, a.first);
            enter.executeUpdate();
            move.setInt(1, 1);
            move.setInt(2, to);
            move.executeUpdate();
        }
        if (!stands) {
            jdbc.rollback();
            return false;
        }
        a.mayStand = true;
        jdbc.commit();
        return true;
    }

    private CompletableFuture<Boolean> lease(Random random) {
        Attempt a = new Attempt("lease, BEGIN … COMMIT", 1);
        int from = account(random);
        int to = other(random, from);
        boolean stands = random.nextInt(10) > 0;
        return a.follow(a.disturb(random, pool.acquire()).thenCompose(lease -> a.disturb(
                        random, lease.run(a.<PoolConnection, Long>watched(c -> c.execute("BEGIN"))))
                .thenCompose(begun -> a.disturb(
                        random, lease.run(a.<PoolConnection, Boolean>watched(c -> transfer(c, a, from, to, true)))))
                .thenCompose(moved -> stands ? committed(a, lease) : CompletableFuture.completedFuture(false))
                .whenComplete((value, error) -> lease.close())));
    }

    private CompletableFuture<Boolean> committed(Attempt a, Lease lease) {
        a.mayStand = true;
        return lease.run(a.<PoolConnection, Boolean>watched(c -> {
            c.execute("COMMIT");
            return true;
        }));
    }

    /** What changes a connection, or the whole file. */
    private CompletableFuture<Boolean> maintenance(Random random) {
        Attempt a = new Attempt("connection, maintenance", 0);
        int dice = random.nextInt(20);
        return a.follow(pool.connection(a.<PoolConnection, Boolean>watched(c -> {
            if (dice == 0) {
                c.execute("VACUUM");
            } else if (dice < 6) {
                c.executeScript("CREATE TEMP TABLE scratch (x); INSERT INTO scratch VALUES (1)");
            } else if (dice < 12) {
                c.execute("PRAGMA wal_checkpoint(PASSIVE)");
            } else {
                c.execute("PRAGMA optimize");
            }
            return true;
        })));
    }

    // ---- operations that read

    private CompletableFuture<Boolean> read(Random random) {
        Attempt a = new Attempt("read", 0);
        int dice = random.nextInt(200);
        long pause = dice == 0 ? 200_000_000 : dice < 20 ? 2_000_000 : 0;
        return a.follow(a.disturb(random, pool.read(a.<PoolConnection, Boolean>watched(c -> audit(c, pause)))));
    }

    /** Looks twice: a snapshot does not change. */
    private boolean audit(PoolConnection connection, long pauseNanos) throws SQLException {
        sum(connection.queryOne(Bank.SUM, row -> row.getLong(1)).orElseThrow());
        long last = connection.queryOne(Bank.LAST, row -> row.getLong(1)).orElseThrow();
        if (pauseNanos > 0) {
            LockSupport.parkNanos(pauseNanos);
        }
        sum(connection.queryOne(Bank.SUM, row -> row.getLong(1)).orElseThrow());
        long again = connection.queryOne(Bank.LAST, row -> row.getLong(1)).orElseThrow();
        if (last != again) {
            tally.wrong("a snapshot changed");
        }
        return true;
    }

    private boolean sum(long seen) {
        if (seen != Bank.TOTAL) {
            tally.wrong("a reader saw a sum of " + seen + " instead of " + Bank.TOTAL);
        }
        return true;
    }

    private CompletableFuture<Boolean> query(Random random) {
        Attempt a = new Attempt("query", 0);
        return a.follow(
                a.disturb(random, pool.query(Bank.SUM, row -> row.getLong(1))).thenApply(sums -> sum(sums.get(0))));
    }

    /** SQL that runs for long, and is cut short. */
    private CompletableFuture<Boolean> slow(Random random) {
        if (random.nextBoolean()) {
            Attempt a = new Attempt("query, slow", 0);
            CompletableFuture<List<Long>> reading = pool.query(Bank.SLOW, row -> row.getLong(1));
            a.cut(random, reading);
            return a.follow(reading.thenApply(rows -> true));
        }
        Attempt a = new Attempt("transaction, slow", 1);
        CompletableFuture<Boolean> writing = pool.transaction(a.<Transaction, Boolean>watched(tx -> {
            transfer(tx, a, 1, 2, true);
            return tx.query(Bank.SLOW, row -> row.getLong(1)).size() == 1;
        }));
        a.cut(random, writing);
        return a.follow(writing);
    }

    private static int account(Random random) {
        return 1 + random.nextInt(Bank.ACCOUNTS);
    }

    private static int other(Random random, int account) {
        return 1 + (account + random.nextInt(Bank.ACCOUNTS - 1)) % Bank.ACCOUNTS;
    }
}
