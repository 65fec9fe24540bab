package dev.sqlitepool.spring.data.r2dbc;

import static org.assertj.core.api.Assertions.assertThat;

import io.r2dbc.spi.R2dbcBadGrammarException;
import io.r2dbc.spi.R2dbcTimeoutException;
import java.util.function.Consumer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.springframework.dao.PermissionDeniedDataAccessException;
import org.springframework.r2dbc.connection.R2dbcTransactionManager;
import org.springframework.r2dbc.core.DatabaseClient;
import org.springframework.transaction.CannotCreateTransactionException;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.reactive.TransactionalOperator;
import org.springframework.transaction.support.DefaultTransactionDefinition;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.publisher.Sinks;
import reactor.test.StepVerifier;

/** Spring's transactions over the driver. */
class TransactionsTest {
    @RegisterExtension
    final Database database = new Database("CREATE TABLE notes (id INTEGER PRIMARY KEY, title TEXT NOT NULL)");

    private DatabaseClient client;
    private R2dbcTransactionManager manager;

    @BeforeEach
    void aClientAndAManager() {
        client = database.client();
        manager = new R2dbcTransactionManager(database.factory());
    }

    private TransactionalOperator transaction() {
        return TransactionalOperator.create(manager);
    }

    private TransactionalOperator transaction(Consumer<DefaultTransactionDefinition> settings) {
        DefaultTransactionDefinition definition = new DefaultTransactionDefinition();
        settings.accept(definition);
        return TransactionalOperator.create(manager, definition);
    }

    private TransactionalOperator reading() {
        return transaction(definition -> {
            definition.setReadOnly(true);
            definition.setPropagationBehavior(TransactionDefinition.PROPAGATION_REQUIRES_NEW);
        });
    }

    private Mono<Void> insert(String title) {
        return client.sql("INSERT INTO notes (title) VALUES (:title)")
                .bind("title", title)
                .then();
    }

    private Mono<Long> count() {
        return client.sql("SELECT count(*) FROM notes").mapValue(Long.class).one();
    }

    private long committed() {
        return database.number("SELECT count(*) FROM notes");
    }

    @Test
    void aTransactionCommitsWhenItCompletes() {
        insert("a")
                .then(insert("b"))
                .then(count())
                .as(transaction()::transactional)
                .as(StepVerifier::create)
                .expectNext(2L)
                .verifyComplete();
        assertThat(committed()).isEqualTo(2);
    }

    @Test
    void aTransactionIsRolledBackByAnError() {
        insert("a")
                .then(Mono.error(new IllegalStateException("no")))
                .as(transaction()::transactional)
                .as(StepVerifier::create)
                .verifyErrorMessage("no");
        assertThat(committed()).isZero();
    }

    @Test
    void aTransactionIsRolledBackIfTheApplicationSaysSo() {
        transaction()
                .execute(status -> insert("a").doOnSuccess(done -> status.setRollbackOnly()))
                .as(StepVerifier::create)
                .verifyComplete();
        assertThat(committed()).isZero();
    }

    @Test
    void aTransactionIsRolledBackWhenItsSubscriberCancels() {
        Sinks.Empty<Void> inserted = Sinks.empty();
        StepVerifier.create(insert("a")
                        .then(Mono.fromRunnable(inserted::tryEmitEmpty))
                        .then(Mono.never())
                        .as(transaction()::transactional))
                .then(() -> inserted.asMono().block())
                .thenCancel()
                .verify();
        database.awaitIdle();
        assertThat(committed()).isZero();
    }

    @Test
    void aReadOnlyTransactionReads() {
        insert("a")
                .then(count().as(reading()::transactional))
                .as(StepVerifier::create)
                .expectNext(1L)
                .verifyComplete();
    }

    @Test
    void aReadOnlyTransactionRefusesWrites() {
        insert("a")
                .as(reading()::transactional)
                .as(StepVerifier::create)
                .verifyError(PermissionDeniedDataAccessException.class);
        assertThat(committed()).isZero();
    }

