package dev.sqlitepool.testing;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicBoolean;

/** A subscriber that records what it is told, does what the test wants, and notices signals that are not serial or come after the end. */
public class Probe<T> implements Flow.Subscriber<T> {
    private final long first;
    private final AtomicBoolean inside = new AtomicBoolean();
    private final List<T> rows = new ArrayList<>();
    private Flow.Subscription subscription;
    private Throwable error;
    private boolean completed;
    private String wrong;

    /** Asks for so many rows when it is subscribed; for none if zero. */
    public Probe(long first) {
        this.first = first;
    }

    public static <T> Probe<T> of(Flow.Publisher<T> rows, long first) {
        Probe<T> probe = new Probe<>(first);
        rows.subscribe(probe);
        return probe;
    }

    @Override
    public void onSubscribe(Flow.Subscription given) {
        signal(() -> {
            synchronized (this) {
                subscription = given;
            }
            if (first != 0) {
                given.request(first);
            }
            subscribed(given);
        });
    }

    @Override
    public void onNext(T row) {
        signal(() -> {
            synchronized (this) {
                rows.add(row);
            }
            next(row);
        });
    }

    @Override
    public void onError(Throwable given) {
        signal(() -> {
            ended();
            synchronized (this) {
                error = given;
            }
        });
    }

    @Override
    public void onComplete() {
        signal(() -> {
            ended();
            synchronized (this) {
                completed = true;
            }
        });
    }

    protected void subscribed(Flow.Subscription given) {}

    protected void next(T row) {}

    protected void ended() {}

    private void signal(Runnable signal) {
        if (!inside.compareAndSet(false, true)) {
            wrong("signals are not serial");
        }
        if (isDone()) {
            wrong("a signal came after the last one");
        }
        try {
            signal.run();
        } finally {
            inside.set(false);
        }
    }

    private synchronized void wrong(String what) {
        wrong = what;
    }

    public synchronized Flow.Subscription subscription() {
        return subscription;
    }

    public synchronized boolean isDone() {
        return completed || error != null;
    }

    public synchronized Throwable error() {
        return error;
    }

    public synchronized int count() {
        return rows.size();
    }

    public synchronized List<T> rows() {
        assertThat(wrong).isNull();
        return List.copyOf(rows);
    }

    /** The rows so far, when there are so many. */
    public List<T> awaitRows(int count) {
        Pools.await(count + " rows", () -> count() >= count || isDone());
        assertThat(rows()).hasSize(count);
        return rows();
    }

    public List<T> awaitComplete() {
        Pools.await("the last signal", this::isDone);
        synchronized (this) {
            assertThat(error).isNull();
        }
        return rows();
    }

    public Throwable awaitError() {
        Pools.await("the last signal", this::isDone);
        synchronized (this) {
            assertThat(wrong).isNull();
            assertThat(error).isNotNull();
            return error;
        }
    }
}
