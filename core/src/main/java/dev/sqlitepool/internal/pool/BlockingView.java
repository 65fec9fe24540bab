package dev.sqlitepool.internal.pool;

import dev.sqlitepool.BlockingPool;
import dev.sqlitepool.PoolConnection;
import dev.sqlitepool.RowMapper;
import dev.sqlitepool.SqlAction;
import dev.sqlitepool.SqlWork;
import dev.sqlitepool.Transaction;
import dev.sqlitepool.internal.StackRoom;
import dev.sqlitepool.internal.dispatch.Dispatcher;
import dev.sqlitepool.internal.session.Form;
import dev.sqlitepool.internal.session.Work;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * The pool for code that waits. Thread-safe.
 *
 * <p>On a platform thread the caller runs its task itself: a function always, a statement if a lane is idle. It never runs another's: when
 * it gives its lane back and somebody waits, a worker goes on. Each method asks for room on the stack first ({@link StackRoom}): the frames
 * between a grant and the return of the lane find it.
 */
final class BlockingView implements BlockingPool {
    private final Dispatcher dispatcher;

    BlockingView(Dispatcher dispatcher) {
        this.dispatcher = dispatcher;
    }

    @Override
    public <T, X extends Exception> T connection(SqlWork<? super PoolConnection, ? extends T, X> work) {
        StackRoom.require();
        return dispatcher.<T>run(new Work.Code<>(Form.CONNECTION, work, work));
    }

    @Override
    public <T, X extends Exception> T transaction(SqlWork<? super Transaction, ? extends T, X> work) {
        StackRoom.require();
        return dispatcher.<T>run(new Work.Code<>(Form.TRANSACTION, work, work));
    }

    @Override
    public <T, X extends Exception> T read(SqlWork<? super PoolConnection, ? extends T, X> work) {
        StackRoom.require();
        return dispatcher.<T>run(new Work.Code<>(Form.READ, work, work));
    }

    @Override
    public <X extends Exception> void useConnection(SqlAction<? super PoolConnection, X> action) {
        StackRoom.require();
        dispatcher.run(new Work.Code<>(Form.CONNECTION, Work.of(action), action));
    }

    @Override
    public <X extends Exception> void useTransaction(SqlAction<? super Transaction, X> action) {
        StackRoom.require();
        dispatcher.run(new Work.Code<>(Form.TRANSACTION, Work.of(action), action));
    }

    @Override
    public <X extends Exception> void useRead(SqlAction<? super PoolConnection, X> action) {
        StackRoom.require();
        dispatcher.run(new Work.Code<>(Form.READ, Work.of(action), action));
    }

    @Override
    public <T> List<T> query(String sql, RowMapper<? extends T> mapper, Object... parameters) {
        StackRoom.require();
        return dispatcher.run(LanePool.query(sql, Work.<T>all(Objects.requireNonNull(mapper, "mapper")), parameters));
    }

    @Override
    public <T> Optional<T> queryOne(String sql, RowMapper<? extends T> mapper, Object... parameters) {
        StackRoom.require();
        return dispatcher.run(LanePool.query(sql, Work.<T>one(Objects.requireNonNull(mapper, "mapper")), parameters));
    }

    @Override
    public long execute(String sql, Object... parameters) {
        StackRoom.require();
        return dispatcher.run(LanePool.statement(sql, parameters));
    }

    @Override
    public long[] executeBatch(String sql, Collection<? extends Object[]> rows) {
        StackRoom.require();
        return dispatcher.run(LanePool.batch(sql, rows));
    }
}
