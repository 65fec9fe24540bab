package dev.sqlitepool.internal.file;

import dev.sqlitepool.internal.telemetry.Telemetry;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;

/**
 * The file of a backup: written under a temporary name in the target's directory, and given the target's name when it
 * is whole and on disk. Used by one thread at a time, except {@link #size}.
 *
 * <p>It is opened here only after SQLite has closed it. The database itself is never opened: closing any descriptor of
 * it drops the locks that SQLite holds (<a href="https://www.sqlite.org/howtocorrupt.html">How To Corrupt, 2.2</a>).
 */
public final class BackupFile {
    private static final String JOURNAL = "-journal";

    private final Path target;
    private final Path partial;
    private final Telemetry telemetry;

    /**
     * Writes nothing yet.
     *
     * @param target absolute
     */
    public BackupFile(Path target, Telemetry telemetry) {
        this.telemetry = telemetry;
        this.target = target;
        String random = Long.toHexString(ThreadLocalRandom.current().nextLong());
        String suffix = "." + random + ".partial";
        // A longer name has no room for the suffix, and for SQLite's own behind that: then the file is called by the
        // suffix alone.
        boolean fits =
                PathText.length(target.getFileName()) + suffix.length() + JOURNAL.length() <= Permissions.LONGEST_NAME
                        && PathText.length(target) + suffix.length() + JOURNAL.length() <= Permissions.LONGEST_PATH;
        this.partial = fits ? beside(suffix) : target.resolveSibling(suffix);
    }

    private Path beside(String suffix) {
        return PathText.beside(target, suffix);
    }

    /** The temporary name. */
    public Path partial() {
        return partial;
    }

    /** Fails if there is a file under the target's name, or one that SQLite would take for a part of it. */
    public void requireFree() throws IOException {
        Path directory = target.getParent();
        if (directory == null || !Files.isDirectory(directory)) {
            throw new NoSuchFileException(
                    target.toString(), null, "there is no directory " + directory + "; create it first");
        }
        for (Path name : List.of(target, beside("-wal"), beside(JOURNAL))) {
            if (Files.exists(name, LinkOption.NOFOLLOW_LINKS)) {
                throw exists(name);
            }
        }
    }

    private FileAlreadyExistsException exists(Path name) {
        return new FileAlreadyExistsException(
                name.toString(),
                null,
                name.equals(target)
                        ? "a backup overwrites nothing; delete it first, or choose another name"
                        : "SQLite would take it for a part of the backup " + target + "; delete it first");
    }

    /** The bytes written so far. By any thread. */
    public long size() {
        try {
            return Files.size(partial);
        } catch (IOException e) {
            return 0; // not begun, or given its name
        }
    }

    /** Puts the contents on disk. SQLite has closed the file. */
    public void sync() throws IOException {
        try (SyncedFile file = SyncedFile.open(partial)) {
            file.sync();
        }
    }

    /**
     * Gives it the target's name, unless another file has got that. A hard link is made, and the temporary name
     * removed, since renaming would overwrite; where there are no hard links it is renamed after a last look.
     */
    public void publish() throws IOException {
        try {
            Files.createLink(target, partial);
        } catch (FileAlreadyExistsException e) {
            throw exists(target);
        } catch (UnsupportedOperationException | FileSystemException e) {
            requireFree();
            Files.move(partial, target, StandardCopyOption.ATOMIC_MOVE);
        }
        delete();
        WalFile.syncDirectory(target, telemetry);
    }

    /** Removes the files under the temporary name. SQLite has closed them. */
    public void delete() {
        for (Path name : List.of(partial, PathText.beside(partial, JOURNAL))) {
            try {
                Files.deleteIfExists(name);
            } catch (IOException e) {
                telemetry.warn("cannot delete " + name, e);
            }
        }
    }
}
