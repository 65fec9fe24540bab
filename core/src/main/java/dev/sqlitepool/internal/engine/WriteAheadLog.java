package dev.sqlitepool.internal.engine;

import java.io.IOException;
import java.io.SyncFailedException;
import java.sql.SQLException;

/**
 * The write-ahead log of the database, as one connection has it open. Owned by the lane's owner, except {@link #sync}
 * and {@link #size}, which any thread may call.
 */
public interface WriteAheadLog {
    /** Whether a commit of the connection is durable, as the settings want it, only after {@link #sync}. */
    boolean needsSync();

    /** Makes all commits so far durable, beside statements. Fails if nobody can know whether they are. */
    void sync() throws IOException;

    /**
     * Makes each commit of the connection durable when it returns, or leaves that to {@link #sync} again. Outside a
     * transaction only; does nothing where commits are always durable, or never.
     */
    void syncByItself(boolean each) throws SQLException;

    /** The bytes of the file in which the log is; negative if this connection has none open. */
    long size();

    /**
     * Copies the log into the database, as far as readers allow. Outside a transaction only; waits for nobody.
     *
     * @param truncate makes the log empty if all is copied and nobody reads it; it keeps other writers out until then
     * @throws SyncFailedException if nobody knows which pages of the files are on disk
     */
    Checkpoint checkpoint(boolean truncate) throws SQLException, SyncFailedException;

    /**
     * The result of a checkpoint.
     *
     * @param complete all of the log is in the database, and the next writer begins the log from its start, or will as
     *     soon as no reader uses it
     */
    record Checkpoint(boolean complete, long logPages, long copiedPages) {}
}
