package dev.sqlitepool.internal.jdbc;

import dev.sqlitepool.internal.sql.SqlText;
import dev.sqlitepool.internal.sql.Verb;
import java.lang.reflect.Method;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One call of an {@code execute…} method, and the texts that it runs. Immutable.
 *
 * @param texts one, those of a batch, or none
 */
record JdbcRun(List<SqlText> texts, Method method, @Nullable Object[] arguments) {
    /** @param prepared the text of a prepared statement; null if the call or the batch names the texts */
    static JdbcRun of(@Nullable SqlText prepared, JdbcReplay calls, Method method, @Nullable Object[] arguments) {
        List<SqlText> texts = prepared != null
                ? List.of(prepared)
                : isBatch(method)
                        ? calls.texts().stream().map(SqlText::of).toList()
                        : List.of(SqlText.of((String) Objects.requireNonNull(arguments[0])));
        return new JdbcRun(texts, method, texts.isEmpty() ? arguments : JdbcTexts.immediate(arguments, texts.get(0)));
    }

    private static boolean isBatch(Method method) {
        return method.getName().endsWith("Batch");
    }

    boolean isBatch() {
        return isBatch(method);
    }

    /** Whether the user may ask afterwards what has come of it; else the result itself is the answer. */
    boolean mayReturnNothing() {
        return !method.getName().equals("executeQuery");
    }

    Verb verb() {
        return texts.isEmpty() ? Verb.READ : texts.get(0).verb();
    }

    boolean isControl() {
        return texts.stream().anyMatch(text -> text.verb().isControl());
    }

    /** Whether it is a batch that may run in a transaction of its own. */
    boolean mayBeWhole() {
        return isBatch()
                && !texts.isEmpty()
                && texts.stream().noneMatch(text -> text.verb().isMaintenance());
    }

    /** Whether a result of it may keep it writing. */
    boolean mayWrite() {
        return texts.stream().anyMatch(JdbcTexts::mayWrite);
    }

    /** The table into which it inserts, if it is one statement that does. */
    @Nullable
    String insertsInto() {
        return texts.size() == 1 && !isBatch() ? texts.get(0).insertsInto() : null;
    }
}
