package dev.sqlitepool.stress;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * The allocations of sqlite-jdbc's native library, of which some fail. They go through a small library of ours, {@code allocations.c},
 * which the linker loads first, and which is told what to do through a file that both have mapped. Owned by one thread.
 */
final class Allocations {
    private static final String SOURCE = "allocations.c";
    private static final String CONTROL = "SQLITEPOOL_ALLOCATIONS";
    private static final String NATIVE_LIBRARY = "sqlitejdbc";
    private static final int LENGTH = 7 * Long.BYTES;

    // Where things are, as in allocations.c
    private static final int LOW = 0;
    private static final int HIGH = Long.BYTES;
    private static final int COUNT = 2 * Long.BYTES;
    private static final int FIRST = 3 * Long.BYTES;
    private static final int LAST = 4 * Long.BYTES;
    private static final int EVERY = 5 * Long.BYTES;
    private static final int FAILED = 6 * Long.BYTES;

    private final ByteBuffer control;

    /** Where the library is, and the environment in which a process has it. */
    record Library(Path file) {
        Map<String, String> environment(Path control) {
            return Map.of("LD_PRELOAD", file.toString(), CONTROL, control.toString());
        }
    }

    /** Compiles the library; null where that cannot be done. */
    static Library compiled(Path directory) throws IOException, InterruptedException {
        Path source = directory.resolve(SOURCE);
        try (InputStream in = Allocations.class.getResourceAsStream(SOURCE)) {
            Files.copy(in, source, StandardCopyOption.REPLACE_EXISTING);
        }
        Path library = directory.resolve("allocations.so");
        boolean compiled = Bash.succeeds(
                "cc", "-shared", "-fPIC", "-O1", "-Wl,-z,defs", "-o", library.toString(), source.toString());
        return compiled ? new Library(library) : null;
    }

    /** A file through which a process can be told. */
    static Path control(Path directory) throws IOException {
        return Files.write(directory.resolve("control"), new byte[LENGTH]);
    }

    /** Those of this process, which must have loaded the native library. */
    Allocations() throws IOException {
        try (FileChannel file =
                FileChannel.open(Path.of(System.getenv(CONTROL)), StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            control = file.map(FileChannel.MapMode.READ_WRITE, 0, LENGTH).order(ByteOrder.nativeOrder());
        }
        List<Long> ends = new ArrayList<>();
        try (Stream<String> lines = Files.lines(Path.of("/proc/self/maps"))) {
            lines.filter(line -> line.contains(NATIVE_LIBRARY)).forEach(line -> {
                ends.add(Long.parseUnsignedLong(line.substring(0, line.indexOf('-')), 16));
                ends.add(Long.parseUnsignedLong(line.substring(line.indexOf('-') + 1, line.indexOf(' ')), 16));
            });
        }
        if (ends.isEmpty()) {
            throw new IllegalStateException("The native library of sqlite-jdbc is not loaded.");
        }
        control.putLong(HIGH, ends.get(ends.size() - 1));
        control.putLong(LOW, ends.get(0));
    }

    /** From now on they fail: those from one to another, each so many. The first is 1. */
    void fail(long first, long last, long every) {
        control.putLong(LAST, 0);
        control.putLong(COUNT, 0);
        control.putLong(FAILED, 0);
        control.putLong(FIRST, first);
        control.putLong(EVERY, every);
        control.putLong(LAST, last);
    }

    /** None fails any more. */
    void succeed() {
        control.putLong(LAST, 0);
    }

    /** How many there were since something was said. */
    long count() {
        return control.getLong(COUNT);
    }

    /** How many of them have failed. */
    long failed() {
        return control.getLong(FAILED);
    }
}
