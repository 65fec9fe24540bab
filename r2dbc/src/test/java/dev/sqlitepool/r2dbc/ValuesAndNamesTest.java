package dev.sqlitepool.r2dbc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.r2dbc.spi.Clob;
import io.r2dbc.spi.ConnectionFactories;
import io.r2dbc.spi.R2dbcBadGrammarException;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZonedDateTime;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** Values, names and options that SQLite takes otherwise than Java, and statements that run at once. */
class ValuesAndNamesTest {
    @RegisterExtension
    final Database database = new Database();

    private SqliteConnection connection;

    @BeforeEach
    void connect() {
        connection = database.connection();
    }

    @AfterEach
    void disconnect() {
        connection.close().block();
    }

    private <T> T read(String text, Class<T> type) {
        return Flux.from(connection.createStatement("SELECT ?").bind(0, text).execute())
                .concatMap(result -> result.map((row, columns) -> row.get(0, type)))
                .blockLast();
    }

    private long change(String sql) {
        return Flux.from(connection.createStatement(sql).execute())
                .concatMap(SqliteResult::getRowsUpdated)
                .blockLast();
    }

    @ParameterizedTest
    @ValueSource(strings = {"2026-01-31 11:12", "2026-01-31T11:12:00.0Z", "2026-01-31 11:12:00+00:00"})
    void timesAsSqliteWritesThemAreReadAsEveryType(String text) {
        assertThat(read(text, Instant.class)).isEqualTo(Instant.parse("2026-01-31T11:12:00Z"));
        assertThat(read(text, OffsetDateTime.class)).isEqualTo(OffsetDateTime.parse("2026-01-31T11:12:00Z"));
        assertThat(read(text, ZonedDateTime.class)).isEqualTo(ZonedDateTime.parse("2026-01-31T11:12:00Z"));
        assertThat(read(text, LocalDateTime.class)).isEqualTo(LocalDateTime.parse("2026-01-31T11:12:00"));
        assertThat(read(text, LocalDate.class)).isEqualTo(LocalDate.parse("2026-01-31"));
        assertThat(read(text, LocalTime.class)).isEqualTo(LocalTime.parse("11:12"));
    }

    @Test
    void zoneIsNeverDroppedIntoAnotherDay() {
        assertThat(read("2026-01-31 23:30:00-05:00", Instant.class)).isEqualTo(Instant.parse("2026-02-01T04:30:00Z"));
        assertThatThrownBy(() -> read("2026-01-31 23:30:00-05:00", LocalDate.class))
                .hasMessageContaining("time zone")
                .hasMessageNotContaining("23:30");
    }

    @Test
    void whatSqliteCannotHoldIsRefusedWhenItIsBound() {
        for (Object value : List.of(Double.NaN, Float.NaN, "a\uD83D", new StringBuilder("\uDE00"), '\uD83D')) {
            assertThatThrownBy(() -> connection.createStatement("SELECT ?").bind(0, value))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageMatching("A parameter (is NaN|has an unpaired surrogate).*");
        }
        Clob clob = Clob.from(Flux.just("a\uD83D", "\uD83D"));
        assertThatThrownBy(() -> Flux.from(connection
                                .createStatement("SELECT ?")
                                .bind(0, clob)
                                .execute())
                        .concatMap(result -> result.map((row, columns) -> row.get(0)))
                        .blockLast())
                .hasMessageContaining("unpaired surrogate");
    }

    @Test
    void generatedValueThatNoColumnHasIsAnError() {
        change("CREATE TABLE t (id INTEGER PRIMARY KEY, \"odd`na\"\"me\" DEFAULT 7)");
        assertThatThrownBy(() -> Flux.from(connection
                                .createStatement("INSERT INTO t DEFAULT VALUES")
                                .returnGeneratedValues("no_such")
                                .execute())
                        .concatMap(result -> result.map((row, columns) -> row.get(0)))
                        .blockLast())
                .isInstanceOf(R2dbcBadGrammarException.class)
                .hasMessageContaining("no_such");
        List<Object> values = Flux.from(connection
                        .createStatement("INSERT INTO t DEFAULT VALUES")
                        .returnGeneratedValues("ID", "odd`na\"me")
                        .execute())
                .concatMap(result -> result.map((row, columns) -> List.of(row.get("id"), row.get("odd`na\"me"))))
                .blockLast();
        assertThat(values).containsExactly(1, 7);
    }

