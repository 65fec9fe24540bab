/**
 * Asynchronous, pooled access to SQLite.
 */
@SuppressWarnings("module") // the R2DBC driver is not there yet when this is compiled
module dev.sqlitepool {
    requires transitive java.sql;
    requires org.xerial.sqlitejdbc;
    requires static org.jspecify;
    requires static com.google.errorprone.annotations;

    exports dev.sqlitepool;
    exports dev.sqlitepool.internal.sql to
            dev.sqlitepool.r2dbc, // how SQL text and values are read
            dev.sqlitepool.spring.data.r2dbc; // how times are read
}
