package dev.sqlitepool.internal.dispatch;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.internal.log.Outcome;
import dev.sqlitepool.internal.session.Session;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How a task ends. At the gate its commit is in the WAL, and will be on disk, or nobody will know. The state decides once whether it ends so;
 * then {@link #run} may be repeated by the thread that has won, until it has come through.
 *
 * @param <T> the result
 */
final class Ending<T> implements Outcome, Runnable {
    private final Task<T> task;
    private final Routes routes;
    private @Nullable T value;
    private @Nullable Throwable error;
    private volatile @Nullable Thread winner;
    private boolean counted;
    private boolean handed;

    Ending(Task<T> task, Routes routes, @Nullable T value, @Nullable Throwable error) {
        this.task = task;
        this.routes = routes;
        this.value = value;
        this.error = error;
    }

    /** Whether it ends so; else who has ended it settles the future. */
    void decide(@Nullable OutcomeUnknownException unknown) {
        if (task.done()) {
            value = unknown == null ? value : null;
            error = unknown == null ? error : unknown;
            winner = Thread.currentThread();
        }
    }

    @Override
    public void settle(@Nullable OutcomeUnknownException unknown) {
        decide(unknown);
        run();
    }

    @Override
    public boolean isSettled() {
        return task.future().isSettled();
    }

    @Override
    public void run() {
        if (winner != Thread.currentThread()) {
            return;
        }
        if (!counted) {
            counted = true;
            routes.telemetry.served(task, error);
        }
        Session served = task.session();
        if (served != null && (error == null || error instanceof OutcomeUnknownException)) {
            routes.written(served.writes());
        }
        List<Runnable> hooks = served != null && error == null ? served.afterCommit() : List.of();
        if (hooks.isEmpty()) {
            routes.ended(task);
            task.future().settle(value, error);
            return;
        }
        T result = value;
        AfterCommit after = task.hooks(
                () -> new AfterCommit(routes, task, hooks, () -> task.future().settle(result, null)));
        if (!handed) {
            handed = true;
            routes.workers.execute(after);
        }
    }

    /**
     * The hooks of a commit, then its acknowledgement. Thread-safe. They run on a thread of their own: a caller's may hold another lane, the
     * one that acknowledges would hold up those behind, and the only one of the user's executor may be waiting for the future.
     *
     * <p>The pool is not closed before they have run: it counts the task as running from before its lane is given back until they are done. A hook
     * that does not return when the grace is over is interrupted, and those after it do not run; the future tells then what is true, that the
     * transaction is committed.
     */
    static final class AfterCommit implements Runnable {
        private final Routes routes;
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
            this.task = task;
            this.hooks = hooks;
            this.acknowledge = acknowledge;
        }

        @Override
        public void run() {
            Held held = Held.push(routes.means, task.heldAs(), null);
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
                routes.telemetry.warn("an afterCommit hook failed; the transaction is committed all the same", e);
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
                routes.telemetry.warn(
                        "an afterCommit hook of \"" + task.label()
                                + "\" had not returned when the pool was closed; it"
                                + " is interrupted, and those after it do not run. The transaction is committed",
                        null);
            }
            return acknowledge;
        }
    }
}
