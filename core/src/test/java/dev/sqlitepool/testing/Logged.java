package dev.sqlitepool.testing;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * What the library has logged during a test, through {@link System.Logger} and so through {@code java.util.logging}. What the test expects is not
 * printed, unless the test fails: a green run prints nothing that looks like a fault.
 */
public final class Logged extends Handler implements BeforeEachCallback {
    /** Kept, since a logger that nobody holds is collected with its handlers. */
    private final Logger logger = Logger.getLogger("dev.sqlitepool");

    private final List<LogRecord> records = new CopyOnWriteArrayList<>();
    private final List<String> expected;

    /** Expects whatever there is: the test looks at it. */
    public Logged() {
        this("");
    }

    /** Expects what contains one of these words; anything else is printed. */
    public Logged(String... expected) {
        this.expected = List.of(expected);
    }

    @Override
    public void beforeEach(ExtensionContext context) {
        logger.addHandler(this);
        logger.setUseParentHandlers(false);
        AutoCloseable end = () -> end(context.getExecutionException().isPresent());
        context.getStore(ExtensionContext.Namespace.create(Logged.class)).put(this, end); // after the pools are closed
    }

    private void end(boolean failed) {
        logger.removeHandler(this);
        logger.setUseParentHandlers(true);
        if (failed) {
            records.stream().filter(this::isExpected).forEach(Logged::print);
        }
    }

    private boolean isExpected(LogRecord record) {
        return expected.stream().anyMatch(record.getMessage()::contains);
    }

    private static void print(LogRecord record) {
        for (Handler handler : Logger.getLogger("").getHandlers()) {
            handler.publish(record);
        }
    }

    public List<String> warnings() {
        return messages(Level.WARNING);
    }

    public List<String> errors() {
        return messages(Level.SEVERE);
    }

    private List<String> messages(Level level) {
        return records.stream()
                .filter(record -> record.getLevel() == level)
                .map(LogRecord::getMessage)
                .toList();
    }

    public void clear() {
        records.clear();
    }

    @Override
    public void publish(LogRecord record) {
        records.add(record);
        if (!isExpected(record)) {
            print(record);
        }
    }

    @Override
    public void flush() {}

    @Override
    public void close() {}
}
