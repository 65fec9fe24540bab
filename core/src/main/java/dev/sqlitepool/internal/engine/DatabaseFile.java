package dev.sqlitepool.internal.engine;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Which file a pool's database is, and whether it still is that file. Thread-safe.
 *
 * <p>A connection keeps the file that it has opened, whatever happens to the name. But SQLite finds the {@code -wal}, the {@code -shm}
 * and the {@code -journal} by name, and nothing in them says to which database they belong: whoever opens another file beside the log of
 * this one applies that log to it. So what this class keeps true is:
 *
 * <ul>
 *   <li>The name, links and all, is looked at before a connection is opened, before that connection looks at the content, and again when it
 *       has opened the log. All three looks find the same file, or the connection is closed and opened again.
 *   <li>When the name leads to another file, what connections to the old one have left beside it is set aside before anybody opens the new
 *       one: the log, since it may hold acknowledged writes, is renamed, and the index, which holds nothing, is deleted. What cannot be set
 *       aside refuses every opening.
 *   <li>Each change raises the {@link #generation}, once. Connections of an older one are stale, all at once.
 * </ul>
 *
 * <p>A file that is overwritten in place is the same file. Nobody can tell that from a write by another program.
 */
final class DatabaseFile {
    private static final String LOG = "-wal";
    private static final String INDEX = "-shm";
    private static final String JOURNAL = "-journal";

    /** What has changed since the last look. */
    enum State {
        UNCHANGED,
        VANISHED,
        REPLACED
    }

    /**
     * What a look has found.
     *
     * @param database the path, for those who are told
     * @param asides where the logs of the old file are now
     */
    record Change(State state, Path database, List<Path> asides) {}

    /**
     * What a connection that is being opened must find.
     *
     * @param before the file at the name before the connection was opened; null if there was none, or the name is not known yet
     */
    record Expected(int generation, @Nullable FileIdentity before) {}

    /** Thrown when the file has changed while a connection was being opened: the caller opens again. */
    static final class ChangedException extends SQLException {
        private static final long serialVersionUID = 1;

        ChangedException(Path path) {
            super("The database file " + path
                    + " or its log was replaced while a connection to it was being opened. Try again.");
        }
    }

    /** As the user named it; null if a factory opens the connections. */
    private final @Nullable Path given;
    /** What is looked at; stays null in memory and with other engines. */
    @GuardedBy("this")
    private @Nullable Path name;
    /** As SQLite has resolved the name: its companions lie beside this path. */
    @GuardedBy("this")
    private @Nullable Path path;
    /** How the file looked last; null as long as there was none. */
    @GuardedBy("this")
    private @Nullable FileIdentity seen;

    @GuardedBy("this")
    private boolean vanished;
    /** How many connections have the file open, so that the number of its inode is no other's. */
    @GuardedBy("this")
    private int open;
    /** The generation of the first that were connected to it. */
    @GuardedBy("this")
    private int since;
    /** What the connections to the file have made beside it, by suffix. */
    @GuardedBy("this")
    private final Map<String, FileIdentity> companions = new HashMap<>();
    /** What older files have left and nobody could set aside, by suffix. */
    @GuardedBy("this")
    private final Map<String, FileIdentity> foreign = new HashMap<>();

    /** Those of this process who use the file, if some have a log open that is not beside it any more; who uses it after them is another. */
    @GuardedBy("this")
    private @Nullable OpenFile lost;

    private volatile int generation;

    DatabaseFile(@Nullable Path given) {
        this.given = given;
    }

    int generation() {
        return generation;
    }

    synchronized @Nullable Path path() {
        return path;
    }

    synchronized boolean hasExisted() {
        return seen != null;
    }

    // ---- opening

    /** Before a connection is opened; the caller has just looked. Refuses what would be opened beside something that is not its own. */
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
        if (!foreign.isEmpty()) {
            setAside(new ArrayList<>());
            requireNothingForeign();
        }
        return new Expected(generation, seen);
    }

    /** What older files have left beside it is set aside. */
    synchronized void requireNothingForeign() throws SQLException {
        for (String suffix : foreign.keySet()) {
            String journal = suffix.equals(JOURNAL)
                    ? " It goes when the transaction that made it ends; if none runs, move it away."
                    : " Move it away, and keep it as long as the old file may be needed.";
            throw new SQLException(
                    "The database file " + name + " has been replaced, and " + path + suffix
                            + " beside it belongs to the file that was there before: SQLite would apply it to the new one."
                            + journal,
                    "08001",
                    14);
        }
    }

    /** A connection has opened a file, found as SQLite has resolved its name, and has not looked at its content yet. */
    synchronized void admit(Path found, Expected expected) throws SQLException {
        requireSame(found, expected);
        if (open == 0) {
            recordCompanions(); // others may have made new ones since this pool had the file open
        }
        open++;
    }

    /** What is found is the file that was expected. */
    synchronized void requireSame(Path found, Expected expected) throws SQLException {
        FileIdentity now = identity(found);
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

    /** Once nobody has them open, the number of a companion that was deleted may be that of somebody else's. */
    @GuardedBy("this")
    private void forgetGone() throws IOException {
        for (String suffix : open > 0 ? List.<String>of() : List.copyOf(companions.keySet())) {
            if (FileIdentity.of(beside(path, suffix)) == null) {
                companions.remove(suffix);
            }
        }
    }

    /**
     * A connection has looked at what {@link #admit} has let pass, and it is a database.
     *
     * @param named the name that the driver was given
     */
    synchronized void remember(Path found, Path named) throws SQLException {
        if (path == null) {
            name = given != null ? given : leadsTo(named, found) ? named : found;
        }
        path = found;
        if (seen == null) {
            seen = identity(found);
        }
        recordCompanions();
    }

    private static boolean leadsTo(Path named, Path found) {
        try {
            return named.toRealPath().equals(found);
        } catch (IOException e) {
            return false;
        }
    }

    /** The same file by another way, as after its directory was renamed. A hard link has a log of its own, and must not be used beside it. */
    private synchronized void requireSameLog(Path found) throws SQLException {
        FileIdentity mine = companions.get(LOG);
        if (path == null || path.equals(found) || mine == null) {
            return;
        }
        FileIdentity log = identity(beside(path, LOG));
        FileIdentity here = identity(beside(found, LOG));
        if (log != null && log.isSameFile(mine) && (here == null || !here.isSameFile(mine))) {
            generation++; // the last close of those who are open copies the log, and deletes it
            throw new SQLException(
                    "The database file " + name + " is " + found + " now, another name of " + path
                            + ", and its log is still beside the old name: a database must not be used through two of its"
                            + " hard links at once. Try again when the connections to the old name are closed.",
                    "08001",
                    14);
        }
    }

    /** A connection is open and has opened the log: all that it has, it has of one file. */
    synchronized void confirm(Expected expected) throws SQLException {
        if (generation != expected.generation()) {
            throw new ChangedException(path);
        }
        recordCompanions();
    }

    @GuardedBy("this")
    private void recordCompanions() throws SQLException {
        for (String suffix : List.of(LOG, INDEX)) {
            FileIdentity companion = path == null ? null : identity(beside(path, suffix));
            if (companion != null && companion.isInode()) {
                companions.put(suffix, companion);
            } else {
                companions.remove(suffix);
            }
        }
    }

    private static @Nullable FileIdentity identity(Path file) throws SQLException {
        try {
            return FileIdentity.of(file);
        } catch (IOException e) {
            throw new SQLException("Cannot look at the database file " + file + ": " + e, e);
        }
    }

    private static Path beside(Path file, String suffix) {
        return Path.of(file + suffix);
    }

    // ---- looking

    /**
     * Looks whether the name still leads to the file. A change is reported once, to whoever sees it first, and raises the generation.
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
            same = now.looksLike(last); // nobody has kept the old file, and its number may be another file's now
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
        foreign.putAll(companions);
        companions.clear();
        List<Path> asides = new ArrayList<>();
        try {
            Path found = name.toRealPath();
            FileIdentity journal = FileIdentity.of(beside(found, JOURNAL));
            if (journal != null && found.equals(path)) {
                foreign.put(JOURNAL, journal);
            }
            path = found;
        } catch (IOException e) {
            // gone again: the next look will see
        }
        setAside(asides);
        return new Change(State.REPLACED, name, asides);
    }

    /**
     * The log is not beside the database any more. Within a process SQLite shares the index of the log, and a connection opened now would look
     * for its pages in another log: none is opened until those who have the old one are closed. The last of them copies it into the database.
     *
     * @return whether nobody has said so before
     */
    synchronized boolean logLost(int opened) {
        if (generation != opened) {
            return false;
        }
        generation++;
        lost = seen == null ? null : OpenFile.of(seen.key());
        return true;
    }

    /** During the turn: whether the log is gone that connections of this pool have open. SQLite deletes it with the last of them, not before. */
    synchronized boolean isLogGone() throws SQLException {
        FileIdentity mine = companions.get(LOG);
        if (mine == null || open == 0) {
            return false;
        }
        FileIdentity log = identity(beside(path, LOG));
        return log == null || !log.isSameFile(mine);
    }

    /**
     * Whether something that is in the way of an opening may go by itself: connections to a lost log, or the journal of a transaction that
     * runs, or has crashed, on a file that was replaced.
     */
    synchronized boolean mustWait() {
        if (lost != null && (seen == null || OpenFile.of(seen.key()) != lost)) {
            lost = null;
        }
        if (lost != null) {
            return true;
        }
        if (foreign.containsKey(JOURNAL)) {
            setAside(new ArrayList<>());
        }
        return foreign.containsKey(JOURNAL);
    }

    /** What is not beside the new file, or not any more, is no danger; the number of a deleted file may soon be that of a good one. */
    @GuardedBy("this")
    private void setAside(List<Path> asides) {
        Path found;
        try {
            found = name.toRealPath();
        } catch (IOException e) {
            return; // it has vanished; asked again before it is opened
        }
        foreign.entrySet().removeIf(left -> {
            Path file = beside(found, left.getKey());
            try {
                FileIdentity now = FileIdentity.of(file);
                if (now == null || !now.isSameFile(left.getValue())) {
                    return true;
                }
                switch (left.getKey()) {
                    case INDEX:
                        Files.delete(file);
                        return true;
                    case JOURNAL:
                        return !isHot(file);
                    default:
                        if (now.size() == 0) {
                            Files.delete(file);
                        } else {
                            asides.add(Files.move(file, free(file)));
                        }
                        WalFile.syncDirectory(file);
                        return true;
                }
            } catch (IOException e) {
                return false; // the opening that is refused says what to do
            }
        });
    }

    private static Path free(Path file) {
        Path free = Path.of(file + ".replaced");
        for (int i = 2; Files.exists(free); i++) {
            free = Path.of(file + ".replaced-" + i);
        }
        return free;
    }

    /** As SQLite sees it: a journal that begins with a zero, or is empty, is over. SQLite holds no locks on it. */
    private static boolean isHot(Path journal) throws IOException {
        try (FileChannel channel = FileChannel.open(journal, StandardOpenOption.READ)) {
            ByteBuffer first = ByteBuffer.allocate(1);
            return channel.read(first) == 1 && first.get(0) != 0;
        } catch (NoSuchFileException e) {
            return false;
        }
    }
}
