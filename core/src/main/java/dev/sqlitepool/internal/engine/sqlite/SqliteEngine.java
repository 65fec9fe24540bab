package dev.sqlitepool.internal.engine.sqlite;

import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.engine.InsertedKeys;
import dev.sqlitepool.internal.engine.Prepared;
import dev.sqlitepool.internal.engine.WrittenTables;
import dev.sqlitepool.internal.file.OpenFile;
import dev.sqlitepool.internal.file.PathText;
import dev.sqlitepool.internal.file.Place;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import org.jspecify.annotations.Nullable;
import org.sqlite.SQLiteConnection;
import org.sqlite.SQLiteException;

/**
 * SQLite through sqlite-jdbc. Owned by the lane's owner; {@link #interrupt} by any thread.
 *
 * <p>The driver is told that autocommit is off, without being made to begin a transaction. SQLite itself stays in
 * autocommit mode until a BEGIN of ours; but the driver then leaves out the BEGIN and COMMIT that it otherwise tries
 * after every statement.
 */
final class SqliteEngine implements Engine {
    private final Connection opened;
    private final SQLiteConnection connection;
    private final Statement control;
    private final SqliteTransactions transactions;
    private final SqliteSchema schema;
    private final SqliteLog log;
    private final SqliteInsertedKeys inserts;
    private final Grouping grouping;
    private final SqliteWrittenTables writtenTables;
    private final boolean economical;
    private OpenFile.@Nullable Use file;
    /** Looks whether the file is the database still; null in memory. */
    private @Nullable Place place;

    private boolean closed;

    /** Over a connection of the driver. If it is not economical, the driver does all that it does for users of JDBC. */
    SqliteEngine(Connection opened, boolean economical) throws SQLException {
        this.opened = opened;
        this.economical = economical;
        this.connection = opened.unwrap(SQLiteConnection.class);
        this.control = connection.createStatement();
        this.transactions = new SqliteTransactions(connection);
        this.schema = new SqliteSchema(connection, transactions);
        this.log = new SqliteLog(connection, control, transactions);
        this.inserts = new SqliteInsertedKeys(connection);
        this.grouping = new Grouping(schema);
        this.writtenTables = new SqliteWrittenTables(schema);
        takeOver();
    }

    /** Leaves out what the driver does beside each statement; the opposite of {@link #unwrapped}. */
    void takeOver() {
        connection.getConnectionConfig().setAutoCommit(!economical);
        connection.getConnectionConfig().setGetGeneratedKeys(!economical);
    }

    @Override
    public Connection connection() {
        return connection;
    }

    @Override
    public Connection opened() {
        return opened;
    }

    /** The driver's own connection, for its set-up. */
    SQLiteConnection driver() {
        return connection;
    }

    @Override
    public Prepared prepare(String sql) throws SQLException {
        return schema.prepare(sql);
    }

    @Override
    public <T, X extends Throwable> T inCurrentSchema(Preparation<? extends T, X> preparation) throws SQLException, X {
        return schema.inCurrent(preparation);
    }

    @Override
    public void lookAtSchema() throws SQLException {
        schema.look();
    }

    private void run(String sql) throws SQLException {
        control.executeUpdate(sql);
    }

    @Override
    public void begin(boolean write) throws SQLException {
        transactions.begin(write);
    }

    @Override
    public void commit(boolean stay) throws SQLException {
        transactions.commit(stay && log.isOpen());
    }

    @Override
    public boolean isReading() {
        return transactions.isReading();
    }

    @Override
    public void endRead() {
        transactions.endRead();
    }

    @Override
    public void rollback() throws SQLException {
        transactions.rollback();
    }

    @Override
    public void savepoint(int level) throws SQLException {
        transactions.savepoint("SAVEPOINT", level);
    }

    @Override
    public void rollbackTo(int level) throws SQLException {
        transactions.savepoint("ROLLBACK TO", level);
    }

    @Override
    public void release(int level) throws SQLException {
        transactions.savepoint("RELEASE", level);
    }

    @Override
    public boolean inTransaction() throws SQLException {
        return transactions.isOpen();
    }

    @Override
    public void refuseWrites(boolean refuse) throws SQLException {
        run(refuse ? "PRAGMA query_only=ON" : "PRAGMA query_only=OFF");
    }

