package dev.sqlitepool.spring.data.r2dbc;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sqlitepool.r2dbc.SqliteConnectionFactory;
import io.r2dbc.spi.ConnectionFactories;
import io.r2dbc.spi.ConnectionFactory;
import java.nio.file.Path;
import java.time.Instant;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.data.annotation.CreatedDate;
import org.springframework.data.annotation.Id;
import org.springframework.data.annotation.LastModifiedDate;
import org.springframework.data.r2dbc.config.AbstractR2dbcConfiguration;
import org.springframework.data.r2dbc.config.EnableR2dbcAuditing;
import org.springframework.data.r2dbc.repository.config.EnableR2dbcRepositories;
import org.springframework.data.relational.core.mapping.Table;
import org.springframework.data.repository.reactive.ReactiveCrudRepository;
import org.springframework.r2dbc.connection.R2dbcTransactionManager;
import org.springframework.transaction.ReactiveTransactionManager;
import org.springframework.transaction.annotation.EnableTransactionManagement;
import org.springframework.transaction.annotation.Transactional;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.test.StepVerifier;

/** An application context: repositories that Spring makes, {@code @Transactional}, auditing. The factory comes from a URL. */
class ApplicationTest {
    @RegisterExtension
    final Database database = new Database(
            "CREATE TABLE notes (id INTEGER PRIMARY KEY, title TEXT NOT NULL, created TEXT NOT NULL, modified TEXT NOT NULL)");

    @Table("notes")
    record Note(
            @Id Long id,
            String title,
            @CreatedDate Instant created,
            @LastModifiedDate Instant modified) {
        static Note of(String title) {
            return new Note(null, title, null, null);
        }
    }

    interface Notes extends ReactiveCrudRepository<Note, Long> {}

    static class Desk {
        private final Notes notes;

        Desk(Notes notes) {
            this.notes = notes;
        }

        @Transactional
        public Flux<Note> writeDown(String... titles) {
            return notes.saveAll(Flux.fromArray(titles).map(Note::of));
        }

        @Transactional(readOnly = true)
        public Mono<Long> howMany() {
            return notes.count();
        }
    }

    @Configuration
    @EnableR2dbcRepositories(considerNestedRepositories = true)
    @EnableR2dbcAuditing
    @EnableTransactionManagement
    static class Config extends AbstractR2dbcConfiguration {
        private final Path file;

        Config(Path file) {
            this.file = file;
        }

        @Bean
        @Override
        public ConnectionFactory connectionFactory() {
            return ConnectionFactories.get("r2dbc:sqlite://" + file + "?poolSize=3");
        }

        @Bean
        ReactiveTransactionManager transactionManager(ConnectionFactory factory) {
            return new R2dbcTransactionManager(factory);
        }

        @Bean
        Desk desk(Notes notes) {
            return new Desk(notes);
        }
    }

    private AnnotationConfigApplicationContext application() {
        database.pool().close(); // one pool for each file and process
        AnnotationConfigApplicationContext context = new AnnotationConfigApplicationContext();
        context.registerBean(Path.class, database::file);
        context.register(Config.class);
        context.refresh();
        return context;
    }

    @Test
    void aTransactionalMethodCommitsAllOrNothing() {
        try (AnnotationConfigApplicationContext context = application()) {
            Desk desk = context.getBean(Desk.class);
            desk.writeDown("a", "b").as(StepVerifier::create).expectNextCount(2).verifyComplete();
            desk.writeDown("c", null)
                    .as(StepVerifier::create)
                    .expectNextCount(1)
                    .verifyError();
            desk.writeDown("d", "e")
                    .concatWith(Mono.error(new IllegalStateException("after the commit")))
                    .as(StepVerifier::create)
                    .expectNextCount(2)
                    .verifyError();
            desk.howMany().as(StepVerifier::create).expectNext(4L).verifyComplete();
        }
    }

    @Test
    void auditingNotesWhenAnEntityWasCreatedAndModified() {
        try (AnnotationConfigApplicationContext context = application()) {
            Notes notes = context.getBean(Notes.class);
            Instant before = Instant.now();
            Note saved = notes.save(Note.of("a"))
                    .flatMap(note -> notes.findById(note.id()))
                    .block();
            assertThat(saved.created()).isAfterOrEqualTo(before).isEqualTo(saved.modified());
            Note again =
                    notes.save(saved).flatMap(note -> notes.findById(note.id())).block();
            assertThat(again.created()).isEqualTo(saved.created());
            assertThat(again.modified()).isAfterOrEqualTo(saved.modified());
        }
    }

    @Test
    void closingTheContextClosesThePool() {
        SqliteConnectionFactory factory;
        try (AnnotationConfigApplicationContext context = application()) {
            factory = (SqliteConnectionFactory) context.getBean(ConnectionFactory.class);
            Mono<Long> count = context.getBean(Notes.class).count();
            count.as(StepVerifier::create).expectNext(0L).verifyComplete();
        }
        assertThat(factory.pool().stats().live()).isZero();
    }
}
