/**
 * Programs and snippets of the documentation.
 */
module dev.sqlitepool.examples {
    requires dev.sqlitepool;
    requires org.xerial.sqlitejdbc;

    // So that RowMapper.of(…) reaches the records here, the ones that are not public too.
    opens dev.sqlitepool.examples to
            dev.sqlitepool;
}
