package dev.sqlitepool;

/** What an acknowledged write survives. */
public enum Durability {
    /**
     * Acknowledged means on disk: the write survives power loss, as far as the operating system and the disk keep
     * their promise to sync. This is SQLite's <a
     * href="https://www.sqlite.org/pragma.html#pragma_synchronous">{@code synchronous=FULL}</a>.
     */
    FULL,
    /**
     * Acknowledged means committed: the write survives a crash of the process, but the last writes may be lost when the
     * power fails or the operating system crashes. The database never becomes corrupt by it. This is SQLite's {@code
     * synchronous=NORMAL} in WAL mode.
     */
    NORMAL
}
