package dev.sqlitepool.benchmarks;

import com.sun.management.OperatingSystemMXBean;
import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLongArray;
import org.HdrHistogram.AtomicHistogram;
import org.HdrHistogram.Histogram;

/** Measures one round: latencies, how they are shared out among the clients, processor time and allocation. Thread-safe. */
final class Meter {
    /** Clients share histograms, so that ten thousand need no gigabyte, and seldom meet there. */
    private static final int STRIPES = 16;

    private static final OperatingSystemMXBean SYSTEM =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private final Histogram[] latencies = new Histogram[STRIPES];
    private final AtomicLongArray counts;
    private final int unmeasured;
    private final long start;
    private final long cpuBefore;
    private final long allocatedBefore;
    private volatile long last;

    /**
     * Begins to measure.
     *
     * @param clients how many, numbered from 1 on
     * @param unmeasured so many, the first, take part and are not measured
     */
    Meter(int clients, int unmeasured) {
        this.counts = new AtomicLongArray(clients + 1);
        this.unmeasured = unmeasured;
        for (int i = 0; i < STRIPES; i++) {
            latencies[i] = new AtomicHistogram(TimeUnit.MINUTES.toNanos(5), 3);
        }
        this.cpuBefore = SYSTEM.getProcessCpuTime();
        this.allocatedBefore = allocated();
        this.start = System.nanoTime();
        this.last = start;
    }

    /** Of all threads that are alive; those of a pool and of its clients live as long as the round. */
    private static long allocated() {
        long sum = 0;
        for (long bytes : THREADS.getThreadAllocatedBytes(THREADS.getAllThreadIds())) {
            sum += Math.max(0, bytes);
        }
        return sum;
    }

    long start() {
        return start;
    }

    /** An operation of a client, from when it began, or should have, to now. */
    void record(int client, long begun, long ended) {
        counts.incrementAndGet(client);
        if (client > unmeasured) {
            latencies[client % STRIPES].recordValue(ended - begun);
            last = ended;
        }
    }

    /** Ends the round; the threads of the clients are still alive. */
    Round end() {
        double seconds = (last - start) / 1e9;
        long allocated = allocated() - allocatedBefore;
        long cpu = SYSTEM.getProcessCpuTime() - cpuBefore;
        Histogram all = new Histogram(TimeUnit.MINUTES.toNanos(5), 3);
        for (Histogram one : latencies) {
            all.add(one);
        }
        long operations = 0;
        long slowest = Long.MAX_VALUE;
        for (int client = 1; client < counts.length(); client++) {
            operations += counts.get(client);
            slowest = client > unmeasured ? Math.min(slowest, counts.get(client)) : slowest;
        }
        int measured = counts.length() - 1 - unmeasured;
        double fair = (double) all.getTotalCount() / measured;
        return Round.of(
                operations, all, seconds, slowest / fair, cpu / 1e3 / operations, (double) allocated / operations);
    }
}
