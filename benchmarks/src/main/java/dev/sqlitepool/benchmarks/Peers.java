package dev.sqlitepool.benchmarks;

import io.agroal.api.AgroalDataSource;
import io.agroal.api.configuration.supplier.AgroalDataSourceConfigurationSupplier;
import java.nio.file.Path;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import org.apache.commons.dbcp2.BasicDataSource;

/**
 * Other pools of JDBC connections, as their users set them up for SQLite: ten connections, clients on platform threads, over a new
 * file. {@code synchronous} is {@code FULL} or {@code NORMAL}.
 */
final class Peers {
    static final int CONNECTIONS = 10;
    static final Duration PATIENCE = Duration.ofSeconds(ClosedLoop.PATIENCE_SECONDS);

    private Peers() {}

    static Contender agroal(Path database, String synchronous) throws SQLException {
        AgroalDataSource pool = AgroalDataSource.from(
                new AgroalDataSourceConfigurationSupplier().connectionPoolConfiguration(connections -> connections
                        .minSize(0)
                        .maxSize(CONNECTIONS)
                        .acquisitionTimeout(PATIENCE)
                        .connectionFactoryConfiguration(
                                factory -> factory.jdbcUrl(JdbcContender.url(database, synchronous)))));
        return new JdbcContender("Agroal (10)", Clients.THREADS, pool::getConnection, pool);
    }

    /** No pool: whoever needs a connection opens one, and closes it. */
    static Contender unpooled(Path database, String synchronous) throws SQLException {
        String url = JdbcContender.url(database, synchronous);
        return new JdbcContender(
                "sqlite-jdbc, a connection for each",
                Clients.THREADS,
                () -> DriverManager.getConnection(url),
                () -> {});
    }

    /** With its defaults: a connection is validated whenever it is taken, and statements are not pooled. */
    static Contender dbcp(Path database, String synchronous) throws SQLException {
        BasicDataSource pool = new BasicDataSource();
        pool.setUrl(JdbcContender.url(database, synchronous));
        pool.setMaxTotal(CONNECTIONS);
        pool.setMaxIdle(CONNECTIONS); // of 8, its default, two would be opened and closed all the time
        pool.setMaxWait(PATIENCE);
        return new JdbcContender("DBCP2 (10)", Clients.THREADS, pool::getConnection, pool);
    }
}
