package dev.sqlitepool.internal.engine;

import java.sql.SQLException;
import org.jspecify.annotations.Nullable;

/** The keys of inserted rows, where the driver does not tell them rightly. Owned by the lane's owner. */
public interface InsertedKeys {
    /**
     * From here to {@link #end} looks which rows are inserted into a table, at a price.
     *
     * @param table without its schema
     */
    void begin(String table) throws SQLException;

    /**
     * The row id of the row that was inserted last since {@link #begin}; null if there was none, or if it has no row
     * id.
     */
    @Nullable
    Long key() throws SQLException;

    /** Looks no more. */
    void end();
}
