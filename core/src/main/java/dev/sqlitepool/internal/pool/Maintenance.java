package dev.sqlitepool.internal.pool;

import org.jspecify.annotations.Nullable;

/** The holder of a lane that the pool itself looks at. Waits for nothing. */
final class Maintenance extends Waiter {
    Maintenance(long now) {
        joinsNowhere(now);
    }

    @Override
    void granted() {}

    @Override
    @Nullable
    Runnable failed(Throwable error) {
        return null;
    }

    @Override
    String label() {
        return "health check";
    }
}
