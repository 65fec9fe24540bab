package dev.sqlitepool.r2dbc;

import io.r2dbc.spi.R2dbcException;
import io.r2dbc.spi.Readable;
import io.r2dbc.spi.Result;
import io.r2dbc.spi.Row;
import io.r2dbc.spi.RowMetadata;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** What a statement has given. Thread-safe; can be consumed once. */
final class SqliteResult implements Result {
    private final Flux<Segment> segments;
    private final AtomicBoolean consumed;

    private SqliteResult(Flux<Segment> segments, AtomicBoolean consumed) {
        this.segments = segments;
        this.consumed = consumed;
    }

    /** A count of changed rows. */
    static SqliteResult count(long changed) {
        return new SqliteResult(Flux.just(new Count(changed)), new AtomicBoolean());
    }

    /** Rows that are read as they are asked for. */
    static SqliteResult rows(Flux<StoredRow> rows) {
        return new SqliteResult(rows.map(RowOf::new), new AtomicBoolean());
    }

    /** Rows that have been written, and their count. */
    static SqliteResult written(List<StoredRow> rows) {
        Flux<Segment> segments = Flux.<Segment>fromIterable(
                        rows.stream().map(RowOf::new).toList())
                .concatWithValues(new Count(rows.size()));
        return new SqliteResult(segments, new AtomicBoolean());
    }

    private record Count(long value) implements UpdateCount {}

    private record RowOf(Row row) implements RowSegment {}

    private record ErrorOf(R2dbcException exception) implements Message {
        @Override
        public int errorCode() {
            return exception.getErrorCode();
        }

        @Override
        public @Nullable String sqlState() {
            return exception.getSqlState();
        }

        @Override
        public @Nullable String message() {
            return exception.getMessage();
        }
    }

    private Flux<Segment> consume() {
        return Flux.defer(() -> consumed.compareAndSet(false, true)
                ? segments
                : Flux.error(new IllegalStateException("This result has been consumed; execute the statement again.")));
    }

    /** Of each segment what is wanted of it, if anything. */
    private <T> Flux<T> consume(Function<Segment, @Nullable T> wanted) {
        return consume().handle((segment, sink) -> {
            T found = wanted.apply(segment);
            if (found != null) {
                sink.next(found);
            }
        });
    }

    @Override
    public Mono<Long> getRowsUpdated() {
        return this.<Long>consume(segment -> segment instanceof UpdateCount count ? (Long) count.value() : null)
                .reduce(Long::sum);
    }

    @Override
    public <T> Flux<T> map(BiFunction<Row, RowMetadata, ? extends T> mapping) {
        requireGiven(mapping, "mappingFunction");
        return rows(row -> mapping.apply(row, row.getMetadata()));
    }

    @Override
    public <T> Flux<T> map(Function<? super Readable, ? extends T> mapping) {
        requireGiven(mapping, "mappingFunction");
        return rows(mapping);
    }

    private <T> Flux<T> rows(Function<? super Row, ? extends T> mapping) {
        return consume(segment -> {
            if (!(segment instanceof RowSegment row)) {
                return null;
            }
            T mapped = mapping.apply(row.row());
            if (mapped == null) {
                throw new NullPointerException(
                        "The mapping function returned null, which a publisher cannot carry; use an Optional.");
            }
            return mapped;
        });
    }

    /** An error is a message for the filter too. */
    @Override
    public Result filter(Predicate<Segment> predicate) {
        requireGiven(predicate, "filter");
        Flux<Segment> filtered = segments.filter(predicate)
                .onErrorResume(
                        R2dbcException.class,
                        error -> predicate.test(new ErrorOf(error)) ? Flux.error(error) : Flux.empty());
        return new SqliteResult(filtered, consumed);
    }

    @Override
    public <T> Flux<T> flatMap(Function<Segment, ? extends Publisher<? extends T>> mapping) {
        requireGiven(mapping, "mappingFunction");
        return consume()
                .onErrorResume(R2dbcException.class, error -> Flux.just(new ErrorOf(error)))
                .concatMap(mapping, 0);
    }

    private static void requireGiven(@Nullable Object given, String name) {
        if (given == null) {
            throw new IllegalArgumentException(name + " must not be null");
        }
    }
}
