package dev.sqlitepool.internal.file;

import java.io.Closeable;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Locale;

/**
 * A file that is open to be put on disk, no matter through which descriptor it is written. Thread-safe, except {@link
 * #close}.
 *
 * <p>{@link java.io.FileDescriptor#sync} is {@code fsync}, which on macOS leaves the content in the memory of the drive
 * (<a
 * href="https://developer.apple.com/library/archive/documentation/System/Conceptual/ManPages_iPhoneOS/man2/fsync.2.html">fsync(2)</a>).
 * There the JDK makes the full sync, {@code F_FULLFSYNC}, only for a channel. A {@code FileChannel} would close itself
 * when its thread is interrupted, and hide an error of the sync behind that. An {@link AsynchronousFileChannel} does
 * not look at interrupts, and {@code force} runs on the calling thread. It is not used elsewhere because on Windows it
 * starts threads.
 */
public interface SyncedFile extends Closeable {
    /** Returns when the content that was written before the call is on disk. */
    void sync() throws IOException;

    /** In bytes. */
    long length() throws IOException;

    /** Whether only a full sync reaches the disk on this operating system; a value of {@code os.name}. */
    static boolean needsFullSync(String system) {
        return system.toLowerCase(Locale.ROOT).startsWith("mac");
    }

    /** Whether only a full sync reaches the disk here. */
    static boolean needsFullSync() {
        return needsFullSync(System.getProperty("os.name", ""));
    }

    /** Opens a file that exists, for the sync that reaches the disk here. */
    static SyncedFile open(Path file) throws IOException {
        return needsFullSync() || !PathText.isFile(file)
                ? new Full(AsynchronousFileChannel.open(file, StandardOpenOption.WRITE))
                : new Plain(new RandomAccessFile(file.toFile(), "rw"));
    }

    /** Puts the entries of a directory on disk. Fails where a directory cannot be opened, as on Windows. */
    static void syncDirectory(Path directory) throws IOException {
        try (SyncedFile entries = new Full(AsynchronousFileChannel.open(directory, StandardOpenOption.READ))) {
            entries.sync();
        }
    }

    /** Through {@code fsync}. */
    record Plain(RandomAccessFile file) implements SyncedFile {
        @Override
        public void sync() throws IOException {
            file.getFD().sync();
        }

        @Override
        public long length() throws IOException {
            return file.length();
        }

        @Override
        public void close() throws IOException {
            file.close();
        }
    }

    /** Through {@code F_FULLFSYNC} where there is one. */
    record Full(AsynchronousFileChannel file) implements SyncedFile {
        @Override
        public void sync() throws IOException {
            file.force(true);
        }

        @Override
        public long length() throws IOException {
            return file.size();
        }

        @Override
        public void close() throws IOException {
            file.close();
        }
    }
}
