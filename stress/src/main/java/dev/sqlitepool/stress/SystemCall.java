package dev.sqlitepool.stress;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * One end of a system call that has succeeded, as {@code strace -f -y} has written it down: it began, or it returned. Immutable.
 *
 * @param number of the call, the same for both its ends
 * @param returned whether this is its end; else its beginning
 * @param name such as {@code pwrite64}
 * @param path of the file that it is about, as far as it has one; else empty
 * @param text the rest of the line after the first argument, with its strings still escaped
 * @param result what it returned
 */
record SystemCall(int number, boolean returned, String name, String path, String text, long result) {
    private static final Pattern LINE = Pattern.compile("^(\\d+) +(.*)$");
    private static final Pattern RESUMED = Pattern.compile("^<\\.\\.\\. (\\w+) resumed>(.*)$");
    private static final Pattern WHOLE = Pattern.compile("^(\\w+)\\((.*)\\) += (-?\\d+)(?:<.*>)?.*$");
    private static final Pattern FILE = Pattern.compile("^(?:AT_FDCWD<[^>]*>|\\d+<([^>]*)>)(?:, )?(.*)$");
    private static final String UNFINISHED = " <unfinished ...>";

    /** What strace must be told to write. */
    static final List<String> OPTIONS = List.of(
            "-f",
            "-y",
            "-s",
            "1048576",
            "-e",
            "trace=write,pwrite64,ftruncate,truncate,fallocate,fsync,fdatasync,openat,unlink,rename,writev,pwritev");

    /** A call that has begun. */
    private record Begun(int number, String text) {}

    /** Reads a recording, in the order in which things happened. Calls that failed, or never returned, are left out. */
    static List<SystemCall> read(Path recording) throws IOException {
        List<SystemCall> calls = new ArrayList<>();
        Map<String, Begun> unfinished = new HashMap<>();
        int[] number = {0};
        try (Stream<String> lines = Files.lines(recording, StandardCharsets.ISO_8859_1)) {
            lines.forEachOrdered(line -> {
                Matcher matcher = LINE.matcher(line);
                if (matcher.matches()) {
                    read(matcher.group(1), matcher.group(2), number, unfinished, calls);
                }
            });
        }
        return calls;
    }

    private static void read(
            String thread, String what, int[] number, Map<String, Begun> unfinished, List<SystemCall> calls) {
        if (what.endsWith(UNFINISHED)) {
            Begun begun = new Begun(number[0]++, what.substring(0, what.length() - UNFINISHED.length()));
            unfinished.put(thread, begun);
            add(calls, begun.number(), false, begun.text() + ") = 0");
            return;
        }
        Matcher resumed = RESUMED.matcher(what);
        if (resumed.matches()) {
            Begun begun = unfinished.remove(thread);
            if (begun != null) {
                add(calls, begun.number(), true, begun.text() + resumed.group(2));
            }
            return;
        }
        int mine = number[0]++;
        add(calls, mine, false, what);
        add(calls, mine, true, what);
    }

    private static void add(List<SystemCall> calls, int number, boolean returned, String text) {
        Matcher whole = WHOLE.matcher(text);
        if (!whole.matches()) {
            return; // a signal, an exit
        }
        long result = Long.parseLong(whole.group(3));
        if (result < 0) {
            return;
        }
        Matcher file = FILE.matcher(whole.group(2));
        boolean known = file.matches();
        String path = known && file.group(1) != null ? file.group(1) : "";
        calls.add(
                new SystemCall(number, returned, whole.group(1), path, known ? file.group(2) : whole.group(2), result));
    }

    /** The first string among the arguments, as the bytes that it stands for. */
    byte[] bytes() {
        int begin = text.indexOf('"') + 1;
        byte[] bytes = new byte[text.length()];
        int length = 0;
        int i = begin;
        while (text.charAt(i) != '"') {
            char c = text.charAt(i++);
            if (c == '\\') {
                char kind = text.charAt(i++);
                switch (kind) {
                    case 'n' -> c = '\n';
                    case 't' -> c = '\t';
                    case 'v' -> c = 0x0b;
                    case 'f' -> c = '\f';
                    case 'r' -> c = '\r';
                    case '"', '\\' -> c = kind;
                    default -> {
                        int value = kind - '0';
                        for (int digits = 1; digits < 3 && isOctal(text.charAt(i)); digits++) {
                            value = value * 8 + text.charAt(i++) - '0';
                        }
                        c = (char) value;
                    }
                }
            }
            bytes[length++] = (byte) c;
        }
        return java.util.Arrays.copyOf(bytes, length);
    }

    private static boolean isOctal(char c) {
        return c >= '0' && c <= '7';
    }

    /** The last argument, a number. */
    long lastNumber() {
        return Long.parseLong(text.substring(text.lastIndexOf(' ') + 1));
    }
}
