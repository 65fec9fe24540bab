package dev.sqlitepool.internal.session;

import dev.sqlitepool.Access;
import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.PoolStats;
import dev.sqlitepool.internal.engine.Writes;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.lane.Ticket;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;

/** The part of the pool that a session needs. Thread-safe. */
public interface Host {
    /**
     * Gives a lane back and then waits for one of the access, first come, first served: no lane is held while waiting for
     * another, so two sessions cannot wait for each other.
     *
     * @param from the session's lane, already left; null if it has none
     * @param to what is needed
     * @param owner the ticket of the session; its end ends the wait
     * @return the lane, owned by the caller
     * @throws SQLException if the waiting thread was interrupted
     */
    Lane exchange(@Nullable Lane from, Access to, Ticket owner) throws SQLException;

    /** Whether readers and the writer have lanes of their own; with one lane for both nothing ever moves. */
    boolean hasReadLanes();

    /**
     * Waits until the write-ahead log is within its limit; for a session that holds the write lane and is about to begin a transaction, if
     * only of one statement.
     *
     * @throws SQLException if the waiting thread was interrupted
     * @throws dev.sqlitepool.PoolTimeoutException if it has taken too long
     * @throws java.util.concurrent.CancellationException if the ticket has been ended
     */
    void beforeTransaction(Lane lane, Ticket owner) throws SQLException;

    /** Whether somebody waits for the lane, so that one transaction follows the other. */
    boolean isFollowed(Lane lane);

    /**
     * Waits, not for ever, until what the session has just committed on the lane is on disk.
     *
     * @param giveBack gives the lane back before the wait; the session has left it
     * @return false if nobody has waited, since the work does nothing more; who acknowledges it later tells what was written
     * @throws dev.sqlitepool.OutcomeUnknownException if nobody knows whether it is
     */
    boolean awaitDurable(Ticket owner, Lane lane, boolean giveBack);

    /** Waits, not for ever, until what the lane has committed is on disk: its user may close it now, and the log with it. */
    void beforeUnwrap(Lane lane);

    /** Fails if what the lane commits by itself from now on could not be relied upon. */
    void requireTrust(Lane lane) throws SQLException;

    /** Whether anybody wants to know what is written. */
    boolean isWatched();

    /** Tells those who watch what was written and committed; runs nothing of theirs here. */
    void tell(Writes writes);

    /** The pool at this moment, for exceptions. */
    PoolStats stats();

    /** The error of a write of which nobody knows whether it took effect. */
    default OutcomeUnknownException unknown(Throwable cause) {
        return new OutcomeUnknownException(
                "A write failed in a way that does not tell whether it took effect: "
                        + (cause instanceof SQLException ? cause.getMessage() : cause.toString())
                        + ". It is not repeated; read the database to find out. Check disk space and file system.",
                stats(),
                cause);
    }
}
