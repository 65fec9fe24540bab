package dev.sqlitepool.internal.dispatch;

import org.jspecify.annotations.Nullable;

/** The holder of a lane that the pool itself looks at. Waits for nothing. */
final class Maintenance extends Waiter {
    Maintenance(long now) {
        joinsNowhere(now);
    }

    @Override
    protected void granted() {}

    @Override
    @Nullable
    public Runnable failed(Throwable error) {
        return null;
    }

    @Override
    public String label() {
        return "health check";
    }
}
