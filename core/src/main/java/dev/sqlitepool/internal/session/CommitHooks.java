package dev.sqlitepool.internal.session;

import java.util.ArrayList;
import java.util.List;

/** The hooks that run after the transaction of a function has been committed, in order. Owned by the session's owner. */
final class CommitHooks {
    private final List<Runnable> hooks = new ArrayList<>();
    /** Those of the transaction that was committed last. */
    private List<Runnable> due = List.of();

    void add(Runnable hook) {
        hooks.add(hook);
    }

    int count() {
        return hooks.size();
    }

    /** A part of the transaction is undone: only so many hooks stay. */
    void keepFirst(int count) {
        hooks.subList(count, hooks.size()).clear();
    }

    /** The transaction is committed. */
    void committed() {
        due = hooks.isEmpty() ? List.of() : List.copyOf(hooks);
    }

    /** The transaction has ended. */
    void clear() {
        hooks.clear();
    }

    /** The hooks to run now; empty if nothing was committed. */
    List<Runnable> due() {
        return due;
    }
}
