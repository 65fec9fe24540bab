package dev.sqlitepool.internal.session;

import dev.sqlitepool.Access;
import dev.sqlitepool.RowMapper;
import dev.sqlitepool.SqlAction;
import dev.sqlitepool.SqlWork;
import dev.sqlitepool.Transaction;
import dev.sqlitepool.internal.sql.SqlText;
import dev.sqlitepool.internal.sql.Verb;
import java.sql.SQLException;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What a task is to do. The pool may group, move and repeat a statement, but never a function, which runs at most once. Immutable.
 *
 * @param <T> the result
 */
public sealed interface Work<T> {
    /** The lanes on which it begins. */
    Access access();

    /** Its name in messages; never contains values. */
    String label();

    /**
     * A function on a connection, the user's or the pool's own.
     *
     * @param named whose class it is called after; a verb for a function of the pool's
     */
    record Code<T>(Form form, SqlWork<? super Transaction, ? extends T, ?> function, Object named) implements Work<T> {
        @Override
        public Access access() {
            return form.access();
        }

        @Override
        public String label() {
            String name =
                    named instanceof Verb verb ? verb.name() : named.getClass().getName();
            int lambda = name.indexOf("$$");
            name = lambda < 0 ? name : name.substring(0, lambda);
            return name.substring(name.lastIndexOf('.') + 1);
        }
    }

    /** One statement with its verb and its parameters, encoded. */
    record Data<T>(SqlText text, Verb verb, @Nullable Object[][] rows, Shape<T> shape) implements Work<T> {
        public String sql() {
            return text.text();
        }

        @Override
        public Access access() {
            return verb.needsWriteLane() || !shape.mayRead() ? Access.WRITE : Access.READ;
        }

        @Override
        public String label() {
            return text.label();
        }

        /** Whether it is a single statement without foreign code, so that SQLite alone sees to it that it has all of its effect or none. */
        boolean isAtomic() {
            return shape == CHANGES;
        }

        T run(Statements statements) throws SQLException {
            if (verb != Verb.SCHEMA && text.asksForLastChange()) {
                throw Misuse.alone();
            }
            return shape.run(statements, text, rows);
        }
    }

    /** How a statement is run and what becomes of its rows. */
    interface Shape<T> {
        T run(Statements statements, SqlText text, @Nullable Object[][] rows) throws SQLException;

        /** Whether a statement of this shape goes to a read lane when its verb allows. */
        default boolean mayRead() {
            return true;
        }
    }

    /** Every row, mapped. */
    static <T> Shape<List<T>> all(RowMapper<? extends T> mapper) {
        return (statements, text, rows) -> statements.collect(text, mapper, rows[0]);
    }

    /** At most one row, mapped. */
    static <T> Shape<Optional<T>> one(RowMapper<? extends T> mapper) {
        return (statements, text, rows) -> statements.collectOne(text, mapper, rows[0]);
    }

    /** The count of changed rows, on the write lane always. */
    Shape<Long> CHANGES = new OnWriteLane<>((statements, text, rows) -> statements.change(text, rows[0]));

    /** The counts of a batch, on the write lane always. */
    Shape<long[]> BATCH = new OnWriteLane<>(Statements::runAll);

    /** A shape that is never tried on a read lane. */
    record OnWriteLane<T>(Shape<T> shape) implements Shape<T> {
        @Override
        public T run(Statements statements, SqlText text, @Nullable Object[][] rows) throws SQLException {
            return shape.run(statements, text, rows);
        }

        @Override
        public boolean mayRead() {
            return false;
        }
    }

    /** Void twins: an action as a function. */
    static <C> SqlWork<C, Void, Exception> of(SqlAction<? super C, ?> action) {
        return connection -> {
            action.accept(connection);
            return null;
        };
    }
}
