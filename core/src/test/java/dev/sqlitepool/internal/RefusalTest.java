package dev.sqlitepool.internal;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sqlitepool.Access;
import dev.sqlitepool.PoolException;
import dev.sqlitepool.PoolStats;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.testing.Pools;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class RefusalTest {
    private static final PoolStats.Connections NONE = new PoolStats.Connections(0, 0, 0, 0, 0, 0, Duration.ZERO, "");
    private static final PoolStats.Connections FREE = new PoolStats.Connections(1, 1, 0, 0, 0, 0, Duration.ZERO, "");

    private final Settings settings = Pools.settings(
            SqlitePool.builder().databasePath(Path.of("unused.db")).acquireTimeout(Duration.ofMillis(2_500)));

    private Refusal refusal() {
        return refusal(stats(NONE, FREE));
    }

    private Refusal refusal(PoolStats stats) {
        return new Refusal(settings, () -> stats);
    }

    private static PoolStats stats(PoolStats.Connections read, PoolStats.Connections write) {
        return new PoolStats(
                "shop", read, write, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, Map.of(), 0, 0, Duration.ZERO, Duration.ZERO, 0, 77);
    }

    private static Refusal.Wanted wanted(boolean lease, boolean effect) {
        return new Refusal.Wanted("task", Access.READ, lease, effect);
    }

    private String timeout(PoolStats.Connections read, PoolStats.Connections write) {
        return refusal().timeout(wanted(false, false), stats(read, write)).getMessage();
    }

    @Test
    void aTimeoutSaysWhoHoldsTheLanesAndForHowLong() {
        PoolStats.Connections read = new PoolStats.Connections(9, 0, 2, 0, 0, 3, Duration.ofMillis(1_250), "report");
        PoolStats.Connections write = new PoolStats.Connections(1, 0, 1, 0, 0, 9, Duration.ofMillis(4_900), "checkout");
        PoolStats stats = stats(read, write);
        assertThat(refusal().timeout(wanted(false, false), stats))
                .hasMessageStartingWith(settings.name() + ": no connection within 2.5 s for \"task\":"
                        + " write connection busy 4.9 s with \"checkout\", 12 waiting, read connections 2/9 busy,"
                        + " the longest 1.3 s with \"report\". ")
                .satisfies(error -> assertThat(error.stats()).isSameAs(stats));
    }

    @Test
    void aTimeoutSaysWhatTheLanesDo() {
        assertThat(timeout(NONE, FREE)).contains(": write connection free, 0 waiting. ");
        assertThat(timeout(NONE, new PoolStats.Connections(1, 0, 0, 1, 0, 0, Duration.ZERO, "")))
                .contains(": write connection opening, 0 waiting. ");
        assertThat(timeout(NONE, new PoolStats.Connections(1, 0, 0, 0, 1, 0, Duration.ZERO, "")))
                .contains(": write connection closing, 0 waiting. ");
        assertThat(timeout(new PoolStats.Connections(4, 0, 0, 2, 0, 1, Duration.ZERO, ""), FREE))
                .contains(": write connection free, 1 waiting, read connections 0/4 busy, 2 opening. ");
    }

    @Test
    void aFullLogNamesItsSizeAndItsReader() {
        assertThat(refusal(stats(NONE, FREE)).logFull("task", "a reader outside this pool", false))
                .hasMessageStartingWith(
                        settings.name() + ": \"task\" could not write within 2.5 s: the write-ahead log has reached"
                                + " its limit, 77 bytes, and cannot shrink past a reader outside this pool: write connection free");
    }

    @Test
    void whoWaitsForItselfIsToldWhichLanesItHolds() {
        assertThat(refusal().waitsForItself(Access.WRITE, 1))
                .hasMessageStartingWith(
                        "This task holds the only write connection of the pool " + settings.name() + ",");
        assertThat(refusal().waitsForItself(Access.READ, 9))
                .hasMessageStartingWith("This task holds all 9 read connections of the pool " + settings.name() + ",");
    }

    @Test
    void whoIsOneTooManyAndWhoComesTooLateAreToldSo() {
        PoolStats stats = stats(NONE, new PoolStats.Connections(1, 0, 1, 0, 0, 5, Duration.ofSeconds(1), "checkout"));
        assertThat(refusal(stats).exhausted(false))
                .hasMessageStartingWith(settings.name()
                        + ": 10000 tasks wait already, which is all that maxWaiters allows: write connection"
                        + " busy 1.0 s with \"checkout\", 5 waiting. ");
        assertThat(refusal(stats).closed(false))
                .hasMessage(settings.name() + " is closed. Nothing of the task took effect.");
    }

    @Test
    void whoMayHaveCommittedIsToldToLook() {
        PoolStats stats = stats(NONE, FREE);
        assertThat(List.of(
                        refusal().timeout(wanted(false, true), stats),
                        refusal(stats).exhausted(true),
                        refusal(stats).closed(true),
                        refusal(stats).logFull("task", "a reader", true)))
                .allMatch(PoolException::mayHaveHadEffect)
                .allSatisfy(error -> assertThat(error)
                        .hasMessageEndingWith(
                                "What the task has committed itself stays: look before you run it again."));
    }

    @Test
    void aLeaseThatFindsALaneFreeIsToldTheRule() {
        PoolStats.Connections read = new PoolStats.Connections(2, 1, 1, 0, 0, 1, Duration.ofMillis(1_250), "lease");
        assertThat(refusal().timeout(wanted(true, false), stats(read, FREE)))
                .hasMessageContaining("read connections 1/2 busy")
                .hasMessageContaining("Leases and streams may hold 1 of the 2 read connections at once");
    }

    @Test
    void whereNobodyHoldsALaneTheOpeningIsToBlame() {
        PoolStats.Connections read = new PoolStats.Connections(2, 0, 0, 2, 0, 2, Duration.ZERO, "");
        assertThat(timeout(read, FREE))
                .contains("A connection was still being opened: raise acquireTimeout")
                .doesNotContain("Find what holds them");
    }
}
