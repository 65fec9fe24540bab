package dev.sqlitepool;

import java.io.Serializable;
import java.time.Duration;
import java.util.Map;

/**
 * The state of a pool at one moment, and what it has done since it was built. Immutable.
 *
 * <p><b>Which to watch.</b> For an alert: {@code timeouts} and {@code refused} (they should not grow), {@code writeConnections.waiting()} and
 * {@code longestHeld()} (a write that holds everybody up; {@code holder()} names it), and {@code walSize} (if it keeps growing, a reader keeps an old
 * snapshot). For a graph: {@code completed}, {@code waitTime / completed} (waiting that a larger pool shortens only for reads) and
 * {@code holdTime / completed} (the tasks themselves). A growing {@code busyRetries} says that another process writes to the file. All others
 * explain one of these.
 *
 * @param pool the pool's name
 * @param readConnections the connections that read
 * @param writeConnections the connection that writes; with {@code poolSize} 1 the only connection, which does both
 * @param completed tasks that ended with a value
 * @param failed tasks that ended with an error of their function, of the database or of opening a connection
 * @param cancelled tasks that were cancelled, or completed from outside
 * @param timeouts tasks that found no connection within the acquire timeout
 * @param refused tasks that were turned away because too many waited
 * @param switches times a task or a lease that began on a read connection switched to the write connection
 * @param interrupts running tasks and statements that were interrupted by a cancellation, a timeout or the close
 * @param busyRetries times a statement was repeated because another process held the database
 * @param opened physical connections opened
 * @param openFailures attempts to open one that failed
 * @param closed physical connections closed, by reason; every reason has an entry
 * @param statementHits statements found prepared in the cache of their connection
 * @param statementMisses statements that had to be prepared
 * @param waitTime the time that all tasks together waited for a connection
 * @param holdTime the time that connections were held by tasks, leases and streams, all together
 * @param checkpoints times the write-ahead log was copied into the database by the pool, as far as readers allowed
 * @param walSize bytes of the write-ahead log's file, as seen no more than a millisecond before the last transaction that wrote; zero if there is none
 * @serial exclude
 */
@SuppressWarnings("InvalidBlockTag") // @serial is known to javadoc
public record PoolStats(
        String pool,
        Connections readConnections,
        Connections writeConnections,
        long completed,
        long failed,
        long cancelled,
        long timeouts,
        long refused,
        long switches,
        long interrupts,
        long busyRetries,
        long opened,
        long openFailures,
        Map<CloseReason, Long> closed,
        long statementHits,
        long statementMisses,
        Duration waitTime,
        Duration holdTime,
        long checkpoints,
        long walSize)
        implements Serializable {
    /** Why a physical connection was closed. */
    public enum CloseReason {
        /** It was idle for longer than the maximum. */
        IDLE,
        /** It was older than the maximum age. */
        AGED,
        /** It did not answer a health check. */
        STALE,
        /** After an error or an interrupt nobody could be sure of its state. */
        DISCARDED,
        /** A task changed it in a way that must not reach the next user, or unwrapped it. Not in memory, where it is put right. */
        CHANGED,
        /** The database file was deleted or replaced under the pool. */
        DATABASE_CHANGED,
        /** The pool was closed. */
        POOL_CLOSED
    }

    /**
     * The connections of one {@link Access} at one moment. The figures were taken together: {@code idle + borrowed + opening + closing} is
     * {@link #live()}, and never more than {@code max}.
     *
     * @param max the most connections there may be
     * @param idle connections that are open and free
     * @param borrowed connections in use by a task, a lease, a stream or a health check
     * @param opening connections being opened
     * @param closing connections being closed
     * @param waiting tasks that wait for a connection
     * @param longestHeld how long the connection that is longest in use has been in use; zero if none is
     * @param holder the task that uses it: the class of its function or its statement without values. With a {@code leakThreshold} also where
     *     it was submitted; and whether it was cancelled and has not returned. Empty if no connection is in use
     * @serial exclude
     */
    @SuppressWarnings("InvalidBlockTag")
    public record Connections(
            int max, int idle, int borrowed, int opening, int closing, int waiting, Duration longestHeld, String holder)
            implements Serializable {
        /**
         * The connections that exist, in whatever state.
         *
         * @return the sum
         */
        public int live() {
            return idle + borrowed + opening + closing;
        }
    }

    /**
     * The connections that exist, in whatever state.
     *
     * @return at most {@code poolSize}
     */
    public int live() {
        return readConnections.live() + writeConnections.live();
    }

    /**
     * The tasks that wait for a connection.
     *
     * @return at most {@code maxWaiters}, beside threads that wait and tasks for which a connection is opened
     */
    public int waiting() {
        return readConnections.waiting() + writeConnections.waiting();
    }
}
