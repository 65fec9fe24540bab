package dev.sqlitepool.internal.dispatch;

import dev.sqlitepool.internal.lane.Lane;
import dev.sqlitepool.internal.lane.Ticket;
import dev.sqlitepool.internal.session.Form;
import dev.sqlitepool.internal.session.Session;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A session that is kept between calls, with the lane on which it works. Confined to the thread that serves its owner at the time.
 *
 * <p><b>A lane that it takes is given back once</b>: by {@link #end}, or by {@link #pause} after the call in which the session has parted
 * with it.
 *
 * <p><b>What runs on is ended.</b> A call whose lane is given back after its commit counts as running without a lane
 * ({@link Routes#runsOn}), and the pool is not closed before it has ended. {@link #pause} says that it has, unless the call goes on
 * ({@link Waiter#goesOn}): then its continuation calls {@link #ended}. So {@code close()} waits for no call that is over.
 */
final class Keeper {
    private final Routes routes;
    private final Session session;

    Keeper(Routes routes, Form form, Ticket owner) {
        this.routes = routes;
        this.session = routes.session(form, owner);
    }

    Session session() {
        return session;
    }

    /** Where its lane belongs; null if it has none. */
    @Nullable
    Lanes where() {
        Lane kept = session.lane();
        return kept == null ? null : routes.lanesOf(kept);
    }

    /** Takes the lane that its owner has been granted; false if it is not fit: then the owner waits again, or has ended. */
    boolean take(Waiter owner) {
        Lane lane = Objects.requireNonNull(owner.lane());
        Openings.Fitness fitness = routes.lanesOf(lane).fitness(lane, owner);
        if (!fitness.fit()) {
            if (fitness.rest() != null) {
                fitness.rest().run();
            }
            return false;
        }
        session.keep(lane);
        return true;
    }

    /** Begins a call on the lane that it keeps, if it has one. */
    void begin(Waiter call) {
        session.begin(session.lane(), call);
    }

    /** Ends a call. The lane stays, unless the session has parted with it. */
    void pause(Waiter call) {
        Lane back = session.pause();
        if (!call.goesOn()) {
            ended(call);
        }
        giveBack(back);
    }

    /** A call is over that has gone on after its {@link #pause}, or that an error of the machine has struck. */
    void ended(Waiter call) {
        routes.ended(call);
    }

    /** An error of the machine has struck the pool's own frames in a call: the lane is given back in the end, to be closed. */
    void struckBy(Throwable error, Waiter owner) {
        session.struckBy(error);
        if (session.lane() == null) {
            routes.rescue(owner);
        }
    }

    /** Ends the session, and gives back its lane. */
    void end() {
        giveBack(session.end());
    }

    /** Gives back the lane of its session, which has ended; null for none. */
    void giveBack(@Nullable Lane last) {
        if (last != null) {
            routes.giveBack(last);
        }
    }
}
