package dev.sqlitepool.r2dbc;

import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.testing.Contract;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.Result;
import io.r2dbc.spi.Statement;
import java.util.List;
import java.util.function.Function;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** The driver keeps the contract of the pool's own ways. */
class ContractTest extends Contract {
    @Override
    protected Way way(SqlitePool pool) {
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
                            .map(counts ->
                                    counts.stream().mapToLong(Long::longValue).toArray());
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
                        return count(c, sql, values).toFuture().join();
                    }

                    @Override
                    public List<String> query(String sql, Object... values) {
                        return texts(c, sql, values).toFuture().join();
                    }
                };
            }
        };
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
}
