package dev.sqlitepool.r2dbc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.jooq.impl.DSL.count;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;
import static org.jooq.impl.DSL.val;

import dev.sqlitepool.testing.Pools;
import java.math.BigDecimal;
import java.time.LocalDate;
import java.util.UUID;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Record2;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.exception.IntegrityConstraintViolationException;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.test.StepVerifier;

/** jOOQ over the driver. */
class JooqTest {
    private static final Table<Record> NOTES = table(name("notes"));
    private static final Field<Long> ID = field(name("id"), SQLDataType.BIGINT);
    private static final Field<String> TITLE = field(name("title"), SQLDataType.VARCHAR);
    private static final Field<Integer> STARS = field(name("stars"), SQLDataType.INTEGER);

    @RegisterExtension
    final Database database = new Database();

    private DSLContext jooq;

    @BeforeEach
    void aTable() {
        // snippet: jooq-context
        jooq = DSL.using(database.factory(), SQLDialect.SQLITE);
        // end
        long unused = database.pool()
                .execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, title TEXT NOT NULL UNIQUE, stars INTEGER)")
                .join();
    }

    private Mono<Integer> insert(String title, int stars) {
        return Mono.from(jooq.insertInto(NOTES, TITLE, STARS).values(title, stars));
    }

    private long committed() {
        return database.pool()
                .queryOne("SELECT count(*) FROM notes", row -> row.getLong(1))
                .join()
                .orElseThrow();
    }

    @Test
    void anInsertReturnsWhatTheDatabaseHasMade() {
        Mono.from(jooq.insertInto(NOTES, TITLE, STARS).values("a", 1).returningResult(ID, TITLE))
                .map(row -> row.get(ID) + " " + row.get(TITLE))
                .as(StepVerifier::create)
                .expectNext("1 a")
                .verifyComplete();
    }

    @Test
    void rowsAreSelected() {
        insert("a", 1).then(insert("b", 2)).then(insert("c", 3)).block();
        // snippet: jooq-select
        Flux<String> titles = Flux.from(
                        jooq.select(TITLE, STARS).from(NOTES).where(STARS.ge(2)).orderBy(ID))
                .map(Record2::value1);
        // end
        titles.as(StepVerifier::create).expectNext("b", "c").verifyComplete();
        Flux.from(jooq.selectFrom(NOTES).orderBy(ID).limit(1).offset(1))
                .map(row -> row.get(TITLE))
                .as(StepVerifier::create)
                .expectNext("b")
                .verifyComplete();
    }

    @Test
    void changedRowsAreCounted() {
        insert("a", 1).then(insert("b", 2)).block();
        Mono.from(jooq.update(NOTES).set(STARS, STARS.plus(1)).where(TITLE.in("a", "b")))
                .as(StepVerifier::create)
                .expectNext(2)
                .verifyComplete();
        Mono.from(jooq.deleteFrom(NOTES).where(STARS.eq(3)))
                .as(StepVerifier::create)
                .expectNext(1)
                .verifyComplete();
    }

    @Test
    void aDuplicateIsUpdatedInstead() {
        insert("a", 1)
                .then(Mono.from(jooq.insertInto(NOTES, TITLE, STARS)
                        .values("a", 5)
                        .onConflict(TITLE)
                        .doUpdate()
                        .set(STARS, 9)
                        .returning(STARS)))
                .map(row -> row.get(STARS))
                .as(StepVerifier::create)
                .expectNext(9)
                .verifyComplete();
    }

    @Test
    void aTransactionCommitsWhenItsPublisherCompletes() {
        // snippet: jooq-transaction
        Flux<Integer> counted = Flux.from(jooq.transactionPublisher(
                tx -> Mono.from(tx.dsl().insertInto(NOTES, TITLE).values("a"))
                        .then(Mono.from(tx.dsl().select(count()).from(NOTES)))
                        .map(row -> row.value1())));
        // end
        counted.as(StepVerifier::create).expectNext(1).verifyComplete();
        assertThat(committed()).isEqualTo(1);
    }

    @Test
    void aTransactionIsRolledBackByAnError() {
        Flux.from(jooq.transactionPublisher(
                        tx -> Mono.from(tx.dsl().insertInto(NOTES, TITLE).values("a"))
                                .then(Mono.error(new IllegalStateException("no")))))
                .as(StepVerifier::create)
                .verifyError();
        assertThat(committed()).isZero();
    }

    @Test
    void aNestedTransactionIsASavepoint() {
        Flux.from(jooq.transactionPublisher(outer -> {
                    Mono<Integer> kept =
                            Mono.from(outer.dsl().insertInto(NOTES, TITLE).values("kept"));
                    Flux<Integer> lost = Flux.from(outer.dsl().transactionPublisher(inner -> Mono.from(
                                    inner.dsl().insertInto(NOTES, TITLE).values("lost"))
                            .then(Mono.error(new IllegalStateException("no")))));
                    return kept.concatWith(lost.onErrorResume(error -> Mono.just(0)));
                }))
                .as(StepVerifier::create)
                .expectNext(1, 0)
                .verifyComplete();
        assertThat(committed()).isEqualTo(1);
    }

    @Test
    void aBatchOfStatementsRuns() {
        Flux.from(jooq.batch(
                        jooq.insertInto(NOTES, TITLE).values("a"),
                        jooq.insertInto(NOTES, TITLE).values("b"),
                        jooq.update(NOTES).set(STARS, 1)))
                .as(StepVerifier::create)
                .expectNext(1, 1, 2)
                .verifyComplete();
        assertThat(committed()).isEqualTo(2);
    }

    @Test
    void aBatchOfValuesRuns() {
        Flux.from(jooq.batch(jooq.insertInto(NOTES, TITLE, STARS).values((String) null, null))
                        .bind("a", 1)
                        .bind("b", 2)
                        .bind("c", 3))
                .as(StepVerifier::create)
                .expectNext(1, 1, 1)
                .verifyComplete();
        assertThat(committed()).isEqualTo(3);
    }

    @Test
    void valuesComeBackAsTheTypesOfJooq() {
        UUID uuid = UUID.fromString("6f0c2f0e-0a63-4f3e-9d7c-2f1a4f1f2b3c");
        Mono.from(jooq.select(
                        val(true),
                        val(uuid),
                        val(new BigDecimal("0.10")),
                        val(LocalDate.parse("2026-01-31")),
                        val(new byte[] {1, 2}),
                        val((String) null, SQLDataType.VARCHAR)))
                .as(StepVerifier::create)
                .assertNext(row -> {
                    assertThat(row.value1()).isTrue();
                    assertThat(row.value2()).isEqualTo(uuid);
                    assertThat(row.value3()).isEqualByComparingTo("0.1");
                    assertThat(row.value4()).isEqualTo("2026-01-31");
                    assertThat(row.value5()).containsExactly(1, 2);
                    assertThat(row.value6()).isNull();
                })
                .verifyComplete();
    }

    @Test
    void anErrorIsThatOfJooq() {
        insert("a", 1)
                .then(insert("a", 2))
                .as(StepVerifier::create)
                .verifyError(IntegrityConstraintViolationException.class);
    }

    @Test
    void whoTakesTheFirstRowsReturnsTheLane() {
        long inserted = database.pool()
                .execute("WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 599)"
                        + " INSERT INTO notes (title) SELECT 'note ' || i FROM n")
                .join();
        assertThat(inserted).isEqualTo(600);
        Flux.from(jooq.select(TITLE).from(NOTES).orderBy(ID))
                .take(2)
                .map(row -> row.value1())
                .as(StepVerifier::create)
                .expectNext("note 0", "note 1")
                .verifyComplete();
        Pools.awaitIdle(database.pool());
    }
}
