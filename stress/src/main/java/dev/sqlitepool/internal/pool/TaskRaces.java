package dev.sqlitepool.internal.pool;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;

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
        private final Submitted submitted = new Submitted(Ground.POOL);

        /** Opens its lane, and serves it. */
        @Actor
        public void serve(LLL_Result r) {
            r.r1 = submitted.serve();
        }

        /** A user. */
        @Actor
        public void cancel(LLL_Result r) {
            r.r2 = submitted.future().cancel(true);
        }

        /** When both have done. */
        @Arbiter
        public void end(LLL_Result r) {
            r.r3 = submitted.end();
        }
    }

    /** Served, and timed out in the queue. */
    @JCStressTest
    @Outcome(id = "committed, false, DONE value", expect = ACCEPTABLE, desc = "granted in time")
    @Outcome(id = "passed over, true, ENDED failed", expect = ACCEPTABLE, desc = "the time was up")
    @State
    public static class ServedAgainstExpired {
        private final Submitted submitted = new Submitted(Ground.POOL);

        /** Opens its lane, and serves it. */
        @Actor
        public void serve(LLL_Result r) {
            r.r1 = submitted.serve();
        }

        /** The timer. */
        @Actor
        public void expire(LLL_Result r) {
            r.r2 = submitted.expire();
        }

        /** When both have done. */
        @Arbiter
        public void end(LLL_Result r) {
            r.r3 = submitted.end();
        }
    }

    /** Committed, and revoked by a pool that closes. */
    @JCStressTest
    @Outcome(id = "committed, false, DONE value", expect = ACCEPTABLE, desc = "revoked too late")
    @Outcome(id = "revoked, true, REVOKED failed", expect = ACCEPTABLE, desc = "revoked before the commit")
    @State
    public static class CommittedAgainstRevoked {
        private final Submitted submitted = granted();

        /** Who serves it. */
        @Actor
        public void commit(LLL_Result r) {
            r.r1 = submitted.commit();
        }

        /** The closing pool. */
        @Actor
        public void revoke(LLL_Result r) {
            r.r2 = submitted.revoke();
        }

        /** When both have done. */
        @Arbiter
        public void end(LLL_Result r) {
            r.r3 = submitted.end();
        }
    }

    /** Ended twice while it runs: by a user, and by a pool that closes. */
    @JCStressTest
    @Outcome(id = "true, false, REVOKED cancelled", expect = ACCEPTABLE, desc = "the user was first")
    @Outcome(id = "false, true, REVOKED failed", expect = ACCEPTABLE, desc = "the pool was first")
    @State
    public static class CancelledAgainstRevoked {
        private final Submitted submitted = granted();

        /** A user. */
        @Actor
        public void cancel(LLL_Result r) {
            r.r1 = submitted.future().cancel(true);
        }

        /** The closing pool. */
        @Actor
        public void revoke(LLL_Result r) {
            r.r2 = submitted.revoke();
        }

        /** When both have done. */
        @Arbiter
        public void end(LLL_Result r) {
            r.r3 = submitted.end();
        }
    }

    /** Ended twice while it waits: by a user, and because its time is up. */
    @JCStressTest
    @Outcome(id = "true, false, ENDED cancelled", expect = ACCEPTABLE, desc = "the user was first")
    @Outcome(id = "false, true, ENDED failed", expect = ACCEPTABLE, desc = "the timer was first")
    @State
    public static class CancelledAgainstExpired {
        private final Submitted submitted = new Submitted(Ground.POOL);

        /** A user. */
        @Actor
        public void cancel(LLL_Result r) {
            r.r1 = submitted.future().cancel(true);
        }

        /** The timer. */
        @Actor
        public void expire(LLL_Result r) {
            r.r2 = submitted.expire();
        }

        /** The lane comes when both have done. */
        @Arbiter
        public void end(LLL_Result r) {
            boolean granted = submitted.grant();
            r.r3 = granted ? "granted after its end" : submitted.end();
        }
    }

    /** With an executor of the user's: acknowledged, and completed by a user. */
    @JCStressTest
    @Outcome(id = "committed, false, DONE value", expect = ACCEPTABLE, desc = "completed too late")
    @Outcome(id = "revoked, true, REVOKED failed", expect = ACCEPTABLE, desc = "completed before the commit")
    @State
    public static class AcknowledgedAgainstCompleted {
        private final Submitted submitted = granted(Ground.WITH_EXECUTOR);

        /** Who serves it. */
        @Actor
        public void commit(LLL_Result r) {
            r.r1 = submitted.commit();
        }

        /** A user. */
        @Actor
        public void complete(LLL_Result r) {
            r.r2 = submitted.future().completeExceptionally(new IllegalStateException("a user's"));
        }

        /** When both have done. */
        @Arbiter
        public void end(LLL_Result r) {
            r.r3 = submitted.end();
        }
    }

    /** With an executor of the user's: completed by one user, and cancelled by another, while it runs. */
    @JCStressTest
    @Outcome(id = "true, false, REVOKED value", expect = ACCEPTABLE, desc = "completed first")
    @Outcome(id = "false, true, REVOKED cancelled", expect = ACCEPTABLE, desc = "cancelled first")
    @State
    public static class CompletedAgainstCancelled {
        private final Submitted submitted = granted(Ground.WITH_EXECUTOR);

        /** A user. */
        @Actor
        public void complete(LLL_Result r) {
            r.r1 = submitted.future().complete(1L);
        }

        /** Another one. */
        @Actor
        public void cancel(LLL_Result r) {
            r.r2 = submitted.future().cancel(true);
        }

        /** When both have done. */
        @Arbiter
        public void end(LLL_Result r) {
            r.r3 = submitted.end();
        }
    }

    private static Submitted granted() {
        return granted(Ground.POOL);
    }

    private static Submitted granted(LanePool pool) {
        Submitted submitted = new Submitted(pool);
        if (!submitted.grant()) {
            throw new IllegalStateException("nobody has ended it yet");
        }
        return submitted;
    }
}
