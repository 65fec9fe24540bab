package dev.sqlitepool.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The programs run in their short form, and what they assert holds. Figures are for the long form to show, not for a test to demand. */
@Timeout(600)
class BenchmarksTest {
    private final ByteArrayOutputStream printed = new ByteArrayOutputStream();

    private int run(String... arguments) throws IOException {
        return Benchmarks.programs().run(new PrintStream(printed, true, StandardCharsets.UTF_8), arguments);
    }

    private String printed() {
        return printed.toString(StandardCharsets.UTF_8);
    }

    private void assertHolds(String program) throws IOException {
        int exitCode = run(program, "short");
        assertThat(exitCode).as(printed()).isZero();
    }

    @Test
    void withoutArgumentsThereIsAListOfThePrograms() throws IOException {
        assertThat(run()).isZero();
        assertThat(printed()).contains("versus-hikari", "compare", "wal", "virtual-threads", "blocked-stage", "parts");
    }

    @Test
    void anUnknownProgramAndAnUnclearArgumentAreRefused() throws IOException {
        assertThat(run("versus")).isEqualTo(2);
        assertThat(run("versus-hikari", "never")).isEqualTo(2);
        assertThat(run("wal", "-1")).isEqualTo(2);
        assertThat(run("wal", "1", "2")).isEqualTo(2);
        assertThat(printed()).contains("There is no program versus.", "The argument was never", "The argument was -1");
    }

    @Test
    void theComparisonPrintsARatioForEachWorkload() throws IOException {
        assertHolds("versus-hikari");
        assertThat(printed())
                .contains("Transaction of two statements", "Single INSERT", "Point read, 64", "Point read, one")
                .containsPattern("(?s)(ratio.*){4}");
    }

    @Test
    void theComparisonWithPeersWritesItsReport() throws IOException {
        assertHolds("compare");
        assertThat(printed())
                .contains("| target |", "80 % point reads", "every acknowledged row is there", "Written into");
    }

    @Test
    void costsAreMeasuredByJmh() throws IOException {
        assertHolds("costs");
    }

    @Test
    void growthIsShownForRowsWaitersAndConnections() throws IOException {
        assertHolds("growth");
        assertThat(printed()).contains("10,000 rows", "100 at once", "4 connections");
    }

    @Test
    void snapshotsOverlapWhileTheSizeOfTheWalIsDrawn() throws IOException {
        assertHolds("wal");
        assertThat(printed()).contains("without readers", "with readers", "no snapshot changed");
    }

    @Test
    void virtualThreadsSleepBesideSlowQueries() throws IOException {
        assertHolds("virtual-threads");
        assertThat(printed()).contains(Runtime.version().feature() < 21 ? "no virtual threads" : "no query");
    }

    @Test
    void aStageThatBlocksDelaysNobody() throws IOException {
        assertHolds("blocked-stage");
        assertThat(printed()).contains("on the worker, one blocks", "elastic executor, one blocks");
    }

    @Test
    void eachPartCanBeSwitchedOff() throws IOException {
        assertHolds("parts");
        assertThat(printed()).contains("everything on", "without gate", "without groups", "without statement cache");
    }
}
