/**
 * The R2DBC driver for SQLite, over a pool: {@link dev.sqlitepool.r2dbc.SqliteConnectionFactory} is the entry point, and {@link
 * dev.sqlitepool.r2dbc.SqliteConnectionFactoryProvider} its options. Nothing is null unless it says so.
 */
@NullMarked
package dev.sqlitepool.r2dbc;

import org.jspecify.annotations.NullMarked;
