package dev.sqlitepool.internal.dispatch;

import dev.sqlitepool.Access;
import dev.sqlitepool.Lease;
import dev.sqlitepool.RowMapper;
import dev.sqlitepool.internal.Means;
import dev.sqlitepool.internal.lane.Work.Form;
import dev.sqlitepool.internal.lane.Work;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import org.jspecify.annotations.Nullable;

/** Lets in what wants a lane. Thread-safe. */
public final class Dispatcher {
    private final Routes routes;
    private final Means means;
    private final Caller caller;

    /** With the lanes of these routes. */
    public Dispatcher(Routes routes) {
        this.routes = routes;
        this.means = routes.means();
        this.caller = new Caller(routes);
    }

    /** Lets a work in, and returns its future. */
    public <T> CompletableFuture<T> submit(Work<T> work) {
        means.life().used();
        Task<T> task = new Task<>(routes, work, null);
        routes.lanesFor(work).submit(task);
        return task.future();
    }

    /** Runs a work for the calling thread, which waits for it: returns its result, or throws what it has thrown. */
    public <T> T run(Work<T> work) {
        return caller.run(work);
    }

    /** Lets a stream of rows in, which waits for nothing until it is asked for rows. */
    public <T> void stream(
            String sql, RowMapper<? extends T> mapper, @Nullable Object[] values, Flow.Subscriber<? super T> subscriber) {
        new RowStream<T>(routes, sql, mapper, values, subscriber).begin();
    }

    /** Asks for a lane on loan: all works see one snapshot, or each commits by itself; where it begins. */
    public CompletableFuture<Lease> lend(Form form, Access begins) {
        LaneLease lease = new LaneLease(routes, form);
        means.life().used();
        routes.lanes(begins).submit(lease);
        return lease.future();
    }
}
