/**
 * Programs and snippets of the documentation.
 */
module dev.sqlitepool.examples {
    requires dev.sqlitepool;

    // So that RowMapper.of(…) reaches the public record here.
    exports dev.sqlitepool.examples;
}
