package dev.sqlitepool.internal.dispatch;

import dev.sqlitepool.Access;
import dev.sqlitepool.internal.SureLock;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.telemetry.Telemetry;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The borrowed lanes of a group: the holder of each, and since when. Guarded by the group's lock. Lending and taking back need no memory.
 */
final class Loans {
    /** A lane in somebody's hands. */
    record Loan(Waiter holder, long since) {}

    /** What is told of the loans, under no lock. Must not throw. */
    interface Listener {
        /** A lane was lent to somebody who has waited for so long. */
        void acquired(Waiter holder, long waitedNanos);

        /** A holder has given back its lane, or passed it on, after so long. */
        void released(Waiter holder, long heldNanos);
    }

    /** Tells the loans of one access. */
    record Told(Access access, Telemetry telemetry) implements Loans.Listener {
        @Override
        public void acquired(Waiter holder, long waitedNanos) {
            telemetry.acquired(access, holder, waitedNanos);
        }

        @Override
        public void released(Waiter holder, long heldNanos) {
            telemetry.released(access, holder, heldNanos);
        }
    }

    /**
     * The lock of a group. Each unlock then tells what was lent and taken back under it.
     *
     * <p>So each loan is told exactly once as acquired, and once as released, with the times that the lock has seen. There is no other way
     * to lend a lane than {@link #borrows}, or to take it back than {@link #returns}, whoever the holder is: a task alone or in a group, a
     * lease, a stream, a claim in the name of its owner, a backup, or the pool itself; somebody who ends while queued has borrowed nothing.
     * Both run under this lock, which is never taken twice by a thread, at most once each: a lane is taken back, and one lane is
     * granted. They leave a note here, and the unlock takes both notes away before it lets others in. The thread that unlocks hands the
     * lane over later, so a wait is told before anything is run on the lane, unless its holder looks at its own state in between.
     */
    @SuppressWarnings("serial") // never serialized
    static final class Lock extends SureLock {
        private final transient Loans loans;
        private final transient Listener listener;

        Lock(Loans loans, Listener listener) {
            this.loans = loans;
            this.listener = listener;
        }

        @Override
        public void unlock() {
            Waiter returned = loans.returned;
            Waiter lent = loans.lent;
            long held = loans.held;
            long waited = loans.waited;
            loans.returned = null;
            loans.lent = null;
            super.unlock();
            if (returned != null) {
                listener.released(returned, held);
            }
            if (lent != null) {
                listener.acquired(lent, waited);
            }
        }
    }

    /** Of a larger pool it grows when more lanes are lent. */
    static final int MOST_AT_ONCE = 1_000;

    private final IdentityHashMap<Lane, Waiter> loans;
    private int leases;
    /** Has been lent a lane since the lock was taken; see {@link Lock}. */
    private @Nullable Waiter lent;
    /** Has given a lane back since then. */
    private @Nullable Waiter returned;

    private long waited;
    private long held;

    Loans(int max) {
        this.loans = new IdentityHashMap<>(Math.min(max, MOST_AT_ONCE) + 1); // so that it does not grow
    }

    void add(Lane lane, Waiter waiter, long now) {
        loans.put(lane, waiter);
        borrows(waiter, now);
    }

    /** From its holder to the next. */
    void pass(Lane lane, Waiter next, long now) {
        returns(loans.put(lane, next), now);
        borrows(next, now);
    }

    private void borrows(Waiter waiter, long now) {
        waiter.heldSince(now);
        lent = waiter;
        waited = now - waiter.queuedAt();
        if (waiter.isLease()) {
            leases++;
        }
    }

    void remove(Lane lane, long now) {
        returns(loans.remove(lane), now);
    }

    private void returns(@Nullable Waiter holder, long now) {
        if (holder == null) {
            throw new IllegalStateException("a connection was released that nobody had borrowed");
        }
        returned = holder;
        held = now - holder.heldSince();
        if (holder.isLease()) {
            leases--;
        }
    }

    /** The lane that is lent to somebody, or in its name; null if none is. */
    @Nullable
    Lane lentTo(Waiter somebody) {
        for (Map.Entry<Lane, Waiter> loan : loans.entrySet()) {
            if (loan.getValue().holdsFor(somebody)) {
                return loan.getKey();
            }
        }
        return null;
    }

    int size() {
        return loans.size();
    }

    /** How many of them are leases. */
    int leases() {
        return leases;
    }

    /** The one that has lasted longest; null if there is none. */
    @Nullable
    Loan oldest() {
        Waiter oldest = null;
        for (Waiter holder : loans.values()) {
            if (oldest == null || holder.heldSince() - oldest.heldSince() < 0) {
                oldest = holder;
            }
        }
        return oldest == null ? null : new Loan(oldest, oldest.heldSince());
    }

    /** The holders, and since when. */
    Map<Waiter, Long> holders() {
        Map<Waiter, Long> holders = new HashMap<>();
        loans.values().forEach(holder -> holders.put(holder, holder.heldSince()));
        return holders;
    }
}
