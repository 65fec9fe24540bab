package dev.sqlitepool.r2dbc;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.sqlitepool.Access;
import dev.sqlitepool.Lease;
import dev.sqlitepool.PoolConnection;
import dev.sqlitepool.SqlWork;
import dev.sqlitepool.SqlitePool;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Mono;

/**
 * A lease of the pool, or the request for one, until it is ended. Thread-safe.
 *
 * <p><b>No lease is lost.</b> A subscriber may cancel at any moment, also while the future of the lease completes; then nobody downstream
 * sees the lease. So it is taken into {@link #lease} by a stage of the future itself, under this object's monitor, and whoever comes second
 * of that stage and {@link #end} releases it: either the stage finds {@link #ended} and releases, or the end finds the lease.
 */
final class Loan {
    private final CompletableFuture<Lease> asked;
    /** Completes when the lease is back, or there has never been one. */
    private final CompletableFuture<Void> returned = new CompletableFuture<>();

    @GuardedBy("this")
    private @Nullable Lease lease;

    @GuardedBy("this")
    private boolean ended;
    /** What has run here has changed the connection, which is kept for that. Written by functions of the lease, one after the other. */
    private volatile boolean changed;
    /** How to end the functions that may be ended. Adding one looks at {@link #aborted} afterwards, and {@link #abort} sets that first. */
    private final Set<Runnable> running = ConcurrentHashMap.newKeySet();

    private volatile boolean aborted;

    private Loan(CompletableFuture<Lease> asked) {
        this.asked = asked;
        CompletableFuture<Void> unused = asked.handle((granted, error) -> {
            taken(granted);
            return null;
        });
    }

    /**
     * Asks for a lease.
     *
     * @param wait how long to wait at most; null for the pool's acquireTimeout
     */
    static Loan of(SqlitePool pool, @Nullable Access access, @Nullable Duration wait) {
        CompletableFuture<Lease> asked = access == null ? pool.acquire() : pool.acquire(access);
        return new Loan(wait == null ? asked : asked.orTimeout(wait.toNanos(), TimeUnit.NANOSECONDS));
    }

    private void taken(@Nullable Lease granted) {
        boolean wanted;
        synchronized (this) {
            wanted = !ended;
            lease = granted;
        }
        if (granted == null) {
            returned.complete(null);
        } else if (!wanted) {
            giveBack(granted);
        }
    }

    private void giveBack(Lease granted) {
        CompletableFuture<Void> unused = granted.release().thenAccept(returned::complete);
    }

    /** Gives the lease back, or the request up. Idempotent; {@link #returned} tells when it is back. */
    void end() {
        Lease granted;
        synchronized (this) {
            if (ended) {
                return;
            }
            ended = true;
            granted = lease;
        }
        if (granted != null) {
            giveBack(granted);
        } else {
            asked.cancel(true); // if it is too late for that, the lease comes and is released
        }
    }

    /** As {@link #end}, and ends what runs, except functions that run to their end. */
    void abort() {
        aborted = true;
        end();
        running.forEach(Runnable::run);
    }

    CompletableFuture<Void> returned() {
        return returned;
    }

    boolean isChanged() {
        return changed;
    }

    void changes() {
        changed = true;
    }

    /** Runs work when the lease is there. A cancellation ends the work, and leaves the loan. */
    <T> Mono<T> run(@Nullable Duration timeout, SqlWork<PoolConnection, T, ?> work) {
        return Mono.fromFuture(() -> asked, true)
                .flatMap(granted -> Mono.fromFuture(() -> {
                    CompletableFuture<T> future = granted.run(connection -> {
                        if (timeout != null) {
                            connection.statementTimeout(timeout);
                        }
                        return work.apply(connection);
                    });
                    Runnable cancel = () -> future.cancel(true);
                    running.add(cancel);
                    CompletableFuture<Void> unused = future.handle((value, error) -> {
                        running.remove(cancel);
                        return null;
                    });
                    if (aborted) {
                        cancel.run();
                    }
                    return future;
                }));
    }

    /** As {@link #run}, for work that nobody ends once it is asked for. */
    <T> Mono<T> runToEnd(SqlWork<PoolConnection, T, ?> work) {
        return Mono.fromFuture(() -> asked, true).flatMap(granted -> Mono.fromFuture(() -> granted.<T>run(work), true));
    }

    /** Commits; nobody ends that once it is asked for. */
    Mono<Void> commit() {
        return Mono.fromFuture(() -> asked, true).flatMap(granted -> Mono.fromFuture(granted::commit, true));
    }
}
