package dev.sqlitepool;

import java.math.BigDecimal;
import java.time.Duration;
import java.util.Locale;
import java.util.regex.Pattern;

/** Which values a setting may have: a bad one is refused with its name, its value and the rule, and nothing is repaired. */
final class SettingRules {
    private static final Pattern PRAGMA_NAME = Pattern.compile("[a-z_]+");
    private static final Pattern PRAGMA_VALUE = Pattern.compile("[-+]?[A-Za-z0-9_.]+");

    private SettingRules() {}

    /** The name of a pragma as SQLite writes it, if it and its value are allowed. */
    static String pragma(String name, String value) {
        String pragma = name.toLowerCase(Locale.ROOT);
        if (!PRAGMA_NAME.matcher(pragma).matches()) {
            throw new IllegalArgumentException("pragma name was \"" + name + "\"; it must be letters and underscores.");
        }
        if (!PRAGMA_VALUE.matcher(value).matches()) {
            throw new IllegalArgumentException(
                    "the value of pragma " + pragma + " was \"" + value + "\"; it must be one word or number.");
        }
        switch (pragma) {
            case "synchronous":
                throw new IllegalArgumentException("pragma synchronous belongs to the pool; use durability(…).");
            case "busy_timeout":
                throw new IllegalArgumentException("pragma busy_timeout belongs to the pool; use busyTimeout(…).");
            case "query_only":
                throw new IllegalArgumentException("pragma query_only belongs to the pool; use read(…).");
            default:
                return pragma;
        }
    }

    static int atLeast(String setting, int value, int least) {
        if (value < least) {
            throw new IllegalArgumentException(setting + " was " + value + "; it must be at least " + least + ".");
        }
        return value;
    }

    static Duration notNegative(String setting, Duration value) {
        if (value.isNegative()) {
            throw new IllegalArgumentException(setting + " was " + seconds(value) + "; it must not be negative.");
        }
        return value;
    }

    static Duration positive(String setting, Duration value, String hint) {
        if (value.isNegative() || value.isZero()) {
            throw new IllegalArgumentException(
                    setting + " was " + seconds(value) + "; it must be more than zero; " + hint + ".");
        }
        return value;
    }

    private static String seconds(Duration value) {
        BigDecimal seconds = BigDecimal.valueOf(value.getSeconds()).add(BigDecimal.valueOf(value.getNano(), 9));
        return (seconds.signum() == 0 ? "0" : seconds.stripTrailingZeros().toPlainString()) + " s";
    }
}
