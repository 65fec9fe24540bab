package dev.sqlitepool.spring.data.r2dbc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.pool.ConnectionPoolConfiguration;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.ConnectionFactory;
import io.r2dbc.spi.ConnectionFactoryMetadata;
import io.r2dbc.spi.Wrapped;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.reactivestreams.Publisher;
import org.springframework.data.r2dbc.dialect.DialectResolver;
import org.springframework.data.relational.core.dialect.LimitClause;
import org.springframework.data.relational.core.sql.LockMode;
import org.springframework.data.relational.core.sql.LockOptions;
import org.springframework.data.relational.core.sql.Select;
import org.springframework.data.relational.core.sql.SqlIdentifier;
import org.springframework.data.relational.core.sql.StatementBuilder;
import org.springframework.data.relational.core.sql.Table;
import org.springframework.r2dbc.connection.TransactionAwareConnectionFactoryProxy;
import org.springframework.r2dbc.core.binding.BindMarkersFactoryResolver;

/** How Spring finds the dialect, and what the dialect says. */
class SqliteDialectTest {
    @RegisterExtension
    final Database database = new Database();

    @Test
    void springFindsTheDialectAndTheBindMarkersOfTheFactory() {
        assertFound(database.factory());
    }

    @Test
    void springFindsThemThroughAPoolOnTop() {
        ConnectionPool pool = new ConnectionPool(
                ConnectionPoolConfiguration.builder(database.factory()).build());
        assertFound(pool);
        assertFound(new TransactionAwareConnectionFactoryProxy(pool));
        pool.dispose();
    }

    @Test
    void springFindsThemThroughAWrapperOfAnotherName() {
        assertFound(new Wrapper("Observed", database.factory()));
    }

    @Test
    void anotherDatabaseIsNotTakenForSqlite() {
        Wrapper other = new Wrapper("Other", null);
        assertThatThrownBy(() -> DialectResolver.getDialect(other))
                .isInstanceOf(DialectResolver.NoDialectException.class);
        assertThatThrownBy(() -> BindMarkersFactoryResolver.resolve(other))
                .isInstanceOf(BindMarkersFactoryResolver.NoBindMarkersFactoryException.class);
    }

    private static void assertFound(ConnectionFactory factory) {
        assertThat(DialectResolver.getDialect(factory)).isSameAs(SqliteDialect.INSTANCE);
        assertThat(BindMarkersFactoryResolver.resolve(factory).create().next().getPlaceholder())
                .isEqualTo("?1");
    }

    @Test
    void anOffsetAloneHasALimitThatIsNone() {
        LimitClause clause = SqliteDialect.INSTANCE.limit();
        assertThat(clause.getLimit(5)).isEqualTo("LIMIT 5");
        assertThat(clause.getLimitOffset(5, 10)).isEqualTo("LIMIT 5 OFFSET 10");
        assertThat(clause.getOffset(10)).isEqualTo("LIMIT -1 OFFSET 10");
    }

    @Test
    void thereIsNoLockClause() {
        Table notes = Table.create("notes");
        Select select = StatementBuilder.select(notes.asterisk()).from(notes).build();
        LockOptions options = new LockOptions(LockMode.PESSIMISTIC_WRITE, select.getFrom());
        assertThat(SqliteDialect.INSTANCE.lock().getLock(options)).isEmpty();
    }

    @Test
    void namesAreQuotedInTheirOwnCase() {
        SqlIdentifier name = SqlIdentifier.quoted("The Order");
        assertThat(name.toSql(SqliteDialect.INSTANCE.getIdentifierProcessing())).isEqualTo("\"The Order\"");
        assertThat(SqliteDialect.INSTANCE.renderForGeneratedValues(name)).isEqualTo("The Order");
    }

    /** A factory of some name, over another. */
    private record Wrapper(String name, ConnectionFactory inner)
            implements ConnectionFactory, Wrapped<ConnectionFactory> {
        @Override
        public Publisher<? extends Connection> create() {
            return inner.create();
        }

        @Override
        public ConnectionFactoryMetadata getMetadata() {
            return () -> name;
        }

        @Override
        public ConnectionFactory unwrap() {
            return inner;
        }
    }
}
