package dev.sqlitepool;

/** SQL that several tests use. */
public final class Sql {
    /** Runs until it is interrupted, or for several minutes. */
    public static final String ENDLESS =
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000000000) SELECT count(*) FROM n";

    private Sql() {}
}
