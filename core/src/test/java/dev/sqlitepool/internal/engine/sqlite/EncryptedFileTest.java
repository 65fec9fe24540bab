package dev.sqlitepool.internal.engine.sqlite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sqlitepool.SqlitePool;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sqlite.JDBC;
import org.sqlite.util.OSInfo;

/** A database that is encrypted by SQLite's native library, as SQLCipher and SQLite3 Multiple Ciphers do. */
class EncryptedFileTest {
    /** Put there by the build. */
    private static final Path JAR = Path.of("target", "encrypting", "encrypting.jar");

    @TempDir
    Path directory;

    /** Takes the native library for this system out of the jar, and runs the probe with it. */
    private Map<String, String> probe(String mode) throws IOException, InterruptedException {
        assumeTrue(Files.exists(JAR), "the build has not put " + JAR + " there");
        String library = System.mapLibraryName("sqlitejdbc").replace(".dylib", ".jnilib");
        try (ZipFile jar = new ZipFile(JAR.toFile())) {
            ZipEntry entry =
                    jar.getEntry("org/sqlite/native/" + OSInfo.getNativeLibFolderPathForCurrentOS() + "/" + library);
            assumeTrue(entry != null, "it has no library for this system");
            try (InputStream in = jar.getInputStream(entry)) {
                Files.copy(in, directory.resolve(library));
            }
        }
        Process child = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:TieredStopAtLevel=1",
                        "-Dorg.sqlite.lib.path=" + directory,
                        "-Dorg.sqlite.lib.name=" + library,
                        "-Dslf4j.internal.verbosity=ERROR",
                        "-cp",
                        String.join(
                                File.pathSeparator,
                                location(EncryptionProbe.class),
                                location(SqlitePool.class),
                                location(JDBC.class)),
                        EncryptionProbe.class.getName(),
                        directory.toString(),
                        mode)
                .redirectErrorStream(true)
                .start();
        String output = new String(child.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(child.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(child.exitValue()).as(output).isZero();
        Map<String, String> found = new LinkedHashMap<>();
        output.lines().filter(line -> line.contains(": ")).forEach(line -> {
            String[] parts = line.split(": ", 2);
            found.put(parts[0], parts[1]);
        });
        return found;
    }

    private static String location(Class<?> type) {
        return Path.of(URI.create(
                        type.getProtectionDomain().getCodeSource().getLocation().toString()))
                .toString();
    }

    private static void assertEncryptedAndUsable(Map<String, String> found) {
        assertThat(found)
                .containsEntry("new", "100")
                .containsEntry("header of the new file", "false")
                .containsEntry("text in the log", "false")
                .containsEntry("text after close", "false")
                .containsEntry("text in the backup", "false")
                .containsEntry("again", "101")
                .containsEntry("backup", "100")
                .containsEntry("key 'wrong' leaves it alone", "true")
                .containsEntry("key '' leaves it alone", "true");
    }

    @Test
    void aKeyThatComesFirstEncryptsANewFileItsLogAndItsBackupAndOpensThemAgain() throws Exception {
        Map<String, String> found = probe("hook");
        assertEncryptedAndUsable(found);
        for (String call : new String[] {"key 'wrong' reads", "key 'wrong' writes", "key '' reads", "key '' writes"}) {
            assertThat(found.get(call))
                    .as(call)
                    .startsWith("Cannot open " + directory.resolve("secret.db"))
                    .contains("it is encrypted and the key is missing or wrong")
                    .contains("beforePragmas(…)")
                    .contains("SQLITE_NOTADB");
        }
    }

    @Test
    void aFactoryMayGiveTheKeyToTheDriver() throws Exception {
        Map<String, String> found = probe("factory");
        assertEncryptedAndUsable(found);
        assertThat(found.get("key 'wrong' reads")).contains("SQLITE_NOTADB");
    }
}
