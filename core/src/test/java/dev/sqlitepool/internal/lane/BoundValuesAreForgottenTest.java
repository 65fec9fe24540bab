package dev.sqlitepool.internal.lane;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.testing.Pools;
import java.sql.SQLException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A statement that waits in the cache keeps no value: neither its memory nor its secret. */
class BoundValuesAreForgottenTest {
    private static final int SIZE = 8_000_000;

    @RegisterExtension
    final Pools pools = new Pools();

    @Test
    void cachedStatementsKeepNoText() {
        SqlitePool pool = pools.open(b -> b.poolSize(1));
        String large = "x".repeat(SIZE);
        pool.execute("CREATE TABLE t (x)").join();
        long before = used(pool);
        for (int i = 0; i < 10; i++) {
            assertThat(pool.<Integer>queryOne("SELECT length(?) + " + i, row -> row.getInt(1), large)
                            .join())
                    .contains(SIZE + i);
            pool.execute("DELETE FROM t WHERE x = ? OR x = " + i, large).join();
            pool.execute("DELETE FROM t WHERE x = ? OR x = -" + i, (Object) new byte[SIZE])
                    .join();
        }
        assertThat(used(pool) - before).isLessThan(SIZE);
    }

    @Test
    void valuesOfEveryKindAreBoundAgainForEachRun() {
        SqlitePool pool = pools.open();
        for (Object value : new Object[] {"a", 1L, new byte[] {1}, 2.5, null, "b", null}) {
            assertThat(pool.query("SELECT ?", row -> row.getObject(1), value).join())
                    .usingRecursiveComparison()
                    .isEqualTo(java.util.Collections.singletonList(value));
        }
    }

    /** What SQLite has allocated in this process. */
    private static long used(SqlitePool pool) {
        return pool.<Long>connection(BoundValuesAreForgottenTest::memory).join();
    }

    private static long memory(dev.sqlitepool.PoolConnection connection) throws SQLException {
        try {
            for (String line : java.nio.file.Files.readAllLines(java.nio.file.Path.of("/proc/self/status"))) {
                if (line.startsWith("VmRSS")) {
                    return 1024 * Long.parseLong(line.replaceAll("[^0-9]", ""));
                }
            }
        } catch (java.io.IOException e) {
            throw new SQLException(e);
        }
        return 0;
    }
}
