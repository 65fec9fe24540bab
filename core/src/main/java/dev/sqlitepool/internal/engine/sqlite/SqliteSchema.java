package dev.sqlitepool.internal.engine.sqlite;

import dev.sqlitepool.SqlAction;
import dev.sqlitepool.internal.engine.Engine.Preparation;
import dev.sqlitepool.internal.engine.Prepared;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;
import org.sqlite.SQLiteConnection;
import org.sqlite.SQLiteErrorCode;

/**
 * Prepares statements for the schema of one connection, and runs the queries of the engine itself. Owned by the
 * connection's owner.
 */
final class SqliteSchema {
    /**
     * Compares the schema of each database, attached ones too, with what the connection remembers, and has no rows:
     * names that begin so are SQLite's own.
     */
    private static final String LOOK = "PRAGMA table_info(sqlite_sqlitepool)";

    private final SQLiteConnection connection;
    private final SqliteTransactions commands;
    private @Nullable Prepared version;

    /**
     * Prepares nothing yet.
     *
     * @param commands runs what is neither prepared nor asked here
     */
    SqliteSchema(SQLiteConnection connection, SqliteTransactions commands) {
        this.connection = connection;
        this.commands = commands;
    }

    Prepared prepare(String sql) throws SQLException {
        return this.<Prepared, RuntimeException>inCurrent(() -> new SqlitePrepared(connection.prepareStatement(sql)));
    }

    /**
     * SQLite compiles a statement for the schema that the connection remembers, and compares that with the database
     * only when the statement runs: then it compiles it again. So an old schema can do harm only here, by an error; and
     * a look costs half as much as to prepare.
     */
    <T, X extends Throwable> T inCurrent(Preparation<? extends T, X> preparation) throws SQLException, X {
        try {
            return preparation.run();
        } catch (SQLException e) {
            if ((SqliteErrors.code(e) & 0xff) != SQLiteErrorCode.SQLITE_ERROR.code) {
                throw e;
            }
            look();
            return preparation.run();
        }
    }

    /** See {@link dev.sqlitepool.internal.engine.Engine#lookAtSchema}. */
    void look() throws SQLException {
        commands.command(LOOK);
    }

    /** Changes with every change of the schema, no matter by which connection. */
    long version() throws SQLException {
        Prepared query = version;
        if (query == null || query.isClosed()) {
            query = prepare("PRAGMA schema_version");
            version = query;
        }
        return first(query);
    }

    /** The number that a query of the engine answers; negative if it has no row. */
    long number(String sql) throws SQLException {
        try (Prepared query = prepare(sql)) {
            return first(query);
        }
    }

    private static long first(Prepared query) throws SQLException {
        try {
            query.start(new Object[0]);
            return query.next() ? query.getLong(1) : -1;
        } finally {
            query.reset();
        }
    }

    /** Runs a query of the engine, with every parameter null. */
    void each(String sql, SqlAction<Prepared, RuntimeException> row) throws SQLException {
        try (Prepared query = prepare(sql)) {
            query.start(new Object[query.parameterCount()]);
            while (query.next()) {
                row.accept(query);
            }
        }
    }
}
