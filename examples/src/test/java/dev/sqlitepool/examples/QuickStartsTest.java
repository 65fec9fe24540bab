package dev.sqlitepool.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class QuickStartsTest {
    @TempDir
    Path directory;

    private final Console console = new Console();

    @Test
    void byPathFindsAlice() throws Exception {
        Path database = directory.resolve("my_app.db");
        QuickStarts.byPath(database, console.out);
        assertThat(console.printed()).isEqualToIgnoringNewLines("Found user: Alice");
        assertThat(Jdbc.column(database, "SELECT name FROM users")).containsExactly("Alice");
    }

    @Test
    void byConnectionFactoryFindsBobByColumnNames() throws Exception {
        Path database = directory.resolve("my_app.db");
        QuickStarts.byConnectionFactory(database, console.out);
        assertThat(console.printed()).isEqualToIgnoringNewLines("Found user: id=1, name=Bob");
        assertThat(Jdbc.column(database, "SELECT name FROM users WHERE id = 1")).containsExactly("Bob");
    }

    @Test
    void bothCanBeRepeatedOnTheirFiles() {
        for (int i = 0; i < 2; i++) {
            QuickStarts.byPath(directory.resolve("path.db"), console.out);
            QuickStarts.byConnectionFactory(directory.resolve("factory.db"), console.out);
        }
        assertThat(console.printed().lines())
                .containsExactly(
                        "Found user: Alice",
                        "Found user: id=1, name=Bob",
                        "Found user: Alice",
                        "Found user: id=1, name=Bob");
    }
}
