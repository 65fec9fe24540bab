package dev.sqlitepool.testing;

import java.util.concurrent.TimeUnit;

/** SQL that several tests use. */
public final class Sql {
    /** So many rows take longer than a test waits for anything. */
    public static final long ENDLESS_ROWS = 10_000 * TimeUnit.NANOSECONDS.toMillis(Pools.PATIENCE_NANOS);

    /** Runs until it is interrupted, or for longer than a test waits; not for ever, lest it slow down what comes after a test that failed. */
    public static final String ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
            + ENDLESS_ROWS + ") SELECT count(*) FROM n";

    private Sql() {}
}
