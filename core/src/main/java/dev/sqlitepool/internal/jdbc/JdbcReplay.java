package dev.sqlitepool.internal.jdbc;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.Reader;
import java.io.StringReader;
import java.lang.reflect.Method;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The calls on a JDBC statement, to be repeated on the next physical one: its settings, its batch and its parameters. Owned by
 * the session's owner.
 */
final class JdbcReplay {
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
            repeat(call, made);
        }
        for (Call call : batch) {
            repeat(call, made);
        }
        for (Call call : parameters.values()) {
            repeat(call, made);
        }
    }

    private static void repeat(Call call, Statement made) throws Throwable {
        for (Object argument : call.arguments()) {
            if (argument instanceof ByteArrayInputStream bytes) {
                bytes.reset();
            } else if (argument instanceof StringReader text) {
                text.reset();
            }
        }
        JdbcProxy.call(made, call.method(), call.arguments());
    }

    // ---- streams

    /** The user's stream can be read only once: its content becomes a stream that starts again with each {@code reset}. */
    static @Nullable Object[] repeatable(Method method, @Nullable Object[] arguments) throws SQLException {
        if (!method.getName().endsWith("Stream") || arguments.length < 2) {
            return arguments;
        }
        long length =
                arguments.length > 2 && arguments[2] instanceof Number number ? number.longValue() : Long.MAX_VALUE;
        int most = (int) Math.min(Math.max(length, 0), Integer.MAX_VALUE);
        @Nullable Object[] changed = arguments.clone();
        try {
            if (arguments[1] instanceof InputStream bytes) {
                changed[1] = new ByteArrayInputStream(bytes.readNBytes(most));
            } else if (arguments[1] instanceof Reader text) {
                changed[1] = new StringReader(read(text, most));
            }
        } catch (IOException e) {
            throw new SQLException("The stream for a parameter could not be read.", e);
        }
        return changed;
    }

    private static String read(Reader reader, int most) throws IOException {
        StringBuilder text = new StringBuilder();
        char[] buffer = new char[Math.min(most, 8_192)];
        while (text.length() < most) {
            int count = reader.read(buffer, 0, Math.min(buffer.length, most - text.length()));
            if (count < 0) {
                break;
            }
            text.append(buffer, 0, count);
        }
        return text.toString();
    }
}
