package dev.sqlitepool.internal.engine;

import dev.sqlitepool.Access;
import java.nio.file.Path;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;

/**
 * The database of one pool: opens and closes its connections, and knows which file it is. Thread-safe.
 *
 * <p>An {@link Engine} says what its connection can do beyond statements and transactions, and not the database: behind
 * a connection factory only an open connection tells which driver it is of.
 */
public interface Database {
    /** How many of its connections may write at the same time. */
    int writeLanes();

    /** Opens a connection that is set up and verified for its access. */
    Engine open(Access access) throws SQLException;

    /** Makes a connection that cannot be replaced, since it is the database, what it was when it was opened. */
    void restore(Engine engine) throws SQLException;

    /** Closes a connection that {@link #open} returned. */
    void close(Engine engine) throws SQLException;

    // ---- which file it is

    /** The database file; null as long as none is known, and where there is none. */
    @Nullable
    Path file();

    /** The generation that a connection opened now would have; each change of the file begins another. */
    int generation();

    /** Runs an action after each change of the file. It must not throw. */
    void onChange(Runnable closesStale);

    /** Looks whether the database is still the file that it was. */
    void look();

    /** Looks unless there was a look within the last millisecond. */
    void lookAgain(long now);

    /** The pool is closed: looks for the last time. */
    void end();

    // ---- how its connections get on with each other

    /** Whether the one connection of the pool locks all others out. */
    boolean isExclusive();

    /** Whether a checkpoint beside the connection that writes may damage the database. */
    boolean checkpointsOnlyOnWriteLane();

    /**
     * A sync of the log has failed: the next connection that writes puts everything into the database file before it is
     * used.
     */
    void truncateWalFirst();
}
