/**
 * What may work do on a connection? {@link dev.sqlitepool.internal.session.Session} is what a piece of {@link
 * dev.sqlitepool.internal.session.Work} has of the lanes that it runs on, one after the other: it checks each statement, follows the
 * transaction, and hands the lane over clean. What a single connection can do, whoever uses it, is in {@code lane}.
 */
package dev.sqlitepool.internal.session;
