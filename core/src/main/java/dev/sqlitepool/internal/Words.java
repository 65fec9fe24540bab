package dev.sqlitepool.internal;

import java.time.Duration;
import java.util.Locale;

/** Amounts in messages. Stateless. */
public final class Words {
    private Words() {}

    /** A duration in seconds, or in milliseconds if it is short. */
    public static String time(Duration duration) {
        double seconds = duration.getSeconds() + duration.getNano() / 1e9;
        if (seconds == 0) {
            return "0 s";
        }
        return Math.abs(seconds) >= 0.1
                ? String.format(Locale.ROOT, "%.1f s", seconds)
                : Math.abs(seconds) >= 0.001
                        ? String.format(Locale.ROOT, "%.0f ms", seconds * 1e3)
                        : String.format(Locale.ROOT, "%.6f ms", seconds * 1e3);
    }

    /** A number of things. */
    public static String count(long number, String one, String many) {
        return number + " " + (number == 1 ? one : many);
    }
}
