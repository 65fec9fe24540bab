package dev.sqlitepool.benchmarks;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.LongAdder;

/** What the clients do, one operation after the other. */
enum Workload {
    ACQUIRE("acquire", "Take a connection and give it back", false) {
        @Override
        CompletableFuture<?> start(Contender contender, int client, LongAdder inserted) throws Exception {
            return contender.acquire();
        }
    },
    READ("query", "Point read", false) {
        @Override
        CompletableFuture<?> start(Contender contender, int client, LongAdder inserted) throws Exception {
            return contender.query(key());
        }
    },
    SCAN("scan", "Scan of " + Contender.SCANNED + " rows", false) {
        @Override
        CompletableFuture<?> start(Contender contender, int client, LongAdder inserted) throws Exception {
            return contender.scan(ThreadLocalRandom.current().nextInt(1, Contender.ROWS - Contender.SCANNED));
        }
    },
    TRANSACTION("transaction", "Transaction of two statements", true) {
        @Override
        CompletableFuture<?> start(Contender contender, int client, LongAdder inserted) throws Exception {
            inserted.increment();
            return contender.transaction(client);
        }
    },
    OWN_COMMIT("ownCommit", "Transaction with BEGIN and COMMIT of one's own, on a connection", true) {
        @Override
        CompletableFuture<?> start(Contender contender, int client, LongAdder inserted) throws Exception {
            inserted.increment();
            return contender.ownCommit(client);
        }
    },
    JDBC_COMMIT("jdbcCommit", "Transaction through JDBC, autocommit off", true) {
        @Override
        CompletableFuture<?> start(Contender contender, int client, LongAdder inserted) throws Exception {
            inserted.increment();
            return contender.jdbcCommit(client);
        }
    },
    READ_MODIFY_WRITE("readModifyWrite", "Read, modify, write in a transaction", true) {
        @Override
        CompletableFuture<?> start(Contender contender, int client, LongAdder inserted) throws Exception {
            inserted.increment();
            return contender.readModifyWrite(client);
        }
    },
    EXECUTE("execute", "Single INSERT", true) {
        @Override
        CompletableFuture<?> start(Contender contender, int client, LongAdder inserted) throws Exception {
            inserted.increment();
            return contender.execute(client);
        }
    },
    BATCH("batch", "Batch of " + Contender.BATCH + " INSERTs", true) {
        @Override
        CompletableFuture<?> start(Contender contender, int client, LongAdder inserted) throws Exception {
            inserted.add(Contender.BATCH);
            return contender.batch(client);
        }
    },
    /** Four of five operations read; the round that is returned is of all. */
    MIXED("mixed", "80 % point reads, 20 % INSERTs", true) {
        @Override
        CompletableFuture<?> start(Contender contender, int client, LongAdder inserted) throws Exception {
            boolean write = ThreadLocalRandom.current().nextInt(5) == 0;
            inserted.add(write ? 1 : 0);
            return write ? contender.execute(client) : contender.query(key());
        }
    },
    /** Many reads, some changes, now and then a report; the round that is returned is of all. */
    SHOP("shop", "The busy shop", true) {
        @Override
        CompletableFuture<?> start(Contender contender, int client, LongAdder inserted) throws Exception {
            int percent = ThreadLocalRandom.current().nextInt(100);
            if (percent < 60) {
                return READ.start(contender, client, inserted);
            } else if (percent < 75) {
                return SCAN.start(contender, client, inserted);
            } else if (percent < 90) {
                return READ_MODIFY_WRITE.start(contender, client, inserted);
            } else if (percent < 98) {
                return EXECUTE.start(contender, client, inserted);
            }
            return contender.slowQuery(REPORT_STEPS);
        }
    },
    /** The clients that run slow queries are not measured. */
    AMONG_SLOW("amongSlow", "Point read beside 4 slow queries", false, 4) {
        @Override
        CompletableFuture<?> start(Contender contender, int client, LongAdder inserted) throws Exception {
            return client <= unmeasured() ? contender.slowQuery(SLOW_STEPS) : contender.query(key());
        }
    },
    /** The clients that write are not measured: the reads of a mix by themselves. */
    READ_BESIDE_WRITES("readBesideWrites", "Point read beside 13 writing clients", true, 13) {
        @Override
        CompletableFuture<?> start(Contender contender, int client, LongAdder inserted) throws Exception {
            return (client <= unmeasured() ? TRANSACTION : READ).start(contender, client, inserted);
        }
    };

    private static final long SLOW_STEPS = 3_000_000; // some hundred milliseconds
    private static final long REPORT_STEPS = 50_000; // some milliseconds

    private final String operation;
    private final String words;
    private final boolean writes;
    private final int unmeasured;

    Workload(String operation, String words, boolean writes) {
        this(operation, words, writes, 0);
    }

    Workload(String operation, String words, boolean writes, int unmeasured) {
        this.operation = operation;
        this.words = words;
        this.writes = writes;
        this.unmeasured = unmeasured;
    }

    /** The method of {@link Contender} that it calls, if it calls one only. */
    String operation() {
        return operation;
    }

    String words() {
        return words;
    }

    boolean writes() {
        return writes;
    }

    /** How many rows of {@code event} each operation inserts, of a workload that calls one method only. */
    int rowsOfOne() {
        return this == BATCH ? Contender.BATCH : writes ? 1 : 0;
    }

    /** So many clients, the first, take part and are not measured. */
    int unmeasured() {
        return unmeasured;
    }

    /**
     * Starts one operation.
     *
     * @param inserted is told how many rows of {@code event} it inserts
     */
    abstract CompletableFuture<?> start(Contender contender, int client, LongAdder inserted) throws Exception;

    private static int key() {
        return ThreadLocalRandom.current().nextInt(1, Contender.ROWS + 1);
    }
}
