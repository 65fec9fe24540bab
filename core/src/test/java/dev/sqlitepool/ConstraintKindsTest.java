package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.sqlitepool.testing.Pools;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.sqlite.SQLiteException;

/** How a program tells one failed constraint from another, with the code that the Javadoc of {@link PoolException} shows. */
class ConstraintKindsTest {
    @RegisterExtension
    final Pools pools = new Pools();

    static String inWords(SQLException error) {
        if (!(error instanceof SQLiteException refused)) {
            return "failed";
        }
        return switch (refused.getResultCode()) {
            case SQLITE_CONSTRAINT_UNIQUE, SQLITE_CONSTRAINT_PRIMARYKEY -> "exists already";
            case SQLITE_CONSTRAINT_FOREIGNKEY -> "refers to nothing, or is referred to";
            case SQLITE_CONSTRAINT_NOTNULL, SQLITE_CONSTRAINT_CHECK -> "is not allowed";
            default -> "failed";
        };
    }

    @Test
    void codeOfTheJavadocIsTheOneHere() throws IOException {
        String javadoc = Files.readString(Path.of("src/main/java/dev/sqlitepool/PoolException.java"));
        Matcher shown = Pattern.compile("(?s) \\* <pre>\\{@code\\R( \\* static String inWords.*?) \\* }</pre>")
                .matcher(javadoc);
        assertThat(shown.find()).isTrue();
        String code = shown.group(1).replaceAll("(?m)^ \\* ?", "    ");
        assertThat(Files.readString(Path.of("src/test/java/dev/sqlitepool/ConstraintKindsTest.java")))
                .contains(code);
    }

    @Test
    void everyKindIsToldApart() throws SQLException {
        BlockingPool db = pools.open().blocking();
        db.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, age INT CHECK (age > 0))");
        db.execute("CREATE TABLE c (p INT REFERENCES p, late INT REFERENCES p DEFERRABLE INITIALLY DEFERRED)");
        db.execute("INSERT INTO p VALUES (1, 'a', 1)");
        db.execute("INSERT INTO c VALUES (1, NULL)");

        assertThat(told(() -> db.execute("INSERT INTO p VALUES (1, 'b', 1)"))).isEqualTo("exists already");
        assertThat(told(() -> db.execute("INSERT INTO p VALUES (2, 'a', 1)"))).isEqualTo("exists already");
        assertThat(told(() -> db.execute("INSERT INTO p VALUES (2, NULL, 1)"))).isEqualTo("is not allowed");
        assertThat(told(() -> db.execute("INSERT INTO p VALUES (2, 'b', 0)"))).isEqualTo("is not allowed");
        assertThat(told(() -> db.execute("SELECT 1 FROM nowhere"))).isEqualTo("failed");
        String key = "refers to nothing, or is referred to";
        assertThat(told(() -> db.execute("INSERT INTO c VALUES (2, NULL)"))).isEqualTo(key);
        assertThat(told(() -> db.execute("DELETE FROM p"))).isEqualTo(key);
        assertThat(told(() -> db.execute("INSERT INTO c VALUES (1, 2)")))
                .as("at the commit")
                .isEqualTo(key);
        assertThat(told(() -> db.useTransaction(tx -> tx.execute("INSERT INTO c VALUES (1, 2)"))))
                .as("at the commit")
                .isEqualTo(key);
        assertThat(told(() -> db.executeBatch(
                        "INSERT INTO p VALUES (?, ?, 1)", List.of(new Object[] {3, "c"}, new Object[] {4, "c"}))))
                .as("in a batch")
                .isEqualTo("exists already");
        assertThat(told(() -> db.query("INSERT INTO p VALUES (1, 'b', 1) RETURNING id", row -> 1)))
                .isEqualTo("exists already");
    }

    private interface Statement {
        void run() throws SQLException;
    }

    private static String told(Statement statement) {
        SQLException error = catchThrowableOfType(SQLException.class, statement::run);
        assertThat((Throwable) error).isNotNull();
        if (error instanceof SQLiteException refused
                && refused.getResultCode().name().startsWith("SQLITE_CONSTRAINT")) {
            assertThat(refused.getErrorCode()).isEqualTo(19);
        }
        return inWords(error);
    }
}
