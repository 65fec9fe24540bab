package dev.sqlitepool.internal.telemetry;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sqlitepool.Access;
import dev.sqlitepool.PoolListener;
import dev.sqlitepool.PoolStats;
import dev.sqlitepool.PoolStats.CloseReason;
import dev.sqlitepool.testing.Logged;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.Function;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What a verb tells is in the statistics, and nothing else is; the listener hears what concerns it. */
class TelemetryTest {
    @RegisterExtension
    final Logged logged = new Logged("a connection has been held for");

    private static final Labelled TASK = () -> "task";

    private final AtomicLong clock = new AtomicLong();
    private final List<String> heard = new ArrayList<>();
    private final Telemetry telemetry = telemetry();

    private Telemetry telemetry() {
        PoolListener listener = new PoolListener() {
            @Override
            public void connectionOpened(Access access, Duration took) {
                heard.add("opened " + access + " in " + took);
            }

            @Override
            public void connectionClosed(Access access, CloseReason reason, Duration age) {
                heard.add("closed " + access + ", " + reason + ", after " + age);
            }

            @Override
            public void openFailed(Access access, Throwable error) {
                heard.add("not opened " + access + ": " + error.getMessage());
            }

            @Override
            public void readTooOld(String label, Duration held, boolean ended) {
                heard.add(label + " read for " + held + (ended ? ", ended" : ""));
            }

            @Override
            public void leakSuspected(Access access, String label, Duration held, Throwable submittedAt) {
                heard.add(label + " holds " + access + " for " + held + " since " + submittedAt.getMessage());
            }

            @Override
            public void walLimitReached(long bytes, String reader, Duration held) {
                heard.add(bytes + " bytes, for " + reader + " reads for " + held);
            }
        };
        return new Telemetry("test", clock::get, listener, Runnable::run);
    }

    private static PoolStats stats(Telemetry telemetry) {
        PoolStats.Connections none = new PoolStats.Connections(0, 0, 0, 0, 0, 0, Duration.ZERO, "");
        return telemetry.stats(none, none);
    }

    /** All figures by name, as numbers. */
    private static Map<String, Long> figures(PoolStats stats) {
        Map<String, Long> figures = new LinkedHashMap<>();
        figures.put("completed", stats.completed());
        figures.put("failed", stats.failed());
        figures.put("cancelled", stats.cancelled());
        figures.put("timeouts", stats.timeouts());
        figures.put("refused", stats.refused());
        figures.put("switches", stats.switches());
        figures.put("interrupts", stats.interrupts());
        figures.put("busyRetries", stats.busyRetries());
        figures.put("opened", stats.opened());
        figures.put("openFailures", stats.openFailures());
        figures.put("statementHits", stats.statementHits());
        figures.put("statementMisses", stats.statementMisses());
        figures.put("waitTime", stats.waitTime().toNanos());
        figures.put("holdTime", stats.holdTime().toNanos());
        figures.put("checkpoints", stats.checkpoints());
        figures.put("walSize", stats.walSize());
        stats.closed().forEach((reason, count) -> figures.put(reason.name(), count));
        return figures;
    }

    private record Verb(String name, Consumer<Telemetry> told, Function<PoolStats, Long> figure, long adds) {}

