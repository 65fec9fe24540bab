package dev.sqlitepool.internal.file;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.internal.telemetry.Telemetry;
import dev.sqlitepool.testing.Pools;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is synced is the log that SQLite would recover from, and not a file that once had its name. */
class WalFileTest {
    @TempDir
    Path directory;

    private Path log;
    private WalFile wal;

    @BeforeEach
    void open() throws IOException {
        log = Files.write(directory.resolve("test.db-wal"), new byte[32]);
        wal = new WalFile(directory.resolve("test.db"), new Telemetry("test", System::nanoTime, null, Runnable::run));
        wal.sync();
    }

    @Test
    void aLogThatIsGoneIsNotSynced() throws IOException {
        Files.delete(log);
        assertThatThrownBy(wal::sync).isInstanceOf(IOException.class).hasMessageContaining("is gone");
        wal.close();
    }

    @Test
    void aLogThatIsAnotherIsNoticed() throws IOException {
        Path other = Files.write(directory.resolve("other"), new byte[32]);
        Files.move(other, log, StandardCopyOption.REPLACE_EXISTING);
        Pools.await("noticed", () -> {
            try {
                wal.sync();
                return false;
            } catch (IOException e) {
                return e.getMessage().contains("is not the file any more that it was");
            }
        });
        wal.close();
    }

    @Test
    void afterCloseNothingIsSynced() throws IOException {
        wal.close();
        assertThatThrownBy(wal::sync).isInstanceOf(IOException.class).hasMessageContaining("is closed");
    }

    @Test
    void anInterruptedThreadClosesItAndStaysInterrupted() throws IOException {
        Thread.currentThread().interrupt();
        wal.sync();
        wal.close();
        assertThat(Thread.interrupted()).isTrue();
        assertThat(Pools.openFiles(directory.toRealPath())).isEmpty();
    }
}
