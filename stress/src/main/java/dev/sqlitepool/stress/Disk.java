package dev.sqlitepool.stress;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;

/**
 * What a disk may hold after a power failure: everything that was synced, and of the rest any part. Not thread-safe.
 *
 * <p>A sync covers what returned before the sync began, and counts from its own return on. What is not covered may be there or not, each
 * write by itself and each of its sectors by itself: so any order of writing, and torn pages, are among what may be found. A file's
 * name is safe when its directory was synced after it was made. Only files of one directory are looked at.
 */
final class Disk {
    static final int SECTOR = 512;

    /** A change of a file: bytes at a place, or, without bytes, its length. */
    private record Change(int call, byte[] bytes, long at) {
        boolean isLength() {
            return bytes == null;
        }
    }

    /** A file by its name; a name that is unlinked and made again is another file. */
    private static final class State {
        private byte[] synced = new byte[0];
        private final List<Change> changes = new ArrayList<>();
        /** Whether a power failure leaves its name. */
        private boolean named;
        /** Whether it is unlinked, though perhaps not for the disk. */
        private boolean gone;
    }

    private final String directory;
    private final Map<String, State> files = new LinkedHashMap<>();
    /** What each sync that runs will have covered, by the number of its call. */
    private final Map<Integer, Set<Integer>> covered = new HashMap<>();

    private int syncs;

    Disk(Path directory) {
        this.directory = directory.toString();
    }

    int syncs() {
        return syncs;
    }

    /** Lets one end of a system call happen. */
    void happens(SystemCall call) {
        String path = call.path();
        switch (call.name()) {
            case "openat" -> {
                if (call.returned()) {
                    opened(call.text());
                }
            }
            case "unlink" -> {
                if (call.returned()) {
                    State file = files.get(name(call.text()));
                    if (file != null) {
                        file.gone = true;
                    }
                }
            }
            case "pwrite64" -> {
                if (call.returned() && isHere(path)) {
                    byte[] bytes = Arrays.copyOf(call.bytes(), (int) call.result());
                    file(path).changes.add(new Change(call.number(), bytes, call.lastNumber()));
                }
            }
            case "ftruncate" -> {
                if (call.returned() && isHere(path)) {
                    file(path).changes.add(new Change(call.number(), null, call.lastNumber()));
                }
            }
            case "fsync", "fdatasync" -> syncs(call);
            default -> {
                if (isHere(path)) {
                    throw new IllegalStateException("this model of a disk knows nothing of " + call);
                }
            }
        }
    }

    private boolean isHere(String path) {
        return path.startsWith(directory + "/") && !path.endsWith("-shm");
    }

    private static String name(String text) {
        int begin = text.indexOf('"') + 1;
        return text.substring(begin, text.indexOf('"', begin));
    }

    private State file(String path) {
        return files.computeIfAbsent(path.replace(" (deleted)", ""), key -> new State());
    }

    private void opened(String text) {
        String path = name(text);
        if (!isHere(path) || !text.contains("O_CREAT")) {
            return;
        }
        State before = files.get(path);
        if (before == null) {
            files.put(path, new State());
        } else if (before.gone) {
            State again = new State();
            again.named = before.named; // the disk may still have the name, and what was there
            files.put(path, again);
        }
    }

    private void syncs(SystemCall call) {
        if (call.path().equals(directory)) {
            if (call.returned()) {
                files.values().removeIf(file -> file.gone);
                files.values().forEach(file -> file.named = true);
                syncs++;
            }
            return;
        }
        if (!isHere(call.path())) {
            return;
        }
        State file = file(call.path());
        if (!call.returned()) {
            Set<Integer> before = new HashSet<>();
            file.changes.forEach(change -> before.add(change.call()));
            covered.put(call.number(), before);
            return;
        }
        Set<Integer> before = covered.remove(call.number());
        for (Change change : file.changes) {
            if (before.contains(change.call())) {
                file.synced = applied(file.synced, change);
            }
        }
        file.changes.removeIf(change -> before.contains(change.call()));
        syncs++;
    }

    /** Writes into a directory what may be left. */
    void fail(Random random, Path into) throws IOException {
        double kept = List.of(0.0, 0.2, 0.5, 0.8, 1.0).get(random.nextInt(5));
        for (Map.Entry<String, State> entry : files.entrySet()) {
            State file = entry.getValue();
            boolean there = file.named ? !file.gone || random.nextBoolean() : !file.gone && random.nextDouble() < kept;
            if (there) {
                byte[] content = file.synced;
                for (Change change : file.changes) {
                    content = partly(content, change, random, kept);
                }
                Files.write(into.resolve(Path.of(entry.getKey()).getFileName()), content);
            }
        }
    }

    private static byte[] partly(byte[] content, Change change, Random random, double kept) {
        if (change.isLength()) {
            return random.nextDouble() < kept ? applied(content, change) : content;
        }
        byte[] result = content;
        int from = 0;
        while (from < change.bytes().length) {
            long at = change.at() + from;
            int length = (int) Math.min(change.bytes().length - from, SECTOR - at % SECTOR);
            if (random.nextDouble() < kept) {
                byte[] sector = Arrays.copyOfRange(change.bytes(), from, from + length);
                result = applied(result, new Change(change.call(), sector, at));
            }
            from += length;
        }
        return result;
    }

    private static byte[] applied(byte[] content, Change change) {
        if (change.isLength()) {
            return Arrays.copyOf(content, (int) change.at());
        }
        int end = (int) change.at() + change.bytes().length;
        byte[] result = end > content.length ? Arrays.copyOf(content, end) : content.clone();
        System.arraycopy(change.bytes(), 0, result, (int) change.at(), change.bytes().length);
        return result;
    }
}
