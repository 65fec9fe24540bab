package dev.sqlitepool.internal.file;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Which connections of this process have which database file open, whatever class loader their pool is of. Thread-safe.
 *
 * <p>Two copies of SQLite in a process must not open the same file: each loses its locks when the other closes a
 * descriptor (<a href="https://www.sqlite.org/howtocorrupt.html">How To Corrupt, 2.2.1</a>). A class loader that loads
 * the driver again loads SQLite again. Two such loaders have nothing in common but the classes of the JDK, so the
 * registry is in the system properties: one for each file in use, with a line for each connection. Only text, because
 * an object there would keep its class loader alive, and because {@code System.getProperties().list(…)} fails for
 * anything else. {@link java.util.Properties#compute} makes each change atomic.
 *
 * <p>A line is there from before its connection is opened until after it is closed. Other versions of the library read
 * the lines too: the format must not change.
 */
final class FileHolders {
    private static final String PREFIX = "dev.sqlitepool.open:";

    private FileHolders() {}

    /**
     * One connection.
     *
     * @param copy the copy of SQLite
     * @param owner the pool, as no other pool of the process is called
     * @param open it is set up
     * @param pool the name of the pool
     */
    record Holder(String copy, String owner, boolean open, String pool) {
        Holder {
            pool = pool.replaceAll("\\R", " ");
        }

        private String line() {
            return copy + ' ' + owner + ' ' + (open ? "open" : "opens") + ' ' + pool;
        }

        private static Holder of(String line) {
            String[] parts = line.split(" ", 4);
            return new Holder(parts[0], parts[1], parts[2].equals("open"), parts[3]);
        }

        Holder opened() {
            return new Holder(copy, owner, true, pool);
        }
    }

    /**
     * Adds a connection, unless the file is open through another copy of SQLite.
     *
     * @return the connection that has it open through another copy; null if the new one has been added
     */
    static @Nullable Holder add(String file, Holder holder) {
        Holder[] other = new Holder[1];
        change(file, holders -> {
            other[0] = holders.stream()
                    .filter(each -> !each.copy.equals(holder.copy))
                    .findFirst()
                    .orElse(null);
            if (other[0] == null) {
                holders.add(holder);
            }
        });
        return other[0];
    }

    /**
     * Puts the next state of a connection in the place of its last, and returns all connections that there were before.
     */
    static List<Holder> replace(String file, Holder holder, Holder next) {
        List<Holder> before = new ArrayList<>();
        change(file, holders -> {
            before.addAll(holders);
            if (holders.remove(holder)) {
                holders.add(next);
            }
        });
        return before;
    }

    static void remove(String file, Holder holder) {
        change(file, holders -> holders.remove(holder));
    }

    /** How many connections have it open. */
    static int count(String file) {
        List<Holder> found = new ArrayList<>();
        change(file, found::addAll);
        return found.size();
    }

    private interface Change {
        void apply(List<Holder> holders);
    }

    private static void change(String file, Change change) {
        System.getProperties().compute(PREFIX + file, (key, text) -> {
            List<Holder> holders = new ArrayList<>();
            if (text instanceof String lines) {
                lines.lines().map(Holder::of).forEach(holders::add);
            }
            change.apply(holders);
            return holders.isEmpty()
                    ? null
                    : String.join("\n", holders.stream().map(Holder::line).toList());
        });
    }
}
