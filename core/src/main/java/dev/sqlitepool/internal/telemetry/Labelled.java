package dev.sqlitepool.internal.telemetry;

/** Work that has a name in messages and statistics. */
public interface Labelled {
    /** The class of its function, or its statement without values. */
    String label();
}
