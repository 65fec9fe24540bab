package dev.sqlitepool.internal;

import java.util.concurrent.locks.ReentrantLock;

/** A lock that is had even while memory is short: in some releases of Java waiting for a lock takes memory. Thread-safe. */
public class SureLock extends ReentrantLock {
    private static final long serialVersionUID = 1;

    @Override
    public void lock() {
        while (true) {
            try {
                super.lock();
                return;
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
    }
}
