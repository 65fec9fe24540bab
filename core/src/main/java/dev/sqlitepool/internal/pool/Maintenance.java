package dev.sqlitepool.internal.pool;

import org.jspecify.annotations.Nullable;

/** The holder of a lane that the pool itself looks at, or whose log it empties. Waits for nothing. */
final class Maintenance extends Waiter {
    private final String what;

    Maintenance(String what, long now) {
        this.what = what;
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
        return what;
    }
}
