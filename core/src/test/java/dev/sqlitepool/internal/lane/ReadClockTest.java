package dev.sqlitepool.internal.lane;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sqlitepool.internal.telemetry.Telemetry;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class ReadClockTest {
    private final AtomicLong time = new AtomicLong(10);
    private final ReadClock clock = new ReadClock(new Telemetry("test", time::get, null, Runnable::run));

    @Test
    void aReadLastsFromTheFirstLookThatSeesItToTheLast() {
        assertThat(clock.lasted(10)).isZero();
        clock.look(true);
        time.set(15);
        clock.look(true);
        assertThat(clock.lasted(17)).isEqualTo(Duration.ofNanos(7));
        clock.look(false);
        assertThat(clock.lasted(20)).isZero();
        clock.look(false);
        clock.look(true);
        assertThat(clock.lasted(20)).isEqualTo(Duration.ofNanos(5));
    }
}
