package dev.sqlitepool.stress.races;

import dev.sqlitepool.internal.Workers;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.LockSupport;

/**
 * {@link Workers#publish} against the tick of the timer: many workers complete futures whose stages take about as long as the timer needs to
 * take their rest away. It takes no part in jcstress, because only a worker can publish, and only once in a tick.
 */
public final class Publishing {
    private static final int WORKERS = 64;
    /** Around two ticks, after which the rest is taken away. */
    private static final int LONGEST_NANOS = 3_000_000;

    private final Workers workers = new Workers("races", null);
    private final LongAdder published = new LongAdder();
    private final LongAdder stolen = new LongAdder();
    private final LongAdder done = new LongAdder();
    private final LongAdder twice = new LongAdder();
    private final LongAdder early = new LongAdder();

    /**
     * What was seen.
     *
     * @param stolen whose rest another thread has done
     * @param lost whose rest nobody has done
     * @param twice whose rest was done more than once
     * @param early whose rest was taken away before it was ready
     */
    public record Seen(long published, long stolen, long lost, long twice, long early) {}

    /** One that is published. */
    private final class Rest implements Workers.Ordered {
        private final AtomicInteger runs = new AtomicInteger();
        private volatile boolean ready;

        @Override
        public boolean isReady() {
            return ready;
        }

        @Override
        public void run() {
            if (!ready) {
                early.increment();
            }
            (runs.incrementAndGet() == 1 ? done : twice).increment();
        }
    }

    /** Races for some seconds. */
    public Seen race(double seconds, long seed) throws InterruptedException {
        long end = System.nanoTime() + (long) (seconds * 1e9);
        CountDownLatch left = new CountDownLatch(WORKERS);
        List<Random> randoms = new ArrayList<>();
        for (int i = 0; i < WORKERS; i++) {
            randoms.add(new Random(seed + i));
        }
        randoms.forEach(random -> workers.execute(() -> {
            while (System.nanoTime() - end < 0) {
                publish(random);
            }
            left.countDown();
        }));
        boolean ended = left.await((long) seconds + 60, TimeUnit.SECONDS);
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        while (done.sum() < published.sum() && System.nanoTime() - deadline < 0) {
            LockSupport.parkNanos(1_000_000);
        }
        workers.shutdown();
        long lost = published.sum() - done.sum() + (ended ? 0 : 1);
        return new Seen(published.sum(), stolen.sum(), lost, twice.sum(), early.sum());
    }

    private void publish(Random random) {
        Rest rest = new Rest();
        int before = random.nextInt(LONGEST_NANOS);
        int after = random.nextInt(LONGEST_NANOS);
        published.increment();
        boolean mine = workers.publish(
                () -> {
                    LockSupport.parkNanos(before);
                    rest.ready = true;
                    LockSupport.parkNanos(after); // the stages of its user
                },
                rest);
        if (mine) {
            rest.run();
        } else {
            stolen.increment();
        }
    }
}
