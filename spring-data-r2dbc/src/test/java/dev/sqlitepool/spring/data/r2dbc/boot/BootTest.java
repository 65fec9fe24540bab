package dev.sqlitepool.spring.data.r2dbc.boot;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.r2dbc.SqliteConnectionFactory;
import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.spi.ConnectionFactory;
import io.r2dbc.spi.Wrapped;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.Banner;
import org.springframework.boot.WebApplicationType;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Profile;
import org.springframework.dao.DuplicateKeyException;
import org.springframework.data.domain.PageRequest;
import reactor.test.StepVerifier;

/** Spring Boot, which finds everything by its properties. */
class BootTest {
    @TempDir
    Path directory;

    @SpringBootApplication
    static class NotesApplication {}

    @Profile("own-pool")
    @Configuration
    // snippet: boot-own-pool
    static class Database {
        @Bean // closed with the application
        SqlitePool sqlite(@Value("${notes.file}") Path file) {
            return SqlitePool.builder().databasePath(file).poolSize(4).build();
        }

        @Bean
        ConnectionFactory connectionFactory(SqlitePool sqlite) {
            return SqliteConnectionFactory.of(sqlite);
        }
    }
    // end

    private ConfigurableApplicationContext run(Map<String, Object> settings) throws IOException {
        Properties file = new Properties();
        try (InputStream in = BootTest.class.getResourceAsStream("/notes.properties")) {
            file.load(in);
        }
        Map<String, Object> properties = new HashMap<>();
        file.forEach((name, value) ->
                properties.put(name.toString(), value.toString().replace("/var/lib/notes", directory.toString())));
        properties.putAll(settings);
        return new SpringApplicationBuilder(NotesApplication.class)
                .web(WebApplicationType.NONE)
                .bannerMode(Banner.Mode.OFF)
                .logStartupInfo(false)
                .registerShutdownHook(false)
                .properties(properties)
                .run();
    }

    private static void assertWorks(ConfigurableApplicationContext application) {
        Desk desk = application.getBean(Desk.class);
        Notes notes = application.getBean(Notes.class);
        Instant before = Instant.now();
        desk.writeDown("a", "b").as(StepVerifier::create).expectNextCount(2).verifyComplete();
        desk.writeDown("c", "a").as(StepVerifier::create).expectNextCount(1).verifyError(DuplicateKeyException.class);
        desk.count().as(StepVerifier::create).expectNext(2L).verifyComplete();
        notes.search(before, "%b%")
                .map(Note::title)
                .as(StepVerifier::create)
                .expectNext("b")
                .verifyComplete();
        notes.findByPinnedTrueOrderByCreatedDesc(PageRequest.of(1, 1))
                .map(Note::title)
                .as(StepVerifier::create)
                .expectNext("a")
                .verifyComplete();
    }

    /** Spring Boot wraps the factory, and closes only what it can see. */
    @Test
    void theUrlIsEnoughAndItsFactoryIsNotClosed() throws IOException {
        SqliteConnectionFactory factory;
        try (ConfigurableApplicationContext application = run(Map.of())) {
            assertThat(application.getBean(ConnectionFactory.class)).isNotInstanceOf(ConnectionPool.class);
            factory = unwrapped(application);
            assertWorks(application);
        }
        assertThat(factory.pool().stats().live()).isPositive();
        factory.close().block();
    }

    @Test
    void aPoolOnTopDoesNoHarm() throws IOException {
        SqliteConnectionFactory factory;
        try (ConfigurableApplicationContext application = run(Map.of("spring.r2dbc.pool.enabled", "true"))) {
            assertThat(application.getBean(ConnectionFactory.class)).isInstanceOf(ConnectionPool.class);
            factory = unwrapped(application);
            assertWorks(application);
        }
        factory.close().block();
    }

    private static SqliteConnectionFactory unwrapped(ConfigurableApplicationContext application) {
        Object factory = application.getBean(ConnectionFactory.class);
        while (factory instanceof Wrapped<?> wrapper) {
            factory = wrapper.unwrap();
        }
        return (SqliteConnectionFactory) factory;
    }

    @Test
    void aPoolOfItsOwnIsClosedWithTheApplication() throws IOException {
        try (ConfigurableApplicationContext application = run(Map.of(
                "spring.profiles.active",
                "own-pool",
                "notes.file",
                directory.resolve("notes.db").toString()))) {
            assertThat(application.getBean(ConnectionFactory.class)).isInstanceOf(SqliteConnectionFactory.class);
            assertWorks(application);
        }
        try (Stream<Path> files = Files.list(directory)) {
            assertThat(files).containsExactly(directory.resolve("notes.db"));
        }
    }
}
