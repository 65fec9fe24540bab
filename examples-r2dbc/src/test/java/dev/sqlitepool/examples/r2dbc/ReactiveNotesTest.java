package dev.sqlitepool.examples.r2dbc;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(240)
class ReactiveNotesTest {
    @TempDir
    Path directory;

    @Test
    void everyNoteIsWrittenAndNoneIsSeenHalf() throws Exception {
        Path file = directory.resolve("notes.db");
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        ReactiveNotes.run(file, new PrintStream(printed, true, UTF_8));
        assertThat(printed.toString(UTF_8).lines())
                .hasSize(8)
                .startsWith("400 notes written, never half of one seen", "Ada 100", "Bob 100", "Cy 100", "Dee 100")
                .last()
                .asString()
                .matches("\\w+, note \\d+");
        try (Stream<Path> files = Files.list(directory)) {
            assertThat(files).containsExactly(file);
        }
    }
}
