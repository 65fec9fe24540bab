package dev.sqlitepool.r2dbc;

import dev.sqlitepool.PoolClosedException;
import dev.sqlitepool.PoolException;
import dev.sqlitepool.PoolExhaustedException;
import dev.sqlitepool.PoolTimeoutException;
import io.r2dbc.spi.R2dbcBadGrammarException;
import io.r2dbc.spi.R2dbcDataIntegrityViolationException;
import io.r2dbc.spi.R2dbcException;
import io.r2dbc.spi.R2dbcNonTransientResourceException;
import io.r2dbc.spi.R2dbcPermissionDeniedException;
import io.r2dbc.spi.R2dbcRollbackException;
import io.r2dbc.spi.R2dbcTimeoutException;
import io.r2dbc.spi.R2dbcTransientResourceException;
import java.sql.SQLException;
import java.sql.SQLTimeoutException;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;
import org.sqlite.SQLiteException;

/**
 * Errors of the pool and of SQLite as those of R2DBC, by <a href="https://www.sqlite.org/rescode.html">SQLite's extended result code</a>,
 * with an SQLState, which the driver does not give. Messages never hold values that were bound. Stateless.
 */
final class Errors {
    private static final int ERROR = 1;
    private static final int PERM = 3;
    private static final int BUSY = 5;
    private static final int LOCKED = 6;
    private static final int READONLY = 8;
    private static final int INTERRUPT = 9;
    private static final int CONSTRAINT = 19;
    private static final int MISMATCH = 20;
    private static final int AUTH = 23;
    private static final int RANGE = 25;
    private static final int TOOBIG = 18;

    private Errors() {}

    /** The error of a statement, or of a connection where there is none. What is no error of a database stays as it is. */
    static Throwable of(Throwable thrown, @Nullable String sql) {
        Throwable error = thrown;
        while (error instanceof CompletionException && error.getCause() != null) {
            error = error.getCause();
        }
        if (error instanceof SQLException refused) {
            return ofSql(refused, sql);
        } else if (error instanceof TimeoutException) {
            return new R2dbcTimeoutException(
                    "Gave up after the lock wait timeout. Raise the timeout, or find the transaction that holds the write connection.",
                    "55P03",
                    0,
                    sql,
                    error);
        } else if (error instanceof PoolException ended && ended.mayHaveHadEffect()) {
            return new R2dbcNonTransientResourceException(
                    error.getMessage(), "08007", 0, sql, error); // not to be retried
        } else if (error instanceof PoolTimeoutException) {
            return new R2dbcTimeoutException(error.getMessage(), "57014", 0, sql, error);
        } else if (error instanceof PoolExhaustedException) {
            return new R2dbcTransientResourceException(error.getMessage(), "53300", 0, sql, error);
        } else if (error instanceof PoolClosedException) {
            return new R2dbcNonTransientResourceException(error.getMessage(), "08003", 0, sql, error);
        }
        return error;
    }

    static R2dbcException closed() {
        return new R2dbcNonTransientResourceException(
                "This connection is closed; create another.", "08003", 0, (String) null);
    }

    private static Throwable ofSql(SQLException error, @Nullable String sql) {
        String message = error.getMessage();
        int code = error instanceof SQLiteException sqlite ? sqlite.getResultCode().code : error.getErrorCode();
        if (error instanceof SQLTimeoutException) {
            return new R2dbcTimeoutException(message, "57014", code, sql, error);
        }
        String state = error.getSQLState();
        if ("25P02".equals(state)) {
            return new R2dbcRollbackException(message, state, code, sql, error);
        } else if ("25006".equals(state)) {
            return new R2dbcPermissionDeniedException(message, state, code, sql, error);
        }
        if ("24000".equals(state)) { // a cursor that was closed before its end
            return new R2dbcNonTransientResourceException(message, state, code, sql, error);
        }
        switch (code & 0xff) {
            case 0:
            case ERROR:
            case RANGE:
                return new R2dbcBadGrammarException(message, state(state, "42000"), code, sql, error);
            case PERM:
            case READONLY:
            case AUTH:
                return new R2dbcPermissionDeniedException(message, state(state, "42501"), code, sql, error);
            case BUSY:
                return code == BUSY_SNAPSHOT
                        ? new R2dbcRollbackException(message, state(state, "40001"), code, sql, error)
                        : new R2dbcTransientResourceException(message, state(state, "55P03"), code, sql, error);
            case LOCKED:
                return new R2dbcTransientResourceException(message, state(state, "55P03"), code, sql, error);
            case INTERRUPT:
                return new R2dbcRollbackException(message, state(state, "57014"), code, sql, error);
            case CONSTRAINT:
                return new R2dbcDataIntegrityViolationException(
                        message, state(state, constraint(code)), code, sql, error);
            case TOOBIG:
            case MISMATCH:
                return new R2dbcDataIntegrityViolationException(message, state(state, "22000"), code, sql, error);
            default:
                return new R2dbcNonTransientResourceException(message, state(state, "58000"), code, sql, error);
        }
    }

    private static final int BUSY_SNAPSHOT = BUSY | 2 << 8;

    private static String state(@Nullable String given, String otherwise) {
        return given == null ? otherwise : given;
    }

    private static String constraint(int code) {
        switch (code >> 8) {
            case 1: // CHECK
                return "23514";
            case 3: // FOREIGNKEY
                return "23503";
            case 5: // NOTNULL
                return "23502";
            case 6: // PRIMARYKEY
            case 8: // UNIQUE
            case 10: // ROWID
                return "23505";
            default:
                return "23000";
        }
    }
}
