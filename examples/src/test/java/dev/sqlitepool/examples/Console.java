package dev.sqlitepool.examples;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;

/** What a program prints, and its exit code. */
final class Console {
    private final ByteArrayOutputStream printed = new ByteArrayOutputStream();
    private final ByteArrayOutputStream complained = new ByteArrayOutputStream();
    final PrintStream out = new PrintStream(printed, true, UTF_8);
    private final PrintStream err = new PrintStream(complained, true, UTF_8);

    /** Runs the busy shop as its main method would, and gives its exit code. */
    int run(boolean terminal, Object... args) throws Exception {
        String[] texts = new String[args.length];
        for (int i = 0; i < args.length; i++) {
            texts[i] = args[i].toString();
        }
        return BusyShop.run(texts, out, err, terminal);
    }

    String printed() {
        return printed.toString(UTF_8);
    }

    String complained() {
        return complained.toString(UTF_8);
    }
}
