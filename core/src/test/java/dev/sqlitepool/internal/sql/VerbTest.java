package dev.sqlitepool.internal.sql;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class VerbTest {
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "SELECT 1 | READ",
                "select 1 | READ",
                "VALUES (1) | READ",
                "WITH a AS (SELECT 1) SELECT * FROM a | WITH",
                "INSERT INTO t VALUES (1) | CHANGE",
                "Update t SET a = 1 | CHANGE",
                "DELETE FROM t | CHANGE",
                "REPLACE INTO t VALUES (1) | CHANGE",
                "CREATE TABLE t (x) | SCHEMA",
                "DROP TABLE t | SCHEMA",
                "ALTER TABLE t ADD y | SCHEMA",
                "REINDEX | SCHEMA",
                "ANALYZE | SCHEMA",
                "PRAGMA user_version | READ",
                "PRAGMA table_info(t) | READ",
                "PRAGMA user_version = 1 | MAINTENANCE",
                "PRAGMA cell_size_check(1) | MAINTENANCE",
                "PRAGMA wal_checkpoint | MAINTENANCE",
                "ATTACH 'a' AS b | OTHER_FILE",
                "DETACH b | OTHER_FILE",
                "VACUUM | MAINTENANCE",
                "VACUUM main -- INTO | MAINTENANCE",
                "VACUUM INTO 'a' | OTHER_FILE",
                "vacuum main into 'a' | OTHER_FILE",
                "BEGIN | BEGIN",
                "begin immediate | BEGIN",
                "SAVEPOINT a | SAVEPOINT",
                "COMMIT | COMMIT",
                "END | COMMIT",
                "ROLLBACK | ROLLBACK",
                "ROLLBACK TRANSACTION | ROLLBACK",
                "ROLLBACK TO a | RELEASE",
                "rollback transaction to savepoint a | RELEASE",
                "ROLLBACK /* TO */ | ROLLBACK",
                "ROLLBACK -- TO | ROLLBACK",
                "RELEASE a | RELEASE",
                "EXPLAIN SELECT 1 | READ",
                "EXPLAIN DELETE FROM t | READ",
                "EXPLAIN QUERY PLAN DELETE FROM t | READ",
                "EXPLAIN PRAGMA user_version | MAINTENANCE",
                "explain /* it */ pragma user_version | MAINTENANCE",
                "EXPLAIN QUERY PLAN PRAGMA user_version | MAINTENANCE",
                "EXPLAIN QUERY /* the */ PLAN /* of */ PRAGMA user_version | MAINTENANCE",
                "SELECTED | OTHER",
                "MERGE INTO t | OTHER",
                "( SELECT 1 ) | OTHER"
            })
    void theFirstKeywordTellsTheVerb(String sql, Verb verb) {
        assertThat(Verb.of(sql)).isEqualTo(verb);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "COMMIT",
                " \t\r\n\f COMMIT",
                ";COMMIT",
                " ; ; COMMIT;",
                "\uFEFFCOMMIT",
                "-- SELECT\nCOMMIT",
                "--\n--\n;COMMIT",
                "/* SELECT */COMMIT",
                "/**/COMMIT",
                "/* a /* b */COMMIT",
                "/* -- */COMMIT",
                "-- /*\nCOMMIT -- */",
                ";/**/;--\n;CoMmIt;"
            })
    void theFirstKeywordIsFoundBehindCommentsAndSemicolons(String sql) {
        assertThat(Verb.of(sql)).isEqualTo(Verb.COMMIT);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", " ", ";", "-- COMMIT", "/* COMMIT", "/* COMMIT */", ";;\uFEFF"})
    void textWithoutAStatementIsEmpty(String sql) {
        assertThat(Verb.of(sql)).isEqualTo(Verb.EMPTY);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"\"COMMIT\"", "'COMMIT'", "`COMMIT`", "[COMMIT]", "COMMIT_", "COMMIT1", "xCOMMIT", "ÄCOMMIT"})
    void quotedAndLongerWordsAreNoKeywords(String sql) {
        assertThat(Verb.of(sql)).isEqualTo(Verb.OTHER);
    }

    @ParameterizedTest
    @CsvSource({
        "READ, false, false",
        "WITH, false, false",
        "CHANGE, true, false",
        "SCHEMA, true, false",
        "MAINTENANCE, true, true",
        "BEGIN, true, true",
        "SAVEPOINT, true, true",
        "COMMIT, true, true",
        "ROLLBACK, true, true",
        "RELEASE, true, true",
        "EMPTY, false, false",
        "OTHER, false, false"
    })
    void theVerbTellsWhereAStatementMayRun(Verb verb, boolean needsWriteLane, boolean refusedInside) {
        assertThat(verb.needsWriteLane()).isEqualTo(needsWriteLane);
        assertThat(verb.isRefusedInside()).isEqualTo(refusedInside);
    }
}
