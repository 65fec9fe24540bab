package dev.sqlitepool.stress.races;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;

import dev.sqlitepool.internal.dispatch.RacedGroup;
import dev.sqlitepool.internal.dispatch.RacedGroup.Guest;
import dev.sqlitepool.internal.dispatch.Waiter;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.LLL_Result;
import org.openjdk.jcstress.infra.results.LL_Result;

/** The queue of a group with one lane: nobody is left waiting beside an idle lane, nobody is overtaken. What is not listed is forbidden. */
public final class GroupRaces {
    private GroupRaces() {}

    /** A group whose only lane is lent to the first guest. */
    private static RacedGroup lent() {
        RacedGroup group = new RacedGroup(Ground.lane());
        group.submit(new Guest());
        group.opened();
        return group;
    }

    /** Somebody comes while the lane goes. */
    @JCStressTest
    @Outcome(id = "RUN, null, idle 0 lent 1 waiting 0", expect = ACCEPTABLE, desc = "came after the lane was idle")
    @Outcome(id = "WAIT, granted, idle 0 lent 1 waiting 0", expect = ACCEPTABLE, desc = "came before the lane")
    @State
    public static class ComesAgainstReleased {
        private final RacedGroup lent = lent();
        private final Guest guest = new Guest();

        /** Who comes. */
        @Actor
        public void come(LLL_Result r) {
            r.r1 = lent.submit(guest);
        }

        /** Who has the lane. */
        @Actor
        public void release(LLL_Result r) {
            Waiter next = lent.release();
            r.r2 = next == guest ? "granted" : next;
        }

        /** When both have done. */
        @Arbiter
        public void end(LLL_Result r) {
            r.r3 = lent.end();
        }
    }

    /** The first in the queue goes away while the lane is given back: then it is the next one's, never nobody's. */
    @JCStressTest
    @Outcome(id = "true, second, idle 0 lent 1 waiting 0", expect = ACCEPTABLE, desc = "the first has left")
    @Outcome(id = "false, first, idle 0 lent 1 waiting 1", expect = ACCEPTABLE, desc = "the first has the lane")
    @State
    public static class CancelledAgainstReleased {
        private final RacedGroup lent = lent();
        private final Guest first = new Guest();
        private final Guest second = new Guest();

        /** Both wait. */
        public CancelledAgainstReleased() {
            lent.submit(first);
            lent.submit(second);
        }

        /** The first one. */
        @Actor
        public void cancel(LLL_Result r) {
            r.r1 = lent.cancel(first);
        }

        /** Who has the lane. */
        @Actor
        public void release(LLL_Result r) {
            Waiter next = lent.release();
            r.r2 = next == first ? "first" : next == second ? "second" : next;
        }

        /** When both have done. */
        @Arbiter
        public void end(LLL_Result r) {
            r.r3 = lent.end();
        }
    }

    /** Both come at once to an idle lane: one has it, the other waits, and has it next. */
    @JCStressTest
    @Outcome(id = "RUN, WAIT, idle 0 lent 1 waiting 0 granted", expect = ACCEPTABLE, desc = "the first was first")
    @Outcome(id = "WAIT, RUN, idle 0 lent 1 waiting 0 granted", expect = ACCEPTABLE, desc = "the second was first")
    @State
    public static class TwoCome {
        private final RacedGroup lent = lent();
        private final Guest first = new Guest();
        private final Guest second = new Guest();

        /** The lane is idle. */
        public TwoCome() {
            lent.release();
        }

        /** One. */
        @Actor
        public void come(LLL_Result r) {
            r.r1 = lent.submit(first);
        }

        /** The other. */
        @Actor
        public void comeToo(LLL_Result r) {
            r.r2 = lent.submit(second);
        }

        /** Then the lane is given back. */
        @Arbiter
        public void end(LLL_Result r) {
            Waiter next = lent.release();
            boolean right = next == ("WAIT".equals(r.r1) ? first : second);
            r.r3 = lent.end() + (right ? " granted" : " lost " + next);
        }
    }

    /** An opening fails while somebody else comes: whoever is left has a lane on its way. */
    @JCStressTest
    @Outcome(id = "WAIT, first and then open", expect = ACCEPTABLE, desc = "came before the failure")
    @Outcome(id = "OPEN, first", expect = ACCEPTABLE, desc = "came after it")
    @State
    public static class ComesAgainstOpenFailed {
        private final RacedGroup group = new RacedGroup(Ground.lane());
        private final Guest first = new Guest();

        /** The first one waits for the lane that is opening. */
        public ComesAgainstOpenFailed() {
            group.submit(first);
        }

        /** Who comes. */
        @Actor
        public void come(LL_Result r) {
            r.r1 = group.submit(new Guest());
        }

        /** Who opens. */
        @Actor
        public void fail(LL_Result r) {
            RacedGroup.OpenFailed failed = group.openFailed();
            r.r2 = (failed.waiter() == first ? "first" : "nobody") + (failed.open() ? " and then open" : "");
        }
    }
}
