package dev.sqlitepool.benchmarks;

import dev.sqlitepool.BlockingPool;
import dev.sqlitepool.Durability;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.programs.Trial;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;

/** What one call costs one thread, and what it allocates: the pool beside the driver's prepared statement, by JMH. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(2)
public class Costs {
    private Path directory;
    private SqlitePool pool;
    private BlockingPool blocking;
    private Connection connection;
    private PreparedStatement read;

    /**
     * Opens a pool and a connection of the driver on files with the same tables.
     *
     * @throws Exception if that fails
     */
    @Setup
    public void open() throws Exception {
        directory = Files.createTempDirectory("sqlitepool-costs-");
        pool = SqlitePool.builder()
                .databasePath(directory.resolve("pool.db"))
                .durability(Durability.NORMAL)
                .build();
        blocking = pool.blocking();
        connection = DriverManager.getConnection(JdbcContender.url(directory.resolve("driver.db"), "NORMAL"));
        for (String sql : Contender.SCHEMA) {
            blocking.execute(sql);
            connection.createStatement().execute(sql);
        }
        read = connection.prepareStatement(Contender.READ);
    }

    /**
     * Closes both and deletes the files.
     *
     * @throws SQLException if the connection cannot be closed
     * @throws IOException if a file cannot be deleted
     */
    @TearDown
    public void close() throws SQLException, IOException {
        pool.close();
        connection.close();
        try (var files = Files.list(directory)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(directory);
    }

    /**
     * The driver's limit.
     *
     * @return the value
     * @throws SQLException never
     */
    @Benchmark
    public long driverPointRead() throws SQLException {
        read.setInt(1, VersusHikari.key());
        try (ResultSet row = read.executeQuery()) {
            row.next();
            return row.getLong(1);
        }
    }

    /**
     * A point read through the blocking view.
     *
     * @return the value
     * @throws SQLException never
     */
    @Benchmark
    public long blockingPointRead() throws SQLException {
        return blocking.queryOne(Contender.READ, row -> row.getLong(1), VersusHikari.key())
                .orElseThrow();
    }

    /**
     * A point read whose future is waited for: a hop to a worker and back.
     *
     * @return the value
     */
    @Benchmark
    public long futurePointRead() {
        return pool.queryOne(Contender.READ, row -> row.getLong(1), VersusHikari.key())
                .join()
                .orElseThrow();
    }

    /**
     * A connection taken and given back.
     *
     * @throws SQLException never
     */
    @Benchmark
    public void blockingConnection() throws SQLException {
        blocking.useConnection(c -> {});
    }

    /**
     * A transaction of one statement.
     *
     * @throws SQLException never
     */
    @Benchmark
    public void blockingTransaction() throws SQLException {
        blocking.useTransaction(tx -> tx.execute(Contender.INSERT, 1));
    }

    static void run(Trial trial) throws Exception {
        OptionsBuilder options = new OptionsBuilder();
        options.include(Costs.class.getName()).addProfiler(GCProfiler.class).shouldFailOnError(true);
        if (trial.isShort()) {
            options.forks(0).warmupIterations(0).measurementIterations(1).measurementTime(TimeValue.milliseconds(20));
        }
        new Runner(options.build()).run();
    }
}
