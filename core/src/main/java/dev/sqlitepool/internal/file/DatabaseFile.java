package dev.sqlitepool.internal.file;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Which file a pool's database is, and whether it still is that file. Thread-safe.
 *
 * <p>A connection keeps the file that it has opened, whatever happens to the name. But SQLite finds the {@code -wal},
 * the {@code -shm} and the {@code -journal} by name, and nothing in them says to which database they belong: a
 * connection that opens another file beside the log of this one applies that log to it. So this class keeps true:
 *
 * <ul>
 *   <li>The name, links and all, is looked at before a connection is opened, before that connection looks at the
 *       content, and again when it has opened the log. All three looks find the same file, or the connection is closed
 *       and opened again.
 *   <li>When the name leads to another file, the {@link Companions} of the old one are set aside before a connection
 *       opens the new one: the log, since it may hold acknowledged writes, is renamed, and the index, which holds
 *       nothing, is deleted. As long as one cannot be set aside, every opening is refused.
 *   <li>Each change raises the {@link #generation}, once. Connections of an older one are stale, all at once.
 * </ul>
 *
 * <p>A file that is overwritten in place is the same file. Nobody can tell that from a write by another program.
 */
public final class DatabaseFile {
    /** How the file has changed since the last look. */
    enum State {
        UNCHANGED,
        VANISHED,
        REPLACED
    }

    /**
     * A change that a look has found.
     *
     * @param database the path, for the listener
     * @param asides where the logs of the old file are now
     */
    record Change(State state, Path database, List<Path> asides) {}

    /**
     * The file that a connection which is being opened must find.
     *
     * @param before the file at the name before the connection was opened; null if there was none, or the name is not
     *     known yet
     */
    public record Expected(int generation, @Nullable FileIdentity before) {}

    /** Thrown when the file has changed while a connection was being opened: the caller opens again. */
    public static final class ChangedException extends SQLException {
        private static final long serialVersionUID = 1;

        ChangedException(Path path) {
            super("The database file " + path
                    + " or its log was replaced while a connection to it was being opened. Try again.");
        }
    }

    /** The path that the user named; null if a factory opens the connections. */
    private final @Nullable Path given;
    /** The name that is looked at; stays null in memory and with other engines. */
    @GuardedBy("this")
    private @Nullable Path name;
    /** The path as SQLite has resolved the name: its companions lie beside this one. */
    @GuardedBy("this")
    private @Nullable Path path;
    /** How the file looked last; null as long as there was none. */
    @GuardedBy("this")
    private @Nullable FileIdentity seen;

    @GuardedBy("this")
    private boolean vanished;
    /** How many connections have the file open. As long as one has, no other file gets the number of its inode. */
    @GuardedBy("this")
    private int open;
    /** The generation of the first connections to the file. */
    @GuardedBy("this")
    private int since;

    @GuardedBy("this")
    private final Companions companions = new Companions();

    /**
     * The uses of the file in this process, if some connections have a log open that is not beside it any more; a use
     * that comes after all of them is another object.
     */
    @GuardedBy("this")
    private @Nullable OpenFile lost;

    volatile int generation; // changed under the lock; the watch reads it here, since a copy could be old

    DatabaseFile(@Nullable Path given) {
        this.given = given;
    }

    synchronized @Nullable Path path() {
        return path;
    }

    /** Whether a connection of this pool has the file open. */
    synchronized boolean isOpen() {
        return open > 0;
    }

    synchronized boolean hasExisted() {
        return seen != null;
    }

    // ---- opening

    /**
     * Before a connection is opened; the caller has just looked. Refuses to open a file beside something that does not
     * belong to it.
     */
    synchronized Expected expected() throws SQLException {
        Path looked = name != null ? name : given;
        if (seen == null) {
            try {
                return new Expected(generation, looked == null ? null : FileIdentity.of(looked));
            } catch (IOException e) {
                return new Expected(generation, null); // SQLite will say what it is
            }
        }
        if (vanished) {
            throw new SQLException(
                    "The database file " + looked
                            + " existed and has vanished; it is not created again. Put it back, or build a new pool.",
                    "08001",
                    14);
        }
        if (lost != null) {
            throw new SQLException(
                    "The write-ahead log of the database file " + looked
                            + " was deleted or replaced, and connections that have it open still run something. It is opened again when"
                            + " they are closed.",
                    "08001",
                    14);
        }
        if (companions.areForeign()) {
            setAside();
            requireNothingForeign();
        }
        return new Expected(generation, seen);
    }

    /** Refuses an opening as long as older files have left something beside the database. */
    synchronized void requireNothingForeign() throws SQLException {
        companions.requireNothingForeign(name, path);
    }

    /** A connection has opened a file, found as SQLite has resolved its name, and has not looked at its content yet. */
    synchronized void admit(Path found, Expected expected) throws SQLException {
        requireSame(found, expected);
        if (open == 0) {
            companions.record(path); // others may have made new ones since this pool had the file open
        }
        open++;
    }

    /** Fails unless the file that was found is the expected one. */
    synchronized void requireSame(Path found, Expected expected) throws SQLException {
        FileIdentity now = FileIdentity.strictly(found);
        boolean another = seen != null && now != null ? !now.isSameFile(seen) : path != null && !path.equals(found);
        boolean changed = generation != expected.generation();
        if (another && given == null && !changed) {
            throw new SQLException("The connection factory opened " + found + ", but earlier connections are to " + path
                    + "; a pool is for one database.");
        }
        FileIdentity before = expected.before();
        if (another || changed || before != null && (now == null || !now.isSameFile(before))) {
            throw new ChangedException(found);
        }
        requireSameLog(found);
    }

    /** A connection that was admitted is closed; if it was the last, it may just have written to the file. */
    synchronized void closed(int opened) {
        if (opened < since) {
            return;
        }
        open--;
        FileIdentity last = seen;
        if (last != null) {
            try {
                FileIdentity now = FileIdentity.of(path);
                if (now != null && now.isSameFile(last)) {
                    seen = now;
                }
                forgetGone();
            } catch (IOException e) {
                // the next look will see
            }
        }
    }

    @GuardedBy("this")
    private void forgetGone() throws IOException {
        if (open <= 0) {
            companions.forgetGone(path);
        }
    }

    /**
     * A connection has looked at the content of the file that {@link #admit} has let pass, and it is a database.
     *
     * @param named the name that the driver was given
     */
    synchronized void remember(Path found, Path named) throws SQLException {
        if (path == null) {
            name = given != null ? given : leadsTo(named, found) ? named : found;
        }
        path = found;
        if (seen == null) {
            seen = FileIdentity.strictly(found);
        }
        companions.record(path);
    }

    private static boolean leadsTo(Path named, Path found) {
        try {
            return named.toRealPath().equals(found);
        } catch (IOException e) {
            return false;
        }
    }

    /**
     * The same file by another way, as after its directory was renamed. A hard link has a log of its own, and must not
     * be used beside it.
     */
    private synchronized void requireSameLog(Path found) throws SQLException {
        if (path != null && !path.equals(found) && companions.isLogBesideOnly(path, found)) {
            generation++; // the last close of the open connections copies the log, and deletes it
            throw new SQLException(
                    "The database file " + name + " is " + found + " now, another name of " + path
                            + ", and its log is still beside the old name: a database must not be used through two of its"
                            + " hard links at once. Try again when the connections to the old name are closed.",
                    "08001",
                    14);
        }
    }

    /** A connection is open and has opened the log: the file and the log belong to each other. */
    synchronized void confirm(Expected expected) throws SQLException {
        if (generation != expected.generation()) {
            throw new ChangedException(path);
        }
        companions.record(path);
    }

    // ---- looking

    /**
     * Looks whether the name still leads to the file. The first look that sees a change returns it, and the change
     * raises the generation.
     *
     * @throws IOException if nobody can know
     */
    synchronized @Nullable Change look() throws IOException {
        FileIdentity last = seen;
        if (name == null || last == null) {
            return null;
        }
        forgetGone();
        FileIdentity now = FileIdentity.of(name);
        if (now == null) {
            boolean first = !vanished;
            vanished = true;
            if (!first) {
                return null;
            }
            generation++;
            return new Change(State.VANISHED, name, List.of());
        }
        boolean same = now.isSameFile(last);
        if (vanished && same && now.isInode() && open == 0) {
            same = now.looksLike(last); // no connection has kept the old file, and its number may be another file's now
        }
        vanished = false;
        seen = now;
        if (same) {
            return null;
        }
        generation++;
        since = generation;
        open = 0;
        lost = null;
        companions.databaseReplaced();
        try {
            Path found = name.toRealPath();
            if (found.equals(path)) {
                companions.foundJournal(found);
            }
            path = found;
        } catch (IOException e) {
            // gone again: the next look will see
        }
        return new Change(State.REPLACED, name, setAside());
    }

    /**
     * The log is not beside the database any more. Within a process SQLite shares the index of the log, and a
     * connection opened now would look for its pages in another log: none is opened until the connections that have the
     * old one are closed. The last of them copies it into the database.
     *
     * @return whether this call is the first to say so
     */
    synchronized boolean logLost(int opened) {
        if (generation != opened) {
            return false;
        }
        generation++;
        lost = seen == null ? null : OpenFile.of(seen.key());
        return true;
    }

    /**
     * During the turn: whether the log is gone that connections of this pool have open. SQLite deletes it with the last
     * of them, not before.
     */
    synchronized boolean isLogGone() throws SQLException {
        return open > 0 && companions.isLogGone(path);
    }

    /**
     * Whether something that is in the way of an opening may go without help: connections to a lost log, or the journal
     * of a transaction that runs, or has crashed, on a file that was replaced.
     */
    synchronized boolean mustWait() {
        if (lost != null && (seen == null || OpenFile.of(seen.key()) != lost)) {
            lost = null;
        }
        if (lost != null) {
            return true;
        }
        if (companions.hasForeignJournal()) {
            setAside();
        }
        return companions.hasForeignJournal();
    }

    @GuardedBy("this")
    private List<Path> setAside() {
        return companions.setAside(name);
    }
}
