package dev.sqlitepool.r2dbc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.PoolConnection;
import dev.sqlitepool.SqlitePool;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.Result;
import io.r2dbc.spi.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** What holds in whatever way one uses the pool: futures, the blocking view, R2DBC. */
class ContractTest {
    /** A way to use a pool. Columns are read as text, so that nothing depends on types. */
    interface Way {
        long execute(String sql, Object... values);

        List<String> query(String sql, Object... values);

        /** Runs steps in a transaction that commits, or rolls back when one fails. */
        List<String> transaction(Function<Steps, List<String>> work);

        /** Runs steps in one snapshot that cannot write. */
        List<String> read(Function<Steps, List<String>> work);

        long[] batch(String sql, List<Object[]> rows);
    }

    /** What can be done inside. */
    interface Steps {
        long execute(String sql, Object... values);

        List<String> query(String sql, Object... values);
    }

    abstract static class Contract {
        @RegisterExtension
        final Files files = new Files();

        abstract Way way(SqlitePool pool);

        private Way open() {
            Way way = way(files.pool());
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
            assertThatThrownBy(() -> way.batch(
                            "INSERT INTO t VALUES (?, ?)", List.of(new Object[] {3, "c"}, new Object[] {2, "d"})))
                    .hasMessageContaining("UNIQUE");
            assertThat(ids(way)).containsExactly("1", "2");
        }

        @Test
        void whatIsWrongWithAStatementIsToldAndNothingIsLost() {
            Way way = open();
            for (int i = 0; i < 50; i++) {
                assertThatThrownBy(() -> way.query("SELECT missing FROM nowhere"))
                        .hasMessageContaining("no such table");
                assertThatThrownBy(() -> way.execute("INSERT INTO t VALUES (?, 'secret')", "no number"))
                        .hasMessageNotContaining("no number");
            }
            Files.awaitIdle(files.pool());
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
            assertThat(way.query(
                            "SELECT typeof(?) || typeof(?) || typeof(?) || typeof(?)", 1L, 2.5, "t", new byte[] {1}))
                    .containsExactly("integerrealtextblob");
            assertThat(way.query("SELECT coalesce(?, 'null')", (Object) null)).containsExactly("null");
        }
    }

    @Nested
    class Futures extends Contract {
        @Override
        Way way(SqlitePool pool) {
            return new Way() {
                @Override
                public long execute(String sql, Object... values) {
                    return joined(pool.execute(sql, values));
                }

                @Override
                public List<String> query(String sql, Object... values) {
                    return joined(pool.<String>query(sql, row -> row.getString(1), values));
                }

                @Override
                public List<String> transaction(Function<Steps, List<String>> work) {
                    return joined(pool.<List<String>>transaction(tx -> work.apply(steps(tx))));
                }

                @Override
                public List<String> read(Function<Steps, List<String>> work) {
                    return joined(pool.<List<String>>read(conn -> work.apply(steps(conn))));
                }

                @Override
                public long[] batch(String sql, List<Object[]> rows) {
                    return joined(pool.executeBatch(sql, rows));
                }
            };
        }
    }

    @Nested
    class Blocking extends Contract {
        @Override
        Way way(SqlitePool pool) {
            return new Way() {
                @Override
                public long execute(String sql, Object... values) {
                    return checked(() -> pool.blocking().execute(sql, values));
                }

                @Override
                public List<String> query(String sql, Object... values) {
                    return checked(() -> pool.blocking().<String>query(sql, row -> row.getString(1), values));
                }

                @Override
                public List<String> transaction(Function<Steps, List<String>> work) {
                    return checked(() ->
                            pool.blocking().<List<String>, RuntimeException>transaction(tx -> work.apply(steps(tx))));
                }

                @Override
                public List<String> read(Function<Steps, List<String>> work) {
                    return checked(() ->
                            pool.blocking().<List<String>, RuntimeException>read(conn -> work.apply(steps(conn))));
                }

                @Override
                public long[] batch(String sql, List<Object[]> rows) {
                    return checked(() -> pool.blocking().executeBatch(sql, rows));
                }
            };
        }
    }

