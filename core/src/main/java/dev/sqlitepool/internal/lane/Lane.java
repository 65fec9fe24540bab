package dev.sqlitepool.internal.lane;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import dev.sqlitepool.Access;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.Row;
import dev.sqlitepool.SqlAction;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.engine.Engine.Failure;
import dev.sqlitepool.internal.engine.Prepared;
import dev.sqlitepool.internal.sql.SqlText;
import dev.sqlitepool.internal.telemetry.Telemetry;
import java.sql.SQLException;
import java.sql.SQLTimeoutException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * One physical connection, its prepared statements and its state. Owned by exactly one of: the idle stack, a running task, a
 * lease, the opener, the closer; ownership passes under the group's lock, so nothing here needs locking. Only {@link Interrupts} come from
 * other threads.
 */
public final class Lane {
    private final Engine engine;
    private final Access access;
    private final int generation;
    private final Telemetry telemetry;
    private final StatementCache statements;
    private final Interrupts interrupts;

    private final long openedAt;
    private final long expiresAt;
    private long idleSince;
    private long probedAt;
    private @Nullable CloseReason doubt;
    /** For good, even if it is {@link #trust trusted} again: there may be temporary or attached tables. */
    private boolean changed;

    private final SharedSnapshot snapshot;
    private final KnownTexts texts = new KnownTexts();
    private @Nullable Object reads;

    /**
     * A lane over a connection that is set up.
     *
     * @param expiresAt when it is to be replaced on the telemetry's clock; {@link Long#MAX_VALUE} for never
     */
    public Lane(
            Engine engine,
            Access access,
            int generation,
            long expiresAt,
            Settings settings,
            Telemetry telemetry,
            ScheduledExecutorService timer) {
        this.engine = engine;
        this.access = access;
        this.generation = generation;
        this.expiresAt = expiresAt;
        this.telemetry = telemetry;
        this.snapshot = new SharedSnapshot(this, telemetry);
        this.statements = new StatementCache(engine, settings.statementCacheSize(), telemetry);
        long timeoutNanos = settings.statementTimeout() == null ? 0 : Settings.nanos(settings.statementTimeout());
        this.interrupts = new Interrupts(engine, statements, timeoutNanos, telemetry, timer);
        this.openedAt = telemetry.now();
        this.idleSince = openedAt;
        this.probedAt = openedAt;
    }

    /** Whether the connection is known to be closed, or cannot even say. */
    public boolean isClosed() {
        try {
            return engine.isClosed();
        } catch (OutOfMemoryError | InternalError e) {
            throw e; // the question is asked again
        } catch (RuntimeException | Error e) {
            return true;
        }
    }

    /** Whether the connection answers. */
    public boolean probe() {
        try {
            return engine.probe();
        } catch (OutOfMemoryError | InternalError e) {
            throw e; // the question is asked again
        } catch (RuntimeException | Error e) {
            return false;
        }
    }

    public Engine engine() {
        return engine;
    }

    public Access access() {
        return access;
    }

    /** Which state of the database file it was opened in. */
    public int generation() {
        return generation;
    }

    public long openedAt() {
        return openedAt;
    }

    public boolean isExpired(long now) {
        return expiresAt != Long.MAX_VALUE && now - expiresAt >= 0;
    }

    public long probedAt() {
        return probedAt;
    }

    public void probedAt(long now) {
        probedAt = now;
    }

    public long idleSince() {
        return idleSince;
    }

    public void idleSince(long now) {
        idleSince = now;
    }

    /** Why the lane must be closed when its owner gives it back; null if it is sound. */
    public @Nullable CloseReason doubt() {
        return doubt;
    }

    /** Marks the lane to be closed when its owner gives it back. The first reason stays. */
    public void doubt(CloseReason reason) {
        if (doubt == null) {
            doubt = reason;
        }
        changed |= reason == CloseReason.CHANGED;
    }

