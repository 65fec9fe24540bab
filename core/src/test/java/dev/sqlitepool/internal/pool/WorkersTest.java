package dev.sqlitepool.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sqlitepool.Pools;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class WorkersTest {
    private static final long FAR = TimeUnit.MINUTES.toNanos(5);

    /** Closing: the last lane is closed by another thread, and the threads let go, before the one that closes sets its deadlines. */
    @Test
    void whatIsSetForLaterAfterTheEndKeepsNoThread() {
        Workers workers = new Workers("workers-late-end", null);
        workers.start();
        workers.after(FAR, () -> {});
        workers.shutdown();
        workers.after(FAR, () -> {});
        Pools.await("the timer ends", () -> Pools.threads("workers-late-end").isEmpty());
    }

    @Test
    void whatIsNearAtTheEndIsStillDone() {
        Workers workers = new Workers("workers-near-end", null);
        workers.start();
        AtomicBoolean done = new AtomicBoolean();
        workers.shutdown();
        workers.after(TimeUnit.MILLISECONDS.toNanos(20), () -> done.set(true));
        Pools.await("it is done", done::get);
        workers.awaitEnd(10_000);
        assertThat(Pools.threads("workers-near-end")).isEmpty();
    }
}
