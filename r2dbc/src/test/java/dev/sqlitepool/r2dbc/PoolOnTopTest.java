package dev.sqlitepool.r2dbc;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sqlitepool.testing.Pools;
import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.pool.ConnectionPoolConfiguration;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.Result;
import io.r2dbc.spi.ValidationDepth;
import java.time.Duration;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.test.StepVerifier;

/** r2dbc-pool over the factory: not needed, and no harm. */
class PoolOnTopTest {
    @RegisterExtension
    final Database database = new Database();

    private ConnectionPool pool;

    @BeforeEach
    void aPoolOnTop() {
        long created = database.pool()
                .execute("CREATE TABLE counter AS SELECT 0 AS value")
                .join();
        assertThat(created).isZero();
        pool = new ConnectionPool(ConnectionPoolConfiguration.builder(database.factory())
                .initialSize(2)
                .maxSize(4)
                .maxIdleTime(Duration.ofMinutes(1))
                .validationDepth(ValidationDepth.REMOTE)
                .validationQuery("SELECT 1")
                .build());
    }

    @AfterEach
    void closeIt() {
        pool.disposeLater().block();
    }

    private <T> Mono<T> with(Function<Connection, Publisher<T>> work) {
        return Mono.usingWhen(
                pool.create(),
                connection -> Mono.from(work.apply(connection)),
                Connection::close,
                (connection, error) -> connection.close(),
                Connection::close);
    }

    private static Mono<Long> increment(Connection connection) {
        return Mono.from(connection
                        .createStatement("UPDATE counter SET value = value + 1")
                        .execute())
                .flatMap(result -> Mono.from(result.getRowsUpdated()));
    }

    private long value() {
        return database.pool()
                .queryOne("SELECT value FROM counter", row -> row.getLong(1))
                .join()
                .orElseThrow();
    }

    @Test
    void statementsRunOnConnectionsOfThePoolOnTop() {
        Flux.range(0, 50)
                .flatMap(i -> with(PoolOnTopTest::increment))
                .as(StepVerifier::create)
                .expectNextCount(50)
                .verifyComplete();
        assertThat(value()).isEqualTo(50);
        assertThat(pool.getMetrics().orElseThrow().allocatedSize()).isLessThanOrEqualTo(4);
    }

    @Test
    void transactionsCommitOneAfterTheOther() {
        Flux.range(0, 50)
                .flatMap(i -> with(connection -> Mono.from(connection.beginTransaction())
                        .then(Mono.from(connection
                                .createStatement("SELECT value FROM counter")
                                .execute()))
                        .flatMap(result -> Mono.from(result.map(row -> row.get(0, Long.class))))
                        .flatMap(seen -> Mono.from(connection
                                        .createStatement("UPDATE counter SET value = ?")
                                        .bind(0, seen + 1)
                                        .execute())
                                .flatMap(result -> Mono.from(result.getRowsUpdated())))
                        .flatMap(done ->
                                Mono.from(connection.commitTransaction()).thenReturn(done))))
                .as(StepVerifier::create)
                .expectNextCount(50)
                .verifyComplete();
        assertThat(value()).isEqualTo(50);
    }

    @Test
    void whatIsLeftOpenIsRolledBackWhenTheConnectionIsGivenBack() {
        with(connection -> Mono.from(connection.beginTransaction()).then(increment(connection)))
                .as(StepVerifier::create)
                .expectNext(1L)
                .verifyComplete();
        Pools.awaitIdle(database.pool());
        assertThat(value()).isZero();
        with(PoolOnTopTest::increment).as(StepVerifier::create).expectNext(1L).verifyComplete();
    }

    @Test
    void anIdleConnectionOfThePoolOnTopHasNoLane() {
        with(PoolOnTopTest::increment).block();
        assertThat(pool.getMetrics().orElseThrow().idleSize()).isPositive();
        Pools.awaitIdle(database.pool());
    }

    @Test
    void aStatementThatFailsLeavesTheConnectionUsable() {
        Flux.range(0, 8)
                .concatMap(i -> with(connection -> Flux.from(
                                        connection.createStatement("SELEC 1").execute())
                                .flatMap(Result::getRowsUpdated))
                        .onErrorResume(error -> Mono.just(-1L)))
                .as(StepVerifier::create)
                .expectNextCount(8)
                .verifyComplete();
        with(PoolOnTopTest::increment).as(StepVerifier::create).expectNext(1L).verifyComplete();
    }

    @Test
    void whoCancelsReturnsTheConnectionAndTheLane() {
        String endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
        with(connection ->
                        Flux.from(connection.createStatement(endless).execute()).flatMap(Result::getRowsUpdated))
                .timeout(Duration.ofMillis(100))
                .as(StepVerifier::create)
                .verifyError(java.util.concurrent.TimeoutException.class);
        Pools.awaitIdle(database.pool());
        with(PoolOnTopTest::increment).as(StepVerifier::create).expectNext(1L).verifyComplete();
    }
}
