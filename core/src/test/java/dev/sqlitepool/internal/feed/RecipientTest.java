package dev.sqlitepool.internal.feed;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.internal.feed.Recipient.End;
import dev.sqlitepool.internal.pool.LanePool;
import dev.sqlitepool.testing.Logged;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A subscriber alone, for a pool that opens nothing. */
class RecipientTest {
    @RegisterExtension
    final Logged logged = new Logged();

    private final List<String> signals = new ArrayList<>();
    private boolean throwing;

    private void signalled(String signal) {
        signals.add(signal);
        if (throwing) {
            throw new IllegalStateException("subscriber's own");
        }
    }

    private Recipient<String> recipient(Executor users) {
        var builder = SqlitePool.builder().databasePath(Path.of("unused.db"));
        LanePool pool = (LanePool) (users == null ? builder : builder.executor(users)).build();
        return new Recipient<>(pool.parts().means(), () -> "rows", new Flow.Subscriber<String>() {
            @Override
            public void onSubscribe(Flow.Subscription subscription) {
                signalled("subscribed");
            }

            @Override
            public void onNext(String item) {
                signalled(item);
            }

            @Override
            public void onError(Throwable error) {
                signalled("failed: " + error.getMessage());
            }

            @Override
            public void onComplete() {
                signalled("completed");
            }
        });
    }

    @Test
    void itIsToldWhatComesAndHowItEnds() {
        Recipient<String> recipient = recipient(null);
        assertThat(recipient.subscribed(null)).isTrue();
        assertThat(recipient.next("row")).isTrue();
        recipient.last(End.COMPLETE);
        recipient(null).last(End.of(new IllegalStateException("error")));
        recipient(null).last(End.CANCELLED);
        assertThat(signals).containsExactly("subscribed", "row", "completed", "failed: error");
        assertThat(logged.warnings()).isEmpty();
    }

    @Test
    void oneThatThrowsIsLoggedEachTime() {
        throwing = true;
        Recipient<String> recipient = recipient(null);
        assertThat(recipient.subscribed(null)).isFalse();
        assertThat(recipient.next("row")).isFalse();
        recipient.last(End.COMPLETE);
        assertThat(signals).containsExactly("subscribed", "row", "completed");
        assertThat(logged.warnings())
                .hasSize(3)
                .allMatch(warning -> warning.contains("the subscriber of \"rows\" failed"));
    }

    @Test
    void itIsSignalledHereOrOnTheUsersExecutor() {
        List<Runnable> later = new ArrayList<>();
        Recipient<String> here = recipient(null);
        Recipient<String> there = recipient(later::add);
        assertThat(here.isHere()).isTrue();
        assertThat(there.isHere()).isFalse();
        here.signal(() -> signals.add("here"));
        there.signal(() -> signals.add("there"));
        assertThat(signals).containsExactly("here");
        later.forEach(Runnable::run);
        assertThat(signals).containsExactly("here", "there");
    }

    @Test
    void anExecutorThatRefusesLosesNoSignal() {
        Recipient<String> recipient = recipient(body -> {
            throw new IllegalStateException("full");
        });
        recipient.signal(() -> signals.add("here"));
        assertThat(signals).containsExactly("here");
    }
}
