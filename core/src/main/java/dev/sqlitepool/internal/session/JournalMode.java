package dev.sqlitepool.internal.session;

import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.sql.SqlText;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;

/**
 * The journal mode with which connections are set up, and on which the sync of commits and all other connections rely. Immutable.
 *
 * @param mode null if each connection may choose
 */
record JournalMode(@Nullable String mode) {
    static JournalMode of(Settings settings) {
        return new JournalMode(settings.inMemory() ? null : settings.pragmas().getOrDefault("journal_mode", ""));
    }

    /** Refuses to change the journal of the file. */
    void requireKept(SqlText sql) throws SQLException {
        String wanted = sql.journalMode();
        if (mode != null && wanted != null && !wanted.equalsIgnoreCase(mode)) {
            throw Misuse.journal(sql);
        }
    }

    /** Whether a pragma names the journal mode that the file has already, and so changes nothing. */
    boolean isKeptBy(SqlText sql) {
        String wanted = sql.journalMode();
        return mode != null && wanted != null && wanted.equalsIgnoreCase(mode);
    }
}
