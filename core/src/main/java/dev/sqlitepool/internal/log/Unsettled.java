package dev.sqlitepool.internal.log;

import dev.sqlitepool.OutcomeUnknownException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The entries that are synced and are still to be settled, in the order of their commits. Guarded by the lock of the gate. */
final class Unsettled {
    private @Nullable Entry first;
    private @Nullable Entry last;
    /** Is being settled. The next may be when this one is, or when its settler comes back. */
    private @Nullable Entry inHand;

    /** Whether everything is settled. */
    boolean isEmpty() {
        return inHand == null && first == null;
    }

    /** Whether nobody has anything in hand, and something waits. */
    boolean needsSettler() {
        return first != null && inHand == null;
    }

    void add(List<Entry> synced, @Nullable OutcomeUnknownException unknown) {
        for (int i = 0; i < synced.size(); i++) {
            Entry entry = synced.get(i);
            entry.unknown = unknown;
            if (last == null) {
                first = entry;
            } else {
                last.next = entry;
            }
            last = entry;
        }
    }

    /** Is settled before all that may come; only if this is empty. */
    void takeInHand(Entry only) {
        inHand = only;
    }

    /** Takes in hand what is to be settled after that; null if there is nothing, or if somebody else has something in hand. */
    @Nullable
    Entry next(@Nullable Entry settled) {
        if (inHand != null && inHand != settled && !inHand.isReady()) {
            return null;
        }
        inHand = first;
        if (inHand != null) {
            first = inHand.next;
            last = first == null ? null : last;
        }
        return inHand;
    }

    /** What comes after that is left to others. */
    void leave(Entry settled) {
        if (inHand == settled) {
            inHand = null;
        }
    }
}
