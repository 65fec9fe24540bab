/**
 * Programs and snippets of the documentation.
 */
module dev.sqlitepool.examples {
    requires dev.sqlitepool;
}
