package dev.sqlitepool.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sqlitepool.OutcomeUnknownException;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.testing.Logged;
import dev.sqlitepool.testing.Pools;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A disk that is really full: a small file system in memory, where the test may mount one. */
@Tag("slow")
@EnabledOnOs(OS.LINUX)
class FullDiskTest {
    private static final String INSERT = "INSERT INTO t VALUES (?, zeroblob(400))";

    @RegisterExtension
    final Logged logged = new Logged("a checkpoint failed");

    @RegisterExtension
    final Pools pools = new Pools();

    private static boolean run(String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        return process.waitFor(10, TimeUnit.SECONDS) && process.exitValue() == 0;
    }

    /** What was acknowledged is there once, what failed is not there, and of what is unknown nothing is there twice. */
    @Test
    void onAFullDiskEveryStatementIsToldWhatBecameOfIt() throws Exception {
        Path disk = Files.createDirectory(pools.directory().resolve("disk"));
        boolean mounted;
        try {
            mounted = run("mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", disk.toString());
        } catch (IOException e) {
            mounted = false;
        }
        assumeTrue(mounted, "only root may mount a small disk");
        try {
            fill(disk);
        } finally {
            assertThat(run("umount", "-l", disk.toString())).isTrue();
        }
    }

    private static void fillUp(Path filler) {
        try (OutputStream out = Files.newOutputStream(filler)) {
            for (int i = 0; i < 200; i++) {
                out.write(new byte[1_024]);
            }
        } catch (IOException e) {
            // no room for so much
        }
    }

    private void fill(Path disk) throws Exception {
        Path filler = disk.resolve("filler");
        Path database = disk.resolve("full.db");
        Map<Integer, CompletableFuture<Long>> all = new HashMap<>();
        SqlitePool pool =
                pools.build(SqlitePool.builder().databasePath(database).walSizeLimit(1 << 18));
        pool.execute("CREATE TABLE t (x, y)").join();
        pool.execute(INSERT, -1).join();
        for (int round = 0; round < 40; round++) {
            if (round % 10 == 4) {
                fillUp(filler); // there is no room, then there is some again
            } else if (round % 10 == 9) {
                Files.deleteIfExists(filler);
            }
            int first = round * 100;
            List<CompletableFuture<Long>> some = IntStream.range(first, first + 100)
                    .mapToObj(i -> {
                        CompletableFuture<Long> future =
                                i % 7 == 0 ? pool.transaction(tx -> tx.execute(INSERT, i)) : pool.execute(INSERT, i);
                        all.put(i, future);
                        return future;
                    })
                    .toList();
            some.forEach(future -> future.exceptionally(e -> null).join());
            if (round % 10 == 9) {
                pool.execute("DELETE FROM t WHERE x < 0")
                        .exceptionally(e -> null)
                        .join();
            }
        }
        assertThat(run("mount", "-o", "remount,size=16m", disk.toString())).isTrue();
        pool.close();
        Map<Integer, Integer> rows = new HashMap<>();
        SqlitePool after = pools.build(SqlitePool.builder().databasePath(database));
        after.query("SELECT x FROM t", row -> row.getInt(1)).join().forEach(x -> rows.merge(x, 1, Integer::sum));
        int failed = 0;
        for (Map.Entry<Integer, CompletableFuture<Long>> entry : all.entrySet()) {
            int times = rows.getOrDefault(entry.getKey(), 0);
            Throwable error = entry.getValue().<Throwable>handle((n, e) -> e).join();
            if (error == null) {
                assertThat(times).as("acknowledged").isEqualTo(1);
            } else {
                failed++;
                if (error instanceof OutcomeUnknownException) {
                    assertThat(times).as("unknown").isLessThanOrEqualTo(1);
                } else {
                    assertThat(error).isInstanceOf(SQLException.class);
                    assertThat(times).as("failed").isZero();
                }
            }
        }
        assertThat(failed).isBetween(1, all.size() - 1);
        assertThat(after.queryOne("PRAGMA integrity_check", row -> row.getString(1))
                        .join())
                .hasValue("ok");
    }
}
