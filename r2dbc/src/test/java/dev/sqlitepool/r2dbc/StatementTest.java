package dev.sqlitepool.r2dbc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.r2dbc.spi.Blob;
import io.r2dbc.spi.Clob;
import io.r2dbc.spi.R2dbcDataIntegrityViolationException;
import io.r2dbc.spi.Result;
import io.r2dbc.spi.Statement;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.test.StepVerifier;

/** Statements, their parameters and their results. */
class StatementTest {
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    @RegisterExtension
    final Database database = new Database(builder -> builder.poolSize(4));

    private SqliteConnection connection;

    @BeforeEach
    void open() {
        database.pool().execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)").join();
        connection = database.connection();
    }

    @AfterEach
    void close() {
        connection.close().block(PATIENCE);
    }

    private static List<Object> rows(Statement statement) {
        return Flux.from(statement.execute())
                .concatMap(result -> result.map(row -> row.get(0)))
                .collectList()
                .block(PATIENCE);
    }

    private static List<Long> counts(Statement statement) {
        return Flux.from(statement.execute())
                .concatMap(Result::getRowsUpdated)
                .collectList()
                .block(PATIENCE);
    }

    /** SQLite itself says which value each parameter has. */
    @ParameterizedTest
    @MethodSource
    void parametersAreNumberedAsSqliteDoes(String expression, int count, String expected) {
        SqliteStatement statement = connection.createStatement("SELECT " + expression);
        assertThat(new Script("SELECT " + expression).parameters()).isEqualTo(count);
        for (int i = 0; i < count; i++) {
            statement.bind(i, String.valueOf((char) ('a' + i)));
        }
        assertThat(rows(statement)).containsExactly(expected);
    }

    static Stream<Arguments> parametersAreNumberedAsSqliteDoes() {
        return Stream.of(
                arguments("? || ? || ?", 3, "abc"),
                arguments("?2 || ?1 || ?3", 3, "bac"),
                arguments("?3 || ? || ?1 || ?2", 4, "cdab"),
                arguments(":x || :y || :x", 2, "aba"),
                arguments("@x || :x || $x", 3, "abc"),
                arguments("? || :x || ?1", 2, "aba"),
                arguments("?2 || ?1 || :x || ?2", 3, "bacb"),
                arguments("':no' || ? || '?' /* ? :x */ || '''?' -- ?", 1, ":noa?'?"),
                arguments("x FROM (SELECT ? AS x, 1 AS \"a?b\", 2 AS [c:d], 3 AS `e@f`)", 1, "a"),
                arguments(":größe || $_1 || @a$b", 3, "abc"),
                arguments("$a::b || $a || ?00000001", 2, "aba"),
                arguments("?", 1, "a"));
    }

    @Test
    void whatSqliteRemembersOfTheLastChangeIsToldOnlyInsideTheTransactionThatMadeIt() {
        assertThat(counts(connection.createStatement("INSERT INTO t VALUES (41, 'a')")))
                .containsExactly(1L);
        for (String sql : List.of("SELECT last_insert_rowid()", "INSERT INTO t (v) VALUES (changes())")) {
            assertThatThrownBy(() -> rows(connection.createStatement(sql)))
                    .hasMessageContaining("tell of one SQLite connection");
        }
        connection.beginTransaction().block(PATIENCE);
        assertThat(counts(connection.createStatement("INSERT INTO t VALUES (7, 'b')")))
                .containsExactly(1L);
        assertThat(rows(connection.createStatement("SELECT last_insert_rowid()")))
                .containsExactly(7);
        connection.commitTransaction().block(PATIENCE);
        assertThatThrownBy(() -> rows(connection.createStatement("SELECT changes()")))
                .hasMessageContaining("tell of one SQLite connection");
    }

    @Test
    void aNameIsBoundWithItsFirstCharacterOrWithout() {
        for (String name : List.of("x", ":x")) {
            assertThat(rows(connection
                            .createStatement("SELECT :x + ?")
                            .bind(name, 40)
                            .bind(1, 2)))
                    .containsExactly(42);
        }
        assertThat(rows(connection
                        .createStatement("SELECT @x || $y")
                        .bind("@x", "a")
                        .bind("y", "b")))
                .containsExactly("ab");
        assertThat(rows(connection.createStatement("SELECT ?1").bind("?1", 3))).containsExactly(3);
        assertThatThrownBy(() -> connection.createStatement("SELECT :x, ?").bind("z", 1))
                .isInstanceOf(NoSuchElementException.class)
                .hasMessage("There is no parameter z; the parameters are :x, index 1.");
    }

    @Test
    void aBatchOfBindingsGivesACountEachAndIsAllOrNothing() {
        Statement statement = connection.createStatement("INSERT INTO t VALUES (:id, :v)");
        for (int i = 1; i <= 5; i++) {
            if (i > 1) {
                statement.add();
            }
            statement.bind("id", i).bindNull("v", String.class);
        }
        assertThat(counts(statement)).containsExactly(1L, 1L, 1L, 1L, 1L);
        Statement twice = connection
                .createStatement("INSERT INTO t VALUES (?, 1)")
                .bind(0, 6)
                .add()
                .bind(0, 1);
        StepVerifier.create(twice.execute()).verifyError(R2dbcDataIntegrityViolationException.class);
        assertThat(rows(connection.createStatement("SELECT count(*) FROM t"))).containsExactly(5);
    }

    @Test
    void aReadWithSeveralBindingsRunsForEach() {
        assertThat(rows(connection
                        .createStatement("SELECT ? * 2")
                        .bind(0, 1)
                        .add()
                        .bind(0, 2)
                        .add()
                        .bind(0, 3)))
                .containsExactly(2, 4, 6);
    }

    @Test
    void severalStatementsInOneTextRunInOrder() {
        Statement statement = connection.createStatement("""
                INSERT INTO t VALUES (?, 'a; b'); -- first; second
                SELECT v FROM t WHERE id = :id;
                CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT 1; SELECT 2; END;
                DELETE FROM t;
                SELECT count(*) FROM t""");
        List<String> seen = new ArrayList<>();
        Flux.from(statement.bind(0, 1).bind("id", 1).execute())
                .concatMap(result -> result.flatMap(segment -> Mono.just(
                        segment instanceof Result.RowSegment row
                                ? "row " + row.row().get(0)
                                : "count " + ((Result.UpdateCount) segment).value())))
                .doOnNext(seen::add)
                .blockLast(PATIENCE);
        assertThat(seen).containsExactly("count 1", "row a; b", "count 0", "count 1", "row 0");
    }

    @Test
    void rowsOfAnEarlierStatementAreThoseOfItsMoment() {
        List<Result> results = Flux.<Result>from(connection
                        .createStatement("SELECT count(*) FROM t; INSERT INTO t VALUES (1, 1)")
                        .execute())
                .collectList()
                .block(PATIENCE);
        assertThat(Flux.from(results.get(0).map(row -> row.get(0))).blockLast(PATIENCE))
                .isEqualTo(0);
    }

    @Test
    void generatedValuesAreReturned() {
        Statement all = connection
                .createStatement("INSERT INTO t (v) VALUES ('a'), ('b') -- the end")
                .returnGeneratedValues();
        assertThat(rows(all)).containsExactly(1, 2);
        Statement some =
                connection.createStatement("UPDATE t SET v = upper(v);").returnGeneratedValues("v", "id");
        List<String> seen = new ArrayList<>();
        Result result = Mono.<Result>from(some.execute()).block(PATIENCE);
        Flux.from(result.flatMap(segment -> {
                    seen.add(
                            segment instanceof Result.RowSegment row
                                    ? row.row().get("v") + "" + row.row().get("id")
                                    : "count " + ((Result.UpdateCount) segment).value());
                    return Mono.empty();
                }))
                .blockLast(PATIENCE);
        assertThat(seen).containsExactly("A1", "B2", "count 2");
        assertThat(counts(connection.createStatement("DELETE FROM t RETURNING id")))
                .containsExactly(2L);
        assertThat(rows(connection
                        .createStatement("WITH w(x) AS (SELECT 9) INSERT INTO t SELECT x, 'RETURNING' FROM w")
                        .returnGeneratedValues("id")))
                .containsExactly(9);
    }

    @Test
    void blobsAndClobsAreCollectedBeforeALaneIsAskedFor() {
        Flux<ByteBuffer> bytes = Flux.just("ab", "cd")
                .map(text -> ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8)))
                .delayElements(Duration.ofMillis(20))
                .doOnNext(buffer -> assertThat(
                                database.pool().stats().writeConnections().borrowed())
                        .isZero());
        connection
                .createStatement("INSERT INTO t VALUES (1, ?), (2, ?)")
                .bind(0, Blob.from(bytes))
                .bind(1, Clob.from(Flux.just("x", "y")))
                .execute()
                .concatMap(Result::getRowsUpdated)
                .blockLast(PATIENCE);
        assertThat(database.pool()
                        .query("SELECT typeof(v) || v FROM t ORDER BY id", row -> row.getString(1))
                        .join())
                .containsExactly("blobabcd", "textxy");
        String text = Mono.from(connection
                        .createStatement("SELECT v FROM t WHERE id = 2")
                        .execute())
                .flatMapMany(result -> result.map(row -> row.get("v", Clob.class)))
                .flatMap(clob -> Flux.from(clob.stream()))
                .map(CharSequence::toString)
                .blockLast(PATIENCE);
        assertThat(text).isEqualTo("xy");
    }

    @Test
    void aBlobThatFailsRunsNothing() {
        StepVerifier.create(connection
                        .createStatement("INSERT INTO t VALUES (1, ?)")
                        .bind(0, Blob.from(Flux.error(new IllegalStateException("no bytes"))))
                        .execute())
                .verifyErrorMessage("no bytes");
        assertThat(rows(connection.createStatement("SELECT count(*) FROM t"))).containsExactly(0);
    }

    @Test
    void aBatchRunsItsStatementsInOrder() {
        List<Long> counts = Flux.from(connection
                        .createBatch()
                        .add("INSERT INTO t VALUES (1, 1)")
                        .add("INSERT INTO t VALUES (2, 1); UPDATE t SET v = 2")
                        .add("SELECT * FROM t")
                        .execute())
                .concatMap(Result::getRowsUpdated)
                .collectList()
                .block(PATIENCE);
        assertThat(counts).containsExactly(1L, 1L, 2L);
        assertThatThrownBy(() -> connection.createBatch().add("DELETE FROM t WHERE id = ?"))
                .isInstanceOf(IllegalArgumentException.class);
        StepVerifier.create(Flux.from(connection
                                .createBatch()
                                .add("INSERT INTO t VALUES (3, 1)")
                                .add("INSERT INTO t VALUES (3, 1)")
                                .add("INSERT INTO t VALUES (4, 1)")
                                .execute())
                        .concatMap(Result::getRowsUpdated))
                .expectNext(1L)
                .verifyError(R2dbcDataIntegrityViolationException.class);
        assertThat(rows(connection.createStatement("SELECT max(id) FROM t"))).containsExactly(3);
    }

    @Test
    void valuesThatAreBoundLaterAreNotThoseOfAnEarlierExecution() {
        SqliteStatement statement = connection.createStatement("INSERT INTO t (v) VALUES (?)");
        Flux<SqliteResult> first = statement.bind(0, "first").execute();
        Flux<SqliteResult> second = statement.bind(0, "second").execute();
        Flux.concat(first, second).concatMap(Result::getRowsUpdated).blockLast(PATIENCE);
        assertThat(rows(connection.createStatement("SELECT v FROM t ORDER BY id")))
                .containsExactly("first", "second");
    }

    @Test
    void aTableExpressionMayHaveTheNameOfAVerb() {
        assertThat(rows(connection.createStatement("WITH replace AS (SELECT 1 AS x), \"insert\"(y) AS (SELECT 2)"
                        + " SELECT x + y FROM replace, \"insert\"")))
                .containsExactly(3);
    }

    @Test
    void aBatchForEachRowLeavesTheRowsOpen() {
        connection.beginTransaction().block(PATIENCE);
        counts(connection.createStatement("INSERT INTO t VALUES (1, 1), (2, 1), (3, 1)"));
        Flux.from(connection.createStatement("SELECT id FROM t").fetchSize(1).execute())
                .concatMap(result -> result.map(row -> row.get(0, Integer.class)))
                .concatMap(id -> connection
                        .createStatement("INSERT INTO t VALUES (?, 2)")
                        .bind(0, id + 10)
                        .add()
                        .bind(0, id + 20)
                        .execute()
                        .concatMap(Result::getRowsUpdated))
                .take(6)
                .blockLast(PATIENCE);
        connection.commitTransaction().block(PATIENCE);
        assertThat(rows(connection.createStatement("SELECT count(*) >= 9 FROM t")))
                .containsExactly(1);
    }

    @Test
    void executingTwiceRunsTwice() {
        Flux<SqliteResult> execution = connection
                .createStatement("INSERT INTO t (v) VALUES (?)")
                .bind(0, 1)
                .execute();
        execution.concatMap(Result::getRowsUpdated).blockLast(PATIENCE);
        execution.concatMap(Result::getRowsUpdated).blockLast(PATIENCE);
        assertThat(rows(connection.createStatement("SELECT count(*) FROM t"))).containsExactly(2);
    }

    @Test
    void anErrorAmongTheRowsIsAMessageThatCanBeFilteredOut() {
        String sql = "SELECT value FROM json_each('[1, -9223372036854775808]') WHERE abs(value) > 0";
        StepVerifier.create(
                        connection.createStatement(sql).execute().concatMap(result -> result.map(row -> row.get(0))))
                .expectNext(1)
                .verifyErrorSatisfies(error -> assertThat(error).hasMessageContaining("integer overflow"));
        StepVerifier.create(connection
                        .createStatement(sql)
                        .execute()
                        .concatMap(result -> result.flatMap(segment ->
                                Mono.just(segment instanceof Result.Message message ? message.message() : "row"))))
                .expectNext("row")
                .expectNextMatches(message -> message.contains("integer overflow"))
                .verifyComplete();
        StepVerifier.create(connection.createStatement(sql).execute().concatMap(result -> result.filter(
                                segment -> !(segment instanceof Result.Message))
                        .map(row -> row.get(0))))
                .expectNext(1)
                .verifyComplete();
    }

    @Test
    void aMappingThatReturnsNullIsAnError() {
        StepVerifier.create(
                        connection.createStatement("SELECT 1").execute().concatMap(result -> result.map(row -> null)))
                .verifyErrorSatisfies(error -> assertThat(error)
                        .isInstanceOf(NullPointerException.class)
                        .hasMessageContaining("use an Optional"));
    }

    @Test
    void anEmptyTextRunsNothing() {
        StepVerifier.create(connection.createStatement(" -- nothing ; \n").execute())
                .verifyComplete();
    }

    @Test
    void aWrongFetchSizeIsRefused() {
        assertThatThrownBy(() -> connection.createStatement("SELECT 1").fetchSize(-1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("fetchSize was -1");
    }
}
