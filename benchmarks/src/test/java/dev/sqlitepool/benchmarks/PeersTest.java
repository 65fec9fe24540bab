package dev.sqlitepool.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sqlitepool.SqlitePool;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Every contender does what the others do: the same rows are in its file afterwards. */
@Timeout(600)
class PeersTest {
    private static final int CLIENTS = 16;
    private static final Map<String, Integer> ROWS_OF_ONE =
            Map.of("transaction", 1, "readModifyWrite", 1, "execute", 1, "batch", Contender.BATCH);

    @TempDir
    Path directory;

    private interface Maker {
        Contender make(Path database, String synchronous) throws SQLException;
    }

    enum Peer {
        SQLITEPOOL((file, synchronous) -> new PoolContender(file)),
        SQLITEPOOL_BLOCKING((file, synchronous) -> new PoolContender(
                "blocking", Clients.THREADS, SqlitePool.builder().databasePath(file))),
        HIKARI((file, synchronous) -> JdbcContender.hikari(file, synchronous, 10, Clients.THREADS)),
        AGROAL(Peers::agroal),
        DBCP(Peers::dbcp),
        UNPOOLED(Peers::unpooled),
        VERTX(VertxContender::new),
        RAW(RawContender::new);

        private final Maker maker;

        Peer(Maker maker) {
            this.maker = maker;
        }
    }

    private Path database() {
        return directory.resolve("peer.db");
    }

    @ParameterizedTest
    @EnumSource
    void eachOperationHasItsEffectOnTheFile(Peer peer) throws Exception {
        try (Contender contender = peer.maker.make(database(), "NORMAL")) {
            contender.acquire().get(60, TimeUnit.SECONDS);
            contender.transaction(1).get(60, TimeUnit.SECONDS);
            contender.ownCommit(1).get(60, TimeUnit.SECONDS);
            contender.jdbcCommit(1).get(60, TimeUnit.SECONDS);
            contender.readModifyWrite(2).get(60, TimeUnit.SECONDS);
            contender.readModifyWrite(2).get(60, TimeUnit.SECONDS);
            contender.execute(3).get(60, TimeUnit.SECONDS);
            contender.batch(4).get(60, TimeUnit.SECONDS);
            contender.query(1).get(60, TimeUnit.SECONDS);
            contender.slowQuery(1_000).get(60, TimeUnit.SECONDS);
            assertThat(contender.blockingQuery(2)).isEqualTo(2);
            assertThat(contender.blockingCount(1_000)).isEqualTo(1_000);
            Object scanned = contender.scan(2).get(60, TimeUnit.SECONDS);
            assertThat(scanned)
                    .asInstanceOf(InstanceOfAssertFactories.LIST)
                    .hasSize(Contender.SCANNED)
                    .startsWith(new Contender.Item(2, 2, "item number 2"), new Contender.Item(3, 0, "item number 3"));
        }
        assertThat(events()).isEqualTo(Map.of(1L, 3L, 2L, 2L, 3L, 1L, 4L, (long) Contender.BATCH));
        assertThat(pairs("SELECT id, value FROM item WHERE value <> 0")).isEqualTo(Map.of(1L, 3L, 2L, 2L));
    }

    @ParameterizedTest
    @EnumSource
    void whatClientsWriteAtOnceIsAllThere(Peer peer) throws Exception {
        int clients = peer == Peer.RAW ? 1 : CLIENTS;
        Round round;
        try (Contender contender = peer.maker.make(database(), "FULL")) {
            round = new ClosedLoop(clients, contender.clients(), 0, 0.2, contender::readModifyWrite).run();
        }
        assertThat(events()).hasSize(clients);
        assertThat(events().values().stream().mapToLong(count -> count).sum()).isEqualTo(round.operations());
        assertThat(pairs("SELECT id, value FROM item WHERE value <> 0")).isEqualTo(events());
    }

    @Test
    void theLimitInCWritesWhatItCounts() throws Exception {
        assertThatItWritesWhatItCounts(ExternalPeer.limit(directory, System.out));
    }

    @Test
    void theOriginalInPythonWritesWhatItCounts() throws Exception {
        assertThatItWritesWhatItCounts(ExternalPeer.original(directory, System.out));
    }

    private void assertThatItWritesWhatItCounts(Optional<ExternalPeer> there) throws Exception {
        assumeTrue(there.isPresent(), "the program that is printed above is not there");
        ExternalPeer peer = there.get();
        long rows = 0;
        for (String workload : List.of("query", "scan", "transaction", "readModifyWrite", "execute", "batch")) {
            assertThat(peer.does(workload)).isTrue();
            Round round = peer.run(database(), workload, 4, 0.2, "NORMAL");
            assertThat(round.operations()).isPositive();
            assertThat(round.p50Micros()).isPositive().isLessThanOrEqualTo(round.maxMicros());
            assertThat(round.slowestShare()).isPositive().isLessThanOrEqualTo(1);
            rows += ROWS_OF_ONE.getOrDefault(workload, 0) * round.operations();
            assertThat(events().values().stream().mapToLong(count -> count).sum())
                    .isEqualTo(rows);
        }
        if (peer.does("acquire")) {
            assertThat(peer.run(database(), "acquire", 4, 0.2, "FULL").operations())
                    .isPositive();
        }
        assertThatThrownBy(() -> peer.run(database(), "none", 1, 0.2, "FULL")).isInstanceOf(IOException.class);
    }

    @Test
    void aProgramThatIsNotThereIsLeftOutVisibly() throws Exception {
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        String before = System.getProperty("sqlitepool.python", "python3");
        System.setProperty("sqlitepool.python", directory.resolve("no-python").toString());
        try {
            assertThat(ExternalPeer.original(directory, new PrintStream(printed, true, StandardCharsets.UTF_8)))
                    .isEmpty();
        } finally {
            System.setProperty("sqlitepool.python", before);
        }
        assertThat(printed.toString(StandardCharsets.UTF_8)).startsWith("Left out: aiosqlitepool (10), Python");
    }

    @Test
    void whoIsLeftOutHasNoMedian() throws Exception {
        Round round = new Round(1, 1, 1, 1, 1, 1, 1, 1, 1, 1);
        List<Integer> calls = new ArrayList<>();
        Map<String, Callable<Round>> ways = Map.of("stays", () -> round, "goes", () -> {
            calls.add(1);
            throw new Round.LeftOut();
        });
        assertThat(Round.alternate(System.out, "two ways", 2, ways)).containsOnlyKeys("stays");
        assertThat(calls).hasSize(1);
    }

    /** Rows of {@code event} by client. */
    private Map<Long, Long> events() throws SQLException {
        return pairs("SELECT client, count(*) FROM event GROUP BY client");
    }

    private Map<Long, Long> pairs(String sql) throws SQLException {
        Map<Long, Long> pairs = new TreeMap<>();
        try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + database());
                Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery(sql)) {
            while (rows.next()) {
                pairs.put(rows.getLong(1), rows.getLong(2));
            }
        }
        return pairs;
    }
}
