package dev.sqlitepool.internal.dispatch;

import dev.sqlitepool.internal.lane.Lane;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;

/**
 * The borrowed lanes of a group: the holder of each, and since when. Guarded by the group's lock. Lending and taking back need no memory.
 */
final class Loans {
    /** A lane in somebody's hands. */
    record Loan(Waiter holder, long since) {}

    /** Of a larger pool it grows when more lanes are lent. */
    static final int MOST_AT_ONCE = 1_000;

    private final IdentityHashMap<Lane, Waiter> loans;
    private final LongAdder waitNanos;
    private final LongAdder holdNanos;
    private int leases;

    Loans(int max, LongAdder waitNanos, LongAdder holdNanos) {
        this.loans = new IdentityHashMap<>(Math.min(max, MOST_AT_ONCE) + 1); // so that it does not grow
        this.waitNanos = waitNanos;
        this.holdNanos = holdNanos;
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
        waitNanos.add(now - waiter.queuedAt());
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
        holdNanos.add(now - holder.heldSince());
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
