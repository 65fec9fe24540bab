package dev.sqlitepool.internal.file;

import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * The name of a file as Java, as SQLite and as the system see it. Stateless.
 *
 * <p>To Unix a name is bytes, and to SQLite it is UTF-8. Java turns it into text by the locale: with {@code LC_ALL=C}, as in a plain Docker
 * image, everything that is not ASCII gets lost in {@code Path.toString}, and {@code Path.of} refuses it. A {@code file:} URI keeps the bytes on
 * both ways.
 */
public final class PathText {
    private static final char LOST = '\uFFFD';
    private static final boolean UNICODE = isUnicode();

    private PathText() {}

    private static boolean isUnicode() {
        String encoding = System.getProperty("sun.jnu.encoding", "UTF-8");
        return encoding.equalsIgnoreCase("UTF-8") || java.io.File.separatorChar == '\\';
    }

    /** Whether paths are limited as on Unix. */
    static boolean hasLimit() {
        return java.io.File.separatorChar == '/';
    }

    /** Whether the text has all of the name. */
    private static boolean isFaithful(String text) {
        return text.chars().allMatch(c -> c < 0x80) || UNICODE && text.indexOf(LOST) < 0;
    }

    /**
     * The file that SQLite calls so.
     *
     * @param named the name under which the file was opened, if it is known: the driver loses bytes that are not UTF-8
     */
    public static Path found(String text, @Nullable Path named) {
        if (text.indexOf(LOST) >= 0 && named != null) {
            try {
                return named.toRealPath();
            } catch (IOException e) {
                return named;
            }
        }
        return text.startsWith("/") && !isFaithful(text)
                ? Path.of(URI.create("file://" + escaped(text)))
                : Path.of(text);
    }

    private static String escaped(String text) {
        StringBuilder escaped = new StringBuilder();
        for (byte each : text.getBytes(StandardCharsets.UTF_8)) {
            boolean plain = each == '/'
                    || each >= '0' && each <= '9'
                    || each >= 'A' && each <= 'Z'
                    || each >= 'a' && each <= 'z';
            escaped.append(plain ? Character.toString((char) each) : String.format("%%%02X", each & 0xff));
        }
        return escaped.toString();
    }

    /** What SQLite, in a statement, and everybody who compares names is given for an absolute path. */
    public static String of(Path path) {
        String text = path.toString();
        return isFaithful(text) ? text : path.toUri().toString();
    }

    /** The file beside another whose name is longer by a suffix. */
    static Path beside(@Nullable Path file, String suffix) {
        String text = file + suffix;
        return file == null || isFaithful(text) ? Path.of(text) : Path.of(URI.create(file.toUri() + suffix));
    }

    /** Whether the path can be opened through {@code java.io.File}, which goes by the text. */
    static boolean isFile(Path path) {
        return isFaithful(path.toString());
    }

    /** The bytes of an absolute path, or of a single name, as the system counts them. */
    static int length(@Nullable Path path) {
        if (path == null) {
            return 0;
        }
        if (isFaithful(path.toString())) {
            return path.toString().getBytes(StandardCharsets.UTF_8).length;
        }
        String uri = path.toAbsolutePath().toUri().getRawPath();
        String name = path.isAbsolute() ? uri : uri.substring(uri.lastIndexOf('/') + 1);
        int escapes = (int) name.chars().filter(c -> c == '%').count();
        return name.length() - 2 * escapes;
    }
}
