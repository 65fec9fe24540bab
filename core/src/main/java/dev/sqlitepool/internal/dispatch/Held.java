package dev.sqlitepool.internal.dispatch;

import dev.sqlitepool.internal.Workers;
import org.jspecify.annotations.Nullable;

/**
 * The lanes that the current thread holds while it runs user code: a stack, since a function may call the blocking view inside. Confined to
 * its thread.
 *
 * <p>Non-reentrancy: if a thread holds all lanes of a group, then what it waits for there can never be granted, and it must not
 * wait; nor must what it waits for move there, see {@link Waiter#awaitedBy}.
 */
public final class Held {
    private static final ThreadLocal<@Nullable Held> TOP = new ThreadLocal<>();

    private final @Nullable Held outer;
    private final Object pool;
    private final Object holder;
    /** The group of the lane; null while the function waits for another lane. */
    private Waiter.@Nullable Place place;
    /** Identifies this run of the function in the tasks that it submits; made when it first submits one. */
    private @Nullable Object run;

    private Held(@Nullable Held outer, Object pool, Object holder, Waiter.@Nullable Place place) {
        this.outer = outer;
        this.pool = pool;
        this.holder = holder;
        this.place = place;
    }

    /** From now to {@link #pop} this thread runs user code that holds a lane of the group, or none. */
    public static Held push(Object pool, Object holder, Waiter.@Nullable Place place) {
        while (true) {
            try {
                Held held = new Held(TOP.get(), pool, holder, place);
                TOP.set(held);
                return held;
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
    }

    public void pop() {
        TOP.set(outer); // not remove, which costs a native call; a null holds nothing
    }

    /** A work on this thread has changed its lane. */
    static void nowHolds(Object holder, Waiter.@Nullable Place place) {
        for (Held held = TOP.get(); held != null; held = held.outer) {
            if (held.holder == holder) {
                held.place = place;
                return;
            }
        }
    }

    /** Whether this thread runs work for that holder. */
    public static boolean by(Object holder) {
        for (Held held = TOP.get(); held != null; held = held.outer) {
            if (held.holder == holder) {
                return true;
            }
        }
        return false;
    }

    /** Whether this thread runs work of the pool. */
    public static boolean inside(Object pool) {
        for (Held held = TOP.get(); held != null; held = held.outer) {
            if (held.pool == pool) {
                return true;
            }
        }
        return false;
    }

    /** The run of the function on this thread, for the tasks that it submits now; null if it runs none. Keeps nothing of the function alive. */
    static @Nullable Object run() {
        Held held = TOP.get();
        if (held == null) {
            return null;
        }
        Object run = held.run;
        if (run == null) {
            run = new Object();
            held.run = run;
        }
        return run;
    }

    /** Whether that run goes on on this thread. */
    static boolean isRunning(Object run) {
        for (Held held = TOP.get(); held != null; held = held.outer) {
            if (held.run == run) {
                return true;
            }
        }
        return false;
    }

    /** The lanes that this thread holds; null if it runs no function. */
    public static @Nullable Held top() {
        return TOP.get();
    }

    /** Whether this thread holds all lanes of the group. */
    static boolean all(Waiter.Place place) {
        Held held = TOP.get();
        return held != null && held.isAll(place);
    }

    /** Whether this and what is below it are all lanes of the group. For other threads only while this one waits. */
    boolean isAll(Waiter.Place place) {
        int count = 0;
        for (Held held = this; held != null; held = held.outer) {
            if (held.place == place) {
                count++;
            }
        }
        return count >= place.max();
    }
}
