package dev.sqlitepool.internal.engine;

import java.io.IOException;

/** The file that a connection has open. By any thread. */
public interface Place {
    /** Fails unless it is the database. */
    void require() throws IOException;

    /** What the last look of anybody has found. */
    boolean isCurrent();

    /** Its log is not beside it any more. */
    void logLost();

    /** The connection is closed. */
    void closed();
}
