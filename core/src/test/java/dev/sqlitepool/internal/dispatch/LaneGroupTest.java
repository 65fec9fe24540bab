package dev.sqlitepool.internal.dispatch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.Access;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.internal.Settings;
import dev.sqlitepool.internal.dispatch.LaneGroup.Opened;
import dev.sqlitepool.internal.dispatch.LaneGroup.Snapshot;
import dev.sqlitepool.internal.dispatch.LaneGroup.Verdict;
import dev.sqlitepool.internal.dispatch.Waiter.State;
import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.engine.sqlite.SqliteDatabase;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.telemetry.Telemetry;
import dev.sqlitepool.testing.Pools;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The lock, step by step, at times that the test says. Lanes that nobody runs anything on, all over one connection. */
class LaneGroupTest {
    @TempDir
    static Path directory;

    private static Settings settings;
    private static Engine engine;
    private static final Telemetry TELEMETRY = new Telemetry("test", System::nanoTime, null, Runnable::run);
    private static final ScheduledThreadPoolExecutor TIMER = new ScheduledThreadPoolExecutor(1);

    private final LongAdder waitNanos = new LongAdder();
    private final LongAdder holdNanos = new LongAdder();
    /** Each loan as it was told, in order. */
    private final List<Map.Entry<String, Waiter>> told = new ArrayList<>();

    private final Loans.Listener listener = new Loans.Listener() {
        @Override
        public void acquired(Waiter holder, long waitedNanos) {
            assertThat(isLockFree()).isTrue();
            told.add(Map.entry("acquired", holder));
            waitNanos.add(waitedNanos);
        }

        @Override
        public void released(Waiter holder, long heldNanos) {
            assertThat(isLockFree()).isTrue();
            told.add(Map.entry("released", holder));
            holdNanos.add(heldNanos);
        }
    };
    private final AtomicInteger waiting = new AtomicInteger();

    @BeforeAll
    static void open() throws SQLException {
        settings = Pools.settings(SqlitePool.builder().databasePath(directory.resolve("test.db")));
        engine = new SqliteDatabase(settings, TELEMETRY).open(Access.WRITE);
    }

    @AfterAll
    static void close() throws SQLException {
        engine.close();
        TIMER.shutdown();
    }

    private final List<LaneGroup> groups = new ArrayList<>();

    private LaneGroup group(int max) {
        LaneGroup group = new LaneGroup(max, new WaitQueue(5, waiting), listener);
        groups.add(group);
        return group;
    }

    @AfterEach
    void theLockIsFree() {
        assertThat(isLockFree()).isTrue();
    }