    /** The lane is sound after all: its session has reset it. For a database in memory, which cannot be opened again. */
    public void trust() {
        doubt = null;
    }

    // ---- single reads

    /** The snapshot that they may share. */
    public SharedSnapshot snapshot() {
        return snapshot;
    }

    /** The session of the single reads that run here, one after the other; it keeps nothing of them. For a lane that only reads. */
    public <S> S reads(Class<S> type, Supplier<S> made) {
        Object session = reads;
        if (session == null) {
            session = made.get();
            reads = session;
        }
        return type.cast(session);
    }

    // ---- interrupts

    /** The causes that may interrupt the owner's statements. */
    public Interrupts interrupts() {
        return interrupts;
    }

    /** The owner works for this ticket from now on, and no more for the one returned; with null for none, and its cursors stay open. */
    @CanIgnoreReturnValue
    @Nullable
    public Ticket enter(@Nullable Ticket served) {
        return interrupts.enter(served);
    }

    /** After this no interrupt that was meant for the owner's ticket reaches the connection, and no statement runs: it ends them all. */
    public void leave() {
        interrupts.leave();
    }

    // ---- statements

    /** Its prepared statements. */
    public StatementCache statements() {
        return statements;
    }

    /**
     * Runs one statement to its end, once.
     *
     * @param sink is given each row; null to pass rows over
     * @param needsRows whether a statement that returns no columns is an error, found before it runs
     * @return the rows changed, as the verb allows
     */
    public <X extends Exception> long run(
            SqlText sql, @Nullable Object[] values, @Nullable SqlAction<? super Row, X> sink, boolean needsRows)
            throws SQLException, X {
        Prepared prepared = statements.take(sql);
        long started = access == Access.WRITE ? telemetry.now() : 0;
        interrupts.beginStatement(0);
        try {
            StatementCache.check(prepared, values, needsRows);
            prepared.start(values);
            CurrentRow row = sink == null ? null : new CurrentRow(prepared);
            while (prepared.next()) {
                if (sink != null && row != null) {
                    row.alive(true);
                    try {
                        sink.accept(row);
                    } finally {
                        row.alive(false);
                    }
                }
            }
            return sql.counts(prepared.returnsRows()) ? prepared.changes() : 0;
        } catch (SQLException e) {
            throw interrupts.explained(e);
        } finally {
            statements.give(sql, prepared);
            interrupts.endStatement();
            if (access == Access.WRITE) {
                texts.took(sql.text(), telemetry.now() - started);
            }
        }
    }

    /**
     * Whether the transaction still stands after a statement that only reads was interrupted in it. Ends what stays on a row, and nobody
     * interrupts the answer.
     */
    public boolean standsAfterInterruptedRead() {
        Ticket served = enter(null);
        try {
            statements.closeHeld();
            return !statements.isRunning() && engine.inTransaction();
        } catch (SQLException e) {
            return false;
        } finally {
            enter(served);
        }
    }

    /** Whether statements of different tasks may follow this one in the transaction that is open. */
    public boolean mayGroup(String sql) throws SQLException {
        return !changed && engine.mayGroup(sql);
    }

    /** Whether a statement may join a group: one that takes no time, and calls no code of the user's. Costs nothing. */
    public boolean mayJoin(String sql) {
        return texts.isQuick(sql) && engine.mayJoin(sql);
    }

    public KnownTexts texts() {
        return texts;
    }

    /** Brings the planner's statistics up to date, or gives up after a time. */
    public void optimize(long nanos) {
        interrupts.beginStatement(nanos);
        try {
            engine.optimize();
        } catch (SQLException | RuntimeException e) {
            telemetry.debug("the statistics of the query planner were not brought up to date", e);
        } finally {
            interrupts.endStatement();
        }
    }

    /** What kind of failure a statement's error is, our own timeout included. */
    public Failure failure(SQLException error) {
        return error instanceof SQLTimeoutException ? Failure.INTERRUPTED : engine.failure(error);
    }
}
