package dev.sqlitepool.internal.pool;

import dev.sqlitepool.internal.lane.Lane;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;

/** The borrowed lanes of a group: who holds each, and since when. Guarded by the group's lock. */
final class Loans {
    /** A lane in somebody's hands. */
    record Loan(Waiter holder, long since) {}

    private final IdentityHashMap<Lane, Loan> loans = new IdentityHashMap<>();
    private final LongAdder waitNanos;
    private final LongAdder holdNanos;
    private int leases;

    Loans(LongAdder waitNanos, LongAdder holdNanos) {
        this.waitNanos = waitNanos;
        this.holdNanos = holdNanos;
    }

    void add(Lane lane, Waiter waiter, long now) {
        loans.put(lane, new Loan(waiter, now));
        borrows(waiter, now);
    }

    /** From its holder to the next. */
    void pass(Lane lane, Waiter next, long now) {
        returns(loans.put(lane, new Loan(next, now)), now);
        borrows(next, now);
    }

    private void borrows(Waiter waiter, long now) {
        waitNanos.add(now - waiter.queuedAt());
        if (waiter.isLease()) {
            leases++;
        }
    }

    void remove(Lane lane, long now) {
        returns(loans.remove(lane), now);
    }

    private void returns(@Nullable Loan loan, long now) {
        if (loan == null) {
            throw new IllegalStateException("a lane was released that nobody had borrowed");
        }
        holdNanos.add(now - loan.since());
        if (loan.holder().isLease()) {
            leases--;
        }
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
        Loan oldest = null;
        for (Loan loan : loans.values()) {
            if (oldest == null || loan.since() - oldest.since() < 0) {
                oldest = loan;
            }
        }
        return oldest;
    }

    /** The holders, and since when. */
    Map<Waiter, Long> holders() {
        Map<Waiter, Long> holders = new HashMap<>();
        loans.values().forEach(loan -> holders.put(loan.holder(), loan.since()));
        return holders;
    }
}
