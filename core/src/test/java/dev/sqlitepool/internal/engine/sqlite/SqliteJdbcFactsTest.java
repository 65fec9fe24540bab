package dev.sqlitepool.internal.engine.sqlite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.reflect.Field;
import java.nio.file.Path;
import java.sql.BatchUpdateException;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sqlite.JDBC;
import org.sqlite.SQLiteConnection;
import org.sqlite.SQLiteErrorCode;
import org.sqlite.SQLiteException;
import org.sqlite.SQLiteOpenMode;
import org.sqlite.core.Codes;
import org.sqlite.core.CoreStatement;
import org.sqlite.core.DB;

/** What the engine takes for granted about sqlite-jdbc and SQLite: a driver update that changes one of these fails here. */
class SqliteJdbcFactsTest {
    @TempDir
    Path directory;

    private SQLiteConnection connection;
    private SQLiteConnection other;

    @BeforeEach
    void open() throws SQLException {
        connection = connect();
        run(connection, "PRAGMA journal_mode=WAL");
        run(connection, "CREATE TABLE t (id INTEGER PRIMARY KEY, v)");
        run(connection, "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')");
        other = connect();
    }

    @AfterEach
    void close() throws SQLException {
        other.close();
        connection.close();
    }

    private SQLiteConnection connect() throws SQLException {
        Properties properties = new Properties();
        properties.setProperty(
                "open_mode",
                Integer.toString(
                        SQLiteOpenMode.READWRITE.flag | SQLiteOpenMode.CREATE.flag | SQLiteOpenMode.NOMUTEX.flag));
        properties.setProperty("busy_timeout", "0");
        return JDBC.createConnection("jdbc:sqlite:" + directory.resolve("my.db").toUri(), properties);
    }

    private static void run(SQLiteConnection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    private static int number(SQLiteConnection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery(sql)) {
            rows.next();
            return rows.getInt(1);
        }
    }

    /** The schema that a connection remembers: who looks, and who does not. */
    @Test
    void aPragmaOfATableThatCannotBeLooksAtTheSchemaOfEachDatabase() throws SQLException {
        String needsLook = "SELECT * FROM t UNION ALL SELECT 5, 6, 7";
        String needsLookAttached = "SELECT * FROM a UNION ALL SELECT 5, 6, 7";
        run(connection, "ATTACH '" + directory.resolve("attached.db") + "' AS attached");
        run(connection, "CREATE TABLE attached.a (x, y)");
        run(other, "ATTACH '" + directory.resolve("attached.db") + "' AS attached");
        try (PreparedStatement look = other.prepareStatement("PRAGMA table_info(sqlite_sqlitepool)")) {
            number(other, "SELECT count(*) FROM t");
            number(other, "SELECT count(*) FROM a");
            run(connection, "ALTER TABLE t ADD COLUMN w");
            run(connection, "ALTER TABLE a ADD COLUMN w");
            number(other, "PRAGMA schema_version");
            number(other, "SELECT 1");
            assertThatThrownBy(() -> number(other, needsLook)).hasMessageContaining("UNION");
            assertThatThrownBy(() -> number(other, needsLookAttached)).hasMessageContaining("UNION");
            assertThat(look.executeQuery().next()).isFalse();
            assertThat(number(other, needsLook)).isEqualTo(1);
            assertThat(number(other, needsLookAttached)).isEqualTo(5);
        }
    }

    /** Of a URI the mode counts for the file that it names, and the flags for those that are attached later. */
    @Test
    void theModeOfAUriDoesNotCountForAttachedFiles() throws SQLException {
        Properties flags = new Properties();
        flags.setProperty("open_mode", Integer.toString(SQLiteOpenMode.READWRITE.flag | SQLiteOpenMode.CREATE.flag));
        String missing = "jdbc:sqlite:" + directory.resolve("missing.db").toUri() + "?mode=rw";
        assertThatThrownBy(() -> JDBC.createConnection(missing, flags)).isInstanceOf(SQLException.class);
        assertThat(directory.resolve("missing.db")).doesNotExist();
        try (SQLiteConnection opened = JDBC.createConnection(
                "jdbc:sqlite:" + directory.resolve("my.db").toUri() + "?mode=rw", flags)) {
            run(opened, "ATTACH '" + directory.resolve("new.db") + "' AS new");
            run(opened, "CREATE TABLE new.n (x)");
        }
        assertThat(directory.resolve("new.db")).exists();
    }

