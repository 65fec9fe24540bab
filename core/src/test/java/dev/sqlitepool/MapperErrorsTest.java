package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.testing.Pools;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.sqlite.SQLiteErrorCode;
import org.sqlite.SQLiteException;

/** A mapper may work on another database: what it throws is no error of the statement, and nothing is run again for it. */
class MapperErrorsTest {
    @RegisterExtension
    final Pools pools = new Pools();

    private static final String ROWS = "VALUES (1), (2)";

    private static List<BiFunction<SqlitePool, RowMapper<Object>, CompletableFuture<?>>> reads() {
        return List.of(
                (pool, mapper) -> pool.query(ROWS, mapper),
                (pool, mapper) -> pool.queryOne("SELECT 1", mapper),
                (pool, mapper) -> pool.query("WITH x(y) AS (SELECT 1) SELECT y FROM x", mapper),
                (pool, mapper) -> pool.connection(c -> c.query(ROWS, mapper)),
                (pool, mapper) -> pool.useConnection(c -> c.forEach(ROWS, row -> mapper.map(row))),
                (pool, mapper) -> pool.read(c -> c.query(ROWS, mapper)),
                (pool, mapper) -> pool.transaction(tx -> tx.query(ROWS, mapper)),
                (pool, mapper) -> pool.transaction(tx -> pool.blocking().query(ROWS, mapper)),
                (pool, mapper) -> pool.query("INSERT INTO t VALUES (1) RETURNING x", mapper));
    }

    @ParameterizedTest
    @EnumSource(names = {"SQLITE_READONLY", "SQLITE_BUSY", "SQLITE_IOERR", "SQLITE_INTERRUPT", "SQLITE_CONSTRAINT"})
    void theErrorOfAnotherDatabaseIsHandedOnAndNothingRunsTwice(SQLiteErrorCode code) {
        SqlitePool pool = pools.open();
        pool.execute("CREATE TABLE t (x)").join();
        long moves = pool.stats().switches();
        for (BiFunction<SqlitePool, RowMapper<Object>, CompletableFuture<?>> read : reads()) {
            AtomicInteger calls = new AtomicInteger();
            SQLiteException others = new SQLiteException("of another database", code);
            assertThatThrownBy(() -> read.apply(pool, row -> {
                                calls.incrementAndGet();
                                throw others;
                            })
                            .join())
                    .hasCause(others);
            assertThat(calls).hasValue(1);
        }
        assertThat(pool.stats().switches()).isEqualTo(moves);
        assertThat(pool.query("SELECT x FROM t", row -> 1).join()).isEmpty();
    }

    @Test
    void uncheckedExceptionArrivesUnchanged() {
        SqlitePool pool = pools.open();
        pool.execute("CREATE TABLE t (x)").join();
        IllegalStateException own = new IllegalStateException("of the mapper");
        for (BiFunction<SqlitePool, RowMapper<Object>, CompletableFuture<?>> read : reads()) {
            assertThatThrownBy(() -> read.apply(pool, row -> {
                                throw own;
                            })
                            .join())
                    .hasCause(own);
        }
    }

    @Test
    void checkedExceptionOfAnActionArrivesUnchanged() {
        SqlitePool pool = pools.open();
        IOException own = new IOException("of the action");
        SqlAction<Row, IOException> action = row -> {
            throw own;
        };
        assertThatThrownBy(() -> pool.useRead(c -> c.forEach(ROWS, action)).join())
                .hasCause(own);
        assertThatThrownBy(() -> pool.blocking().useRead(c -> c.forEach(ROWS, action)))
                .isSameAs(own);
    }
}
