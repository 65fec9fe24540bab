package dev.sqlitepool.testing;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;
import org.sqlite.Function;
import org.sqlite.SQLiteConnection;

/**
 * The time of a pool in a test, which stands still until the test lets some pass. So nothing takes too long on a busy machine, and what is to take
 * too long does so on a fast one. The pool's timer runs in real time and then looks at this clock: a timeout should be short, so that it looks soon.
 */
public final class TestClock implements LongSupplier {
    private final AtomicLong passed = new AtomicLong();
    private final LongSupplier start;

    private TestClock(LongSupplier start) {
        this.start = start;
    }

    /** Stands still. */
    public TestClock() {
        this(() -> Long.MAX_VALUE - Duration.ofMinutes(1).toNanos()); // passes the overflow
    }

    /** Goes on in real time, besides what the test lets pass. */
    public static TestClock running() {
        return new TestClock(System::nanoTime);
    }

    @Override
    public long getAsLong() {
        return start.getAsLong() + passed.get();
    }

    public void pass(Duration time) {
        passed.addAndGet(time.toNanos());
    }

    /** For {@code onConnect}: the SQL function {@code later()} lets an hour pass, and gives 0. */
    public void teach(Connection connection) throws SQLException {
        Function.create(connection.unwrap(SQLiteConnection.class), "later", new Function() {
            @Override
            protected void xFunc() throws SQLException {
                pass(Duration.ofHours(1));
                result(0);
            }
        });
    }
}
