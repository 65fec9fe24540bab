package dev.sqlitepool.internal.engine;

/** What an engine's error means for the lane that saw it. */
public enum Failure {
    /** A lane for reading refused a write, before anything happened. */
    READ_ONLY,
    /** Somebody outside holds the database; nothing happened, and the statement may be repeated. */
    BUSY,
    /** The statement was interrupted. A transaction that had written is rolled back, or must be. */
    INTERRUPTED,
    /** The connection or the transaction may be damaged: the lane is discarded. */
    DOUBTFUL,
    /** The statement failed by itself: constraint, syntax, type. */
    ORDINARY
}
