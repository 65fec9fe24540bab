package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.testing.Pools;
import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.lang.module.Configuration;
import java.lang.module.ModuleFinder;
import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.DayOfWeek;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.stream.LongStream;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

class RecordMapperTest {
    @RegisterExtension
    final Pools pools = new Pools();

    private SqlitePool pool;
    private BlockingPool db;

    public record User(long id, String userName) {}

    public record Everything(
            long a, Integer b, boolean c, double d, String e, byte[] f, BigDecimal g, UUID h, DayOfWeek i, Instant j) {}

    public record Empty() {}

    public record Boxed(Long value) {}

    public record Primitive(long value) {}

    public record Strict(int positive) {
        public Strict {
            if (positive <= 0) {
                throw new IllegalArgumentException("not positive");
            }
        }
    }

    public record Unsupported(long id, List<String> names) {}

    public record Letter(char letter) {}

    private record Hidden(long id) {}

    @BeforeEach
    void open() {
        pool = pools.open(settings -> settings.poolSize(3));
        db = pool.blocking();
    }

    private <R extends Record> R one(String columns, Class<R> type) throws SQLException {
        return db.query("SELECT " + columns, RowMapper.of(type)).get(0);
    }

    @Test
    void columnsFillComponentsByNameWithoutRegardToCaseAndUnderscores() throws SQLException {
        User bob = new User(1, "Bob");
        assertThat(one("1 AS id, 'Bob' AS user_name", User.class)).isEqualTo(bob);
        assertThat(one("'Bob' AS userName, 1 AS id", User.class)).isEqualTo(bob);
        assertThat(one("'Bob' AS USER_NAME, 1 AS ID", User.class)).isEqualTo(bob);
        assertThat(one("'Bob' AS username, 1 AS _id_", User.class)).isEqualTo(bob);
    }

    @Test
    void otherColumnsAreIgnoredAndOfSeveralTheExactOrTheFirstIsMeant() throws SQLException {
        assertThat(one("7 AS x, 1 AS id, 2 AS id, 'Bob' AS user_name, 'Eve' AS userName", User.class))
                .isEqualTo(new User(1, "Eve"));
        assertThat(one("1 AS id, 'Bob' AS user_name, 'Eve' AS USER_NAME", User.class))
                .isEqualTo(new User(1, "Bob"));
        assertThat(one("1", Empty.class)).isEqualTo(new Empty());
    }

    @Test
    void everySupportedTypeCanBeAComponent() throws SQLException {
        Everything row = one(
                "1 AS a, 2 AS b, 1 AS c, 0.5 AS d, 'text' AS e, x'01' AS f, '1.50' AS g,"
                        + " '00000000-0000-0001-0000-000000000002' AS h, 'FRIDAY' AS i, '2026-01-02T03:04:05Z' AS j",
                Everything.class);
        assertThat(row.a()).isEqualTo(1);
        assertThat(row.b()).isEqualTo(2);
        assertThat(row.c()).isTrue();
        assertThat(row.d()).isEqualTo(0.5);
        assertThat(row.e()).isEqualTo("text");
        assertThat(row.f()).containsExactly(1);
        assertThat(row.g()).isEqualTo(new BigDecimal("1.50"));
        assertThat(row.h()).isEqualTo(new UUID(1, 2));
        assertThat(row.i()).isEqualTo(DayOfWeek.FRIDAY);
        assertThat(row.j()).isEqualTo(Instant.parse("2026-01-02T03:04:05Z"));
    }

    @Test
    void aMissingColumnIsAnErrorThatNamesComponentAndColumns() {
        assertThatThrownBy(() -> one("1 AS id, 'Bob' AS nme", User.class))
                .isInstanceOf(SQLException.class)
                .hasMessageContaining("userName")
                .hasMessageContaining(User.class.getName())
                .hasMessageContaining("[id, nme]");
    }

    @Test
    void nullFillsAReferenceAndIsAnErrorForAPrimitive() throws SQLException {
        assertThat(one("NULL AS value", Boxed.class)).isEqualTo(new Boxed(null));
        assertThatThrownBy(() -> one("NULL AS value", Primitive.class))
                .isInstanceOf(SQLException.class)
                .hasMessageContaining("NULL")
                .hasMessageContaining("long");
    }

    @Test
    void whatTheConstructorThrowsIsThrown() {
        assertThatThrownBy(() -> one("0 AS positive", Strict.class))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("not positive");
    }

    @Test
    void anUnsupportedComponentIsRefusedWhenTheMapperIsMade() {
        assertThatThrownBy(() -> RowMapper.of(Unsupported.class))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("names")
                .hasMessageContaining("java.util.List");
        assertThatThrownBy(() -> RowMapper.of(Letter.class))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("letter");
    }

    @Test
    @SuppressWarnings({"unchecked", "rawtypes"})
    void aClassThatIsNoRecordIsRefused() {
        assertThatThrownBy(() -> RowMapper.of((Class) String.class))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("java.lang.String is not a record");
        assertThatThrownBy(() -> RowMapper.of((Class) Record.class))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("not a record");
    }

    // ---- access

    @Test
    void privateAndLocalRecordsAreReachedThroughALookup() throws SQLException {
        record Local(long id) {}
        assertThat(db.query("SELECT 1 AS id", RowMapper.of(Hidden.class, MethodHandles.lookup())))
                .containsExactly(new Hidden(1));
        assertThat(db.query("SELECT 1 AS id", RowMapper.of(Local.class, MethodHandles.lookup())))
                .containsExactly(new Local(1));
    }

