package dev.sqlitepool.internal.engine;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.sqlitepool.PoolListener;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.engine.DatabaseFile.Change;
import dev.sqlitepool.internal.engine.DatabaseFile.Expected;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.WeakHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.sqlite.JDBC;
import org.sqlite.SQLiteConnection;

/**
 * Looks at a pool's {@link DatabaseFile}, reports what has changed, and lets connections pass that are to the right file. Thread-safe; nobody is
 * told anything under a lock.
 */
final class FileWatch {
    private static final System.Logger LOG = System.getLogger("dev.sqlitepool");
    private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

    /** Of the pools of this process that are open and have found their file. */
    @GuardedBy("WATCHES")
    private static final Set<FileWatch> WATCHES = Collections.newSetFromMap(new WeakHashMap<>());

    private final Settings settings;
    private final Consumer<Consumer<PoolListener>> events;
    private final DatabaseFile file;
    /** Null as long as nobody wants to know. */
    private volatile @Nullable Runnable onChange;
    /** By the caller's clock; 0 if nobody has. */
    private volatile long lookedAt;

    FileWatch(Settings settings, Consumer<Consumer<PoolListener>> events) {
        this.settings = settings;
        this.events = events;
        this.file = new DatabaseFile(settings.factory() == null ? settings.database() : null);
    }

    /** Has somebody called whenever the file has changed; he must not throw. */
    void onChange(Runnable closesStale) {
        onChange = closesStale;
    }

    int generation() {
        return file.generation();
    }

    @Nullable
    Path path() {
        return file.path();
    }

    boolean hasExisted() {
        return file.hasExisted();
    }

    // ---- looking

    /**
     * Looks whether the database is still the file that it was: one call of the system. A change raises the generation, and is reported
     * once, by whoever sees it first.
     */
    void look() {
        try {
            lookStrictly();
        } catch (IOException e) {
            LOG.log(
                    System.Logger.Level.DEBUG,
                    "cannot look at the database file",
                    e); // that is not knowing of a change
        }
    }

    /** Looks unless somebody has within the last millisecond; so most lanes of a file that was replaced are not even handed out. */
    void lookAgain(long now) {
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
        events.accept(listener -> listener.databaseChanged(change.database(), vanished));
        changed();
    }

    /** The file that connections of a generation have open. Thread-safe. */
    private final class Opened implements Place {
        private final int generation;

        Opened(int generation) {
            this.generation = generation;
        }

        /** After this everything that was committed before is in the database. */
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
            return file.generation() == generation;
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
        LOG.log(System.Logger.Level.WARNING, () -> settings.name() + ": " + what);
    }

    // ---- opening

    /** Which file is to be opened. Waits, not for ever, until those who use what was there before have gone. */
    Expected expected() throws SQLException {
        long deadline = System.nanoTime() + Settings.nanos(settings.busyTimeout());
        look();
        while (file.mustWait() && System.nanoTime() - deadline < 0) {
            LockSupport.parkNanos(1_000_000);
        }
        return file.expected();
    }

    /**
     * See {@link DatabaseFile#admit}; during the turn. From here on the connection knows which file it has open. One that was admitted before
     * is looked at again.
     */
    void admit(SqliteEngine engine, Path found, Expected expected) throws SQLException {
        look();
        if (engine.isPlaced()) {
            file.requireSame(found, expected);
            return;
        }
        askOthers(found);
        Opened opened = new Opened(expected.generation());
        if (file.isLogGone()) {
            opened.logLost();
        }
        file.admit(found, expected);
        engine.placed(opened);
    }

    /** Another pool of this process may know that the log beside the file is that of an older one, and sets it aside. */
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
    void remember(SqliteEngine engine, Path found) throws SQLException {
        file.remember(found, named(engine.driver(), found));
        synchronized (WATCHES) {
            WATCHES.add(this);
        }
    }

    /** The pool is closed: looks for the last time. */
    void end() {
        look();
        synchronized (WATCHES) {
            WATCHES.remove(this);
        }
    }

    /** See {@link DatabaseFile#confirm}. */
    void confirm(SqliteEngine engine, Expected expected) throws SQLException {
        if (engine.isPlaced()) {
            look();
            file.confirm(expected);
        }
    }

    /** The name that the driver was given, with the links that SQLite has resolved. */
    private static Path named(SQLiteConnection driver, Path found) {
        String url = driver.getUrl();
        String name = url.startsWith(JDBC.PREFIX) ? url.substring(JDBC.PREFIX.length()) : url;
        int options = name.indexOf('?');
        name = options < 0 ? name : name.substring(0, options);
        try {
            return (name.startsWith("file:/") ? Path.of(URI.create(name)) : Path.of(name)).toAbsolutePath();
        } catch (IllegalArgumentException e) {
            return found;
        }
    }
}
