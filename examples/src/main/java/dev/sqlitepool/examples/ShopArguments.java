package dev.sqlitepool.examples;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Optional;

/**
 * What the command line asks of the busy shop.
 *
 * @param help only say how it is used
 * @param database the file; empty for a new one in the temporary directory
 * @param customers how many customers place orders at the same time
 * @param orders how many orders they place together
 * @param readers how many readers take summaries meanwhile
 */
record ShopArguments(boolean help, Optional<Path> database, int customers, int orders, int readers) {
    static final String USAGE = """
            Usage: java -jar busy-shop.jar [options]

            Customers place orders in a shop on a SQLite database, all at the same time, while readers take
            summaries. At the end the program proves from the database that nothing was lost or oversold.

              --database PATH   the database file, created if absent; the shop's tables are all named shop_…
                                (default: a new file in the temporary directory, deleted at the end)
              --customers N     customers at the same time, 1 to 5000 (default: 200)
              --orders N        orders in total, 1 to 1000000 (default: 10000)
              --readers N       readers that take summaries meanwhile, 0 to 100 (default: 3)
              -h, --help        shows this

            A value follows its option, or an equals sign: --orders 100, --orders=100.

            Exit code: 0 if the proof holds, 1 if it does not or the run failed, 2 for bad arguments.
            """;

    /**
     * Reads a command line.
     *
     * @throws IllegalArgumentException says which argument is wrong and what is right
     */
    static ShopArguments parse(String... args) {
        ShopArguments found = new ShopArguments(false, Optional.empty(), 200, 10_000, 3);
        for (int i = 0; i < args.length; i++) {
            int equals = args[i].startsWith("--") ? args[i].indexOf('=') : -1;
            String option = equals < 0 ? args[i] : args[i].substring(0, equals);
            if (args[i].equals("--help") || args[i].equals("-h")) {
                return new ShopArguments(true, found.database, found.customers, found.orders, found.readers);
            }
            if (!option.equals("--database")
                    && !option.equals("--customers")
                    && !option.equals("--orders")
                    && !option.equals("--readers")) {
                throw new IllegalArgumentException("Unknown argument: " + args[i]);
            }
            if (equals >= 0) {
                found = found.with(option, args[i].substring(equals + 1));
            } else if (++i < args.length) {
                found = found.with(option, args[i]);
            } else {
                throw new IllegalArgumentException(option + " needs a value after it.");
            }
        }
        return found;
    }

    private ShopArguments with(String option, String value) {
        switch (option) {
            case "--database":
                return new ShopArguments(help, Optional.of(path(value)), customers, orders, readers);
            case "--customers":
                return new ShopArguments(help, database, number(option, value, 1, 5_000), orders, readers);
            case "--orders":
                return new ShopArguments(help, database, customers, number(option, value, 1, 1_000_000), readers);
            default:
                return new ShopArguments(help, database, customers, orders, number(option, value, 0, 100));
        }
    }

    private static Path path(String value) {
        if (value.isBlank()) {
            throw new IllegalArgumentException("--database was blank; it must name a file.");
        }
        try {
            return Path.of(value);
        } catch (InvalidPathException e) {
            throw new IllegalArgumentException("--database was " + value + "; that is no path: " + e.getReason(), e);
        }
    }

    private static int number(String option, String value, int least, int most) {
        try {
            int number = Integer.parseInt(value);
            if (number >= least && number <= most) {
                return number;
            }
        } catch (NumberFormatException e) {
            // said below
        }
        throw new IllegalArgumentException(option + " was " + (value.isEmpty() ? "empty" : value)
                + "; it must be a whole number from " + least + " to " + most + ".");
    }
}
