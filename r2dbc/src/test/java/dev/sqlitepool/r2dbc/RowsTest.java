package dev.sqlitepool.r2dbc;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sqlitepool.testing.Pools;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.Result;
import io.r2dbc.spi.Statement;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.sqlite.Function;
import reactor.core.Disposable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.test.StepVerifier;

/** Rows are read as they are asked for, and cancelling gives everything back. */
class RowsTest {
    private static final String NUMBERS =
            "SELECT seen(i) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000) SELECT i FROM n)";
    private static final String ENDLESS =
            "SELECT started() FROM (SELECT 1) UNION ALL SELECT count(*) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
                    + " SELECT i FROM n)";

    /** To how many rows SQLite has stepped. */
    private final AtomicInteger seen = new AtomicInteger();

    private final CountDownLatch started = new CountDownLatch(1);

    @RegisterExtension
    final Database database = new Database(builder -> builder.poolSize(4).onConnect(connection -> {
        Function.create(connection, "seen", new Function() {
            @Override
            protected void xFunc() throws java.sql.SQLException {
                seen.incrementAndGet();
                result(value_int(0));
            }
        });
        Function.create(connection, "started", new Function() {
            @Override
            protected void xFunc() throws java.sql.SQLException {
                started.countDown();
                result(1);
            }
        });
    }));

    private Flux<Integer> numbers(Connection connection, int fetchSize) {
        Statement statement = connection.createStatement(NUMBERS).fetchSize(fetchSize);
        return Flux.from(statement.execute()).concatMap(result -> result.map(row -> row.get(0, Integer.class)), 0);
    }

    private SqliteConnection connection() {
        return database.connection();
    }

    @Test
    void sqliteStepsToNoRowThatIsNotAskedFor() {
        SqliteConnection connection = connection();
        for (boolean inTransaction : List.of(false, true)) {
            if (inTransaction) {
                connection.beginTransaction().block();
            }
            seen.set(0);
            StepVerifier.create(numbers(connection, 0), 0)
                    .expectSubscription()
                    .then(() -> assertThat(seen).hasValue(0))
                    .thenRequest(1)
                    .expectNext(1)
                    .then(() -> assertThat(seen).hasValue(1))
                    .thenRequest(3)
                    .expectNext(2, 3, 4)
                    .then(() -> assertThat(seen).hasValue(4))
                    .thenCancel()
                    .verify();
        }
        connection.close().block();
    }

    @Test
    void aFetchSizeIsHowManyRowsAreReadAtATime() {
        SqliteConnection connection = connection();
        StepVerifier.create(numbers(connection, 10), 0)
                .thenRequest(1)
                .expectNext(1)
                .then(() -> assertThat(seen).hasValue(10))
                .thenRequest(9)
                .expectNext(2, 3, 4, 5, 6, 7, 8, 9, 10)
                .then(() -> assertThat(seen).hasValue(10))
                .thenRequest(1)
                .expectNext(11)
                .then(() -> assertThat(seen).hasValue(20))
                .thenCancel()
                .verify();
        StepVerifier.create(numbers(connection, 7)).expectNextCount(1000).verifyComplete();
        connection.close().block();
    }

    @Test
    void aFetchSizeIsNotReadAheadOfWhatWasReadBefore() {
        SqliteConnection connection = database.connection();
        StepVerifier.Step<Integer> step = StepVerifier.create(numbers(connection, 100), 0);
        for (int i = 1; i <= 250; i++) {
            step = step.thenRequest(1).expectNext(i);
        }
        step.then(() -> assertThat(seen).hasValue(300)).thenCancel().verify();
        connection.close().block();
    }

    @Test
    void demandAfterTheCloseIsAnsweredWithAnError() {
        SqliteConnection connection = database.connection();
        StepVerifier.create(numbers(connection, 0), 0)
                .expectSubscription()
                .then(() -> connection.close().block())
                .thenRequest(1)
                .verifyErrorMatches(error -> error.getMessage().contains("closed"));
    }

    @Test
    void aSubscriberThatTakesItsTimeHoldsNoThreadAndNobodyElse() {
        SqliteConnection connection = connection();
        StepVerifier.create(numbers(connection, 0), 1)
                .expectNext(1)
                .then(() -> StepVerifier.create(numbers(connection(), 0))
                        .expectNextCount(1000)
                        .verifyComplete())
                .thenRequest(Long.MAX_VALUE)
                .expectNextCount(999)
                .verifyComplete();
        connection.close().block();
    }