    @Nested
    class R2dbc extends Contract {
        @Override
        Way way(SqlitePool pool) {
            SqliteConnectionFactory factory = SqliteConnectionFactory.of(pool);
            return new Way() {
                @Override
                public long execute(String sql, Object... values) {
                    return using(Connection::close, c -> count(c, sql, values));
                }

                @Override
                public List<String> query(String sql, Object... values) {
                    return using(Connection::close, c -> texts(c, sql, values));
                }

                @Override
                public List<String> transaction(Function<Steps, List<String>> work) {
                    return using(c -> Mono.from(c.rollbackTransaction()).then(Mono.from(c.close())), c -> Mono.from(
                                    c.beginTransaction())
                            .then(Mono.fromCallable(() -> work.apply(steps(c))))
                            .flatMap(all -> Mono.from(c.commitTransaction()).thenReturn(all)));
                }

                @Override
                public List<String> read(Function<Steps, List<String>> work) {
                    return using(
                            Connection::close, c -> Mono.from(c.beginTransaction(SqliteTransactionDefinition.READ_ONLY))
                                    .then(Mono.fromCallable(() -> work.apply(steps(c)))));
                }

                @Override
                public long[] batch(String sql, List<Object[]> rows) {
                    return using(Connection::close, c -> {
                        Statement statement = c.createStatement(sql);
                        for (int i = 0; i < rows.size(); i++) {
                            if (i > 0) {
                                statement.add();
                            }
                            bind(statement, rows.get(i));
                        }
                        return Flux.from(statement.execute())
                                .concatMap(Result::getRowsUpdated)
                                .collectList()
                                .map(counts -> counts.stream()
                                        .mapToLong(Long::longValue)
                                        .toArray());
                    });
                }

                private <T> T using(
                        Function<SqliteConnection, org.reactivestreams.Publisher<Void>> close,
                        Function<SqliteConnection, Mono<T>> work) {
                    return Mono.usingWhen(factory.create().cast(SqliteConnection.class), work, close::apply)
                            .block();
                }

                private Steps steps(SqliteConnection c) {
                    return new Steps() {
                        @Override
                        public long execute(String sql, Object... values) {
                            return joined(count(c, sql, values).toFuture());
                        }

                        @Override
                        public List<String> query(String sql, Object... values) {
                            return joined(texts(c, sql, values).toFuture());
                        }
                    };
                }
            };
        }
    }

    private static Statement bind(Statement statement, Object... values) {
        for (int i = 0; i < values.length; i++) {
            if (values[i] == null) {
                statement.bindNull(i, Object.class);
            } else {
                statement.bind(i, values[i]);
            }
        }
        return statement;
    }

    private static Mono<Long> count(Connection c, String sql, Object... values) {
        return Flux.from(bind(c.createStatement(sql), values).execute())
                .concatMap(Result::getRowsUpdated)
                .single();
    }

    private static Mono<List<String>> texts(Connection c, String sql, Object... values) {
        return Flux.from(bind(c.createStatement(sql), values).execute())
                .concatMap(result -> result.map(row -> row.get(0, String.class)))
                .collectList();
    }

    private static Steps steps(PoolConnection connection) {
        return new Steps() {
            @Override
            public long execute(String sql, Object... values) {
                return checked(() -> connection.execute(sql, values));
            }

            @Override
            public List<String> query(String sql, Object... values) {
                return checked(() -> new ArrayList<>(connection.<String>query(sql, row -> row.getString(1), values)));
            }
        };
    }

    private interface Call<T> {
        T run() throws Exception;
    }

    private static <T> T checked(Call<T> call) {
        try {
            return call.run();
        } catch (RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new CompletionException(e);
        }
    }

    private static <T> T joined(CompletableFuture<T> future) {
        return future.join();
    }
}
