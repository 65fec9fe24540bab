/**
 * Asynchronous, pooled access to SQLite.
 */
module dev.sqlitepool {
    requires transitive java.sql;
    requires org.xerial.sqlitejdbc;
    requires static org.jspecify;
    requires static com.google.errorprone.annotations;

    exports dev.sqlitepool;
}
