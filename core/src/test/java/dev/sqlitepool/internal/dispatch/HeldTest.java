package dev.sqlitepool.internal.dispatch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.internal.pool.LanePool;
import dev.sqlitepool.internal.session.Form;
import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Pools;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Over pools that open nothing: two read lanes and a write lane. */
class HeldTest {
    private final LanePool pool = (LanePool)
            SqlitePool.builder().databasePath(Path.of("unused.db")).poolSize(3).build();
    private final LanePool other = (LanePool)
            SqlitePool.builder().databasePath(Path.of("unused.db")).poolSize(3).build();

    @AfterEach
    void nothingIsHeld() {
        assertThat(Held.top()).isNull();
        pool.close();
        other.close();
    }

    @Test
    void aThreadHoldsAllLanesOfAGroupWhenItHoldsAsManyAsThereAre() {
        assertThat(Held.all(pool.parts().readLanes())).isFalse();
        Held outer = Held.push(pool, "outer", pool.parts().readLanes());
        assertThat(Held.all(pool.parts().readLanes())).isFalse();
        Held write = Held.push(pool, "write", pool.parts().writeLanes());
        assertThat(Held.all(pool.parts().writeLanes())).isTrue();
        assertThat(Held.all(other.parts().writeLanes())).isFalse();
        Held inner = Held.push(pool, "inner", pool.parts().readLanes());
        assertThat(Held.all(pool.parts().readLanes())).isTrue();
        assertThat(write.isAll(pool.parts().readLanes())).isFalse(); // what is below it only
        inner.pop();
        assertThat(Held.all(pool.parts().readLanes())).isFalse();
        write.pop();
        outer.pop();
    }

    @Test
    void aThreadRunsWorkForThoseWhoAreBelowToo() {
        Held outer = Held.push(pool, "outer", pool.parts().readLanes());
        Held inner = Held.push(other, "inner", null);
        assertThat(Held.top()).isSameAs(inner);
        assertThat(Held.by("outer")).isTrue();
        assertThat(Held.by("inner")).isTrue();
        assertThat(Held.by("another")).isFalse();
        assertThat(Held.inside(pool)).isTrue();
        assertThat(Held.inside(other)).isTrue();
        inner.pop();
        assertThat(Held.by("inner")).isFalse();
        assertThat(Held.inside(other)).isFalse();
        outer.pop();
    }

    @Test
    void aWorkThatMovesHoldsWhatItHasMovedTo() {
        Held outer = Held.push(pool, "outer", pool.parts().readLanes());
        Held inner = Held.push(pool, "inner", null);
        Held.nowHolds("outer", pool.parts().writeLanes());
        assertThat(Held.all(pool.parts().writeLanes())).isTrue();
        Held.nowHolds("another", null);
        assertThat(Held.all(pool.parts().writeLanes())).isTrue();
        Held.nowHolds("outer", null);
        assertThat(Held.all(pool.parts().writeLanes())).isFalse();
        inner.pop();
        outer.pop();
    }

    @Test
    void aWaiterKnowsWhoWaitsForItInside() {
        LaneLease waiter = new LaneLease(pool.parts().routes(), Form.CONNECTION);
        Held held = Held.push(pool, "work", pool.parts().writeLanes());
        assertThat(waiter.isAwaitedInside(pool.parts().writeLanes())).isFalse();
        waiter.awaitedBy(held);
        assertThat(waiter.isAwaitedInside(pool.parts().writeLanes())).isTrue();
        assertThat(waiter.isAwaitedInside(pool.parts().readLanes())).isFalse();
        waiter.notAwaitedBy(held);
        assertThat(waiter.isAwaitedInside(pool.parts().writeLanes())).isFalse();
        held.pop();
    }

    @Test
    void whoHasWaitedIsNotedNoLonger() throws Exception {
        Held held = Held.push(pool, "work", pool.parts().writeLanes());
        for (int way = 0; way < 3; way++) {
            LaneLease lease = new LaneLease(pool.parts().routes(), Form.CONNECTION);
            Thread other = new Thread(() -> {
                Pools.await(
                        "it is noted", () -> lease.isAwaitedInside(pool.parts().writeLanes()));
                lease.future().settle(lease, null);
            });
            if (way == 0) {
                assertThatThrownBy(() -> lease.future().get(1, TimeUnit.MILLISECONDS))
                        .isInstanceOf(TimeoutException.class);
            } else {
                other.start();
                assertThat(way == 1 ? lease.future().join() : lease.future().get())
                        .isSameAs(lease);
                other.join();
            }
            assertThat(lease.isAwaitedInside(pool.parts().writeLanes())).isFalse();
        }
        held.pop();
    }

    @Test
    void whoWouldWaitForItselfIsNotNotedEither() {
        LaneLease lease = new LaneLease(pool.parts().routes(), Form.CONNECTION);
        lease.joins(pool.parts().writeLanes(), 0, 0);
        Held held = Held.push(pool, "work", pool.parts().writeLanes());
        assertThatThrownBy(() -> lease.future().join()).hasMessageContaining("would wait for itself");
        assertThat(lease.isAwaitedInside(pool.parts().writeLanes())).isFalse();
        held.pop();
    }

    @RegisterExtension
    final Pools pools = new Pools();

    @Test
    void noThreadOfThePoolHoldsAnythingAfterAWorkAndItsHook() {
        LanePool used = (LanePool) pools.open();
        used.useTransaction(tx -> tx.afterCommit(() -> {})).join();
        used.useRead(read -> {}).join();
        List<Gate> gates = List.of(new Gate(), new Gate(), new Gate(), new Gate());
        List<Optional<Held>> tops = new CopyOnWriteArrayList<>();
        for (Gate gate : gates) { // each on a thread of its own
            used.parts().means().workers().execute(() -> {
                tops.add(Optional.ofNullable(Held.top()));
                gate.pass();
            });
        }
        gates.forEach(Gate::awaitReached);
        gates.forEach(Gate::open);
        assertThat(tops).hasSize(4).allMatch(Optional::isEmpty);
    }
}
