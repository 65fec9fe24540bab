package dev.sqlitepool.r2dbc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import dev.sqlitepool.SqlitePool;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.reactivestreams.Publisher;
import org.reactivestreams.tck.PublisherVerification;
import org.reactivestreams.tck.TestEnvironment;
import org.testng.SkipException;
import org.testng.annotations.Test;

/** The rows of a result keep the rules of Reactive Streams: its own test kit, one JUnit test for each of its tests. */
class RowRulesTest {
    @RegisterExtension
    final Database database = new Database();

    @TestFactory
    Stream<DynamicTest> inAutoCommitMode() {
        return rules(false);
    }

    @TestFactory
    Stream<DynamicTest> inATransaction() {
        return rules(true);
    }

    private Stream<DynamicTest> rules(boolean inTransaction) {
        Method[] methods = PublisherVerification.class.getMethods();
        assertThat(methods).hasSizeGreaterThan(35);
        return Arrays.stream(methods)
                .filter(method -> method.isAnnotationPresent(Test.class))
                .filter(method -> !method.getName().startsWith("untested_")) // by the kit: no code can tell
                .sorted(Comparator.comparing(Method::getName))
                .map(method -> dynamicTest(method.getName(), () -> verify(method, inTransaction)));
    }

    private void verify(Method rule, boolean inTransaction) throws Throwable {
        SqliteConnection connection = database.connection();
        if (inTransaction) {
            connection.beginTransaction().block();
        }
        Rows rows = new Rows(database.pool(), connection);
        rows.setUp();
        try {
            rule.invoke(rows);
        } catch (InvocationTargetException e) {
            if (!(e.getCause() instanceof SkipException)) { // optional, or asks for more elements than there are
                throw e.getCause();
            }
        } finally {
            connection.close().block();
        }
    }

    private static final class Rows extends PublisherVerification<Long> {
        private final SqlitePool pool;
        private final SqliteConnection connection;

        Rows(SqlitePool pool, SqliteConnection connection) {
            super(new TestEnvironment(1000, 100));
            this.pool = pool;
            this.connection = connection;
        }

        @Override
        public long maxElementsFromPublisher() {
            return Integer.MAX_VALUE;
        }

        @Override
        public Publisher<Long> createPublisher(long elements) {
            String sql =
                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT i FROM n WHERE i <= ?";
            return connection
                    .createStatement(sql)
                    .bind(0, elements)
                    .bind(1, elements)
                    .execute()
                    .single()
                    .block()
                    .map(row -> row.get(0, Long.class));
        }

        @Override
        public Publisher<Long> createFailedPublisher() {
            SqliteConnection closed = SqliteConnectionFactory.of(pool)
                    .create()
                    .cast(SqliteConnection.class)
                    .block();
            SqliteResult result =
                    closed.createStatement("SELECT 1").execute().single().block();
            closed.close().block();
            return result.map(row -> row.get(0, Long.class));
        }
    }
}
