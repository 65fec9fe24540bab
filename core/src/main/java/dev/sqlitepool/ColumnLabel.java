package dev.sqlitepool;

import java.util.List;
import java.util.stream.Collectors;

/** Columns in messages. A column without a name of its own is called after its expression, which may hold values. Stateless. */
final class ColumnLabel {
    private ColumnLabel() {}

    /** The name if it is a plain one, else a question mark. */
    static String of(String name) {
        boolean plain = !name.isEmpty()
                && !Character.isDigit(name.charAt(0))
                && name.chars().allMatch(c -> c == '_' || Character.isLetterOrDigit(c));
        return plain ? name : "?";
    }

    static String of(List<String> names) {
        return names.stream().map(ColumnLabel::of).collect(Collectors.joining(", ", "[", "]"));
    }
}
