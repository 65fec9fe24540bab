/**
 * When is a commit on disk, and how long is the log? {@link dev.sqlitepool.internal.log.SyncGate} makes commits durable in groups and then
 * acknowledges them; {@link dev.sqlitepool.internal.log.Checkpointer} keeps the write-ahead log within its limit.
 */
package dev.sqlitepool.internal.log;