    @Override
    public InsertedKeys insertedKeys() {
        return inserts;
    }

    @Override
    public boolean mayGroup(String sql) throws SQLException {
        return grouping.mayGroup(sql);
    }

    @Override
    public boolean mayJoin(String sql) {
        return grouping.mayJoin(sql);
    }

    /** The hooks, or the factory that has opened the connection, may have added functions and the like. */
    void lookForForeignCode() throws SQLException {
        grouping.lookForForeignCode();
    }

    @Override
    public SqliteLog log() {
        return log;
    }

    /** From here on the connection is one of those that have the file open; its close takes the turn there. */
    void uses(OpenFile.Use use) {
        file = use;
    }

    /** From here on it is known which file is open. */
    void placed(Place opened) {
        place = opened;
        log.placed(opened);
    }

    @Nullable
    Place place() {
        return place;
    }

    @Override
    public boolean isCurrent() {
        Place known = place;
        return known == null || known.isCurrent();
    }

    @Override
    public void requireInPlace() throws IOException {
        Place known = place;
        if (known != null) {
            known.require();
        }
        log.requireInPlace();
    }

    OpenFile.@Nullable Use use() {
        return file;
    }

    /**
     * Whether a statement has rows to give, and so keeps its snapshot, and an interrupt for all that follow. Asked of
     * VACUUM, which looks for that first and then refuses to copy into nothing.
     */
    boolean hasOpenStatements() {
        try {
            run("VACUUM INTO NULL");
            return false;
        } catch (SQLException e) {
            return String.valueOf(e.getMessage()).contains("SQL statements in progress");
        }
    }

    @Override
    public boolean sharesSnapshots() {
        return true;
    }

    @Override
    public void optimize() throws SQLException {
        run("PRAGMA optimize=0x10012"); // all tables, with a limit on what ANALYZE reads
    }

    @Override
    public WrittenTables writtenTables() {
        return writtenTables;
    }

    @Override
    public CopySize copySize() throws SQLException {
        long pages = schema.number("PRAGMA page_count")
                - schema.number("PRAGMA freelist_count"); // the copy has no free pages
        return new CopySize(Math.max(1, pages), (int) schema.number("PRAGMA page_size"));
    }

    @Override
    public void copyTo(Path file) throws SQLException {
        refuseWrites(false); // VACUUM INTO writes nothing here, but is refused
        run("VACUUM INTO '" + PathText.of(file).replace("'", "''") + "'");
    }

    @Override
    public void interrupt() {
        try {
            connection.getDatabase().interrupt();
        } catch (SQLException e) {
            // The driver declares it and never throws it.
        }
    }

    @Override
    public Failure failure(SQLException error) {
        return SqliteErrors.failure(error, this);
    }

    @Override
    public SQLException said(SQLException error, String message) {
        if (!(error instanceof SQLiteException sqlite)) {
            return Engine.super.said(error, message);
        }
        SQLException said = new SQLiteException(message, sqlite.getResultCode());
        said.initCause(error);
        return said;
    }

    @Override
    public boolean probe() {
        try {
            // Reads the header of the database file, unlike SELECT 1.
            control.executeQuery("PRAGMA schema_version").close();
            return true;
        } catch (SQLException e) {
            return failure(e) == Failure.BUSY;
        }
    }

    @Override
    public boolean isClosed() {
        try {
            return connection.isClosed();
        } catch (SQLException e) {
            return true;
        }
    }

    @Override
    public Connection unwrapped() throws SQLException {
        connection.getConnectionConfig().setAutoCommit(true);
        connection.getConnectionConfig().setGetGeneratedKeys(true);
        return connection;
    }

    @Override
    public void close() throws SQLException {
        OpenFile.Use use = file;
        if (use == null) {
            closeAll();
            return;
        }
        boolean mine = use.takeTurn();
        Place known = place;
        try {
            closeAll();
        } finally {
            if (known != null && !closed) {
                closed = true;
                known.closed();
            }
            use.end();
            if (mine) {
                use.endTurn();
            }
        }
    }

    private void closeAll() throws SQLException {
        try {
            log.close();
        } catch (IOException e) {
            throw new SQLException("The WAL could not be closed.", e);
        } finally {
            Connector.close(opened, connection, control);
        }
    }
}
