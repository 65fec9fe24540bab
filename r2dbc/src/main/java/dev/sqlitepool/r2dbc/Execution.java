package dev.sqlitepool.r2dbc;

import dev.sqlitepool.Access;
import dev.sqlitepool.PoolConnection;
import dev.sqlitepool.SqlWork;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.r2dbc.Script.Part;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/**
 * Runs statements for a connection: in its transaction if there is one, else each by itself.
 *
 * <p>By itself a change is data of the pool, which may group it with others; with a timeout of the connection's own it runs on a loan.
 * The rows of a SELECT are read as they are asked for if it is the last of what is executed. Those of the others are collected before
 * the next statement runs: else it would depend on the subscriber what they see.
 */
final class Execution {
    private final SqliteConnection connection;
    private final SqlitePool pool;
    private final int fetchSize;

    Execution(SqliteConnection connection, int fetchSize) {
        this.connection = connection;
        this.pool = connection.pool();
        this.fetchSize = fetchSize;
    }

    /** A statement with its values. */
    record Run(Part part, @Nullable Object[] values) {}

    /** Runs statements one after the other; the first that fails is the last. */
    Flux<SqliteResult> all(List<Run> runs) {
        int last = runs.size() - 1;
        return Flux.range(0, runs.size()).concatMap(i -> one(runs.get(i), i == last), 0);
    }

    private Mono<SqliteResult> one(Run run, boolean last) {
        return Mono.defer(() -> run.part().isControl()
                        ? connection.control(run.part()).thenReturn(SqliteResult.count(0))
                        : connection.begunIfNeeded().then(started(run, last)))
                .onErrorMap(error -> connection.error(error, run.part().sql()));
    }

    private Mono<SqliteResult> started(Run run, boolean last) {
        return Mono.defer(() -> {
            Part part = run.part();
            switch (part.kind()) {
                case ROWS:
                    Flux<StoredRow> rows = rows(run);
                    return last
                            ? Mono.just(SqliteResult.rows(rows))
                            : rows.collectList().map(all -> SqliteResult.rows(Flux.fromIterable(all)));
                case CHANGE:
                    return change(run).map(SqliteResult::count);
                case RETURNING:
                    return returning(run).map(SqliteResult::written);
                default:
                    return other(run);
            }
        });
    }

    private Flux<StoredRow> rows(Run run) {
        return Flux.defer(() -> Reading.rows(
                connection.placeToRead(), run.part().sql(), run.values(), fetchSize, connection.statementTimeout()));
    }

    private Mono<Long> change(Run run) {
        return connection.isPlain()
                ? Mono.fromFuture(() -> pool.execute(run.part().sql(), run.values()))
                : onLoan(Access.WRITE, c -> c.execute(run.part().sql(), run.values()));
    }

    private Mono<List<StoredRow>> returning(Run run) {
        return connection.isPlain()
                ? Mono.fromFuture(() -> pool.<StoredRow>query(run.part().sql(), StoredRow.mapper(), run.values()))
                : onLoan(Access.WRITE, c -> c.<StoredRow>query(run.part().sql(), StoredRow.mapper(), run.values()));
    }

    /** A change with several rows of values: all take effect, or none. */
    Flux<SqliteResult> batch(Part part, List<Object[]> rows) {
        String sql = part.sql();
        return Mono.defer(() -> connection
                        .begunIfNeeded()
                        .then(Mono.defer(() -> connection.isPlain()
                                ? Mono.fromFuture(() -> pool.executeBatch(sql, rows))
                                : onLoan(Access.WRITE, c -> c.executeBatch(sql, rows)))))
                .onErrorMap(error -> connection.error(error, sql))
                .flatMapIterable(counts ->
                        Arrays.stream(counts).mapToObj(SqliteResult::count).toList());
    }

    /** PRAGMA and the like: only SQLite knows whether it has rows. What changes the connection keeps it. */
    private Mono<SqliteResult> other(Run run) {
        String sql = run.part().sql();
        SqlWork<PoolConnection, List<StoredRow>, SQLException> work = c -> {
            try (PreparedStatement statement = c.jdbc().prepareStatement(sql)) {
                for (int i = 0; i < run.values().length; i++) {
                    statement.setObject(i + 1, run.values()[i]);
                }
                return statement.execute() ? stored(statement) : List.of();
            }
        };
        Mono<List<StoredRow>> rows = run.part().changesConnection()
                ? connection.kept().flatMap(loan -> loan.run(timeout(), work))
                : onLoan(null, work);
        return rows.map(all -> all.isEmpty() ? SqliteResult.count(0) : SqliteResult.rows(Flux.fromIterable(all)));
    }

    private static List<StoredRow> stored(PreparedStatement statement) throws SQLException {
        List<StoredRow> rows = new ArrayList<>();
        try (ResultSet result = statement.getResultSet()) {
            Columns columns = null;
            while (result.next()) {
                if (columns == null) {
                    columns = Columns.of(result);
                }
                rows.add(StoredRow.of(columns, result));
            }
        }
        return rows;
    }

    private @Nullable Duration timeout() {
        return connection.statementTimeout();
    }

    /** Runs work in the transaction if there is one, else on a loan of its own. */
    private <T> Mono<T> onLoan(@Nullable Access access, SqlWork<PoolConnection, T, ?> work) {
        Loan current = connection.current();
        if (current != null) {
            return current.run(timeout(), work);
        }
        return Mono.using(() -> connection.lend(access), loan -> loan.run(timeout(), work), Loan::end);
    }
}
