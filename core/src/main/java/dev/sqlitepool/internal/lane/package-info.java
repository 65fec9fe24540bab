/**
 * What is one connection? A {@link dev.sqlitepool.internal.lane.Lane} has the engine, the statements that it keeps prepared, the interrupts
 * that may reach it, and the doubts about it. It has one owner at a time. What its owner may do on it is the question of {@code session}.
 */
package dev.sqlitepool.internal.lane;
