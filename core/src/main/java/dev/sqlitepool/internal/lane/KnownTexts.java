package dev.sqlitepool.internal.lane;

import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * The facts that a lane knows of the SQL texts that ran on it, to tell which may share a transaction. Forgets when there are too many. Owned by the
 * lane's owner.
 */
public final class KnownTexts {
    private static final long QUICK_NANOS = TimeUnit.MILLISECONDS.toNanos(1);
    private static final int LIMIT = 1_000;

    private final Set<String> quick = new HashSet<>();
    private final Set<String> fallible = new HashSet<>();

    /** A text has run for so long. */
    public void took(String sql, long nanos) {
        if (nanos >= QUICK_NANOS) {
            quick.remove(sql);
        } else {
            add(quick, sql);
        }
    }

    /** A text has failed in a group. */
    public void failed(String sql) {
        add(fallible, sql);
    }

    /** Whether it has run, and took no time worth mentioning when it last did. */
    public boolean isQuick(String sql) {
        return quick.contains(sql);
    }

    /** Whether it has failed before. */
    public boolean isFallible(String sql) {
        return fallible.contains(sql);
    }

    private static void add(Set<String> texts, String sql) {
        if (texts.add(sql) && texts.size() > LIMIT) {
            texts.clear();
        }
    }
}
