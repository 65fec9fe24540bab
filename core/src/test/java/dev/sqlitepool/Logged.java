package dev.sqlitepool;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** What the library has logged during a test, through {@link System.Logger} and so through {@code java.util.logging}. */
public final class Logged extends Handler implements BeforeEachCallback, AfterEachCallback {
    /** Kept, since a logger that nobody holds is collected with its handlers. */
    private final Logger logger = Logger.getLogger("dev.sqlitepool");

    private final List<LogRecord> records = new CopyOnWriteArrayList<>();

    @Override
    public void beforeEach(ExtensionContext context) {
        logger.addHandler(this);
    }

    @Override
    public void afterEach(ExtensionContext context) {
        logger.removeHandler(this);
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
    }

    @Override
    public void flush() {}

    @Override
    public void close() {}
}
