package dev.sqlitepool;

import dev.sqlitepool.internal.Settings;

/** What a builder is set to, for tests of other packages. */
public final class BuilderSettings {
    private BuilderSettings() {}

    public static Settings of(SqlitePoolBuilder builder) {
        return builder.settings();
    }
}
