package dev.sqlitepool.r2dbc;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.PoolClosedException;
import dev.sqlitepool.PoolException;
import dev.sqlitepool.PoolExhaustedException;
import dev.sqlitepool.PoolStats;
import dev.sqlitepool.PoolTimeoutException;
import dev.sqlitepool.SqlitePool;
import io.r2dbc.spi.R2dbcException;
import io.r2dbc.spi.R2dbcNonTransientResourceException;
import io.r2dbc.spi.R2dbcTransientException;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Which errors of the pool an application may try again. */
class ErrorsTest {
    private static final PoolStats STATS = stats();

    private static PoolStats stats() {
        try (SqlitePool pool = SqlitePool.builder().inMemory().build()) {
            return pool.stats();
        }
    }

    @Test
    void whatCertainlyHadNoEffectIsTransientUnlessThePoolIsClosed() {
        assertThat(Errors.of(new PoolTimeoutException("late", STATS, false), null))
                .isInstanceOf(R2dbcTransientException.class);
        assertThat(Errors.of(new PoolExhaustedException("full", STATS, false), null))
                .isInstanceOf(R2dbcTransientException.class);
        assertThat(Errors.of(new PoolClosedException("closed", STATS, false), null))
                .isInstanceOf(R2dbcNonTransientResourceException.class)
                .satisfies(error ->
                        assertThat(((R2dbcException) error).getSqlState()).isEqualTo("08003"));
    }

    @Test
    void whatMayHaveHadAnEffectIsNotToBeTriedAgain() {
        List<PoolException> errors = List.of(
                new PoolTimeoutException("late", STATS, true),
                new PoolExhaustedException("full", STATS, true),
                new PoolClosedException("closed", STATS, true),
                new OutcomeUnknownException("unknown", STATS, new IllegalStateException()));
        for (PoolException error : errors) {
            assertThat(Errors.of(error, "INSERT"))
                    .isInstanceOf(R2dbcNonTransientResourceException.class)
                    .hasCause(error)
                    .satisfies(seen ->
                            assertThat(((R2dbcException) seen).getSqlState()).isEqualTo("08007"));
        }
    }
}
