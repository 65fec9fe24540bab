package dev.sqlitepool.internal.jdbc;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.Wrapper;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Objects of {@code java.sql} that answer through one method, and calls of the driver's. Stateless. */
final class JdbcProxy {
    private JdbcProxy() {}

    /** An invocation handler that may throw what it likes. */
    interface Calls {
        @Nullable
        Object invoke(Method method, @Nullable Object[] arguments) throws Throwable;
    }

    /** An object of the type; it answers itself what belongs to every object, and unwraps to itself. */
    static <T> T of(Class<T> type, Calls calls) {
        return type.cast(Proxy.newProxyInstance(
                JdbcProxy.class.getClassLoader(), new Class<?>[] {type}, (self, method, given) -> {
                    @Nullable Object[] arguments = given == null ? new Object[0] : given;
                    if (method.getDeclaringClass() == Object.class) {
                        switch (method.getName()) {
                            case "equals":
                                return self == arguments[0];
                            case "hashCode":
                                return System.identityHashCode(self);
                            default:
                                return "sqlitepool " + type.getSimpleName() + "@"
                                        + Integer.toHexString(System.identityHashCode(self));
                        }
                    }
                    boolean wraps = method.getDeclaringClass() == Wrapper.class
                            && ((Class<?>) Objects.requireNonNull(arguments[0])).isInstance(self);
                    if (wraps) {
                        return method.getName().equals("unwrap") ? self : (Object) true;
                    }
                    return calls.invoke(method, arguments);
                }));
    }

    /** Calls the driver; throws what it throws. */
    static @Nullable Object call(Object target, Method method, @Nullable Object[] arguments) throws Throwable {
        try {
            return method.invoke(target, arguments);
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }

    static void closeQuietly(AutoCloseable resource) {
        try {
            resource.close();
        } catch (Exception e) {
            // It is the driver's to forget; what stays open is closed with the connection.
        }
    }
}
