package dev.sqlitepool.internal;

import dev.sqlitepool.internal.telemetry.Telemetry;

/**
 * The settings and services that every part of a pool receives. It knows none of the parts.
 *
 * @param settings the settings of the pool
 * @param telemetry where everything is told
 * @param workers the threads and the timer
 * @param refusal what is said to those who get no lane
 * @param life whether the pool is used, and whether it closes
 */
public record Means(Settings settings, Telemetry telemetry, Workers workers, Refusal refusal, Life life) {}
