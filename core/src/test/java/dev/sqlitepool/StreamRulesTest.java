package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import dev.sqlitepool.testing.Pools;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.time.Duration;
import java.util.Arrays;
import java.util.Comparator;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Flow;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.reactivestreams.tck.TestEnvironment;
import org.reactivestreams.tck.flow.FlowPublisherVerification;
import org.testng.annotations.Test;

/** Streams keep the rules of Reactive Streams: its own test kit, one JUnit test for each of its tests. */
@Tag("slow")
class StreamRulesTest {
    @RegisterExtension
    final Pools pools = new Pools();

    private final ExecutorService users = Executors.newCachedThreadPool();

    @AfterEach
    void endUsersThreads() {
        users.shutdownNow();
    }

    @TestFactory
    Stream<DynamicTest> onThreadsOfThePool() {
        return rules(null);
    }

    @TestFactory
    Stream<DynamicTest> onTheExecutorOfTheUser() {
        return rules(users);
    }

    private Stream<DynamicTest> rules(Executor executor) {
        Method[] methods = FlowPublisherVerification.class.getMethods();
        assertThat(methods).hasSizeGreaterThan(35);
        return Arrays.stream(methods)
                .filter(method -> method.isAnnotationPresent(Test.class))
                .filter(method -> !method.getName().startsWith("untested_")) // by the kit: no code can tell
                .sorted(Comparator.comparing(Method::getName))
                .map(method -> dynamicTest(method.getName(), () -> verify(method, executor)));
    }

    private void verify(Method rule, Executor executor) throws Throwable {
        SqlitePool open = pool(executor);
        SqlitePool closed = pool(executor);
        closed.close();
        Verification verification = new Verification(open, closed);
        verification.setUp();
        try {
            rule.invoke(verification);
        } catch (InvocationTargetException e) {
            throw e.getCause(); // a SkipException too: there is no rule that streams need not keep
        } finally {
            open.close(); // some rules leave a subscription open
        }
        assertThat(open.stats().live()).isZero();
    }

    private SqlitePool pool(Executor executor) {
        return pools.open(settings -> executor == null
                ? settings.closeGrace(Duration.ZERO)
                : settings.closeGrace(Duration.ZERO).executor(executor));
    }

    /** Rows of a query as the kit wants them. */
    private static final class Verification extends FlowPublisherVerification<Long> {
        private final SqlitePool open;
        private final SqlitePool closed;

        Verification(SqlitePool open, SqlitePool closed) {
            super(new TestEnvironment(1_000, 100));
            this.open = open;
            this.closed = closed;
        }

        @Override
        public Flow.Publisher<Long> createFlowPublisher(long elements) {
            return numbers(open, elements);
        }

        @Override
        public Flow.Publisher<Long> createFailedFlowPublisher() {
            return numbers(closed, 1);
        }

        private static Flow.Publisher<Long> numbers(SqlitePool pool, long count) {
            return pool.stream(
                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n LIMIT ?",
                    row -> row.getLong(1),
                    count);
        }
    }
}