    @Test
    void rowsOfATransactionTakeTurnsWithItsStatements() {
        SqliteConnection connection = connection();
        Flux<Long> work = Flux.from(
                        connection.createStatement("CREATE TABLE t (x)").execute())
                .concatMap(Result::getRowsUpdated)
                .thenMany(connection.beginTransaction())
                .thenMany(numbers(connection, 3)
                        .take(30)
                        .flatMap(
                                i -> Flux.from(connection
                                                .createStatement("INSERT INTO t VALUES (?)")
                                                .bind(0, i)
                                                .execute())
                                        .concatMap(Result::getRowsUpdated),
                                4))
                .concatWith(Mono.from(connection.commitTransaction()).cast(Long.class));
        StepVerifier.create(work).expectNextCount(30).verifyComplete();
        assertThat(database.pool()
                        .queryOne("SELECT count(*) FROM t", row -> row.getInt(1))
                        .join())
                .contains(30);
        connection.close().block();
    }

    @Test
    void cancellingInterruptsTheQueryAndGivesItsLaneBack() throws InterruptedException {
        SqliteConnection connection = connection();
        Disposable running = Flux.from(connection.createStatement(ENDLESS).execute())
                .concatMap(result -> result.map(row -> row.get(0, Long.class)))
                .subscribe();
        assertThat(started.await(60, TimeUnit.SECONDS)).isTrue();
        running.dispose();
        Pools.awaitIdle(database.pool());
        connection.close().block();
    }

    @Test
    void aQueryThatIsCancelledLeavesItsTransactionStanding() throws InterruptedException {
        SqliteConnection connection = connection();
        Flux.from(connection.createStatement("CREATE TABLE t (x)").execute())
                .concatMap(Result::getRowsUpdated)
                .blockLast();
        connection.beginTransaction().block();
        Flux.from(connection.createStatement("INSERT INTO t VALUES (1)").execute())
                .concatMap(Result::getRowsUpdated)
                .blockLast();
        Disposable running = Flux.from(connection.createStatement(ENDLESS).execute())
                .concatMap(result -> result.map(row -> row.get(0, Long.class)))
                .subscribe();
        assertThat(started.await(60, TimeUnit.SECONDS)).isTrue();
        running.dispose();
        assertThat(numbers(connection, 0).take(5).collectList().block()).containsExactly(1, 2, 3, 4, 5);
        connection.commitTransaction().block();
        connection.close().block();
        assertThat(database.pool()
                        .queryOne("SELECT count(*) FROM t", row -> row.getInt(1))
                        .join())
                .contains(1);
    }

    @Test
    void rowsThatNobodyConsumesHoldNothing() {
        SqliteConnection connection = connection();
        SqliteResult result =
                Mono.from(connection.createStatement(NUMBERS).execute()).block();
        assertThat(seen).hasValue(0);
        assertThat(database.pool().stats().readConnections().borrowed()).isZero();
        StepVerifier.create(result.map(row -> row.get(0))).expectNextCount(1000).verifyComplete();
        StepVerifier.create(result.map(row -> row.get(0)))
                .verifyErrorMessage("This result has been consumed; execute the statement again.");
        connection.close().block();
    }

    @Test
    void closingEndsRowsThatAreStillOpen() {
        SqliteConnection connection = connection();
        StepVerifier.create(numbers(connection, 0), 1)
                .expectNext(1)
                .then(() -> connection.close().block())
                .then(() -> assertThat(database.pool().stats().readConnections().borrowed())
                        .isZero())
                .thenRequest(1)
                .verifyError();
    }

    @Test
    void aMappingThatFailsEndsTheRows() {
        SqliteConnection connection = connection();
        StepVerifier.create(Flux.from(connection.createStatement(NUMBERS).execute())
                        .concatMap(result -> result.map(row -> 6 / (row.get(0, Integer.class) - 2))))
                .expectNext(-6)
                .verifyError(ArithmeticException.class);
        Pools.awaitIdle(database.pool());
        connection.close().block();
    }
}
