package dev.sqlitepool.spring.data.r2dbc;

import static org.assertj.core.api.Assertions.assertThat;

import io.r2dbc.spi.Result;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.springframework.dao.DataIntegrityViolationException;
import org.springframework.dao.DuplicateKeyException;
import org.springframework.r2dbc.BadSqlGrammarException;
import org.springframework.r2dbc.core.DatabaseClient;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.test.StepVerifier;

/** Spring's {@code DatabaseClient} over the driver. */
class DatabaseClientTest {
    private static final String ENDLESS =
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";

    @RegisterExtension
    final Database database =
            new Database("CREATE TABLE notes (id INTEGER PRIMARY KEY, title TEXT NOT NULL UNIQUE, stars INTEGER)");

    private DatabaseClient client;

    @BeforeEach
    void aClient() {
        client = database.client();
    }

    private Mono<Long> insert(String title, Integer stars) {
        return client.sql("INSERT INTO notes (title, stars) VALUES (:title, :stars)")
                .bind("title", title)
                .bind("stars", stars)
                .fetch()
                .rowsUpdated();
    }

    private Flux<Long> three() {
        return Flux.concat(insert("a", 1), insert("b", 2), insert("c", 3));
    }

    @Test
    void namedParametersAreBoundAndChangedRowsCounted() {
        three().then(client.sql("UPDATE notes SET stars = stars + :more WHERE stars >= :least AND title <> :more")
                        .bind("more", 10)
                        .bind("least", 2)
                        .fetch()
                        .rowsUpdated())
                .as(StepVerifier::create)
                .expectNext(2L)
                .verifyComplete();
        assertThat(database.number("SELECT sum(stars) FROM notes")).isEqualTo(26);
    }

    @Test
    void aListIsExpandedToAsManyParameters() {
        three().thenMany(
                        client.sql("SELECT title FROM notes WHERE stars IN (:stars) AND title IN (:titles) ORDER BY id")
                                .bind("stars", List.of(1, 3))
                                .bind("titles", List.of("a", "b", "c"))
                                .map(row -> row.get("title", String.class))
                                .all())
                .as(StepVerifier::create)
                .expectNext("a", "c")
                .verifyComplete();
    }

    @Test
    void parametersAreBoundByIndexToo() {
        three().then(client.sql("SELECT count(*) FROM notes WHERE stars BETWEEN ? AND ?")
                        .bind(0, 2)
                        .bind(1, 9)
                        .mapValue(Long.class)
                        .one())
                .as(StepVerifier::create)
                .expectNext(2L)
                .verifyComplete();
    }

    record Note(Long id, String title, Integer stars) {}

    @Test
    void rowsBecomeRecordsAndRecordsParameters() {
        client.sql("INSERT INTO notes (id, title, stars) VALUES (:id, :title, :stars)")
                .bindProperties(new Note(7L, "a", null))
                .then()
                .thenMany(client.sql("SELECT * FROM notes")
                        .mapProperties(Note.class)
                        .all())
                .as(StepVerifier::create)
                .expectNext(new Note(7L, "a", null))
                .verifyComplete();
    }

    @Test
    void generatedKeysAreReturned() {
        client.sql("INSERT INTO notes (title) VALUES (:first), (:second)")
                .filter(statement -> statement.returnGeneratedValues("id"))
                .bind("first", "a")
                .bind("second", "b")
                .map(row -> row.get("id", Long.class))
                .all()
                .as(StepVerifier::create)
                .expectNext(1L, 2L)
                .verifyComplete();
    }

    @Test
    void rowsAreMapsToo() {
        insert("a", 5)
                .then(client.sql("SELECT id, title, stars FROM notes").fetch().one())
                .as(StepVerifier::create)
                .expectNext(Map.of("id", 1, "title", "a", "stars", 5))
                .verifyComplete();
    }

    @Test
    void manyRowsOfValuesAreOneBatch() {
        client.inConnectionMany(connection -> {
                    var statement = connection.createStatement("INSERT INTO notes (title) VALUES (?)");
                    statement.bind(0, "a").add().bind(0, "b").add().bind(0, "c");
                    return Flux.from(statement.execute()).flatMap(Result::getRowsUpdated);
                })
                .as(StepVerifier::create)
                .expectNext(1L, 1L, 1L)
                .verifyComplete();
    }

    @Test
    void whoTakesTheFirstRowsReturnsTheLane() {
        client.sql(ENDLESS)
                .mapValue(Long.class)
                .all()
                .take(3)
                .as(StepVerifier::create)
                .expectNext(1L, 2L, 3L)
                .verifyComplete();
        database.awaitIdle();
    }

    @Test
    void aTimeoutOfTheSubscriberInterruptsTheQuery() {
        client.sql("SELECT count(*) FROM (" + ENDLESS + ")")
                .mapValue(Long.class)
                .one()
                .timeout(Duration.ofMillis(100))
                .as(StepVerifier::create)
                .verifyError(java.util.concurrent.TimeoutException.class);
        database.awaitIdle();
    }

    @Test
    void errorsAreThoseOfSpring() {
        insert("a", 1).then(insert("a", 2)).as(StepVerifier::create).verifyError(DuplicateKeyException.class);
        client.sql("INSERT INTO notes (title) VALUES (NULL)")
                .then()
                .as(StepVerifier::create)
                .verifyErrorSatisfies(error -> assertThat(error)
                        .isInstanceOf(DataIntegrityViolationException.class)
                        .isNotInstanceOf(DuplicateKeyException.class));
        client.sql("SELEC 1").then().as(StepVerifier::create).verifyError(BadSqlGrammarException.class);
        client.sql("SELECT nothing FROM notes")
                .fetch()
                .all()
                .as(StepVerifier::create)
                .verifyError(BadSqlGrammarException.class);
    }
}
