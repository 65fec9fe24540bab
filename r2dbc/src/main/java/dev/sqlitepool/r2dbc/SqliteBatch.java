package dev.sqlitepool.r2dbc;

import dev.sqlitepool.r2dbc.Execution.Run;
import io.r2dbc.spi.Batch;
import java.util.ArrayList;
import java.util.List;
import reactor.core.publisher.Flux;

/** Statements without parameters, one after the other. Not thread-safe. */
final class SqliteBatch implements Batch {
    private final SqliteConnection connection;
    private final Scripts scripts;
    private final List<Run> runs = new ArrayList<>();

    SqliteBatch(SqliteConnection connection, Scripts scripts) {
        this.connection = connection;
        this.scripts = scripts;
    }

    @Override
    public SqliteBatch add(String sql) {
        if (sql == null) {
            throw new IllegalArgumentException("sql must not be null");
        }
        Script script = scripts.of(sql);
        if (script.parameters() > 0) {
            throw new IllegalArgumentException(
                    "A statement of a batch has a parameter, which cannot be bound; use createStatement and its add().");
        }
        script.parts().forEach(part -> runs.add(new Run(part, new Object[0])));
        return this;
    }

    @Override
    public Flux<SqliteResult> execute() {
        List<Run> all = List.copyOf(runs);
        return Flux.defer(() -> new Execution(connection, 0).all(all));
    }
}
