package dev.sqlitepool.stress;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sqlitepool.stress.Observed.Fate;
import dev.sqlitepool.stress.Observed.Step;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Histories of a few transactions, right ones and each kind of wrong one. */
class SerializabilityTest {
    private static Step append(int key, long value) {
        return new Step(true, key, List.of(value));
    }

    private static Step read(int key, Long... values) {
        return new Step(false, key, List.of(values));
    }

    private static Observed at(long began, long ended, Step... steps) {
        return new Observed(began, ended, Fate.COMMITTED, List.of(steps));
    }

    private static List<String> wrongs(Map<Integer, List<Long>> ends, Observed... history) {
        return Serializability.wrongs(List.of(history), ends);
    }

    @Test
    void oneAfterTheOtherIsRight() {
        assertThat(wrongs(
                        Map.of(1, List.of(10L, 11L), 2, List.of(20L)),
                        at(0, 1, append(1, 10)),
                        at(2, 3, read(1, 10L), append(2, 20)),
                        at(4, 5, read(2, 20L), append(1, 11), read(1, 10L, 11L))))
                .isEmpty();
    }

    @Test
    void whatOverlapsMayBeInEitherOrder() {
        Map<Integer, List<Long>> ends = Map.of(1, List.of(10L));
        assertThat(wrongs(ends, at(0, 5, append(1, 10)), at(1, 4, read(1)))).isEmpty();
        assertThat(wrongs(ends, at(0, 5, append(1, 10)), at(1, 4, read(1, 10L))))
                .isEmpty();
    }

    @Test
    void aReadThatMissesWhatWasAcknowledgedBeforeIsStale() {
        assertThat(wrongs(Map.of(1, List.of(10L)), at(0, 1, append(1, 10)), at(2, 3, read(1))))
                .singleElement()
                .asString()
                .contains("a cycle");
    }

    @Test
    void anAppendThatIsMissingAtTheEndIsLost() {
        assertThat(wrongs(Map.of(), at(0, 1, append(1, 10))))
                .singleElement()
                .asString()
                .startsWith("lost");
    }

    @Test
    void anAppendThatIsThereTwiceIsWrong() {
        assertThat(wrongs(Map.of(1, List.of(10L, 10L)), at(0, 1, append(1, 10))))
                .singleElement()
                .asString()
                .contains("twice");
    }

    @Test
    void whatWasRolledBackMustNotBeThere() {
        Observed undone = new Observed(0, Long.MAX_VALUE, Fate.ROLLED_BACK, List.of(append(1, 10)));
        assertThat(wrongs(Map.of(1, List.of(10L)), undone))
                .singleElement()
                .asString()
                .contains("nobody has committed");
        assertThat(wrongs(Map.of(), undone)).isEmpty();
    }

    @Test
    void whatIsUnknownMayBeThereOrNot() {
        Observed unknown = new Observed(0, Long.MAX_VALUE, Fate.UNKNOWN, List.of(append(1, 10)));
        assertThat(wrongs(Map.of(1, List.of(10L)), unknown)).isEmpty();
        assertThat(wrongs(Map.of(), unknown)).isEmpty();
    }

    /** Both read what the other is about to change: snapshots alone would allow it. */
    @Test
    void writeSkewIsFound() {
        assertThat(wrongs(
                        Map.of(1, List.of(10L), 2, List.of(20L)),
                        at(0, 9, read(2), append(1, 10)),
                        at(0, 9, read(1), append(2, 20))))
                .singleElement()
                .asString()
                .contains("a cycle");
    }

    /** Two readers see two independent writes in two orders. */
    @Test
    void aLongForkIsFound() {
        assertThat(wrongs(
                        Map.of(1, List.of(10L), 2, List.of(20L)),
                        at(0, 9, append(1, 10)),
                        at(0, 9, append(2, 20)),
                        at(0, 9, read(1, 10L), read(2)),
                        at(0, 9, read(2, 20L), read(1))))
                .singleElement()
                .asString()
                .contains("a cycle");
    }

    @Test
    void halfOfATransactionIsFound() {
        assertThat(wrongs(
                        Map.of(1, List.of(10L), 2, List.of(20L)),
                        at(0, 9, append(1, 10), append(2, 20)),
                        at(0, 9, read(1, 10L), read(2))))
                .singleElement()
                .asString()
                .contains("a cycle");
    }

    @Test
    void aReadInAnotherOrderThanTheEndIsWrong() {
        assertThat(wrongs(
                        Map.of(1, List.of(10L, 11L)),
                        at(0, 9, append(1, 10)),
                        at(0, 9, append(1, 11)),
                        at(0, 9, read(1, 11L))))
                .singleElement()
                .asString()
                .contains("another order");
    }

    @Test
    void oneMustReadWhatOneHasWritten() {
        assertThat(wrongs(Map.of(1, List.of(10L)), at(0, 9, append(1, 10), read(1))))
                .singleElement()
                .asString()
                .contains("written itself");
    }

    @Test
    void aHistoryOutlivesAFile() {
        Observed one = at(1, 2, append(1, 10), read(1, 9L, 10L), read(2));
        assertThat(Observed.of(one.line())).isEqualTo(one);
    }
}
