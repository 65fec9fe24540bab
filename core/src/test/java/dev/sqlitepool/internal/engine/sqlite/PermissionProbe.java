package dev.sqlitepool.internal.engine.sqlite;

import dev.sqlitepool.SqlitePool;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;

/** Opens databases without the right to, then gives itself the right and opens them again. Run in a JVM without privileges. */
final class PermissionProbe {
    static final String MARK = "probe: ";

    private PermissionProbe() {}

    static List<String> look(List<String> files) throws IOException {
        List<String> found = new ArrayList<>();
        for (String name : files) {
            Path file = Path.of(name);
            try (SqlitePool pool =
                    SqlitePool.builder().databasePath(file).poolSize(2).build()) {
                String first = attempt(pool) + " read: " + read(pool);
                Files.setPosixFilePermissions(file.getParent(), PosixFilePermissions.fromString("rwxr-xr-x"));
                if (Files.exists(file)) {
                    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r--r--"));
                }
                found.add(MARK + first.replace('\n', ' ') + " then: " + attempt(pool));
            }
        }
        return found;
    }

    private static String attempt(SqlitePool pool) {
        try {
            pool.blocking().execute("CREATE TABLE IF NOT EXISTS probe (x)");
            return "works";
        } catch (SQLException | RuntimeException e) {
            return e.toString();
        }
    }

    private static String read(SqlitePool pool) {
        try {
            return pool.blocking().query("SELECT count(*) FROM sqlite_schema", row -> row.getString(1)) + "";
        } catch (SQLException | RuntimeException e) {
            return e.toString();
        }
    }

    public static void main(String[] files) throws IOException {
        look(List.of(files)).forEach(System.out::println);
    }
}
