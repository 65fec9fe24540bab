package dev.sqlitepool.internal.log;

import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.internal.Means;
import dev.sqlitepool.internal.Workers;
import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.file.DisplacedException;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One sync of the log for a batch of commits, and what it proves. Used by one driver of the gate at a time; {@link #isBroken} by any thread.
 *
 * <p>After a sync that failed nobody knows what is on disk, and a later one proves nothing about pages that the failed one dropped. So
 * from then on every outcome is unknown, until a connection has put everything into the database file.
 */
final class BatchSync {
    private final Means means;
    /** A sync has failed or hangs, and no connection opened since has put things right. */
    private volatile boolean broken;

    BatchSync(Means means) {
        this.means = means;
    }

    boolean isBroken() {
        return broken;
    }

    /** Nobody knows what of the log is on disk. */
    void distrust() {
        broken = true;
    }

    /** All of the log is in the database file. */
    void repaired() {
        broken = false;
    }

    /** Syncs the batch; null if all of it is on disk and in the database. Never throws: the driver must not die. */
    @Nullable
    OutcomeUnknownException sync(List<Entry> batch) {
        while (true) {
            try {
                return syncOnce(batch);
            } catch (OutOfMemoryError | InternalError e) {
                Workers.pause();
            }
        }
    }

    private @Nullable OutcomeUnknownException syncOnce(List<Entry> batch) {
        Engine engine = null;
        boolean written = false;
        for (Entry entry : batch) {
            if (entry.committed) {
                engine = entry.engine; // the same for all: the gate is drained before its connection is closed
                written |= entry.written;
            }
        }
        if (engine == null) {
            return null;
        }
        Throwable failure = null;
        if (!broken || !written) {
            boolean synced = !written;
            try {
                if (!synced) {
                    Objects.requireNonNull(engine.log()).sync();
                    synced = true;
                }
                engine.requireInPlace();
                return null;
            } catch (DisplacedException e) {
                return displaced(e); // the disk has done what it should
            } catch (OutOfMemoryError | InternalError e) {
                if (synced) {
                    throw e; // the look is repeated
                }
                failure = e; // perhaps in place of an error of the disk, after which another sync proves nothing
            } catch (Throwable e) {
                failure = e;
            }
        }
        broken = true;
        return unknown(failure == null ? "an earlier sync has failed" : String.valueOf(failure.getMessage()), failure);
    }

    private OutcomeUnknownException displaced(DisplacedException why) {
        return new OutcomeUnknownException(
                "A commit cannot be acknowledged: " + why.getMessage()
                        + ". It is not repeated; read the database to find out whether it is there.",
                means.refusal().stats(),
                why);
    }

    /** The error of a commit of which nobody knows whether it is on disk. */
    OutcomeUnknownException unknown(String why, @Nullable Throwable cause) {
        return new OutcomeUnknownException(
                "A commit could not be synced to disk: " + why
                        + ". It may be on disk, or be lost when the power fails. It is not"
                        + " repeated; read the database to find out. Check the disk and the file system.",
                means.refusal().stats(),
                cause);
    }
}
