package dev.sqlitepool.internal.engine.sqlite;

import java.sql.SQLException;
import org.sqlite.SQLiteJDBCLoader;

/** Whether the driver has what the engine calls. Stateless. */
final class DriverVersion {
    private static final SqliteVersion LEAST = new SqliteVersion(3, 46, 0);

    private DriverVersion() {}

    /** Fails with the version that is needed, where a call would end in a {@code NoSuchMethodError}. */
    static void requireSupported() throws SQLException {
        require(SQLiteJDBCLoader.getVersion());
    }

    /** One that does not tell its version is taken for a new one. */
    static void require(String driver) throws SQLException {
        SqliteVersion found = SqliteVersion.of(driver);
        if (found.major() != 0 && found.isBefore(LEAST)) {
            throw new SQLException(
                    "The driver sqlite-jdbc " + driver + " is too old: sqlitepool needs " + LEAST
                            + ".0 or later. Update the dependency org.xerial:sqlite-jdbc, best to 3.51.3.0 or later, whose SQLite is without the"
                            + " WAL-reset bug.",
                    "08001");
        }
    }
}
