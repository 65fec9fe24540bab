package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.testing.Pools;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.Reader;
import java.io.StringReader;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What a JDBC statement remembers: its batch until it has run, its settings until it is closed, on whatever lane. */
class JdbcBatchTest {
    /** Is prepared on a read lane, and turns out to write when it runs. */
    private static final String MOVES = "WITH n(i) AS (VALUES (?)) INSERT INTO t SELECT i FROM n";

    @RegisterExtension
    final Pools pools = new Pools();

    private SqlitePool pool;

    @BeforeEach
    void open() {
        pool = pools.open(settings -> settings.poolSize(3));
        pool.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)").join();
    }

    private List<Integer> ids() {
        return pool.query("SELECT id FROM t ORDER BY id", row -> row.getInt(1)).join();
    }

    private void onConnection(SqlAction<Connection, SQLException> work) throws SQLException {
        pool.blocking().useConnection(c -> work.accept(c.jdbc()));
    }

    private static List<Integer> read(ResultSet rows) throws SQLException {
        List<Integer> ids = new ArrayList<>();
        while (rows.next()) {
            ids.add(rows.getInt(1));
        }
        rows.close();
        return ids;
    }

    @Test
    void aBatchIsForgottenWhenItHasRun() throws SQLException {
        onConnection(jdbc -> {
            try (Statement statement = jdbc.createStatement()) {
                statement.addBatch("INSERT INTO t VALUES (1)");
                assertThat(statement.executeBatch()).containsExactly(1);
                assertThat(statement.executeBatch()).isEmpty();
                assertThat(pool.stats().switches()).as("nothing to write").isEqualTo(1);
            }
        });
        assertThat(ids()).containsExactly(1);
    }

    @Test
    void aBatchThatIsClearedIsForgotten() throws SQLException {
        onConnection(jdbc -> {
            try (Statement statement = jdbc.createStatement()) {
                statement.addBatch("INSERT INTO t VALUES (1)");
                statement.clearBatch();
                assertThat(statement.executeBatch()).isEmpty();
                assertThat(pool.stats().switches()).isZero();
            }
        });
        assertThat(ids()).isEmpty();
    }

    @Test
    void aBatchThatHasFailedIsForgotten() throws SQLException {
        onConnection(jdbc -> {
            jdbc.setAutoCommit(false);
            try (Statement statement = jdbc.createStatement();
                    PreparedStatement insert = jdbc.prepareStatement("INSERT INTO t VALUES (?)")) {
                statement.addBatch("INSERT INTO t VALUES (1)");
                statement.addBatch("INSERT INTO t VALUES (1)");
                assertThatThrownBy(statement::executeBatch).isInstanceOf(BatchUpdateException.class);
                jdbc.rollback();
                statement.addBatch("INSERT INTO t VALUES (2)");
                assertThat(statement.executeBatch()).containsExactly(1);
                for (int i = 0; i < 2; i++) {
                    insert.setInt(1, 2);
                    insert.addBatch();
                }
                assertThatThrownBy(insert::executeBatch).isInstanceOf(SQLException.class);
                jdbc.rollback();
                insert.setInt(1, 3);
                insert.addBatch();
                assertThat(insert.executeBatch()).containsExactly(1);
                jdbc.commit();
            }
        });
        assertThat(ids()).containsExactly(3);
    }

    @Test
    void parametersThatAreClearedLeaveTheBatch() throws SQLException {
        onConnection(jdbc -> {
            try (PreparedStatement insert = jdbc.prepareStatement(MOVES)) {
                for (int i = 11; i <= 13; i++) {
                    insert.setInt(1, i);
                    insert.addBatch();
                    insert.clearParameters();
                }
                insert.addBatch(); // without a value, so SQLite gives it the next id
                assertThat(insert.executeBatch()).containsExactly(1, 1, 1, 1);
            }
        });
        assertThat(ids()).containsExactly(11, 12, 13, 14);
    }

    @Test
    void theLastValueOfAParameterCounts() throws SQLException {
        onConnection(jdbc -> {
            try (PreparedStatement insert = jdbc.prepareStatement(MOVES)) {
                insert.setInt(1, 1);
                insert.setLong(1, 2);
                assertThat(insert.executeUpdate()).isEqualTo(1);
            }
        });
        assertThat(ids()).containsExactly(2);
    }

    @Test
    void parametersStayForTheNextRun() throws SQLException {
        onConnection(jdbc -> {
            try (PreparedStatement select = jdbc.prepareStatement("SELECT ? + ?")) {
                select.setInt(1, 1);
                select.setInt(2, 10);
                assertThat(read(select.executeQuery())).containsExactly(11);
                select.setInt(2, 20);
                try (Statement statement = jdbc.createStatement()) {
                    statement.execute("INSERT INTO t VALUES (1)");
                }
                assertThat(read(select.executeQuery())).as("on another lane").containsExactly(21);
            }
        });
    }

    @Test
    void aStreamIsReadOnceAndGivenAgain() throws SQLException {
        pool.execute("CREATE TABLE s (x)").join();
        String sql = "WITH n(i) AS (VALUES (?)) INSERT INTO s SELECT i FROM n";
        for (boolean limited : new boolean[] {false, true}) {
            onConnection(jdbc -> {
                try (PreparedStatement bytes = jdbc.prepareStatement(sql);
                        PreparedStatement text = jdbc.prepareStatement(sql)) {
                    InputStream stream = new ByteArrayInputStream(new byte[] {1, 2, 3});
                    Reader reader = new StringReader("abc");
                    if (limited) {
                        bytes.setBinaryStream(1, stream, 2);
                        text.setCharacterStream(1, reader, 2);
                    } else {
                        bytes.setBinaryStream(1, stream);
                        text.setCharacterStream(1, reader);
                    }
                    assertThat(bytes.executeUpdate()).isEqualTo(1);
                    assertThat(text.executeUpdate()).isEqualTo(1);
                    assertThat(stream.read()).isEqualTo(limited ? 3 : -1);
                    assertThat(reader.read()).isEqualTo(limited ? 'c' : -1);
                } catch (IOException e) {
                    throw new SQLException(e);
                }
            });
        }
        assertThat(pool.query("SELECT hex(x) FROM s ORDER BY rowid", row -> row.getString(1))
                        .join())
                .containsExactly("010203", "616263", "0102", "6162");
    }

    @Test
    void aStreamThatFailsIsAnSqlException() throws SQLException {
        IOException error = new IOException("of the stream");
        InputStream failing = new InputStream() {
            @Override
            public int read() throws IOException {
                throw error;
            }
        };
        onConnection(jdbc -> {
            try (PreparedStatement insert = jdbc.prepareStatement(MOVES)) {
                assertThatThrownBy(() -> insert.setBinaryStream(1, failing))
                        .isInstanceOf(SQLException.class)
                        .hasCause(error);
            }
        });
    }

    @Test
    void theSettingsOfAStatementOutliveItsBatch() throws SQLException {
        onConnection(jdbc -> {
            try (Statement statement = jdbc.createStatement();
                    PreparedStatement insert = jdbc.prepareStatement("INSERT INTO t VALUES (?) RETURNING id")) {
                statement.setMaxRows(4);
                statement.setLargeMaxRows(3);
                statement.setMaxRows(2);
                statement.addBatch("INSERT INTO t VALUES (1), (2), (3)");
                statement.clearBatch();
                statement.addBatch("INSERT INTO t VALUES (1), (2), (3), (4)");
                assertThat(statement.executeBatch()).containsExactly(4);
                assertThat(read(statement.executeQuery("SELECT id FROM t ORDER BY id")))
                        .containsExactly(1, 2);
                insert.setMaxRows(7);
                insert.clearParameters();
                statement.execute("INSERT INTO t VALUES (5)");
                assertThat(insert.getMaxRows()).isEqualTo(7);
            }
        });
    }

    @Test
    void whyTransactionControlIsRefusedInABatchIsSaid() throws SQLException {
        onConnection(jdbc -> {
            try (Statement statement = jdbc.createStatement()) {
                statement.addBatch("INSERT INTO t VALUES (1)");
                statement.addBatch("BEGIN");
                assertThatThrownBy(statement::executeBatch)
                        .hasMessageStartingWith("Transaction control is refused in a batch");
            }
        });
        assertThat(ids()).isEmpty();
    }

    // ---- keys

    @Test
    void keysAreKeptOnlyForWhoeverAsks() throws SQLException {
        onConnection(jdbc -> {
            String sql = "INSERT INTO t VALUES (NULL)";
            try (PreparedStatement none = jdbc.prepareStatement(sql, Statement.NO_GENERATED_KEYS);
                    PreparedStatement typed =
                            jdbc.prepareStatement(sql, ResultSet.TYPE_FORWARD_ONLY, ResultSet.CONCUR_READ_ONLY);
                    PreparedStatement some = jdbc.prepareStatement(sql, Statement.RETURN_GENERATED_KEYS)) {
                for (PreparedStatement insert : List.of(none, typed, some)) {
                    assertThat(insert.executeUpdate()).isEqualTo(1);
                    assertThat(read(insert.getGeneratedKeys())).hasSize(insert == some ? 1 : 0);
                }
            }
        });
    }

    // ---- transaction control as text

    @Test
    void transactionControlAsTextIsFollowed() throws SQLException {
        onConnection(jdbc -> {
            try (Statement statement = jdbc.createStatement()) {
                statement.execute("BEGIN");
                assertThatThrownBy(() -> jdbc.setReadOnly(true)).hasMessageContaining("inside a transaction");
                statement.execute("INSERT INTO t VALUES (1)");
                statement.execute("COMMIT");
                jdbc.setReadOnly(true);
                jdbc.setReadOnly(false);
                jdbc.setAutoCommit(false);
                statement.execute("BEGIN");
                statement.execute("INSERT INTO t VALUES (2)");
                statement.execute("ROLLBACK");
                jdbc.setReadOnly(true);
            }
        });
        assertThat(ids()).containsExactly(1);
    }

    @Test
    void aRollbackOfWhatIsLostHasChangedNothing() throws SQLException {
        onConnection(jdbc -> {
            jdbc.setAutoCommit(false);
            try (Statement statement = jdbc.createStatement()) {
                for (int i = 0; i < 3; i++) {
                    statement.execute("INSERT INTO t VALUES (1)");
                    assertThatThrownBy(() -> statement.execute("INSERT OR ROLLBACK INTO t VALUES (1)"))
                            .hasMessageContaining("UNIQUE");
                    switch (i) {
                        case 0:
                            assertThat(statement.execute("ROLLBACK")).isFalse();
                            break;
                        case 1:
                            assertThat(statement.executeUpdate("ROLLBACK")).isZero();
                            break;
                        default:
                            assertThat(statement.executeLargeUpdate("ROLLBACK")).isZero();
                    }
                }
            }
        });
        assertThat(ids()).isEmpty();
    }
}
