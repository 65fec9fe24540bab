package dev.sqlitepool.testing;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** A point that a test's work reaches, and waits at until the test lets it pass. Both waits are bounded. */
public final class Gate {
    private final CountDownLatch reached = new CountDownLatch(1);
    private final CountDownLatch opened = new CountDownLatch(1);

    /** Called by the work. */
    public void pass() {
        reached.countDown();
        await(opened, "the gate was not opened");
    }

    /** Called by the test. */
    public void awaitReached() {
        await(reached, "the gate was not reached");
    }

    public boolean isReached() {
        return reached.getCount() == 0;
    }

    public void open() {
        opened.countDown();
    }

    private static void await(CountDownLatch latch, String otherwise) {
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    if (!latch.await(Pools.PATIENCE_NANOS, TimeUnit.NANOSECONDS)) {
                        throw new AssertionError(otherwise);
                    }
                    return;
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
