package dev.sqlitepool;

import java.io.Serializable;
import java.time.Duration;
import java.util.Map;

/**
 * What a pool does at one moment, and what it has done since it was built. Immutable.
 *
 * @param pool the pool's name
 * @param readLanes the lanes that read
 * @param writeLanes the lane that writes; with {@code poolSize} 1 the one lane that does both
 * @param completed tasks that ended with a value
 * @param failed tasks that ended with an error of the work, the database or the opening
 * @param cancelled tasks that were cancelled, or completed from outside
 * @param timeouts tasks that found no connection within the acquire timeout
 * @param refused tasks that were turned away because too many waited
 * @param moves works that began as readers and moved to the write lane
 * @param interrupts running tasks and statements that were interrupted by a cancellation, a timeout or the close
 * @param busyRetries times a statement was repeated because another process held the database
 * @param opened physical connections opened
 * @param openFailures attempts to open one that failed
 * @param closed physical connections closed, by reason; every reason has an entry
 * @param statementHits statements found prepared in a lane's cache
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
        Lanes readLanes,
        Lanes writeLanes,
        long completed,
        long failed,
        long cancelled,
        long timeouts,
        long refused,
        long moves,
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
        /** Work changed it in a way that must not reach the next user, or unwrapped it. Not in memory, where it is put right. */
        CHANGED,
        /** The database file was deleted or replaced under the pool. */
        DATABASE_CHANGED,
        /** The pool was closed. */
        POOL_CLOSED
    }

    /**
     * The lanes of one access at one moment, taken together under their lock: {@code idle + borrowed + opening + closing} is
     * {@link #live()}, and never more than {@code max}.
     *
     * @param max the most lanes there may be
     * @param idle lanes open and free
     * @param borrowed lanes in the hands of a task, a lease, a stream or a health check
     * @param opening lanes being opened
     * @param closing lanes being closed
     * @param waiting tasks that wait for a lane
     * @param longestHeld how long the longest holder has held its lane; zero if none is held
     * @param holder what holds it: the class of the work or the statement without values, where it was submitted if leaks are looked for, and
     *     whether it was cancelled and has not returned; empty if none is held
     * @serial exclude
     */
    @SuppressWarnings("InvalidBlockTag")
    public record Lanes(
            int max, int idle, int borrowed, int opening, int closing, int waiting, Duration longestHeld, String holder)
            implements Serializable {
        /**
         * The lanes that exist, in whatever state.
         *
         * @return the sum
         */
        public int live() {
            return idle + borrowed + opening + closing;
        }
    }

    /**
     * The lanes that exist, in whatever state.
     *
     * @return at most {@code poolSize}
     */
    public int live() {
        return readLanes.live() + writeLanes.live();
    }

    /**
     * The tasks that wait for a lane.
     *
     * @return at most {@code maxWaiters}, beside threads that wait and tasks for which a connection is opened
     */
    public int waiting() {
        return readLanes.waiting() + writeLanes.waiting();
    }
}