    /** Whether another thread gets it. */
    private boolean isLockFree() {
        Thread other = new Thread(() -> groups.forEach(LaneGroup::isClosed));
        other.setDaemon(true);
        other.start();
        try {
            other.join(500);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return !other.isAlive();
    }

    private static Lane lane() {
        return new Lane(engine, Access.READ, 0, Long.MAX_VALUE, settings, TELEMETRY, TIMER);
    }

    /** Waits, and is told nothing. */
    private static final class Guest extends Waiter {
        private final boolean lease;

        Guest(boolean lease, long now, long until) {
            this.lease = lease;
            joins(null, now, until);
        }

        @Override
        boolean isLease() {
            return lease;
        }

        @Override
        protected void granted() {}

        @Override
        public Runnable failed(Throwable error) {
            return null;
        }

        @Override
        public String label() {
            return "guest";
        }
    }

    private static Guest guest() {
        return new Guest(false, 0, 100);
    }

    private static Guest lease() {
        return new Guest(true, 0, 100);
    }

    /** A group in which somebody holds each of these lanes. */
    private LaneGroup lent(int max, Lane... lanes) {
        LaneGroup group = group(max);
        for (Lane lane : lanes) {
            assertThat(group.submit(guest(), 0)).isEqualTo(Verdict.OPEN);
            assertThat(group.opened(lane, 0).waiter()).isNotNull();
        }
        return group;
    }

    private static String counts(LaneGroup group) {
        Snapshot now = group.snapshot();
        return "idle " + now.idle() + " lent " + now.borrowed() + " opening " + now.opening() + " closing "
                + now.closing() + " waiting " + now.waiting();
    }

    // ---- coming

    @Test
    void aLaneIsOpenedForEachWhoWaitsAsLongAsThereIsRoom() {
        LaneGroup group = group(2);
        assertThat(group.max()).isEqualTo(2);
        assertThat(group.submit(guest(), 0)).isEqualTo(Verdict.OPEN);
        assertThat(group.submit(guest(), 0)).isEqualTo(Verdict.OPEN);
        assertThat(group.submit(guest(), 0)).isEqualTo(Verdict.WAIT);
        assertThat(counts(group)).isEqualTo("idle 0 lent 0 opening 2 closing 0 waiting 3");
        assertThat(waiting).hasValue(3);
        assertThat(group.isAwaited()).isTrue();
    }

    @Test
    void aLaneOnItsWayServesWhoComesAfterAnotherHasEnded() {
        LaneGroup group = group(2);
        Guest first = guest();
        group.submit(first, 0);
        assertThat(first.move(State.QUEUED, State.ENDED)).isTrue();
        group.withdrawn();
        assertThat(waiting).hasValue(0);
        Guest second = guest();
        assertThat(group.submit(second, 0)).isEqualTo(Verdict.WAIT);
        assertThat(group.opened(lane(), 1)).isEqualTo(new Opened(second, false));
    }

    @Test
    void whoComesIsGrantedTheLaneThatWasUsedLast() {
        Lane cold = lane();
        Lane warm = lane();
        LaneGroup group = lent(2, cold, warm);
        assertThat(group.release(cold, 1)).isNull();
        assertThat(group.release(warm, 2)).isNull();
        Guest guest = guest();
        assertThat(group.submit(guest, 7)).isEqualTo(Verdict.RUN);
        assertThat(guest.lane()).isSameAs(warm);
        assertThat(guest.state()).isEqualTo(State.RUNNING);
        assertThat(counts(group)).isEqualTo("idle 1 lent 1 opening 0 closing 0 waiting 0");
        assertThat(waiting).hasValue(0);
        assertThat(group.isAwaited()).isFalse();
    }

    @Test
    void aLaneThatWasOnlyLookedAtIsUsedLast() {
        Lane looked = lane();
        Lane warm = lane();
        LaneGroup group = lent(2, looked, warm);
        group.release(warm, 1);
        assertThat(group.releaseCold(looked, 2)).isNull();
        assertThat(counts(group)).isEqualTo("idle 2 lent 0 opening 0 closing 0 waiting 0");
        Guest guest = guest();
        group.submit(guest, 3);
        assertThat(guest.lane()).isSameAs(warm);
    }

    @Test
    void aLaneThatWasOnlyLookedAtServesWhoWaits() {
        Lane lane = lane();
        LaneGroup group = lent(1, lane);
        Guest guest = guest();
        group.submit(guest, 0);
        assertThat(group.releaseCold(lane, 2)).isSameAs(guest);
        assertThat(counts(group)).isEqualTo("idle 0 lent 1 opening 0 closing 0 waiting 0");
    }

    @Test
    void whoComesWhenTooManyWaitIsEnded() {
        LaneGroup group = lent(1, lane());
        for (int i = 0; i < 5; i++) {
            assertThat(group.submit(guest(), 0)).isEqualTo(Verdict.WAIT);
        }
        Guest guest = guest();
        assertThat(group.submit(guest, 0)).isEqualTo(Verdict.FULL);
        assertThat(guest.state()).isEqualTo(State.ENDED);
        assertThat(waiting).hasValue(5);
    }

    @Test
    void anIdleLaneIsThereForWhoComesThoughManyWaitElsewhere() {
        Lane lane = lane();
        LaneGroup group = lent(1, lane);
        group.release(lane, 1);
        waiting.set(5);
        assertThat(group.submit(guest(), 1)).isEqualTo(Verdict.RUN);
        assertThat(group.submit(guest(), 1)).isEqualTo(Verdict.FULL);
    }

    @Test
    void whoHasEndedDoesNotComeIn() {
        LaneGroup group = group(1);
        Guest moving = guest();
        moving.move(State.QUEUED, State.REVOKED); // was running, and ended while it changed its lane
        assertThat(group.submit(moving, 0)).isEqualTo(Verdict.GONE);
        group.close(false);
        assertThat(group.submit(moving, 0)).isEqualTo(Verdict.GONE);
        assertThat(counts(group)).isEqualTo("idle 0 lent 0 opening 0 closing 0 waiting 0");
    }

    @Test
    void whoRunsAndMovesWaitsLikeTheOthers() {
        LaneGroup group = group(1);
        Guest moving = guest();
        moving.move(State.QUEUED, State.RUNNING);
        assertThat(group.submit(moving, 0)).isEqualTo(Verdict.OPEN);
        assertThat(moving.state()).isEqualTo(State.QUEUED);
    }

    // ---- leases

    @Test
    void leasesHoldAllButOneOfTheLanes() {
        Lane first = lane();
        Lane second = lane();
        LaneGroup group = lent(3, first, second, lane());
        Guest one = lease();
        Guest two = lease();
        Guest three = lease();
        group.submit(one, 0);
        group.submit(two, 0);
        group.submit(three, 0);
        assertThat(group.release(first, 1)).isSameAs(one);
        assertThat(group.release(second, 1)).isSameAs(two);
        Lane third = lane();
        LaneGroup.Snapshot before = group.snapshot();
        assertThat(before.waiting()).isEqualTo(1);
        Guest work = guest();
        group.submit(work, 0);
        assertThat(group.retire(second, 2)).isNull(); // nothing is idle
        assertThat(group.closed()).isTrue();
        assertThat(group.opened(third, 3).waiter()).isSameAs(three); // a lease less is held
        assertThat(group.release(first, 4)).isSameAs(work);
    }

    @Test
    void shortWorkPassesALeaseThatMayNotHoldOneMore() {
        Lane lane = lane();
        Lane other = lane();
        LaneGroup group = lent(2, lane, other);
        Guest holder = lease();
        group.submit(holder, 0);
        assertThat(group.release(lane, 0)).isSameAs(holder);
        Guest lease = lease();
        Guest work = guest();
        group.submit(lease, 0);
        group.submit(work, 0);
        assertThat(group.release(other, 1)).isSameAs(work);
        assertThat(group.release(other, 2)).isNull();
        assertThat(group.submit(lease(), 2)).isEqualTo(Verdict.WAIT);
        assertThat(group.retire(lane, 3)).isSameAs(lease); // a lease less is held
        assertThat(lease.lane()).isSameAs(other);
    }

    @Test
    void aLeaseMayHoldTheOnlyLane() {
        LaneGroup group = group(1);
        Guest lease = lease();
        group.submit(lease, 0);
        assertThat(group.opened(lane(), 0).waiter()).isSameAs(lease);
    }

    // ---- going

    @Test
    void theFirstGetsTheLaneThatComesBack() {
        Lane lane = lane();
        LaneGroup group = lent(1, lane);
        Guest first = guest();
        Guest gone = guest();
        Guest second = guest();
        group.submit(first, 0);
        group.submit(gone, 0);
        group.submit(second, 0);
        gone.move(State.QUEUED, State.ENDED);
        group.withdrawn();
        assertThat(group.release(lane, 1)).isSameAs(first);
        assertThat(group.release(lane, 2)).isSameAs(second);
        assertThat(group.release(lane, 3)).isNull();
        assertThat(counts(group)).isEqualTo("idle 1 lent 0 opening 0 closing 0 waiting 0");
    }

    @Test
    void whoWaitsAmongManyWhoHaveEndedIsServed() {
        Lane lane = lane();
        LaneGroup group = lent(1, lane);
        Guest first = guest();
        group.submit(first, 0);
        for (int i = 0; i < 200; i++) { // the queue is swept now and then
            Guest gone = guest();
            group.submit(gone, 0);
            gone.move(State.QUEUED, State.ENDED);
            group.withdrawn();
        }
        assertThat(waiting).hasValue(1);
        assertThat(group.release(lane, 1)).isSameAs(first);
    }

    @Test
    void whatNobodyHasBorrowedCannotBeGivenBack() {
        LaneGroup group = group(1);
        assertThatThrownBy(() -> group.release(lane(), 1))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("nobody had borrowed");
        assertThat(group.isClosed()).isFalse(); // and the lock is free
    }

    @Test
    void theTimesOfWaitingAndHoldingAreCounted() {
        Lane lane = lane();
        LaneGroup group = group(1);
        group.submit(new Guest(false, 3, 100), 3);
        group.opened(lane, 10);
        group.submit(new Guest(false, 12, 100), 12);
        group.pass(lane, next -> true, 20);
        group.release(lane, 25);
        assertThat(waitNanos.sum()).isEqualTo(7 + 8);
        assertThat(holdNanos.sum()).isEqualTo(10 + 5);
    }

    private static Map.Entry<String, Waiter> acquired(Waiter holder) {
        return Map.entry("acquired", holder);
    }

    private static Map.Entry<String, Waiter> released(Waiter holder) {
        return Map.entry("released", holder);
    }

    @Test
    void aLaneThatGoesFromHandToHandIsToldOnceOfEachHolder() {
        Lane lane = lane();
        LaneGroup group = group(1);
        Guest first = guest();
        Guest second = guest();
        Guest third = guest();
        Guest before = guest();
        group.submit(first, 0);
        assertThat(told).isEmpty(); // it waits
        group.opened(lane, 1);
        group.submit(second, 1);
        group.submit(third, 1);
        group.submit(before, 1);
        group.pass(lane, next -> false, 2); // nobody wants it
        assertThat(told).containsExactly(acquired(first));
        group.pass(lane, next -> true, 3);
        group.release(lane, 4);
        assertThat(told)
                .containsExactly(acquired(first), released(first), acquired(second), released(second), acquired(third));
        told.clear();
        assertThat(group.goesBefore(before, third, lane, 5)).isTrue();
        assertThat(group.goesBefore(before, third, lane, 5)).isFalse();
        assertThat(told).containsExactly(released(third), acquired(before));
        told.clear();
        group.release(lane, 6);
        group.release(lane, 7);
        assertThat(told).containsExactly(released(before), acquired(third), released(third));
    }

    @Test
    void whoTakesAnIdleLaneIsTold() {
        Lane lane = lane();
        LaneGroup group = lent(1, lane);
        group.release(lane, 1);
        told.clear();
        Guest guest = guest();
        assertThat(group.submit(guest, 2)).isEqualTo(Verdict.RUN);
        group.releaseCold(lane, 3);
        Guest looks = guest();
        assertThat(group.borrowIdle(idle -> true, looks, 4)).isSameAs(lane);
        assertThat(group.borrowIdle(idle -> true, guest(), 4)).isNull();
        group.retire(lane, 5);
        assertThat(told).containsExactly(acquired(guest), released(guest), acquired(looks), released(looks));
    }

    @Test
    void anUnfitLaneIsToldAsGivenBack() {
        Lane lane = lane();
        LaneGroup group = group(1);
        Guest guest = guest();
        group.submit(guest, 0);
        group.opened(lane, 1);
        assertThat(group.unfit(lane, guest, 2).taken()).isTrue();
        assertThat(told).containsExactly(acquired(guest), released(guest));
        assertThat(group.closed()).isTrue();
        group.opened(lane, 3);
        group.close(false);
        assertThat(group.unfit(lane, guest, 4).taken()).isFalse();
        assertThat(told).containsExactly(acquired(guest), released(guest), acquired(guest));
    }

    @Test
    void whoEndsBeforeItsTurnIsNotToldAsAHolder() {
        Lane lane = lane();
        LaneGroup group = lent(1, lane);
        told.clear();
        Guest gone = guest();
        group.submit(gone, 0);
        assertThat(gone.move(State.QUEUED, State.ENDED)).isTrue();
        group.withdrawn();
        group.release(lane, 1);
        assertThat(told).hasSize(1).noneMatch(entry -> entry.getValue() == gone);
    }

    @Test
    void aLaneIsPassedOnToTheFirstIfItIsWanted() {
        Lane lane = lane();
        LaneGroup group = lent(1, lane);
        assertThat(group.pass(lane, next -> true, 1)).isNull();
        Guest gone = guest();
        Guest first = guest();
        Guest second = guest();
        group.submit(gone, 0);
        group.submit(first, 0);
        group.submit(second, 0);
        gone.move(State.QUEUED, State.ENDED);
        group.withdrawn();
        assertThat(group.pass(lane, next -> next == second, 1)).isNull();
        assertThat(group.pass(lane, next -> next == first, 1)).isSameAs(first);
        assertThat(first.lane()).isSameAs(lane);
        assertThat(counts(group)).isEqualTo("idle 0 lent 1 opening 0 closing 0 waiting 1");
        assertThat(group.loans()).containsOnlyKeys(first);
        assertThat(group.release(lane, 2)).isSameAs(second);
    }

    @Test
    void passingOnCountsLeases() {
        Lane lane = lane();
        LaneGroup group = lent(2, lane, lane());
        Guest lease = lease();
        group.submit(lease, 0);
        assertThat(group.pass(lane, next -> true, 1)).isSameAs(lease);
        assertThat(group.submit(lease(), 1)).isEqualTo(Verdict.WAIT);
        Guest work = guest();
        group.submit(work, 1);
        assertThat(group.release(lane, 2)).isNotSameAs(work); // the lease comes first, and may
    }

    @Test
    void aLaneThatIsClosedMakesRoomForWhoWaits() {
        Lane lane = lane();
        LaneGroup group = lent(1, lane);
        assertThat(group.retire(lane, 1)).isNull();
        assertThat(counts(group)).isEqualTo("idle 0 lent 0 opening 0 closing 1 waiting 0");
        assertThat(group.submit(guest(), 1)).isEqualTo(Verdict.WAIT);
        assertThat(group.closed()).isTrue();
        assertThat(counts(group)).isEqualTo("idle 0 lent 0 opening 1 closing 0 waiting 1");
    }

    @Test
    void aLaneThatIsClosedIsNotReplacedForNobody() {
        Lane lane = lane();
        LaneGroup group = lent(1, lane);
        group.retire(lane, 1);
        assertThat(group.closed()).isFalse();
        assertThat(counts(group)).isEqualTo("idle 0 lent 0 opening 0 closing 0 waiting 0");
    }

    // ---- lanes that turn out unfit, and work that is undone

    @Test
    void whoGotAnUnfitLaneWaitsAgainBeforeThoseWhoCameLater() {
        Lane lane = lane();
        LaneGroup group = group(1);
        Guest unlucky = new Guest(false, 0, 50);
        Guest later = new Guest(false, 0, 60);
        Guest sooner = new Guest(false, 0, 40);
        group.submit(unlucky, 0);
        group.opened(lane, 0);
        group.submit(sooner, 0);
        group.submit(later, 0);
        assertThat(group.unfit(lane, unlucky, 1)).isEqualTo(new LaneGroup.Unfit(true, true, null));
        assertThat(counts(group)).isEqualTo("idle 0 lent 0 opening 0 closing 1 waiting 3");
        assertThat(waiting).hasValue(3);
        assertThat(group.closed()).isTrue();
        assertThat(group.opened(lane, 2).waiter()).isSameAs(sooner);
        assertThat(group.release(lane, 2)).isSameAs(unlucky);
        assertThat(group.release(lane, 2)).isSameAs(later);
    }

    @Test
    void twoUnfitLanesKeepTheOrder() {
        Lane lane = lane();
        Lane other = lane();
        LaneGroup group = group(2);
        Guest first = new Guest(false, 0, 10);
        Guest second = new Guest(false, 0, 20);
        Guest third = new Guest(false, 0, 30);
        group.submit(first, 0);
        group.submit(second, 0);
        group.opened(lane, 0);
        group.opened(other, 0);
        group.submit(third, 0);
        group.unfit(lane, first, 1);
        group.unfit(other, second, 1);
        assertThat(group.closed()).isTrue();
        assertThat(group.opened(lane, 2).waiter()).isSameAs(first);
        assertThat(group.release(lane, 2)).isSameAs(second);
        assertThat(group.release(lane, 2)).isSameAs(third);
    }

    @Test
    void whoGotAnUnfitLaneComesBeforeThoseWithTheSameDeadline() {
        Lane lane = lane();
        LaneGroup group = lent(1, lane);
        Guest unlucky = guest();
        Guest other = guest();
        group.submit(unlucky, 0);
        group.release(lane, 0);
        group.submit(other, 0);
        group.unfit(lane, unlucky, 1);
        group.closed();
        assertThat(group.opened(lane, 2).waiter()).isSameAs(unlucky);
    }

    @Test
    void whoHasEndedMeanwhileDoesNotWaitAgain() {
        Lane lane = lane();
        LaneGroup group = group(1);
        Guest guest = guest();
        group.submit(guest, 0);
        group.opened(lane, 0);
        guest.move(State.RUNNING, State.REVOKED);
        assertThat(group.unfit(lane, guest, 1)).isEqualTo(new LaneGroup.Unfit(true, false, null));
        assertThat(counts(group)).isEqualTo("idle 0 lent 0 opening 0 closing 1 waiting 0");
    }

    @Test
    void anUnfitLaneOfALeaseLetsAnotherLeaseHaveAnIdleOne() {
        Lane lane = lane();
        Lane idle = lane();
        LaneGroup group = lent(2, lane, idle);
        Guest holder = lease();
        group.submit(holder, 0);
        group.release(lane, 0);
        group.release(idle, 0);
        Guest next = lease();
        group.submit(next, 0);
        holder.move(State.RUNNING, State.REVOKED);
        assertThat(group.unfit(lane, holder, 1).waiter()).isSameAs(next);
        assertThat(next.lane()).isSameAs(idle);
    }

    @Test
    void inAClosedGroupAnUnfitLaneIsUsedAllTheSame() {
        Lane lane = lane();
        LaneGroup group = group(1);
        Guest guest = guest();
        group.submit(guest, 0);
        group.opened(lane, 0);
        group.close(false);
        assertThat(group.unfit(lane, guest, 1)).isEqualTo(new LaneGroup.Unfit(false, false, null));
        assertThat(counts(group)).isEqualTo("idle 0 lent 1 opening 0 closing 0 waiting 0");
    }

    @Test
    void whatIsUndoneWaitsAgainInItsOrderAndItsTurnIsNotItsWait() {
        Lane lane = lane();
        LaneGroup group = lent(1, lane);
        Guest first = guest();
        Guest ended = guest();
        Guest second = guest();
        first.move(State.QUEUED, State.COMMITTING);
        second.move(State.QUEUED, State.RUNNING);
        ended.move(State.QUEUED, State.REVOKED);
        Guest later = guest();
        group.submit(later, 0);
        assertThat(group.repeat(List.of(first, ended, second), 5, 8)).isEmpty();
        assertThat(counts(group)).isEqualTo("idle 0 lent 1 opening 0 closing 0 waiting 3");
        assertThat(waiting).hasValue(3);
        assertThat(first.deadline()).isEqualTo(105);
        assertThat(first.queuedAt()).isEqualTo(8);
        assertThat(group.release(lane, 9)).isSameAs(first);
        assertThat(group.release(lane, 9)).isSameAs(second);
        assertThat(group.release(lane, 9)).isSameAs(later);
    }

    @Test
    void afterACloseWhatIsUndoneWaitsAgainUnlessItIsByForce() {
        LaneGroup group = lent(1, lane());
        group.close(false);
        Guest undone = guest();
        undone.move(State.QUEUED, State.RUNNING);
        assertThat(group.repeat(List.of(undone), 0, 1)).isEmpty();
        assertThat(group.close(true)).containsExactly(undone);
        Guest late = guest();
        late.move(State.QUEUED, State.RUNNING);
        assertThat(group.repeat(List.of(late), 0, 1)).containsExactly(late);
        assertThat(late.state()).isEqualTo(State.ENDED);
        assertThat(waiting).hasValue(0);
    }

    // ---- opening

    @Test
    void aFailedOpeningFailsTheFirstAndTriesForTheOthers() {
        LaneGroup group = group(1);
        Guest first = guest();
        Guest second = guest();
        group.submit(first, 0);
        group.submit(second, 0);
        assertThat(group.openFailed()).isEqualTo(new LaneGroup.OpenFailed(first, true));
        assertThat(first.state()).isEqualTo(State.ENDED);
        assertThat(counts(group)).isEqualTo("idle 0 lent 0 opening 1 closing 0 waiting 1");
        assertThat(group.openFailed()).isEqualTo(new LaneGroup.OpenFailed(second, false));
        assertThat(counts(group)).isEqualTo("idle 0 lent 0 opening 0 closing 0 waiting 0");
    }

    @Test
    void aFailedOpeningForNobodyFailsNobody() {
        LaneGroup group = group(1);
        Guest guest = guest();
        group.submit(guest, 0);
        guest.move(State.QUEUED, State.ENDED);
        group.withdrawn();
        assertThat(group.openFailed()).isEqualTo(new LaneGroup.OpenFailed(null, false));
        assertThat(waiting).hasValue(0);
    }

    @Test
    void aLaneThatIsOpenedForNobodyIsIdle() {
        LaneGroup group = group(1);
        Guest guest = guest();
        group.submit(guest, 0);
        guest.move(State.QUEUED, State.ENDED);
        group.withdrawn();
        assertThat(group.opened(lane(), 1)).isEqualTo(new Opened(null, false));
        assertThat(counts(group)).isEqualTo("idle 1 lent 0 opening 0 closing 0 waiting 0");
    }

    // ---- deadlines

    @Test
    void thoseWhoseDeadlineHasPassedAreEnded() {
        LaneGroup group = lent(1, lane());
        assertThat(group.nextDeadline()).isEqualTo(Long.MAX_VALUE);
        Guest gone = new Guest(false, 0, 5);
        Guest first = new Guest(false, 0, 10);
        Guest second = new Guest(false, 0, 20);
        group.submit(gone, 0);
        group.submit(first, 0);
        group.submit(second, 0);
        gone.move(State.QUEUED, State.ENDED);
        group.withdrawn();
        assertThat(group.nextDeadline()).isEqualTo(10);
        assertThat(group.expire(9)).isEmpty();
        assertThat(group.expire(10)).containsExactly(first);
        assertThat(first.state()).isEqualTo(State.ENDED);
        assertThat(counts(group)).isEqualTo("idle 0 lent 1 opening 0 closing 0 waiting 1");
        assertThat(waiting).hasValue(1);
        assertThat(group.expire(100)).containsExactly(second);
        assertThat(group.expire(100)).isEmpty();
    }

    // ---- housekeeping

    @Test
    void theLongestIdleThatIsWantedIsBorrowed() {
        Lane cold = lane();
        Lane warm = lane();
        LaneGroup group = lent(2, cold, warm);
        group.release(cold, 1);
        group.release(warm, 2);
        Guest looks = guest();
        assertThat(group.borrowIdle(idle -> false, looks, 3)).isNull();
        assertThat(group.borrowIdle(idle -> true, looks, 3)).isSameAs(cold);
        assertThat(group.borrowIdle(idle -> idle == warm, guest(), 4)).isSameAs(warm);
        assertThat(group.borrowIdle(idle -> true, guest(), 5)).isNull();
        assertThat(counts(group)).isEqualTo("idle 0 lent 2 opening 0 closing 0 waiting 0");
        assertThat(group.loans()).containsAllEntriesOf(Map.of(looks, 3L)).hasSize(2);
        assertThat(group.snapshot().oldest()).isEqualTo(new Loans.Loan(looks, 3));
    }

    // ---- closing

    @Test
    void aClosedGroupEndsThoseWhoWaitAndLetsNobodyIn() {
        Lane lane = lane();
        LaneGroup group = lent(1, lane);
        Guest waits = guest();
        group.submit(waits, 0);
        assertThat(group.close(false)).containsExactly(waits);
        assertThat(waits.state()).isEqualTo(State.ENDED);
        assertThat(group.isClosed()).isTrue();
        Guest late = guest();
        assertThat(group.submit(late, 1)).isEqualTo(Verdict.CLOSED);
        assertThat(late.state()).isEqualTo(State.ENDED);
        assertThat(waiting).hasValue(0);
    }

    @Test
    void aGroupIsTerminatedWhenNothingIsLeft() {
        Lane lane = lane();
        LaneGroup group = lent(2, lane);
        group.submit(guest(), 0); // opening
        assertThat(group.isTerminated()).isFalse();
        group.close(false);
        assertThat(group.isTerminated()).isFalse();
        Lane other = lane();
        assertThat(group.opened(other, 1)).isEqualTo(new Opened(null, true));
        assertThat(group.isTerminated()).isFalse(); // one lent, one closing
        group.closed();
        assertThat(group.isTerminated()).isFalse(); // one lent
        group.release(lane, 2);
        assertThat(group.isTerminated()).isFalse(); // one idle
        group.borrowIdle(idle -> true, guest(), 3);
        group.retire(lane, 3);
        assertThat(group.isTerminated()).isFalse(); // one closing
        assertThat(group.closed()).isFalse();
        assertThat(group.isTerminated()).isTrue();
    }

    @Test
    void aGroupThatOpensAndClosesIsNotTerminated() {
        Lane lane = lane();
        LaneGroup group = lent(2, lane);
        group.retire(lane, 1);
        group.submit(guest(), 1);
        group.close(false);
        assertThat(counts(group)).isEqualTo("idle 0 lent 0 opening 1 closing 1 waiting 0");
        assertThat(group.isTerminated()).isFalse();
    }

    @Test
    void anOpenGroupIsNeverTerminated() {
        assertThat(group(1).isTerminated()).isFalse();
    }

    @Test
    void inAClosedGroupANewLaneServesWhatMustBeRepeated() {
        LaneGroup group = group(1);
        group.submit(guest(), 0);
        group.close(false);
        Guest undone = guest();
        undone.move(State.QUEUED, State.RUNNING);
        group.repeat(List.of(undone), 0, 1);
        assertThat(group.opened(lane(), 2)).isEqualTo(new Opened(undone, false));
    }
}
