package dev.sqlitepool.internal.engine.sqlite;

import dev.sqlitepool.SqlAction;
import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.engine.Prepared;
import dev.sqlitepool.internal.file.OpenFile;
import dev.sqlitepool.internal.file.Place;
import dev.sqlitepool.internal.file.WalFile;
import java.io.IOException;
import java.io.SyncFailedException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import org.jspecify.annotations.Nullable;
import org.sqlite.SQLiteConnection;
import org.sqlite.SQLiteErrorCode;

/**
 * SQLite through sqlite-jdbc. Owned by the lane's owner; {@link #interrupt} by any thread.
 *
 * <p>The driver is told that autocommit is off, without being made to begin a transaction. SQLite itself stays in autocommit
 * mode until a BEGIN of ours; but the driver then leaves out the BEGIN and COMMIT that it otherwise tries after every
 * statement.
 */
final class SqliteEngine implements Engine {
    /**
     * Whether a commit could judge statements of different tasks together: a deferred foreign key that fails alone is mended by a later
     * statement that inserts the parent. In attached databases nobody has looked for them.
     */
    private static final String UNSUITED_FOR_GROUPS =
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE instr(upper(sql), 'DEFERR'))"
                    + " OR EXISTS (SELECT 1 FROM sqlite_temp_schema WHERE instr(upper(sql), 'DEFERR'))"
                    + " OR EXISTS (SELECT 1 FROM pragma_database_list WHERE name NOT IN ('main', 'temp'))";

    /**
     * Compares the schema of each database, attached ones too, with what the connection remembers, and has no rows: names that begin so are
     * SQLite's own.
     */
    private static final String LOOK_AT_SCHEMA = "PRAGMA table_info(sqlite_sqlitepool)";

    private final Connection opened;
    private final SQLiteConnection connection;
    private final Statement control;
    private final SqliteTransactions transactions;
    private final InsertedKey inserts;
    private OpenFile.@Nullable Use file;
    /** Looks whether the file is the database still; null in memory. */
    private @Nullable Place place;

    private boolean closed;
    private @Nullable WalFile wal;
    private boolean gated;
    private boolean needsSync;
    private final boolean economical;
    private @Nullable Prepared schemaVersion;
    private final ForeignCode foreignCode = new ForeignCode(this);
    private final WrittenTables writtenTables = new WrittenTables(this);
    /** The schema for which {@link #mayGroup} was found. */
    private long groupsInSchema = -1;

    private boolean mayGroup;

    /** Over a connection of the driver. If it is not economical, the driver does all that it does for users of JDBC. */
    SqliteEngine(Connection opened, boolean economical) throws SQLException {
        this.opened = opened;
        this.economical = economical;
        this.connection = opened.unwrap(SQLiteConnection.class);
        this.control = connection.createStatement();
        this.transactions = new SqliteTransactions(connection);
        this.inserts = new InsertedKey(connection);
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
        return this.<Prepared, RuntimeException>inCurrentSchema(
                () -> new SqlitePrepared(connection.prepareStatement(sql)));
    }

    /**
     * SQLite compiles a statement for the schema that the connection remembers, and compares that with the database only when the statement
     * runs: then it compiles it again. So an old schema can do harm only here, by an error; and a look costs half as much as to prepare.
     */
    @Override
    public <T, X extends Throwable> T inCurrentSchema(Preparation<? extends T, X> preparation) throws SQLException, X {
        try {
            return preparation.run();
        } catch (SQLException e) {
            if ((SqliteErrors.code(e) & 0xff) != SQLiteErrorCode.SQLITE_ERROR.code) {
                throw e;
            }
            lookAtSchema();
            return preparation.run();
        }
    }

    @Override
    public void lookAtSchema() throws SQLException {
        transactions.command(LOOK_AT_SCHEMA);
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
        transactions.commit(stay && wal != null);
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
    public boolean driverTellsKeys() {
        return false;
    }

    @Override
    public void watchInserts(@Nullable String table) throws SQLException {
        if (table == null) {
            inserts.end();
        } else {
            inserts.begin(table);
        }
    }

    @Override
    public @Nullable Long insertedKey() throws SQLException {
        return inserts.key();
    }

    @Override
    public boolean mayGroup(String sql) throws SQLException {
        long now = schemaVersion();
        if (now != groupsInSchema) {
            try (Prepared unsuited = prepare(UNSUITED_FOR_GROUPS)) {
                mayGroup = first(unsuited) == 0;
            }
            foreignCode.forget();
            groupsInSchema = now;
        }
        return mayGroup && !foreignCode.isCalledBy(sql);
    }

    @Override
    public boolean mayJoin(String sql) {
        return foreignCode.isKnownNotToBeCalledBy(sql);
    }

    /** The hooks, or whoever has opened the connection, may have added functions and the like. */
    void lookForForeignCode() throws SQLException {
        foreignCode.look();
    }

    /** Changes with every change of the schema, by whomever. */
    long schemaVersion() throws SQLException {
        Prepared version = schemaVersion;
        if (version == null || version.isClosed()) {
            version = prepare("PRAGMA schema_version");
            schemaVersion = version;
        }
        return first(version);
    }

    /** Runs a query of the engine's own, with every parameter null. */
    void each(String sql, SqlAction<Prepared, RuntimeException> row) throws SQLException {
        try (Prepared query = prepare(sql)) {
            query.start(new Object[query.parameterCount()]);
            while (query.next()) {
                row.accept(query);
            }
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

    /** Has a write-ahead log; it is closed with the connection. */
    void logs(WalFile file) {
        wal = file;
    }

    /** From here on the connection is one of those that have the file open; its close takes its turn there. */
    void uses(OpenFile.Use use) {
        file = use;
    }

    private void logLost() {
        Place known = place;
        if (known != null) {
            known.logLost();
        }
    }

    /** From here on it is known which file is open. */
    void placed(Place opened) {
        place = opened;
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
        WalFile log = wal;
        if (log != null && !gated) { // else the sync looks
            try {
                log.requireThereNowAndThen();
            } catch (WalFile.LostException e) {
                logLost();
                throw e;
            }
        }
    }

    OpenFile.@Nullable Use use() {
        return file;
    }

    /**
     * Whether a statement has rows to give, and so keeps its snapshot, and an interrupt for all that follow. Asked of VACUUM, which looks for
     * that first and then refuses to copy into nothing.
     */
    boolean hasOpenStatements() {
        try {
            run("VACUUM INTO NULL");
            return false;
        } catch (SQLException e) {
            return String.valueOf(e.getMessage()).contains("SQL statements in progress");
        }
    }

    /** Leaves the sync of commits to {@link #sync}. */
    void gated() throws SQLException {
        run("PRAGMA synchronous=NORMAL");
        gated = true;
        needsSync = true;
    }

    @Override
    public boolean sharesSnapshots() {
        return true;
    }

    @Override
    public boolean needsSync() {
        return needsSync;
    }

    @Override
    public void sync() throws IOException {
        WalFile file = wal;
        if (file != null) {
            try {
                file.sync();
            } catch (WalFile.LostException e) {
                logLost();
                throw e;
            }
        }
    }

    @Override
    public void syncByItself(boolean each) throws SQLException {
        if (gated && needsSync == each) {
            run(each ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
            needsSync = !each;
        }
    }

    @Override
    public long walSize() {
        WalFile file = wal;
        return file == null ? -1 : file.size();
    }

    @Override
    public Checkpoint checkpoint(boolean truncate) throws SQLException, SyncFailedException {
        Place known = place;
        if (known != null) {
            try {
                known.require(); // the old file may have another name now, under which somebody uses it without this
                // log
            } catch (IOException e) {
                throw new SQLException("Nothing is copied: " + e.getMessage() + ".", "58030", e);
            }
        }
        endRead(); // it would be in its own way
        String mode = truncate ? "TRUNCATE" : "PASSIVE";
        if (truncate) {
            connection.setBusyTimeout(0); // it would wait with the writers' lock
        }
        try (ResultSet result = control.executeQuery("PRAGMA main.wal_checkpoint(" + mode + ")")) {
            boolean busy = !result.next() || result.getInt(1) != 0;
            long log = result.getLong(2);
            long copied = result.getLong(3);
            return new Checkpoint(!busy && log == copied, log, copied);
        } catch (SQLException e) {
            int code = SqliteErrors.code(e);
            if (code == SQLiteErrorCode.SQLITE_IOERR_FSYNC.code
                    || code == SQLiteErrorCode.SQLITE_IOERR_DIR_FSYNC.code) {
                throw (SyncFailedException) new SyncFailedException(e.getMessage()).initCause(e);
            }
            throw e;
        } finally {
            if (truncate) {
                connection.setBusyTimeout(SqliteSetup.NATIVE_BUSY_MILLIS);
            }
        }
    }

    @Override
    public void optimize() throws SQLException {
        run("PRAGMA optimize=0x10012"); // all tables, with a limit on what ANALYZE reads
    }

    @Override
    public Writes writes(String sql) {
        return writtenTables.of(sql);
    }

    @Override
    public Writes anything() {
        return writtenTables.anything();
    }

    @Override
    public void forgetWrites() {
        writtenTables.forget();
    }

    @Override
    public CopySize copySize() throws SQLException {
        long pages = pragma("page_count") - pragma("freelist_count"); // the copy has no free pages
        return new CopySize(Math.max(1, pages), (int) pragma("page_size"));
    }

    private long pragma(String name) throws SQLException {
        try (Prepared query = prepare("PRAGMA " + name)) {
            return first(query);
        }
    }

    @Override
    public void copyTo(Path file) throws SQLException {
        refuseWrites(false); // VACUUM INTO writes nothing here, but is refused all the same
        run("VACUUM INTO '" + file.toString().replace("'", "''") + "'");
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
            if (wal != null) {
                wal.close();
            }
        } catch (IOException e) {
            throw new SQLException("The WAL could not be closed.", e);
        } finally {
            closeConnection();
        }
    }

    /**
     * SQLite remembers an interrupt until a statement begins: the last close, which copies the log, would leave it where it is. The statement
     * is one that does not look at the database, which may be one that must not be looked at.
     */
    private void forgetInterrupt() {
        try {
            control.executeQuery("PRAGMA database_list").close();
        } catch (SQLException e) {
            // it is closed already
        }
    }

    private void closeConnection() throws SQLException {
        forgetInterrupt();
        opened.close();
        connection.close(); // in case the wrapper does not
    }
}
