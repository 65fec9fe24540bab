package dev.sqlitepool.internal.dispatch;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.sqlitepool.internal.Means;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The hooks of a commit, then its acknowledgement. Thread-safe. They run on a thread of their own: a caller's may hold another lane, the
 * one that acknowledges would hold up those behind, and the only one of the user's executor may be waiting for the future.
 *
 * <p>The pool is not closed before they have run: it counts the task as running from before its lane is given back until they are done. A hook
 * that does not return when the grace is over is interrupted, and those after it do not run; the future tells then what is true, that the
 * transaction is committed.
 */
final class AfterCommit implements Runnable {
    private final Routes routes;
    private final Means means;
    private final Waiter task;
    private final List<Runnable> hooks;
    private final Runnable acknowledge;

    @GuardedBy("this")
    private @Nullable Thread running;

    @GuardedBy("this")
    private boolean done;

    @GuardedBy("this")
    private boolean cutOff;

    /** Runs hooks for a task; {@code acknowledge} may be called twice. */
    AfterCommit(Routes routes, Waiter task, List<Runnable> hooks, Runnable acknowledge) {
        this.routes = routes;
        this.means = routes.means();
        this.task = task;
        this.hooks = hooks;
        this.acknowledge = acknowledge;
    }

    @Override
    public void run() {
        Held held = Held.push(means, task.heldAs(), null);
        for (Runnable hook : hooks) {
            if (goesOn()) {
                run(hook);
                Thread.interrupted(); // what a hook has done to this thread is not the next one's
            }
        }
        ends();
        Thread.interrupted(); // nor what the close has
        held.pop();
        routes.ended(task);
        acknowledge.run();
    }

    private void run(Runnable hook) {
        try {
            hook.run();
        } catch (Throwable e) {
            means.telemetry().warn("an afterCommit hook failed; the transaction is committed all the same", e);
        }
    }

    private synchronized boolean goesOn() {
        running = Thread.currentThread();
        return !cutOff;
    }

    private synchronized void ends() {
        running = null;
        done = true;
    }

    /** The pool waits no longer: returns what acknowledges the commit without them; null if they have run. */
    @Nullable
    Runnable cutOff() {
        boolean first;
        synchronized (this) {
            if (done) {
                return null;
            }
            first = !cutOff;
            cutOff = true;
            if (running != null) {
                running.interrupt();
            }
        }
        if (first) {
            means.telemetry()
                    .warn(
                            "an afterCommit hook of \"" + task.label()
                                    + "\" had not returned when the pool was closed; it"
                                    + " is interrupted, and those after it do not run. The transaction is committed",
                            null);
        }
        return acknowledge;
    }
}
