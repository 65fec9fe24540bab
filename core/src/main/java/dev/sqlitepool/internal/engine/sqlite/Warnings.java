package dev.sqlitepool.internal.engine.sqlite;

import dev.sqlitepool.internal.telemetry.Telemetry;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicBoolean;

/** The warnings about a database, each once for each pool. Thread-safe. */
final class Warnings {
    private final Telemetry telemetry;
    private final AtomicBoolean saidShared = new AtomicBoolean();
    private final AtomicBoolean saidOld = new AtomicBoolean();

    Warnings(Telemetry telemetry) {
        this.telemetry = telemetry;
    }

    /** Another pool of this process has the file open too. */
    void shared(Path file, String other) {
        if (saidShared.compareAndSet(false, true)) {
            warn("the database file " + file + " is open in the pool " + other
                    + " of this process too. Give one pool to all who"
                    + " use the file: between two pools, writers wait for each other as for another process, and get SQLITE_BUSY"
                    + " after the busyTimeout.");
            telemetry.tell(listener -> listener.databaseShared(file, other));
        }
    }

    /** The version of SQLite has the WAL-reset bug. */
    void old(SqliteVersion version) {
        if (saidOld.compareAndSet(false, true)) {
            warn("SQLite " + version
                    + " has the WAL-reset bug, which can damage a database that several connections write and"
                    + " checkpoint. Update sqlite-jdbc, to 3.51.3.0 or later.");
        }
    }

    private void warn(String what) {
        telemetry.warn(what, null);
    }
}
