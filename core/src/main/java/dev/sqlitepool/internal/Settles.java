package dev.sqlitepool.internal;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What completes futures: collected where nothing foreign may run, then completed on the pool's threads. Confined to one thread.
 *
 * <p>Invariant: each of them is run, and none waits for the stages of another, since what remains is published before each is run
 * ({@link Workers#publish}).
 */
public final class Settles {
    private final List<Runnable> all = new ArrayList<>();

    /** Adds one; null adds nothing. */
    public void add(@Nullable Runnable settle) {
        if (settle != null) {
            all.add(settle);
        }
    }

    /** Completes what was added. Nothing may be added afterwards. */
    public void complete(Workers workers) {
        completeAll(workers, all);
    }

    /** Completes many futures, each without waiting for the stages of another. */
    public static void completeAll(Workers workers, List<Runnable> settles) {
        if (!settles.isEmpty()) {
            Iterator<Runnable> remaining = settles.iterator();
            workers.execute(() -> completeRest(workers, remaining));
        }
    }

    private static void completeRest(Workers workers, Iterator<Runnable> remaining) {
        while (remaining.hasNext()) {
            Runnable rest = rest(workers, remaining);
            Runnable settle = remaining.next();
            if (!remaining.hasNext()) {
                Workers.settle(settle);
            } else if (!workers.publish(settle, rest)) {
                return;
            }
        }
    }

    /** A new one each time, so that the timer can tell one from the next. */
    private static Runnable rest(Workers workers, Iterator<Runnable> remaining) {
        while (true) {
            try {
                return () -> completeRest(workers, remaining);
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
    }
}
