package dev.sqlitepool.internal.dispatch;

import dev.sqlitepool.internal.lane.Lane;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A group with one lane, and the calls that race for it. The races of the stress module run it: what they need of this package is
 * package-private.
 */
public final class RacedGroup {
    private static final Loans.Listener NOBODY = new Loans.Listener() {
        @Override
        public void acquired(Waiter holder, long waitedNanos) {}

        @Override
        public void released(Waiter holder, long heldNanos) {}
    };

    private final LaneGroup group = new LaneGroup(1, new WaitQueue(10, new AtomicInteger()), NOBODY);
    private final Lane lane;

    /** The lane is not open yet. */
    public RacedGroup(Lane lane) {
        this.lane = lane;
    }

    /** A waiter that does nothing with its lane. */
    public static final class Guest extends Waiter {
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

    /** The verdict of the group, by its name. */
    public String submit(Guest guest) {
        guest.joins(null, 0, 100);
        return group.submit(guest, 0).toString();
    }

    /** The lane has been opened: the waiter that has it now. */
    public Waiter opened() {
        return group.opened(lane, 1).waiter();
    }

    /** The opening of the lane has failed: the waiter that fails with it, and whether another opening must follow. */
    public OpenFailed openFailed() {
        LaneGroup.OpenFailed failed = group.openFailed();
        return new OpenFailed(failed.waiter(), failed.open());
    }

    /** As the group says it. */
    public record OpenFailed(Waiter waiter, boolean open) {}

    /** Gives the lane back: the waiter that has it next. */
    public Waiter release() {
        return group.release(lane, 2);
    }

    /** Ends a waiter in the queue: whether that was its end. */
    public boolean cancel(Guest guest) {
        boolean mine = guest.move(Waiter.State.QUEUED, Waiter.State.ENDED);
        if (mine) {
            group.withdrawn();
        }
        return mine;
    }

    /** Where the lane is, and how many wait. */
    public String end() {
        LaneGroup.Snapshot now = group.snapshot();
        return "idle " + now.idle() + " lent " + now.borrowed() + " waiting " + now.waiting()
                + (now.opening() + now.closing() == 0 ? "" : " live " + now);
    }
}
