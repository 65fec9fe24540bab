package dev.sqlitepool.stress.races;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;

import dev.sqlitepool.internal.dispatch.RacedTask;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.LLL_Result;

/**
 * The end of a task: of those who want it one wins, the future says what he says, its stages run once, and the lane is either lent to the
 * task or idle. What is not listed is forbidden.
 */
public final class TaskRaces {
    private TaskRaces() {}

    /** Served, and cancelled. */
    @JCStressTest
    @Outcome(id = "committed, false, DONE value", expect = ACCEPTABLE, desc = "cancelled too late")
    @Outcome(id = "revoked, true, REVOKED cancelled", expect = ACCEPTABLE, desc = "cancelled before the commit")
    @Outcome(id = "passed over, true, ENDED cancelled", expect = ACCEPTABLE, desc = "cancelled in the queue")
    @State
    public static class ServedAgainstCancelled {
        private final RacedTask task = Ground.POOL.task();

        /** Opens its lane, and serves it. */
        @Actor
        public void serve(LLL_Result r) {
            r.r1 = task.serve();
        }

        /** A user. */
        @Actor
        public void cancel(LLL_Result r) {
            r.r2 = task.future().cancel(true);
        }

        /** When both have done. */
        @Arbiter
        public void end(LLL_Result r) {
            r.r3 = task.end();
        }
    }

    /** Served, and timed out in the queue. */
    @JCStressTest
    @Outcome(id = "committed, false, DONE value", expect = ACCEPTABLE, desc = "granted in time")
    @Outcome(id = "passed over, true, ENDED failed", expect = ACCEPTABLE, desc = "the time was up")
    @State
    public static class ServedAgainstExpired {
        private final RacedTask task = Ground.POOL.task();

        /** Opens its lane, and serves it. */
        @Actor
        public void serve(LLL_Result r) {
            r.r1 = task.serve();
        }

        /** The timer. */
        @Actor
        public void expire(LLL_Result r) {
            r.r2 = task.expire();
        }

        /** When both have done. */
        @Arbiter
        public void end(LLL_Result r) {
            r.r3 = task.end();
        }
    }

    /** Committed, and revoked by a pool that closes. */
    @JCStressTest
    @Outcome(id = "committed, false, DONE value", expect = ACCEPTABLE, desc = "revoked too late")
    @Outcome(id = "revoked, true, REVOKED failed", expect = ACCEPTABLE, desc = "revoked before the commit")
    @State
    public static class CommittedAgainstRevoked {
        private final RacedTask task = granted();

        /** Who serves it. */
        @Actor
        public void commit(LLL_Result r) {
            r.r1 = task.commit();
        }

        /** The closing pool. */
        @Actor
        public void revoke(LLL_Result r) {
            r.r2 = task.revoke();
        }

        /** When both have done. */
        @Arbiter
        public void end(LLL_Result r) {
            r.r3 = task.end();
        }
    }

    /** Ended twice while it runs: by a user, and by a pool that closes. */
    @JCStressTest
    @Outcome(id = "true, false, REVOKED cancelled", expect = ACCEPTABLE, desc = "the user was first")
    @Outcome(id = "false, true, REVOKED failed", expect = ACCEPTABLE, desc = "the pool was first")
    @State
    public static class CancelledAgainstRevoked {
        private final RacedTask task = granted();

        /** A user. */
        @Actor
        public void cancel(LLL_Result r) {
            r.r1 = task.future().cancel(true);
        }

        /** The closing pool. */
        @Actor
        public void revoke(LLL_Result r) {
            r.r2 = task.revoke();
        }

        /** When both have done. */
        @Arbiter
        public void end(LLL_Result r) {
            r.r3 = task.end();
        }
    }

    /** Ended twice while it waits: by a user, and because its time is up. */
    @JCStressTest
    @Outcome(id = "true, false, ENDED cancelled", expect = ACCEPTABLE, desc = "the user was first")
    @Outcome(id = "false, true, ENDED failed", expect = ACCEPTABLE, desc = "the timer was first")
    @State
    public static class CancelledAgainstExpired {
        private final RacedTask task = Ground.POOL.task();

        /** A user. */
        @Actor
        public void cancel(LLL_Result r) {
            r.r1 = task.future().cancel(true);
        }

        /** The timer. */
        @Actor
        public void expire(LLL_Result r) {
            r.r2 = task.expire();
        }

        /** The lane comes when both have done. */
        @Arbiter
        public void end(LLL_Result r) {
            boolean granted = task.grant();
            r.r3 = granted ? "granted after its end" : task.end();
        }
    }

    /** With an executor of the user's: acknowledged, and completed by a user. */
    @JCStressTest
    @Outcome(id = "committed, false, DONE value", expect = ACCEPTABLE, desc = "completed too late")
    @Outcome(id = "revoked, true, REVOKED failed", expect = ACCEPTABLE, desc = "completed before the commit")
    @State
    public static class AcknowledgedAgainstCompleted {
        private final RacedTask task = granted(Ground.WITH_EXECUTOR);

        /** Who serves it. */
        @Actor
        public void commit(LLL_Result r) {
            r.r1 = task.commit();
        }

        /** A user. */
        @Actor
        public void complete(LLL_Result r) {
            r.r2 = task.future().completeExceptionally(new IllegalStateException("a user's"));
        }

        /** When both have done. */
        @Arbiter
        public void end(LLL_Result r) {
            r.r3 = task.end();
        }
    }

    /** With an executor of the user's: completed by one user, and cancelled by another, while it runs. */
    @JCStressTest
    @Outcome(id = "true, false, REVOKED value", expect = ACCEPTABLE, desc = "completed first")
    @Outcome(id = "false, true, REVOKED cancelled", expect = ACCEPTABLE, desc = "cancelled first")
    @State
    public static class CompletedAgainstCancelled {
        private final RacedTask task = granted(Ground.WITH_EXECUTOR);

        /** A user. */
        @Actor
        public void complete(LLL_Result r) {
            r.r1 = task.future().complete(1L);
        }

        /** Another one. */
        @Actor
        public void cancel(LLL_Result r) {
            r.r2 = task.future().cancel(true);
        }

        /** When both have done. */
        @Arbiter
        public void end(LLL_Result r) {
            r.r3 = task.end();
        }
    }

    private static RacedTask granted() {
        return granted(Ground.POOL);
    }

    private static RacedTask granted(Ground ground) {
        RacedTask task = ground.task();
        if (!task.grant()) {
            throw new IllegalStateException("nobody has ended it yet");
        }
        return task;
    }
}
