package dev.sqlitepool.r2dbc;

import dev.sqlitepool.r2dbc.Execution.Run;
import dev.sqlitepool.r2dbc.Script.Kind;
import dev.sqlitepool.r2dbc.Script.Part;
import io.r2dbc.spi.Statement;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Flux;

/** A statement, or several in one text, with the values of each run. Not thread-safe. */
final class SqliteStatement implements Statement {
    private final SqliteConnection connection;
    private final Script script;
    private final List<Bindings> complete = new ArrayList<>();
    private Bindings open;
    /** {@link #add} was called, and nothing bound since. */
    private boolean trailingAdd;

    private int fetchSize;
    private @Nullable List<String> generated;

    SqliteStatement(SqliteConnection connection, Script script) {
        this.connection = connection;
        this.script = script;
        this.open = new Bindings(script);
    }

    @Override
    public SqliteStatement add() {
        open.requireComplete();
        complete.add(open);
        open = new Bindings(script);
        trailingAdd = true;
        return this;
    }

    @Override
    public SqliteStatement bind(int index, Object value) {
        requireGiven(value, "value");
        open.bind(index, Types.encode(value));
        trailingAdd = false;
        return this;
    }

    @Override
    public SqliteStatement bind(String name, Object value) {
        requireGiven(name, "name");
        requireGiven(value, "value");
        Object encoded = Types.encode(value);
        script.indexes(name).forEach(index -> open.bind(index, encoded));
        trailingAdd = false;
        return this;
    }

    @Override
    public SqliteStatement bindNull(int index, Class<?> type) {
        requireGiven(type, "type");
        open.bind(index, null);
        trailingAdd = false;
        return this;
    }

    @Override
    public SqliteStatement bindNull(String name, Class<?> type) {
        requireGiven(name, "name");
        requireGiven(type, "type");
        script.indexes(name).forEach(index -> open.bind(index, null));
        trailingAdd = false;
        return this;
    }

    private static void requireGiven(@Nullable Object given, String name) {
        if (given == null) {
            throw new IllegalArgumentException(name + " must not be null");
        }
    }

    @Override
    public SqliteStatement fetchSize(int rows) {
        if (rows < 0) {
            throw new IllegalArgumentException(
                    "fetchSize was " + rows + "; it must be positive, or 0 for as many rows as are asked for.");
        }
        fetchSize = rows;
        return this;
    }

    @Override
    public SqliteStatement returnGeneratedValues(String... columns) {
        requireGiven(columns, "columns");
        generated = List.of(columns);
        return this;
    }

    @Override
    public Flux<SqliteResult> execute() {
        if (trailingAdd) {
            throw new IllegalStateException(
                    "add() was called, but no value was bound after it; call it only between the values of two runs.");
        }
        open.requireComplete();
        List<Bindings> bindings = new ArrayList<>(complete);
        bindings.add(open.copy());
        List<String> columns = generated;
        List<Part> parts = columns == null
                ? script.parts()
                : script.parts().stream().map(part -> part.returning(columns)).toList();
        Execution execution = new Execution(connection, fetchSize);
        boolean batch = bindings.size() > 1 && parts.size() == 1 && parts.get(0).kind() == Kind.CHANGE;
        return Flux.fromIterable(bindings)
                .concatMap(Bindings::collected)
                .collectList()
                .flatMapMany(all -> batch
                        ? execution.batch(
                                parts.get(0),
                                all.stream()
                                        .map(values -> values.of(parts.get(0)))
                                        .toList())
                        : execution.all(all.stream()
                                .flatMap(values -> parts.stream().map(part -> new Run(part, values.of(part))))
                                .toList()));
    }
}
