package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import dev.sqlitepool.testing.Pools;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Flow;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.reactivestreams.tck.TestEnvironment;
import org.reactivestreams.tck.flow.FlowPublisherVerification;
import org.testng.SkipException;
import org.testng.annotations.Test;

/** Changes keep the rules of Reactive Streams: its own test kit, one JUnit test for each of its tests. */
@Tag("slow")
class ChangesRulesTest {
    @RegisterExtension
    final Pools pools = new Pools();

    private final ExecutorService users = Executors.newCachedThreadPool();

    @AfterEach
    void endUsersThreads() {
        users.shutdownNow();
    }

    @TestFactory
    Stream<DynamicTest> onThreadsOfThePool() {
        return rules(false);
    }

    @TestFactory
    Stream<DynamicTest> onTheExecutorOfTheUser() {
        return rules(true);
    }

    private Stream<DynamicTest> rules(boolean onExecutor) {
        return Arrays.stream(FlowPublisherVerification.class.getMethods())
                .filter(method -> method.isAnnotationPresent(Test.class))
                .filter(method -> !method.getName().startsWith("untested_")) // by the kit: no code can tell
                .sorted(Comparator.comparing(Method::getName))
                .map(method -> dynamicTest(method.getName(), () -> verify(method, onExecutor)));
    }

    private void verify(Method rule, boolean onExecutor) throws Throwable {
        SqlitePool pool = pools.open(settings -> onExecutor ? settings.executor(users) : settings);
        pool.execute("CREATE TABLE IF NOT EXISTS t (x)").join();
        Verification verification = new Verification(pool);
        verification.setUp();
        try {
            rule.invoke(verification);
        } catch (InvocationTargetException e) {
            // Changes never fail, and subscriptions are coalesced each for itself.
            boolean optional =
                    rule.getName().startsWith("optional") || rule.getName().contains("_may");
            Assumptions.assumeFalse(
                    optional && e.getCause() instanceof SkipException,
                    e.getCause().getMessage());
            throw e.getCause();
        } finally {
            pool.close();
        }
        assertThat(pool.stats().live()).isZero();
    }

    /** So many changes as the kit wants, one after the other, and then the close of the pool. */
    private static final class Verification extends FlowPublisherVerification<Set<String>> {
        private final SqlitePool pool;

        Verification(SqlitePool pool) {
            super(new TestEnvironment(1_000, 100));
            this.pool = pool;
        }

        @Override
        public Flow.Publisher<Set<String>> createFlowPublisher(long elements) {
            Flow.Publisher<Set<String>> changes = pool.changes("t");
            return subscriber -> changes.subscribe(subscriber == null ? null : new Writing(pool, subscriber, elements));
        }

        @Override
        public Flow.Publisher<Set<String>> createFailedFlowPublisher() {
            return null;
        }
    }

    /** Writes when it is subscribed, and whenever it is told; closes the pool when it has been told often enough. */
    private static final class Writing implements Flow.Subscriber<Set<String>> {
        private final SqlitePool pool;
        private final Flow.Subscriber<? super Set<String>> told;
        private long left;

        Writing(SqlitePool pool, Flow.Subscriber<? super Set<String>> told, long left) {
            this.pool = pool;
            this.told = told;
            this.left = left;
        }

        private void goOn() {
            if (left == 0) {
                pool.closeAsync();
            } else {
                pool.execute("INSERT INTO t VALUES (1)");
            }
        }

        @Override
        public void onSubscribe(Flow.Subscription subscription) {
            told.onSubscribe(subscription);
            goOn();
        }

        @Override
        public void onNext(Set<String> tables) {
            left--;
            told.onNext(tables);
            goOn();
        }

        @Override
        public void onError(Throwable error) {
            told.onError(error);
        }

        @Override
        public void onComplete() {
            told.onComplete();
        }
    }
}
