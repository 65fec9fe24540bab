package dev.sqlitepool.internal.engine.sqlite;

import java.sql.SQLException;

/**
 * Which statements of different tasks may share a transaction of one connection. Owned by the lane's owner, except
 * {@link #mayJoin}.
 */
final class Grouping {
    /**
     * Whether a commit could judge statements of different tasks together: a deferred foreign key that fails alone is
     * fixed by a later statement that inserts the parent. Attached databases are not searched for them.
     */
    private static final String UNSUITED =
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE instr(upper(sql), 'DEFERR'))"
                    + " OR EXISTS (SELECT 1 FROM sqlite_temp_schema WHERE instr(upper(sql), 'DEFERR'))"
                    + " OR EXISTS (SELECT 1 FROM pragma_database_list WHERE name NOT IN ('main', 'temp'))";

    private final SqliteSchema schema;
    private final ForeignCode foreignCode;
    /** The schema for which {@link #suited} was found. */
    private long version = -1;

    private boolean suited;

    Grouping(SqliteSchema schema) {
        this.schema = schema;
        this.foreignCode = new ForeignCode(schema);
    }

    /** The hooks, or the factory that has opened the connection, may have added functions and the like. */
    void lookForForeignCode() throws SQLException {
        foreignCode.look();
    }

    /** See {@link dev.sqlitepool.internal.engine.Engine#mayGroup}. */
    boolean mayGroup(String sql) throws SQLException {
        long now = schema.version();
        if (now != version) {
            suited = schema.number(UNSUITED) == 0;
            foreignCode.forget();
            version = now;
        }
        return suited && !foreignCode.isCalledBy(sql);
    }

    /** See {@link dev.sqlitepool.internal.engine.Engine#mayJoin}. */
    boolean mayJoin(String sql) {
        return foreignCode.isKnownNotToBeCalledBy(sql);
    }
}
