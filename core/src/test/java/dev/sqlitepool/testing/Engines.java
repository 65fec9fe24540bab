package dev.sqlitepool.testing;

import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.engine.Prepared;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Real engines whose calls a test watches: it counts them, runs something before them, lets them wait at a gate, fails them before or after
 * they took effect, or answers in their place. A method is known by its name, in the engine and in each part of it that the engine hands out;
 * prepared statements are watched only {@link #withStatements}. Thread-safe.
 */
public final class Engines implements UnaryOperator<Engine> {
    private final Map<String, AtomicInteger> calls = new ConcurrentHashMap<>();
    private final Map<String, Queue<Step>> next = new ConcurrentHashMap<>();
    private final Map<String, Advice> advices = new ConcurrentHashMap<>();
    private final List<Consumer<Engine>> openings = new CopyOnWriteArrayList<>();
    private final AtomicInteger opened = new AtomicInteger();
    private volatile Advice each = Call::proceed;
    private volatile boolean statements;

    /** What a test does before a call. An exception fails the call, which then does not take effect. */
    public interface Step {
        void run() throws Exception;
    }

    /** What a test does in place of a call. */
    public interface Advice {
        @Nullable
        Object around(Call call) throws Throwable;
    }

    /** A call of a method. */
    public static final class Call {
        private final Engine engine;
        private final Object target;
        private final Method method;
        private final Object @Nullable [] arguments;
        private final @Nullable String sql;

        private Call(Engine engine, Object target, Method method, Object @Nullable [] arguments, @Nullable String sql) {
            this.engine = engine;
            this.target = target;
            this.method = method;
            this.arguments = arguments;
            this.sql = sql;
        }

        /** The real engine. */
        public Engine engine() {
            return engine;
        }

        public String method() {
            return method.getName();
        }

        public Object argument(int index) {
            return arguments[index];
        }

        /** The method, with the first argument if it has one: {@code prepare(SELECT 1)}. */
        public String text() {
            return arguments == null ? method.getName() : method.getName() + "(" + arguments[0] + ")";
        }

        /** The SQL of the statement that is called; null if it is the engine. */
        public @Nullable String sql() {
            return sql;
        }

        /** The call takes effect. */
        public @Nullable Object proceed() throws Throwable {
            try {
                return method.invoke(target, arguments);
            } catch (InvocationTargetException e) {
                throw e.getCause();
            }
        }
    }

    @Override
    public Engine apply(Engine engine) {
        opened.incrementAndGet();
        openings.forEach(opening -> opening.accept(engine));
        return watched(engine, engine, Engine.class, null);
    }

    /** How many engines have been opened. */
    public AtomicInteger opened() {
        return opened;
    }

    /** How often a method has been called; a test may set it. */
    public AtomicInteger calls(String method) {
        return calls.computeIfAbsent(method, any -> new AtomicInteger());
    }

    /** What happens before the next calls of a method, one each. If none is left, they just happen. */
    public Queue<Step> next(String method) {
        return next.computeIfAbsent(method, any -> new ConcurrentLinkedQueue<>());
    }

    /** Before each call of a method from here on. */
    public Engines before(String method, Step step) {
        return around(method, call -> {
            step.run();
            return call.proceed();
        });
    }

    /** In place of each call of a method from here on. */
    public Engines around(String method, Advice advice) {
        advices.put(method, advice);
        return this;
    }

    /** In place of each call of a method for which there is no other advice. */
    public Engines around(Advice advice) {
        each = advice;
        return this;
    }

    /** Forgets what was to happen around calls. */
    public void clear() {
        advices.clear();
        next.clear();
    }

    /** When an engine is opened, before the pool has it. */
    public Engines opening(Consumer<Engine> step) {
        openings.add(step);
        return this;
    }

    /** Watches prepared statements too. */
    public Engines withStatements() {
        statements = true;
        return this;
    }

    private <T> T watched(Engine engine, Object target, Class<T> type, @Nullable String sql) {
        return type.cast(Proxy.newProxyInstance(
                Engines.class.getClassLoader(),
                new Class<?>[] {type},
                (self, method, arguments) -> switch (method.getName()) {
                    case "equals" -> self == arguments[0]; // the cache of statements asks
                    case "hashCode" -> System.identityHashCode(self);
                    case "toString" -> "watched " + target;
                    default -> called(new Call(engine, target, method, arguments, sql));
                }));
    }

    private @Nullable Object called(Call call) throws Throwable {
        calls(call.method()).incrementAndGet();
        Step step = next(call.method()).poll();
        if (step != null) {
            step.run();
        }
        Object answer = advices.getOrDefault(call.method(), each).around(call);
        Class<?> type = call.method.getReturnType();
        if (answer instanceof Prepared) {
            return statements ? watched(call.engine, answer, Prepared.class, String.valueOf(call.argument(0))) : answer;
        }
        boolean isPart = type.isInterface() && type.getPackage() == Engine.class.getPackage();
        return answer != null && isPart ? watched(call.engine, answer, type, null) : answer;
    }
}
