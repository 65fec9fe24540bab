package dev.sqlitepool.internal.lane;

import dev.sqlitepool.internal.lane.Lane.Ticket;

/** For whom a session works that has ended: it may outlive its tasks, and must not keep the last of them, nor what that one returned. */
enum Nobody implements Ticket {
    HERE;

    @Override
    public boolean isEnded() {
        return true;
    }

    @Override
    public boolean beginCommit() {
        return false;
    }
}
