/**
 * Asynchronous, pooled access to SQLite: {@link dev.sqlitepool.SqlitePool} is the entry point. Nothing is null unless it says so.
 */
@NullMarked
package dev.sqlitepool;

import org.jspecify.annotations.NullMarked;
