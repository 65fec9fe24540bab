package dev.sqlitepool;

import java.nio.file.Path;
import java.time.Duration;

/**
 * Is told of what happens to the pool's connections, for logs and alarms; {@link SqlitePool#stats()} is for figures. Called
 * on a thread of the pool, one event after the other, in order, never under a lock and never on a thread that holds a
 * connection, so a slow listener delays only later events. When 1,000 events wait, later ones are dropped and the next
 * delivered event is preceded by {@link #eventsDropped}. What a method throws is logged and otherwise ignored.
 */
public interface PoolListener {
    /**
     * A physical connection was opened.
     *
     * @param access what for
     * @param took how long it took
     */
    default void connectionOpened(Access access, Duration took) {}

    /**
     * A physical connection could not be opened. The caller whose need it was gets the same error.
     *
     * @param access what for
     * @param error what the driver or the factory threw
     */
    default void openFailed(Access access, Throwable error) {}

    /**
     * A physical connection was closed.
     *
     * @param access what it was for
     * @param reason why
     * @param age how old it became
     */
    default void connectionClosed(Access access, PoolStats.CloseReason reason, Duration age) {}

    /**
     * A task found no connection within the acquire timeout.
     *
     * @param timeout what the task failed with
     */
    default void acquireTimedOut(PoolTimeoutException timeout) {}

    /**
     * A connection has been held for longer than {@link SqlitePoolBuilder#leakThreshold}. Told once for each loan.
     *
     * @param access what the connection is for
     * @param holder the class of the function or the statement without values
     * @param held for how long so far
     * @param acquiredAt its stack trace is where the task was submitted
     */
    default void leakSuspected(Access access, String holder, Duration held, Throwable acquiredAt) {}

    /**
     * The database file has been deleted, or another file is in its place, also because a symbolic link has another target now. The pool
     * closes its connections to the old file. If there is a new file, later tasks use it, and a write-ahead log of the old file that lies
     * beside the new one has been renamed to {@code ….db-wal.replaced}. If there is none, tasks fail until there is one again: the pool does
     * not create a database again that had existed. Told once for each change.
     *
     * @param database the path, as the pool was given it
     * @param vanished true if there is no file now, false if there is another
     */
    default void databaseChanged(Path database, boolean vanished) {}

    /**
     * The write-ahead log has reached {@link SqlitePoolBuilder#walSizeLimit}, and a read that still needs it keeps it from shrinking:
     * writes wait for it. Told when it has taken some time, once for each wait.
     *
     * @param walSize bytes of the log's file
     * @param reader the class of the function or the statement that has read for longest; empty if none of this pool reads
     * @param held how long it has read
     */
    default void walLimitReached(long walSize, String reader, Duration held) {}

    /**
     * A read has held its snapshot for half of {@link SqlitePoolBuilder#maxReadAge} or, if it is ended, for all of it.
     *
     * @param reader the class of the function or the statement
     * @param held how long it has read
     * @param ended whether it has been interrupted because of it
     */
    default void readTooOld(String reader, Duration held, boolean ended) {}

    /**
     * This pool has opened a database file that another pool of this process has open, by whatever path. Told once for each pool, and
     * logged. Both pools continue, but in each other's way: between two pools there is no queue, so writers wait as for another process, up
     * to {@link SqlitePoolBuilder#busyTimeout}. Give one pool to all who use the file.
     *
     * @param database the file, symbolic links resolved
     * @param otherPool the name of the other pool; there may be more
     */
    default void databaseShared(Path database, String otherPool) {}

    /**
     * Events were dropped because this listener was too slow.
     *
     * @param count how many
     */
    default void eventsDropped(long count) {}
}