    private static int code(Throwable error) {
        return ((SQLiteException) error).getResultCode().code;
    }

    private static void trick(SQLiteConnection connection) {
        connection.getConnectionConfig().setAutoCommit(false);
    }

    // ---- the autocommit trick

    /** The statements with which the driver tries to begin and commit are prepared at the first attempt. */
    private static Object begin(SQLiteConnection connection) throws ReflectiveOperationException, SQLException {
        Field begin = DB.class.getDeclaredField("begin");
        begin.setAccessible(true);
        return begin.get(connection.getDatabase());
    }

    @Test
    void toldThatAutocommitIsOffTheDriverNeitherBeginsNorCommits() throws Exception {
        SQLiteConnection plain = connect();
        run(plain, "INSERT INTO t VALUES (10, 'x')");
        assertThat(begin(plain)).as("what the driver does by itself").isNotNull();
        plain.close();

        trick(other);
        run(other, "INSERT INTO t VALUES (11, 'x')");
        try (PreparedStatement statement = other.prepareStatement("INSERT INTO t VALUES (?, 'x')")) {
            statement.setInt(1, 12);
            statement.executeUpdate();
            statement.setInt(1, 13);
            statement.addBatch();
            statement.executeBatch();
        }
        assertThat(number(other, "SELECT count(*) FROM t")).isEqualTo(7);
        assertThat(begin(other)).isNull();
        assertThat(number(connection, "SELECT count(*) FROM t"))
                .as("SQLite itself commits")
                .isEqualTo(7);
        run(other, "BEGIN");
        run(other, "ROLLBACK");
    }

    @Test
    void beginInsideAndRollbackOutsideATransactionAreTheErrorSqliteError() throws SQLException {
        trick(connection);
        run(connection, "BEGIN");
        assertThatThrownBy(() -> run(connection, "BEGIN"))
                .satisfies(e -> assertThat(code(e)).isEqualTo(SQLiteErrorCode.SQLITE_ERROR.code));
        assertThat(number(connection, "SELECT count(*) FROM t"))
                .as("the transaction stands")
                .isEqualTo(3);
        run(connection, "ROLLBACK");
        assertThatThrownBy(() -> run(connection, "ROLLBACK"))
                .satisfies(e -> assertThat(code(e)).isEqualTo(SQLiteErrorCode.SQLITE_ERROR.code));
    }

    @Test
    void aControlStatementThatFailedCanBeUsedAgain() throws SQLException {
        trick(connection);
        try (Statement control = connection.createStatement()) {
            for (int i = 0; i < 3; i++) {
                assertThatThrownBy(() -> control.executeUpdate("ROLLBACK")).isInstanceOf(SQLiteException.class);
                control.executeUpdate("BEGIN IMMEDIATE");
                assertThatThrownBy(() -> control.executeUpdate("BEGIN")).isInstanceOf(SQLiteException.class);
                control.executeUpdate("COMMIT");
            }
        }
    }

    // ---- steps and columns

    @Test
    void executeBindsAllValuesAndStepsToTheFirstRow() throws SQLException {
        trick(connection);
        try (PreparedStatement statement = connection.prepareStatement("SELECT id, v FROM t WHERE id >= ? AND v > ?")) {
            CoreStatement core = (CoreStatement) statement;
            DB db = core.getDatabase();
            assertThat(statement.getParameterMetaData().getParameterCount()).isEqualTo(2);
            for (int round = 0; round < 2; round++) {
                assertThat(db.execute(core, new Object[] {2L, "a"})).isTrue();
                List<Long> ids = new ArrayList<>();
                do {
                    ids.add(core.pointer.safeRunLong((d, p) -> d.column_long(p, 0)));
                } while (core.pointer.safeRunInt(DB::step) == Codes.SQLITE_ROW);
                assertThat(ids).containsExactly(2L, 3L);
                assertThat(core.pointer.safeRunInt(DB::reset)).isEqualTo(Codes.SQLITE_OK);
            }
            assertThat(db.execute(core, new Object[] {99L, null})).isFalse();
            assertThat(core.pointer.isClosed()).isFalse();
            assertThat(core.pointer.safeRun(DB::column_names)).containsExactly("id", "v");
        }
    }

