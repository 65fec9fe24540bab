package dev.sqlitepool.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.SqlitePool;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The contract that every way to use a pool keeps. A test of a way extends this class. */
public abstract class Contract {
    /** A way to use a pool. Columns are read as text, so that nothing depends on types. */
    public interface Way {
        long execute(String sql, Object... values);

        List<String> query(String sql, Object... values);

        /** Runs steps in a transaction that commits, or rolls back when one fails. */
        List<String> transaction(Function<Steps, List<String>> work);

        /** Runs steps in one snapshot that cannot write. */
        List<String> read(Function<Steps, List<String>> work);

        long[] batch(String sql, List<Object[]> rows);
    }

    /** What can be done inside. */
    public interface Steps {
        long execute(String sql, Object... values);

        List<String> query(String sql, Object... values);
    }

    @RegisterExtension
    protected final Pools pools = new Pools();

    private SqlitePool pool;

    /** The way that is held to the contract. */
    protected abstract Way way(SqlitePool pool);

    private Way open() {
        pool = pools.open();
        Way way = way(pool);
        way.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT NOT NULL)");
        return way;
    }

    private static List<String> ids(Way way) {
        return way.query("SELECT id FROM t ORDER BY id");
    }

    @Test
    void aChangeIsCounted() {
        Way way = open();
        assertThat(way.execute("INSERT INTO t VALUES (?, ?), (?, ?)", 1, "a", 2, "b"))
                .isEqualTo(2);
        assertThat(way.execute("UPDATE t SET v = 'c'")).isEqualTo(2);
        assertThat(way.execute("DELETE FROM t WHERE id = ?", 7)).isZero();
        assertThat(way.query("SELECT v FROM t WHERE id = ?", 1)).containsExactly("c");
    }

    @Test
    void aWriteIsSeenByTheNextRead() {
        Way way = open();
        for (int i = 0; i < 200; i++) {
            way.execute("INSERT INTO t VALUES (?, 'x')", i);
            assertThat(way.query("SELECT count(*) FROM t")).containsExactly(String.valueOf(i + 1));
        }
    }

    @Test
    void aWriteCanReturnRows() {
        Way way = open();
        assertThat(way.query("INSERT INTO t (v) VALUES ('a'), ('b') RETURNING id"))
                .containsExactly("1", "2");
        assertThat(ids(way)).containsExactly("1", "2");
    }

    @Test
    void aTransactionCommits() {
        Way way = open();
        assertThat(way.transaction(tx -> {
                    tx.execute("INSERT INTO t VALUES (1, 'a')");
                    assertThat(ids(way)).isEmpty();
                    return tx.query("SELECT id FROM t");
                }))
                .containsExactly("1");
        assertThat(ids(way)).containsExactly("1");
    }

    @Test
    void aTransactionThatFailsLeavesNothing() {
        Way way = open();
        assertThatThrownBy(() -> way.transaction(tx -> {
                    tx.execute("INSERT INTO t VALUES (1, 'a')");
                    tx.execute("INSERT INTO t VALUES (2, NULL)");
                    return List.of();
                }))
                .hasMessageContaining("NOT NULL");
        assertThatThrownBy(() -> way.transaction(tx -> {
                    tx.execute("INSERT INTO t VALUES (1, 'a')");
                    throw new IllegalStateException("of the work");
                }))
                .hasMessageContaining("of the work");
        assertThat(ids(way)).isEmpty();
    }

    @Test
    void anErrorInsideATransactionCanBeCaught() {
        Way way = open();
        way.transaction(tx -> {
            tx.execute("INSERT INTO t VALUES (1, 'a')");
            assertThatThrownBy(() -> tx.execute("INSERT INTO t VALUES (1, 'b')"))
                    .hasMessageContaining("UNIQUE");
            tx.execute("INSERT INTO t VALUES (2, 'c')");
            return List.of();
        });
        assertThat(ids(way)).containsExactly("1", "2");
    }

    @Test
    void aReadSeesOneSnapshotAndCannotWrite() {
        Way way = open();
        way.execute("INSERT INTO t VALUES (1, 'a')");
        way.read(read -> {
            assertThat(read.query("SELECT id FROM t")).containsExactly("1");
            way.execute("INSERT INTO t VALUES (2, 'b')");
            assertThat(read.query("SELECT id FROM t")).containsExactly("1");
            assertThatThrownBy(() -> read.execute("INSERT INTO t VALUES (3, 'c')"))
                    .isNotNull();
            assertThat(read.query("SELECT id FROM t")).containsExactly("1");
            return List.of();
        });
        assertThat(ids(way)).containsExactly("1", "2");
    }

    @Test
    void aBatchIsAllOrNothing() {
        Way way = open();
        assertThat(way.batch("INSERT INTO t VALUES (?, ?)", List.of(new Object[] {1, "a"}, new Object[] {2, "b"})))
                .containsExactly(1, 1);
        assertThatThrownBy(() ->
                        way.batch("INSERT INTO t VALUES (?, ?)", List.of(new Object[] {3, "c"}, new Object[] {2, "d"})))
                .hasMessageContaining("UNIQUE");
        assertThat(ids(way)).containsExactly("1", "2");
    }

    @Test
    void whatIsWrongWithAStatementIsToldAndNothingIsLost() {
        Way way = open();
        for (int i = 0; i < 50; i++) {
            assertThatThrownBy(() -> way.query("SELECT missing FROM nowhere")).hasMessageContaining("no such table");
            assertThatThrownBy(() -> way.execute("INSERT INTO t VALUES (?, 'secret')", "no number"))
                    .hasMessageNotContaining("no number");
        }
        Pools.awaitIdle(pool);
        assertThat(way.execute("INSERT INTO t VALUES (1, 'a')")).isEqualTo(1);
    }

    @Test
    void manyWritersAreNeverBusyAndNoneIsLost() {
        Way way = open();
        List<CompletableFuture<Void>> writers = IntStream.range(0, 8)
                .mapToObj(w -> CompletableFuture.runAsync(() -> {
                    for (int i = 0; i < 50; i++) {
                        int id = w * 50 + i;
                        if (i % 2 == 0) {
                            way.execute("INSERT INTO t VALUES (?, 'x')", id);
                        } else {
                            way.transaction(tx -> {
                                tx.query("SELECT count(*) FROM t");
                                tx.execute("INSERT INTO t VALUES (?, 'y')", id);
                                return List.of();
                            });
                        }
                    }
                }))
                .toList();
        writers.forEach(CompletableFuture::join);
        assertThat(way.query("SELECT count(*) FROM t")).containsExactly("400");
    }

    @Test
    void valuesAndNullComeBackAsTheyWent() {
        Way way = open();
        assertThat(way.query("SELECT typeof(?) || typeof(?) || typeof(?) || typeof(?)", 1L, 2.5, "t", new byte[] {1}))
                .containsExactly("integerrealtextblob");
        assertThat(way.query("SELECT coalesce(?, 'null')", (Object) null)).containsExactly("null");
    }
}
