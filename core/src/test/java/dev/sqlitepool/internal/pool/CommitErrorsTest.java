package dev.sqlitepool.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.testing.Engines;
import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Pools;
import java.sql.Connection;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Whatever a commit throws after it has committed, nobody is told that it has failed. */
class CommitErrorsTest {
    private static final String INSERT = "INSERT INTO t VALUES (?)";

    @RegisterExtension
    final Pools pools = new Pools();

    /** What the next commit throws after its success. */
    private final AtomicReference<@Nullable Throwable> atCommit = new AtomicReference<>();
    /** What the statement that begins like this throws after its success. */
    private final AtomicReference<@Nullable Throwable> atStatement = new AtomicReference<>();

    private volatile String struck = "";
    private final Engines engines = new Engines()
            .withStatements()
            .around("commit", call -> struck(atCommit, call))
            .around("start", call -> strikes(call) ? struck(atStatement, call) : call.proceed());

    private LanePool pool;

    @BeforeEach
    void open() {
        Settings settings =
                Pools.settings(SqlitePool.builder().databasePath(pools.file()).poolSize(2));
        pool = pools.track(new LanePool(settings, System::nanoTime, engines), settings.name());
        pool.execute("CREATE TABLE t (x)").join();
    }

    private @Nullable Object struck(AtomicReference<@Nullable Throwable> by, Engines.Call call) throws Throwable {
        Object answer = call.proceed();
        Throwable error = by.getAndSet(null);
        if (error != null) {
            throw error;
        }
        return answer;
    }

    private boolean strikes(Engines.Call call) {
        return call.sql() != null && !struck.isEmpty() && call.sql().startsWith(struck);
    }

    static Stream<Throwable> errors() {
        return Stream.of(
                new IllegalStateException("by the driver"),
                new OutOfMemoryError("by the test"),
                new StackOverflowError());
    }

    private void assertUnknown(CompletableFuture<?> future, Throwable cause) {
        Throwable thrown = catchThrowable(future::join);
        assertThat(thrown).isInstanceOf(CompletionException.class);
        assertThat(thrown.getCause())
                .isInstanceOf(OutcomeUnknownException.class)
                .hasCause(cause)
                .hasMessageContaining(cause.toString());
    }

    private void assertRows(int count) {
        assertThat(pool.query("SELECT x FROM t", row -> 1).join()).hasSize(count);
        pool.execute("DELETE FROM t").join(); // the pool goes on
    }

    @ParameterizedTest
    @MethodSource("errors")
    void whatThePoolCommitsIsUnknown(Throwable error) {
        List<Supplier<CompletableFuture<?>>> writes = List.of(
                () -> pool.transaction(tx -> tx.execute(INSERT, 1)),
                () -> pool.execute(INSERT, 1),
                () -> pool.executeBatch(INSERT, List.<Object[]>of(new Object[] {1})),
                () -> pool.query("INSERT INTO t VALUES (1) RETURNING x", row -> 1),
                () -> pool.connection(c -> c.executeBatch(INSERT, List.<Object[]>of(new Object[] {1}))));
        for (Supplier<CompletableFuture<?>> write : writes) {
            atCommit.set(error);
            assertUnknown(write.get(), error);
            assertRows(1);
        }
    }

    @ParameterizedTest
    @MethodSource("errors")
    void whatWorkCommitsByItselfIsUnknown(Throwable error) {
        struck = "COMMIT";
        atStatement.set(error);
        assertUnknown(
                pool.useConnection(c -> {
                    c.execute("BEGIN");
                    c.execute(INSERT, 1);
                    c.execute("COMMIT");
                }),
                error);
        assertRows(1);
        atStatement.set(error);
        assertUnknown(
                pool.useConnection(c -> {
                    Connection jdbc = c.jdbc();
                    jdbc.setAutoCommit(false);
                    jdbc.createStatement().executeUpdate("INSERT INTO t VALUES (1)");
                    jdbc.commit();
                }),
                error);
        assertRows(1);
        struck = "INSERT";
        atStatement.set(error);
        assertUnknown(pool.useConnection(c -> c.execute("INSERT INTO t VALUES (2)")), error);
        assertRows(1);
    }

    @Test
    void anErrorInsideATransactionIsNoUnknownOutcome() {
        struck = "INSERT";
        Throwable error = new IllegalStateException("by the driver");
        atStatement.set(error);
        assertThat(catchThrowable(pool.useTransaction(tx -> tx.execute("INSERT INTO t VALUES (3)"))::join))
                .hasCause(error);
        assertRows(0);
    }

    @Test
    void allOfAGroupAreUnknown() {
        pool.execute(INSERT, 1).join();
        pool.execute("DELETE FROM t").join();
        Gate gate = new Gate();
        CompletableFuture<Void> before = pool.useRead(c -> {});
        before.join();
        CompletableFuture<Void> holder = pool.useTransaction(tx -> {
            gate.pass();
            tx.rollbackOnly();
        });
        gate.awaitReached();
        Throwable error = new OutOfMemoryError("by the test");
        CompletableFuture<Long> first = pool.execute(INSERT, 1);
        CompletableFuture<Long> second = pool.execute(INSERT, 2);
        atCommit.set(error);
        gate.open();
        holder.join();
        assertUnknown(first, error);
        Throwable thrown = catchThrowable(second::join); // in the group, or alone
        assertThat(thrown == null || thrown.getCause() instanceof OutcomeUnknownException)
                .isTrue();
        assertRows(2);
    }
}
