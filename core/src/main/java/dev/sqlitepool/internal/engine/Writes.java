package dev.sqlitepool.internal.engine;

import java.util.LinkedHashSet;
import java.util.Set;

/**
 * The tables of the database that may have been written. Immutable.
 *
 * @param any not only these, but any
 */
public record Writes(Set<String> tables, boolean any) {
    public static final Writes NONE = new Writes(Set.of(), false);

    public boolean isNothing() {
        return tables.isEmpty() && !any;
    }

    /** Both. */
    public Writes and(Writes other) {
        if (isNothing() || equals(other)) {
            return other;
        }
        if (other.isNothing()) {
            return this;
        }
        Set<String> both = new LinkedHashSet<>(tables);
        both.addAll(other.tables);
        return new Writes(both, any || other.any);
    }
}
