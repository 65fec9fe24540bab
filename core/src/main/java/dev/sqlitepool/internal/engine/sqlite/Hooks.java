package dev.sqlitepool.internal.engine.sqlite;

import dev.sqlitepool.SqlAction;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.engine.Engine;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Runs the user's hooks for a new connection, on a thread of the pool, and refuses what they must not leave behind.
 * Thread-safe.
 *
 * <p>A hook gets the connection as the driver opens it, with the whole patience for other writers, since what it does
 * cannot be repeated. It may write, whatever the connection is opened for. The error of a hook is thrown, and the
 * caller closes the connection.
 */
final class Hooks {
    private final Settings settings;
    private final long patienceNanos;

    /**
     * Runs nothing yet.
     *
     * @param patienceNanos the longest wait for other writers
     */
    Hooks(Settings settings, long patienceNanos) {
        this.settings = settings;
        this.patienceNanos = patienceNanos;
    }

    /** Whether there are hooks that run before the connection is set up. */
    boolean areBeforePragmas() {
        return !settings.beforePragmas().isEmpty();
    }

    void beforePragmas(Engine engine) throws SQLException {
        run("beforePragmas", settings.beforePragmas(), engine);
    }

    void onConnect(Engine engine) throws SQLException {
        run("onConnect", settings.onConnect(), engine);
    }

    private void run(String setting, List<SqlAction<? super Connection, ?>> hooks, Engine engine) throws SQLException {
        if (hooks.isEmpty()) {
            return;
        }
        Connection connection = engine.opened();
        engine.unwrapped();
        if (engine instanceof SqliteEngine sqlite) {
            long millis = TimeUnit.NANOSECONDS.toMillis(patienceNanos);
            sqlite.driver().setBusyTimeout((int) Math.min(Integer.MAX_VALUE, millis));
        }
        for (SqlAction<? super Connection, ?> hook : hooks) {
            accept(hook, connection, setting);
        }
        if (engine.isClosed()) {
            throw new SQLException("A hook of " + setting + " closed the connection; it must leave it open.", "08003");
        }
        if (engine instanceof SqliteEngine sqlite) {
            sqlite.takeOver();
        }
        if (engine.inTransaction()) {
            throw new SQLException(
                    "A hook of " + setting + " left a transaction open; it must end what it begins.", "25000");
        }
        if (engine instanceof SqliteEngine sqlite && sqlite.hasOpenStatements()) {
            throw new SQLException(
                    "A hook of " + setting + " left a statement open that has rows to give: the connection would go on"
                            + " reading what there was then. It must close its ResultSets and Statements.",
                    "24000");
        }
    }

    private static void accept(SqlAction<? super Connection, ?> hook, Connection connection, String setting)
            throws SQLException {
        try {
            hook.accept(connection);
        } catch (SQLException | RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new SQLException("A hook of " + setting + " failed: " + e, e);
        } finally {
            Thread.interrupted(); // an interrupt by the hook must not strike what follows on this thread
        }
    }
}
