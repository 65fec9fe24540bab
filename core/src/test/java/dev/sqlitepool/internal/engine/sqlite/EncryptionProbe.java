package dev.sqlitepool.internal.engine.sqlite;

import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Arrays;
import java.util.Properties;

/** A program that uses an encrypted file, in a process of its own with a native library that encrypts. */
final class EncryptionProbe {
    static final String TEXT = "nobody may read this without the key";

    private EncryptionProbe() {}

    /**
     * Prints what it finds.
     *
     * @param arguments a directory, and {@code hook} or {@code factory}
     */
    public static void main(String[] arguments) throws Exception {
        Path file = Path.of(arguments[0]).resolve("secret.db");
        Path copy = Path.of(arguments[0]).resolve("copy.db");
        boolean hook = arguments[1].equals("hook");
        try (SqlitePool pool = with(file, "right", hook)) {
            pool.execute("CREATE TABLE t (x)").join();
            for (int i = 0; i < 100; i++) {
                pool.execute("INSERT INTO t VALUES (?)", TEXT + i).join();
            }
            say("new", count(pool));
            say("header of the new file", isPlain(file));
            say("text in the log", isPlain(Path.of(file + "-wal")));
            pool.backup(copy).join();
        }
        say("text after close", isPlain(file));
        say("text in the backup", isPlain(copy));
        try (SqlitePool pool = with(file, "right", hook)) {
            pool.execute("INSERT INTO t VALUES ('one more')").join();
            say("again", count(pool));
        }
        try (SqlitePool pool = with(copy, "right", hook)) {
            say("backup", count(pool));
        }
        for (String key : new String[] {"wrong", ""}) {
            byte[] before = Files.readAllBytes(file);
            try (SqlitePool pool = with(file, key, hook)) {
                say("key '" + key + "' reads", failure(() -> count(pool)));
                say("key '" + key + "' writes", failure(() -> pool.blocking().execute("DELETE FROM t")));
            }
            say("key '" + key + "' leaves it alone", Arrays.equals(before, Files.readAllBytes(file)));
        }
    }

    private static void say(String what, Object found) {
        System.out.println(what + ": " + found);
    }

    private static SqlitePool with(Path file, String key, boolean hook) {
        SqlitePoolBuilder builder = SqlitePool.builder().poolSize(2);
        if (hook) {
            return builder.databasePath(file)
                    .beforePragmas(connection -> {
                        if (!key.isEmpty()) {
                            try (Statement statement = connection.createStatement()) {
                                statement.execute("PRAGMA key = '" + key + "'");
                            }
                        }
                    })
                    .build();
        }
        return builder.connectionFactory(access -> {
                    Properties properties = new Properties();
                    if (!key.isEmpty()) {
                        properties.setProperty("password", key);
                    }
                    return DriverManager.getConnection("jdbc:sqlite:" + file, properties);
                })
                .build();
    }

    private static int count(SqlitePool pool) throws SQLException {
        return pool.blocking()
                .query("SELECT count(*) FROM t", row -> row.getInt(1))
                .get(0);
    }

    private interface Call {
        Object run() throws SQLException;
    }

    private static String failure(Call call) {
        try {
            return "no failure but " + call.run();
        } catch (SQLException e) {
            return e.getMessage();
        }
    }

    private static boolean isPlain(Path file) throws IOException {
        String content = new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1);
        return content.isEmpty() || content.startsWith("SQLite format 3") || content.contains(TEXT);
    }
}
