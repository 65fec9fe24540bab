package dev.sqlitepool.internal.log;

import dev.sqlitepool.OutcomeUnknownException;
import org.jspecify.annotations.Nullable;

/** What to do when the disk has what was committed. Thread-safe. It may be settled twice, and decides once. */
public interface Outcome {
    /** Settles with success, or with the error. */
    void settle(@Nullable OutcomeUnknownException unknown);

    /** Whether everybody can see that it is settled. */
    boolean isSettled();
}
