package dev.sqlitepool.internal.lane;

import java.lang.reflect.Method;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What was called on a JDBC statement, to be called again on the next physical one: its settings, its batch and its parameters. Owned by
 * the session's owner.
 */
final class StatementCalls {
    private record Call(Method method, @Nullable Object[] arguments) {}

    /** As {@code setMaxRows}; they stay until the statement is closed. In the order in which they were made last. */
    private final Map<Method, Call> settings = new LinkedHashMap<>();
    /** The rows of the batch so far, with their parameters. */
    private final List<Call> batch = new ArrayList<>();
    /** The texts in the batch of a statement that was not prepared. */
    private final List<String> texts = new ArrayList<>();
    /** By index, so that a statement which runs many times keeps only the last of each. */
    private final Map<Object, Call> parameters = new LinkedHashMap<>();

    /** A call has succeeded on the statement that there is now. */
    void made(Method method, @Nullable Object[] arguments) {
        Call call = new Call(method, arguments);
        switch (method.getName()) {
            case "addBatch":
                batch.addAll(parameters.values());
                batch.add(call);
                if (arguments.length == 1) {
                    texts.add((String) Objects.requireNonNull(arguments[0]));
                }
                break;
            case "clearBatch":
                forgetBatch();
                break;
            case "clearParameters":
                parameters.clear();
                if (!batch.isEmpty()) {
                    batch.add(call); // the driver begins a row with the values of the one before
                }
                break;
            default:
                if (method.getName().startsWith("set")) {
                    set(call);
                }
        }
    }

    private void set(Call call) {
        if (call.method().getDeclaringClass() == Statement.class) {
            settings.remove(call.method());
            settings.put(call.method(), call);
        } else {
            parameters.put(Objects.requireNonNull(call.arguments()[0]), call);
        }
    }

    List<String> texts() {
        return List.copyOf(texts);
    }

    /** The batch is cleared or has been run; with it the driver forgets the parameters. */
    void forgetBatch() {
        batch.clear();
        texts.clear();
        parameters.clear();
    }

    void repeatOn(Statement made) throws Throwable {
        for (Call call : settings.values()) {
            JdbcView.call(made, call.method(), call.arguments());
        }
        for (Call call : batch) {
            JdbcView.call(made, call.method(), call.arguments());
        }
        for (Call call : parameters.values()) {
            JdbcView.call(made, call.method(), call.arguments());
        }
    }
}
