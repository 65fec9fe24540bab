package dev.sqlitepool.internal.telemetry;

import java.util.concurrent.atomic.LongAdder;

/** Counts as well as memory allows: what counts must not fail for that. Thread-safe. */
final class Counter extends LongAdder {
    private static final long serialVersionUID = 1;

    @Override
    public void add(long n) {
        try {
            super.add(n);
        } catch (OutOfMemoryError | InternalError e) {
            // one cell more for less contention
        }
    }
}
