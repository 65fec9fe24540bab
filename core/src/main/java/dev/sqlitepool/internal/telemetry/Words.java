package dev.sqlitepool.internal.telemetry;

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
        double size = Math.abs(seconds);
        if (size < 0.000_01) {
            return "under 0.01 ms";
        }
        String form = size >= 0.1 ? "%.1f s" : size >= 0.001 ? "%.0f ms" : "%.2f ms";
        return String.format(Locale.ROOT, form, size >= 0.1 ? seconds : seconds * 1e3);
    }

    /** A number of things. */
    public static String count(long number, String one, String many) {
        return number + " " + (number == 1 ? one : many);
    }
}
