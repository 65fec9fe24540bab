package dev.sqlitepool.examples.r2dbc;

import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.r2dbc.SqliteConnectionFactory;
import dev.sqlitepool.r2dbc.SqliteTransactionDefinition;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.Result;
import io.r2dbc.spi.Statement;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/**
 * Authors write notes at the same time, each note in a transaction that counts it too; a reader looks meanwhile, and in each of its
 * snapshots there are as many notes as were counted. All over R2DBC and Reactor, on a database file.
 */
public final class ReactiveNotes {
    private static final List<String> AUTHORS = List.of("Ada", "Bob", "Cy", "Dee");
    private static final Duration PAUSE = Duration.ofMillis(1);
    private static final int NOTES_EACH = 100;

    private final SqliteConnectionFactory factory;

    private ReactiveNotes(SqliteConnectionFactory factory) {
        this.factory = factory;
    }

    /**
     * Runs the example.
     *
     * @param args the database file; nothing for a temporary one
     * @throws IOException if there is no place for a temporary one
     */
    public static void main(String[] args) throws IOException {
        run(
                args.length > 0
                        ? Path.of(args[0])
                        : Files.createTempDirectory("reactive-notes").resolve("notes.db"),
                System.out);
    }

    static void run(Path file, PrintStream out) {
        try (SqlitePool pool = SqlitePool.open(file)) {
            new ReactiveNotes(SqliteConnectionFactory.of(pool))
                    .lines()
                    .doOnNext(out::println)
                    .blockLast();
        }
    }

    private Flux<String> lines() {
        Mono<Long> written = Flux.fromIterable(AUTHORS)
                .flatMap(author -> Flux.range(1, NOTES_EACH).concatMap(i -> write(author, "note " + i)))
                .count()
                .cache();
        Mono<String> summary = Mono.zip(
                written,
                look().repeatWhen(looked -> looked.delayElements(PAUSE))
                        .takeUntilOther(written)
                        .count(),
                (notes, looks) -> String.format(
                        Locale.ROOT,
                        "%,d notes written, %s",
                        notes,
                        looks > 0 ? "never half of one seen" : "nobody looked"));
        return schema().thenMany(summary).concatWith(authors()).concatWith(lastNotes());
    }

    private Mono<Void> schema() {
        return transaction(Connection::beginTransaction, connection -> Flux.from(connection
                                .createBatch()
                                .add("DROP TABLE IF EXISTS notes")
                                .add("DROP TABLE IF EXISTS authors")
                                .add("CREATE TABLE notes (id INTEGER PRIMARY KEY, author TEXT, text TEXT)")
                                .add("CREATE TABLE authors (name TEXT PRIMARY KEY, notes INTEGER)")
                                .execute())
                        .concatMap(Result::getRowsUpdated))
                .then();
    }

    /** Both statements take effect, or none. */
    private Mono<Long> write(String author, String text) {
        return transaction(Connection::beginTransaction, connection -> change(
                                connection, "INSERT INTO notes (author, text) VALUES (?1, ?2)", author, text)
                        .then(change(
                                connection,
                                "INSERT INTO authors VALUES (?1, 1) ON CONFLICT DO UPDATE SET notes = notes + 1",
                                author)))
                .single();
    }

    /** Fails if the two queries do not see the same moment. */
    private Mono<Boolean> look() {
        return transaction(
                        connection -> connection.beginTransaction(SqliteTransactionDefinition.READ_ONLY),
                        connection -> number(connection, "SELECT count(*) FROM notes")
                                .zipWhen(
                                        notes -> number(connection, "SELECT coalesce(sum(notes), 0) FROM authors"),
                                        Long::equals))
                .single()
                .filter(same -> same)
                .switchIfEmpty(Mono.error(() -> new IllegalStateException("half a note was seen")));
    }

    private Flux<String> authors() {
        return rows("SELECT name || ' ' || notes FROM authors ORDER BY name");
    }

    /** The statement is ended when three rows have been taken. */
    private Flux<String> lastNotes() {
        return rows("SELECT author || ', ' || text FROM notes ORDER BY id DESC").take(3);
    }

    /** Commits when the work completes; closing a connection rolls back what is not committed. */
    private <T> Flux<T> transaction(
            Function<Connection, Publisher<Void>> begin, Function<Connection, Publisher<T>> work) {
        return Flux.usingWhen(
                factory.create(),
                connection -> Mono.from(begin.apply(connection))
                        .thenMany(Flux.defer(() -> work.apply(connection)))
                        .concatWith(Mono.from(connection.commitTransaction()).then(Mono.empty())),
                Connection::close);
    }

    private Flux<String> rows(String sql) {
        return Flux.usingWhen(
                factory.create(),
                connection -> Flux.from(connection.createStatement(sql).execute())
                        .concatMap(result -> result.map(row -> row.get(0, String.class))),
                Connection::close);
    }

    private static Mono<Long> number(Connection connection, String sql) {
        return Mono.from(connection.createStatement(sql).execute())
                .flatMap(result -> Mono.from(result.map(row -> row.get(0, Long.class))));
    }

    private static Mono<Long> change(Connection connection, String sql, Object... values) {
        Statement statement = connection.createStatement(sql);
        for (int i = 0; i < values.length; i++) {
            statement.bind(i, values[i]);
        }
        return Mono.from(statement.execute()).flatMap(result -> Mono.from(result.getRowsUpdated()));
    }
}
