package dev.sqlitepool.r2dbc;

import dev.sqlitepool.r2dbc.Script.Part;
import io.r2dbc.spi.Blob;
import io.r2dbc.spi.Clob;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** The values of one run of a statement. Not thread-safe; nobody changes it once the statement is executed. */
final class Bindings {
    /** Stands where nothing is bound yet. */
    private static final Object UNBOUND = new Object();

    private final Script script;
    private final @Nullable Object[] values;

    Bindings(Script script) {
        this.script = script;
        this.values = new Object[script.parameters()];
        Arrays.fill(values, UNBOUND);
    }

    Bindings copy() {
        Bindings copy = new Bindings(script);
        System.arraycopy(values, 0, copy.values, 0, values.length);
        return copy;
    }

    void bind(int index, @Nullable Object value) {
        if (index < 0 || index >= values.length) {
            throw new IndexOutOfBoundsException("There is no parameter with the index " + index + "; the statement has "
                    + values.length + ", and the first has the index 0.");
        }
        values[index] = value;
    }

    boolean isEmpty() {
        return Arrays.stream(values).allMatch(value -> value == UNBOUND);
    }

    /** Fails if a parameter has no value. */
    void requireComplete() {
        for (int i = 0; i < values.length; i++) {
            if (values[i] == UNBOUND) {
                throw new IllegalStateException("The parameter with the index " + i
                        + " has no value; bind one, or bindNull, before add() and execute().");
            }
        }
    }

    /** The values for one of the statements. */
    @Nullable
    Object[] of(Part part) {
        return Arrays.copyOfRange(
                values, part.first(), part.first() + part.names().size());
    }

    /** The same with the contents of its Blobs and Clobs, which are collected before a connection is asked for. */
    Mono<Bindings> collected() {
        List<Mono<Void>> contents = new ArrayList<>();
        Bindings all = new Bindings(script);
        for (int i = 0; i < values.length; i++) {
            int index = i;
            Object value = values[i];
            if (value instanceof Blob blob) {
                contents.add(Types.bytes(Flux.from(blob.stream()))
                        .doOnNext(bytes -> all.values[index] = bytes)
                        .then());
            } else if (value instanceof Clob clob) {
                contents.add(Flux.from(clob.stream())
                        .collect(StringBuilder::new, StringBuilder::append)
                        .doOnNext(text -> all.values[index] = Types.encode(text))
                        .then());
            } else {
                all.values[i] = value;
            }
        }
        return contents.isEmpty() ? Mono.just(this) : Flux.concat(contents).then(Mono.just(all));
    }
}
