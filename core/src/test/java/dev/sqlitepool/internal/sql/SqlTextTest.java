package dev.sqlitepool.internal.sql;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.sql.SQLException;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SqlTextTest {
    private static final String TRIGGER = "CREATE TRIGGER log AFTER INSERT ON a BEGIN"
            + " INSERT INTO b VALUES (new.x); UPDATE c SET n = CASE WHEN n > 1 THEN 0 ELSE n END; DELETE FROM d; END";

    // ---- one statement

    @ParameterizedTest
    @ValueSource(
            strings = {
                "SELECT 1",
                "SELECT 1;",
                "SELECT 1 ; ; ;\n",
                ";;SELECT 1",
                "\uFEFFSELECT 1",
                "SELECT 1; -- the end",
                "SELECT 1; /* the; end */",
                "SELECT 1; /* unterminated",
                "SELECT 'a;b'",
                "SELECT 'it''s; fine'",
                "SELECT \"a;b\" FROM t",
                "SELECT \"a\"\";b\" FROM t",
                "SELECT `a;b` FROM t",
                "SELECT [a;b] FROM t",
                "SELECT [a][b;c] FROM t",
                "SELECT 1/* a *//* ; */",
                "SELECT 1 -- ; SELECT 2",
                "SELECT /* ; */ 1",
                "SELECT /* -- */ 1",
                "SELECT '/*' || '*/;'",
                "SELECT '--;'",
                "SELECT 'unterminated; SELECT 2",
                "SELECT [unterminated; SELECT 2",
                "SELECT 4 / 2 - 1"
            })
    void oneStatementIsAccepted(String sql) {
        assertThatCode(() -> SqlText.of(sql).requireSingle()).doesNotThrowAnyException();
        assertThat(Lexer.split(sql)).hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "SELECT 1; SELECT 2",
                "SELECT 1;SELECT 2",
                "SELECT 1; x",
                "SELECT ';'; SELECT 2",
                "SELECT 1; /* a comment */ SELECT 2",
                "SELECT 1 -- a comment\n; SELECT 2",
                "SELECT 1 /* nested /* comments end at the first */ ; SELECT 2 */",
                "SELECT ''''; SELECT 2",
                "SELECT [a[]; SELECT 2",
                "DELETE FROM t; COMMIT"
            })
    void textAfterTheFirstStatementIsRefused(String sql) {
        assertThatThrownBy(() -> SqlText.of(sql).requireSingle())
                .isInstanceOf(SQLException.class)
                .hasMessageContaining("more than one statement")
                .hasMessageContaining("executeScript");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", " ", ";", " ; ;\n", "-- nothing", "/* nothing */", "/* unterminated", "\uFEFF"})
    void textWithoutAStatementIsRefused(String sql) {
        assertThatThrownBy(() -> SqlText.of(sql).requireSingle())
                .isInstanceOf(SQLException.class)
                .hasMessageContaining("holds no statement");
        assertThat(Lexer.split(sql)).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                TRIGGER,
                "create temp trigger log after insert on a begin select 1; end",
                "CREATE TEMPORARY TRIGGER log AFTER INSERT ON a BEGIN SELECT 1; END",
                "/* first */ CREATE /* second */ TRIGGER log AFTER INSERT ON a BEGIN SELECT 1; END",
                "CREATE TRIGGER log AFTER INSERT ON a BEGIN SELECT CASE 1 WHEN 1 THEN 2 END; END",
                "CREATE TRIGGER log AFTER INSERT ON a BEGIN SELECT 'END;'; SELECT \"END\"; /* ; END; */ END",
                "CREATE TRIGGER log AFTER INSERT ON a BEGIN SELECT 1; -- ; END;\n END",
                "EXPLAIN CREATE TRIGGER log AFTER INSERT ON a BEGIN SELECT 1; END",
                "EXPLAIN QUERY PLAN CREATE TRIGGER log AFTER INSERT ON a BEGIN SELECT 1; END"
            })
    void aTriggerIsOneStatementUpToItsEnd(String sql) {
        assertThatCode(() -> SqlText.of(sql).requireSingle()).doesNotThrowAnyException();
        assertThatCode(() -> SqlText.of(sql + ";").requireSingle()).doesNotThrowAnyException();
        assertThat(Lexer.split(sql + "; SELECT 1")).containsExactly(strip(sql) + ";", "SELECT 1");
        assertThatThrownBy(() -> SqlText.of(sql + "; SELECT 1").requireSingle()).isInstanceOf(SQLException.class);
    }

    private static String strip(String sql) {
        return sql.startsWith("/*") ? sql.substring(sql.indexOf("*/") + 3) : sql;
    }

    @Test
    void aTableNamedTriggerIsNoTrigger() {
        assertThat(Lexer.split("CREATE TABLE trigger_log (x); INSERT INTO trigger_log VALUES (1)"))
                .hasSize(2);
        assertThat(Lexer.split("CREATE TABLE \"trigger\" (x); DROP TABLE \"trigger\""))
                .hasSize(2);
    }

    // ---- scripts

    @Test
    void aScriptIsSplitIntoItsStatements() {
        String script = "\uFEFF-- schema\nCREATE TABLE a (x TEXT DEFAULT ';');\n\n/* the log */" + TRIGGER
                + ";;\n INSERT INTO a VALUES ('it''s; here') ; SELECT [x;y] FROM a -- last";
        assertThat(Lexer.split(script))
                .containsExactly(
                        "CREATE TABLE a (x TEXT DEFAULT ';');",
                        TRIGGER + ";",
                        "INSERT INTO a VALUES ('it''s; here') ;",
                        "SELECT [x;y] FROM a -- last");
    }

    // ---- labels

    @Test
    void aLabelIsTheBeginningOnOneLineWithoutLiterals() {
        assertThat(SqlText.of("  -- find\n SELECT  name,\n\tage FROM users WHERE id = 42 AND name = 'Bob'")
                        .label())
                .isEqualTo("SELECT name, age FROM users WHERE id = ? AND name = ?");
        assertThat(SqlText.of("INSERT INTO t VALUES (x'CAFE', X'00', 1.5e3, -7, 0xFF, \"text\")")
                        .label())
                .isEqualTo("INSERT INTO t VALUES (?, ?, ?.?, -?, ?, ?)");
    }

    @Test
    void aLongLabelIsCut() {
        String label =
                SqlText.of("SELECT " + "a_column, ".repeat(100) + "b FROM t").label();
        assertThat(label).endsWith("…").hasSizeLessThanOrEqualTo(61);
    }

    /** Whatever literals stand in a statement, none of their characters reaches the label. */
    @Test
    void aLabelNeverContainsALiteral() {
        Random random = new Random(7);
        for (int round = 0; round < 5_000; round++) {
            String secret = secret(random);
            String literal = literal(secret, random);
            String sql = List.of(
                            "SELECT " + literal,
                            "SELECT a FROM t WHERE b=" + literal + " AND c=1",
                            "/*c*/INSERT INTO t VALUES(" + literal + "," + literal + ")",
                            "UPDATE t SET a = " + literal + " -- end",
                            "SELECT a||" + literal + "||b")
                    .get(random.nextInt(5));
            assertThat(SqlText.of(sql).label()).as(sql).doesNotContain(secret);
        }
    }

    /** At least three characters out of an alphabet that no template uses. */
    private static String secret(Random random) {
        StringBuilder text = new StringBuilder("9");
        for (int i = random.nextInt(6) + 2; i > 0; i--) {
            text.append("6789".charAt(random.nextInt(4)));
        }
        return text.toString();
    }

    private static String literal(String secret, Random random) {
        String[] noise = {"", ";", " ", "--", "/*", "*/", "''", "[", "\n", "ü", "\uD83D\uDE00"};
        String before = noise[random.nextInt(noise.length)];
        String after = noise[random.nextInt(noise.length)];
        switch (random.nextInt(5)) {
            case 0:
                return secret;
            case 1:
                return "x'" + secret + (secret.length() % 2 == 0 ? "" : "0") + "'";
            case 2:
                return "\"" + before + secret + after.replace("''", "\"\"") + "\"";
            case 3:
                return "0x" + secret;
            default:
                return "'" + before + secret + after + "'";
        }
    }

    // ---- words

    @Test
    void wordsInQuotesAndCommentsAreNotFound() {
        assertThat(Lexer.contains("WITH a AS (SELECT 1) INSERT INTO t SELECT 1 RETURNING x", 0, "RETURNING"))
                .isTrue();
        assertThat(Lexer.contains("SELECT 'RETURNING' /* RETURNING */ -- RETURNING", 0, "RETURNING"))
                .isFalse();
        assertThat(Lexer.contains("SELECT \"RETURNING\", `RETURNING`, [RETURNING]", 0, "RETURNING"))
                .isFalse();
        assertThat(Lexer.contains("SELECT not_RETURNING, RETURNING2", 0, "RETURNING"))
                .isFalse();
        assertThat(Lexer.contains("SELECT 1; RETURNING", 0, "RETURNING")).isFalse();
    }

    @ParameterizedTest
    @ValueSource(chars = {'a', 'z', 'A', 'Z', '0', '9', '_', '$', '\u0080', 'ü'})
    void aWordIsMadeOfWhatSqliteTakesForPartsOfIdentifiers(char part) {
        assertThat(Lexer.word("x" + part + " y", 0)).isEqualTo("x" + part);
    }

    @ParameterizedTest
    @ValueSource(chars = {'`', '{', '@', '[', '/', ':', '#', '%', '^', '\u007F'})
    void aWordEndsBeforeAnythingElse(char other) {
        assertThat(Lexer.word("x" + other + "y", 0)).isEqualTo("x");
    }

    @Test
    void textWithANulIsRefusedWhereverItStands() {
        for (String sql : List.of("\0SELECT 1", "SELECT \0", "SELECT '\0'")) {
            assertThatThrownBy(() -> SqlText.of(sql).requireSingle()).hasMessageContaining("NUL");
        }
    }

    @Test
    void aLabelOfTheLengthThatFitsIsWhole() {
        String fits = "SELECT " + "x".repeat(52); // and the next word makes it too long
        assertThat(SqlText.of(fits).label()).isEqualTo(fits);
        assertThat(SqlText.of(fits + "x").label()).isEqualTo(fits + "x");
        assertThat(SqlText.of(fits + "xx").label()).isEqualTo(fits + "x…");
        assertThat(SqlText.of("SELECT " + "x".repeat(60) + ";").label())
                .hasSize(61)
                .endsWith("…");
    }

    // ---- what a statement does

    @ParameterizedTest
    @ValueSource(
            strings = {
                "ATTACH 'x.db' AS y",
                "detach y",
                "/* it */ EXPLAIN ATTACH 'x.db' AS y",
                "CREATE TEMP TABLE t (x)",
                "CREATE TEMPORARY VIEW v AS SELECT 1",
                "CREATE TABLE temp.t (x)",
                "CREATE TABLE \"temp\".t (x)",
                "CREATE TABLE [temp].t (x)",
                "CREATE TABLE `temp`.t (x)",
                "CREATE TABLE 'temp'.t (x)",
                "PRAGMA foreign_keys = 0",
                "PRAGMA foreign_keys(0)",
                "PRAGMA main . cache_size = 5",
                "EXPLAIN PRAGMA foreign_keys = 0",
                "EXPLAIN QUERY PLAN PRAGMA foreign_keys = 0",
                "create temp table temp (temp)",
                "CREATE /* c */ TEMPORARY -- d\n TABLE t (x)",
                "CREATE TEMP TABLE IF NOT EXISTS t (x)",
                "CREATE TABLE IF NOT EXISTS temp.t (x)",
                "CREATE TABLE /* a */ temp /* b */ . /* c */ t (x)",
                "CREATE TABLE TEMP.t AS SELECT 1",
                "CREATE UNIQUE INDEX temp.i ON t (x)",
                "CREATE INDEX IF NOT EXISTS \"temp\".i ON t (x)",
                "CREATE VIEW temp.v AS SELECT 1",
                "CREATE VIRTUAL TABLE temp.f USING fts5(x)",
                "CREATE VIRTUAL TABLE IF NOT EXISTS [TEMP].f USING fts5(x)",
                "CREATE TRIGGER temp.r AFTER INSERT ON t BEGIN SELECT 1; END",
                "CREATE TRIGGER IF NOT EXISTS r AFTER UPDATE OF temp ON temp.t BEGIN SELECT 1; END",
                "CREATE TRIGGER r INSTEAD OF INSERT ON 'temp'.v BEGIN SELECT 1; END",
                "DROP TABLE temp.t",
                "DROP TABLE IF EXISTS temp.t",
                "DROP INDEX `temp`.i",
                "DROP VIEW temp.v",
                "DROP TRIGGER if exists temp.r",
                "ALTER TABLE temp.t ADD COLUMN x",
                "ALTER TABLE [temp].t RENAME TO u",
                "ANALYZE temp",
                "ANALYZE temp.t",
                "ANALYZE \"temp\"",
                "PRAGMA \"foreign_keys\" = 0",
                "PRAGMA foreign_keys /* on */ = /* on */ 0",
                "PRAGMA foreign_keys -- on\n (0)",
                "PRAGMA cache_size = -2000",
                "PRAGMA journal_mode = DELETE",
                "PRAGMA main.journal_mode(delete)",
                "PRAGMA temp.user_version = 3",
                "PRAGMA encoding = 'UTF-16'"
            })
    void whatStaysWithTheConnectionChangesIt(String sql) {
        assertThat(SqlText.of(sql).changesConnection()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "CREATE TABLE t (x)",
                "CREATE TABLE temporal (x)",
                "DROP TABLE t -- TEMP",
                "VACUUM",
                "PRAGMA foreign_keys",
                "PRAGMA",
                "PRAGMA user_version = 3",
                "PRAGMA main . user_version = 3",
                "PRAGMA wal_checkpoint(TRUNCATE)",
                "PRAGMA index_list(t)",
                "PRAGMA table_info(t)",
                "PRAGMA table_xinfo(t)",
                "CREATE TABLE weather (temp REAL)",
                "CREATE TABLE weather (city, temp REAL DEFAULT 'temp', CHECK (city NOT IN ('temp', \"temp\")))",
                "CREATE TABLE temp (x)",
                "CREATE TABLE \"temp\" (x)",
                "CREATE TABLE IF NOT EXISTS temp (temp TEMPORARY)",
                "CREATE TABLE main.temp (x)",
                "CREATE TABLE other.temporary AS SELECT temp.x FROM temp",
                "CREATE INDEX temp ON temp (temp)",
                "CREATE UNIQUE INDEX i ON weather (temp) WHERE temp > 0",
                "CREATE VIEW temp AS SELECT temp FROM weather",
                "CREATE VIEW v AS SELECT temp.x AS temp FROM temp",
                "CREATE VIRTUAL TABLE f USING fts5(temp)",
                "CREATE TRIGGER r AFTER UPDATE OF temp ON weather WHEN new.temp > old.temp"
                        + " BEGIN UPDATE weather SET temp = new.temp; SELECT temp.x FROM temp; END",
                "CREATE TRIGGER temp AFTER INSERT ON temp BEGIN SELECT 'ON temp.t'; END",
                "CREATE /* TEMP */ TABLE t (x) -- temp.t",
                "DROP TABLE temp",
                "DROP TABLE IF EXISTS temp",
                "DROP INDEX temporary",
                "ALTER TABLE weather ADD temporary",
                "ALTER TABLE weather ADD COLUMN temp TEXT DEFAULT 'temp.t'",
                "ALTER TABLE weather RENAME COLUMN temp TO temporary",
                "ALTER TABLE temp RENAME TO temporary",
                "ANALYZE weather",
                "ANALYZE",
                "REINDEX temporary",
                "PRAGMA foreign_keys /* (on) */",
                "PRAGMA foreign_keys -- = on",
                "PRAGMA foreign_keys; -- = on",
                "PRAGMA /* = */ foreign_keys",
                "PRAGMA \"user_version\" = 3",
                "PRAGMA 'main' . [application_id] (3)",
                "PRAGMA journal_mode",
                "PRAGMA temp.table_info(t)",
                "PRAGMA optimize(0x10002)"
            })
    void whatStaysInTheDatabaseOrTellsDoesNotChangeTheConnection(String sql) {
        assertThat(SqlText.of(sql).changesConnection()).isFalse();
    }

    @Test
    void whatAnswersFromTheSchemaIsFound() {
        for (String sql : List.of(
                "EXPLAIN SELECT 1",
                "-- c\n explain query plan SELECT 1",
                "PRAGMA index_list(t)",
                "PRAGMA main.table_info = t")) {
            assertThat(SqlText.of(sql).answersFromSchema()).as(sql).isTrue();
        }
        for (String sql : List.of("SELECT 1", "PRAGMA foreign_keys = OFF", "CREATE TABLE explain (x)", "")) {
            assertThat(SqlText.of(sql).answersFromSchema()).as(sql).isFalse();
        }
    }

    @Test
    void theFirstWordIsFoundInAnyCase() {
        assertThat(Lexer.startsWith("; /* it */ rollback", "ROLLBACK")).isTrue();
        assertThat(Lexer.startsWith("ROLLBACKS", "ROLLBACK")).isFalse();
    }

    @Test
    void aPlainBeginBecomesImmediate() {
        assertThat(SqlText.of(" begin").immediate().text()).isEqualTo("BEGIN IMMEDIATE");
        assertThat(SqlText.of("BEGIN DEFERRED").immediate().text()).isEqualTo("BEGIN IMMEDIATE");
        for (String asIs : List.of("BEGIN exclusive", "BEGIN IMMEDIATE TRANSACTION", "SAVEPOINT a", "COMMIT")) {
            SqlText text = SqlText.of(asIs);
            assertThat(text.immediate()).isSameAs(text);
        }
    }

    @Test
    void aTextInAMessageHasNoLiterals() {
        assertThat(SqlText.of("SELECT 'secret'")).hasToString("SELECT ?");
    }

    @Test
    void whatSqliteRemembersOfTheLastChangeIsAskedForWithoutArguments() {
        assertThat(SqlText.of("SELECT last_insert_rowid()").asksForLastChange()).isTrue();
        assertThat(SqlText.of("SELECT \"last_insert_rowid\"()").asksForLastChange())
                .isTrue();
        assertThat(SqlText.of("SELECT [changes] ()").asksForLastChange()).isTrue();
        assertThat(SqlText.of("SELECT Changes /* of */ ( /* none */ )").asksForLastChange())
                .isTrue();
        assertThat(SqlText.of("SELECT 1; SELECT total_changes()").asksForLastChange())
                .isTrue();
        assertThat(SqlText.of("SELECT changes FROM t").asksForLastChange()).isFalse();
        assertThat(SqlText.of("SELECT changes(x) FROM t").asksForLastChange()).isFalse();
        assertThat(SqlText.of("SELECT 'changes()'").asksForLastChange()).isFalse();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '#',
            quoteCharacter = '~',
            value = {
                "INSERT INTO t VALUES (1) # t",
                "insert or ignore into main.Some_table(x) VALUES (1) # Some_table",
                "REPLACE INTO \"a\"\"b\" DEFAULT VALUES # a\"b",
                "INSERT INTO [main] . /* here */ `t 1` SELECT 1 # t 1",
                "WITH n(i) AS (SELECT replace(into_, 1, 2) FROM x) INSERT INTO t SELECT * FROM n # t",
                "UPDATE t SET x = 'INSERT INTO u' #",
                "WITH n AS (SELECT 1) SELECT * FROM n #",
                "INSERT INTO #",
            })
    void theTableOfAnInsertIsFound(String sql, String table) {
        String found = SqlText.of(sql).insertsInto();
        assertThat(found == null || found.isEmpty() ? null : found).isEqualTo(table);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "PRAGMA user_version",
                "pragma main.user_version;",
                "PRAGMA table_info(t)",
                "PRAGMA \"main\".table_xinfo('t')",
                "PRAGMA foreign_key_check(t)",
                "PRAGMA integrity_check"
            })
    void aPragmaThatOnlyAsksIsKnown(String sql) {
        assertThat(SqlText.of(sql).onlyAsks()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "PRAGMA user_version = 1",
                "PRAGMA user_version(1)",
                "PRAGMA query_only=OFF",
                "PRAGMA main.wal_checkpoint",
                "PRAGMA optimize",
                "PRAGMA incremental_vacuum(3)",
                "VACUUM",
                "ATTACH 'x' AS y"
            })
    void whatDoesMoreThanAskIsKnown(String sql) {
        assertThat(SqlText.of(sql).onlyAsks()).isFalse();
    }

    @Test
    void onlyChangesHaveACount() {
        assertThat(SqlText.of("INSERT INTO t VALUES (1)").counts(false)).isTrue();
        assertThat(SqlText.of("INSERT INTO t VALUES (1) RETURNING x").counts(true))
                .isTrue();
        assertThat(SqlText.of("WITH a AS (SELECT 1) DELETE FROM t").counts(false))
                .isTrue();
        assertThat(SqlText.of("WITH a AS (SELECT 1) DELETE FROM t RETURNING x").counts(true))
                .isTrue();
        assertThat(SqlText.of("WITH a AS (SELECT 1) SELECT * FROM a").counts(true))
                .isFalse();
        assertThat(SqlText.of("SELECT 1").counts(true)).isFalse();
        assertThat(SqlText.of("CREATE TABLE t (x)").counts(false)).isFalse();
    }
}
