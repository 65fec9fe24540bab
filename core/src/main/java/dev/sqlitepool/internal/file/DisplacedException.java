package dev.sqlitepool.internal.file;

import java.io.IOException;

/** The file that a connection has open is not the database any more: what it commits goes to a file that nobody will look for. */
public final class DisplacedException extends IOException {
    private static final long serialVersionUID = 1;

    DisplacedException(String message) {
        super(message);
    }
}
