package dev.sqlitepool.internal.file;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.file.DatabaseFile.Change;
import dev.sqlitepool.internal.file.DatabaseFile.Expected;
import dev.sqlitepool.internal.telemetry.Telemetry;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.WeakHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * Looks at a pool's {@link DatabaseFile}, reports what has changed, and lets connections pass that are to the right
 * file. Thread-safe; no listener is called under a lock.
 */
public final class FileWatch {
    private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

    /** The watches of this process whose pools are open and have found their file. */
    @GuardedBy("WATCHES")
    private static final Set<FileWatch> WATCHES = Collections.newSetFromMap(new WeakHashMap<>());

    private final Settings settings;
    private final Telemetry telemetry;
    private final DatabaseFile file;
    /** Is run after each change; null as long as there is none. */
    private volatile @Nullable Runnable onChange;
    /** The last look, by the caller's clock; 0 before the first. */
    private volatile long lookedAt;

    /**
     * Looks at nothing yet.
     *
     * @param telemetry is told of changes; called under no lock
     */
    public FileWatch(Settings settings, Telemetry telemetry) {
        this.settings = settings;
        this.telemetry = telemetry;
        this.file = new DatabaseFile(settings.factory() == null ? settings.database() : null);
    }

    /** Runs an action after each change of the file. It must not throw. */
    public void onChange(Runnable closesStale) {
        onChange = closesStale;
    }

    /** The generation that a connection opened now would have. */
    public int generation() {
        return file.generation;
    }

    /** The database file, null as long as none is known. */
    public @Nullable Path path() {
        return file.path();
    }

    /** Whether a connection of this pool has the file open. */
    public boolean isOpen() {
        return file.isOpen();
    }

    /** Whether the file has been there since the pool was built. */
    public boolean hasExisted() {
        return file.hasExisted();
    }

    // ---- looking

    /**
     * Looks whether the database is still the file that it was: one call of the system. A change raises the generation,
     * and the first look that sees it reports it.
     */
    public void look() {
        try {
            lookStrictly();
        } catch (IOException e) {
            // not to know is not to know of a change
            telemetry.debug("cannot look at the database file", e);
        }
    }

    /**
     * Looks unless there was a look within the last millisecond; so most lanes of a file that was replaced are not even
     * handed out.
     */
    public void lookAgain(long now) {
        long last = lookedAt;
        if (last == 0 || now - last >= LOOK_NANOS) {
            lookedAt = now;
            look();
        }
    }

    private void lookStrictly() throws IOException {
        Change change = file.look();
        if (change == null) {
            return;
        }
        boolean vanished = change.state() == DatabaseFile.State.VANISHED;
        StringBuilder what = new StringBuilder("the database file " + change.database())
                .append(vanished ? " has vanished" : " has been replaced by another")
                .append(" under the pool; its connections are closed");
        if (vanished) {
            what.append(
                    ". If it has left a write-ahead log, this stays for when it comes back; if another database is to take its place"
                            + " while the pool is closed, move the log away first");
        }
        for (Path aside : change.asides()) {
            what.append(
                            ". The write-ahead log of the old file, which may hold acknowledged writes that are not in the old file itself,"
                                    + " is now ")
                    .append(aside)
                    .append(
                            "; beside the new file SQLite would have applied it to that. To use the old file again, put the log beside it, under"
                                    + " its name with -wal");
        }
        warn(what.toString());
        telemetry.tell(listener -> listener.databaseChanged(change.database(), vanished));
        changed();
    }

    /** The file that connections of a generation have open. Thread-safe. */
    private final class Opened implements Place {
        private final int generation;

        Opened(int generation) {
            this.generation = generation;
        }

        /** When this returns, everything that was committed before the call is in the database. */
        @Override
        public void require() throws IOException {
            lookStrictly();
            if (!isCurrent()) {
                throw new DisplacedException("the database file " + file.path()
                        + " has vanished or has been replaced, and this was written to the one that was there before");
            }
        }

        @Override
        public boolean isCurrent() {
            return file.generation == generation;
        }

        @Override
        public void closed() {
            file.closed(generation);
        }

        @Override
        public void logLost() {
            if (file.logLost(generation)) {
                warn("the write-ahead log of the database file " + file.path()
                        + " has been deleted or replaced under the pool; its connections are closed, and the last of them copies what they"
                        + " have of the log into the database");
                changed();
            }
        }
    }

    private void changed() {
        Runnable told = onChange;
        if (told != null) {
            told.run();
        }
    }

    private void warn(String what) {
        telemetry.warn(what, null);
    }

    // ---- opening

    /**
     * Which file is to be opened. Waits, not for ever, until the connections to the file that was there before are
     * closed.
     */
    public Expected expected() throws SQLException {
        long deadline = System.nanoTime() + Settings.nanos(settings.busyTimeout());
        look();
        while (file.mustWait() && System.nanoTime() - deadline < 0) {
            LockSupport.parkNanos(1_000_000);
        }
        return file.expected();
    }

    /**
     * See {@link DatabaseFile#admit}; during the turn. A connection that was admitted before is looked at again.
     *
     * @param known the place of a connection that was admitted before, else null
     * @return the place of the connection
     */
    public Place admit(@Nullable Place known, Path found, Expected expected) throws SQLException {
        look();
        if (known != null) {
            file.requireSame(found, expected);
            return known;
        }
        askOthers(found);
        Opened opened = new Opened(expected.generation());
        if (file.isLogGone()) {
            opened.logLost();
        }
        file.admit(found, expected);
        return opened;
    }

    /**
     * Another pool of this process may know that the log beside the file belongs to an older one, and sets it aside.
     */
    private void askOthers(Path found) throws SQLException {
        List<FileWatch> others;
        synchronized (WATCHES) {
            others = new ArrayList<>(WATCHES);
        }
        for (FileWatch other : others) {
            if (other != this && found.equals(other.path())) {
                other.look();
                other.file.requireNothingForeign();
            }
        }
    }

    /** See {@link DatabaseFile#remember}; during the turn. */
    public void remember(Path found, Path named) throws SQLException {
        file.remember(found, named);
        synchronized (WATCHES) {
            WATCHES.add(this);
        }
    }

    /** The pool is closed: looks for the last time. */
    public void end() {
        look();
        synchronized (WATCHES) {
            WATCHES.remove(this);
        }
    }

    /** See {@link DatabaseFile#confirm}; for a connection that was admitted. */
    public void confirm(Expected expected) throws SQLException {
        look();
        file.confirm(expected);
    }
}
