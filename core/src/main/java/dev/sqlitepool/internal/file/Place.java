package dev.sqlitepool.internal.file;

import java.io.IOException;

/** The file that a connection has open. Thread-safe. */
public interface Place {
    /**
     * Looks whether the file is the database.
     *
     * @throws DisplacedException if it is not any more
     */
    void require() throws IOException;

    /** Whether no look so far has found that the file is not the database any more. Costs nothing. */
    boolean isCurrent();

    /** The connection has found that its log is not beside the file any more. */
    void logLost();

    /** The connection is closed. */
    void closed();
}
