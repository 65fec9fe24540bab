package dev.sqlitepool.benchmarks;

/** How the clients of a contender call it. */
enum Clients {
    /** A client chains its next operation to the future of the one before; it has no thread. */
    STAGES("chained stages"),
    /** A client is a platform thread that waits for each operation. */
    THREADS("platform threads"),
    /** A client is a virtual thread that waits for each operation; JDK 21 or later. */
    VIRTUAL_THREADS("virtual threads");

    private static final int JDK_OF_VIRTUAL_THREADS = 21;

    private final String words;

    Clients(String words) {
        this.words = words;
    }

    String words() {
        return words;
    }

    /** Whether this JDK has such clients. */
    boolean areThere() {
        return this != VIRTUAL_THREADS || Runtime.version().feature() >= JDK_OF_VIRTUAL_THREADS;
    }

    /** Starts a client that is a thread. */
    void start(String name, Runnable body) {
        if (this == THREADS) {
            new Thread(body, name).start();
            return;
        }
        try { // Thread.startVirtualThread, which JDK 17 does not have
            Thread.class.getMethod("startVirtualThread", Runnable.class).invoke(null, body);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("Java " + Runtime.version().feature() + " has no virtual threads", e);
        }
    }
}
