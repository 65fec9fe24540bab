package dev.sqlitepool;

/** What a connection is opened for. A {@link ConnectionFactory} is told, and {@link PoolStats} counts by it. */
public enum Access {
    /** Reads only: SQLite refuses writes on such a connection. */
    READ,
    /** Reads and writes. A pool opens at most one such connection at a time. */
    WRITE
}
