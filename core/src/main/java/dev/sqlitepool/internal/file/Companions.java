package dev.sqlitepool.internal.file;

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
 * The files that SQLite finds beside a database by its name: those that belong to it, and those that an older file has
 * left there. Guarded by the {@link DatabaseFile}.
 */
final class Companions {
    private static final String LOG = "-wal";
    private static final String INDEX = "-shm";
    private static final String JOURNAL = "-journal";

    /** The files that the connections to the database have made beside it, by suffix. */
    private final Map<String, FileIdentity> own = new HashMap<>();
    /** The files that older databases have left and that could not be set aside, by suffix. */
    private final Map<String, FileIdentity> foreign = new HashMap<>();

    /** Takes note of the files that are there. */
    void record(@Nullable Path database) throws SQLException {
        for (String suffix : List.of(LOG, INDEX)) {
            FileIdentity companion = database == null ? null : FileIdentity.strictly(beside(database, suffix));
            if (companion != null && companion.isInode()) {
                own.put(suffix, companion);
            } else {
                own.remove(suffix);
            }
        }
    }

    /**
     * Forgets the files that are gone. Once nobody has them open, another file may get the number of one that was
     * deleted.
     */
    void forgetGone(@Nullable Path database) throws IOException {
        for (String suffix : List.copyOf(own.keySet())) {
            if (FileIdentity.of(beside(database, suffix)) == null) {
                own.remove(suffix);
            }
        }
    }

    /** Whether the log is not beside the database any more. */
    boolean isLogGone(@Nullable Path database) throws SQLException {
        FileIdentity mine = own.get(LOG);
        if (mine == null) {
            return false;
        }
        FileIdentity log = FileIdentity.strictly(beside(database, LOG));
        return log == null || !log.isSameFile(mine);
    }

    /** Whether the log is beside the database under one name, and not under the other, which is then a hard link. */
    boolean isLogBesideOnly(Path name, Path other) throws SQLException {
        FileIdentity mine = own.get(LOG);
        if (mine == null) {
            return false;
        }
        FileIdentity log = FileIdentity.strictly(beside(name, LOG));
        FileIdentity here = FileIdentity.strictly(beside(other, LOG));
        return log != null && log.isSameFile(mine) && (here == null || !here.isSameFile(mine));
    }

    private static Path beside(@Nullable Path file, String suffix) {
        return PathText.beside(file, suffix);
    }

    // ---- what older files have left

    /** Another file has taken the place of the database: what belonged to that belongs to nothing now. */
    void databaseReplaced() {
        foreign.putAll(own);
        own.clear();
    }

    /** The journal beside the database, if there is one, belongs to an older file. */
    void foundJournal(Path database) throws IOException {
        FileIdentity journal = FileIdentity.of(beside(database, JOURNAL));
        if (journal != null) {
            foreign.put(JOURNAL, journal);
        }
    }

    boolean areForeign() {
        return !foreign.isEmpty();
    }

    /** Whether there is the journal of a transaction on an older file that runs, or has crashed. */
    boolean hasForeignJournal() {
        return foreign.containsKey(JOURNAL);
    }

    /** Refuses to open what would be taken for a part of the new file. */
    void requireNothingForeign(@Nullable Path name, @Nullable Path database) throws SQLException {
        for (String suffix : foreign.keySet()) {
            String journal = suffix.equals(JOURNAL)
                    ? " It goes when the transaction that made it ends; if none runs, move it away."
                    : " Move it away, and keep it as long as the old file may be needed.";
            throw new SQLException(
                    "The database file " + name + " has been replaced, and " + database + suffix
                            + " beside it belongs to the file that was there before: SQLite would apply it to the new one."
                            + journal,
                    "08001",
                    14);
        }
    }

    /**
     * Sets aside what older files have left beside the database. What is not beside it, or not any more, is no danger;
     * the number of a deleted file may soon be that of a good one.
     *
     * @return where their logs are now
     */
    List<Path> setAside(Path name) {
        List<Path> asides = new ArrayList<>();
        Path found;
        try {
            found = name.toRealPath();
        } catch (IOException e) {
            return asides; // it has vanished; asked again before it is opened
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
                        IOException unused = WalFile.syncDirectory(file); // under a lock, where nothing is logged
                        return true;
                }
            } catch (IOException e) {
                return false; // the opening that is refused says what to do
            }
        });
        return asides;
    }

    private static Path free(Path file) {
        Path free = PathText.beside(file, ".replaced");
        for (int i = 2; Files.exists(free); i++) {
            free = PathText.beside(file, ".replaced-" + i);
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