    /** It is on a read lane: the write lane is taken all the time. */
    @Test
    void aReadOnlyTransactionDoesNotWaitForTheWriter() {
        insert("a")
                .then(count().as(reading()::transactional))
                .as(transaction()::transactional)
                .as(StepVerifier::create)
                .expectNext(0L)
                .verifyComplete();
        assertThat(committed()).isEqualTo(1);
    }

    @Test
    void aReadOnlyTransactionSeesOneSnapshot() {
        TransactionalOperator another = transaction(
                definition -> definition.setPropagationBehavior(TransactionDefinition.PROPAGATION_REQUIRES_NEW));
        Flux.concat(count(), insert("a").as(another::transactional).then(Mono.empty()), count())
                .as(reading()::transactional)
                .as(StepVerifier::create)
                .expectNext(0L, 0L)
                .verifyComplete();
        assertThat(committed()).isEqualTo(1);
    }

    @Test
    void aNestedTransactionIsASavepoint() {
        TransactionalOperator nested =
                transaction(definition -> definition.setPropagationBehavior(TransactionDefinition.PROPAGATION_NESTED));
        insert("outer")
                .then(insert("lost")
                        .then(Mono.<Void>error(new IllegalStateException("no")))
                        .as(nested::transactional)
                        .onErrorResume(error -> Mono.empty()))
                .then(insert("kept").as(nested::transactional))
                .as(transaction()::transactional)
                .as(StepVerifier::create)
                .verifyComplete();
        assertThat(committed()).isEqualTo(2);
        assertThat(database.number("SELECT count(*) FROM notes WHERE title = 'lost'"))
                .isZero();
    }

    @Test
    void aSecondWriterWaitsForTheFirst() {
        Flux.range(0, 20)
                .flatMap(i -> count().flatMap(before -> insert("note " + before).thenReturn(before))
                        .as(transaction()::transactional))
                .collectList()
                .as(StepVerifier::create)
                .assertNext(seen -> assertThat(seen).doesNotHaveDuplicates().hasSize(20))
                .verifyComplete();
        assertThat(committed()).isEqualTo(20);
    }

    @Test
    void theTimeoutIsTheLongestWaitForTheWriter() {
        TransactionalOperator impatient = transaction(definition -> {
            definition.setPropagationBehavior(TransactionDefinition.PROPAGATION_REQUIRES_NEW);
            definition.setTimeout(1);
        });
        insert("a")
                .then(insert("b")
                        .as(impatient::transactional)
                        .onErrorResume(CannotCreateTransactionException.class, error -> {
                            assertThat(error).hasCauseInstanceOf(R2dbcTimeoutException.class);
                            return Mono.empty();
                        }))
                .as(transaction()::transactional)
                .as(StepVerifier::create)
                .verifyComplete();
        assertThat(committed()).isEqualTo(1);
    }

    @Test
    void everyIsolationLevelIsServedBySerializable() {
        for (int level : new int[] {
            TransactionDefinition.ISOLATION_READ_UNCOMMITTED,
            TransactionDefinition.ISOLATION_READ_COMMITTED,
            TransactionDefinition.ISOLATION_REPEATABLE_READ,
            TransactionDefinition.ISOLATION_SERIALIZABLE
        }) {
            insert("a")
                    .as(transaction(definition -> definition.setIsolationLevel(level))::transactional)
                    .as(StepVerifier::create)
                    .verifyComplete();
        }
        assertThat(committed()).isEqualTo(4);
    }

    /** SQLite has no such statement. */
    @Test
    void enforcingReadOnlyByAStatementFails() {
        manager.setEnforceReadOnly(true);
        count().as(reading()::transactional).as(StepVerifier::create).verifyErrorSatisfies(error -> assertThat(error)
                .isInstanceOf(CannotCreateTransactionException.class)
                .hasCauseInstanceOf(R2dbcBadGrammarException.class));
    }
}
