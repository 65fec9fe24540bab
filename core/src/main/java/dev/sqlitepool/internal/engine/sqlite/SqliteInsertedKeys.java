package dev.sqlitepool.internal.engine.sqlite;

import dev.sqlitepool.internal.engine.InsertedKeys;
import dev.sqlitepool.internal.engine.Prepared;
import dev.sqlitepool.internal.sql.Names;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;
import org.sqlite.SQLiteConnection;
import org.sqlite.SQLiteUpdateListener;

/**
 * The row that a statement of one connection has inserted last. Owned by the connection's owner.
 *
 * <p>SQLite remembers the row id of the last insert of a connection, and a statement that inserts no row with a row id
 * leaves it as it was: one that ignores its row or updates another, or that writes to a table WITHOUT ROWID or to a
 * view. So its number counts only if it is another one than before the statement, or if SQLite has told of an insert of
 * a row with just this number into the table.
 */
final class SqliteInsertedKeys implements InsertedKeys, SQLiteUpdateListener {
    private static final String LAST = "SELECT last_insert_rowid()";

    private final SQLiteConnection connection;
    private @Nullable Prepared last;
    /** The table that is watched. */
    private @Nullable String table;

    private long before;
    private boolean told;

    SqliteInsertedKeys(SQLiteConnection connection) {
        this.connection = connection;
    }

    @Override
    public void begin(String watched) throws SQLException {
        before = last();
        told = false;
        table = watched;
        connection.addUpdateListener(this);
    }

    @Override
    public void end() {
        table = null;
        connection.removeUpdateListener(this);
    }

    @Override
    public @Nullable Long key() throws SQLException {
        long now = last();
        return told || now != before ? now : null;
    }

    @Override
    public void onUpdate(Type type, String database, String changed, long rowId) {
        told |= type == Type.INSERT && rowId == before && table != null && Names.same(changed, table);
    }

    private long last() throws SQLException {
        Prepared query = last;
        if (query == null || query.isClosed()) {
            query = new SqlitePrepared(connection.prepareStatement(LAST));
            last = query;
        }
        try {
            query.start(new Object[0]);
            return query.next() ? query.getLong(1) : 0;
        } finally {
            query.reset();
        }
    }
}
