package dev.sqlitepool.internal.file;

import java.io.IOException;

/**
 * The file that a connection has open is not the database any more: its commits go to a file that will never be read
 * again.
 */
public final class DisplacedException extends IOException {
    private static final long serialVersionUID = 1;

    DisplacedException(String message) {
        super(message);
    }
}