    @Test
    void aStatementHasColumnsExactlyIfItReturnsRows() throws SQLException {
        for (String sql : List.of("SELECT 1", "INSERT INTO t VALUES (7, 'x') RETURNING id", "PRAGMA user_version")) {
            assertThat(columns(sql)).as(sql).isPositive();
        }
        for (String sql : List.of("INSERT INTO t VALUES (8, 'x')", "BEGIN", "CREATE TABLE u (x)", "VACUUM")) {
            assertThat(columns(sql)).as(sql).isZero();
        }
    }

    private int columns(String sql) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            return ((CoreStatement) statement).pointer.safeRunInt(DB::column_count);
        }
    }

    @Test
    void anEmptyBlobIsNotNull() throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement("SELECT x'', NULL")) {
            CoreStatement core = (CoreStatement) statement;
            core.getDatabase().execute(core, new Object[0]);
            assertThat(core.pointer.safeRunInt((d, p) -> d.column_type(p, 0))).isEqualTo(Codes.SQLITE_BLOB);
            assertThat(core.pointer.safeRunInt((d, p) -> d.column_type(p, 1))).isEqualTo(Codes.SQLITE_NULL);
            byte[] bytes = core.pointer.safeRun((d, p) -> d.column_blob(p, 0));
            assertThat(bytes).isNotNull().isEmpty();
            core.pointer.safeRunInt(DB::reset);
        }
    }

    /** Why verbs decide whether a statement has a count: SQLite answers with the last one that had. */
    @Test
    void aSchemaStatementReportsTheChangesOfAStranger() throws SQLException {
        run(connection, "UPDATE t SET v = 'x'");
        run(connection, "CREATE TABLE u (x)");
        assertThat(connection.getDatabase().changes()).isEqualTo(3);
        try (PreparedStatement select = connection.prepareStatement("SELECT * FROM t WHERE 0")) {
            select.executeQuery().close();
        }
        assertThat(connection.getDatabase().changes()).isEqualTo(3);
    }

    // ---- text

    @Test
    void preparedTextBehindTheFirstStatementAndBehindANulIsDropped() throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement("DELETE FROM t WHERE id = 1; DELETE FROM t")) {
            statement.executeUpdate();
        }
        assertThat(number(connection, "SELECT count(*) FROM t")).isEqualTo(2);
        try (PreparedStatement statement = connection.prepareStatement("SELECT count(*) FROM t \0 WHERE 0")) {
            assertThat(statement.executeQuery().getInt(1)).isEqualTo(2);
        }
    }

    @Test
    void preparingAPragmaCanAlreadyCarryItOut() throws SQLException {
        run(connection, "PRAGMA foreign_keys = ON");
        connection.prepareStatement("PRAGMA foreign_keys = OFF").close();
        assertThat(number(connection, "PRAGMA foreign_keys")).isZero();
        run(connection, "PRAGMA foreign_keys = ON");
        connection.prepareStatement("EXPLAIN PRAGMA foreign_keys = OFF").close();
        assertThat(number(connection, "PRAGMA foreign_keys")).isZero();
    }

    // ---- errors

    @Test
    void errorsCarryExtendedCodesAndNoSqlState() {
        assertThatThrownBy(() -> run(connection, "INSERT INTO t VALUES (1, 'again')"))
                .isInstanceOfSatisfying(SQLiteException.class, e -> {
                    assertThat(e.getResultCode()).isEqualTo(SQLiteErrorCode.SQLITE_CONSTRAINT_PRIMARYKEY);
                    assertThat(e.getErrorCode()).isEqualTo(19);
                    assertThat(e.getSQLState()).isNull();
                });
    }

    @Test
    void aStatementThatFailedInAStepIsClosedOrCanBeReset() throws SQLException {
        PreparedStatement statement = connection.prepareStatement("INSERT INTO t VALUES (?, 'again')");
        SqlitePrepared prepared = new SqlitePrepared(statement);
        assertThatThrownBy(() -> prepared.start(new Object[] {1L})).hasMessageContaining("UNIQUE");
        if (!prepared.isClosed()) {
            prepared.start(new Object[] {50L});
            assertThat(number(connection, "SELECT count(*) FROM t")).isEqualTo(4);
        }
        prepared.close();
        run(connection, "DROP TABLE t"); // nothing is left that would lock it
    }

    @Test
    void aBatchOfTextWrapsTheErrorAndABatchOfParametersDoesNot() throws SQLException {
        try (Statement batch = connection.createStatement()) {
            batch.addBatch("INSERT INTO t VALUES (1, 'again')");
            assertThatThrownBy(batch::executeBatch)
                    .isInstanceOf(BatchUpdateException.class)
                    .hasCauseInstanceOf(SQLiteException.class);
        }
        try (PreparedStatement batch = connection.prepareStatement("INSERT INTO t VALUES (?, 'again')")) {
            batch.setInt(1, 1);
            batch.addBatch();
            assertThatThrownBy(batch::executeBatch).isInstanceOf(SQLiteException.class);
        }
    }

    @Test
    void sqliteEndsATransactionByItselfOnSomeErrorsAndGoesOnInAutocommit() throws SQLException {
        trick(connection);
        run(connection, "BEGIN");
        run(connection, "INSERT INTO t VALUES (20, 'lost')");
        assertThatThrownBy(() -> run(connection, "INSERT OR ROLLBACK INTO t VALUES (1, 'again')"))
                .isInstanceOf(SQLiteException.class);
        run(connection, "INSERT INTO t VALUES (21, 'kept')");
        assertThat(number(other, "SELECT count(*) FROM t WHERE id >= 20")).isEqualTo(1);
    }

    // ---- query_only

    @ParameterizedTest
    @ValueSource(
            strings = {
                "INSERT INTO t VALUES (9, 'x')",
                "UPDATE t SET v = 'x'",
                "DELETE FROM t",
                "INSERT INTO t VALUES (9, 'x') RETURNING id",
                "WITH n(i) AS (VALUES (9)) INSERT INTO t SELECT i, 'n' FROM n",
                "BEGIN IMMEDIATE",
                "CREATE TABLE u (x)",
                "CREATE TEMP TABLE u (x)",
                "DROP TABLE t"
            })
    void withQueryOnlyAWriteFailsBeforeItTakesAnyLock(String sql) throws SQLException {
        trick(other);
        run(other, "PRAGMA query_only = ON");
        run(connection, "BEGIN IMMEDIATE"); // whoever asked for the lock now would be busy
        assertThatThrownBy(() -> run(other, sql))
                .satisfies(e -> assertThat(code(e)).isEqualTo(SQLiteErrorCode.SQLITE_READONLY.code));
        run(connection, "ROLLBACK");
        assertThatThrownBy(() -> run(other, sql))
                .satisfies(e -> assertThat(code(e)).isEqualTo(SQLiteErrorCode.SQLITE_READONLY.code));
        assertThatCode(() -> run(connection, "INSERT INTO t VALUES (9, 'x')")).doesNotThrowAnyException();
    }

    @Test
    void userSqlCanSwitchQueryOnlyOff() throws SQLException {
        run(other, "PRAGMA query_only = ON");
        run(other, "PRAGMA query_only = OFF");
        run(other, "INSERT INTO t VALUES (9, 'x')");
        assertThat(number(connection, "SELECT count(*) FROM t")).isEqualTo(4);
    }

    // ---- snapshots

    @Test
    void theSnapshotIsFixedAtTheFirstTableReadNotAtBegin() throws SQLException {
        trick(other);
        run(other, "BEGIN");
        assertThat(number(other, "SELECT 1")).isEqualTo(1);
        run(connection, "INSERT INTO t VALUES (30, 'seen')");
        assertThat(number(other, "SELECT count(*) FROM t")).isEqualTo(4);
        run(connection, "INSERT INTO t VALUES (31, 'not seen')");
        assertThat(number(other, "SELECT count(*) FROM t")).isEqualTo(4);
        run(other, "ROLLBACK");
    }

    @Test
    void aReaderThatWantsToWriteBehindAnotherWriterStaysStale() throws SQLException {
        trick(other);
        run(other, "BEGIN");
        number(other, "SELECT count(*) FROM t");
        run(connection, "INSERT INTO t VALUES (30, 'x')");
        for (int i = 0; i < 2; i++) {
            assertThatThrownBy(() -> run(other, "INSERT INTO t VALUES (31, 'x')"))
                    .satisfies(e -> assertThat(code(e)).isEqualTo(SQLiteErrorCode.SQLITE_BUSY_SNAPSHOT.code));
        }
        run(other, "ROLLBACK");
    }

    @Test
    void aCommitWithAnOpenReturningCursorIsBusy() throws SQLException {
        trick(connection);
        run(connection, "BEGIN");
        PreparedStatement statement =
                connection.prepareStatement("INSERT INTO t VALUES (40, 'x'), (41, 'x') RETURNING id");
        CoreStatement core = (CoreStatement) statement;
        assertThat(core.getDatabase().execute(core, new Object[0])).isTrue();
        assertThatThrownBy(() -> run(connection, "COMMIT"))
                .satisfies(e -> assertThat(code(e) & 0xff).isEqualTo(5));
        core.pointer.safeRunInt(DB::reset);
        run(connection, "COMMIT");
        assertThat(number(other, "SELECT count(*) FROM t")).isEqualTo(5);
        statement.close();
    }

    // ---- interrupts

    @Test
    void anInterruptBeforeAStepHasNoEffect() throws SQLException {
        connection.getDatabase().interrupt();
        assertThat(number(connection, "SELECT count(*) FROM t")).isEqualTo(3);
    }

    @Test
    void whileACursorIsOpenAnInterruptSticks() throws SQLException {
        trick(connection);
        try (PreparedStatement statement = connection.prepareStatement("SELECT id FROM t")) {
            CoreStatement core = (CoreStatement) statement;
            assertThat(core.getDatabase().execute(core, new Object[0])).isTrue();
            connection.getDatabase().interrupt();
            assertThatThrownBy(() -> number(connection, "SELECT count(*) FROM t"))
                    .satisfies(e -> assertThat(code(e)).isEqualTo(SQLiteErrorCode.SQLITE_INTERRUPT.code));
            assertThatThrownBy(() -> run(connection, "BEGIN"))
                    .satisfies(e -> assertThat(code(e)).isEqualTo(SQLiteErrorCode.SQLITE_INTERRUPT.code));
            core.pointer.safeRunInt(DB::reset);
        }
        run(connection, "BEGIN");
        assertThat(number(connection, "SELECT count(*) FROM t")).isEqualTo(3);
        run(connection, "ROLLBACK");
    }

    // ---- columns of another schema

    @Test
    void columnNamesAreThoseOfTheExecution() throws SQLException {
        PreparedStatement statement = connection.prepareStatement("SELECT * FROM t WHERE id < 2");
        SqlitePrepared prepared = new SqlitePrepared(statement);
        prepared.start(new Object[0]);
        assertThat(prepared.columnNames()).containsExactly("id", "v");
        prepared.reset();
        run(other, "ALTER TABLE t RENAME COLUMN v TO w");
        prepared.start(new Object[0]);
        assertThat(prepared.columnNames()).containsExactly("id", "w");
        prepared.reset();
        prepared.close();
    }

    // ---- the driver's own commands

    @Test
    void backupAndRestoreAreCommandsOfTheDriver() throws SQLException {
        Path copy = directory.resolve("copy.db");
        run(connection, "backup to " + copy);
        assertThat(copy).exists();
    }

    // ---- backups

    @Test
    void vacuumIntoIsRefusedWhereOnlyQueriesAreAllowed() throws SQLException {
        String sql = "VACUUM INTO '" + directory.resolve("copy.db") + "'";
        run(connection, "PRAGMA query_only=ON");
        assertThatThrownBy(() -> run(connection, sql))
                .satisfies(e -> assertThat(code(e)).isEqualTo(SQLiteErrorCode.SQLITE_READONLY.code));
        run(connection, "PRAGMA query_only=OFF");
        run(connection, sql);
        assertThatThrownBy(() -> run(connection, sql)).hasMessageContaining("already exists");
    }

    @Test
    void vacuumIntoLeavesNoWalAndKeepsRowIdsAndWhatTheHeaderSays() throws SQLException {
        run(connection, "CREATE TABLE plain (v UNIQUE)");
        run(connection, "INSERT INTO plain (rowid, v) VALUES (7, 'a'), (900, 'b'), (40, 'c')");
        run(connection, "PRAGMA user_version = 5");
        run(connection, "PRAGMA application_id = 6");
        Path file = directory.resolve("copy.db");
        run(connection, "VACUUM INTO '" + file + "'");
        assertThat(file.resolveSibling("copy.db-wal")).doesNotExist();
        try (SQLiteConnection copy = JDBC.createConnection("jdbc:sqlite:" + file, new Properties())) {
            assertThat(number(copy, "SELECT rowid FROM plain WHERE v = 'b'")).isEqualTo(900);
            assertThat(number(copy, "SELECT rowid FROM plain WHERE v = 'c'")).isEqualTo(40);
            assertThat(number(copy, "PRAGMA user_version")).isEqualTo(5);
            assertThat(number(copy, "PRAGMA application_id")).isEqualTo(6);
        }
    }
}
