package dev.sqlitepool.r2dbc;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.sqlitepool.PoolConnection;
import dev.sqlitepool.RowCursor;
import dev.sqlitepool.RowMapper;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import reactor.core.Disposable;
import reactor.core.Disposables;
import reactor.core.publisher.Flux;
import reactor.core.publisher.FluxSink;

/**
 * One run of a statement that reads: its rows as they are asked for. SQLite steps to a row only when it has been asked for, or, with a fetch
 * size, that many at a time. The sink keeps what was read too early.
 *
 * <p>At most one read is on its way ({@link #reading}); it is begun only by {@link #drain}, which one thread at a time runs, again
 * whenever {@link #missed} says that something has happened since: so no demand is forgotten, and no row is read twice.
 */
final class Reading {
    /** How many rows are read in one function, if there is demand for more. */
    private static final int CHUNK = 256;

    private final FluxSink<StoredRow> sink;
    private final Place place;
    private final String sql;
    private final @Nullable Object[] values;
    private final int fetchSize;
    private final @Nullable Duration timeout;
    private final RowMapper<StoredRow> mapper = StoredRow.mapper();
    private final AtomicInteger missed = new AtomicInteger();
    /** Confined to the functions of the loan, which run one after the other. */
    private @Nullable RowCursor<StoredRow> cursor;

    /** Rows that are asked for and not handed on; negative if more were read than asked for; {@link Long#MAX_VALUE} for no limit. */
    private final AtomicLong demand = new AtomicLong();

    private volatile boolean reading;

    @GuardedBy("this")
    private boolean over;

    @GuardedBy("this")
    private @Nullable Loan loan;

    @GuardedBy("this")
    private @Nullable Disposable read;

    private Reading(
            FluxSink<StoredRow> sink,
            Place place,
            String sql,
            @Nullable Object[] values,
            int fetchSize,
            @Nullable Duration timeout) {
        this.sink = sink;
        this.place = place;
        this.sql = sql;
        this.values = values;
        this.fetchSize = fetchSize;
        this.timeout = timeout;
    }

    /** Where rows are read: on a loan of their own, which ends with them, or on one that goes on. */
    interface Place {
        /** Called once, at the first demand. */
        Loan loan();

        /** The error as it is told. */
        Throwable error(Throwable error, String sql);

        boolean isOwn();
    }

    /**
     * The rows of a statement.
     *
     * @param fetchSize how many to read at a time; 0 for as many as are asked for
     */
    static Flux<StoredRow> rows(
            Place place, String sql, @Nullable Object[] values, int fetchSize, @Nullable Duration timeout) {
        return Flux.create(sink -> {
            Reading reading = new Reading(sink, place, sql, values, fetchSize, timeout);
            sink.onDispose(() -> reading.end(false));
            sink.onRequest(reading::request);
        });
    }

    private void request(long rows) {
        demand.updateAndGet(before -> before > Long.MAX_VALUE - rows ? Long.MAX_VALUE : before + rows);
        drain();
    }

    private void drain() {
        if (missed.getAndIncrement() != 0) {
            return;
        }
        int seen = 1;
        while (seen != 0) {
            long wanted = demand.get();
            if (wanted > 0 && !reading) {
                reading = true;
                read(fetchSize > 0 ? fetchSize : (int) Math.min(wanted, CHUNK));
            }
            seen = missed.addAndGet(-seen);
        }
    }

    /** Begins to read. The one who drains calls it, so the loan is asked for once. */
    private void read(int most) {
        Loan from;
        synchronized (this) {
            from = loan;
        }
        if (from == null) {
            try {
                from = place.loan();
            } catch (RuntimeException e) {
                fail(e);
                return;
            }
        }
        Disposable.Swap handle = Disposables.swap();
        boolean late;
        synchronized (this) {
            loan = from;
            read = handle;
            late = over;
        }
        if (late) {
            giveBack(from);
            return;
        }
        handle.update(
                from.<Chunk>run(timeout, connection -> read(connection, most)).subscribe(this::deliver, this::fail));
    }

    /** Rows, and whether there may be more, or the error behind them. */
    private record Chunk(
            List<StoredRow> rows, boolean more, @Nullable SQLException error) {}

    private Chunk read(PoolConnection connection, int most) throws SQLException {
        RowCursor<StoredRow> open = cursor;
        if (open == null) {
            open = connection.cursor(sql, mapper, values);
            cursor = open;
        }
        List<StoredRow> rows = new ArrayList<>(Math.min(most, CHUNK));
        try {
            return new Chunk(rows, open.read(most, rows::add), null);
        } catch (SQLException e) {
            return new Chunk(rows, false, e);
        }
    }

    private void deliver(Chunk chunk) {
        int rows = chunk.rows().size();
        demand.updateAndGet(before -> before == Long.MAX_VALUE ? before : before - rows);
        chunk.rows().forEach(sink::next);
        SQLException error = chunk.error();
        if (error != null) {
            fail(error);
        } else if (!chunk.more()) {
            end(true);
            sink.complete();
        } else {
            reading = false;
            drain();
        }
    }

    private void fail(Throwable error) {
        end(true);
        sink.error(place.error(error, sql));
    }

    /**
     * Ends it: interrupts what runs, closes the cursor, and gives back a loan of its own. Idempotent.
     *
     * @param closed the cursor has closed itself
     */
    private void end(boolean closed) {
        Disposable running;
        Loan from;
        synchronized (this) {
            if (over) {
                return;
            }
            over = true;
            running = read;
            from = loan;
        }
        if (running != null) {
            running.dispose();
        }
        if (from == null) {
            return;
        }
        giveBack(from);
        if (!place.isOwn() && !closed) {
            // Fails if the loan has ended, which has closed the cursor.
            Disposable unused = from.run(null, connection -> {
                        RowCursor<StoredRow> open = cursor;
                        if (open != null) {
                            open.close();
                        }
                        return true;
                    })
                    .subscribe(done -> {}, error -> {});
        }
    }

    private void giveBack(Loan from) {
        if (place.isOwn()) {
            from.end();
        }
    }
}
