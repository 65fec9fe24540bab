package dev.sqlitepool.internal.engine.sqlite;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.sqlitepool.Access;
import dev.sqlitepool.ConnectionFactory;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.engine.JdbcEngine;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Connections that the user's factory opens, of any driver. Those that are not sqlite-jdbc's are used through nothing
 * but JDBC. Thread-safe.
 */
final class FactoryConnections implements ConnectionSource {
    private final ConnectionFactory factory;
    private final int poolSize;
    private final Hooks hooks;

    @GuardedBy("open")
    private final Set<Connection> open = Collections.newSetFromMap(new IdentityHashMap<>());

    FactoryConnections(ConnectionFactory factory, Settings settings, Hooks hooks) {
        this.factory = factory;
        this.poolSize = settings.poolSize();
        this.hooks = hooks;
    }

    @Override
    public Connection open(Access access) throws SQLException {
        Connection connection;
        try {
            connection = factory.open(access);
        } finally {
            Thread.interrupted(); // an interrupt by the factory must not strike what follows on this thread
        }
        if (connection == null) {
            throw new SQLException("The connection factory returned null; it must return a new, open connection.");
        }
        synchronized (open) {
            if (!open.add(connection)) {
                throw new SQLException(
                        "The connection factory returned the same connection twice; it must return a new one each time.");
            }
        }
        return connection;
    }

    @Override
    public void closed(Connection connection) {
        synchronized (open) {
            open.remove(connection);
        }
    }

    @Override
    public void require(@Nullable Path found) throws SQLException {
        if (found == null && poolSize > 1) {
            throw new SQLException(
                    "The connection factory opens databases in memory, and every connection would have one"
                            + " of its own; use inMemory(), or poolSize(1).");
        }
    }

    @Override
    public Engine other(Connection connection, Access access) throws SQLException {
        Engine engine = new JdbcEngine(connection);
        hooks.beforePragmas(engine);
        hooks.onConnect(engine);
        if (access == Access.READ) {
            engine.refuseWrites(true);
        }
        return engine;
    }
}
