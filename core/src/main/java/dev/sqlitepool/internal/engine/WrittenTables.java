package dev.sqlitepool.internal.engine;

import java.util.Set;

/** Which tables statements write, as the database tells it. Owned by the lane's owner. */
public interface WrittenTables {
    /** For an engine that cannot tell. */
    WrittenTables UNKNOWN = new WrittenTables() {
        @Override
        public Writes of(String sql) {
            return anything();
        }

        @Override
        public Writes anything() {
            return new Writes(Set.of(), true);
        }

        @Override
        public void forget() {
            // it knows nothing
        }
    };

    /**
     * The tables that a statement which has not run yet may write, triggers and foreign key actions included; not for
     * pragmas.
     */
    Writes of(String sql);

    /** Any table, with the names that there are. */
    Writes anything();

    /** A pragma, a temporary trigger or an attached database may change the answers of {@link #of}. */
    void forget();
}