    @TestFactory
    List<DynamicTest> aVerbRaisesItsFigureAndNoOther() {
        Exception error = new IllegalStateException("error");
        List<Verb> verbs = new ArrayList<>(List.of(
                new Verb(
                        "acquired",
                        t -> t.acquired(Access.READ, TASK, 7),
                        s -> s.waitTime().toNanos(),
                        7),
                new Verb(
                        "released",
                        t -> t.released(Access.WRITE, TASK, 9),
                        s -> s.holdTime().toNanos(),
                        9),
                new Verb("switched", t -> t.switched(TASK), PoolStats::switches, 1),
                new Verb("opened", t -> t.opened(Access.READ, 5), PoolStats::opened, 1),
                new Verb("openFailed", t -> t.openFailed(Access.READ, error), PoolStats::openFailures, 1),
                new Verb("served with a value", t -> t.served(TASK, null), PoolStats::completed, 1),
                new Verb("served with an error", t -> t.served(TASK, error), PoolStats::failed, 1),
                new Verb("failed", t -> t.failed(TASK, error), PoolStats::failed, 1),
                new Verb("cancelled", t -> t.cancelled(TASK), PoolStats::cancelled, 1),
                new Verb("timedOut", t -> t.timedOut(Access.READ, TASK), PoolStats::timeouts, 1),
                new Verb("refused", t -> t.refused(TASK), PoolStats::refused, 1),
                new Verb("interrupted", t -> t.interrupted(TASK), PoolStats::interrupts, 1),
                new Verb("retried", Telemetry::retried, PoolStats::busyRetries, 1),
                new Verb("statementHit", Telemetry::statementHit, PoolStats::statementHits, 1),
                new Verb("statementMiss", Telemetry::statementMiss, PoolStats::statementMisses, 1),
                new Verb("checkpointed", t -> t.checkpointed(false), PoolStats::checkpoints, 1),
                new Verb("walSize", t -> t.walSize(4096), PoolStats::walSize, 4096)));
        Arrays.stream(CloseReason.values())
                .map(reason -> new Verb(
                        "closed, " + reason,
                        t -> t.closed(Access.READ, reason, 0),
                        s -> s.closed().get(reason),
                        1))
                .forEach(verbs::add);
        return verbs.stream()
                .map(verb -> DynamicTest.dynamicTest(verb.name(), () -> raises(verb)))
                .toList();
    }

    private static void raises(Verb verb) {
        Telemetry fresh = new Telemetry("test", () -> 0, null, Runnable::run);
        assertThat(figures(stats(fresh)).values()).containsOnly(0L);
        verb.told().accept(fresh);
        assertThat(verb.figure().apply(stats(fresh))).isEqualTo(verb.adds());
        assertThat(figures(stats(fresh)).values())
                .filteredOn(figure -> figure != 0)
                .hasSize(1);
    }

    @Test
    void theWaitsAndTheHoldsOfAllAddUp() {
        telemetry.acquired(Access.READ, TASK, 1);
        telemetry.acquired(Access.WRITE, TASK, 2);
        telemetry.released(Access.READ, TASK, 30);
        telemetry.released(Access.WRITE, TASK, 40);
        assertThat(stats(telemetry).waitTime()).isEqualTo(Duration.ofNanos(3));
        assertThat(stats(telemetry).holdTime()).isEqualTo(Duration.ofNanos(70));
    }

    @Test
    void theListenerHearsOfConnections() {
        telemetry.opened(Access.READ, 5_000_000);
        telemetry.openFailed(Access.WRITE, new IllegalStateException("no file"));
        clock.set(9_000_000_000L);
        telemetry.closed(Access.READ, CloseReason.AGED, 2_000_000_000);
        telemetry.leaked(Access.WRITE, "task", Duration.ofSeconds(3), new Throwable("there"));
        assertThat(heard)
                .containsExactly(
                        "opened READ in PT0.005S",
                        "not opened WRITE: no file",
                        "closed READ, AGED, after PT7S",
                        "task holds WRITE for PT3S since there");
    }

    @Test
    void theListenerHearsWhatKeepsTheLogLong() {
        telemetry.walSize(4096);
        assertThat(telemetry.walSize()).isEqualTo(4096);
        telemetry.walLimitReached(4096, "report", Duration.ofSeconds(1));
        telemetry.readTooOld("report", Duration.ofSeconds(1), false);
        telemetry.readTooOld("report", Duration.ofSeconds(2), true);
        assertThat(heard)
                .containsExactly(
                        "4096 bytes, for report reads for PT1S", "report read for PT1S", "report read for PT2S, ended");
    }

    @Test
    void noLabelIsAskedForByAVerbOfEveryTask() {
        Labelled silent = () -> {
            throw new AssertionError("asked");
        };
        telemetry.acquired(Access.READ, silent, 1);
        telemetry.released(Access.READ, silent, 1);
        telemetry.served(silent, null);
        assertThat(stats(telemetry).completed()).isEqualTo(1);
    }
}
