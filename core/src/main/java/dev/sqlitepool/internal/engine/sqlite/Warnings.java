package dev.sqlitepool.internal.engine.sqlite;

import dev.sqlitepool.PoolListener;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;

/** The warnings about a database, each once for each pool. Thread-safe. */
final class Warnings {
    private static final System.Logger LOG = System.getLogger("dev.sqlitepool");

    private final String pool;
    private final Consumer<Consumer<PoolListener>> events;
    private final AtomicBoolean saidShared = new AtomicBoolean();
    private final AtomicBoolean saidOld = new AtomicBoolean();

    Warnings(String pool, Consumer<Consumer<PoolListener>> events) {
        this.pool = pool;
        this.events = events;
    }

    /** Another pool of this process has the file open too. */
    void shared(Path file, String other) {
        if (saidShared.compareAndSet(false, true)) {
            warn("the database file " + file + " is open in the pool " + other
                    + " of this process too. Give one pool to all who"
                    + " use the file: between two pools, writers wait for each other as for another process, and get SQLITE_BUSY"
                    + " after the busyTimeout.");
            events.accept(listener -> listener.databaseShared(file, other));
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
        LOG.log(System.Logger.Level.WARNING, () -> pool + ": " + what);
    }
}
