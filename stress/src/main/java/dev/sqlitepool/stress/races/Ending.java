package dev.sqlitepool.stress.races;

import dev.sqlitepool.internal.dispatch.RacedTask;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.function.IntConsumer;

/**
 * The end of a task, which three want at once: who serves it, the user who cancels it, and the timer. It takes no part in jcstress, which
 * leaves races of three out where there are two processors. Three threads meet at each of many tasks, and go on from there at once.
 */
public final class Ending {
    private static final int TASKS = 256;
    private static final int PATIENCE_SECONDS = 60;

    private static final Set<String> ALLOWED = Set.of(
            "committed, false, false, DONE value",
            "revoked, true, false, REVOKED cancelled",
            "passed over, true, false, ENDED cancelled",
            "passed over, false, true, ENDED failed");

    private final Map<String, Long> outcomes = new TreeMap<>();

    /**
     * What was seen, and how often.
     *
     * @param forbidden how many ended in another way than they may
     */
    public record Seen(Map<String, Long> outcomes, long samples, long forbidden) {}

    /** Races for some seconds. */
    public Seen race(double seconds, long seed) throws InterruptedException {
        long end = System.nanoTime() + (long) (seconds * 1e9);
        Random random = new Random(seed);
        do {
            tasks(random);
        } while (System.nanoTime() - end < 0);
        long samples = 0;
        long forbidden = 0;
        for (Map.Entry<String, Long> outcome : outcomes.entrySet()) {
            samples += outcome.getValue();
            forbidden += ALLOWED.contains(outcome.getKey()) ? 0 : outcome.getValue();
        }
        return new Seen(outcomes, samples, forbidden);
    }

    private void tasks(Random random) throws InterruptedException {
        List<RacedTask> tasks = new ArrayList<>();
        for (int i = 0; i < TASKS; i++) {
            tasks.add(Ground.POOL.task());
        }
        Object[] served = new Object[TASKS];
        Object[] cancelled = new Object[TASKS];
        Object[] expired = new Object[TASKS];
        AtomicIntegerArray arrived = new AtomicIntegerArray(TASKS);
        List<Thread> threads = List.of(
                thread(random, arrived, i -> served[i] = tasks.get(i).serve()),
                thread(
                        random,
                        arrived,
                        i -> cancelled[i] = tasks.get(i).future().cancel(true)),
                thread(random, arrived, i -> expired[i] = tasks.get(i).expire()));
        threads.forEach(Thread::start);
        for (Thread thread : threads) {
            thread.join(TimeUnit.SECONDS.toMillis(PATIENCE_SECONDS));
        }
        for (int i = 0; i < TASKS; i++) {
            boolean all = served[i] != null && cancelled[i] != null && expired[i] != null;
            String outcome = served[i] + ", " + cancelled[i] + ", " + expired[i] + ", "
                    + (all ? tasks.get(i).end() : "no end");
            outcomes.merge(outcome, 1L, Long::sum);
        }
    }

    @SuppressWarnings("ThreadPriorityCheck") // there may be fewer processors than threads
    private Thread thread(Random random, AtomicIntegerArray arrived, IntConsumer act) {
        Random own = new Random(random.nextLong());
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
        Thread thread = new Thread(
                () -> {
                    for (int i = 0; i < TASKS; i++) {
                        arrived.incrementAndGet(i);
                        while (arrived.get(i) < 3 && System.nanoTime() - deadline < 0) {
                            Thread.yield();
                        }
                        if (own.nextInt(4) == 0) {
                            Thread.yield();
                        }
                        act.accept(i);
                    }
                },
                "ending");
        thread.setDaemon(true);
        return thread;
    }
}
