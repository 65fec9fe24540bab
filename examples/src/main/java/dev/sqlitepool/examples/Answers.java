package dev.sqlitepool.examples;

import java.util.Collection;
import java.util.Collections;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.LongAdder;

/** What the customers of one run were told, and how long they waited for it. Thread-safe. */
final class Answers {
    private final Queue<Shop.Receipt> receipts = new ConcurrentLinkedQueue<>();
    private final Queue<Long> latencies = new ConcurrentLinkedQueue<>();
    private final Map<Shop.State, LongAdder> counts = new ConcurrentSkipListMap<>();

    Answers() {
        for (Shop.State state : Shop.State.values()) {
            counts.put(state, new LongAdder());
        }
    }

    void add(Shop.Receipt receipt, long nanos) {
        receipts.add(receipt);
        latencies.add(nanos);
        counts.get(receipt.state()).increment();
    }

    Collection<Shop.Receipt> receipts() {
        return Collections.unmodifiableCollection(receipts);
    }

    long count(Shop.State state) {
        return counts.get(state).sum();
    }

    long count() {
        return counts.values().stream().mapToLong(LongAdder::sum).sum();
    }

    /** The waiting times in nanoseconds, shortest first. */
    long[] latencies() {
        return latencies.stream().mapToLong(Long::longValue).sorted().toArray();
    }
}
