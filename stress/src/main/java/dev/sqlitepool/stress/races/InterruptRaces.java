package dev.sqlitepool.stress.races;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;

import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.lane.Ticket;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.L_Result;

/** No stranger's interrupt. What is not listed is forbidden. */
public final class InterruptRaces {
    private InterruptRaces() {}

    private static final class Pass implements Ticket {
        @Override
        public boolean isEnded() {
            return true;
        }

        @Override
        public boolean beginCommit() {
            return false;
        }

        @Override
        public String label() {
            return "";
        }
    }

    /** A task is interrupted while its owner leaves the lane and the next one enters it. */
    @JCStressTest
    @Outcome(id = "null", expect = ACCEPTABLE, desc = "it had left, or not come yet")
    @Outcome(id = "hits the first", expect = ACCEPTABLE, desc = "it was there")
    @State
    public static class InterruptedAgainstLeft {
        private final Pass first = new Pass();
        private final Pass second = new Pass();
        private final Lane lane = Ground.laneOver(this::watched);
        /** Who is served: the statements of whom an interrupt may hit. */
        private volatile String served = "nobody";

        private volatile String hit;

        private Engine watched(Engine engine) {
            return (Engine) Proxy.newProxyInstance(
                    Engine.class.getClassLoader(), new Class<?>[] {Engine.class}, (self, method, arguments) -> {
                        if (method.getName().equals("interrupt")) {
                            hit = "hits " + served;
                        }
                        try {
                            return method.invoke(engine, arguments);
                        } catch (InvocationTargetException e) {
                            throw e.getCause();
                        }
                    });
        }

        /** Who owns the lane. */
        @Actor
        public void serve() {
            served = "the first";
            lane.enter(first);
            lane.leave();
            served = "the second";
            lane.enter(second);
            lane.leave();
        }

        /** Who has ended the first. */
        @Actor
        public void interrupt(L_Result r) {
            lane.interrupts().interrupt(first);
            r.r1 = hit;
        }
    }
}
