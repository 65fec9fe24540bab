/**
 * SQLite for Spring: the bind markers of its {@code DatabaseClient}, and the dialect of Spring Data R2DBC, {@link
 * dev.sqlitepool.spring.data.r2dbc.SqliteDialect}. Spring finds both. Nothing is null unless it says so.
 */
@NullMarked
package dev.sqlitepool.spring.data.r2dbc;

import org.jspecify.annotations.NullMarked;
