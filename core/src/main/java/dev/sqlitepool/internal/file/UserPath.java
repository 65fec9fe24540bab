package dev.sqlitepool.internal.file;

import java.nio.file.FileSystems;
import java.nio.file.Path;
import java.util.Locale;

/** Which paths of the user's can be files of SQLite: what is known to be wrong without a look at the disk. Stateless. */
public final class UserPath {
    private UserPath() {}

    /**
     * The absolute path of a database.
     *
     * @throws IllegalArgumentException if SQLite cannot have a file there
     */
    public static Path database(Path path) {
        requireFile(
                "databasePath",
                path,
                "copy it to a file of the operating system with Files.copy, and open that",
                "use inMemory() for a database in memory");
        return path.toAbsolutePath();
    }

    /**
     * The absolute path of a backup.
     *
     * @throws IllegalArgumentException if SQLite cannot have a file there
     */
    public static Path backup(Path target) {
        requireFile(
                "target",
                target,
                "back up to a file of the operating system, and copy that with Files.copy",
                "a backup needs the path of a file");
        if (target.getFileName() == null) {
            throw new IllegalArgumentException("target was \"" + target + "\"; it must name a file.");
        }
        return target.toAbsolutePath();
    }

    private static void requireFile(String setting, Path path, String elsewhere, String memory) {
        String text = path.toString();
        if (text.isEmpty()) {
            throw new IllegalArgumentException(setting + " was empty; it must name a file.");
        }
        if (path.getFileSystem() != FileSystems.getDefault()) {
            throw new IllegalArgumentException(setting + " was \"" + text + "\" in a file system of the kind \""
                    + path.getFileSystem().provider().getScheme()
                    + "\"; SQLite opens only files of the operating system: " + elsewhere + ".");
        }
        String lower = text.toLowerCase(Locale.ROOT);
        boolean url = lower.startsWith("jdbc:") || lower.startsWith("file:");
        if (lower.contains(":memory:") && (url || lower.equals(":memory:"))) {
            throw new IllegalArgumentException(
                    setting + " was \"" + text + "\", which is not the path of a file; " + memory + ".");
        }
        if (url) {
            throw new IllegalArgumentException(
                    setting + " was \"" + text + "\", which is a URL; give the path of the file alone, without \""
                            + text.substring(0, text.indexOf(':') + 1)
                            + "\" and options. What the options set has setters of its own, or connectionFactory(…).");
        }
    }
}
