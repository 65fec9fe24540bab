package dev.sqlitepool.spring.data.r2dbc;

import io.r2dbc.spi.ConnectionFactory;
import java.util.Optional;
import org.springframework.data.r2dbc.dialect.DialectResolver.R2dbcDialectProvider;
import org.springframework.data.r2dbc.dialect.R2dbcDialect;

/** Gives the dialect to Spring Data, which finds this class in {@code META-INF/spring.factories}. Stateless. */
final class SqliteDialectProvider implements R2dbcDialectProvider {
    @Override
    public Optional<R2dbcDialect> getDialect(ConnectionFactory factory) {
        return SqliteBindMarkersProvider.isSqlite(factory) ? Optional.of(SqliteDialect.INSTANCE) : Optional.empty();
    }
}
