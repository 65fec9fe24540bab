package dev.sqlitepool.internal.log;

import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.internal.Workers;
import dev.sqlitepool.internal.engine.Engine;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * An outcome on its way through the gate. As a rest it is what comes after its own settlement: that of the next. What needs memory to
 * settle it is made with it. Settled by one thread at a time, which has it in hand.
 */
final class Entry implements Workers.Ordered {
    final Engine engine;
    /** What is written is not synced yet. */
    final boolean written;
    /** What is committed must be in the database. */
    final boolean committed;

    final Outcome outcome;
    final Runnable settle = this::settle;
    /** Counts what waits in the pool. */
    private final AtomicInteger waiting;
    /** Settles what comes after an entry. */
    private final Consumer<Entry> goOn;
    /** What became of it; written before it is to be settled. */
    @Nullable
    OutcomeUnknownException unknown;

    private boolean waits = true;
    /** Which is to be settled after it; guarded by the lock of the gate. */
    @Nullable
    Entry next;

    Entry(
            Engine engine,
            boolean written,
            boolean committed,
            Outcome outcome,
            AtomicInteger waiting,
            Consumer<Entry> goOn) {
        this.engine = engine;
        this.written = written;
        this.committed = committed;
        this.outcome = outcome;
        this.waiting = waiting;
        this.goOn = goOn;
    }

    /** May be repeated by the thread that has it in hand. */
    private void settle() {
        if (waits) {
            waits = false;
            waiting.decrementAndGet();
        }
        outcome.settle(committed ? unknown : null);
    }

    /** A stage may be overtaken, an acknowledgement not, even if its thread is not running at the moment. */
    @Override
    public boolean isReady() {
        return outcome.isSettled();
    }

    @Override
    public void run() {
        goOn.accept(this);
    }

    /** What comes after this entry if the owner of a lane settles it; new each time, so that the timer can tell one from the next. */
    Workers.Ordered before(Runnable rest) {
        while (true) {
            try {
                return new GoOn(this, rest);
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
    }

    private static final class GoOn implements Workers.Ordered {
        private final Entry settled;
        private final Runnable rest;

        GoOn(Entry settled, Runnable rest) {
            this.settled = settled;
            this.rest = rest;
        }

        @Override
        public boolean isReady() {
            return settled.isReady();
        }

        @Override
        public void run() {
            rest.run();
        }
    }
}
