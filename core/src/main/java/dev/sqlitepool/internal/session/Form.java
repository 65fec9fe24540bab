package dev.sqlitepool.internal.session;

import dev.sqlitepool.Access;

/** The promise to a function about its connection. */
public enum Form {
    /** Autocommit, begins as a reader, moves to the write lane when it must. */
    CONNECTION(Access.READ),
    /** One transaction that may write. */
    TRANSACTION(Access.WRITE),
    /** One snapshot, no writes. */
    READ(Access.READ);

    private final Access access;

    Form(Access access) {
        this.access = access;
    }

    /** The lanes on which the form begins. */
    public Access access() {
        return access;
    }
}
