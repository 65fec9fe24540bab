package dev.sqlitepool.internal;

import dev.sqlitepool.internal.telemetry.Telemetry;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Delayed;
import java.util.concurrent.Executor;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The pool's threads: daemon platform threads, since a native call would hold the carrier of a virtual one; started when they
 * are needed, ended after ten idle seconds. And one timer thread, on which nothing foreign runs. Thread-safe.
 *
 * <p><b>A user's stage stalls nobody.</b> Completing a future runs its dependent stages on the completing thread, which often
 * still has something to do: the next task of its lane. Handing each completion to another thread would cost a hop for each
 * task. Instead the worker lays down what remains ({@link #publish}) before it completes the future, and picks it up afterwards.
 * If the stages take longer than a tick or two of a millisecond, the timer takes it away and another worker goes on. Whoever wins
 * the compare-and-set on {@link Worker#rest} does the rest: it is done exactly once.
 *
 * <p><b>Nothing that is to be run is lost</b>, for lanes and futures depend on it. If no thread can be started, it waits in {@link Overflow}. What starts, settles or sets for
 * later does not throw: where memory runs out it is tried again, since whoever has taken all of it fails too. So what the timer runs, and what
 * settles a future, may be done twice.
 */
public final class Workers implements Executor {
    private static final long TICK_MILLIS = 1;
    private static final long KEEP_ALIVE_SECONDS = 10;
    private static final long FAR_NANOS = TimeUnit.MILLISECONDS.toNanos(20);
    private static final long PAUSE_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

    /** The steps that remain after a completion, which must come first: they are not taken away before it. */
    public interface Ordered extends Runnable {
        boolean isReady();
    }

    /** A thread of the pool. */
    private static final class Worker extends Thread {
        private final AtomicReference<@Nullable Runnable> rest = new AtomicReference<>();
        /** The state that the timer saw at its last tick. Confined to the timer. */
        private @Nullable Runnable seen;

        private final Workers pool;

        Worker(Runnable body, String name, Workers pool) {
            super(null, body, name, 0, false);
            this.pool = pool;
            setDaemon(true);
        }

        @Override
        public void run() {
            try {
                pool.workers.add(this);
                pool.begins(this);
            } catch (Throwable e) {
                // the timer does not see what it lays down; its first task is not lost for that
            }
            try {
                super.run();
            } finally {
                pool.workers.remove(this);
            }
        }
    }

    private final Set<Worker> workers = ConcurrentHashMap.newKeySet();
    /** The threads that are alive, the timer's too, and perhaps some that have ended. */
    private final Set<Thread> all = ConcurrentHashMap.newKeySet();

    private final ThreadPoolExecutor threads;
    private final ScheduledThreadPoolExecutor timer;
    private final @Nullable Executor users;
    private final AtomicBoolean ticking = new AtomicBoolean();
    /** Nobody is left who needs a deadline. */
    private volatile boolean ended;

    private final Overflow overflow = new Overflow(this);
    private final Runnable tick = this::tick;

    public Workers(String name, @Nullable Executor users) {
        this.users = users;
        AtomicInteger number = new AtomicInteger();
        // As many as lanes that work, lanes that open or close, and stages that block; each is bounded elsewhere.
        threads =
                new ThreadPoolExecutor(
                        0,
                        Integer.MAX_VALUE,
                        KEEP_ALIVE_SECONDS,
                        TimeUnit.SECONDS,
                        new SynchronousQueue<>(),
                        body -> new Worker(body, name + "-worker-" + number.incrementAndGet(), this)) {
                    @Override
                    protected void afterExecute(Runnable body, @Nullable Throwable error) {
                        overflow.run();
                    }
                };
        timer = new ScheduledThreadPoolExecutor(1, body -> {
            Thread thread = new Thread(null, () -> runTimer(body), name + "-timer", 0, false);
            thread.setDaemon(true);
            return thread;
        });
        timer.setRemoveOnCancelPolicy(true);
    }

    /** All but the timer's. */
    public ThreadPoolExecutor threads() {
        return threads;
    }

    public ScheduledThreadPoolExecutor timer() {
        return timer;
    }

    /** The user's executor, if there is one. */
    public @Nullable Executor users() {
        return users;
    }

    /** Where asynchronous dependent stages run by default. */
    public Executor stages() {
        return users != null ? users : this;
    }

    /** Completes a future with its stages on the user's executor, else here; here, too, if that does not take it. */
    public void runStages(Runnable completion) {
        if (users == null) {
            completion.run();
            return;
        }
        try {
            users.execute(completion);
        } catch (RuntimeException | Error e) {
            completion.run(); // a future that is not completed would be worse
        }
    }

    /** A thread cannot take itself out when it ends: it is alive until after its last statement. */
    private void begins(Thread thread) {
        all.removeIf(other -> !other.isAlive());
        all.add(thread);
    }

    private boolean isAnyAlive() {
        return threads.getPoolSize() + timer.getPoolSize() > 0 || all.stream().anyMatch(Thread::isAlive);
    }

    private void runTimer(Runnable body) {
        try {
            begins(Thread.currentThread());
        } catch (Throwable e) {
            // the executor counts on this thread, and would start no other one
        }
        body.run();
    }

    /** Starts the timer: without it nothing must be queued, since nobody would end the wait. */
    public void start() {
        timer.prestartCoreThread();
    }

    /**
     * Runs something that may block on a thread of the pool. Never throws: if no
     * thread can be started it is done later, since lanes and futures depend on it.
     */
    @Override
    public void execute(Runnable body) {
        if (!starts(body)) {
            overflow.add(body);
        }
    }

    /** Whether a thread has it; else nothing has happened. */
    boolean starts(Runnable body) {
        try {
            threads.execute(body);
            return true;
        } catch (Throwable e) { // OutOfMemoryError: unable to create native thread, or the other one
            return false;
        }
    }

    /** Whether something waits for a thread, and none could be started. */
    public boolean isShort() {
        return !overflow.isEmpty();
    }

    /** Takes back the first of those that wait for a thread and are wanted; null if there is none. */
    public @Nullable Runnable withdraw(Predicate<Runnable> wanted) {
        return overflow.withdraw(wanted);
    }

    /** Waits a moment for memory, before a step is tried again that has not happened. An interrupt is not lost. */
    public static void pause() {
        park(PAUSE_NANOS);
    }

    /**
     * Waits so many nanoseconds. An interrupt of the thread does not shorten the wait, and is not lost. Here, and not in a class
     * of its own, because {@link #pause} may be unable to load one.
     */
    static void park(long nanos) {
        boolean interrupted = Thread.interrupted();
        LockSupport.parkNanos(nanos);
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Completes futures, again if memory has run out in it. Never throws. */
    public static void settle(Runnable settle) {
        insist(settle, "a future could not be settled");
    }

    private static void insist(Runnable step, String failure) {
        while (true) {
            try {
                step.run();
                return;
            } catch (OutOfMemoryError | InternalError e) {
                pause();
            } catch (Throwable e) { // futures keep what stages throw
                Telemetry.error(failure, e);
                return;
            }
        }
    }

    /**
     * Runs {@code task} on the timer after some nanoseconds; not if that is far off and nobody is left then. {@link #shutdown} says so
     * before it looks at the queue, and this looks after it has queued the task: one of the two sees it.
     */
    public void after(long nanos, Runnable task) {
        while (true) {
            try {
                Future<?> scheduled = timer.schedule(
                        () -> insist(task, "a task of the timer has failed"), nanos, TimeUnit.NANOSECONDS);
                if (ended && nanos > FAR_NANOS) {
                    scheduled.cancel(false);
                }
                return;
            } catch (OutOfMemoryError | InternalError e) {
                pause();
            }
        }
    }

    /**
     * Completes futures on a worker that has something else to do afterwards.
     *
     * @param settle completes futures
     * @param rest what remains; run by another thread if {@code settle} takes too long
     * @return whether the caller shall do the rest now; else somebody else does
     */
    public boolean publish(Runnable settle, Runnable rest) {
        if (!(Thread.currentThread() instanceof Worker worker) || !worker.rest.compareAndSet(null, rest)) {
            execute(rest);
            settle(settle);
            return false;
        }
        if (!ticking.get() && ticking.compareAndSet(false, true)) {
            after(TimeUnit.MILLISECONDS.toNanos(TICK_MILLIS), tick);
        }
        settle(settle); // an Error of a stage does not take the rest, perhaps a lane, with it
        Thread.interrupted(); // what a stage has done to this thread is not the next task's
        return worker.rest.compareAndSet(rest, null);
    }

    /**
     * Takes away what a worker has not come back to since the last tick. Ticks go on as long as anything is laid down; before
     * the last one ends it looks again after {@code ticking} is false, and {@link #publish} looks at {@code ticking} after it
     * has laid down, so one of the two sees the other.
     */
    private void tick() {
        boolean more = steal();
        if (!more) {
            ticking.set(false);
            more = workers.stream().anyMatch(worker -> worker.rest.get() != null) && ticking.compareAndSet(false, true);
        }
        if (more) {
            after(TimeUnit.MILLISECONDS.toNanos(TICK_MILLIS), tick);
        }
    }

    private boolean steal() {
        boolean any = false;
        for (Worker worker : workers) {
            Runnable rest = worker.rest.get();
            if (rest != null) {
                any = true;
                boolean ready = !(rest instanceof Ordered ordered) || ordered.isReady();
                if (rest == worker.seen && ready && worker.rest.compareAndSet(rest, null)) {
                    execute(rest);
                }
            }
            worker.seen = rest;
        }
        return any;
    }

    /**
     * Lets the threads end as soon as they have nothing to do. What comes late still runs, on a thread that ends right after:
     * nothing is ever rejected, so nothing can be lost.
     */
    public void shutdown() {
        ended = true;
        for (Runnable waiting : timer.getQueue()) {
            if (waiting instanceof Delayed far && far.getDelay(TimeUnit.NANOSECONDS) > FAR_NANOS) {
                timer.remove(waiting); // deadlines of a pool that has nobody left
            }
        }
        timer.setKeepAliveTime(1, TimeUnit.MILLISECONDS);
        timer.allowCoreThreadTimeOut(true);
        threads.setKeepAliveTime(1, TimeUnit.MILLISECONDS);
    }

    /** Waits, bounded, until the threads have ended; returns at once on one of them. */
    public void awaitEnd(long millis) {
        if (Thread.currentThread() instanceof Worker) {
            return;
        }
        long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(millis);
        while (isAnyAlive() && System.nanoTime() - deadline < 0) {
            park(100_000);
        }
    }
}
