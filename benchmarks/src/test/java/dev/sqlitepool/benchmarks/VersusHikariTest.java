package dev.sqlitepool.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

/** The comparison runs, and prints every ratio. What they are is for the benchmark to show, not for a test to demand. */
class VersusHikariTest {
    @Test
    void theComparisonPrintsARatioForEachWorkload() throws Exception {
        PrintStream out = System.out;
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
        try {
            VersusHikari.main(new String[] {"0.05", "1"});
        } finally {
            System.setOut(out);
        }
        assertThat(printed.toString(StandardCharsets.UTF_8))
                .contains("transaction", "execute", "query (point read)", "one blocking thread")
                .containsPattern("(?s)(ratio.*){4}");
    }
}
