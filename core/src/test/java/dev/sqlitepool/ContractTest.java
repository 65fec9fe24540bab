package dev.sqlitepool;

import dev.sqlitepool.testing.Contract;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletionException;
import java.util.function.Function;
import org.junit.jupiter.api.Nested;

/** Futures and the blocking view keep the contract. */
class ContractTest {
    @Nested
    class Futures extends Contract {
        @Override
        protected Way way(SqlitePool pool) {
            return new Way() {
                @Override
                public long execute(String sql, Object... values) {
                    return pool.execute(sql, values).join();
                }

                @Override
                public List<String> query(String sql, Object... values) {
                    return pool.<String>query(sql, row -> row.getString(1), values)
                            .join();
                }

                @Override
                public List<String> transaction(Function<Steps, List<String>> work) {
                    return pool.<List<String>>transaction(tx -> work.apply(steps(tx)))
                            .join();
                }

                @Override
                public List<String> read(Function<Steps, List<String>> work) {
                    return pool.<List<String>>read(conn -> work.apply(steps(conn)))
                            .join();
                }

                @Override
                public long[] batch(String sql, List<Object[]> rows) {
                    return pool.executeBatch(sql, rows).join();
                }
            };
        }
    }

    @Nested
    class Blocking extends Contract {
        @Override
        protected Way way(SqlitePool pool) {
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

    private static Contract.Steps steps(PoolConnection connection) {
        return new Contract.Steps() {
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
}
