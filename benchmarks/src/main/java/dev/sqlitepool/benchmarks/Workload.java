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
    /** {@link #SLOW} clients run slow queries and are not measured. */
    AMONG_SLOW("amongSlow", "Point read beside 4 slow queries", false) {
        @Override
        CompletableFuture<?> start(Contender contender, int client, LongAdder inserted) throws Exception {
            return client <= SLOW ? contender.slowQuery(SLOW_STEPS) : contender.query(key());
        }
    };

    static final int SLOW = 4;
    private static final long SLOW_STEPS = 3_000_000; // some hundred milliseconds

    private final String operation;
    private final String words;
    private final boolean writes;

    Workload(String operation, String words, boolean writes) {
        this.operation = operation;
        this.words = words;
        this.writes = writes;
    }

    /** The method of {@link Contender} that it calls. */
    String operation() {
        return operation;
    }

    String words() {
        return words;
    }

    boolean writes() {
        return writes;
    }

    int unmeasured() {
        return this == AMONG_SLOW ? SLOW : 0;
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
