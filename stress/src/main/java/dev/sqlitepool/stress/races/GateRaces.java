package dev.sqlitepool.stress.races;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;

import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import dev.sqlitepool.internal.Workers;
import dev.sqlitepool.internal.engine.Engine;
import dev.sqlitepool.internal.engine.WriteAheadLog;
import dev.sqlitepool.internal.log.SyncGate;
import java.io.UncheckedIOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.LL_Result;

/** The gate before a file: each outcome is settled, once, in the order in which they came, and after a sync. What is not listed is forbidden. */
public final class GateRaces {
    private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(20);
    private static final Ground GROUND = new Ground(inFile());
    private static final Engine ENGINE = counted(GROUND.borrow().engine());
    private static final SyncGate GATE = GROUND.parts().gate();
    private static final Workers WORKERS = GROUND.parts().means().workers();
    /** Syncs that have begun, and the number of the last one that has ended. There is one at a time. */
    private static final AtomicLong BEGUN = new AtomicLong();

    private static volatile long synced;
    private static final AtomicLong SETTLED = new AtomicLong();

    private GateRaces() {}

    private static SqlitePoolBuilder inFile() {
        try {
            Path file = Files.createTempFile("sqlitepool-races-", ".db");
            file.toFile().deleteOnExit();
            return SqlitePool.builder().databasePath(file).poolSize(1);
        } catch (java.io.IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Engine counted(Engine engine) {
        return counted(engine, Engine.class);
    }

    private static <T> T counted(T target, Class<T> type) {
        return type.cast(Proxy.newProxyInstance(
                Engine.class.getClassLoader(), new Class<?>[] {type}, (self, method, arguments) -> {
                    boolean sync = method.getName().equals("sync");
                    long number = sync ? BEGUN.incrementAndGet() : 0;
                    try {
                        Object answer = method.invoke(target, arguments);
                        return answer instanceof WriteAheadLog log ? counted(log, WriteAheadLog.class) : answer;
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    } finally {
                        synced = sync ? number : synced;
                    }
                }));
    }

    /** Notes when it is settled. */
    private static final class Noted implements dev.sqlitepool.internal.log.Outcome {
        private final boolean written;
        /** What had begun before it was added does not cover it. */
        private final long begunBefore = BEGUN.get();

        private volatile long place;
        private volatile @Nullable String wrong;

        Noted(boolean written) {
            this.written = written;
        }

        @Override
        public void settle(@Nullable OutcomeUnknownException unknown) {
            if (place != 0) {
                wrong = "settled twice";
            } else if (unknown != null) {
                wrong = unknown.toString();
            } else if (written && synced <= begunBefore) {
                wrong = "settled before its sync";
            }
            place = SETTLED.incrementAndGet();
        }

        @Override
        public boolean isSettled() {
            return place != 0;
        }
    }

    /** Adds three, the second of which needs no sync, and sees to a driver after each. */
    private static Noted[] add(SyncGate gate, Consumer<Noted> drive) {
        Noted[] added = new Noted[3];
        for (int i = 0; i < added.length; i++) {
            added[i] = new Noted(i != 1);
            gate.add(ENGINE, i != 1, added[i]);
            drive.accept(added[i]);
        }
        return added;
    }

    private static String seen(Noted[] added) {
        long deadline = System.nanoTime() + PATIENCE_NANOS;
        long last = 0;
        for (Noted one : added) {
            while (!one.isSettled()) {
                if (System.nanoTime() - deadline > 0) {
                    return "left in the gate";
                }
                Thread.onSpinWait();
            }
            if (one.wrong != null) {
                return one.wrong;
            }
            if (one.place < last) {
                return "out of order";
            }
            last = one.place;
        }
        return "settled";
    }

    /** Two owners of the lane at once, which is more than there may be; a worker drives for each. */
    @JCStressTest
    @Outcome(id = "settled, settled", expect = ACCEPTABLE, desc = "each once, in order, after its sync")
    @State
    public static class DrivesAgainstAdds {
        private Noted[] ones;
        private Noted[] others;

        /** As a worker. */
        @Actor
        public void drive() {
            ones = add(GATE, noted -> WORKERS.execute(GATE::drive));
        }

        /** As one who has still to see to the lane. */
        @Actor
        public void driveElsewhere() {
            others = add(GATE, noted -> GATE.driveElsewhere());
        }

        /** When both have done. */
        @Arbiter
        public void end(LL_Result r) {
            r.r1 = seen(ones);
            r.r2 = seen(others);
        }
    }

    /** A lone writer that syncs on its own thread, and waits; and a worker that drives. */
    @JCStressTest
    @Outcome(id = "settled, settled", expect = ACCEPTABLE, desc = "each once, after its sync")
    @State
    public static class DrivesAloneAgainstAdds {
        private Noted[] ones;
        private Noted[] others;

        /** As a thread that waits. */
        @Actor
        public void driveAlone() {
            ones = add(GATE, GATE::driveAlone);
        }

        /** As a worker. */
        @Actor
        public void drive() {
            others = add(GATE, noted -> WORKERS.execute(GATE::drive));
        }

        /** When both have done. */
        @Arbiter
        public void end(LL_Result r) {
            r.r1 = seen(ones);
            r.r2 = seen(others);
        }
    }
}