    /** A module of its own, with a package that is not open to anybody. */
    private static Class<?> classInAClosedModule(Path directory, String name) throws IOException {
        Path sources = Files.createDirectories(directory.resolve("src/closed"));
        Path classes = directory.resolve("classes");
        Path module = Files.writeString(directory.resolve("src/module-info.java"), "module closed { exports closed; }");
        Path secret = Files.writeString(
                sources.resolve("Door.java"),
                "package closed; public class Door { private record Secret(long id) {}"
                        + " public static java.lang.invoke.MethodHandles.Lookup lookup() {"
                        + " return java.lang.invoke.MethodHandles.lookup(); } }");
        int errors = ToolProvider.getSystemJavaCompiler()
                .run(null, null, null, "-d", classes.toString(), module.toString(), secret.toString());
        assertThat(errors).isZero();
        ModuleLayer boot = ModuleLayer.boot();
        Configuration configuration =
                boot.configuration().resolve(ModuleFinder.of(classes), ModuleFinder.of(), Set.of("closed"));
        try {
            return boot.defineModulesWithOneLoader(configuration, ClassLoader.getSystemClassLoader())
                    .findLoader("closed")
                    .loadClass(name);
        } catch (ClassNotFoundException e) {
            throw new AssertionError(e);
        }
    }

    @Tag("slow")
    @Test
    @SuppressWarnings({"unchecked", "rawtypes"})
    void aPrivateRecordOfAnotherModuleNeedsALookup(@TempDir Path directory) throws Exception {
        Class<?> secret = classInAClosedModule(directory, "closed.Door$Secret");
        assertThatThrownBy(() -> RowMapper.of((Class) secret))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("closed.Door$Secret")
                .hasMessageContaining("MethodHandles.lookup()");
        Class<?> door = secret.getClassLoader().loadClass("closed.Door");
        MethodHandles.Lookup lookup =
                (MethodHandles.Lookup) door.getMethod("lookup").invoke(null);
        RowMapper<Record> mapper = RowMapper.of((Class) secret, lookup);
        assertThat(db.query("SELECT 7 AS id", mapper)).hasToString("[Secret[id=7]]");
    }

    // ---- schema changes and threads

    private void elsewhere(String... statements) throws SQLException {
        try (Connection other = DriverManager.getConnection("jdbc:sqlite:" + pools.file());
                Statement statement = other.createStatement()) {
            for (String sql : statements) {
                statement.execute(sql);
            }
        }
    }

    /** The count of columns is the same, their meaning is not: names must be looked up for each execution. */
    @Test
    void aColumnDroppedAndAnotherAddedElsewhereIsSeenByTheNextExecution() throws SQLException {
        db.execute("CREATE TABLE users (id INTEGER, user_name TEXT, age INTEGER)");
        db.execute("INSERT INTO users VALUES (1, 'Bob', 30)");
        RowMapper<User> mapper = RowMapper.of(User.class);
        String sql = "SELECT * FROM users";
        assertThat(db.query(sql, mapper)).containsExactly(new User(1, "Bob"));
        assertThat(db.query(sql, Row::columnNames)).containsExactly(List.of("id", "user_name", "age"));

        elsewhere(
                "ALTER TABLE users DROP COLUMN id",
                "ALTER TABLE users ADD COLUMN id INTEGER",
                "UPDATE users SET id = 2, age = 31");

        assertThat(db.query(sql, mapper)).containsExactly(new User(2, "Bob"));
        assertThat(db.query(sql, Row::columnNames)).containsExactly(List.of("user_name", "age", "id"));
        assertThat(db.query(sql, row -> row.getInt("age"))).containsExactly(31);
        assertThat(db.query("SELECT * FROM users WHERE id = ?", row -> row.getString("user_name"), 2))
                .containsExactly("Bob");

        elsewhere("ALTER TABLE users DROP COLUMN age");
        assertThat(db.query(sql, mapper)).containsExactly(new User(2, "Bob"));
        elsewhere("ALTER TABLE users RENAME COLUMN user_name TO nick");
        assertThatThrownBy(() -> db.query(sql, mapper)).hasMessageContaining("[nick, id]");
    }

    @Test
    void aMapperIsThreadSafe() {
        RowMapper<User> mapper = RowMapper.of(User.class);
        List<CompletableFuture<List<User>>> futures = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            String columns =
                    i % 2 == 0 ? "value AS id, 'u' || value AS user_name" : "'u' || value AS userName, value AS id";
            String numbers = "WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 20)";
            futures.add(pool.query(numbers + " SELECT " + columns + " FROM n", mapper));
        }
        List<User> expected = LongStream.rangeClosed(1, 20)
                .mapToObj(i -> new User(i, "u" + i))
                .toList();
        assertThat(futures).allSatisfy(future -> assertThat(future.join()).isEqualTo(expected));
    }

    @Test
    void aMapperMayBeUsedInsideItself() throws SQLException {
        RowMapper<User> mapper = RowMapper.of(User.class);
        List<User> users = db.read(read -> read.query("VALUES (1), (2)", row -> {
            long id = row.getLong(1);
            return read.queryOne("SELECT 'x' AS user_name, ? AS id", mapper, id).orElseThrow();
        }));
        assertThat(users).containsExactly(new User(1, "x"), new User(2, "x"));
    }
}
