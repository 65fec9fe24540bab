package dev.sqlitepool.benchmarks;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.jdbcclient.JDBCConnectOptions;
import io.vertx.jdbcclient.JDBCPool;
import io.vertx.sqlclient.Pool;
import io.vertx.sqlclient.PoolOptions;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.RowSet;
import io.vertx.sqlclient.SqlClient;
import io.vertx.sqlclient.SqlConnection;
import io.vertx.sqlclient.Tuple;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/**
 * The JDBC client of Vert.x with its own pool of ten connections; its clients chain futures.
 *
 * <p>Two of its faults need a way round, or its transactions wait for each other until the busy timeout fails them:
 *
 * <ul>
 *   <li>Connections of one context share one queue of work, where a BEGIN that waits for the lock may be before the COMMIT that would
 *       free it (vertx-jdbc-client, issue 203): so each has an event loop of its own.
 *   <li>{@code withTransaction} leaves its connection with autocommit off (issue 356), so an idle one has begun its next transaction, and
 *       a single statement on it would not be committed: so transactions begin and end by SQL.
 * </ul>
 */
final class VertxContender implements Contender {
    /** A thread that waits for a processor is not blocked: no word about it, and no stack trace. */
    private final Vertx vertx =
            Vertx.vertx(new VertxOptions().setBlockedThreadCheckInterval(TimeUnit.DAYS.toMillis(1)));

    private final Pool pool;

    /**
     * Over a new file.
     *
     * @param synchronous {@code FULL} or {@code NORMAL}
     */
    VertxContender(Path database, String synchronous) {
        JDBCConnectOptions file = new JDBCConnectOptions().setJdbcUrl(JdbcContender.url(database, synchronous));
        PoolOptions settings = new PoolOptions()
                .setMaxSize(Peers.CONNECTIONS)
                .setEventLoopSize(Peers.CONNECTIONS)
                .setConnectionTimeout((int) Peers.PATIENCE.toSeconds())
                .setConnectionTimeoutUnit(TimeUnit.SECONDS);
        this.pool = JDBCPool.pool(vertx, file, settings);
        for (String sql : SCHEMA) {
            stage(pool.query(sql).execute()).join();
        }
    }

    private static <T> CompletableFuture<T> stage(Future<T> future) {
        return future.toCompletionStage().toCompletableFuture();
    }

    private static Future<RowSet<Row>> run(SqlClient client, String sql, Object... values) {
        return client.preparedQuery(sql).execute(Tuple.from(values));
    }

    private static long number(RowSet<Row> rows) {
        return rows.iterator().next().getLong(0);
    }

    @Override
    public String name() {
        return "Vert.x JDBC client (10)";
    }

    @Override
    public Clients clients() {
        return Clients.STAGES;
    }

    @Override
    public CompletableFuture<?> acquire() {
        return stage(pool.getConnection().compose(SqlConnection::close));
    }

    private CompletableFuture<?> inTransaction(Function<SqlClient, Future<?>> work) {
        return stage(pool.withConnection(connection -> connection
                .query("BEGIN IMMEDIATE")
                .execute()
                .compose(begun -> work.apply(connection))
                .compose(done -> connection.query("COMMIT").execute())));
    }

    @Override
    public CompletableFuture<?> transaction(int client) {
        return inTransaction(tx -> run(tx, TOUCH, client).compose(touched -> run(tx, INSERT, client)));
    }

    @Override
    public CompletableFuture<?> readModifyWrite(int client) {
        return inTransaction(tx -> run(tx, READ, client)
                .compose(rows -> run(tx, SET, number(rows) + 1, client))
                .compose(set -> run(tx, INSERT, client)));
    }

    @Override
    public CompletableFuture<?> execute(int client) {
        return stage(run(pool, INSERT, client));
    }

    @Override
    public CompletableFuture<?> batch(int client) {
        List<Tuple> rows = Collections.nCopies(BATCH, Tuple.of(client));
        return inTransaction(tx -> tx.preparedQuery(INSERT).executeBatch(rows));
    }

    @Override
    public CompletableFuture<Long> query(int key) {
        return stage(run(pool, READ, key).map(VertxContender::number));
    }

    @Override
    public CompletableFuture<List<Item>> scan(int from) {
        return stage(run(pool, SCAN, from, from).map(rows -> {
            List<Item> items = new ArrayList<>();
            for (Row row : rows) {
                items.add(new Item(row.getLong(0), row.getLong(1), row.getString(2)));
            }
            return items;
        }));
    }

    @Override
    public CompletableFuture<Long> slowQuery(long steps) {
        return stage(run(pool, COUNT, steps).map(VertxContender::number));
    }

    @Override
    public long blockingQuery(int key) {
        return query(key).join();
    }

    @Override
    public long blockingCount(long to) {
        return slowQuery(to).join();
    }

    /** First the pool: the future of both together would complete on a thread that has ended. */
    @Override
    public void close() {
        stage(pool.close())
                .orTimeout(ClosedLoop.PATIENCE_SECONDS, TimeUnit.SECONDS)
                .join();
        stage(vertx.close())
                .orTimeout(ClosedLoop.PATIENCE_SECONDS, TimeUnit.SECONDS)
                .join();
    }
}
