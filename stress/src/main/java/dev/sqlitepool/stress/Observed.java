package dev.sqlitepool.stress;

import java.util.ArrayList;
import java.util.List;

/**
 * What one transaction did and saw, and when. Immutable.
 *
 * @param began by {@link System#nanoTime}, which on Linux is the same for all processes: no later than this it had not begun
 * @param ended no earlier than this it was acknowledged; {@link Long#MAX_VALUE} if it never was
 * @param fate what its client was told
 * @param steps in their order
 */
record Observed(long began, long ended, Fate fate, List<Step> steps) {
    enum Fate {
        COMMITTED,
        ROLLED_BACK,
        /** It may have happened, or not. */
        UNKNOWN
    }

    /**
     * One statement: the whole list of a key was read, or one value was appended to it.
     *
     * @param values what was read, in its order; or the one value appended
     */
    record Step(boolean append, int key, List<Long> values) {}

    /** As one line. */
    String line() {
        StringBuilder line = new StringBuilder();
        line.append(began).append(' ').append(ended).append(' ').append(fate);
        for (Step step : steps) {
            line.append(step.append() ? " +" : " =").append(step.key()).append(':');
            step.values().forEach(value -> line.append(value).append(','));
        }
        return line.toString();
    }

    /** From a line. */
    static Observed of(String line) {
        String[] parts = line.split(" ", -1);
        List<Step> steps = new ArrayList<>();
        for (int i = 3; i < parts.length; i++) {
            int colon = parts[i].indexOf(':');
            List<Long> values = new ArrayList<>();
            for (String value : parts[i].substring(colon + 1).split(",", -1)) {
                if (!value.isEmpty()) {
                    values.add(Long.valueOf(value));
                }
            }
            steps.add(new Step(
                    parts[i].charAt(0) == '+', Integer.parseInt(parts[i].substring(1, colon)), List.copyOf(values)));
        }
        return new Observed(
                Long.parseLong(parts[0]), Long.parseLong(parts[1]), Fate.valueOf(parts[2]), List.copyOf(steps));
    }
}
