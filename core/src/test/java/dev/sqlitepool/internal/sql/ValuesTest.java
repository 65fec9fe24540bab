package dev.sqlitepool.internal.sql;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.BlockingPool;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.testing.Pools;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.sql.SQLException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.Year;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Date;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class ValuesTest {
    @RegisterExtension
    final Pools pools = new Pools();

    private SqlitePool pool;
    private BlockingPool db;

    enum Color {
        RED,
        GREEN {
            @Override
            public String toString() {
                return "the colour of grass";
            }
        }
    }

    @BeforeEach
    void open() throws SQLException {
        pool = pools.open(settings -> settings.poolSize(2));
        db = pool.blocking();
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)");
    }

    static Stream<Arguments> values() {
        return Stream.of(
                Arguments.of(42L, Long.class, "integer"),
                Arguments.of(Long.MIN_VALUE, long.class, "integer"),
                Arguments.of(Long.MAX_VALUE, long.class, "integer"),
                Arguments.of(-7, Integer.class, "integer"),
                Arguments.of(Integer.MIN_VALUE, int.class, "integer"),
                Arguments.of((short) 300, Short.class, "integer"),
                Arguments.of(Short.MIN_VALUE, short.class, "integer"),
                Arguments.of((byte) -128, Byte.class, "integer"),
                Arguments.of(Byte.MAX_VALUE, byte.class, "integer"),
                Arguments.of(true, Boolean.class, "integer"),
                Arguments.of(false, boolean.class, "integer"),
                Arguments.of(1.5, Double.class, "real"),
                Arguments.of(Double.MIN_VALUE, double.class, "real"),
                Arguments.of(Double.NEGATIVE_INFINITY, double.class, "real"),
                Arguments.of(0.1f, Float.class, "real"),
                Arguments.of(Float.MAX_VALUE, float.class, "real"),
                Arguments.of("text", String.class, "text"),
                Arguments.of("", String.class, "text"),
                Arguments.of("Grüße 😀 'quoted'; -- \u0000 \uFEFF end", String.class, "text"),
                Arguments.of(new byte[] {0, 1, -1, 127, -128}, byte[].class, "blob"),
                Arguments.of(new byte[0], byte[].class, "blob"),
                Arguments.of(new BigDecimal("12345678901234567890.123456789000"), BigDecimal.class, "text"),
                Arguments.of(new BigDecimal("-1E+3").setScale(0), BigDecimal.class, "text"),
                Arguments.of(new UUID(1, -1), UUID.class, "text"),
                Arguments.of(Color.RED, Color.class, "text"),
                Arguments.of(Color.GREEN, Color.class, "text"),
                Arguments.of(Instant.parse("2026-02-03T04:05:06.000000007Z"), Instant.class, "text"),
                Arguments.of(Instant.parse("0000-01-01T00:00:00Z"), Instant.class, "text"),
                Arguments.of(Instant.parse("9999-12-31T23:59:59.999999999Z"), Instant.class, "text"),
                Arguments.of(OffsetDateTime.parse("2026-02-03T04:05:06.7Z"), OffsetDateTime.class, "text"),
                Arguments.of(LocalDate.of(2026, 2, 3), LocalDate.class, "text"),
                Arguments.of(LocalDate.of(0, 1, 1), LocalDate.class, "text"),
                Arguments.of(LocalTime.of(4, 5), LocalTime.class, "text"),
                Arguments.of(LocalTime.MAX, LocalTime.class, "text"),
                Arguments.of(LocalDateTime.of(2026, 2, 3, 4, 5, 6, 7), LocalDateTime.class, "text"));
    }

    @ParameterizedTest
    @MethodSource("values")
    void everyTypeComesBackAsItWentIn(Object value, Class<?> type, String stored) throws SQLException {
        db.execute("INSERT INTO t (v) VALUES (?)", value);
        Object found = db.queryOne("SELECT v FROM t", row -> row.get(1, type)).orElseThrow();
        assertThat(found).isEqualTo(value);
        assertThat(db.queryOne("SELECT typeof(v) FROM t", row -> row.getString(1)))
                .contains(stored);
        assertThat(db.queryOne("SELECT count(*) FROM t WHERE v = ?", row -> row.getInt(1), value))
                .contains(1);
    }

    @ParameterizedTest
    @MethodSource("values")
    void everyTypeComesBackInABatchAndInATransaction(Object value, Class<?> type, String stored) throws SQLException {
        db.executeBatch("INSERT INTO t (v) VALUES (?)", List.of(new Object[] {value}, new Object[] {value}));
        List<Object> found = db.transaction(tx -> tx.query("SELECT v FROM t", row -> row.get("v", type)));
        assertThat(found).hasSize(2).allSatisfy(each -> assertThat(each).isEqualTo(value));
    }

    static Stream<Class<?>> types() {
        return values().<Class<?>>map(arguments -> (Class<?>) arguments.get()[1])
                .distinct()
                .filter(type -> !type.isPrimitive());
    }

    @ParameterizedTest
    @MethodSource("types")
    void nullComesBackAsNull(Class<?> type) throws SQLException {
        db.execute("INSERT INTO t (v) VALUES (?)", (Object) null);
        assertThat(db.query("SELECT v FROM t", row -> Optional.ofNullable((Object) row.get(1, type))))
                .containsExactly(Optional.empty());
    }

    @Test
    void aNullArrayIsOneNull() throws SQLException {
        db.execute("INSERT INTO t (v) VALUES (?)", (Object[]) null);
        db.executeBatch("INSERT INTO t (v) VALUES (?)", Collections.singletonList((Object[]) null));
        db.useTransaction(tx -> tx.execute("INSERT INTO t (v) VALUES (?)", (Object[]) null));
        assertThat(db.query("SELECT v IS NULL FROM t", row -> row.getBoolean(1)))
                .containsExactly(true, true, true);
    }

    @Test
    void notANumberIsRefusedSinceSqliteWouldStoreNull() throws SQLException {
        assertThatThrownBy(() -> db.execute("INSERT INTO t (v) VALUES (?)", Double.NaN))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("Parameter 1 is NaN");
        assertThat(db.queryOne("SELECT count(*) FROM t", row -> row.getInt(1))).contains(0);
    }

    @Test
    void offsetsBecomeUtc() throws SQLException {
        db.execute("INSERT INTO t (v) VALUES (?)", OffsetDateTime.parse("2026-02-03T01:30:00+05:30"));
        assertThat(db.queryOne("SELECT v FROM t", row -> row.getString(1))).contains("2026-02-02T20:00:00.000000000Z");
        assertThat(db.queryOne("SELECT v FROM t", row -> row.get(1, Instant.class)))
                .contains(Instant.parse("2026-02-02T20:00:00Z"));
    }

    @Test
    void sqliteUnderstandsTheTimes() throws SQLException {
        Instant instant = Instant.parse("2026-02-03T04:05:06.789Z");
        assertThat(db.queryOne("SELECT unixepoch(?)", row -> row.getLong(1), instant))
                .contains(instant.getEpochSecond());
        assertThat(db.queryOne("SELECT date(?)", row -> row.getString(1), LocalDate.of(2026, 2, 3)))
                .contains("2026-02-03");
    }

    // ---- order

    @Test
    void textOrderIsTimeOrder() throws SQLException {
        Random random = new Random(11);
        List<Instant> instants = new ArrayList<>();
        long first = Instant.parse("0000-01-01T00:00:00Z").getEpochSecond();
        long last = Instant.parse("9999-12-31T23:59:59Z").getEpochSecond();
        for (int i = 0; i < 1_000; i++) {
            long second = i % 2 == 0
                    ? first + (long) (random.nextDouble() * (last - first))
                    : 1_700_000_000L + random.nextInt(3);
            int[] nanos = {0, 500_000_000, 120_000_000, random.nextInt(1_000_000_000), random.nextInt(1000)};
            instants.add(Instant.ofEpochSecond(second, nanos[random.nextInt(nanos.length)]));
        }
        List<Object[]> rows = new ArrayList<>();
        instants.forEach(instant -> rows.add(new Object[] {instant}));
        db.executeBatch("INSERT INTO t (v) VALUES (?)", rows);

        List<Instant> sorted = db.query("SELECT v FROM t ORDER BY v", row -> row.get(1, Instant.class));
        assertThat(sorted).containsExactlyElementsOf(instants.stream().sorted().toList());
    }

    @Test
    void textOrderIsTimeOrderForLocalTypes() throws SQLException {
        Random random = new Random(12);
        List<LocalDateTime> times = random.longs(500, 0, 200)
                .mapToObj(n -> LocalDateTime.of(2026, 1, 1, 0, 0).plusNanos(n * n * n * 1_000_003))
                .toList();
        List<Object[]> rows = new ArrayList<>();
        times.forEach(time -> rows.add(new Object[] {time}));
        db.executeBatch("INSERT INTO t (v) VALUES (?)", rows);
        assertThat(db.query("SELECT v FROM t ORDER BY v", row -> row.get(1, LocalDateTime.class)))
                .isSorted();
        db.execute("UPDATE t SET v = substr(v, 12)");
        assertThat(db.query("SELECT v FROM t ORDER BY v", row -> row.get(1, LocalTime.class)))
                .isSorted();
    }

    static Stream<Object> timesOutOfRange() {
        return Stream.of(
                LocalDate.of(10_000, 1, 1),
                LocalDate.of(-1, 12, 31),
                LocalDateTime.MAX,
                LocalDateTime.MIN,
                Instant.MAX,
                Instant.MIN,
                Instant.parse("+10000-01-01T00:00:00Z"),
                OffsetDateTime.of(9999, 12, 31, 23, 0, 0, 0, ZoneOffset.ofHours(-2)),
                OffsetDateTime.MAX,
                OffsetDateTime.MIN);
    }

    @ParameterizedTest
    @MethodSource("timesOutOfRange")
    void yearsThatTextCannotOrderAreRefused(Object time) {
        assertThatThrownBy(() -> pool.execute("INSERT INTO t (v) VALUES (?)", time))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("Parameter 1")
                .hasMessageContaining("years 0000 to 9999");
    }

    @Test
    void anOffsetMayReachBeyondTheYearsAsLongAsUtcDoesNot() throws SQLException {
        OffsetDateTime time = OffsetDateTime.of(10_000, 1, 1, 1, 0, 0, 0, ZoneOffset.ofHours(2));
        db.execute("INSERT INTO t (v) VALUES (?)", time);
        assertThat(db.queryOne("SELECT v FROM t", row -> row.get(1, OffsetDateTime.class)))
                .contains(OffsetDateTime.parse("9999-12-31T23:00:00Z"));
    }

    // ---- refusals

    static Stream<Object> unsupported() {
        return Stream.of(
                'c',
                new Date(0),
                new java.sql.Timestamp(0),
                BigInteger.ONE,
                new StringBuilder("text"),
                List.of(1),
                Optional.of(1),
                Optional.of(new Object[] {1}),
                new int[] {1},
                new AtomicInteger(1),
                Year.of(2026));
    }

    /** Known without asking SQLite, so thrown at once: no future is made, and nothing runs. */
    @ParameterizedTest
    @MethodSource("unsupported")
    void anUnsupportedTypeIsThrownAtOnceWithItsPosition(Object value) throws SQLException {
        String sql = "INSERT INTO t (id, v) VALUES (?, ?)";
        Object[] parameters = {1, value};
        String type = value.getClass().getName();
        assertRefused(() -> pool.execute(sql, parameters), type);
        assertRefused(() -> pool.query("SELECT ?, ?", row -> 1, parameters), type);
        assertRefused(() -> pool.queryOne("SELECT ?, ?", row -> 1, parameters), type);
        assertRefused(() -> pool.executeBatch(sql, List.of(new Object[] {1, 2}, parameters)), type);
        assertRefused(() -> db.execute(sql, parameters), type);
        db.useTransaction(tx -> {
            assertRefused(() -> tx.execute(sql, parameters), type);
            assertRefused(() -> tx.query("SELECT ?, ?", row -> 1, parameters), type);
            assertRefused(() -> tx.executeBatch(sql, List.of(new Object[] {1, 2}, parameters)), type);
        });
        assertThat(db.queryOne("SELECT count(*) FROM t", row -> row.getInt(1))).contains(0);
    }

    private static void assertRefused(org.assertj.core.api.ThrowableAssert.ThrowingCallable call, String type) {
        assertThatThrownBy(call)
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("Parameter 2")
                .hasMessageContaining(type);
    }

    @Test
    void aRefusalDoesNotShowTheValue() {
        assertThatThrownBy(() -> pool.execute("SELECT ?", new StringBuilder("secret")))
                .hasMessageNotContaining("secret");
    }

    // ---- copies

    @Test
    void whatIsChangedAfterTheCallDoesNotReachTheDatabase() throws Exception {
        CountDownLatch held = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        CompletableFuture<Void> holder = pool.useTransaction(tx -> {
            held.countDown();
            go.await();
        });
        held.await(); // the write lane is busy, so what follows waits
        byte[] bytes = {1, 2, 3};
        Object[] parameters = {bytes};
        Object[] row = {new byte[] {4}};
        List<Object[]> rows = new ArrayList<>(List.of(row, new Object[] {"b"}));
        CompletableFuture<Long> single = pool.execute("INSERT INTO t (v) VALUES (?)", parameters);
        CompletableFuture<long[]> batch = pool.executeBatch("INSERT INTO t (v) VALUES (?)", rows);
        Arrays.fill(bytes, (byte) 9);
        parameters[0] = "changed";
        ((byte[]) row[0])[0] = 9;
        row[0] = "changed";
        rows.clear();
        go.countDown();

        holder.join();
        assertThat(single.join()).isEqualTo(1);
        assertThat(batch.join()).containsExactly(1, 1);
        assertThat(db.query("SELECT hex(v) FROM t ORDER BY id", found -> found.getString(1)))
                .containsExactly("010203", "04", "62");
    }

    @Test
    void bytesReadAreANewArrayEachTime() throws SQLException {
        db.execute("INSERT INTO t (v) VALUES (?)", new byte[] {1});
        db.query("SELECT v FROM t", row -> {
            byte[] first = row.getBytes(1);
            first[0] = 9;
            assertThat(row.getBytes(1)).containsExactly(1);
            return 1;
        });
    }
}