    @Test
    void accentedLettersAreTwoColumns() {
        List<Object> values = Flux.from(connection
                        .createStatement("SELECT 1 AS é, 2 AS É, 3 AS Name")
                        .execute())
                .concatMap(result -> result.map((row, columns) ->
                        List.of(row.get("É"), row.get("nAME"), columns.contains("è"), columns.contains("É"))))
                .blockLast();
        assertThat(values).containsExactly(2, 3, false, true);
    }

    @Test
    void unknownOptionsAreRefusedByName() {
        String url = "r2dbc:sqlite://" + database.file();
        assertThatThrownBy(() -> ConnectionFactories.get(url + "?poolsize=4&colour=red"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("[colour, poolsize]")
                .hasMessageContaining("poolSize")
                .hasMessageNotContaining("red,");
        assertThatThrownBy(() -> ConnectionFactories.get(url + "?mode=ro"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("mode")
                .hasMessageContaining("reading and writing");
    }

    /** Neither finds a transaction while the write connection is busy; only one may begin it. */
    @Test
    void ofTwoBeginsThatRunAtOnceOneIsRefused() throws InterruptedException {
        CountDownLatch entered = new CountDownLatch(1);
        CountDownLatch leave = new CountDownLatch(1);
        CompletableFuture<Object> busy = database.pool().transaction(tx -> {
            entered.countDown();
            leave.await();
            return null;
        });
        CompletableFuture<List<Boolean>> began;
        try {
            entered.await();
            began = Flux.merge(begin(), begin()).collectList().toFuture();
        } finally {
            leave.countDown();
        }
        busy.join();
        assertThat(Mono.fromFuture(began).block(Duration.ofSeconds(20))).containsExactlyInAnyOrder(true, false);
        connection.rollbackTransaction().block();
    }

    /** Whether it has begun a transaction; false if it was refused because one is open. */
    private Mono<Boolean> begin() {
        return Flux.from(connection.createStatement("BEGIN").execute())
                .then(Mono.just(true))
                .onErrorResume(
                        e -> String.valueOf(e.getMessage()).contains("A transaction is open already"),
                        e -> Mono.just(false));
    }

    /** Both find no transaction while the other's BEGIN waits for the write connection. */
    @Test
    void statementsThatRunAtOnceShareTheTransactionThatTheyBegin() {
        change("CREATE TABLE t (x)");
        connection.setAutoCommit(false).block();
        CountDownLatch entered = new CountDownLatch(1);
        CountDownLatch leave = new CountDownLatch(1);
        CompletableFuture<Object> busy = database.pool().transaction(tx -> {
            entered.countDown();
            leave.await();
            return null;
        });
        CompletableFuture<Long> both;
        try {
            entered.await();
            both = Flux.merge(insert(1), insert(2), insert(3)).count().toFuture();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        } finally {
            leave.countDown();
        }
        busy.join();
        assertThat(Mono.fromFuture(both).block(Duration.ofSeconds(20))).isEqualTo(3);
        connection.commitTransaction().block();
        connection.setAutoCommit(true).block();
        assertThat(Flux.from(connection
                                .createStatement("SELECT count(*) FROM t")
                                .execute())
                        .concatMap(result -> result.map((row, columns) -> row.get(0)))
                        .blockLast())
                .isEqualTo(3);
    }

    private Flux<Long> insert(int x) {
        return Flux.from(connection
                        .createStatement("INSERT INTO t VALUES (?)")
                        .bind(0, x)
                        .execute())
                .concatMap(SqliteResult::getRowsUpdated);
    }
}
