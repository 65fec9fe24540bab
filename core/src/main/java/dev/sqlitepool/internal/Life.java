package dev.sqlitepool.internal;

/** The life of a pool, as its parts see it. Thread-safe. */
public interface Life {
    /** Somebody uses the pool. Called before anything is queued: without the timer nobody would end the wait. */
    void used();

    /** Whether the pool is closing, or closed. */
    boolean isClosed();

    /**
     * Takes the next steps of a closing pool, as far as they can be taken now. Called by whatever gives back or closes a connection, and by
     * whatever ends; does nothing while the pool is open.
     */
    void advanceClose();
}
