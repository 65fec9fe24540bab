package dev.sqlitepool.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.Durability;
import dev.sqlitepool.PoolListener;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import dev.sqlitepool.internal.pool.LanePool;
import dev.sqlitepool.testing.Pools;
import java.nio.file.Path;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class SettingsTest {
    @RegisterExtension
    final Pools pools = new Pools();

    private Settings settings(UnaryOperator<SqlitePoolBuilder> change) {
        return settings(pools.open(change));
    }

    private static Settings settings(SqlitePool pool) {
        return ((LanePool) pool).parts().means().settings();
    }

    // ---- where the database is

    @Test
    void exactlyOneSourceMustBeSet() {
        SqlitePoolBuilder none = SqlitePool.builder();
        assertThatThrownBy(none::build)
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("None of databasePath, inMemory and connectionFactory was set; set exactly one.");
        Path path = pools.file();
        List<SqlitePoolBuilder> several = List.of(
                SqlitePool.builder().databasePath(path).inMemory(),
                SqlitePool.builder().databasePath(path).connectionFactory(access -> DriverManager.getConnection("x")),
                SqlitePool.builder().inMemory().connectionFactory(access -> DriverManager.getConnection("x")));
        for (SqlitePoolBuilder builder : several) {
            assertThatThrownBy(builder::build)
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage(
                            "More than one of databasePath, inMemory and connectionFactory was set; set exactly one.");
        }
        assertThat(path).doesNotExist();
    }

    @Test
    void anEmptyPathIsRefused() {
        assertThatThrownBy(() -> SqlitePool.builder().databasePath(Path.of("")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("databasePath was empty");
        assertThatThrownBy(() -> SqlitePool.open(Path.of(""))).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void aRelativePathIsResolvedAtOnce() {
        SqlitePool pool = pools.build(SqlitePool.builder().databasePath(Path.of("some", "my.db")));
        assertThat(settings(pool).database()).isEqualTo(Path.of("some", "my.db").toAbsolutePath());
    }

    // ---- refusals

    private static Arguments refusal(UnaryOperator<SqlitePoolBuilder> setter, String... message) {
        return Arguments.of(setter, List.of(message));
    }

    static Stream<Arguments> refusals() {
        List<Arguments> refusals = new ArrayList<>(List.of(
                refusal(b -> b.poolSize(0), "poolSize was 0", "at least 1"),
                refusal(b -> b.poolSize(-1), "poolSize was -1", "at least 1"),
                refusal(b -> b.poolSize(Integer.MIN_VALUE), "poolSize was -2147483648"),
                refusal(b -> b.maxWaiters(-1), "maxWaiters was -1", "at least 0"),
                refusal(b -> b.statementCacheSize(-1), "statementCacheSize was -1", "at least 0"),
                refusal(b -> b.name(" \t"), "name was blank"),
                refusal(b -> b.name(""), "name was blank"),
                refusal(b -> b.pragma("cache size", 1), "pragma name", "\"cache size\"", "letters and underscores"),
                refusal(b -> b.pragma("", 1), "pragma name"),
                refusal(b -> b.pragma("x; DROP TABLE t", 1), "pragma name"),
                refusal(b -> b.pragma("main.cache_size", 1), "pragma name"),
                refusal(b -> b.pragma("cache_size", "1; DROP TABLE t"), "pragma cache_size", "one word or number"),
                refusal(b -> b.pragma("cache_size", ""), "pragma cache_size", "one word or number"),
                refusal(b -> b.pragma("encoding", "'UTF-8'"), "pragma encoding"),
                refusal(b -> b.pragma("synchronous", "OFF"), "synchronous belongs to the pool", "durability(…)"),
                refusal(b -> b.pragma("SYNCHRONOUS", "OFF"), "synchronous belongs to the pool"),
                refusal(b -> b.pragma("query_only", "OFF"), "query_only belongs to the pool", "read(…)"),
                refusal(b -> b.pragma("busy_timeout", 1), "busy_timeout belongs to the pool", "busyTimeout(…)")));
        Map<String, BiFunction<SqlitePoolBuilder, Duration, SqlitePoolBuilder>> positive = Map.of(
                "maxConnectionAge", SqlitePoolBuilder::maxConnectionAge,
                "maxIdleTime", SqlitePoolBuilder::maxIdleTime,
                "healthCheckInterval", SqlitePoolBuilder::healthCheckInterval,
                "statementTimeout", SqlitePoolBuilder::statementTimeout,
                "leakThreshold", SqlitePoolBuilder::leakThreshold);
        Map<String, BiFunction<SqlitePoolBuilder, Duration, SqlitePoolBuilder>> notNegative = Map.of(
                "acquireTimeout", SqlitePoolBuilder::acquireTimeout,
                "busyTimeout", SqlitePoolBuilder::busyTimeout,
                "closeGrace", SqlitePoolBuilder::closeGrace);
        positive.forEach((name, setter) -> {
            refusals.add(refusal(b -> setter.apply(b, Duration.ZERO), name + " was 0 s", "more than zero"));
            refusals.add(refusal(b -> setter.apply(b, Duration.ofNanos(-1)), name + " was -0.000000001 s"));
        });
        notNegative.forEach((name, setter) -> refusals.add(
                refusal(b -> setter.apply(b, Duration.ofNanos(-1)), name + " was -0.000000001 s", "not be negative")));
        return refusals.stream();
    }

    @ParameterizedTest
    @MethodSource("refusals")
    void aBadValueIsRefusedAtOnceWithSettingValueAndRule(
            UnaryOperator<SqlitePoolBuilder> setter, List<String> message) {
        assertThatThrownBy(() -> setter.apply(SqlitePool.builder()))
                .isInstanceOf(IllegalArgumentException.class)
                .message()
                .contains(message);
    }

    @Test
    void aLimitCanBeLeftOutAndTheRefusalSaysHow() {
        assertThatThrownBy(() -> SqlitePool.builder().maxConnectionAge(Duration.ZERO))
                .hasMessageContaining("withoutMaxConnectionAge()");
        assertThatThrownBy(() -> SqlitePool.builder().maxIdleTime(Duration.ZERO))
                .hasMessageContaining("withoutMaxIdleTime()");
        Settings settings = settings(b -> b.withoutMaxConnectionAge().withoutMaxIdleTime());
        assertThat(settings.maxConnectionAge()).isNull();
        assertThat(settings.maxIdleTime()).isNull();
    }

    static Stream<UnaryOperator<SqlitePoolBuilder>> nulls() {
        return Stream.of(
                b -> b.databasePath(null),
                b -> b.connectionFactory(null),
                b -> b.acquireTimeout(null),
                b -> b.maxConnectionAge(null),
                b -> b.maxIdleTime(null),
                b -> b.healthCheckInterval(null),
                b -> b.durability(null),
                b -> b.statementTimeout(null),
                b -> b.busyTimeout(null),
                b -> b.pragma(null, 1),
                b -> b.pragma("cache_size", null),
                b -> b.onConnect(null),
                b -> b.executor(null),
                b -> b.leakThreshold(null),
                b -> b.name(null),
                b -> b.listener(null),
                b -> b.closeGrace(null));
    }

    @ParameterizedTest
    @MethodSource("nulls")
    void nullIsRefusedAtOnce(UnaryOperator<SqlitePoolBuilder> setter) {
        assertThatThrownBy(() -> setter.apply(SqlitePool.builder())).isInstanceOf(NullPointerException.class);
    }

    @Test
    void settingsThatContradictEachOtherAreRefusedWhenThePoolIsBuilt() {
        assertThatThrownBy(() -> SqlitePool.builder().inMemory().poolSize(2).build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("poolSize was 2 with inMemory()");
        assertThatThrownBy(() -> SqlitePool.builder()
                        .databasePath(pools.file())
                        .pragma("locking_mode", "exclusive")
                        .build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("locking_mode was EXCLUSIVE with poolSize 10");
        assertThatCode(() -> settings(b -> b.poolSize(1).pragma("locking_mode", "EXCLUSIVE")))
                .doesNotThrowAnyException();
    }

    // ---- values

    @Test
    void theDefaultsAreTheDocumentedOnesAndArePrinted() {
        Settings settings = settings(b -> b);
        assertThat(settings.poolSize()).isEqualTo(10);
        assertThat(settings.acquireTimeout()).isEqualTo(Duration.ofSeconds(30));
        assertThat(settings.maxConnectionAge()).isEqualTo(Duration.ofHours(1));
        assertThat(settings.maxIdleTime()).isEqualTo(Duration.ofMinutes(10));
        assertThat(settings.healthCheckInterval()).isEqualTo(Duration.ofSeconds(30));
        assertThat(settings.durability()).isEqualTo(Durability.FULL);
        assertThat(settings.maxWaiters()).isEqualTo(10_000);
        assertThat(settings.statementTimeout()).isNull();
        assertThat(settings.busyTimeout()).isEqualTo(Duration.ofSeconds(5));
        assertThat(settings.pragmas())
                .isEqualTo(Map.of("journal_mode", "WAL", "foreign_keys", "ON", "trusted_schema", "OFF"));
        assertThat(settings.onConnect()).isEmpty();
        assertThat(settings.statementCacheSize()).isEqualTo(256);
        assertThat(settings.leakThreshold()).isNull();
        assertThat(settings.closeGrace()).isEqualTo(Duration.ofSeconds(30));
        assertThat(settings.toString())
                .contains("poolSize=10")
                .contains("acquireTimeout=PT30S")
                .contains("maxConnectionAge=PT1H")
                .contains("maxIdleTime=PT10M")
                .contains("durability=FULL")
                .contains("maxWaiters=10000")
                .contains("journal_mode=WAL")
                .contains("statementCacheSize=256")
                .contains(pools.file().toString());
    }

    @Test
    void poolsAreNumberedUnlessTheyHaveAName() {
        SqlitePool first = SqlitePool.builder().inMemory().build();
        SqlitePool second = SqlitePool.builder().inMemory().build();
        assertThat(settings(first).name())
                .matches("sqlitepool-\\d+")
                .isNotEqualTo(settings(second).name());
        assertThat(first.stats().pool()).isEqualTo(settings(first).name());
        assertThat(first.toString()).contains(settings(first).name());
        first.close();
        second.close();
        SqlitePool named = SqlitePool.builder().inMemory().name("orders").build();
        assertThat(named.stats().pool()).isEqualTo("orders");
        named.close();
    }

    @Test
    void aMemoryPoolIsOneLaneThatNeverExpires() {
        Settings settings = settings(pools.build(SqlitePool.builder().inMemory()));
        assertThat(settings.inMemory()).isTrue();
        assertThat(settings.poolSize()).isEqualTo(1);
        assertThat(settings.maxConnectionAge()).isNull();
        assertThat(settings.maxIdleTime()).isNull();
        assertThat(settings.pragmas()).doesNotContainKey("journal_mode");
    }

    @Test
    void durationsAreKeptToTheNanosecond() {
        Duration tiny = Duration.ofNanos(1);
        Settings settings = settings(b -> b.acquireTimeout(tiny)
                .busyTimeout(tiny)
                .statementTimeout(tiny)
                .maxIdleTime(tiny)
                .maxConnectionAge(tiny)
                .healthCheckInterval(tiny)
                .closeGrace(tiny)
                .leakThreshold(tiny));
        assertThat(List.of(
                        settings.acquireTimeout(),
                        settings.busyTimeout(),
                        settings.statementTimeout(),
                        settings.maxIdleTime(),
                        settings.maxConnectionAge(),
                        settings.healthCheckInterval(),
                        settings.closeGrace(),
                        settings.leakThreshold()))
                .containsOnly(tiny);
        assertThat(Settings.nanos(Duration.ofNanos(999_999))).isEqualTo(999_999);
    }

    @Test
    void hugeDurationsAreNoLimitsAndDoNotOverflow() throws SQLException {
        Duration huge = Duration.ofSeconds(Long.MAX_VALUE);
        assertThat(Settings.nanos(huge)).isPositive();
        assertThat(System.nanoTime() + Settings.nanos(huge) - System.nanoTime()).isPositive();
        assertThat(Settings.nanos(huge)).isGreaterThan(TimeUnit.DAYS.toNanos(36_000));
        SqlitePool pool = pools.open(b -> b.poolSize(2)
                .acquireTimeout(huge)
                .busyTimeout(huge)
                .statementTimeout(huge)
                .maxIdleTime(huge)
                .maxConnectionAge(huge)
                .healthCheckInterval(huge)
                .closeGrace(huge)
                .leakThreshold(huge));
        pool.blocking().execute("CREATE TABLE t (x)");
        pool.blocking().useTransaction(tx -> tx.execute("INSERT INTO t VALUES (1)"));
        pool.blocking().useConnection(c -> c.execute("INSERT INTO t VALUES (2)"));
        assertThat(pool.blocking().query("SELECT x FROM t", row -> row.getInt(1)))
                .containsExactly(1, 2);
    }

    @Test
    void tinyDurationsWork() throws SQLException {
        Duration tiny = Duration.ofNanos(1);
        SqlitePool pool = pools.open(b -> b.poolSize(2)
                .busyTimeout(Duration.ZERO)
                .maxIdleTime(tiny)
                .maxConnectionAge(tiny)
                .healthCheckInterval(tiny));
        pool.blocking().execute("CREATE TABLE t (x)");
        for (int i = 0; i < 5; i++) {
            assertThat(pool.blocking().execute("INSERT INTO t VALUES (1)")).isEqualTo(1);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 1_000, Integer.MAX_VALUE})
    void buildingOpensNothingAndStartsNoThread(int size) throws SQLException {
        List<String> events = new ArrayList<>();
        SqlitePool pool = pools.open(b ->
                b.poolSize(size).onConnect(connection -> events.add("opened")).listener(new PoolListener() {}));
        assertThat(pools.file()).doesNotExist();
        assertThat(pool.stats().live()).isZero();
        assertThat(pool.stats().opened()).isZero();
        assertThat(Pools.threads(pool.stats().pool())).isEmpty();
        assertThat(events).isEmpty();
        pool.blocking().execute("CREATE TABLE t (x)");
        assertThat(pool.stats().opened()).isEqualTo(1);
        assertThat(pool.stats().readConnections().max()).isEqualTo(size - 1);
    }

    // ---- the builder

    @Test
    void aBuilderServesSeveralPoolsWhichDoNotSeeWhatIsChangedLater() {
        SqlitePoolBuilder builder =
                SqlitePool.builder().databasePath(pools.file()).poolSize(2);
        SqlitePool first = pools.build(builder.pragma("cache_size", 100));
        builder.poolSize(3).pragma("cache_size", 200).onConnect(connection -> {});
        SqlitePool second = pools.build(builder);
        assertThat(settings(first).poolSize()).isEqualTo(2);
        assertThat(settings(first).pragmas()).containsEntry("cache_size", "100");
        assertThat(settings(first).onConnect()).isEmpty();
        assertThat(settings(second).poolSize()).isEqualTo(3);
        assertThat(settings(second).pragmas()).containsEntry("cache_size", "200");
        assertThatThrownBy(() -> settings(first).pragmas().put("a", "b"))
                .isInstanceOf(UnsupportedOperationException.class);
    }

    @Test
    void theLastValueOfASettingCounts() {
        Settings settings = settings(b -> b.poolSize(2)
                .poolSize(4)
                .pragma("foreign_keys", "ON")
                .pragma("FOREIGN_KEYS", "off")
                .withoutMaxIdleTime()
                .maxIdleTime(Duration.ofSeconds(1)));
        assertThat(settings.poolSize()).isEqualTo(4);
        assertThat(settings.pragmas()).containsEntry("foreign_keys", "off");
        assertThat(settings.maxIdleTime()).isEqualTo(Duration.ofSeconds(1));
    }
}
