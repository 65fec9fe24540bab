package dev.sqlitepool.stress;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The programs run in their short form, and what they assert holds. */
@Timeout(600)
class StressTest {
    private final ByteArrayOutputStream printed = new ByteArrayOutputStream();

    private String printed() {
        return printed.toString(StandardCharsets.UTF_8);
    }

    private void assertHolds(String program) throws IOException {
        int exitCode = Stress.programs().run(new PrintStream(printed, true, StandardCharsets.UTF_8), program, "short");
        assertThat(exitCode).as(printed()).isZero();
    }

    @Test
    void aKilledProcessLosesNothingThatWasAcknowledged() throws IOException {
        assertHolds("kill");
        assertThat(printed()).contains("3 kills: every one is there");
    }

    /** Without strace it says that it is left out. */
    @Test
    void aPowerFailureLosesNothingThatWasAcknowledged() throws IOException {
        assertHolds("power-loss");
        assertThat(printed()).containsPattern("Left out: the power failures|every one is there");
    }

    @Test
    void whatClientsSeeIsStrictlySerializable() throws IOException {
        assertHolds("isolation");
        assertThat(printed()).contains("one process: strictly serializable", "3 processes: strictly serializable");
    }

    /** Without strace it says that it is left out. */
    @Test
    void systemCallsThatFailMakeNothingUntrue() throws IOException {
        assertHolds("faults");
        assertThat(printed()).containsPattern("Left out: the failing system calls|the pool works again");
    }

    /** Without the right to mount, or the tools, it says what is left out. */
    @Test
    void whatSurroundsADatabaseMayBreak() throws IOException {
        assertHolds("damage");
        assertThat(printed())
                .contains("the file is replaced by another", "no file descriptors are left")
                .containsPattern("Left out: missing permissions|the directory may not be written while the pool works")
                .containsPattern("Left out: no memory for SQLite|one allocation of SQLite fails, and all after it");
    }

    @Test
    void anOverloadIsRefusedOrServedInTurn() throws IOException {
        assertHolds("overload");
        assertThat(printed()).contains("first come, first served", "stall nobody");
    }

    @Test
    void whereThreadsMeetNothingForbiddenIsSeen() throws IOException {
        assertHolds("races");
        assertThat(printed())
                .contains(
                        "every race was run to its end",
                        "what remains after a completion is done, once",
                        "served, cancelled and timed out at once");
    }

    @Test
    void hostileFilesAreAnswered() throws IOException {
        assertHolds("hostile");
        assertThat(printed()).contains("nothing in a file has run code");
    }

    @Test
    void aSoakLosesAndDoublesNothing() throws IOException {
        assertHolds("soak");
        assertThat(printed()).contains("nobody saw SQLITE_BUSY", "connection, jdbc()", "lease, BEGIN", "executeBatch");
    }

    @Test
    void otherProcessesMayWriteToo() throws IOException {
        assertHolds("other-processes");
        assertThat(printed())
                .contains(
                        "process 3: every committed entry is there, once", "then the log shrinks", "the log is empty");
    }
}
